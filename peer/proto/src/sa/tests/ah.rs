//! AH against HMAC from first principles, bit by bit, and at the edges of an SA.

use core::net::IpAddr;
use core::time::Duration;

use rstest::rstest;

use super::{SPI, inbound_params, keys, outbound_params, packet, providers, seal};
use crate::crypto::{ChildSuite, Hash, Integ};
use crate::sa::sizes::{Outer, max_inner_len, outer_len};
use crate::sa::{
    Command, DataPlane, DropKind, Encap, InboundParams, InboundSa, OpenError, OutboundParams,
    OutboundSa, PlainPacket, ReplayWindow, Report, SaError, SealError, TunnelId,
};
use crate::time::Time;

const V4: (&str, &str) = ("192.0.2.1", "198.51.100.7");
const V6: (&str, &str) = ("2001:db8::1", "2001:db8::7");

const ALL: [Integ; 5] = [
    Integ::HmacMd5_96,
    Integ::HmacSha1_96,
    Integ::HmacSha256_128,
    Integ::HmacSha384_192,
    Integ::HmacSha512_256,
];

fn path((src, dst): (&str, &str)) -> Encap {
    Encap::Raw { src: src.parse().unwrap(), dst: dst.parse().unwrap() }
}

fn outbound(integ: Integ, ends: (&str, &str)) -> OutboundSa {
    let params = OutboundParams { encap: path(ends), ..outbound_params(ChildSuite::ah(integ)) };
    OutboundSa::new(&*providers()[0], params).unwrap()
}

fn inbound(integ: Integ) -> InboundSa {
    InboundSa::new(&*providers()[0], inbound_params(ChildSuite::ah(integ))).unwrap()
}

/// RFC 2104, from the hash alone.
fn hmac(hash: Hash, key: &[u8], message: &[u8]) -> Vec<u8> {
    let block = if matches!(hash, Hash::Sha384 | Hash::Sha512) { 128 } else { 64 };
    let mut key = key.to_vec();
    key.resize(block, 0);
    let pad = |with: u8| key.iter().map(|octet| octet ^ with).collect::<Vec<u8>>();
    let inside = hash.digest(&[&pad(0x36), message]);
    hash.digest(&[&pad(0x5c), &inside])
}

fn icv(integ: Integ, message: &[u8]) -> Vec<u8> {
    let keys = keys(&ChildSuite::ah(integ));
    let mut code = hmac(integ.hash().unwrap(), keys.integ.expose(), message);
    code.truncate(integ.icv_len());
    code
}

/// A packet made by hand: `counted` is the header as the ICV counts it, `sent` as it is sent.
fn forged(integ: Integ, counted: &[u8], sent: &[u8], pad: usize, seq: u32) -> Vec<u8> {
    let inner = packet(60);
    let ah_len = 12 + integ.icv_len() + pad;
    let mut fixed = vec![4, (ah_len / 4 - 2) as u8, 0, 0];
    fixed.extend(SPI.to_be_bytes());
    fixed.extend(seq.to_be_bytes());
    let behind = [vec![0x99; pad], inner].concat();
    let zero = vec![0; integ.icv_len()];
    let code = icv(integ, &[counted, &fixed, &zero, &behind].concat());
    [sent, &fixed, &code, &behind].concat()
}

fn v4_header(options: &[u8], total: usize) -> Vec<u8> {
    let mut header = vec![0x45 + (options.len() / 4) as u8, 0, 0, 0, 0x12, 0x34, 0, 0, 0, 51, 0, 0];
    header[2..4].copy_from_slice(&(total as u16).to_be_bytes());
    header.extend([192, 0, 2, 1, 198, 51, 100, 7]);
    header.extend(options);
    header
}

fn v6_header(next: u8, rest: usize, extensions: &[u8]) -> Vec<u8> {
    let mut header = vec![0x60, 0, 0, 0, 0, 0, next, 0];
    header[4..6].copy_from_slice(&(rest as u16).to_be_bytes());
    for address in [V6.0, V6.1] {
        let IpAddr::V6(address) = address.parse().unwrap() else { panic!("it is IPv6") };
        header.extend(address.octets());
    }
    header.extend(extensions);
    header
}

