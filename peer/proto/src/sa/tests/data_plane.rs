//! The data plane as the driver and the control plane use it.

use core::ops::Range;
use core::time::Duration;

use proptest::prelude::*;

use super::{encap, inbound_params, outbound_params, packet, packet_between, providers};
use crate::crypto::{ChildProtocol, ChildSuite};
use crate::sa::sizes::MAX_TAILROOM;
use crate::sa::{
    Budget, Command, CommandError, DataPlane, Direction, DropKind, Encap, InboundParams, InboundSa,
    Limits, MAX_HEADROOM, OpenError, OutboundParams, OutboundSa, PlainPacket, Report, SealError,
    Sealed, SelectorRange, Selectors, TunnelId,
};
use crate::time::Time;

const TUNNEL: TunnelId = TunnelId(7);

fn gcm() -> ChildSuite {
    "aes128gcm16".parse().unwrap()
}

fn at(seconds: u64) -> Time {
    Time::from_start(Duration::from_secs(seconds))
}

fn outbound(spi: u32) -> OutboundParams {
    OutboundParams { spi, ..outbound_params(gcm()) }
}

fn inbound(spi: u32) -> InboundParams {
    InboundParams { spi, ..inbound_params(gcm()) }
}

fn install_outbound(plane: &mut DataPlane, tunnel: TunnelId, params: OutboundParams) {
    let spi = params.spi;
    let sa = Box::new(OutboundSa::new(&*providers()[0], params).unwrap());
    plane.apply(Command::InstallOutbound { tunnel, sa }).unwrap();
    plane.apply(Command::SwitchOutbound { tunnel, spi, replaces: None }).unwrap();
}

fn install_inbound(plane: &mut DataPlane, tunnel: TunnelId, params: InboundParams) {
    let sa = Box::new(InboundSa::new(&*providers()[0], params).unwrap());
    plane.apply(Command::InstallInbound { tunnel, sa }).unwrap();
}

/// One end that sends on `0x1000` and one that receives on it.
fn ends() -> (DataPlane, DataPlane) {
    let (mut ours, mut theirs) = (DataPlane::new(), DataPlane::new());
    install_outbound(&mut ours, TUNNEL, outbound(0x1000));
    install_inbound(&mut theirs, TUNNEL, inbound(0x1000));
    let back = OutboundParams { encap: encap().reversed(), ..outbound(0x2000) };
    install_outbound(&mut theirs, TUNNEL, back);
    (ours, theirs)
}

fn seal(plane: &mut DataPlane, tunnel: TunnelId, inner: &[u8]) -> Result<Vec<u8>, SealError> {
    let mut buf = vec![0; MAX_HEADROOM];
    buf.extend_from_slice(inner);
    let range = MAX_HEADROOM..buf.len();
    buf.resize(buf.len() + MAX_TAILROOM, 0);
    let mut results = Vec::new();
    let packet = PlainPacket { buf: &mut buf, inner: range };
    plane.seal_batch(at(1), tunnel, [packet], &mut results);
    results.pop().unwrap().map(|sealed| buf[sealed.range].to_vec())
}

fn spi_of(esp: &[u8]) -> u32 {
    u32::from_be_bytes(esp[..4].try_into().unwrap())
}

fn reports(plane: &mut DataPlane) -> Vec<Report> {
    core::iter::from_fn(|| plane.poll_report()).collect()
}

#[test]
fn a_batch_is_sealed_and_opened_in_place_in_one_buffer() {
    let (mut ours, mut theirs) = ends();
    let layout = crate::sa::Layout::of(&gcm());
    let stride = layout.sealed_len(100);
    let mut arena = vec![0; 8 * stride];
    for slot in arena.chunks_mut(stride) {
        slot[layout.headroom()..layout.headroom() + 100].copy_from_slice(&packet(100));
    }
    let mut sealed = Vec::new();
    let inner = layout.headroom()..layout.headroom() + 100;
    let packets = arena.chunks_mut(stride).map(|buf| PlainPacket { buf, inner: inner.clone() });
    ours.seal_batch(at(1), TUNNEL, packets, &mut sealed);
    let whole = Sealed { range: 0..stride, protocol: ChildProtocol::Esp };
    assert_eq!(sealed, vec![Ok(whole); 8], "one datagram with segments of one length");
    let mut opened = Vec::new();
    theirs.open_batch(at(2), encap(), arena.chunks_mut(stride), &mut opened);
    for (slot, opened) in arena.chunks(stride).zip(&opened) {
        let opened = opened.as_ref().unwrap();
        assert_eq!((opened.tunnel, opened.spi, opened.next_header), (TUNNEL, 0x1000, 4));
        assert_eq!(slot[opened.range.clone()], packet(100));
    }
    assert_eq!(
        (ours.last_outbound(TUNNEL), theirs.last_inbound(TUNNEL)),
        (Some(at(1)), Some(at(2)))
    );
    assert_eq!(theirs.last_inbound_on(0x1000), Some(at(2)));
    assert_eq!(theirs.inbound(0x1000).unwrap().counters().bytes, 800);
    assert_eq!((reports(&mut ours), reports(&mut theirs)), (vec![], vec![]));
}

