//! Mutants of public values, nonces, identities, selectors, notifies and configuration.

use ikeproof_proto::wire::v2::{CfgAttribute, Cp, Notify, Payload, TrafficSelector};
use ikeproof_proto::wire::{
    CfgAttr, CfgType, GroupId, NotifyType, PayloadType, ProtocolId, RawPayload, TransformType,
};

use super::content::drop_kind;
use super::{Mutant, mutant};
use crate::support::Lab;
use crate::support::draft::Draft;
use crate::support::lab::{CBC, GCM, MODP, Profile};

const COOKIE: Profile = Profile { cookie: true, ..CBC };
const INVALID_KE: Profile = Profile { invalid_ke: true, ..CBC };

pub fn mutants() -> Vec<Mutant> {
    [values(), selectors(), notifies(), configuration()].into_iter().flatten().collect()
}

fn ke(lab: &mut Lab, step: &'static str, change: fn(&mut GroupId, &mut Vec<u8>)) {
    lab.edit(step, move |draft| {
        draft.change(PayloadType::KE, |payload| {
            let Payload::Ke(ke) = payload else { unreachable!() };
            change(&mut ke.group, &mut ke.data);
        });
    });
}

fn before_sa(draft: &mut Draft, payload: &Payload) {
    let at = draft.payloads.iter().position(|raw| raw.kind == PayloadType::SA).unwrap();
    draft.payloads.insert(at, payload.encode());
}

fn cp(kind: CfgType, attributes: &[(CfgAttr, &[u8])]) -> Payload {
    let attributes = attributes
        .iter()
        .map(|(kind, value)| CfgAttribute { kind: *kind, value: value.to_vec() })
        .collect();
    Payload::Cp(Cp { kind, attributes })
}

fn notify(protocol: ProtocolId, spi: &[u8]) -> Payload {
    let kind = NotifyType::NO_ADDITIONAL_ADDRESSES;
    Payload::Notify(Notify { protocol, spi: spi.to_vec(), kind, data: vec![] })
}

fn values() -> Vec<Mutant> {
    vec![
        mutant("ke-of-group-not-offered", CBC, |lab| {
            ke(lab, "init-request", |group, data| {
                *group = GroupId::MODP_1024;
                *data = vec![2; 128];
            });
        }),
        mutant("child-ke-of-group-not-offered", CBC, |lab| {
            ke(lab, "child-request", |group, data| {
                *group = GroupId::MODP_1024;
                *data = vec![2; 128];
            });
        }),
        mutant("ke-without-group", CBC, |lab| {
            lab.edit("child-request", drop_kind(TransformType::KE));
            lab.edit("child-response", |draft| {
                drop_kind(TransformType::KE)(draft);
                draft.drop(PayloadType::KE);
            });
        }),
        mutant("modp-value-short", MODP, |lab| {
            ke(lab, "init-request", |_, data| data.truncate(127));
        }),
        mutant("ecp-value-long", CBC, |lab| ke(lab, "init-request", |_, data| data.push(0))),
        mutant("curve25519-value-long", GCM, |lab| {
            ke(lab, "init-request", |_, data| data.push(0));
        }),
        mutant("modp-value-one", MODP, |lab| {
            ke(lab, "init-request", |_, data| {
                data.fill(0);
                *data.last_mut().unwrap() = 1;
            });
        }),
        mutant("ecp-value-off-curve", CBC, |lab| {
            ke(lab, "init-request", |_, data| *data.last_mut().unwrap() ^= 1);
        }),
        mutant("nonce-of-15-octets", CBC, |lab| {
            lab.edit("child-request", |draft| {
                draft.body(PayloadType::NONCE, |body| body.truncate(15));
            });
        }),
        mutant("nonce-below-half-prf-key", GCM, |lab| {
            lab.edit("child-request", |draft| {
                draft.body(PayloadType::NONCE, |body| body.truncate(16));
            });
        }),
        mutant("nonce-of-init-in-child", CBC, |lab| {
            lab.after("init-response", |lab| {
                let nonce = lab.payloads["init-request"]
                    .iter()
                    .find(|raw| raw.kind == PayloadType::NONCE)
                    .unwrap()
                    .body
                    .clone();
                lab.edit("child-request", move |draft| {
                    draft.body(PayloadType::NONCE, |body| *body = nonce);
                });
            });
        }),
        mutant("ipv4-id-of-five-octets", CBC, |lab| {
            lab.edit("auth-request", |draft| {
                draft.body(PayloadType::IDI, |body| *body = vec![1, 0, 0, 0, 10, 0, 0, 1, 9]);
            });
        }),
        mutant("fqdn-with-terminator", CBC, |lab| {
            lab.edit("auth-request", |draft| draft.body(PayloadType::IDI, |body| body.push(0)));
        }),
        mutant("auth-method-200", CBC, |lab| {
            lab.edit("auth-request", |draft| draft.body(PayloadType::AUTH, |body| body[0] = 200));
        }),
    ]
}

