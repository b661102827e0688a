//! Certificates for the two ends of a [`Pair`](super::Pair), made once: keys take time.

use std::sync::OnceLock;

use super::pair::Side;
use super::setup::{INITIATOR, PUBLIC, RESPONDER, credential};
use crate::pki::Certificates;
use crate::pki::laboratory::{Issued, LaboratoryError, Order};
use crate::wire::v2::Id;

/// The first of January 2026: when the virtual clock begins.
const NOW: u64 = 1_767_225_600;
/// Short, so that signatures are cheap.
const BITS: usize = 1024;

/// The certificate and key of one end, which trusts the issuer of the other's. It names the end by the
/// name of [`credential`](super::credential) and by each address that tests give it.
pub fn certificates(side: Side) -> Certificates {
    static MADE: OnceLock<[Certificates; 2]> = OnceLock::new();
    let made = || make().expect("the laboratory of a test is set up rightly");
    let [initiator, responder] = MADE.get_or_init(made);
    match side {
        Side::Initiator => initiator.clone(),
        Side::Responder => responder.clone(),
    }
}

fn make() -> Result<[Certificates; 2], LaboratoryError> {
    let authority = Order { bits: BITS, ..Order::authority("CN=Root", [1; 32]) };
    let root = Issued::root(&authority)?;
    let end = |subject, seed, address| -> Result<_, LaboratoryError> {
        let order = Order::end(subject, [seed; 32]);
        let name = credential().id.to_id();
        let names = vec![name, Id::ip(address), Id::ip(PUBLIC)];
        let setup = root.issue(&Order { bits: BITS, names, ..order })?.setup(&root, NOW)?;
        Ok(Certificates::new(setup).expect("a certificate goes with its key"))
    };
    Ok([end("CN=Branch", 2, INITIATOR)?, end("CN=Edge", 3, RESPONDER)?])
}
