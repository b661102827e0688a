//! An edge as the responder: against strangers, and against a peer that knows the secret and errs.

use super::script::Script;
use super::{pair, stranger};

/// Runs the script in `input`; panics where an invariant does not hold.
///
/// The first octet decides who the other side is. Even: strangers, who send datagrams of any kind
/// and IKE_SA_INIT requests of a real initiator with a wrong secret; whatever they do, the edge sets
/// up nothing for them, keeps what it bounds and does not amplify. Odd: an honest initiator, with
/// faults applied to its payloads before they are protected and edits to datagrams on their way.
pub fn check(input: &[u8]) {
    let mut script = Script::new(input);
    match script.u8() % 2 {
        0 => stranger::run(script),
        _ => pair::run(script),
    }
}
