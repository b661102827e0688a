//! Mutants of SA payloads.

use ikeproof_proto::wire::v1::num::{
    AhTransform, Encapsulation, EspTransform, PayloadKind, Phase1Attr, Phase1Encr, Phase2Attr,
    Phase2Auth,
};
use ikeproof_proto::wire::v1::{Proposal, Sa, Transform};
use ikeproof_proto::wire::{Attribute, ProtocolId};

use super::super::draft::Draft;
use super::super::lab::{Lab, MAIN, PFS};
use super::super::script::{long, short};
use super::{Mutant, mutant, with};

const CHANGED: &str = "rfc2409-5-changed-attributes-rejected";
const VERIFIES: &str = "rfc2408-4.2-initiator-verifies-reply";

pub fn mutants() -> Vec<Mutant> {
    [structure(), phase1(), phase2(), answers()].into_iter().flatten().collect()
}

/// Changes the octets of an SA payload, counted from its first proposal.
fn octets(lab: &mut Lab, step: &'static str, change: fn(&mut Vec<u8>)) {
    lab.edit(step, move |draft| draft.body(PayloadKind::SA, change));
}

fn sa(lab: &mut Lab, step: &'static str, change: fn(&mut Sa)) {
    lab.edit(step, move |draft| draft.sa(change));
}

/// Adds a proposal for AH, which is never chosen.
fn ah(sa: &mut Sa, number: u8) {
    let attributes = vec![
        short(Phase2Attr::LIFE_TYPE.0, 1),
        short(Phase2Attr::LIFE_DURATION.0, 3600),
        short(Phase2Attr::ENCAPSULATION.0, Encapsulation::TUNNEL.0),
        short(Phase2Attr::AUTH.0, Phase2Auth::HMAC_SHA1.0),
    ];
    let transforms = vec![Transform { number: 1, id: AhTransform::SHA1.0, attributes }];
    let spi = vec![0xc0, 0xde, 1, 1];
    sa.proposals.push(Proposal { number, protocol: ProtocolId::AH, spi, transforms });
}

/// The transforms of the first proposal.
fn transforms(sa: &mut Sa) -> &mut Vec<Transform> {
    &mut sa.proposals[0].transforms
}

fn set(transform: &mut Transform, kind: u16, value: Attribute) {
    let found = transform.attributes.iter_mut().find(|it| it.kind() == kind);
    *found.unwrap() = value;
}

fn remove(transform: &mut Transform, kind: u16) {
    transform.attributes.retain(|it| it.kind() != kind);
}

fn structure() -> Vec<Mutant> {
    vec![
        mutant("v1-transform-length-too-long", MAIN, |lab| {
            octets(lab, "again-1", |body| {
                // The last transform has no attribute behind what it counts.
                let at = 8 + 12 + usize::from(body[8 + 12 + 3]);
                body[at + 3] += 4;
            });
            lab.edit("again-1", |_| {});
        }),
        mutant("v1-proposal-names-transform", MAIN, |lab| {
            octets(lab, "quick-1", |body| body[8] = PayloadKind::TRANSFORM.0);
        }),
        mutant("v1-transform-names-proposal", MAIN, |lab| {
            octets(lab, "quick-1", |body| body[8 + 12] = PayloadKind::PROPOSAL.0);
        }),
        mutant("v1-one-transform-too-many-counted", MAIN, |lab| {
            octets(lab, "quick-1", |body| body[8 + 7] += 1);
        }),
        mutant("v1-proposal-number-goes-on-later", MAIN, |lab| {
            sa(lab, "quick-1", |sa| {
                ah(sa, 2);
                ah(sa, 1);
                sa.proposals[2].spi[3] = 2;
            });
        }),
        mutant("v1-proposal-number-falls", MAIN, |lab| {
            sa(lab, "quick-1", |sa| ah(sa, 0));
        }),
        mutant("v1-transform-number-twice", MAIN, |lab| {
            sa(lab, "quick-1", |sa| transforms(sa)[1].number = 1);
        }),
        mutant("v1-unknown-doi-taken", MAIN, |lab| octets(lab, "quick-1", |body| body[3] = 9)),
        mutant("v1-unknown-situation-taken", MAIN, |lab| {
            octets(lab, "quick-1", |body| body[7] = 2);
        }),
    ]
}

