//! The port of NAT traversal: whoever begins changes to it, and whoever answers follows.

use ikeproof_audit::Sender::{self, Edge, Peer};
use rstest::rstest;

use super::lab::{Lab, PRETENDED};

const LATER: &str = "rfc3947-4-all-later-4500";

/// What is found if these messages go from port 500 to port 500. There is a NAT, and the peer has begun.
fn on_500(steps: &[&'static str]) -> Vec<(&'static str, Sender)> {
    let mut lab = Lab::new(PRETENDED);
    for step in steps {
        lab.edit(step, |draft| {
            draft.src.set_port(500);
            draft.dst.set_port(500);
            draft.marker = false;
        });
    }
    let lab = lab.run();
    lab.audit(&lab.seen).0.iter().map(|finding| (finding.requirement, finding.by)).collect()
}

#[rstest]
#[case::the_question(&["quick-1"], &[(LATER, Peer)])]
#[case::the_question_and_its_answer(&["quick-1", "quick-2"], &[(LATER, Peer)])]
#[case::the_answer(&["quick-2"], &[(LATER, Edge)])]
#[case::a_probe_and_its_answer(&["dpd-1", "dpd-2"], &[(LATER, Peer)])]
#[case::a_question_of_the_responder(&["again-1"], &[(LATER, Edge)])]
#[case::after_a_message_on_500(&["quick-3", "again-1"], &[(LATER, Peer)])]
fn a_responder_is_judged_by_where_it_was_asked(
    #[case] steps: &[&'static str],
    #[case] expected: &[(&str, Sender)],
) {
    assert_eq!(on_500(steps), expected);
}
