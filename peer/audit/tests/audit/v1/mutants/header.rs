//! Mutants of headers, chains and the order of exchanges.

use ikeproof_audit::Sender::{Edge, Peer};
use ikeproof_proto::wire::v1::num::{NotifyKind, PayloadKind};
use ikeproof_proto::wire::v1::{Notify, Payload, VendorId};
use ikeproof_proto::wire::{ExchangeType, IkeSpi, ProtocolId};

use super::super::draft::Hashing;
use super::super::lab::{AGGRESSIVE, Lab, MAIN};
use super::{Mutant, mutant, with};

const ID: &str = "rfc2408-5.2-check-message-id";
const LENGTH: &str = "rfc2408-5.1-header-length-mismatch";
const NEXT: &str = "rfc2408-5.2-check-next-payload";

pub fn mutants() -> Vec<Mutant> {
    [fields(), refused(), order()].into_iter().flatten().collect()
}

fn unknown() -> Payload {
    Payload::Unknown { kind: PayloadKind(127), body: vec![1; 4] }
}

/// A message that nobody has to answer: the last one of phase 1.
const LAST: &str = "main-6";

fn fields() -> Vec<Mutant> {
    vec![
        mutant("v1-minor-version", MAIN, |lab| {
            lab.edit("close", |draft| draft.header.version.minor = 1);
        }),
        mutant("v1-responder-cookie-zero", MAIN, |lab| {
            lab.edit("close", |draft| draft.header.spi_r = IkeSpi::ZERO);
        }),
        mutant("v1-cookie-of-earlier-session", MAIN, |lab| {
            lab.after("close", |lab| {
                let mut again = lab.seen[0].clone();
                again.at = lab.seen.last().unwrap().at;
                // Another Vendor ID: it is another message, with the old cookie.
                let last = again.bytes.len() - 21;
                again.bytes[last] ^= 1;
                lab.seen.push(again);
            });
        }),
        mutant("v1-cookies-swapped", MAIN, |lab| {
            lab.edit("probe-1", |draft| {
                let header = &mut draft.header;
                core::mem::swap(&mut header.spi_i, &mut header.spi_r);
            });
            lab.skip.push("probe-2");
        }),
        mutant("v1-unknown-flag", MAIN, |lab| lab.edit("close", |draft| draft.flags(0x10))),
        mutant("v1-auth-only-in-main-mode", MAIN, |lab| {
            lab.edit(LAST, |draft| draft.flags(0x04));
        }),
        mutant("v1-message-id-zero-in-quick-mode", MAIN, |lab| {
            for step in ["quick-1", "quick-2", "quick-3"] {
                lab.edit(step, |draft| draft.header.message_id = 0);
            }
        }),
        mutant("v1-message-id-of-earlier-quick-mode", MAIN, |lab| {
            lab.after("quick-3", |lab| {
                let id = lab.seen.last().unwrap().bytes[20..24].try_into().unwrap();
                let nonce = Payload::Nonce(lab.random(16));
                let id = u32::from_be_bytes(id);
                let mode = ExchangeType::QUICK_MODE;
                let draft = lab.sealed(Peer, mode, id, vec![nonce], Hashing::One);
                lab.send("once-more", draft);
            });
        }),
        mutant("v1-connected-with-own-message-id", MAIN, |lab| {
            lab.edit("again-2", |draft| draft.flags(0x02));
            lab.after("again-3", |lab| {
                let notify =
                    Notify::child(NotifyKind::CONNECTED, ProtocolId::ESP, 0xc0de_0002, vec![]);
                lab.inform("connected", Peer, vec![Payload::Notify(notify)]);
            });
        }),
        with("v1-first-payload-transform", MAIN, &[NEXT], first_payload),
        mutant("v1-payload-length-three", MAIN, |lab| {
            lab.edit("main-3", |draft| {
                draft.after_hash(|payloads| payloads[0].declared_length = 3);
            });
            lab.edit("main-3", |_| {});
        }),
        mutant("v1-reserved-octet-of-payload", MAIN, |lab| {
            lab.edit("close", |draft| {
                draft.raw(PayloadKind::DELETE).reserved = 1;
            });
        }),
        mutant("v1-payload-127", MAIN, |lab| lab.edit(LAST, |draft| draft.add(unknown()))),
        mutant("v1-vendor-id-in-quick-mode", MAIN, |lab| {
            lab.edit("quick-1", |draft| {
                draft.add(Payload::VendorId(VendorId(b"a vendor".to_vec())));
            });
        }),
        mutant("v1-first-message-again-with-other-nonce", MAIN, |lab| {
            lab.after("main-3", |lab| {
                let mut again = lab.seen.last().unwrap().clone();
                let last = again.bytes.len() - 60;
                again.bytes[last] ^= 1;
                lab.seen.insert(lab.seen.len() - 1, again);
            });
        }),
        mutant("v1-copies-at-one-interval", MAIN, |lab| {
            lab.edit("main-1", |draft| draft.copies = vec![10, 4000, 4000, 4000]);
        }),
    ]
}

