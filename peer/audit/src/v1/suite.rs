//! The algorithms that phase 1 has chosen, and the keys of an ISAKMP SA with them.
//!
//! A key table of Wireshark knows nothing but the cookie of the initiator and the encryption key. What
//! it is the key of, the exchange says; the hashes cannot be computed again then.

use std::sync::Arc;

use ikeproof_proto::crypto::{Encr, IkeSuite, Integ, KeyBits, Prf};
use ikeproof_proto::wire::IkeSpi;
use ikeproof_proto::wire::v1::num::{Phase1Attr, Phase1Encr, Phase1Hash};

use super::offer::Offer;
use super::session::Session;
use crate::keys::{Ikev1Keys, Keys};

/// The keys of an ISAKMP SA.
pub(crate) fn keys_of(session: &Session, keys: &Keys) -> Option<Arc<Ikev1Keys>> {
    let exact = keys.ikev1(session.cookie_i, session.cookie_r);
    exact.or_else(|| {
        let known = keys.ikev1(session.cookie_i, IkeSpi::ZERO)?;
        known.with_suite(keys.provider(), chosen(session)?).map(Arc::new)
    })
}

/// The algorithms that were chosen, if they are known here.
fn chosen(session: &Session) -> Option<IkeSuite> {
    let answer = session.phase1.get(&2).and_then(Offer::of)?;
    let (_, transform) = answer.single()?;
    let value = |kind: Phase1Attr| u16::try_from(transform.value(kind.0)?).ok();
    let encr = match Phase1Encr(value(Phase1Attr::ENCRYPTION)?) {
        Phase1Encr::AES_CBC => {
            Encr::AesCbc(value(Phase1Attr::KEY_LENGTH).and_then(KeyBits::from_bits)?)
        }
        Phase1Encr::TRIPLE_DES_CBC => Encr::TripleDesCbc,
        _ => return None,
    };
    let (integ, prf) = match Phase1Hash(value(Phase1Attr::HASH)?) {
        Phase1Hash::MD5 => (Integ::HmacMd5_96, Prf::HmacMd5),
        Phase1Hash::SHA1 => (Integ::HmacSha1_96, Prf::HmacSha1),
        Phase1Hash::SHA2_256 => (Integ::HmacSha256_128, Prf::HmacSha256),
        Phase1Hash::SHA2_384 => (Integ::HmacSha384_192, Prf::HmacSha384),
        Phase1Hash::SHA2_512 => (Integ::HmacSha512_256, Prf::HmacSha512),
        _ => return None,
    };
    Some(IkeSuite { encr, integ, prf, group: session.group()? })
}
