//! Certificates of the laboratory: read, followed to their anchor, and refused one by one.

use std::sync::OnceLock;

use rstest::rstest;

use super::laboratory::{Issued, KeyPurpose, Order};
use super::*;
use crate::crypto::tests::providers;
use crate::crypto::{Hash, Provider, RsaForm, RsaPrivateKey, RustCrypto};
use crate::wire::v2::Id;

/// The first of January 2026.
const NOW: u64 = 1_767_225_600;
const ROOT: &str = "CN=Root,O=Laboratory";

/// Keys take time, so there are few: those of two roots, of an authority and of an end.
struct Keys {
    root: Issued,
    stranger: Issued,
    middle: Issued,
    end: Issued,
}

fn order(subject: &str, seed: u8) -> Order {
    Order { bits: 1024, ..Order::end(subject, [seed; 32]) }
}

fn authority(subject: &str, seed: u8) -> Order {
    Order { bits: 1024, ..Order::authority(subject, [seed; 32]) }
}

fn keys() -> &'static Keys {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    KEYS.get_or_init(|| {
        let root = Issued::root(&authority(ROOT, 1)).unwrap();
        let stranger = Issued::root(&authority("CN=Stranger", 2)).unwrap();
        let middle = root.issue(&authority("CN=Middle", 3)).unwrap();
        let end = root.issue(&named()).unwrap();
        Keys { root, stranger, middle, end }
    })
}

/// An end with a name of every kind.
fn named() -> Order {
    let mut order = order("CN=End,O=Laboratory", 4);
    order.names = vec![
        Id::fqdn("End.example.com"),
        Id::rfc822("User@example.com"),
        Id::ip([192, 0, 2, 1].into()),
        Id::ip("2001:db8::1".parse().unwrap()),
    ];
    order
}

fn read(issued: &Issued) -> Certificate {
    Certificate::from_der(issued.certificate()).unwrap()
}

/// What becomes of the end's certificate as ordered, issued by `issuer`.
fn follow(order: &Order, issuer: &Issued, others: &[&Issued]) -> Result<(), Refused> {
    let leaf = read(&issuer.issue_again(order, &keys().end).unwrap());
    let others: Vec<_> = others.iter().map(|issued| read(issued)).collect();
    check_path(&RustCrypto, &leaf, &others, &[read(&keys().root)], NOW)
}

