//! Mutants of NAT traversal.

use ikeproof_proto::crypto::Hash;
use ikeproof_proto::crypto::ikev1::natd_hash;
use ikeproof_proto::wire::v1::num::{Encapsulation, IdKind, PayloadKind, Phase2Attr};
use ikeproof_proto::wire::v1::{NatOa, Payload, vendor};

use super::super::draft::Draft;
use super::super::lab::{AGGRESSIVE, Lab, MAIN, PRETENDED, ROUTER};
use super::super::script::{position, short};
use super::{Mutant, mutant};

pub fn mutants() -> Vec<Mutant> {
    [discovery(), ports(), modes(), originals()].into_iter().flatten().collect()
}

fn discovery() -> Vec<Mutant> {
    vec![
        mutant("v1-nat-d-not-announced", MAIN, |lab| {
            lab.edit("main-2", |draft| draft.drop_body(&vendor::NAT_T_RFC));
        }),
        mutant("v1-no-nat-d-in-main-mode", MAIN, |lab| {
            lab.edit("main-4", |draft| draft.drop(PayloadKind::NAT_D));
        }),
        mutant("v1-no-nat-d-in-aggressive-mode", AGGRESSIVE, |lab| {
            lab.edit("aggr-3", |draft| draft.drop(PayloadKind::NAT_D));
        }),
        mutant("v1-nat-d-of-the-drafts", MAIN, |lab| {
            lab.edit("main-4", |draft| {
                for raw in &mut draft.payloads {
                    if raw.kind == PayloadKind::NAT_D.raw() {
                        raw.kind = PayloadKind::NAT_D_DRAFT.raw();
                    }
                }
            });
        }),
        mutant("v1-nat-d-of-md5", MAIN, |lab| {
            lab.edit("main-4", |draft| {
                let (i, r) = (draft.header.spi_i.0, draft.header.spi_r.0);
                let hash = natd_hash(Hash::Md5, i, r, draft.dst.ip(), draft.dst.port());
                draft.body(PayloadKind::NAT_D, |body| *body = hash);
            });
        }),
        mutant("v1-nat-d-source-first", MAIN, |lab| {
            lab.edit("main-4", |draft| {
                let first = position(draft, PayloadKind::NAT_D);
                draft.payloads.swap(first, first + 1);
            });
        }),
    ]
}

fn to_500(draft: &mut Draft) {
    draft.src.set_port(500);
    draft.dst.set_port(500);
    draft.marker = false;
}

fn ports() -> Vec<Mutant> {
    vec![
        mutant("v1-answer-to-another-port", MAIN, |lab| {
            lab.edit("main-2", |draft| draft.dst.set_port(501));
        }),
        mutant("v1-identity-on-500-behind-nat", PRETENDED, |lab| {
            for step in ["main-5", "main-6"] {
                lab.edit(step, to_500);
            }
        }),
        mutant("v1-only-source-port-changed", PRETENDED, |lab| {
            lab.edit("main-5", |draft| {
                draft.dst.set_port(500);
                draft.marker = false;
            });
        }),
        mutant("v1-quick-mode-on-500-behind-nat", PRETENDED, |lab| {
            lab.edit("quick-1", to_500);
        }),
        mutant("v1-no-marker-on-4500", ROUTER, |lab| {
            lab.edit("quick-2", |draft| draft.marker_octets.clear());
        }),
        mutant("v1-last-message-to-old-port", PRETENDED, |lab| lab.edit("main-6", to_500)),
        mutant("v1-id-port-500-behind-nat", ROUTER, |lab| {
            lab.edit("main-5", |draft| draft.id(|id| (id.protocol, id.port) = (17, 500)));
        }),
    ]
}

/// Gives the transforms of both messages of a quick mode this encapsulation.
fn encapsulate(lab: &mut Lab, mode: Encapsulation) {
    encapsulate_with(lab, mode, |_| {});
}

/// The same, with another change of both messages.
fn encapsulate_with(lab: &mut Lab, mode: Encapsulation, change: fn(&mut Draft)) {
    for step in ["again-1", "again-2"] {
        lab.edit(step, move |draft| {
            draft.sa(|sa| {
                for transform in &mut sa.proposals[0].transforms {
                    set_mode(&mut transform.attributes, mode);
                }
            });
            change(draft);
        });
    }
}

fn set_mode(attributes: &mut [ikeproof_proto::wire::Attribute], mode: Encapsulation) {
    let kind = Phase2Attr::ENCAPSULATION.0;
    *attributes.iter_mut().find(|it| it.kind() == kind).unwrap() = short(kind, mode.0);
}

fn modes() -> Vec<Mutant> {
    vec![
        mutant("v1-plain-tunnel-behind-nat", ROUTER, |lab| {
            encapsulate(lab, Encapsulation::TUNNEL);
        }),
        mutant("v1-udp-tunnel-without-nat", MAIN, |lab| {
            encapsulate(lab, Encapsulation::UDP_TUNNEL);
        }),
        mutant("v1-plain-and-udp-tunnel", ROUTER, |lab| {
            lab.edit("quick-1", |draft| {
                draft.sa(|sa| {
                    let other = &mut sa.proposals[0].transforms[1].attributes;
                    set_mode(other, Encapsulation::TUNNEL);
                });
            });
        }),
        mutant("v1-udp-tunnel-of-the-drafts", ROUTER, |lab| {
            encapsulate(lab, Encapsulation::UDP_TUNNEL_DRAFT);
        }),
    ]
}

fn original(draft: bool) -> Payload {
    Payload::NatOa { address: NatOa([192, 0, 2, 1].into()), draft }
}

fn originals() -> Vec<Mutant> {
    vec![
        mutant("v1-udp-transport-without-nat-oa", ROUTER, |lab| {
            encapsulate(lab, Encapsulation::UDP_TRANSPORT);
        }),
        mutant("v1-nat-oa-in-tunnel-mode", ROUTER, |lab| {
            lab.edit("quick-1", |draft| draft.add(original(false)));
        }),
        mutant("v1-nat-oa-of-the-drafts", ROUTER, |lab| {
            encapsulate_with(lab, Encapsulation::UDP_TRANSPORT, |draft| {
                draft.add(original(true));
                draft.add(original(true));
            });
        }),
        mutant("v1-nat-oa-of-a-name", ROUTER, |lab| {
            encapsulate_with(lab, Encapsulation::UDP_TRANSPORT, |draft| {
                draft.add(original(false));
                draft.add(original(false));
                draft.body(PayloadKind::NAT_OA, |body| body[0] = IdKind::FQDN.0);
            });
        }),
    ]
}
