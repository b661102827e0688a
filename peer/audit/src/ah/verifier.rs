//! The keys of one direction of an AH SA, ready for use.

use core::fmt;
use std::sync::Arc;

use ikeproof_proto::crypto::{ChildProtocol, Integ, Mac, Provider};
use ikeproof_proto::event::ChildKeyLog;

/// A keyed integrity algorithm.
pub(crate) struct Verifier {
    integ: Integ,
    mac: Arc<dyn Mac>,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("integ", &self.integ).finish_non_exhaustive()
    }
}

impl Verifier {
    /// Takes the keys of the key log; `None` if they do not fit their suite, or it is not AH.
    pub(crate) fn new(provider: &dyn Provider, log: &ChildKeyLog) -> Option<Self> {
        let integ = log.suite.integ;
        let fits =
            log.suite.protocol == ChildProtocol::Ah && log.integrity.len() == integ.key_len();
        let hash = integ.hash().filter(|_| fits)?;
        Some(Self { integ, mac: provider.hmac(hash, log.integrity.expose()) })
    }

    /// The algorithm.
    pub(crate) const fn integ(&self) -> Integ {
        self.integ
    }

    /// Whether `icv` is that of the octets.
    pub(crate) fn verify(&self, covered: &[u8], icv: &[u8]) -> bool {
        self.mac.verify(&[covered], icv)
    }
}
