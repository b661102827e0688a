//! Mutants of the order of messages, and of what is computed over them.

use ikeproof_audit::Sender::{self, Edge, Peer};
use ikeproof_proto::crypto::keys::natd_hash;
use ikeproof_proto::wire::v2::{Delete, Eap, Notify, Payload};
use ikeproof_proto::wire::{ExchangeType, NotifyType, PayloadType, RawPayload};

use super::{Mutant, mutant};
use crate::support::Lab;
use crate::support::draft::{Draft, FragmentChange};
use crate::support::lab::{AuthWay, CBC, GCM, Profile};

const NAT: Profile = Profile { nat: true, ..CBC };
const COOKIE: Profile = Profile { cookie: true, ..CBC };
const INVALID_KE: Profile = Profile { invalid_ke: true, ..CBC };
const FRAGMENTS: Profile = Profile { fragments: true, ..CBC };
const INFORMATIONAL: ExchangeType = ExchangeType::INFORMATIONAL;

/// One more empty request, without its answer; returns its number.
fn ask(lab: &mut Lab, by: Sender, step: &'static str, copies: usize) -> u32 {
    let id = lab.next_id(by);
    let mut draft = lab.protected(by, INFORMATIONAL, false, id, vec![]);
    draft.copies = copies;
    lab.send(step, draft);
    id
}

/// The empty answer to a request.
fn answer(lab: &mut Lab, by: Sender, step: &'static str, id: u32) {
    let draft = lab.protected(by, INFORMATIONAL, true, id, vec![]);
    lab.send(step, draft);
}

fn message_id(lab: &mut Lab, step: &'static str, id: u32) {
    lab.edit(step, move |draft| draft.header.message_id = id);
}

fn fragment(lab: &mut Lab, change: FragmentChange) {
    lab.edit("auth-request", move |draft| draft.fragment_change = Some(change));
}

fn same_iv(lab: &mut Lab) {
    for step in ["auth-request", "child-request"] {
        lab.edit(step, |draft| draft.iv.fill(7));
    }
}

/// Moves a message from the port of NAT traversal to port 500.
fn on_500(draft: &mut Draft) {
    draft.marker = false;
    for address in [&mut draft.src, &mut draft.dst] {
        address.set_port(if address.port() == 4500 { 500 } else { 20000 });
    }
}

pub fn mutants() -> Vec<Mutant> {
    [numbers(), windows(), init(), protection(), content(), fragments()]
        .into_iter()
        .flatten()
        .collect()
}

fn numbers() -> Vec<Mutant> {
    vec![
        mutant("informational-before-auth", CBC, |lab| {
            lab.after("auth-request", |lab| {
                let id = ask(lab, Edge, "extra-request", 1);
                answer(lab, Peer, "extra-response", id);
            });
        }),
        mutant("init-message-id-one", CBC, |lab| {
            message_id(lab, "init-request", 1);
            message_id(lab, "init-response", 1);
        }),
        mutant("message-id-skipped", CBC, |lab| {
            lab.after("live-response", |lab| {
                lab.next_id(Peer);
            });
        }),
        mutant("message-id-not-reset-by-rekey", CBC, |lab| {
            for (step, id) in
                [("last-request", 5), ("last-response", 5), ("end-request", 6), ("end-response", 6)]
            {
                message_id(lab, step, id);
            }
        }),
        mutant("response-to-nothing", CBC, |lab| {
            lab.after("live-response", |lab| answer(lab, Peer, "extra-response", 9));
        }),
        mutant("response-of-other-exchange", CBC, |lab| {
            lab.edit("live-response", |draft| {
                draft.header.exchange = ExchangeType::CREATE_CHILD_SA;
                draft.add_notify(NotifyType::NO_ADDITIONAL_SAS, &[]);
            });
        }),
        mutant("retransmission-sealed-anew", CBC, |lab| {
            lab.edit("child-request", |draft| draft.seal_again = true);
        }),
        mutant("response-sealed-anew", CBC, |lab| {
            lab.edit("child-response", |draft| draft.seal_again = true);
        }),
        mutant("init-answered-twice", CBC, |lab| {
            lab.after("init-response", |lab| {
                lab.send_last_again(|message| *message.last_mut().unwrap() ^= 1);
            });
        }),
        mutant("answer-to-other-port", CBC, |lab| {
            lab.edit("live-response", |draft| draft.dst.set_port(501));
        }),
        mutant("answer-from-other-port", CBC, |lab| {
            lab.edit("live-response", |draft| draft.src.set_port(501));
        }),
    ]
}

