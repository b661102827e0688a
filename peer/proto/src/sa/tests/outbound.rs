//! Sealing: octet for octet, sequence numbers to the last, limits, and buffers that are too small.

use super::vectors::{SEALED, V4, V6};
use super::{encap, outbound_params, packet, pair, providers, seal, seal_as, suites};
use crate::crypto::tests::hex;
use crate::crypto::{ChildSuite, CryptoError, Encr, Integ, SecretBytes};
use crate::sa::{
    Budget, Counters, Encap, InboundSa, Limits, OutboundParams, OutboundSa, SaError, SealError,
};

fn gcm() -> ChildSuite {
    "aes128gcm16".parse().unwrap()
}

#[test]
fn packets_are_those_of_an_independent_implementation() {
    for provider in providers() {
        for (name, v4, v6) in SEALED {
            let (mut outbound, mut inbound) = pair(&*provider, name.parse().unwrap());
            let sealed = seal(&mut outbound, &hex(V4));
            assert_eq!(sealed, hex(v4), "{name} by {}", provider.name());
            outbound.set_sequence(0x0102_0303);
            assert_eq!(seal(&mut outbound, &hex(V6)), hex(v6), "{name} by {}", provider.name());
            for (inner, mut sealed) in [(V4, hex(v4)), (V6, hex(v6))] {
                let opened = inbound.open(&mut sealed).unwrap();
                assert_eq!(sealed[opened.range], hex(inner), "{name} by {}", provider.name());
            }
        }
    }
}

#[test]
fn every_suite_opens_what_it_seals_whatever_the_length() {
    for provider in providers() {
        for suite in suites() {
            let (mut outbound, mut inbound) = pair(&*provider, suite);
            for len in 28..80 {
                let inner = packet(len);
                let mut sealed = seal(&mut outbound, &inner);
                let opened = inbound.open(&mut sealed).unwrap();
                assert_eq!((&sealed[opened.range], opened.next_header), (&inner[..], 4));
            }
            let total: u64 = (28..80).sum();
            assert_eq!(outbound.counters(), Counters { packets: 52, bytes: total });
            assert_eq!(inbound.counters(), outbound.counters());
        }
    }
}

#[test]
fn sequence_numbers_begin_at_one_and_end_at_the_last_without_wrapping() {
    for provider in providers() {
        let (mut sa, _) = pair(&*provider, gcm());
        assert_eq!(sa.sequence(), 0);
        assert_eq!(seal(&mut sa, &packet(40))[4..8], [0, 0, 0, 1]);
        sa.set_sequence(u32::MAX - 1);
        assert!(!sa.is_exhausted());
        assert_eq!(seal(&mut sa, &packet(40))[4..8], [0xff; 4]);
        assert!(sa.is_exhausted());
        for _ in 0..3 {
            let mut buf = vec![0x45; 200];
            let refused = sa.seal(&mut buf, 50..90);
            assert_eq!(refused, Err(SealError::SequenceExhausted));
            assert_eq!(buf, vec![0x45; 200], "nothing is written");
        }
        assert_eq!(sa.counters().packets, 2);
    }
}

#[test]
fn hard_limits_stop_and_soft_limits_tell() {
    let provider = &*providers()[0];
    let limits = Limits {
        soft: Budget { packets: 2, bytes: u64::MAX },
        hard: Budget { packets: u64::MAX, bytes: 100 },
    };
    let mut sa =
        OutboundSa::new(provider, OutboundParams { limits, ..outbound_params(gcm()) }).unwrap();
    seal(&mut sa, &packet(40));
    assert!(!sa.is_soft_spent());
    seal(&mut sa, &packet(40));
    assert!(sa.is_soft_spent());
    seal(&mut sa, &packet(40));
    assert_eq!(sa.seal(&mut [0x45; 200], 50..90), Err(SealError::Expired));
    assert_eq!(sa.sequence(), 3);
}

#[test]
fn a_buffer_that_is_too_small_is_refused_and_left_alone() {
    let provider = &*providers()[0];
    for suite in suites() {
        let (mut sa, _) = pair(provider, suite);
        let (head, tail) = (sa.layout().headroom(), sa.layout().tailroom(40));
        let mut buf = vec![0x45; head + 40 + tail];
        assert_eq!(
            sa.seal(&mut buf, head - 1..head + 39),
            Err(SealError::Headroom { needed: head, available: head - 1 })
        );
        let short = head + 40 + tail - 1;
        assert_eq!(
            sa.seal(&mut buf[..short], head..head + 40),
            Err(SealError::Tailroom { needed: tail, available: tail - 1 })
        );
        assert_eq!(sa.seal(&mut buf, head..head + 1000), Err(SealError::NotIp));
        assert_eq!(sa.seal(&mut [0x55; 200], 50..90), Err(SealError::NotIp));
        assert!(buf.iter().all(|octet| *octet == 0x45));
        assert_eq!(sa.sequence(), 0);
        assert_eq!(sa.seal(&mut buf, head..head + 40), Ok(0..buf.len()));
    }
}