#[rstest]
fn a_packet_is_what_the_rfc_says_octet_by_octet(
    #[values(V4, V6)] ends: (&str, &str),
    #[values(0, 1, 2, 3, 4)] which: usize,
) {
    let integ = ALL[which];
    let inner = packet(77);
    let made = seal(&mut outbound(integ, ends), &inner);
    let v6 = ends == V6;
    let pad = match (v6, integ.icv_len()) {
        (true, 16 | 24 | 32) => 4,
        _ => 0,
    };
    let ah_len = 12 + integ.icv_len() + pad;
    let mut fixed = vec![4, (ah_len / 4 - 2) as u8, 0, 0];
    fixed.extend(SPI.to_be_bytes());
    fixed.extend([0, 0, 0, 1]);
    let total = if v6 { 40 } else { 20 } + ah_len + inner.len();
    let mut header = if v6 {
        v6_header(51, total - 40, &[])
    } else {
        let mut header = v4_header(&[], total);
        header[4..6].copy_from_slice(&[0, 1]);
        header
    };
    let empty = vec![0; integ.icv_len() + pad];
    let code = icv(integ, &[header.as_slice(), &fixed, &empty, &inner].concat());
    if v6 {
        header[7] = 64;
    } else {
        header[8] = 64;
        let sum: u32 = header.chunks(2).map(|w| u32::from(w[0]) << 8 | u32::from(w[1])).sum();
        let sum = !(((sum & 0xffff) + (sum >> 16)) as u16);
        header[10..12].copy_from_slice(&sum.to_be_bytes());
    }
    let expected = [header, fixed, code, vec![0; pad], inner.clone()].concat();
    assert_eq!(made, expected);
    let suite = ChildSuite::ah(integ);
    let outer = Outer { v6, udp: false };
    assert_eq!(outer_len(&suite, outer, inner.len()), made.len());
    assert_eq!(max_inner_len(&suite, outer, made.len()), inner.len());
    for provider in providers() {
        let mut sa = InboundSa::new(&*provider, inbound_params(suite)).unwrap();
        let mut copy = made.clone();
        let opened = sa.open(&mut copy).unwrap();
        assert_eq!((&copy[opened.range], opened.next_header), (inner.as_slice(), 4));
    }
}

/// Opens a copy with each bit flipped, and says which octets have a bit that may be.
fn free_bits(integ: Integ, whole: &[u8]) -> Vec<(usize, u8)> {
    let mut free = Vec::new();
    inbound(integ).open(&mut whole.to_vec()).unwrap();
    for at in 0..whole.len() {
        let mut mask = 0;
        for bit in 0..8 {
            let mut copy = whole.to_vec();
            copy[at] ^= 1 << bit;
            if inbound(integ).open(&mut copy).is_ok() {
                mask |= 1 << bit;
            }
        }
        if mask != 0 {
            free.push((at, mask));
        }
    }
    free
}

#[test]
fn of_all_bits_only_those_of_mutable_fields_may_change() {
    for integ in [Integ::HmacSha1_96, Integ::HmacSha256_128] {
        let v4 = seal(&mut outbound(integ, V4), &packet(40));
        // TOS; reserved and DF; TTL; checksum. MF and the offset make it a fragment.
        let free = [(1, 0xff), (6, 0xc0), (8, 0xff), (10, 0xff), (11, 0xff)];
        assert_eq!(free_bits(integ, &v4), free, "{integ}");
        let v6 = seal(&mut outbound(integ, V6), &packet(40));
        // Traffic class and flow label; hop limit.
        let free = [(0, 0x0f), (1, 0xff), (2, 0xff), (3, 0xff), (7, 0xff)];
        assert_eq!(free_bits(integ, &v6), free, "{integ}");
    }
}

