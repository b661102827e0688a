//! Mutants of mode-config and XAUTH.

use ikeproof_audit::Sender::{Edge, Peer};
use ikeproof_proto::wire::v1::num::{ConfigAttr, PayloadKind, Phase1Auth};
use ikeproof_proto::wire::v1::{Attributes, vendor};
use ikeproof_proto::wire::{CfgType, ExchangeType};

use super::super::lab::{Lab, MAIN, XAUTH};
use super::super::script::{long, short};
use super::{Mutant, mutant, with};

pub fn mutants() -> Vec<Mutant> {
    [transaction(), config(), login(), attributes()].into_iter().flatten().collect()
}

fn edit(lab: &mut Lab, step: &'static str, change: fn(&mut Attributes)) {
    lab.edit(step, move |draft| draft.attributes(change));
}

/// The Message ID of the last message.
fn last_id(lab: &Lab) -> u32 {
    let bytes = &lab.seen.last().unwrap().bytes;
    u32::from_be_bytes(bytes[20..24].try_into().unwrap())
}

fn transaction() -> Vec<Mutant> {
    vec![
        mutant("v1-attributes-in-an-informational", XAUTH, |lab| {
            lab.edit("inform", |draft| {
                draft.add(Lab::attributes(CfgType::SET, 1, vec![]));
            });
        }),
        mutant("v1-transaction-hash-wrong", XAUTH, |lab| {
            lab.edit("config-1", |draft| {
                draft.after_hash(|payloads| payloads[0].body[3] ^= 1);
            });
        }),
        mutant("v1-transaction-with-id-of-quick-mode", XAUTH, |lab| {
            lab.after("quick-3", |lab| {
                let id = last_id(lab);
                lab.running.get_mut(&id).unwrap().iv = None;
                let set = Lab::attributes(CfgType::SET, 5, vec![]);
                lab.transaction("reused", Edge, id, set);
            });
        }),
        mutant("v1-two-attribute-payloads", XAUTH, |lab| {
            lab.edit("config-1", |draft| {
                draft.add(Lab::attributes(CfgType::REQUEST, 3, vec![]));
            });
        }),
        mutant("v1-second-transaction-with-iv-of-first", XAUTH, |lab| {
            lab.after("login-2", |lab| {
                let id = last_id(lab);
                let next = lab.running[&id].iv.clone();
                lab.edit("set-1", move |draft| draft.iv = next);
            });
        }),
        mutant("v1-attribute-longer-than-payload", XAUTH, |lab| {
            lab.edit("config-1", |draft| {
                draft.body(PayloadKind::ATTRIBUTES, |body| {
                    let last = body.len() - 1;
                    body[last] = 9;
                });
            });
        }),
        mutant("v1-request-not-answered", XAUTH, |lab| {
            lab.skip.push("config-2");
            lab.edit("config-1", |draft| draft.copies = vec![10, 1000, 2000, 4000]);
        }),
        mutant("v1-transaction-before-phase-1-is-over", MAIN, |lab| {
            lab.after("main-2", |lab| {
                let id = lab.new_id();
                let payload = ikeproof_proto::wire::v1::Payload::Nonce(vec![9; 60]);
                let mut draft = lab.draft(Edge, ExchangeType::TRANSACTION, id, vec![payload]);
                draft.flags(0x01);
                lab.send("early", draft);
            });
        }),
    ]
}

fn config() -> Vec<Mutant> {
    vec![
        mutant("v1-empty-address-in-reply", XAUTH, |lab| {
            edit(lab, "config-2", |it| {
                it.attributes[0] = long(ConfigAttr::INTERNAL_IP4_ADDRESS.0, b"");
            });
        }),
        mutant("v1-netmask-alone", XAUTH, |lab| {
            edit(lab, "config-2", |it| drop(it.attributes.remove(0)));
        }),
        mutant("v1-ack-with-values", XAUTH, |lab| {
            lab.after("config-2", |lab| {
                let id = lab.new_id();
                let given = || vec![long(ConfigAttr::INTERNAL_IP4_DNS.0, &[10, 0, 0, 53])];
                let set = Lab::attributes(CfgType::SET, 6, given());
                lab.transaction("push-1", Edge, id, set);
                let ack = Lab::attributes(CfgType::ACK, 6, given());
                lab.transaction("push-2", Peer, id, ack);
            });
        }),
        mutant("v1-address-asked-for-after-quick-mode", XAUTH, |lab| {
            lab.after("quick-3", |lab| {
                let id = lab.new_id();
                let asked = vec![long(ConfigAttr::INTERNAL_IP4_ADDRESS.0, b"")];
                let ask = Lab::attributes(CfgType::REQUEST, 8, asked);
                lab.transaction("late", Peer, id, ask);
            });
        }),
    ]
}