fn selectors() -> Vec<Mutant> {
    vec![
        mutant("answer-wider-than-offer", CBC, |lab| {
            lab.edit("auth-response", |draft| {
                draft.ts(PayloadType::TSR, |ts| {
                    ts.selectors[0] = TrafficSelector::subnet([10, 0, 0, 0].into(), 8);
                });
            });
        }),
        mutant("ts-count-zero", CBC, |lab| {
            lab.edit("child-request", |draft| draft.body(PayloadType::TSI, |body| body[0] = 0));
        }),
        mutant("ts-length-of-ipv6-for-ipv4", CBC, |lab| {
            lab.edit("child-request", |draft| {
                draft.body(PayloadType::TSI, |body| {
                    body[7] = 40;
                    body.extend([0; 24]);
                });
            });
        }),
        mutant("ports-zero-to-zero", CBC, |lab| {
            for step in ["child-request", "child-response"] {
                lab.edit(step, |draft| {
                    draft.ts(PayloadType::TSI, |ts| ts.selectors[0].end_port = 0);
                });
            }
        }),
        mutant("ports-backwards", CBC, |lab| {
            for step in ["child-request", "child-response"] {
                lab.edit(step, |draft| {
                    draft.ts(PayloadType::TSI, |ts| {
                        ts.selectors[0] = ts.selectors[0].with_ports(6, 2000, 1000);
                    });
                });
            }
        }),
    ]
}

fn notifies() -> Vec<Mutant> {
    vec![
        mutant("cookie-of-65-octets", COOKIE, |lab| {
            for step in ["init-0-response", "init-request"] {
                lab.edit(step, |draft| {
                    draft.notify(NotifyType::COOKIE, |notify| notify.data = vec![7; 65]);
                });
            }
        }),
        mutant("invalid-ke-of-four-octets", INVALID_KE, |lab| {
            lab.edit("init-0-response", |draft| {
                draft.notify(NotifyType::INVALID_KE_PAYLOAD, |notify| {
                    notify.data = vec![0, 0, 0, 19];
                });
            });
        }),
        mutant("window-size-of-two-octets", CBC, |lab| {
            lab.edit("live-response", |draft| {
                draft.add_notify(NotifyType::SET_WINDOW_SIZE, &[0, 4]);
            });
        }),
        mutant("unsupported-critical-without-type", CBC, |lab| {
            lab.edit("delete-response", |draft| {
                draft.add_notify(NotifyType::UNSUPPORTED_CRITICAL_PAYLOAD, &[]);
            });
        }),
        mutant("notify-protocol-without-spi", CBC, |lab| {
            lab.edit("live-response", |draft| draft.add(notify(ProtocolId::IKE, &[])));
        }),
        mutant("rekey-sa-without-protocol", CBC, |lab| {
            lab.edit("child-request", |draft| {
                draft.notify(NotifyType::REKEY_SA, |notify| notify.protocol = ProtocolId::NONE);
            });
        }),
        mutant("notify-with-ike-spi", CBC, |lab| {
            lab.edit("live-response", |draft| draft.add(notify(ProtocolId::IKE, &[1; 8])));
        }),
        mutant("initial-contact-in-informational", CBC, |lab| {
            lab.edit("live-request", |draft| draft.add_notify(NotifyType::INITIAL_CONTACT, &[]));
        }),
        mutant("ipcomp-in-informational", CBC, |lab| {
            lab.edit("live-request", |draft| {
                draft.add_notify(NotifyType::IPCOMP_SUPPORTED, &[0, 1, 2]);
            });
        }),
        mutant("invalid-message-id-in-response", CBC, |lab| {
            lab.edit("delete-response", |draft| {
                draft.add_notify(NotifyType::INVALID_MESSAGE_ID, &[0; 4]);
            });
        }),
        mutant("fragmentation-notify-with-data", CBC, |lab| {
            lab.edit("init-request", |draft| {
                let kind = NotifyType::IKEV2_FRAGMENTATION_SUPPORTED;
                draft.notify(kind, |notify| notify.data = vec![1]);
            });
        }),
        mutant("fragmentation-announced-unasked", CBC, |lab| {
            lab.edit("init-request", |draft| {
                draft.drop_notify(NotifyType::IKEV2_FRAGMENTATION_SUPPORTED);
            });
        }),
        mutant("transport-mode-unasked", CBC, |lab| {
            lab.edit("auth-response", |draft| {
                draft.add_notify(NotifyType::USE_TRANSPORT_MODE, &[]);
            });
        }),
        mutant("delete-of-ike-sa-with-spi-size", CBC, |lab| {
            lab.edit("close-request", |draft| {
                draft.body(PayloadType::DELETE, |body| *body = vec![1, 8, 0, 0]);
            });
        }),
    ]
}