#[test]
fn a_certificate_says_what_was_ordered() {
    let end = read(&keys().end);
    assert_eq!(end.subject_text(), "CN=End,O=Laboratory");
    assert_eq!(format!("{end:?}"), format!("Certificate(CN=End,O=Laboratory by {ROOT})"));
    assert_eq!(end.key().bits(), 1024);
    assert_eq!(end.der(), keys().end.certificate());
    assert!(keys().end.certificate_pem().unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
    assert!(keys().end.key_pem().unwrap().starts_with("-----BEGIN PRIVATE KEY-----"));
    let again = keys().root.issue_again(&named(), &keys().end).unwrap();
    assert_eq!(again.certificate(), end.der(), "the same order gives the same octets");
}

#[test]
fn a_path_is_followed_to_the_anchor() {
    let keys = keys();
    assert_eq!(follow(&named(), &keys.root, &[]), Ok(()));
    assert_eq!(follow(&named(), &keys.middle, &[&keys.stranger, &keys.middle]), Ok(()));
    // The certificate itself may be trusted.
    let end = read(&keys.end);
    assert_eq!(check_path(&RustCrypto, &end, &[], std::slice::from_ref(&end), NOW), Ok(()));
}

#[test]
fn what_stands_against_a_path_is_named() {
    let keys = keys();
    let refused = |order: &Order, issuer, others: &[&Issued]| {
        follow(order, issuer, others).unwrap_err().requirement()
    };
    let honest = named();
    assert_eq!(refused(&honest, &keys.stranger, &[]), "rfc5280-6.1-trust-anchor");
    assert_eq!(refused(&honest, &keys.stranger, &[&keys.stranger]), "rfc5280-6.1-trust-anchor");
    assert_eq!(refused(&honest, &keys.middle, &[]), "rfc5280-6.1-trust-anchor");
    for (not_before, not_after) in [(NOW + 1, NOW + 2), (NOW - 2, NOW - 1)] {
        let order = Order { not_before, not_after, ..named() };
        assert_eq!(refused(&order, &keys.root, &[]), "rfc5280-6.1.3-validity");
    }
    let only = Order { not_before: NOW, not_after: NOW, ..named() };
    assert_eq!(follow(&only, &keys.root, &[]), Ok(()));
    let usage = Some(vec![KeyPurpose::KeyEncipherment]);
    let order = Order { usage, ..named() };
    assert_eq!(refused(&order, &keys.root, &[]), "rfc4945-5.1.3.2-key-usage");
    let usage = Some(vec![KeyPurpose::NonRepudiation]);
    assert_eq!(follow(&Order { usage, ..named() }, &keys.root, &[]), Ok(()));
}

#[test]
fn what_stands_against_an_issuer_is_named() {
    let keys = keys();
    let root = &keys.root;
    let by = |order: &Order| root.issue_again(order, &keys.middle).unwrap();
    let refused = |middle: &Issued| follow(&named(), middle, &[middle]).unwrap_err().requirement();
    let end = order("CN=Middle", 3);
    assert_eq!(refused(&by(&end)), "rfc5280-6.1.4-authority");
    let usage = Some(vec![KeyPurpose::DigitalSignature]);
    let middle = by(&Order { usage, ..authority("CN=Middle", 3) });
    assert_eq!(refused(&middle), "rfc5280-6.1.4-key-cert-sign");
    let middle = by(&Order { not_after: NOW - 1, ..authority("CN=Middle", 3) });
    assert_eq!(refused(&middle), "rfc5280-6.1.3-validity");
    // Somebody else under the name of the root.
    let false_root = Issued::root(&authority(ROOT, 2)).unwrap();
    assert_eq!(refused(&false_root), "rfc5280-6.1.3-signature");
    assert_eq!(
        follow(&named(), &false_root, &[]),
        Err(Refused::Signature("CN=End,O=Laboratory".to_owned()))
    );
    // One authority below another that allows none, and one too many in all.
    let none_below = by(&Order { authority: Some(Some(0)), ..authority("CN=Middle", 3) });
    assert_eq!(follow(&named(), &none_below, &[&none_below]), Ok(()));
    let lower = none_below.issue_again(&authority("CN=Lower", 5), &keys.stranger).unwrap();
    let path = follow(&named(), &lower, &[&none_below, &lower]);
    assert_eq!(path.unwrap_err().requirement(), "rfc5280-6.1.4-path-length");
    let mut issuers = vec![keys.middle.clone()];
    for depth in 0..3_u8 {
        let order = authority(&format!("CN=Depth {depth}"), 6 + depth);
        issuers.push(issuers.last().unwrap().issue_again(&order, &keys.stranger).unwrap());
    }
    let others: Vec<_> = issuers.iter().collect();
    assert_eq!(follow(&named(), &issuers[2], &others), Ok(()));
    assert_eq!(follow(&named(), &issuers[3], &others), Err(Refused::TooDeep(MAX_DEPTH)));
}

#[rstest]
#[case(Id::fqdn("end.EXAMPLE.com"), true)]
#[case(Id::fqdn("other.example.com"), false)]
#[case(Id::fqdn("*.example.com"), false)]
#[case(Id::fqdn("User@example.com"), false)]
#[case(Id::rfc822("User@Example.COM"), true)]
#[case(Id::rfc822("user@example.com"), false)]
#[case(Id::rfc822("End.example.com"), false)]
#[case(Id::ip([192, 0, 2, 1].into()), true)]
#[case(Id::ip([192, 0, 2, 2].into()), false)]
#[case(Id::ip("2001:db8::1".parse().unwrap()), true)]
#[case(Id::key_id(b"End.example.com"), false)]
fn identities_are_names_of_the_certificate(#[case] id: Id, #[case] named: bool) {
    let checked = read(&keys().end).check_id(&id);
    assert_eq!(checked.is_ok(), named, "{id}");
    if let Err(refused) = checked {
        assert_eq!(refused.requirement(), "rfc4945-3.1-id-in-certificate");
    }
}

#[test]
fn the_subject_is_an_identity() {
    let end = read(&keys().end);
    assert_eq!(end.check_id(&end.subject_id()), Ok(()));
    assert!(end.check_id(&read(&keys().root).subject_id()).is_err());
    let nobody = read(&keys().root.issue_again(&order("", 4), &keys().end).unwrap());
    assert!(nobody.check_id(&nobody.subject_id()).is_err(), "no subject is nobody");
}

#[rstest]
fn every_hash_is_known(
    #[values((Hash::Sha1, 5), (Hash::Sha256, 11), (Hash::Sha384, 12), (Hash::Sha512, 13))] of: (
        Hash,
        u8,
    ),
) {
    let (hash, number) = of;
    // The algorithm's name differs in its last octet alone, and so does the signature's value.
    let mut der = keys().end.certificate().to_vec();
    let oid = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11];
    let places: Vec<_> = (0..der.len()).filter(|at| der[*at..].starts_with(&oid)).collect();
    assert_eq!(places.len(), 2);
    for place in places {
        der[place + 8] = number;
    }
    let signed = der.len() - 128;
    // A header of four octets; behind the signed part come 15 of the algorithm and 4 of the string.
    let tbs = &der[4..signed - 19];
    let key = RsaPrivateKey::from_der(keys().root.key().unwrap().expose()).unwrap();
    let digest = hash.digest(&[tbs]);
    let form = RsaForm::DigestInfo(hash);
    let signature = RustCrypto.rsa_sign(&key, form, &digest, &[0; 32]).unwrap();
    let unsigned = Certificate::from_der(&der).unwrap();
    der[signed..].copy_from_slice(&signature);
    let certificate = Certificate::from_der(&der).unwrap();
    let anchors = [read(&keys().root)];
    for provider in providers() {
        let follow = |leaf: &Certificate| check_path(&*provider, leaf, &[], &anchors, NOW);
        assert_eq!(follow(&certificate), Ok(()), "{hash:?} by {}", provider.name());
        assert_eq!(follow(&unsigned).is_ok(), hash == Hash::Sha256);
    }
}

