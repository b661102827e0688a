//! Mutants of phase 1, quick mode and Informationals, and of their protection.

use ikeproof_audit::Sender::{Edge, Peer};
use ikeproof_proto::crypto::{Ikev1Cipher, Provider, SecretBytes};
use ikeproof_proto::wire::v1::num::{IdKind, NotifyKind, PayloadKind, Phase1Attr};
use ikeproof_proto::wire::v1::{Delete, Notify, Payload, VendorId};
use ikeproof_proto::wire::{ExchangeType, ProtocolId};

use super::super::draft::{Draft, Hashing};
use super::super::lab::{AGGRESSIVE, MAIN, PFS};
use super::super::script::{notify, position, short};
use super::{Mutant, mutant};

pub fn mutants() -> Vec<Mutant> {
    [phase1(), identities(), notifies(), quick(), informational(), protection()]
        .into_iter()
        .flatten()
        .collect()
}

fn flip_hash(draft: &mut Draft) {
    draft.after_hash(|payloads| {
        let hash = payloads.iter_mut().find(|raw| raw.kind == PayloadKind::HASH.raw()).unwrap();
        hash.body[0] ^= 1;
    });
}

fn phase1() -> Vec<Mutant> {
    vec![
        mutant("v1-vendor-id-before-sa", MAIN, |lab| {
            lab.edit("main-2", |draft| {
                draft.insert(0, Payload::VendorId(VendorId(b"a vendor".to_vec())));
            });
        }),
        mutant("v1-main-mode-without-nonce", MAIN, |lab| {
            lab.edit("main-4", |draft| draft.drop(PayloadKind::NONCE));
        }),
        mutant("v1-aggressive-mode-with-two-nonces", AGGRESSIVE, |lab| {
            lab.edit("aggr-1", |draft| {
                let nonce = draft.raw(PayloadKind::NONCE).clone();
                draft.payloads.push(nonce);
            });
        }),
        mutant("v1-identity-in-clear", MAIN, |lab| {
            lab.edit("main-5", |draft| {
                draft.encrypted = false;
                draft.header.flags = ikeproof_proto::wire::Flags(0);
                draft.drop(PayloadKind::NOTIFY);
            });
        }),
        mutant("v1-public-value-short", MAIN, |lab| {
            lab.edit("main-3", |draft| draft.body(PayloadKind::KE, |public| public.truncate(120)));
        }),
        mutant("v1-nonce-of-seven-octets", MAIN, |lab| {
            lab.edit("main-3", |draft| draft.body(PayloadKind::NONCE, |nonce| nonce.truncate(7)));
        }),
        mutant("v1-two-groups-in-aggressive-mode", AGGRESSIVE, |lab| {
            lab.edit("aggr-1", |draft| {
                draft.sa(|sa| {
                    let kind = Phase1Attr::GROUP.0;
                    let attributes = &mut sa.proposals[0].transforms[1].attributes;
                    *attributes.iter_mut().find(|it| it.kind() == kind).unwrap() = short(kind, 14);
                });
            });
        }),
        mutant("v1-hash-i-wrong", MAIN, |lab| lab.edit("main-5", flip_hash)),
        mutant("v1-hash-over-answered-sa", AGGRESSIVE, |lab| {
            lab.edit("aggr-2", |draft| draft.hashing = Hashing::Phase1Answered);
        }),
    ]
}

fn identities() -> Vec<Mutant> {
    vec![
        mutant("v1-id-with-tcp-80", MAIN, |lab| {
            lab.edit("main-5", |draft| draft.id(|id| (id.protocol, id.port) = (6, 80)));
        }),
        mutant("v1-id-address-of-five-octets", MAIN, |lab| {
            lab.edit("main-5", |draft| draft.body(PayloadKind::ID, |id| id.push(1)));
        }),
        mutant("v1-subnet-as-identity", MAIN, |lab| {
            lab.edit("main-5", |draft| {
                draft.id(|id| {
                    id.kind = IdKind::IPV4_ADDR_SUBNET;
                    id.data = vec![10, 1, 0, 0, 255, 255, 0, 0];
                });
            });
        }),
        mutant("v1-mask-before-address", MAIN, |lab| {
            for step in ["quick-1", "quick-2"] {
                lab.edit(step, |draft| draft.id(|id| id.data.rotate_left(4)));
            }
        }),
        mutant("v1-client-ids-swapped-in-answer", MAIN, |lab| {
            lab.edit("quick-2", |draft| {
                let first = position(draft, PayloadKind::ID);
                draft.payloads.swap(first, first + 1);
            });
        }),
    ]
}