#[test]
fn every_drop_is_counted_and_reported() {
    let (mut ours, mut theirs) = ends();
    let esp = seal(&mut ours, TUNNEL, &packet(40)).unwrap();
    let mut forged = esp.clone();
    *forged.last_mut().unwrap() ^= 1;
    let mut unknown = esp.clone();
    unknown[0] = 9;
    let unknown_len = unknown.len();
    let mut batch = [forged, esp.clone(), esp, unknown, vec![1, 2, 3]];
    let mut results = Vec::new();
    let packets = batch.iter_mut().map(Vec::as_mut_slice);
    theirs.open_batch(at(2), encap(), packets, &mut results);
    let refused: Vec<_> = results.iter().map(|result| result.as_ref().err().copied()).collect();
    let (spi, source) = (0x0900_1000, encap());
    assert_eq!(
        refused,
        [
            Some(OpenError::BadIcv),
            None,
            Some(OpenError::Replay(1)),
            Some(OpenError::UnknownSpi(spi)),
            Some(OpenError::BadLength(3)),
        ]
    );
    let dropped = |reason| Report::Dropped { tunnel: TUNNEL, spi: 0x1000, reason };
    assert_eq!(
        reports(&mut theirs),
        [
            dropped(OpenError::BadIcv),
            dropped(OpenError::Replay(1)),
            Report::UnknownSpi { protocol: ChildProtocol::Esp, spi, len: unknown_len, source },
            Report::Runt { len: 3, source },
        ]
    );
    let sa = theirs.inbound(0x1000).unwrap();
    assert_eq!((sa.drops().get(DropKind::BadIcv), sa.drops().get(DropKind::Replay)), (1, 1));
    assert_eq!(theirs.unknown_drops().get(DropKind::UnknownSpi), 1);
    assert_eq!(theirs.unknown_drops().get(DropKind::BadLength), 1);
}

#[test]
fn a_flood_of_bad_packets_neither_grows_the_queue_nor_hides_what_matters() {
    let (_, mut theirs) = (0, DataPlane::with_max_reports(4));
    let limits = Limits { soft: Budget { packets: 1, bytes: u64::MAX }, ..Limits::default() };
    install_inbound(&mut theirs, TUNNEL, InboundParams { limits, ..inbound(0x1000) });
    let (mut ours, _) = ends();
    for _ in 0..10 {
        theirs.open(at(1), encap(), &mut [0x77; 64]).unwrap_err();
    }
    let mut esp = seal(&mut ours, TUNNEL, &packet(40)).unwrap();
    theirs.open(at(1), encap(), &mut esp).unwrap();
    let told = reports(&mut theirs);
    assert_eq!((told.len(), theirs.reports_lost()), (5, 6));
    let direction = Direction::Inbound;
    let threshold = Report::CounterThreshold { tunnel: TUNNEL, spi: 0x1000, direction };
    assert_eq!(told.last(), Some(&threshold));
}

#[test]
fn rekeying_switches_drains_and_removes() {
    let (mut ours, mut theirs) = ends();
    let old = seal(&mut ours, TUNNEL, &packet(40)).unwrap();
    install_inbound(&mut theirs, TUNNEL, inbound(0x1001));
    let sa = Box::new(OutboundSa::new(&*providers()[0], outbound(0x1001)).unwrap());
    ours.apply(Command::InstallOutbound { tunnel: TUNNEL, sa }).unwrap();
    assert_eq!(spi_of(&seal(&mut ours, TUNNEL, &packet(40)).unwrap()), 0x1000, "still the old");
    let switch = Command::SwitchOutbound { tunnel: TUNNEL, spi: 0x1001, replaces: Some(0x1000) };
    ours.apply(switch).unwrap();
    let new = seal(&mut ours, TUNNEL, &packet(40)).unwrap();
    assert_eq!(spi_of(&new), 0x1001);
    let active: Vec<_> = ours.outbound(TUNNEL).map(|(sa, active)| (sa.spi(), active)).collect();
    assert_eq!(active, [(0x1000, false), (0x1001, true)]);
    theirs.apply(Command::DrainInbound { spi: 0x1000, until: Some(at(60)) }).unwrap();
    theirs.open(at(2), encap(), &mut new.clone()).unwrap();
    theirs.open(at(59), encap(), &mut old.clone()).unwrap();
    let late = theirs.open(at(60), encap(), &mut old.clone());
    assert_eq!(late, Err(OpenError::Expired));
    theirs.apply(Command::RemoveInbound { spi: 0x1000 }).unwrap();
    let gone = theirs.open(at(61), encap(), &mut old.clone());
    assert_eq!(gone, Err(OpenError::UnknownSpi(0x1000)));
    ours.apply(Command::RemoveOutbound { tunnel: TUNNEL, spi: 0x1000 }).unwrap();
    ours.apply(Command::RemoveOutbound { tunnel: TUNNEL, spi: 0x1001 }).unwrap();
    assert_eq!(seal(&mut ours, TUNNEL, &packet(40)), Err(SealError::NoActiveSa));
    theirs.apply(Command::RemoveTunnel { tunnel: TUNNEL }).unwrap();
    assert!(theirs.inbound(0x1001).is_none());
    assert_eq!(seal(&mut theirs, TUNNEL, &packet(40)), Err(SealError::NoTunnel));
}