#[test]
fn options_of_ipv4_count_by_their_kind() {
    let integ = Integ::HmacSha1_96;
    // Record route (mutable), router alert (not), an unknown one (mutable), and the end.
    let options = [7, 7, 4, 10, 0, 0, 1, 1, 148, 4, 0, 0, 99, 3, 5, 0];
    let counted = [0, 0, 0, 0, 0, 0, 0, 1, 148, 4, 0, 0, 0, 0, 0, 0];
    let total = 36 + 24 + 60;
    let whole = forged(integ, &v4_header(&counted, total), &v4_header(&options, total), 0, 1);
    let free = free_bits(integ, &whole);
    let in_options: Vec<_> = free.iter().filter(|(at, _)| (20..36).contains(at)).collect();
    for data in [23, 24, 25, 26, 34] {
        assert!(in_options.iter().any(|(at, mask)| *at == data && *mask == 0xff), "{data}");
    }
    // NOP, router alert.
    for fixed in 27..32 {
        assert!(!in_options.iter().any(|(at, _)| *at == fixed), "{fixed}");
    }
    let mut broken = whole.clone();
    broken[21] = 0;
    assert_eq!(inbound(integ).open(&mut broken), Err(OpenError::OuterHeader));
    broken[21] = 200;
    assert_eq!(inbound(integ).open(&mut broken), Err(OpenError::OuterHeader));
}

#[test]
fn options_of_ipv6_count_by_the_bit_in_their_type() {
    let integ = Integ::HmacSha256_128;
    // Hop by hop: a mutable option, Pad1, a fixed one; a routing header at its end.
    let hop = |data: [u8; 2]| [43, 1, 0x3e, 2, data[0], data[1], 0, 0x1e, 4, 9, 9, 9, 9, 1, 1, 0];
    let routing = [51, 2, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 9, 9, 9, 9, 9];
    let rest = 16 + 24 + 32 + 60;
    let header = |data| v6_header(0, rest, &[hop(data).as_slice(), &routing].concat());
    let whole = forged(integ, &header([0, 0]), &header([7, 8]), 4, 1);
    let free = free_bits(integ, &whole);
    let behind: Vec<_> = free.into_iter().filter(|(at, _)| *at >= 40).collect();
    assert_eq!(behind, [(44, 0xff), (45, 0xff)]);
    let mut on_its_way = whole.clone();
    on_its_way[40 + 16 + 3] = 1;
    assert_eq!(inbound(integ).open(&mut on_its_way), Err(OpenError::OuterHeader));
}

#[test]
fn fragments_and_packets_of_a_wrong_length_are_dropped() {
    let integ = Integ::HmacSha1_96;
    let whole = seal(&mut outbound(integ, V4), &packet(40));
    let open = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut copy = whole.clone();
        change(&mut copy);
        inbound(integ).open(&mut copy)
    };
    assert_eq!(open(&|packet| packet[6] |= 0x20), Err(OpenError::Fragment));
    assert_eq!(open(&|packet| packet[7] = 1), Err(OpenError::Fragment));
    assert_eq!(open(&|packet| packet.push(0)), Err(OpenError::OuterHeader));
    assert_eq!(open(&|packet| packet[21] = 5), Err(OpenError::BadLength(84)));
    assert_eq!(open(&|packet| packet[9] = 50), Err(OpenError::BadLength(84)));
    for len in 0..whole.len() {
        assert!(open(&|packet| packet.truncate(len)).is_err(), "{len}");
    }
    let fragment = [51, 0, 0, 1, 0, 0, 0, 1];
    let header = v6_header(44, 8 + 24 + 60, &fragment);
    let mut lone = forged(integ, &header, &header, 0, 1);
    assert_eq!(inbound(integ).open(&mut lone), Err(OpenError::Fragment));
}

