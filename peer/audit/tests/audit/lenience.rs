//! What looks wrong and is allowed, beside what looks alike and is not.

use ikeproof_audit::Sender;
use ikeproof_proto::wire::v2::{Notify, Payload};
use ikeproof_proto::wire::{NotifyType, PayloadType};
use rstest::rstest;

use crate::support::Lab;
use crate::support::lab::CBC;

fn found(lab: &Lab) -> Vec<&'static str> {
    lab.findings().iter().map(|finding| finding.requirement).collect()
}

/// The answer of IKE_AUTH has no AUTH. The initiator may say so at once, and nothing else.
#[rstest]
#[case(Some(NotifyType::AUTHENTICATION_FAILED), &[])]
#[case(Some(NotifyType::INVALID_SYNTAX), &[])]
#[case(Some(NotifyType::MOBIKE_SUPPORTED), &["rfc7296-1-exchange-order"])]
#[case(None, &["rfc7296-1-exchange-order"])]
fn an_initiator_may_say_what_is_wrong_with_an_answer_of_ike_auth(
    #[case] notify: Option<NotifyType>,
    #[case] wanted: &[&str],
) {
    let mut lab = Lab::new(CBC);
    lab.stop = Some("auth-response");
    lab.edit("auth-response", |draft| draft.drop(PayloadType::AUTH));
    lab.after("auth-response", move |lab| {
        let payloads =
            notify.into_iter().map(|kind| Payload::Notify(Notify::new(kind, vec![]))).collect();
        lab.exchange("says-request", "says-response", Sender::Peer, payloads, vec![]);
    });
    let lab = lab.run();
    let by_peer = lab.findings().into_iter().filter(|finding| finding.by == Sender::Peer);
    assert_eq!(by_peer.map(|finding| finding.requirement).collect::<Vec<_>>(), wanted);
}

#[rstest]
#[case(200, &["rfc7296-3.8-auth-method-known"])]
#[case(201, &[])]
#[case(255, &[])]
fn methods_of_private_use_are_known_to_those_who_use_them(
    #[case] method: u8,
    #[case] wanted: &[&str],
) {
    let mut lab = Lab::new(CBC);
    lab.edit("auth-request", move |draft| {
        draft.body(PayloadType::AUTH, |body| body[0] = method);
    });
    assert_eq!(found(&lab.run()), wanted);
}