#[test]
fn a_new_source_is_told_once_and_only_for_the_newest_packets() {
    let (mut ours, mut theirs) = ends();
    let moved = Encap::Udp {
        src: "203.0.113.9:61000".parse().unwrap(),
        dst: "198.51.100.7:4500".parse().unwrap(),
    };
    let told = |spi| Report::AuthenticatedFromNewSource { tunnel: TUNNEL, spi, source: moved };
    let mut next = |len| seal(&mut ours, TUNNEL, &packet(len)).unwrap();
    let mut late = next(40);
    theirs.open(at(1), encap(), &mut next(41)).unwrap();
    assert_eq!(reports(&mut theirs), []);
    theirs.open(at(2), moved, &mut late).unwrap();
    assert_eq!(reports(&mut theirs), [], "authentic, but older than what came before");
    let mut forged = next(42);
    forged[20] ^= 1;
    theirs.open(at(3), moved, &mut forged).unwrap_err();
    assert!(matches!(reports(&mut theirs)[..], [Report::Dropped { .. }]));
    theirs.open(at(3), moved, &mut next(43)).unwrap();
    theirs.open(at(3), moved, &mut next(44)).unwrap();
    assert_eq!(reports(&mut theirs), [told(0x1000)]);
    theirs.apply(Command::SetEncap { tunnel: TUNNEL, encap: moved.reversed() }).unwrap();
    assert_eq!(theirs.encap(TUNNEL), Some(moved.reversed()));
    theirs.open(at(4), moved, &mut next(45)).unwrap();
    assert_eq!(reports(&mut theirs), []);
}

#[test]
fn a_drained_sa_does_not_move_the_path() {
    let (mut ours, mut theirs) = ends();
    theirs.apply(Command::DrainInbound { spi: 0x1000, until: None }).unwrap();
    let moved = encap().reversed();
    let mut esp = seal(&mut ours, TUNNEL, &packet(40)).unwrap();
    theirs.open(at(1), moved, &mut esp).unwrap();
    assert_eq!(reports(&mut theirs), []);
}

#[test]
fn packets_go_by_the_selectors_of_the_sas() {
    let range = |start: &str, end: &str| {
        SelectorRange::addresses(start.parse().unwrap(), end.parse().unwrap())
    };
    let mut plane = DataPlane::new();
    for (spi, start, end) in
        [(0x1000, "10.9.0.0", "10.9.255.255"), (0x1001, "10.8.0.0", "10.8.255.255")]
    {
        let remote = vec![range(start, end)];
        let selectors = Selectors { local: vec![SelectorRange::ANY_V4], remote };
        install_outbound(&mut plane, TUNNEL, OutboundParams { selectors, ..outbound(spi) });
    }
    let mut to = |dst: [u8; 4]| {
        let inner = packet_between([10, 1, 2, 3].into(), dst.into(), 40);
        seal(&mut plane, TUNNEL, &inner).map(|esp| spi_of(&esp))
    };
    assert_eq!(to([10, 9, 1, 1]), Ok(0x1000));
    assert_eq!(to([10, 8, 1, 1]), Ok(0x1001));
    assert_eq!(to([10, 7, 1, 1]), Err(SealError::NoSelector));
}

#[test]
fn tunnels_with_the_same_inner_addresses_are_kept_apart() {
    let mut plane = DataPlane::new();
    let mut clients = Vec::new();
    for (tunnel, spi) in [(TunnelId(1), 0x1000), (TunnelId(2), 0x2000)] {
        install_inbound(&mut plane, tunnel, inbound(spi));
        let mut client = DataPlane::new();
        install_outbound(&mut client, tunnel, outbound(spi));
        clients.push((tunnel, client));
    }
    for (tunnel, client) in &mut clients {
        let mut esp = seal(client, *tunnel, &packet(40)).unwrap();
        assert_eq!(plane.open(at(1), encap(), &mut esp).unwrap().tunnel, *tunnel);
    }
    assert_eq!(plane.unknown_drops().total(), 0);
}