fn windows() -> Vec<Mutant> {
    vec![
        mutant("second-request-outstanding", CBC, |lab| {
            lab.after("live-request", |lab| {
                let id = ask(lab, Edge, "extra-request", 1);
                answer(lab, Peer, "extra-response", id);
            });
        }),
        mutant("request-before-auth-answer", CBC, |lab| {
            let eap = || vec![Payload::Eap(Eap(vec![2, 1, 0, 4]))];
            lab.after("auth-request", move |lab| {
                let id = lab.next_id(Peer);
                let draft = lab.protected(Peer, ExchangeType::IKE_AUTH, false, id, eap());
                lab.send("extra-request", draft);
                lab.after("auth-response", move |lab| {
                    let draft = lab.protected(Edge, ExchangeType::IKE_AUTH, true, id, eap());
                    lab.send("extra-response", draft);
                });
            });
        }),
        mutant("third-request-in-window-of-two", CBC, |lab| {
            lab.edit("live-response", |draft| {
                draft.add_notify(NotifyType::SET_WINDOW_SIZE, &[0, 0, 0, 2]);
            });
            lab.after("live-response", |lab| {
                let ids = ["a", "b", "c"].map(|step| ask(lab, Edge, step, 1));
                for id in ids {
                    answer(lab, Peer, "extra-response", id);
                }
            });
        }),
        mutant("informational-not-answered", CBC, |lab| {
            lab.stop = Some("delete-response");
            lab.after("live-response", |lab| {
                ask(lab, Edge, "extra-request", 4);
            });
        }),
        mutant("child-request-not-answered", CBC, |lab| {
            lab.stop = Some("extra-response");
            lab.edit("child-request", |draft| draft.copies = 4);
            lab.edit("child-response", |draft| draft.copies = 0);
            lab.after("child-response", |lab| {
                let id = ask(lab, Edge, "extra-request", 1);
                answer(lab, Peer, "extra-response", id);
            });
        }),
    ]
}

fn init() -> Vec<Mutant> {
    vec![
        mutant("cookie-changed", COOKIE, |lab| {
            lab.edit("init-request", |draft| {
                draft.notify(NotifyType::COOKIE, |notify| notify.data[0] ^= 1);
            });
        }),
        mutant("nonce-changed-with-cookie", COOKIE, |lab| {
            lab.edit("init-request", |draft| {
                draft.body(PayloadType::NONCE, |body| body[0] ^= 1);
            });
        }),
        mutant("other-group-than-asked-for", INVALID_KE, |lab| {
            lab.edit("init-0-response", |draft| {
                draft.notify(NotifyType::INVALID_KE_PAYLOAD, |notify| notify.data = vec![0, 20]);
            });
        }),
        mutant("fewer-suites-after-invalid-ke", INVALID_KE, |lab| {
            lab.edit("init-request", |draft| draft.sa(|sa| sa.proposals.truncate(1)));
        }),
        mutant("natd-hash-wrong", CBC, |lab| {
            lab.edit("init-request", |draft| {
                let (spi_i, spi_r) = (draft.header.spi_i.0, draft.header.spi_r.0);
                let hash = natd_hash(spi_i, spi_r, draft.src.ip(), draft.src.port());
                let kind = NotifyType::NAT_DETECTION_DESTINATION_IP;
                draft.notify(kind, |notify| notify.data = hash);
            });
        }),
        mutant("natd-destination-missing", CBC, |lab| {
            lab.edit("init-response", |draft| {
                draft.drop_notify(NotifyType::NAT_DETECTION_DESTINATION_IP);
            });
        }),
        mutant("auth-on-500-behind-nat", NAT, |lab| {
            lab.edit("auth-request", on_500);
            lab.edit("auth-response", on_500);
        }),
    ]
}