#[test]
fn padding_to_eight_octets_over_ipv4_is_authentic_and_more_is_not_taken() {
    let integ = Integ::HmacSha256_128;
    for (pad, taken) in [(0, true), (4, true), (8, false)] {
        let header = v4_header(&[], 20 + 28 + pad + 60);
        let whole = forged(integ, &header, &header, pad, 1);
        assert_eq!(inbound(integ).open(&mut whole.clone()).is_ok(), taken, "{pad}");
        let mut changed = whole;
        changed[20 + 28] ^= 1;
        assert!(inbound(integ).open(&mut changed).is_err(), "padding is under the ICV");
    }
    // In IPv6 without the padding AH would not be whole words of eight octets.
    for (pad, taken) in [(0, false), (4, true)] {
        let header = v6_header(51, 28 + pad + 60, &[]);
        let mut whole = forged(integ, &header, &header, pad, 1);
        assert_eq!(inbound(integ).open(&mut whole).is_ok(), taken, "{pad}");
    }
}

#[test]
fn the_window_of_esp_counts_and_moves_only_with_a_good_icv() {
    let integ = Integ::HmacMd5_96;
    let header = v4_header(&[], 20 + 24 + 60);
    let numbered = |seq| forged(integ, &header, &header, 0, seq);
    let mut sa = inbound(integ);
    let mut open = |mut packet: Vec<u8>| sa.open(&mut packet).map(|opened| opened.sequence);
    assert_eq!(open(numbered(0)), Err(OpenError::SequenceZero));
    assert_eq!(open(numbered(5)), Ok(5));
    assert_eq!(open(numbered(5)), Err(OpenError::Replay(5)));
    let mut bad = numbered(5000);
    *bad.last_mut().unwrap() ^= 1;
    assert_eq!(open(bad), Err(OpenError::BadIcv));
    assert_eq!(open(numbered(4)), Ok(4));
    assert_eq!(open(numbered(100)), Ok(100));
    assert_eq!(open(numbered(37)), Ok(37));
    assert_eq!(open(numbered(36)), Err(OpenError::TooOld(36)));
}

#[test]
fn the_inner_packet_must_fill_what_ah_covers_and_be_one() {
    let integ = Integ::HmacSha1_96;
    let mut sa = outbound(integ, V4);
    let longer = [packet(40), vec![0]].concat();
    let mut dummy = super::seal_as(&mut sa, &longer, 4);
    assert_eq!(
        inbound(integ).open(&mut dummy),
        Err(OpenError::InnerLength { said: 40, there: 41 })
    );
    let mut tcp = super::seal_as(&mut sa, &packet(40), 6);
    assert_eq!(inbound(integ).open(&mut tcp), Err(OpenError::BadNextHeader(6)));
    let mut wrong = super::seal_as(&mut sa, &packet(40), 41);
    let version = OpenError::InnerVersion { next_header: 41, version: 4 };
    assert_eq!(inbound(integ).open(&mut wrong), Err(version));
}

#[test]
fn the_last_sequence_number_ends_the_sa() {
    let mut sa = outbound(Integ::HmacSha1_96, V4);
    sa.set_sequence(u32::MAX - 1);
    let last = seal(&mut sa, &packet(40));
    assert_eq!(last[28..32], [0xff; 4]);
    assert_ne!(last[4..6], [0, 0], "an Identification of zero would be replaced");
    assert!(sa.is_exhausted());
    let mut buf = vec![0; 200];
    assert_eq!(sa.seal(&mut buf, 100..140), Err(SealError::NotIp));
    buf[100..140].copy_from_slice(&packet(40));
    assert_eq!(sa.seal(&mut buf, 100..140), Err(SealError::SequenceExhausted));
}

#[test]
fn no_identification_is_zero() {
    let mut sa = outbound(Integ::HmacMd5_96, V4);
    for sequence in [0, 1, 0xfffd, 0xfffe, 0xffff, 0x1_0000, 0x1_fffd, 0x1_fffe, 0x1_ffff] {
        sa.set_sequence(sequence);
        let made = seal(&mut sa, &packet(40));
        assert_ne!(made[4..6], [0, 0], "{sequence}");
    }
}

#[test]
fn what_no_outer_header_can_hold_is_not_sealed() {
    let mut sa = outbound(Integ::HmacSha1_96, V4);
    let mut buf = vec![0; 66_000];
    buf[100] = 0x45;
    assert_eq!(sa.seal(&mut buf, 100..65_600), Err(SealError::Outer(65_544)));
    sa.set_encap(path((V4.0, V6.1)));
    assert!(matches!(sa.seal(&mut buf, 100..140), Err(SealError::Outer(_))));
}