fn login() -> Vec<Mutant> {
    vec![
        mutant("v1-xauth-not-announced", XAUTH, |lab| {
            lab.edit("aggr-1", |draft| draft.drop_body(&vendor::XAUTH));
        }),
        mutant("v1-reply-with-another-identifier", XAUTH, |lab| {
            edit(lab, "login-2", |it| it.identifier = 10);
        }),
        mutant("v1-quick-mode-before-login", XAUTH, |lab| {
            lab.skip.extend(["login-1", "login-2", "set-1", "set-2"]);
        }),
        with(
            "v1-quick-mode-after-failed-login",
            XAUTH,
            &["xauth02-6-before-other-exchanges"],
            |lab| {
                edit(lab, "set-1", |it| {
                    it.attributes = vec![short(ConfigAttr::XAUTH_STATUS.0, 0)];
                });
            },
        ),
        mutant("v1-set-before-reply", XAUTH, |lab| lab.skip.push("login-2")),
        mutant("v1-second-question-with-another-identifier", XAUTH, |lab| {
            lab.after("login-2", |lab| {
                for (step, from, kind) in
                    [("ask-1", Edge, CfgType::REQUEST), ("ask-2", Peer, CfgType::REPLY)]
                {
                    let id = if kind == CfgType::REPLY { last_id(lab) } else { lab.new_id() };
                    let value: &[u8] = if kind == CfgType::REPLY { b"123456" } else { b"" };
                    let passcode = vec![long(ConfigAttr::XAUTH_PASSCODE.0, value)];
                    lab.transaction(step, from, id, Lab::attributes(kind, 11, passcode));
                }
                for step in ["set-1", "set-2"] {
                    edit(lab, step, |it| it.identifier = 11);
                }
            });
        }),
        mutant("v1-xauth-with-plain-method", XAUTH, |lab| {
            lab.profile.auth = Phase1Auth::PRE_SHARED_KEY;
        }),
    ]
}

fn attributes() -> Vec<Mutant> {
    vec![
        mutant("v1-request-with-user-name", XAUTH, |lab| {
            edit(lab, "login-1", |it| {
                it.attributes[1] = long(ConfigAttr::XAUTH_USER_NAME.0, b"user");
            });
        }),
        mutant("v1-reply-without-password", XAUTH, |lab| {
            edit(lab, "login-2", |it| drop(it.attributes.pop()));
        }),
        mutant("v1-set-with-user-name", XAUTH, |lab| {
            edit(lab, "set-1", |it| {
                it.attributes.push(long(ConfigAttr::XAUTH_USER_NAME.0, b"user"));
            });
        }),
        mutant("v1-other-type-in-reply", XAUTH, |lab| {
            edit(lab, "login-2", |it| {
                it.attributes[0] = short(ConfigAttr::XAUTH_TYPE.0, 1);
            });
        }),
        mutant("v1-type-in-reply-alone", XAUTH, |lab| {
            edit(lab, "login-1", |it| drop(it.attributes.remove(0)));
        }),
        mutant("v1-set-with-status-two", XAUTH, |lab| {
            edit(lab, "set-1", |it| {
                it.attributes = vec![short(ConfigAttr::XAUTH_STATUS.0, 2)];
            });
            // Nobody goes on after that.
            lab.skip.extend([
                "config-1", "config-2", "quick-1", "quick-2", "quick-3", "again-1", "again-2",
                "again-3",
            ]);
        }),
        mutant("v1-reply-with-status-ok", XAUTH, |lab| {
            edit(lab, "login-2", |it| {
                it.attributes.push(short(ConfigAttr::XAUTH_STATUS.0, 1));
            });
        }),
        mutant("v1-challenge-with-generic-type", XAUTH, |lab| {
            edit(lab, "login-1", |it| {
                it.attributes.push(long(ConfigAttr::XAUTH_CHALLENGE.0, b"challenge"));
            });
        }),
    ]
}