fn first_payload(lab: &mut Lab) {
    lab.edit("main-3", |draft| {
        draft.insert(0, Payload::Unknown { kind: PayloadKind::TRANSFORM, body: vec![0; 4] });
    });
}

/// Messages that the other side has to refuse, and takes.
fn refused() -> Vec<Mutant> {
    vec![
        with("v1-minor-version-taken", MAIN, &["rfc2408-3.1-major-one"], |lab| {
            lab.edit("main-3", |draft| draft.header.version.minor = 1);
        }),
        with("v1-unknown-flag-taken", MAIN, &["rfc2408-3.1-flags-clear"], |lab| {
            lab.edit("main-2", |draft| draft.flags(0x80));
        }),
        with("v1-message-id-in-phase-1", MAIN, &[ID], |lab| id_in_phase1(lab, "main-3")),
        with(
            "v1-message-id-in-phase-1-taken",
            MAIN,
            &["rfc2408-3.1-message-id-zero-phase1"],
            |lab| id_in_phase1(lab, "main-2"),
        ),
        with("v1-header-length-short", MAIN, &[LENGTH], |lab| trailing(lab, "main-3")),
        with("v1-header-length-short-taken", MAIN, &["rfc2408-3.1-length-whole"], |lab| {
            trailing(lab, "main-2");
        }),
        mutant("v1-message-not-aligned", MAIN, |lab| {
            lab.edit("main-3", |draft| {
                draft.body(PayloadKind::NONCE, |nonce| nonce.push(9));
                draft.on_wire(|message| {
                    message.truncate(message.len() - 3);
                    let length = u32::try_from(message.len()).unwrap();
                    message[24..28].copy_from_slice(&length.to_be_bytes());
                });
            });
        }),
        with(
            "v1-first-payload-transform-taken",
            MAIN,
            &["rfc2408-3.1-next-payload-assigned"],
            first_payload,
        ),
        with("v1-reserved-octet-taken", MAIN, &["rfc2408-2.5.2-reserved-zero"], |lab| {
            lab.edit("main-3", |draft| draft.raw(PayloadKind::NONCE).reserved = 1);
        }),
        with("v1-payload-127-taken", MAIN, &["rfc2408-3.1-payload-types-assigned"], |lab| {
            lab.edit("main-3", |draft| draft.add(unknown()))
        }),
    ]
}

fn id_in_phase1(lab: &mut Lab, step: &'static str) {
    lab.edit(step, |draft| draft.header.message_id = 7);
}

fn trailing(lab: &mut Lab, step: &'static str) {
    lab.edit(step, |draft| draft.on_wire(|message| message.extend([0; 4])));
}

/// A message that cannot be read, of an exchange that must not be there yet.
fn early(lab: &mut Lab, exchange: ExchangeType) {
    lab.after("main-2", move |lab| {
        let id = lab.new_id();
        let mut draft = lab.draft(Peer, exchange, id, vec![Payload::Nonce(vec![9; 60])]);
        draft.flags(0x01);
        lab.send("early", draft);
    });
}

fn order() -> Vec<Mutant> {
    vec![
        mutant("v1-quick-mode-before-phase-1-is-over", MAIN, |lab| {
            early(lab, ExchangeType::QUICK_MODE);
        }),
        mutant("v1-new-group-before-phase-1-is-over", MAIN, |lab| {
            early(lab, ExchangeType::NEW_GROUP_MODE);
        }),
        mutant("v1-main-mode-in-established-sa", AGGRESSIVE, |lab| {
            lab.after("quick-3", |lab| {
                let mode = ExchangeType::IDENTITY_PROTECTION;
                let payloads = vec![Payload::Ke(vec![1; 128]), Payload::Nonce(vec![1; 16])];
                let draft = lab.draft(Edge, mode, 0, payloads);
                lab.send("main-again", draft);
            });
        }),
        mutant("v1-aggressive-message-in-main-mode", MAIN, |lab| {
            lab.after("main-2", |lab| {
                let payloads = vec![Payload::VendorId(VendorId(b"a vendor".to_vec()))];
                let draft = lab.draft(Peer, ExchangeType::AGGRESSIVE, 0, payloads);
                lab.send("other-mode", draft);
            });
        }),
    ]
}
