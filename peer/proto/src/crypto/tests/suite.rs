//! Registries over their full range, names both ways, and lengths.

use core::fmt::{Debug, Display};
use core::str::FromStr;

use crate::crypto::{ChildSuite, Encr, Esn, Group, IkeSuite, Integ, Prf};

#[test]
fn registries_agree_with_themselves_over_the_full_range() {
    for id in 0..=u16::MAX {
        if let Some(integ) = Integ::from_iana(id) {
            assert_eq!(integ.iana(), id);
        }
        if let Some(prf) = Prf::from_iana(id) {
            assert_eq!(prf.iana(), id);
        }
        if let Some(group) = Group::from_iana(id) {
            assert_eq!(group.iana(), id);
        }
        if let Some(esn) = Esn::from_iana(id) {
            assert_eq!(esn.iana(), id);
        }
        for bits in [None, Some(0), Some(64), Some(128), Some(192), Some(256), Some(512)] {
            if let Some(encr) = Encr::from_iana(id, bits) {
                assert_eq!(encr.iana(), (id, bits));
            }
        }
    }
    assert!(Encr::all().all(|encr| {
        let (id, bits) = encr.iana();
        Encr::from_iana(id, bits) == Some(encr)
    }));
    assert!(Integ::all().all(|integ| Integ::from_iana(integ.iana()) == Some(integ)));
    assert!(Prf::all().all(|prf| Prf::from_iana(prf.iana()) == Some(prf)));
    assert!(Group::all().all(|group| Group::from_iana(group.iana()) == Some(group)));
}

/// Numbers copied from the IANA registry by hand, so that the table above is not its own judge.
#[test]
fn numbers_are_those_of_iana() {
    let encr: [(&str, u16, Option<u16>); 8] = [
        ("3des", 3, None),
        ("null", 11, None),
        ("aes256", 12, Some(256)),
        ("aes128gcm8", 18, Some(128)),
        ("aes192gcm12", 19, Some(192)),
        ("aes256gcm16", 20, Some(256)),
        ("aes128gmac", 21, Some(128)),
        ("chacha20poly1305", 28, None),
    ];
    for (name, id, bits) in encr {
        assert_eq!(Encr::from_iana(id, bits).map(Encr::name), Some(name));
    }
    assert_eq!(Encr::from_iana(12, None), None, "AES without a key length");
    assert_eq!(Encr::from_iana(3, Some(192)), None, "3DES with one");
    for (name, id) in [("md5", 1), ("sha1", 2), ("sha256", 12), ("sha384", 13), ("sha512", 14)] {
        assert_eq!(Integ::from_iana(id).map(Integ::name), Some(name));
    }
    for (name, id) in [("prfmd5", 1), ("prfsha1", 2), ("prfsha256", 5), ("prfsha512", 7)] {
        assert_eq!(Prf::from_iana(id).map(Prf::name), Some(name));
    }
    for (name, id) in [("modp1024", 2), ("modp1536", 5), ("ecp256", 19), ("curve25519", 31)] {
        assert_eq!(Group::from_iana(id).map(Group::name), Some(name));
    }
}

fn round_trips<T>(values: impl Iterator<Item = T>)
where
    T: Copy + PartialEq + Debug + Display,
    T: FromStr<Err: Debug> + serde::Serialize + serde::de::DeserializeOwned,
{
    for value in values {
        let name = value.to_string();
        assert_eq!(name.parse::<T>().unwrap(), value);
        let json = serde_json::to_string(&value).unwrap();
        assert_eq!(json, format!("\"{name}\""));
        assert_eq!(serde_json::from_str::<T>(&json).unwrap(), value);
    }
}

#[test]
fn names_round_trip_as_text_and_in_serde() {
    round_trips(Encr::all());
    round_trips(Integ::all());
    round_trips(Prf::all());
    round_trips(Group::all());
    round_trips(Esn::all());
    let mut ike = Vec::new();
    let mut child = Vec::new();
    for encr in Encr::all() {
        for integ in Integ::all().filter(|integ| encr.is_aead() == (*integ == Integ::None)) {
            for prf in Prf::all() {
                ike.push(IkeSuite { encr, integ, prf, group: Group::Modp2048 });
            }
            let plain = ChildSuite::esp(encr, integ);
            child.push(plain);
            child.push(ChildSuite { group: Some(Group::Ecp256), esn: Esn::Yes, ..plain });
            if integ != Integ::None {
                child.push(ChildSuite::ah(integ));
            }
        }
    }
    round_trips(ike.into_iter());
    round_trips(child.into_iter());
}

#[test]
fn suites_are_written_as_people_write_them() {
    let ike: IkeSuite = "aes128-sha1-modp1024".parse().unwrap();
    assert_eq!(ike.prf, Prf::HmacSha1);
    assert_eq!("aes256-sha256-prfsha1-ecp256".parse::<IkeSuite>().unwrap().prf, Prf::HmacSha1);
    assert_eq!("null-md5".parse(), Ok(ChildSuite::esp(Encr::Null, Integ::HmacMd5_96)));
    assert_eq!("esp:aes128-sha1".parse::<ChildSuite>(), "aes128-sha1".parse());
    for wrong in [
        "",
        "aes128",
        "aes128-sha1",
        "aes128-modp1024",
        "aes128gcm16-ecp256",
        "aes128gcm16-sha1-prfsha1-ecp256",
        "aes128-sha1-sha1-modp1024",
        "aes128-sha1-modp1024-esn",
        "aes129-sha1-modp1024",
        "aes128-none-prfsha1-modp1024",
    ] {
        assert!(wrong.parse::<IkeSuite>().is_err(), "{wrong}");
    }
    for wrong in ["", "aes128", "sha1", "ah:aes128-sha1", "ah:", "aes128-sha1-prfsha1", "esn"] {
        assert!(wrong.parse::<ChildSuite>().is_err(), "{wrong}");
    }
}

#[test]
fn lengths_follow_the_documents() {
    let esp = |suite: &str| suite.parse::<ChildSuite>().unwrap();
    assert_eq!(esp("aes256gcm16").keymat_len(), 36);
    assert_eq!(esp("aes128-sha512").keymat_len(), 16 + 64);
    assert_eq!(esp("null-md5").keymat_len(), 16);
    assert_eq!(esp("3des-sha384").keymat_len(), 24 + 48);
    assert_eq!(esp("chacha20poly1305").keymat_len(), 36);
    assert_eq!(esp("aes192gcm12").icv_len(), 12);
    assert_eq!(esp("aes192-sha384").icv_len(), 24);
    assert_eq!(Group::Ecp521.public_len(), 132);
}