fn protection() -> Vec<Mutant> {
    vec![
        mutant("responder-auth-wrong", CBC, |lab| lab.auth[1] = AuthWay::WrongSecret),
        Mutant {
            also: &["rfc7296-2.15-psk-key-pad"],
            ..mutant("initiator-auth-wrong-and-accepted", CBC, |lab| {
                lab.auth[0] = AuthWay::WrongSecret;
            })
        },
        mutant("auth-over-first-init", COOKIE, |lab| lab.auth[0] = AuthWay::FirstInit),
        mutant("auth-over-id-without-type", CBC, |lab| lab.auth[1] = AuthWay::IdWithoutType),
        mutant("auth-with-own-nonce", CBC, |lab| lab.auth[1] = AuthWay::OwnNonce),
        mutant("sk-icv-flipped", CBC, |lab| {
            lab.after("live-request", |lab| {
                lab.send_last_again(|message| *message.last_mut().unwrap() ^= 1);
            });
        }),
        mutant("sk-pad-length-too-long", CBC, |lab| {
            lab.edit("live-request", |draft| {
                draft.padding = Some([vec![0; 15], vec![255]].concat());
            });
        }),
        mutant("sk-iv-repeated-cbc", CBC, same_iv),
        mutant("sk-iv-repeated-gcm", GCM, same_iv),
    ]
}

fn content() -> Vec<Mutant> {
    vec![
        mutant("rekey-sa-with-outbound-spi", CBC, |lab| {
            lab.edit("child-request", |draft| {
                draft.notify(NotifyType::REKEY_SA, |notify: &mut Notify| {
                    notify.spi = 0xed6e_0001_u32.to_be_bytes().to_vec();
                });
            });
        }),
        mutant("delete-with-outbound-spi", CBC, |lab| {
            lab.edit("delete-request", |draft| {
                draft.change(PayloadType::DELETE, |payload| {
                    *payload = Payload::Delete(Delete::esp(&[0xed6e_0001]));
                });
            });
        }),
        mutant("ike-delete-answered-with-delete", CBC, |lab| {
            lab.edit("close-response", |draft| draft.add(Payload::Delete(Delete::ike())));
        }),
        mutant("liveness-answered-with-error", CBC, |lab| {
            lab.edit("live-response", |draft| {
                draft.add_notify(NotifyType::TEMPORARY_FAILURE, &[]);
            });
        }),
    ]
}

fn fragments() -> Vec<Mutant> {
    vec![
        mutant("fragments-not-agreed", FRAGMENTS, |lab| {
            lab.edit("init-response", |draft| {
                draft.drop_notify(NotifyType::IKEV2_FRAGMENTATION_SUPPORTED);
            });
        }),
        mutant("second-fragment-with-next-payload", FRAGMENTS, |lab| {
            fragment(lab, |(number, _, next)| {
                if *number == 2 {
                    *next = PayloadType::SA;
                }
            });
        }),
        mutant("fragment-number-zero", FRAGMENTS, |lab| {
            fragment(lab, |(number, _, _)| {
                if *number == 1 {
                    *number = 0;
                }
            });
        }),
        mutant("fragment-total-zero", FRAGMENTS, |lab| {
            fragment(lab, |(number, total, _)| {
                if *number == 1 {
                    *total = 0;
                }
            });
        }),
        mutant("skf-in-init", CBC, |lab| {
            lab.edit("init-request", |draft| {
                let body = vec![0, 1, 0, 1, 9, 9, 9, 9];
                draft.payloads.push(RawPayload::new(PayloadType::SKF, body));
            });
        }),
        mutant("payload-behind-skf", FRAGMENTS, |lab| {
            lab.edit("auth-request", |draft| draft.trailing = vec![0, 0, 0, 4]);
        }),
    ]
}
