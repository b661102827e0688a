use proptest::prelude::*;

use super::super::packet::internet_checksum;
use super::*;

const LIMITS: MssLimits = MssLimits { v4: Some(1360), v6: Some(1340) };

/// A TCP SYN from 10.0.0.1:1025 to 10.9.0.2:80 with these options, checksums right.
fn syn_v4(flags: u8, options: &[u8]) -> Vec<u8> {
    let tcp_len = 20 + options.len();
    let mut packet = vec![0x45, 0, 0, 0, 0, 1, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 9, 0, 2];
    put16(&mut packet, 2, u16::try_from(20 + tcp_len).unwrap());
    let ip_checksum = internet_checksum(&[&packet]);
    put16(&mut packet, 10, ip_checksum);
    packet.extend(tcp(tcp_len, flags, options));
    let checksum = tcp_sum_v4(&packet);
    put16(&mut packet, 36, checksum);
    packet
}

fn syn_v6(extension: &[u8], next: u8, options: &[u8]) -> Vec<u8> {
    let tcp_len = 20 + options.len();
    let mut packet = vec![0x60, 0, 0, 0, 0, 0, next, 64];
    put16(&mut packet, 4, u16::try_from(extension.len() + tcp_len).unwrap());
    packet.extend(core::net::Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1).octets());
    packet.extend(core::net::Ipv6Addr::new(0xfd00, 0, 0, 9, 0, 0, 0, 2).octets());
    packet.extend(extension);
    packet.extend(tcp(tcp_len, SYN, options));
    let at = 40 + extension.len();
    let checksum = tcp_sum_v6(&packet, at);
    put16(&mut packet, at + 16, checksum);
    packet
}

fn tcp(len: usize, flags: u8, options: &[u8]) -> Vec<u8> {
    let offset = u8::try_from(len / 4).unwrap() << 4;
    let mut tcp = vec![4, 1, 0, 80, 0, 0, 0, 7, 0, 0, 0, 0, offset, flags, 0xff, 0xff, 0, 0, 0, 0];
    tcp.extend(options);
    tcp
}

/// Zero when the checksum in the packet is right; the value to put there if it is zero.
fn tcp_sum_v4(packet: &[u8]) -> u16 {
    let len = u16::try_from(packet.len() - 20).unwrap().to_be_bytes();
    internet_checksum(&[&packet[12..20], &[0, 6], &len, &packet[20..]])
}

fn tcp_sum_v6(packet: &[u8], at: usize) -> u16 {
    let len = u16::try_from(packet.len() - at).unwrap().to_be_bytes();
    internet_checksum(&[&packet[8..40], &len, &[0, 6], &packet[at..]])
}

#[test]
fn a_syn_and_a_syn_ack_are_clamped_byte_for_byte() {
    for flags in [SYN, SYN | ACK] {
        let mut packet = syn_v4(flags, &[2, 4, 0x05, 0xb4]);
        let mut expected = packet.clone();
        expected[42..44].copy_from_slice(&[0x05, 0x50]);
        expected[36..38].copy_from_slice(&[0, 0]);
        let checksum = tcp_sum_v4(&expected);
        put16(&mut expected, 36, checksum);
        let seen = clamp_mss(&mut packet, &LIMITS).unwrap();
        let syn_ack = flags & ACK != 0;
        assert_eq!(seen, MssSeen { version: IpVersion::V4, syn_ack, seen: 1460, after: 1360 });
        assert_eq!(packet, expected);
        assert_eq!(tcp_sum_v4(&packet), 0);
    }
}

#[test]
fn with_the_clamp_off_1460_passes() {
    let mut packet = syn_v4(SYN, &[2, 4, 0x05, 0xb4]);
    let before = packet.clone();
    let seen = clamp_mss(&mut packet, &MssLimits::default()).unwrap();
    assert_eq!((seen.seen, seen.after), (1460, 1460));
    assert_eq!(packet, before);
}

#[test]
fn a_smaller_mss_is_left_alone() {
    let mut packet = syn_v4(SYN, &[2, 4, 0x05, 0x00]);
    let before = packet.clone();
    assert_eq!(clamp_mss(&mut packet, &LIMITS).unwrap().after, 1280);
    assert_eq!(packet, before);
}