fn notifies() -> Vec<Mutant> {
    vec![
        mutant("v1-initial-contact-in-aggressive-mode", AGGRESSIVE, |lab| {
            lab.after("aggr-2", |lab| {
                let contact = notify(lab, NotifyKind::INITIAL_CONTACT, &[]);
                lab.edit("aggr-3", move |draft| draft.add(contact));
            });
        }),
        mutant("v1-initial-contact-in-clear", MAIN, |lab| {
            lab.after("main-2", |lab| {
                let contact = notify(lab, NotifyKind::INITIAL_CONTACT, &[]);
                lab.edit("main-3", move |draft| draft.add(contact));
            });
        }),
        mutant("v1-initial-contact-without-spi", MAIN, |lab| {
            lab.edit("main-5", |draft| draft.notify(|notify| notify.spi.clear()));
        }),
        mutant("v1-responder-lifetime-without-duration", MAIN, |lab| {
            lab.edit("quick-2", |draft| draft.add(lifetime(&[0x80, 1, 0, 1])));
        }),
        mutant("v1-replay-status-of-one-octet", MAIN, |lab| {
            lab.edit("quick-2", |draft| {
                let kind = NotifyKind::REPLAY_STATUS;
                let status = Notify::child(kind, ProtocolId::ESP, 0xed6e_0001, vec![1]);
                draft.add(Payload::Notify(status));
            });
        }),
        mutant("v1-responder-lifetime-of-doi-0", MAIN, |lab| {
            lab.edit("quick-2", |draft| {
                draft.add(lifetime(&[0x80, 1, 0, 1, 0x80, 2, 0, 60]));
                draft.notify(|notify| notify.doi = 0);
            });
        }),
        mutant("v1-notify-about-esp-with-long-spi", MAIN, |lab| {
            lab.edit("inform", |draft| {
                let kind = NotifyKind::NO_PROPOSAL_CHOSEN;
                let mut refusal = Notify::child(kind, ProtocolId::ESP, 1, vec![]);
                refusal.spi = vec![1; 8];
                draft.add(Payload::Notify(refusal));
            });
        }),
        mutant("v1-delete-with-spis-of-two-lengths", MAIN, |lab| {
            lab.edit("inform", |draft| {
                draft.body(PayloadKind::DELETE, |body| body.extend([9; 16]));
            });
        }),
        mutant("v1-delete-of-isakmp-with-short-spi", MAIN, |lab| {
            lab.edit("close", |draft| draft.delete(|delete| delete.spis[0].truncate(8)));
        }),
        mutant("v1-delete-of-doi-0", MAIN, |lab| {
            lab.edit("inform", |draft| draft.delete(|delete| delete.doi = 0));
        }),
    ]
}

fn lifetime(data: &[u8]) -> Payload {
    let kind = NotifyKind::RESPONDER_LIFETIME;
    Payload::Notify(Notify::child(kind, ProtocolId::ESP, 0xed6e_0001, data.to_vec()))
}

fn quick() -> Vec<Mutant> {
    vec![
        mutant("v1-quick-mode-in-clear", MAIN, |lab| {
            lab.after("quick-3", |lab| {
                let id = lab.new_id();
                let payloads = vec![Payload::Hash(vec![1; 20]), Payload::Nonce(vec![1; 16])];
                let draft = lab.draft(Peer, ExchangeType::QUICK_MODE, id, payloads);
                lab.send("clear", draft);
            });
        }),
        mutant("v1-quick-mode-without-hash", MAIN, |lab| {
            lab.edit("quick-1", |draft| {
                draft.drop(PayloadKind::HASH);
                draft.hashing = Hashing::None;
            });
        }),
        mutant("v1-nonce-before-sa", MAIN, |lab| {
            lab.edit("quick-1", |draft| draft.payloads.swap(1, 2));
        }),
        mutant("v1-quick-mode-with-two-nonces", MAIN, |lab| {
            lab.edit("quick-1", |draft| draft.add(Payload::Nonce(vec![7; 16])));
        }),
        mutant("v1-hash-1-wrong", MAIN, |lab| lab.edit("quick-1", flip_hash)),
        mutant("v1-hash-2-without-nonce", MAIN, |lab| {
            lab.edit("quick-2", |draft| draft.hashing = Hashing::One);
            // Its nonce is the responder's all the same.
            lab.after("quick-2", |lab| lab.second_nonce("quick-2"));
        }),
        mutant("v1-hash-3-without-zero", MAIN, |lab| {
            lab.edit("quick-3", |draft| draft.hashing = Hashing::ThreeShort);
        }),
        mutant("v1-no-public-value-in-answer", PFS, |lab| {
            lab.edit("quick-2", |draft| draft.drop(PayloadKind::KE));
        }),
    ]
}

