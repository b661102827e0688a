//! Opening: published packets, and one test for each reason to refuse.

use super::{
    SPI, inbound_params, keys, packet, packet_between, pair, providers, seal, seal_as, suites,
};
use crate::crypto::tests::hex;
use crate::crypto::{ChildSuite, DirectionKeys, Hash, SecretBytes};
use crate::sa::{
    Budget, DropKind, InboundParams, InboundSa, Limits, OpenError, ReplayWindow, SelectorRange,
    Selectors,
};

fn suite(name: &str) -> ChildSuite {
    name.parse().unwrap()
}

/// RFC 3602 section 4 case 7: a ping in tunnel mode. The document has no ICV; the one here is
/// HMAC-SHA-1-96 over its packet, computed by the provider.
#[test]
fn rfc_3602_case_7_tunnel_mode() {
    for provider in providers() {
        let integ = SecretBytes::new(vec![0x0b; 20]);
        let mut esp = hex("0000876500000002 f4e765244f6407adf13dc1380f673f37
            773b5241a4c449225e4f3ce5ed611b0c237ca96cf74a93013c1b0ea1a0cf70f8
            e4ecaec78ac53aad7a0f022b859243c647752e94a859352b8a4d4d2decd136e5
            c177f132ad3fbfb2201ac9904c74ee0a109e0ca1e4dfe9d5a100b842f1c22f0d");
        let icv = provider.hmac(Hash::Sha1, integ.expose()).code(&[&esp]);
        esp.extend_from_slice(&icv[..12]);
        let params = InboundParams {
            spi: 0x8765,
            keys: DirectionKeys {
                encr: SecretBytes::new(hex("0123456789abcdef0123456789abcdef")),
                salt: SecretBytes::default(),
                integ,
            },
            ..inbound_params(suite("aes128-sha1"))
        };
        let mut sa = InboundSa::new(&*provider, params).unwrap();
        let opened = sa.open(&mut esp).unwrap();
        assert_eq!(
            esp[opened.range],
            hex("45000054090400004001f988c0a87b03c0a87bc808009f76a90a0100b49c083d
                02a2040008090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223
                2425262728292a2b2c2d2e2f3031323334353637")
        );
    }
}

/// draft-mcgrew-gcm-test-01 section 4, AES-256. Its next header is 1, which tunnel mode refuses:
/// to get there, the packet must have been authentic and its padding right.
#[test]
fn draft_mcgrew_gcm_test_aes_256() {
    for provider in providers() {
        let mut esp = hex("4a2cbfe300000002 0102030405060708
            ff425c9b724599df7a3bcd510194e00d6a78107f1b0b1cbf06efae9d65a5d763
            748a637985771d347f0545659f14e99def842d8eb335f4eecfdbf831824b4c49
            15956c96");
        let params = InboundParams {
            spi: 0x4a2c_bfe3,
            keys: DirectionKeys {
                encr: SecretBytes::new(hex(
                    "abbccddef00112233445566778899aababbccddef00112233445566778899aab",
                )),
                salt: SecretBytes::new(hex("11223344")),
                integ: SecretBytes::default(),
            },
            ..inbound_params(suite("aes256gcm16"))
        };
        let mut sa = InboundSa::new(&*provider, params).unwrap();
        assert_eq!(sa.open(&mut esp), Err(OpenError::BadNextHeader(1)));
        assert_eq!(
            esp[16..68],
            hex("4500003069a6400080062690c0a801029389155e0a9e008b2dc57ee000000000
                7002400020bf0000020405b40101040201020201")
        );
    }
}

#[test]
fn a_replayed_packet_is_refused_before_it_is_decrypted() {
    let (mut outbound, mut inbound) = pair(&*providers()[0], suite("aes128gcm16"));
    let sealed = seal(&mut outbound, &packet(40));
    inbound.open(&mut sealed.clone()).unwrap();
    let mut again = sealed.clone();
    assert_eq!(inbound.open(&mut again), Err(OpenError::Replay(1)));
    assert_eq!(again, sealed);
    outbound.set_sequence(100);
    inbound.open(&mut seal(&mut outbound, &packet(40))).unwrap();
    assert_eq!(inbound.open(&mut sealed.clone()), Err(OpenError::TooOld(1)));
    outbound.set_sequence(u32::MAX);
    let mut zero = sealed.clone();
    zero[4..8].fill(0);
    assert_eq!(inbound.open(&mut zero), Err(OpenError::SequenceZero));
    let counted: Vec<_> = inbound.drops().iter().collect();
    assert_eq!(
        counted,
        [(DropKind::SequenceZero, 1), (DropKind::Replay, 1), (DropKind::TooOld, 1)]
    );
    assert_eq!(inbound.drops().total(), 3);
}

#[test]
fn a_forged_packet_does_not_move_the_window() {
    for provider in providers() {
        for suite in suites() {
            let (mut outbound, mut inbound) = pair(&*provider, suite);
            let good = seal(&mut outbound, &packet(40));
            for at in 4..good.len() {
                let mut forged = good.clone();
                forged[at] ^= 0x40;
                assert_eq!(inbound.open(&mut forged), Err(OpenError::BadIcv), "{suite}, {at}");
            }
            assert_eq!(inbound.replay().right(), 0);
            inbound.open(&mut good.clone()).unwrap();
        }
    }
}

#[test]
fn every_other_length_is_refused() {
    let provider = &*providers()[0];
    for suite in suites() {
        let (mut outbound, mut inbound) = pair(provider, suite);
        let good = seal(&mut outbound, &packet(40));
        for len in 0..good.len() {
            let refused = inbound.open(&mut good[..len].to_vec()).unwrap_err();
            let expected = [OpenError::BadLength(len), OpenError::BadIcv];
            assert!(expected.contains(&refused), "{suite}, {len}: {refused}");
        }
        let mut longer = good.clone();
        longer.push(0);
        assert_eq!(inbound.open(&mut longer), Err(OpenError::BadLength(good.len() + 1)));
    }
}

#[test]
fn another_spi_is_refused() {
    let (mut outbound, mut inbound) = pair(&*providers()[0], suite("null-sha1"));
    let mut sealed = seal(&mut outbound, &packet(40));
    sealed[3] ^= 1;
    assert_eq!(inbound.open(&mut sealed), Err(OpenError::UnknownSpi(SPI ^ 1)));
}

/// An authentic packet whose payload, padding and trailer are `text`.
fn forged_by_the_peer(text: &[u8]) -> Result<(), OpenError> {
    let provider = &*providers()[0];
    let suite = suite("null-sha1");
    let mut esp = SPI.to_be_bytes().to_vec();
    esp.extend_from_slice(&[0, 0, 0, 1]);
    esp.extend_from_slice(text);
    let mac = provider.hmac(Hash::Sha1, keys(&suite).integ.expose());
    let icv = mac.code(&[&esp]);
    esp.extend_from_slice(&icv[..12]);
    let mut sa = InboundSa::new(provider, inbound_params(suite)).unwrap();
    sa.open(&mut esp).map(drop)
}

#[test]
fn padding_is_one_two_three() {
    let with = |trailer: &[u8]| forged_by_the_peer(&[&packet(40), trailer].concat());
    assert_eq!(with(&[1, 2, 2, 4]), Ok(()));
    assert_eq!(with(&[1, 2, 3, 4, 5, 6, 6, 4]), Ok(()));
    assert_eq!(with(&[0, 0, 2, 4]), Err(OpenError::BadPadding));
    assert_eq!(with(&[1, 3, 2, 4]), Err(OpenError::BadPadding));
    assert_eq!(with(&[1, 2, 43, 4]), Err(OpenError::BadPadding), "beyond the payload");
    assert_eq!(forged_by_the_peer(&[1, 2, 3, 4]), Err(OpenError::BadPadding));
    // All of the payload is padding: then there is no inner packet.
    assert_eq!(
        forged_by_the_peer(&[1, 2, 2, 4]),
        Err(OpenError::InnerLength { said: 0, there: 0 })
    );
}

#[test]
fn the_longest_padding_is_accepted() {
    let mut text = packet(43);
    text.extend(1..=255_u8);
    text.extend_from_slice(&[255, 4]);
    assert_eq!(forged_by_the_peer(&text), Ok(()));
}

#[test]
fn next_headers_and_inner_packets() {
    let with = |inner: &[u8], next_header| {
        let (mut outbound, mut inbound) = pair(&*providers()[0], suite("aes128gcm16"));
        inbound.open(&mut seal_as(&mut outbound, inner, next_header)).map(|opened| opened.range)
    };
    let v4 = packet(40);
    assert_eq!(with(&v4, 4), Ok(16..56));
    assert_eq!(with(&v4, 41), Err(OpenError::InnerVersion { next_header: 41, version: 4 }));
    assert_eq!(with(&v4, 59), Err(OpenError::Dummy));
    for next_header in [0, 1, 6, 17, 50, 58, 97, 255] {
        assert_eq!(with(&v4, next_header), Err(OpenError::BadNextHeader(next_header)));
    }
    assert_eq!(with(&[], 4), Err(OpenError::InnerLength { said: 0, there: 0 }));
    assert_eq!(with(&v4[..19], 4), Err(OpenError::InnerLength { said: 0, there: 19 }));
    assert_eq!(with(&v4[..39], 4), Err(OpenError::InnerLength { said: 40, there: 39 }));
    let mut short_header = v4.clone();
    short_header[3] = 19;
    assert_eq!(with(&short_header, 4), Err(OpenError::InnerLength { said: 19, there: 40 }));
    let mut v6 = vec![0x60, 0, 0, 0, 0, 4, 59, 64];
    v6.resize(44, 0);
    assert_eq!(with(&v6, 41), Ok(16..60));
    assert_eq!(with(&v6, 4), Err(OpenError::InnerVersion { next_header: 4, version: 6 }));
    assert_eq!(with(&v6[..43], 41), Err(OpenError::InnerLength { said: 44, there: 43 }));
    assert_eq!(with(&v6[..39], 41), Err(OpenError::InnerLength { said: 0, there: 39 }));
}

#[test]
fn padding_for_traffic_flow_confidentiality_is_cut_off() {
    for suite in suites() {
        let (mut outbound, mut inbound) = pair(&*providers()[0], suite);
        let inner = packet(40);
        let mut padded = inner.clone();
        padded.resize(1000, 0xee);
        let mut sealed = seal(&mut outbound, &padded);
        let opened = inbound.open(&mut sealed).unwrap();
        assert_eq!(sealed[opened.range], inner, "{suite}");
    }
}

#[test]
fn what_is_outside_of_the_selectors_is_refused() {
    let range = |start: &str, end: &str| {
        SelectorRange::addresses(start.parse().unwrap(), end.parse().unwrap())
    };
    let provider = &*providers()[0];
    let selectors = Selectors {
        local: vec![range("10.9.8.7", "10.9.8.7")],
        remote: vec![range("10.1.2.0", "10.1.2.255")],
    };
    let params = InboundParams { selectors, ..inbound_params(suite("aes128gcm16")) };
    let mut inbound = InboundSa::new(provider, params).unwrap();
    let (mut outbound, _) = pair(provider, suite("aes128gcm16"));
    let mut send = |src: [u8; 4], dst: [u8; 4]| {
        let inner = packet_between(src.into(), dst.into(), 60);
        inbound.open(&mut seal(&mut outbound, &inner)).map(drop)
    };
    assert_eq!(send([10, 1, 2, 3], [10, 9, 8, 7]), Ok(()));
    assert_eq!(send([10, 1, 3, 3], [10, 9, 8, 7]), Err(OpenError::Selector), "spoofed source");
    assert_eq!(send([10, 1, 2, 3], [10, 9, 8, 8]), Err(OpenError::Selector));
    assert_eq!(send([10, 9, 8, 7], [10, 1, 2, 3]), Err(OpenError::Selector), "turned round");
}

#[test]
fn hard_limits_stop_and_soft_limits_tell() {
    let provider = &*providers()[0];
    let limits = Limits {
        soft: Budget { packets: 1, bytes: u64::MAX },
        hard: Budget { packets: 2, bytes: u64::MAX },
    };
    let params = InboundParams { limits, ..inbound_params(suite("aes128gcm16")) };
    let mut inbound = InboundSa::new(provider, params).unwrap();
    let (mut outbound, _) = pair(provider, suite("aes128gcm16"));
    let mut send = || inbound.open(&mut seal(&mut outbound, &packet(60))).map(drop);
    assert_eq!([send(), send(), send()], [Ok(()), Ok(()), Err(OpenError::Expired)]);
    assert!(inbound.is_soft_spent());
}

#[test]
fn without_a_window_a_packet_may_come_twice() {
    let provider = &*providers()[0];
    let params =
        InboundParams { replay: ReplayWindow::off(), ..inbound_params(suite("aes128gcm16")) };
    let mut inbound = InboundSa::new(provider, params).unwrap();
    let (mut outbound, _) = pair(provider, suite("aes128gcm16"));
    let sealed = seal(&mut outbound, &packet(60));
    assert!(inbound.open(&mut sealed.clone()).unwrap().newest);
    assert!(!inbound.open(&mut sealed.clone()).unwrap().newest);
}
