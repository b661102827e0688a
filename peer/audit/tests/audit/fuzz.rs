//! Any octets at all: the auditor never panics, and its memory is bounded by its limits.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ikeproof_audit::{Auditor, Observed, Sender, Transport, capture, limits};
use ikeproof_proto::crypto::RustCrypto;
use ikeproof_proto::event::KeyLogEntry;
use ikeproof_proto::time::Time;
use proptest::prelude::*;

use crate::support::Lab;
use crate::support::lab::{CBC, GCM, MODP, Profile};
use crate::v1::lab as v1;

fn auditor(keys: &[KeyLogEntry]) -> Auditor {
    let mut auditor = Auditor::with_provider(Arc::new(RustCrypto));
    for key in keys {
        auditor.add_keys(key);
    }
    auditor
}

fn transport() -> impl Strategy<Value = Transport> {
    let address = |port: u16| SocketAddr::from(([192, 0, 2, 1], port));
    prop_oneof![
        Just(Transport::Udp { src: address(500), dst: address(500), marker: false }),
        Just(Transport::Udp { src: address(4500), dst: address(4500), marker: true }),
        Just(Transport::Esp { src: address(0).ip(), dst: address(0).ip() }),
    ]
}

fn datagram() -> impl Strategy<Value = Observed> {
    let octets = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        // Headers that are looked at more closely.
        (
            34_u8..45,
            any::<[u8; 16]>(),
            33_u8..54,
            any::<u8>(),
            prop::collection::vec(any::<u8>(), 0..300)
        )
            .prop_map(|(exchange, spis, next, flags, body)| {
                let length = u32::try_from(28 + body.len()).unwrap();
                let fixed = [next, 0x20, exchange, flags, 0, 0, 0, flags & 3];
                [&spis[..], &fixed, &length.to_be_bytes(), &body].concat()
            }),
        // And those of IKEv1.
        (
            prop::sample::select(vec![1_u8, 2, 4, 5, 6, 32, 33]),
            any::<[u8; 16]>(),
            1_u8..22,
            0_u8..8,
            prop::collection::vec(any::<u8>(), 0..300)
        )
            .prop_map(|(exchange, cookies, next, flags, body)| {
                let length = u32::try_from(28 + body.len()).unwrap();
                let fixed = [next, 0x10, exchange, flags, 0, 0, 0, flags & 3];
                [&cookies[..], &fixed, &length.to_be_bytes(), &body].concat()
            }),
    ];
    (octets, transport(), any::<bool>(), 0_u64..100_000).prop_map(|(bytes, transport, edge, at)| {
        let from = if edge { Sender::Edge } else { Sender::Peer };
        Observed { at: Time::from_start(Duration::from_millis(at)), from, transport, bytes }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_datagrams_are_survived(all in prop::collection::vec(datagram(), 1..40)) {
        let mut auditor = auditor(&[]);
        for observed in &all {
            auditor.datagram(observed);
        }
        auditor.finish();
        prop_assert_eq!(auditor.take_timeline().len(), all.len());
    }

    #[test]
    fn bit_flips_in_a_session_are_survived(
        kind in 0_usize..4,
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0_u8..8), 1..12),
    ) {
        let profile = [CBC, GCM, Profile { nat: true, ..MODP }, Profile { fragments: true, cookie: true, ..CBC }][kind];
        let mut lab = Lab::new(profile).run();
        for (datagram, octet, bit) in flips {
            let at = datagram.index(lab.seen.len());
            let bytes = &mut lab.seen[at].bytes;
            let at = octet.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        lab.findings();
        lab.findings_late(2);
    }

    #[test]
    fn bit_flips_in_a_session_of_ikev1_are_survived(
        kind in 0_usize..4,
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0_u8..8), 1..12),
    ) {
        let profile = [v1::MAIN, v1::ROUTER, v1::PFS, v1::XAUTH][kind];
        let mut lab = v1::Lab::new(profile).run();
        for (datagram, octet, bit) in flips {
            let at = datagram.index(lab.seen.len());
            let bytes = &mut lab.seen[at].bytes;
            let at = octet.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        lab.audit(&lab.seen);
        lab.findings_late(2);
    }

    #[test]
    fn any_file_is_survived(file in prop::collection::vec(any::<u8>(), 0..400), magic in 0_usize..4) {
        let head: &[u8] = [&[][..], &[0x0a, 0x0d, 0x0d, 0x0a], &[0xd4, 0xc3, 0xb2, 0xa1], &[0xa1, 0xb2, 0x3c, 0x4d]][magic];
        let file = [head, &file].concat();
        let _ = capture::observe(&file, &capture::Options::default());
    }
}

#[test]
fn every_octet_of_the_first_messages_can_be_wrong() {
    let lab = Lab::new(GCM).run();
    for at in [0, 1, 2, 3] {
        for octet in 0..lab.seen[at].bytes.len() {
            let mut seen = lab.seen.clone();
            seen[at].bytes[octet] ^= 0x80;
            let mut auditor = auditor(&lab.keys);
            for observed in &seen {
                auditor.datagram(observed);
            }
            auditor.finish();
        }
    }
}

#[test]
fn a_datagram_does_not_wait_for_keys_for_ever() {
    let lab = Lab::new(CBC).run();
    let mut auditor = auditor(&[]);
    let mut lines = 0;
    for number in 0..u32::try_from(limits::WAITING_DATAGRAMS).unwrap() + 10 {
        for observed in lab.seen.iter().take(4) {
            let mut observed = observed.clone();
            observed.at = Time::from_start(Duration::from_micros(number.into()));
            auditor.datagram(&observed);
        }
        lines += auditor.take_timeline().len();
    }
    assert!(lines > limits::WAITING_DATAGRAMS, "{lines}");
    // Time passes without keys.
    let mut auditor = self::auditor(&[]);
    for (number, observed) in (0_u64..).zip(lab.seen.iter().take(8)) {
        let mut observed = observed.clone();
        observed.at = Time::from_start(limits::WAITING_TIME * u32::try_from(number * 2).unwrap());
        auditor.datagram(&observed);
    }
    assert!(auditor.take_timeline().len() > 3);
}
