//! Mutants of proposals.

use ikeproof_proto::wire::v2::{Attribute, Payload, Proposal, Transform};
use ikeproof_proto::wire::{
    EncrId, EsnId, GroupId, IntegId, PayloadType, ProtocolId, TransformType,
};

use super::{Mutant, mutant};
use crate::support::Lab;
use crate::support::draft::Draft;
use crate::support::lab::{CBC, GCM};

/// Replaces the cipher of the second proposal of the first message, which is never chosen.
fn second_cipher(lab: &mut Lab, integrity: bool, cipher: fn() -> Transform) {
    lab.edit("init-request", move |draft| {
        draft.sa(|sa| {
            let transforms = &mut sa.proposals[1].transforms;
            transforms[0] = cipher();
            transforms.retain(|transform| integrity || transform.kind != TransformType::INTEG);
        });
    });
}

/// Adds a proposal for ESP that is never chosen.
fn second_esp(lab: &mut Lab, transforms: fn() -> Vec<Transform>) {
    lab.edit("child-request", move |draft| {
        draft.sa(|sa| {
            let spi = sa.proposals[0].spi.clone();
            sa.proposals.push(Proposal::new(2, ProtocolId::ESP, spi, transforms()));
        });
    });
}

pub fn drop_kind(kind: TransformType) -> impl Fn(&mut Draft) {
    move |draft| {
        draft.sa(|sa| {
            sa.proposals[0].transforms.retain(|transform| transform.kind != kind);
        });
    }
}

pub fn mutants() -> Vec<Mutant> {
    [proposals(), answers(), transforms()].into_iter().flatten().collect()
}

fn proposals() -> Vec<Mutant> {
    vec![
        mutant("proposals-numbered-from-two", CBC, |lab| {
            lab.edit("init-request", |draft| {
                draft.sa(|sa| {
                    sa.proposals[0].number = 2;
                    sa.proposals[1].number = 3;
                });
            });
            lab.edit("init-response", |draft| draft.sa(|sa| sa.proposals[0].number = 2));
        }),
        mutant("spi-in-init-proposal", CBC, |lab| {
            lab.edit("init-request", |draft| draft.sa(|sa| sa.proposals[0].spi = vec![1; 8]));
        }),
        mutant("child-spi-of-eight-octets", CBC, |lab| {
            lab.stop = Some("child-response");
            lab.edit("child-request", |draft| draft.sa(|sa| sa.proposals[0].spi = vec![1; 8]));
        }),
        mutant("ike-rekey-spi-of-four-octets", CBC, |lab| {
            lab.stop = Some("rekey-response");
            lab.edit("rekey-request", |draft| draft.sa(|sa| sa.proposals[0].spi = vec![1; 4]));
        }),
        mutant("child-spi-255", CBC, |lab| {
            lab.edit("child-request", |draft| {
                draft.sa(|sa| sa.proposals[0].spi = vec![0, 0, 0, 255]);
            });
        }),
        mutant("rekey-with-old-spi", CBC, |lab| {
            lab.stop = Some("child-response");
            lab.edit("child-request", |draft| {
                draft.sa(|sa| sa.proposals[0].spi = 0xc0de_0001_u32.to_be_bytes().to_vec());
            });
        }),
        mutant("esp-without-esn-transform", CBC, |lab| {
            lab.edit("auth-request", drop_kind(TransformType::ESN));
            lab.edit("auth-response", drop_kind(TransformType::ESN));
        }),
        mutant("gcm-with-hmac", GCM, |lab| {
            for step in ["auth-request", "auth-response"] {
                lab.edit(step, |draft| {
                    draft.sa(|sa| {
                        let integ = Transform::integ(IntegId::HMAC_SHA2_256_128);
                        sa.proposals[0].transforms.push(integ);
                    });
                });
            }
        }),
        mutant("transform-count-wrong", CBC, |lab| {
            lab.stop = Some("child-response");
            lab.edit("child-request", |draft| draft.body(PayloadType::SA, |body| body[7] += 1));
        }),
        mutant("integrity-none-offered", GCM, |lab| {
            lab.edit("child-request", |draft| {
                draft.sa(|sa| {
                    sa.proposals[0].transforms.push(Transform::integ(IntegId::NONE));
                });
            });
        }),
    ]
}