fn informational() -> Vec<Mutant> {
    vec![
        mutant("v1-delete-in-clear", MAIN, |lab| {
            lab.after("inform", |lab| {
                let delete = Payload::Delete(Delete::child(ProtocolId::ESP, 0xed6e_0002));
                let id = lab.new_id();
                let kind = ExchangeType::INFORMATIONAL_V1;
                let draft = lab.draft(Edge, kind, id, vec![delete]);
                lab.send("clear", draft);
            });
        }),
        mutant("v1-informational-hash-wrong", MAIN, |lab| lab.edit("inform", flip_hash)),
        mutant("v1-informational-with-nonce", MAIN, |lab| {
            lab.edit("inform", |draft| draft.add(Payload::Nonce(vec![1; 16])));
        }),
        mutant("v1-informational-with-id-of-quick-mode", MAIN, |lab| {
            lab.after("quick-3", |lab| {
                let octets = lab.seen.last().unwrap().bytes[20..24].try_into().unwrap();
                let id = u32::from_be_bytes(octets);
                lab.edit("inform", move |draft| draft.header.message_id = id);
                lab.after("again-3", move |lab| lab.running.get_mut(&id).unwrap().iv = None);
            });
        }),
    ]
}

fn protection() -> Vec<Mutant> {
    vec![
        mutant("v1-phase-1-iv-zero", MAIN, |lab| {
            lab.edit("main-5", |draft| draft.iv = Some(vec![0; 16]));
        }),
        mutant("v1-phase-2-iv-without-message-id", MAIN, |lab| {
            lab.after("main-6", |lab| {
                let base = lab.base_iv.clone();
                lab.edit("quick-1", move |draft| draft.iv = Some(base));
            });
        }),
        mutant("v1-third-quick-mode-message-with-first-iv", MAIN, |lab| {
            lab.after("quick-2", |lab| {
                let octets = lab.seen.last().unwrap().bytes[20..24].try_into().unwrap();
                let id = u32::from_be_bytes(octets);
                let first = lab.isakmp.as_ref().unwrap().cipher.phase2_iv(&lab.base_iv, id);
                lab.edit("quick-3", move |draft| draft.iv = Some(first));
            });
        }),
        mutant("v1-padding-not-counted", MAIN, |lab| {
            lab.edit("inform", |draft| draft.length_delta = -8);
        }),
        mutant("v1-padding-not-zero", MAIN, |lab| {
            lab.edit("inform", |draft| draft.padding = Some(vec![1; 8]));
        }),
        mutant("v1-partial-block", MAIN, |lab| {
            lab.edit("close", |draft| {
                draft.on_wire(|message| {
                    message.extend([1, 2, 3, 4]);
                    let length = u32::try_from(message.len()).unwrap();
                    message[24..28].copy_from_slice(&length.to_be_bytes());
                });
            });
        }),
        mutant("v1-expansion-without-zero", MAIN, |lab| {
            lab.after("quick-3", |lab| {
                let isakmp = lab.isakmp.as_ref().unwrap();
                let mac = lab.provider.hmac(lab.ike.prf.hash(), isakmp.keys.skeyid_e.expose());
                let first = mac.code(&[]);
                let mut key = [first.clone(), mac.code(&[&first])].concat();
                key.truncate(lab.ike.encr.key_len());
                let key = SecretBytes::new(key);
                let cipher = Ikev1Cipher::new(&lab.provider, lab.ike, &key).unwrap();
                lab.edit("inform", move |draft| draft.cipher = Some(cipher));
            });
        }),
    ]
}
