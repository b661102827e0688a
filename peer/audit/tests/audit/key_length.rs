//! Which transforms have the Key Length attribute.

use std::collections::BTreeSet;

use ikeproof_proto::wire::v2::{Attribute, Transform};
use ikeproof_proto::wire::{EncrId, IntegId, PrfId, TransformType};
use rstest::rstest;

use crate::support::Lab;
use crate::support::lab::{CBC, GCM, Profile};

const FIXED: &str = "rfc7296-3.3.5-keylen-not-for-fixed";

/// What is found if the second proposal of the offer, which is never chosen, has `transform` instead
/// of its own ones of that type.
fn found(profile: Profile, transform: Transform, integrity: bool) -> BTreeSet<&'static str> {
    let mut lab = Lab::new(profile);
    lab.edit("init-request", move |draft| {
        draft.sa(|sa| {
            let transforms = &mut sa.proposals[1].transforms;
            transforms.retain(|other| {
                other.kind != transform.kind && (integrity || other.kind != TransformType::INTEG)
            });
            transforms.insert(0, transform);
        });
    });
    let lab = lab.run();
    lab.findings().iter().map(|finding| finding.requirement).collect()
}

fn with_length(mut transform: Transform) -> Transform {
    transform.attributes = vec![Attribute::Tv { kind: Attribute::KEY_LENGTH, value: 256 }];
    transform
}

#[rstest]
#[case(Transform::prf(PrfId::HMAC_SHA2_256))]
#[case(Transform::prf(PrfId(9)))]
#[case(Transform::integ(IntegId::HMAC_SHA2_256_128))]
#[case(Transform::integ(IntegId(14)))]
fn functions_have_no_key_length(#[case] transform: Transform) {
    assert_eq!(found(CBC, transform.clone(), true), BTreeSet::new());
    assert_eq!(found(CBC, with_length(transform), true), BTreeSet::from([FIXED]));
}

#[rstest]
#[case(Transform::prf(PrfId(1024)))]
#[case(Transform::integ(IntegId(65535)))]
fn functions_of_private_use_may_have_one(#[case] transform: Transform) {
    assert_eq!(found(CBC, with_length(transform), true), BTreeSet::new());
}

/// The ciphers of RFC 9227 are combined ones with keys of 256 bits.
#[rstest]
fn kuznyechik_and_magma_have_no_key_length(#[values(32, 33, 34, 35)] id: u16) {
    let transform = Transform::encr(EncrId(id), None);
    assert_eq!(found(GCM, transform.clone(), false), BTreeSet::new());
    assert_eq!(found(GCM, with_length(transform), false), BTreeSet::from([FIXED]));
}