fn answers() -> Vec<Mutant> {
    vec![
        mutant("answer-with-other-proposal-number", CBC, |lab| {
            lab.edit("init-response", |draft| draft.sa(|sa| sa.proposals[0].number = 7));
        }),
        mutant("answer-with-two-proposals", CBC, |lab| {
            lab.edit("init-response", |draft| {
                draft.sa(|sa| {
                    let second = Proposal { number: 2, ..sa.proposals[0].clone() };
                    sa.proposals.push(second);
                });
            });
        }),
        mutant("answer-for-ah", CBC, |lab| {
            lab.edit("auth-response", |draft| {
                draft.sa(|sa| sa.proposals[0].protocol = ProtocolId::AH);
            });
        }),
        mutant("answer-with-two-groups", CBC, |lab| {
            for step in ["init-request", "init-response"] {
                lab.edit(step, |draft| {
                    draft.sa(|sa| {
                        let group = Transform::ke(GroupId::MODP_2048);
                        sa.proposals[0].transforms.push(group);
                    });
                });
            }
        }),
        mutant("answer-with-group-not-offered", CBC, |lab| {
            lab.edit("init-response", |draft| {
                draft.sa(|sa| {
                    let transforms = &mut sa.proposals[0].transforms;
                    transforms.retain(|transform| transform.kind != TransformType::KE);
                    transforms.push(Transform::ke(GroupId::MODP_3072));
                });
                draft.change(PayloadType::KE, |payload| {
                    let Payload::Ke(ke) = payload else { unreachable!() };
                    ke.group = GroupId::MODP_3072;
                    ke.data = vec![2; 384];
                });
            });
        }),
        mutant("answer-with-other-key-length", CBC, |lab| {
            lab.edit("init-response", |draft| {
                draft.sa(|sa| {
                    sa.proposals[0].transforms[0] = Transform::encr(EncrId::AES_CBC, Some(128));
                });
            });
        }),
    ]
}

fn transforms() -> Vec<Mutant> {
    vec![
        mutant("key-length-twice", CBC, |lab| {
            second_cipher(lab, true, || {
                let mut cipher = Transform::encr(EncrId::AES_CBC, Some(192));
                cipher.attributes.push(Attribute::key_length(192));
                cipher
            });
        }),
        mutant("key-length-as-tlv", CBC, |lab| {
            second_cipher(lab, true, || {
                let mut cipher = Transform::encr(EncrId::AES_CBC, None);
                let kind = Attribute::KEY_LENGTH;
                cipher.attributes.push(Attribute::Tlv { kind, value: vec![0, 192] });
                cipher
            });
        }),
        mutant("key-length-for-3des", CBC, |lab| {
            second_cipher(lab, true, || Transform::encr(EncrId::TRIPLE_DES, Some(192)));
        }),
        mutant("cbc-without-key-length", CBC, |lab| {
            second_cipher(lab, true, || Transform::encr(EncrId::AES_CBC, None));
        }),
        mutant("gcm-without-key-length-in-ike", CBC, |lab| {
            second_cipher(lab, false, || Transform::encr(EncrId::AES_GCM_16, None));
        }),
        mutant("gcm-without-key-length-in-esp", CBC, |lab| {
            second_esp(lab, || {
                let cipher = Transform::encr(EncrId::AES_GCM_16, None);
                vec![cipher, Transform::esn(EsnId::NO_ESN)]
            });
        }),
        mutant("key-length-for-chacha20", CBC, |lab| {
            second_cipher(lab, false, || Transform::encr(EncrId::CHACHA20_POLY1305, Some(256)));
        }),
        mutant("null-cipher-for-ike", CBC, |lab| {
            second_cipher(lab, true, || Transform::encr(EncrId::NULL, None));
        }),
        mutant("gmac-for-ike", CBC, |lab| {
            second_cipher(lab, false, || Transform::encr(EncrId::NULL_AUTH_AES_GMAC, Some(128)));
        }),
        mutant("null-cipher-without-integrity", CBC, |lab| {
            second_esp(lab, || {
                let cipher = Transform::encr(EncrId::NULL, None);
                vec![cipher, Transform::esn(EsnId::NO_ESN)]
            });
        }),
        mutant("ike-rekey-group-none", CBC, |lab| {
            lab.edit("rekey-request", |draft| {
                draft.sa(|sa| sa.proposals[1].transforms.push(Transform::ke(GroupId::NONE)));
            });
        }),
    ]
}