#[test]
fn thresholds_and_exhaustion_are_told_once() {
    let mut plane = DataPlane::new();
    let limits = Limits { soft: Budget { packets: 2, bytes: u64::MAX }, ..Limits::default() };
    let mut sa =
        OutboundSa::new(&*providers()[0], OutboundParams { limits, ..outbound(0x1000) }).unwrap();
    sa.set_sequence(u32::MAX - 3);
    plane.apply(Command::InstallOutbound { tunnel: TUNNEL, sa: Box::new(sa) }).unwrap();
    let switch = Command::SwitchOutbound { tunnel: TUNNEL, spi: 0x1000, replaces: None };
    plane.apply(switch).unwrap();
    let mut told = Vec::new();
    let sealed: Vec<bool> = (0..5)
        .map(|_| {
            let sealed = seal(&mut plane, TUNNEL, &packet(40)).is_ok();
            told.push(reports(&mut plane));
            sealed
        })
        .collect();
    assert_eq!(sealed, [true, true, true, false, false]);
    let direction = Direction::Outbound;
    let threshold = Report::CounterThreshold { tunnel: TUNNEL, spi: 0x1000, direction };
    let exhausted = Report::SequenceExhausted { tunnel: TUNNEL, spi: 0x1000 };
    assert_eq!(told, [vec![], vec![threshold], vec![exhausted], vec![], vec![]]);
}

#[test]
fn commands_that_make_no_sense_are_refused() {
    let (mut ours, mut theirs) = ends();
    let again = Box::new(InboundSa::new(&*providers()[0], inbound(0x1000)).unwrap());
    assert_eq!(
        theirs.apply(Command::InstallInbound { tunnel: TunnelId(8), sa: again }),
        Err(CommandError::SpiInUse(0x1000))
    );
    let again = Box::new(OutboundSa::new(&*providers()[0], outbound(0x1000)).unwrap());
    assert_eq!(
        ours.apply(Command::InstallOutbound { tunnel: TUNNEL, sa: again }),
        Err(CommandError::SpiInUse(0x1000))
    );
    let (no_tunnel, no_sa) = (Err(CommandError::NoTunnel(TunnelId(8))), Err(CommandError::NoSa(1)));
    let tunnel = TunnelId(8);
    assert_eq!(ours.apply(Command::RemoveTunnel { tunnel }), no_tunnel);
    assert_eq!(ours.apply(Command::SetEncap { tunnel, encap: encap() }), no_tunnel);
    assert_eq!(ours.apply(Command::RemoveOutbound { tunnel, spi: 1 }), no_tunnel);
    assert_eq!(ours.apply(Command::RemoveOutbound { tunnel: TUNNEL, spi: 1 }), no_sa);
    assert_eq!(ours.apply(Command::RemoveInbound { spi: 1 }), no_sa);
    assert_eq!(ours.apply(Command::DrainInbound { spi: 1, until: None }), no_sa);
    let switch = Command::SwitchOutbound { tunnel: TUNNEL, spi: 0x1000, replaces: Some(1) };
    assert_eq!(ours.apply(switch), no_sa);
    assert!(seal(&mut ours, TUNNEL, &packet(40)).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_octets_are_refused_without_harm(
        mut octets in proptest::collection::vec(any::<u8>(), 0..200),
        known in any::<bool>(),
    ) {
        let (_, mut theirs) = ends();
        if known && octets.len() >= 4 {
            octets[..4].copy_from_slice(&0x1000_u32.to_be_bytes());
        }
        prop_assert!(theirs.open(at(1), encap(), &mut octets).is_err());
    }

    #[test]
    fn a_permuted_and_repeated_stream_is_delivered_once(order in proptest::collection::vec(0_usize..40, 1..120)) {
        let (mut ours, mut theirs) = ends();
        let stream: Vec<Vec<u8>> =
            (0..40).map(|i| seal(&mut ours, TUNNEL, &packet(40 + i)).unwrap()).collect();
        let mut delivered: Vec<Range<usize>> = Vec::new();
        let mut sent = std::collections::HashSet::new();
        for at_index in order {
            let mut esp = stream[at_index].clone();
            let opened = theirs.open(at(1), encap(), &mut esp);
            prop_assert_eq!(opened.is_ok(), sent.insert(at_index));
            delivered.extend(opened.map(|opened| opened.range));
        }
        prop_assert_eq!(delivered.len(), sent.len());
    }
}