#[test]
fn only_the_octets_of_the_packet_are_written() {
    let provider = &*providers()[0];
    for suite in suites() {
        let (mut sa, _) = pair(provider, suite);
        let mut buf = vec![0xaa; 300];
        buf[100..140].copy_from_slice(&packet(40));
        let sealed = sa.seal(&mut buf, 100..140).unwrap();
        assert_eq!(sealed.start, 100 - sa.layout().headroom());
        assert_eq!(sealed.end, 140 + sa.layout().tailroom(40));
        assert!(buf[..sealed.start].iter().chain(&buf[sealed.end..]).all(|o| *o == 0xaa));
    }
}

#[test]
fn vectors_are_unique_with_an_aead_and_unpredictable_with_cbc() {
    let provider = &*providers()[0];
    let (mut sa, _) = pair(provider, gcm());
    let ivs: Vec<_> = (0..3).map(|_| seal(&mut sa, &packet(40))[8..16].to_vec()).collect();
    assert_eq!(ivs, [1_u64, 2, 3].map(|n| n.to_be_bytes().to_vec()));
    let suite = "aes128-sha1".parse().unwrap();
    let (mut one, _) = pair(provider, suite);
    let params = OutboundParams { iv_key: [1; 16].into(), ..outbound_params(suite) };
    let mut other = OutboundSa::new(provider, params).unwrap();
    let (a, b) = (seal(&mut one, &packet(40)), seal(&mut one, &packet(40)));
    assert_ne!(a[8..24], b[8..24]);
    assert_ne!(a[8..24], seal(&mut other, &packet(40))[8..24], "it depends on the drawn key");
}

#[test]
fn the_path_can_change() {
    let (mut sa, _) = pair(&*providers()[0], gcm());
    assert_eq!(sa.encap(), encap());
    let raw = Encap::Raw { src: "192.0.2.1".parse().unwrap(), dst: "192.0.2.2".parse().unwrap() };
    sa.set_encap(raw);
    assert_eq!(sa.encap(), raw);
    assert_eq!(raw.reversed().src_ip(), raw.dst_ip());
}

#[test]
fn a_dummy_packet_has_next_header_59_and_any_content() {
    let (mut sa, mut inbound) = pair(&*providers()[0], gcm());
    let mut dummy = seal_as(&mut sa, b"anything at all", 59);
    assert_eq!(inbound.open(&mut dummy), Err(crate::sa::OpenError::Dummy));
    assert_eq!(inbound.replay().right(), 1, "it was authentic, and its number is taken");
}

#[test]
fn what_cannot_be_an_sa_is_refused() {
    let provider = &*providers()[0];
    let new = |suite: ChildSuite| {
        OutboundSa::new(provider, outbound_params(suite)).map(|sa| sa.suite()).unwrap_err()
    };
    let bare_ah = ChildSuite::ah(Integ::None);
    assert!(matches!(new(bare_ah), SaError::Crypto(CryptoError::SuiteMismatch { .. })));
    for esn in ["aes128gcm16-esn", "ah:sha1-esn"] {
        assert_eq!(new(esn.parse().unwrap()), SaError::ExtendedSequenceNumbers);
    }
    let bare = ChildSuite::esp(Encr::Null, Integ::None);
    assert!(matches!(new(bare), SaError::Crypto(CryptoError::SuiteMismatch { .. })));
    let gmac = ChildSuite::esp("aes128gmac".parse().unwrap(), Integ::None);
    assert!(matches!(new(gmac), SaError::Crypto(CryptoError::Unsupported(_))));
    let mut params = outbound_params(gcm());
    params.keys.encr = SecretBytes::new(vec![0; 15]);
    assert!(matches!(
        OutboundSa::new(provider, params).unwrap_err(),
        SaError::Crypto(CryptoError::Length { expected: 16, actual: 15, .. })
    ));
    for spi in [0, 1, 255] {
        let params = OutboundParams { spi, ..outbound_params(gcm()) };
        assert_eq!(OutboundSa::new(provider, params).unwrap_err(), SaError::ReservedSpi(spi));
        let params = crate::sa::InboundParams { spi, ..super::inbound_params(gcm()) };
        assert_eq!(InboundSa::new(provider, params).unwrap_err(), SaError::ReservedSpi(spi));
    }
}

#[test]
fn keys_do_not_show() {
    for provider in providers() {
        for suite in suites() {
            let mut params = outbound_params(suite);
            for key in [&mut params.keys.encr, &mut params.keys.salt, &mut params.keys.integ] {
                key.expose_mut().fill(0xa7);
            }
            params.iv_key = [0xa7; 16].into();
            let mut text = format!("{params:?}");
            let receiving = crate::sa::InboundParams {
                keys: params.keys.clone(),
                ..super::inbound_params(suite)
            };
            text += &format!("{:?}", InboundSa::new(&*provider, receiving).unwrap());
            text += &format!("{:?}", OutboundSa::new(&*provider, params).unwrap());
            assert!(!text.contains("167") && !text.to_lowercase().contains("a7"), "{text}");
        }
    }
}