fn configuration() -> Vec<Mutant> {
    vec![
        mutant("cp-reply-unasked", CBC, |lab| {
            lab.edit("auth-response", |draft| {
                let address: (CfgAttr, &[u8]) = (CfgAttr::INTERNAL_IP4_ADDRESS, &[10, 0, 0, 7]);
                before_sa(draft, &cp(CfgType::REPLY, &[address]));
            });
        }),
        mutant("cp-request-without-address", CBC, |lab| {
            lab.edit("auth-request", |draft| {
                before_sa(draft, &cp(CfgType::REQUEST, &[(CfgAttr::INTERNAL_IP4_DNS, &[])]));
            });
        }),
        mutant("supported-attributes-with-value", CBC, |lab| {
            lab.edit("auth-request", |draft| {
                let attributes: [(CfgAttr, &[u8]); 2] = [
                    (CfgAttr::INTERNAL_IP4_ADDRESS, &[]),
                    (CfgAttr::SUPPORTED_ATTRIBUTES, &[0, 1]),
                ];
                before_sa(draft, &cp(CfgType::REQUEST, &attributes));
            });
        }),
        mutant("attribute-with-reserved-bit", CBC, |lab| {
            lab.edit("auth-request", |draft| {
                let attributes: [(CfgAttr, &[u8]); 2] =
                    [(CfgAttr::INTERNAL_IP4_ADDRESS, &[]), (CfgAttr::INTERNAL_IP4_DNS, &[])];
                before_sa(draft, &cp(CfgType::REQUEST, &attributes));
                draft.body(PayloadType::CP, |body| body[8] |= 0x80);
            });
        }),
        mutant("netmask-without-address", CBC, |lab| {
            lab.edit("auth-request", |draft| {
                let attributes: [(CfgAttr, &[u8]); 2] =
                    [(CfgAttr::INTERNAL_IP6_ADDRESS, &[]), (CfgAttr::INTERNAL_IP4_NETMASK, &[])];
                before_sa(draft, &cp(CfgType::REQUEST, &attributes));
            });
        }),
        mutant("eap-length-wrong", CBC, |lab| {
            lab.stop = Some("auth-response");
            lab.edit("auth-request", |draft| draft.drop(PayloadType::AUTH));
            lab.edit("auth-response", |draft| {
                for kind in [PayloadType::SA, PayloadType::TSI, PayloadType::TSR] {
                    draft.drop(kind);
                }
                let eap = RawPayload::new(PayloadType::EAP, vec![1, 1, 0, 9, 1]);
                draft.payloads.push(eap);
            });
        }),
    ]
}
