//! The numbers of signs of life that are asked for, over what a network does to them.

use std::time::Duration;

use ikeproof_audit::Sender::{Edge, Peer};
use ikeproof_proto::wire::v1::num::NotifyKind;
use rstest::rstest;

use super::lab::{Lab, MAIN};
use super::script::notify;

const INCREMENT: &str = "rfc3706-6.2-increment-one";
const REJECTED: &str = "rfc3706-6.2-replay-rejected";

/// What is found if the peer asks for signs of life with these numbers, each in a message of its own and
/// some seconds after the one before, and gets an answer. The number before them is 1001.
fn asked(questions: &[(u32, u64)]) -> Vec<&'static str> {
    let questions = questions.to_vec();
    let mut lab = Lab::new(MAIN);
    lab.after("more-2", move |lab| {
        for (number, pause) in questions {
            lab.clock += Duration::from_secs(pause);
            let ask = notify(lab, NotifyKind::R_U_THERE, &number.to_be_bytes());
            lab.inform("ask", Peer, vec![ask]);
            let answer = notify(lab, NotifyKind::R_U_THERE_ACK, &number.to_be_bytes());
            lab.inform("answer", Edge, vec![answer]);
        }
    });
    let lab = lab.run();
    lab.audit(&lab.seen).0.iter().map(|finding| finding.requirement).collect()
}

#[rstest]
#[case::one_is_lost(&[(1003, 0), (1004, 0)], &[])]
#[case::many_are_lost(&[(1033, 0)], &[])]
#[case::more_than_can_be(&[(1034, 0), (1035, 0)], &[INCREMENT])]
#[case::overtaken(&[(1003, 0), (1002, 0), (1004, 0)], &[])]
#[case::overtaken_by_many(&[(1030, 60), (1002, 9), (1031, 0)], &[])]
#[case::overtaken_by_more_than_can_be(&[(1020, 0), (1040, 0), (1007, 0)], &[INCREMENT, REJECTED])]
#[case::the_newest_again(&[(1002, 0), (1002, 60), (1003, 0)], &[])]
#[case::an_older_one_again(&[(1002, 0), (1003, 0), (1002, 9)], &[])]
#[case::an_older_one_long_after(&[(1002, 0), (1003, 0), (1002, 11)], &[INCREMENT])]
fn numbers_of_questions_count_where_neither_loss_nor_reordering_explains_them(
    #[case] questions: &[(u32, u64)],
    #[case] expected: &[&str],
) {
    assert_eq!(asked(questions), expected);
}