const TUNNEL: TunnelId = TunnelId(7);
const NOW: Time = Time::ZERO;

/// An end that sends and one that receives, on a path with UDP.
fn ends(integ: Integ) -> (DataPlane, DataPlane) {
    let (mut ours, mut theirs) = (DataPlane::new(), DataPlane::new());
    let sa = OutboundSa::new(&*providers()[0], outbound_params(ChildSuite::ah(integ))).unwrap();
    ours.apply(Command::InstallOutbound { tunnel: TUNNEL, sa: Box::new(sa) }).unwrap();
    ours.apply(Command::SwitchOutbound { tunnel: TUNNEL, spi: SPI, replaces: None }).unwrap();
    theirs.apply(Command::InstallInbound { tunnel: TUNNEL, sa: Box::new(inbound(integ)) }).unwrap();
    (ours, theirs)
}

#[test]
fn a_data_plane_takes_the_addresses_of_a_path_and_keeps_the_protocols_apart() {
    let (mut ours, mut theirs) = ends(Integ::HmacSha256_128);
    let mut buf = vec![0; 300];
    buf[100..160].copy_from_slice(&packet(60));
    let mut results = Vec::new();
    let packets = [PlainPacket { buf: &mut buf, inner: 100..160 }];
    ours.seal_batch(NOW, TUNNEL, packets, &mut results);
    let sealed = results.pop().unwrap().unwrap();
    assert_eq!(sealed.protocol, crate::crypto::ChildProtocol::Ah);
    let whole = buf[sealed.range].to_vec();
    assert_eq!((whole[9], &whole[12..20]), (51, [192, 0, 2, 1, 198, 51, 100, 7].as_slice()));

    let raw = path(V4);
    let opened = theirs.open_ah(NOW, raw, &mut whole.clone()).unwrap();
    assert_eq!((opened.tunnel, opened.spi, opened.range), (TUNNEL, SPI, 48..108));
    assert_eq!(theirs.last_inbound(TUNNEL), Some(NOW));
    assert_eq!(theirs.poll_report(), None, "AH moves no path");
    let again = theirs.open_ah(NOW, raw, &mut whole.clone());
    assert_eq!(again, Err(OpenError::Replay(1)));
    // The same octets as ESP, and an ESP SA's number in AH.
    let mut esp = [SPI.to_be_bytes().as_slice(), &[0; 60]].concat();
    assert_eq!(theirs.open(NOW, raw, &mut esp), Err(OpenError::UnknownSpi(SPI)));
    assert!(matches!(theirs.open_ah(NOW, raw, &mut esp), Err(OpenError::BadLength(64))));
    let kinds = [DropKind::UnknownSpi, DropKind::BadLength];
    assert_eq!(kinds.map(|kind| theirs.unknown_drops().get(kind)), [1, 1]);
    let told: Vec<_> = core::iter::from_fn(|| theirs.poll_report()).collect();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(matches!(told[0], Report::Dropped { reason: OpenError::Replay(1), .. }));
}

#[test]
fn a_drained_sa_of_ah_ends_in_time() {
    let (_, mut theirs) = ends(Integ::HmacSha1_96);
    let header = v4_header(&[], 20 + 24 + 60);
    let open = |plane: &mut DataPlane, at: u64, seq| {
        let mut packet = forged(Integ::HmacSha1_96, &header, &header, 0, seq);
        plane.open_ah(Time::from_start(Duration::from_secs(at)), path(V4), &mut packet)
    };
    let until = Some(Time::from_start(Duration::from_secs(10)));
    theirs.apply(Command::DrainInbound { spi: SPI, until }).unwrap();
    assert!(open(&mut theirs, 9, 1).is_ok());
    assert_eq!(open(&mut theirs, 10, 2), Err(OpenError::Expired));
}