fn phase1() -> Vec<Mutant> {
    vec![
        mutant("v1-two-proposals-in-phase-1", MAIN, |lab| {
            sa(lab, "main-1", |sa| {
                let mut other = sa.proposals[0].clone();
                other.number = 2;
                sa.proposals.push(other);
            });
        }),
        with("v1-esp-in-phase-1", MAIN, &["rfc2409-5-attributes-unmodified", VERIFIES], |lab| {
            sa(lab, "main-1", |sa| sa.proposals[0].protocol = ProtocolId::ESP);
        }),
        mutant("v1-transform-id-2-in-phase-1", MAIN, |lab| {
            sa(lab, "main-1", |sa| transforms(sa)[1].id = 2);
        }),
        mutant("v1-no-hash-algorithm", MAIN, |lab| {
            sa(lab, "main-1", |sa| remove(&mut transforms(sa)[1], Phase1Attr::HASH.0));
        }),
        mutant("v1-prime-beside-group", MAIN, |lab| {
            sa(lab, "main-1", |sa| {
                transforms(sa)[1].attributes.push(long(Phase1Attr::GROUP_PRIME.0, &[7; 128]));
            });
        }),
        mutant("v1-group-of-variable-length", MAIN, |lab| {
            sa(lab, "main-1", |sa| {
                let kind = Phase1Attr::GROUP.0;
                set(&mut transforms(sa)[1], kind, long(kind, &[0, 2]));
            });
        }),
        mutant("v1-3des-with-key-length", MAIN, |lab| {
            sa(lab, "main-1", |sa| {
                let kind = Phase1Attr::ENCRYPTION.0;
                set(&mut transforms(sa)[1], kind, short(kind, Phase1Encr::TRIPLE_DES_CBC.0));
                transforms(sa)[1].attributes.push(short(Phase1Attr::KEY_LENGTH.0, 192));
            });
        }),
        mutant("v1-aes-without-key-length", MAIN, |lab| {
            sa(lab, "main-1", |sa| {
                let kind = Phase1Attr::ENCRYPTION.0;
                set(&mut transforms(sa)[1], kind, short(kind, Phase1Encr::AES_CBC.0));
            });
        }),
        mutant("v1-duration-without-type", MAIN, |lab| {
            sa(lab, "main-1", |sa| remove(&mut transforms(sa)[1], Phase1Attr::LIFE_TYPE.0));
        }),
    ]
}

fn phase2() -> Vec<Mutant> {
    vec![
        with("v1-spi-of-three-octets", MAIN, &["rfc2408-5.5-proposal-spi-checked"], |lab| {
            sa(lab, "quick-1", ah_spi)
        }),
        with("v1-spi-of-three-octets-taken", MAIN, &["rfc2408-3.5-ipsec-spi-size"], |lab| {
            sa(lab, "again-1", ah_spi)
        }),
        mutant("v1-no-encapsulation-mode", MAIN, |lab| {
            sa(lab, "quick-1", |sa| remove(&mut transforms(sa)[1], Phase2Attr::ENCAPSULATION.0));
        }),
        mutant("v1-ah-sha-with-md5", MAIN, |lab| {
            sa(lab, "quick-1", |sa| {
                ah(sa, 2);
                let kind = Phase2Attr::AUTH.0;
                set(&mut sa.proposals[1].transforms[0], kind, short(kind, Phase2Auth::HMAC_MD5.0));
            });
        }),
        mutant("v1-esp-null-without-authentication", MAIN, |lab| {
            sa(lab, "quick-1", |sa| {
                transforms(sa)[1].id = EspTransform::NULL.0;
                remove(&mut transforms(sa)[1], Phase2Attr::AUTH.0);
            });
        }),
        mutant("v1-transform-without-group", PFS, |lab| {
            sa(lab, "quick-1", |sa| remove(&mut transforms(sa)[1], Phase2Attr::GROUP.0));
        }),
    ]
}

fn ah_spi(sa: &mut Sa) {
    ah(sa, 2);
    sa.proposals[1].spi.truncate(3);
}

fn answers() -> Vec<Mutant> {
    vec![
        with("v1-other-key-length-answered", MAIN, &[CHANGED], |lab| {
            sa(lab, "quick-2", |sa| {
                let kind = Phase2Attr::KEY_LENGTH.0;
                set(&mut transforms(sa)[0], kind, short(kind, 256));
            });
        }),
        mutant("v1-two-proposals-answered", MAIN, |lab| sa(lab, "quick-2", |sa| ah(sa, 2))),
        mutant("v1-two-transforms-answered", MAIN, |lab| {
            sa(lab, "quick-2", |sa| {
                let again = transforms(sa)[0].clone();
                transforms(sa).push(again);
            });
        }),
        mutant("v1-answer-renumbered", MAIN, |lab| {
            sa(lab, "quick-2", |sa| transforms(sa)[0].number = 5);
        }),
        with("v1-lifetime-changed-in-answer", MAIN, &[CHANGED], |lab| {
            sa(lab, "quick-2", lifetime);
        }),
        with(
            "v1-lifetime-changed-in-answer-taken",
            MAIN,
            &["rfc2409-5-attributes-unmodified"],
            |lab| {
                sa(lab, "main-2", |sa| {
                    let kind = Phase1Attr::LIFE_DURATION.0;
                    set(&mut transforms(sa)[0], kind, long(kind, &[0, 0, 0, 60]));
                });
            },
        ),
        with(
            "v1-answer-of-unoffered-transform-taken",
            MAIN,
            &["rfc2409-5-attributes-unmodified"],
            |lab| lab.edit("quick-2", unoffered),
        ),
    ]
}

fn lifetime(sa: &mut Sa) {
    let kind = Phase2Attr::LIFE_DURATION.0;
    set(&mut transforms(sa)[0], kind, short(kind, 60));
}

fn unoffered(draft: &mut Draft) {
    draft.sa(|sa| {
        transforms(sa)[0].id = EspTransform::AES_GCM_16.0;
    });
}