#[test]
fn no_changed_octet_leads_to_the_anchor_and_none_panics() {
    let der = keys().end.certificate();
    let anchors = [read(&keys().root)];
    let mut readable = 0;
    for at in 0..der.len() {
        for mask in [0x01, 0x80] {
            let mut wrong = der.to_vec();
            wrong[at] ^= mask;
            let Ok(leaf) = Certificate::from_der(&wrong) else { continue };
            readable += 1;
            assert!(check_path(&RustCrypto, &leaf, &[], &anchors, NOW).is_err(), "octet {at}");
        }
    }
    assert!(readable > 200, "{readable} certificates could be read");
    for length in 0..der.len() {
        assert!(Certificate::from_der(&der[..length]).is_err(), "{length}");
    }
    let longer = [der, &[0]].concat();
    assert!(Certificate::from_der(&longer).is_err());
    assert_eq!(Certificate::from_der(&vec![0x30; 20_000]), Err(CertificateError::TooLong(20_000)));
}

#[test]
fn a_setup_is_checked_and_comes_back() {
    let keys = keys();
    let setup = keys.end.setup(&keys.root, NOW).unwrap();
    let certificates = Certificates::new(setup.clone()).unwrap();
    let text = serde_json::to_string(&certificates).unwrap();
    let again: Certificates = serde_json::from_str(&text).unwrap();
    assert_eq!(again.own(), certificates.own());
    assert_eq!(again.anchors().len(), 1);
    let key = crate::wire::hex::encode(setup.key.expose());
    let shown = format!("{certificates:?} {setup:?}");
    assert!(!shown.contains(&key[100..140]), "{shown}");
    assert!(shown.contains("redacted") && shown.contains("octets"), "{shown}");
    let wrong = |change: &dyn Fn(&mut CertificateSetup)| {
        let mut setup = setup.clone();
        change(&mut setup);
        Certificates::new(setup).map(drop)
    };
    assert_eq!(wrong(&|setup| setup.chain.clear()), Err(SetupError::Chain(0)));
    let other = keys.stranger.key().unwrap();
    assert!(matches!(wrong(&|setup| setup.key = other.clone()), Err(SetupError::OtherKey(_))));
    let no_key = |setup: &mut CertificateSetup| setup.key = b"none".to_vec().into();
    assert!(matches!(wrong(&no_key), Err(SetupError::Key(_))));
    let broken = wrong(&|setup| setup.anchors.push(Der(vec![0])));
    assert!(matches!(broken, Err(SetupError::Certificate(_))));
    let many = wrong(&|setup| setup.anchors = vec![setup.chain[0].clone(); 33]);
    assert_eq!(many, Err(SetupError::Anchors(33)));
}

#[test]
fn without_an_identity_it_is_the_address_or_the_subject() {
    let keys = keys();
    let certificates = Certificates::new(keys.end.setup(&keys.root, NOW).unwrap()).unwrap();
    let address = [192, 0, 2, 1].into();
    assert_eq!(certificates.default_id(address), Id::ip(address));
    let elsewhere = certificates.default_id([192, 0, 2, 7].into());
    assert_eq!(elsewhere, certificates.own().subject_id());
}
