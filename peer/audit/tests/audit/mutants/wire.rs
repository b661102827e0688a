//! Mutants of headers, chains and payload presence.

use ikeproof_audit::Sender::{Edge, Peer};
use ikeproof_proto::crypto::keys::natd_hash;
use ikeproof_proto::wire::v2::{CfgAttribute, Cp, Nonce, Notify, Payload, TrafficSelector, Ts};
use ikeproof_proto::wire::{
    CfgAttr, CfgType, ExchangeType, Flags, IkeSpi, NotifyType, PayloadType, RawPayload,
};

use super::{Mutant, mutant};
use crate::support::Lab;
use crate::support::draft::Draft;
use crate::support::lab::{CBC, Profile};

const NAT: Profile = Profile { nat: true, ..CBC };
const COOKIE: Profile = Profile { cookie: true, ..CBC };

/// Makes the NAT detection hashes right again after a change of the SPIs.
fn natd_again(draft: &mut Draft) {
    let (spi_i, spi_r) = (draft.header.spi_i.0, draft.header.spi_r.0);
    for (kind, address) in [
        (NotifyType::NAT_DETECTION_SOURCE_IP, draft.src),
        (NotifyType::NAT_DETECTION_DESTINATION_IP, draft.dst),
    ] {
        let hash = natd_hash(spi_i, spi_r, address.ip(), address.port());
        draft.notify(kind, |notify| notify.data = hash);
    }
}

fn spi_i_zero(draft: &mut Draft) {
    draft.header.spi_i = IkeSpi::ZERO;
    natd_again(draft);
}

fn flags(step: &'static str, lab: &mut Lab, change: fn(u8) -> u8) {
    lab.edit(step, move |draft| draft.header.flags = Flags(change(draft.header.flags.0)));
}

fn cp(attribute: CfgAttr) -> Payload {
    let attributes = vec![CfgAttribute { kind: attribute, value: vec![] }];
    Payload::Cp(Cp { kind: CfgType::REQUEST, attributes })
}

pub fn mutants() -> Vec<Mutant> {
    [header(), chain(), presence()].into_iter().flatten().collect()
}

fn header() -> Vec<Mutant> {
    vec![
        mutant("header-length-short", CBC, |lab| {
            lab.edit("init-response", |draft| draft.on_wire(|message| message.push(0)));
        }),
        mutant("minor-version-one", CBC, |lab| {
            lab.edit("live-request", |draft| draft.header.version.minor = 1);
        }),
        mutant("version-flag-set", CBC, |lab| flags("live-request", lab, |flags| flags | 0x10)),
        mutant("flag-bit-0-set", CBC, |lab| flags("live-request", lab, |flags| flags | 1)),
        mutant("response-flag-missing", CBC, |lab| {
            flags("live-response", lab, |flags| flags & !0x20);
        }),
        mutant("initiator-flag-missing", CBC, |lab| {
            flags("child-request", lab, |flags| flags & !0x08);
        }),
        mutant("initiator-flag-of-old-sa-after-rekey", CBC, |lab| {
            flags("last-request", lab, |flags| flags | 0x08);
        }),
        mutant("initiator-spi-zero", CBC, |lab| {
            lab.edit("init-request", spi_i_zero);
            lab.edit("init-response", spi_i_zero);
        }),
        mutant("responder-spi-in-first-message", CBC, |lab| {
            lab.edit("init-request", |draft| {
                draft.header.spi_r = IkeSpi([1; 8]);
                natd_again(draft);
            });
        }),
        mutant("responder-spi-in-cookie-demand", COOKIE, |lab| {
            lab.edit("init-0-response", |draft| draft.header.spi_r = IkeSpi([1; 8]));
        }),
        mutant("responder-spi-zero-in-answer", CBC, |lab| {
            lab.edit("init-response", |draft| {
                draft.header.spi_r = IkeSpi::ZERO;
                natd_again(draft);
            });
        }),
        mutant("ike-on-4500-without-marker", NAT, |lab| {
            lab.edit("live-request", |draft| draft.marker_octets.clear());
        }),
        mutant("marker-not-zero", NAT, |lab| {
            lab.edit("live-request", |draft| draft.marker_octets = vec![0, 0, 0, 1]);
        }),
        mutant("marker-on-500", CBC, |lab| {
            lab.edit("live-request", |draft| {
                draft.on_wire(|message| drop(message.splice(0..0, [0; 4])));
            });
        }),
        mutant("keepalive-of-another-octet", NAT, |lab| {
            lab.after("live-response", |lab| lab.send_octets(Peer, true, &[0xfe]));
        }),
    ]
}