#[test]
fn an_option_at_an_odd_offset_keeps_the_checksum_right() {
    let mut packet = syn_v4(SYN, &[1, 2, 4, 0x05, 0xb4, 1, 1, 0]);
    assert_eq!(tcp_sum_v4(&packet), 0);
    assert_eq!(clamp_mss(&mut packet, &LIMITS).unwrap().after, 1360);
    assert_eq!(tcp_sum_v4(&packet), 0);
    assert_eq!(packet[43..45], [0x05, 0x50]);
}

#[test]
fn ipv6_has_a_value_of_its_own_and_extension_headers_are_walked() {
    let hop_by_hop = [60, 0, 1, 4, 0, 0, 0, 0];
    let destination = [6, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let both = [&hop_by_hop[..], &destination[..]].concat();
    for (extension, next) in [(&[][..], 6), (&destination[..], 60), (&both[..], 0)] {
        let mut packet = syn_v6(extension, next, &[2, 4, 0x05, 0xa0]);
        let seen = clamp_mss(&mut packet, &LIMITS).unwrap();
        assert_eq!((seen.version, seen.seen, seen.after), (IpVersion::V6, 1440, 1340));
        assert_eq!(tcp_sum_v6(&packet, 40 + extension.len()), 0);
    }
}

#[test]
fn what_is_not_clamped_says_why() {
    let cases: [(Vec<u8>, Untouched); 7] = [
        (vec![], Untouched::Malformed),
        (syn_v4(ACK, &[2, 4, 5, 0xb4]), Untouched::NotSyn),
        (syn_v4(SYN, &[1, 1, 1, 0]), Untouched::NoMssOption),
        (syn_v4(SYN, &[2, 3, 5, 0]), Untouched::MalformedOptions),
        (syn_v4(SYN, &[3, 0, 5, 0]), Untouched::MalformedOptions),
        (syn_v4(SYN, &[1, 1, 1, 2]), Untouched::MalformedOptions),
        (syn_v6(&[], 50, &[2, 4, 5, 0xb4]), Untouched::Protected),
    ];
    for (mut packet, why) in cases {
        let before = packet.clone();
        assert_eq!(clamp_mss(&mut packet, &LIMITS), Err(why));
        assert_eq!(packet, before);
    }
    let mut later = syn_v4(SYN, &[2, 4, 5, 0xb4]);
    later[7] = 1;
    assert_eq!(clamp_mss(&mut later, &LIMITS), Err(Untouched::LaterFragment));
    let mut udp = syn_v4(SYN, &[2, 4, 5, 0xb4]);
    udp[9] = 17;
    assert_eq!(clamp_mss(&mut udp, &LIMITS), Err(Untouched::NotTcp));
}

#[test]
fn every_truncation_is_survived() {
    for whole in [syn_v4(SYN, &[2, 4, 5, 0xb4]), syn_v6(&[], 6, &[2, 4, 5, 0xb4])] {
        for len in 0..whole.len() {
            assert!(clamp_mss(&mut whole[..len].to_vec(), &LIMITS).is_err());
        }
    }
}

proptest! {
    #[test]
    fn random_octets_never_panic_nor_change_the_length(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), first in prop_oneof![Just(0x45_u8), Just(0x46), Just(0x60), any::<u8>()]) {
        if let Some(b) = bytes.first_mut() { *b = first; }
        let _ = clamp_mss(&mut bytes, &LIMITS);
    }

    #[test]
    fn a_right_checksum_stays_right(pads in 0..20_usize, mss in any::<u16>(), limit in 1..=u16::MAX, tail in proptest::collection::vec(any::<u8>(), 0..16)) {
        let mut options = vec![1; pads];
        options.extend([2, 4]);
        options.extend(mss.to_be_bytes());
        options.extend(tail);
        options.resize(options.len().next_multiple_of(4).min(40), 0);
        let mut packet = syn_v4(SYN, &options);
        prop_assert_eq!(tcp_sum_v4(&packet), 0);
        let seen = clamp_mss(&mut packet, &MssLimits { v4: Some(limit), v6: None });
        prop_assert!(seen.is_ok());
        prop_assert_eq!(tcp_sum_v4(&packet), 0);
    }
}