#[test]
fn a_window_of_another_size_is_no_matter_of_ah() {
    let params = InboundParams {
        replay: ReplayWindow::off(),
        ..inbound_params(ChildSuite::ah(Integ::HmacSha1_96))
    };
    let mut sa = InboundSa::new(&*providers()[0], params).unwrap();
    let whole = seal(&mut outbound(Integ::HmacSha1_96, V4), &packet(40));
    assert!(sa.open(&mut whole.clone()).is_ok());
    assert!(sa.open(&mut whole.clone()).is_ok(), "nothing is remembered");
}

/// Both ends of a bundle, each with the SPIs of AH and ESP.
fn bundle() -> (OutboundSa, InboundSa) {
    let esp: ChildSuite = "aes128-sha1".parse().unwrap();
    let over = SPI + 1;
    let suite = ChildSuite::ah(Integ::HmacSha1_96);
    let ah = OutboundParams { spi: over, encap: path(V4), ..outbound_params(suite) };
    let ah = OutboundSa::new(&*providers()[0], ah).unwrap();
    let outbound = OutboundSa::new(&*providers()[0], outbound_params(esp)).unwrap();
    let theirs = InboundParams { spi: over, ..inbound_params(suite) };
    let theirs = InboundSa::new(&*providers()[0], theirs).unwrap();
    let inbound = InboundSa::new(&*providers()[0], inbound_params(esp)).unwrap();
    (outbound.under(ah).unwrap(), inbound.under(theirs).unwrap())
}

#[test]
fn esp_under_ah_is_good_only_there() {
    let (mut outbound, inbound) = bundle();
    let (mut theirs, inner) = (DataPlane::new(), packet(60));
    let sa = Box::new(inbound);
    theirs.apply(Command::InstallInbound { tunnel: TUNNEL, sa }).unwrap();
    let mut buf = [vec![0; 150], inner.clone(), vec![0; 50]].concat();
    let sealed = outbound.seal(&mut buf, 150..210).unwrap();
    let whole = buf[sealed].to_vec();
    // The outer header, AH with next header ESP, and ESP with its own SPI.
    assert_eq!((whole[9], whole[20]), (51, 50));
    assert_eq!(whole[24..28], (SPI + 1).to_be_bytes());
    assert_eq!(whole[44..48], SPI.to_be_bytes());
    let raw = path(V4);
    let mut bare = whole[44..].to_vec();
    assert_eq!(theirs.open(NOW, raw, &mut bare), Err(OpenError::UnknownSpi(SPI)));
    let mut copy = whole.clone();
    let opened = theirs.open_ah(NOW, raw, &mut copy).unwrap();
    assert_eq!((&copy[opened.range], opened.spi), (inner.as_slice(), SPI));
    let again = theirs.open_ah(NOW, raw, &mut whole.clone());
    assert_eq!(again, Err(OpenError::Replay(1)));
    // Something else than ESP inside of AH.
    let mut ah = outbound_params(ChildSuite::ah(Integ::HmacSha1_96));
    ah.spi = SPI + 1;
    let mut ah = OutboundSa::new(&*providers()[0], ah).unwrap();
    ah.set_sequence(7);
    let mut other = seal(&mut ah, &inner);
    assert_eq!(theirs.open_ah(NOW, raw, &mut other), Err(OpenError::BadNextHeader(4)));
    theirs.apply(Command::RemoveInbound { spi: SPI }).unwrap();
    let gone = theirs.open_ah(NOW, raw, &mut whole.clone());
    assert_eq!(gone, Err(OpenError::UnknownSpi(SPI + 1)));
}

#[test]
fn a_bundle_is_of_esp_under_ah_and_nothing_else() {
    use crate::crypto::ChildProtocol::{Ah, Esp};
    let esp = || InboundSa::new(&*providers()[0], inbound_params("null-md5".parse().unwrap()));
    let ah = || inbound(Integ::HmacMd5_96);
    assert_eq!(esp().unwrap().under(esp().unwrap()).unwrap_err(), SaError::Protocol(Esp));
    assert_eq!(ah().under(ah()).unwrap_err(), SaError::Protocol(Ah));
    assert_eq!(esp().unwrap().under(ah()).unwrap().carrier(), Ah);
}