fn chain() -> Vec<Mutant> {
    vec![
        mutant("reserved-bit-of-payload", CBC, |lab| {
            lab.edit("child-request", |draft| draft.raw(PayloadType::NONCE).reserved = 1);
        }),
        mutant("critical-bit-on-nonce", CBC, |lab| {
            lab.edit("child-request", |draft| draft.raw(PayloadType::NONCE).critical = true);
        }),
        mutant("critical-unknown-payload-in-response", CBC, |lab| {
            lab.edit("child-response", |draft| {
                draft.add(Payload::Unknown {
                    kind: PayloadType(200),
                    critical: true,
                    body: vec![1],
                });
            });
        }),
        mutant("payload-length-three", CBC, |lab| {
            lab.edit("live-request", |draft| {
                draft.add_notify(NotifyType(40000), &[]);
                draft.raw(PayloadType::NOTIFY).declared_length = 3;
                draft.link = false;
            });
        }),
        mutant("chain-ends-early", CBC, |lab| {
            lab.edit("live-request", |draft| {
                draft.add_notify(NotifyType(40000), &[]);
                draft.raw(PayloadType::NOTIFY).next = PayloadType::NOTIFY;
                draft.link = false;
            });
        }),
        mutant("payload-behind-sk", CBC, |lab| {
            lab.edit("live-request", |draft| draft.trailing = vec![0, 0, 0, 8, 1, 2, 3, 4]);
        }),
        mutant("sk-inside-sk", CBC, |lab| {
            lab.edit("live-request", |draft| {
                draft.payloads.push(RawPayload::new(PayloadType::SK, vec![0; 40]));
            });
        }),
    ]
}

fn presence() -> Vec<Mutant> {
    vec![
        mutant("init-without-nonce", CBC, |lab| {
            lab.edit("init-request", |draft| draft.drop(PayloadType::NONCE));
        }),
        mutant("auth-without-tsr", CBC, |lab| {
            lab.edit("auth-request", |draft| draft.drop(PayloadType::TSR));
        }),
        mutant("child-with-two-nonces", CBC, |lab| {
            lab.edit("child-request", |draft| {
                let at = draft.payloads.iter().position(|raw| raw.kind == PayloadType::NONCE);
                let nonce = Payload::Nonce(Nonce(vec![0x77; 32])).encode();
                draft.payloads.insert(at.unwrap() + 1, nonce);
            });
        }),
        mutant("ike-rekey-with-selectors", CBC, |lab| {
            lab.edit("rekey-request", |draft| {
                draft.add(Payload::TsI(Ts::new(vec![TrafficSelector::any_v4()])));
            });
        }),
        mutant("ike-rekey-without-ke", CBC, |lab| {
            lab.edit("rekey-request", |draft| draft.drop(PayloadType::KE));
        }),
        mutant("ike-rekey-answer-without-ke", CBC, |lab| {
            lab.edit("rekey-response", |draft| draft.drop(PayloadType::KE));
        }),
        mutant("informational-with-nonce", CBC, |lab| {
            lab.edit("live-request", |draft| draft.add(Payload::Nonce(Nonce(vec![0x77; 32]))));
        }),
        mutant("informational-in-clear", CBC, |lab| {
            lab.after("live-response", |lab| {
                let exchange = ExchangeType::INFORMATIONAL;
                let id = lab.next_id(Edge);
                let notify = Payload::Notify(Notify::new(NotifyType::INVALID_SPI, vec![0; 4]));
                let mut draft = lab.protected(Edge, exchange, false, id, vec![notify]);
                draft.keys = None;
                lab.send("extra-request", draft);
                let draft = lab.protected(Peer, exchange, true, id, vec![]);
                lab.send("extra-response", draft);
            });
        }),
        mutant("nonce-before-sa", CBC, |lab| {
            lab.edit("child-request", |draft| {
                let at = draft.payloads.iter().position(|raw| raw.kind == PayloadType::NONCE);
                let nonce = draft.payloads.remove(at.unwrap());
                draft.payloads.insert(1, nonce);
            });
        }),
        mutant("cp-after-sa", CBC, |lab| {
            lab.edit("auth-request", |draft| draft.add(cp(CfgAttr::INTERNAL_IP4_ADDRESS)));
        }),
        mutant("two-cp-without-sa", CBC, |lab| {
            lab.stop = Some("auth-response");
            let childless = |draft: &mut Draft| {
                for kind in [PayloadType::SA, PayloadType::TSI, PayloadType::TSR] {
                    draft.drop(kind);
                }
            };
            lab.edit("auth-request", move |draft| {
                childless(draft);
                draft.add(cp(CfgAttr::INTERNAL_IP4_ADDRESS));
                draft.add(cp(CfgAttr::INTERNAL_IP4_ADDRESS));
            });
            lab.edit("auth-response", childless);
        }),
    ]
}
