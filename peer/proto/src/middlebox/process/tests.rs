use core::net::SocketAddr;

use proptest::prelude::*;

use super::super::{Chance, Class, DirectionConfig, NatConfig, NatSide, RawNat};
use super::*;

fn edge(port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], port))
}

fn peer(port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 2], port))
}

fn at(ms: u64) -> Time {
    Time::from_start(Duration::from_millis(ms))
}

fn ike(exchange: u8, id: u8) -> Datagram {
    let mut bytes = vec![7; 16];
    bytes.extend([46, 0x20, exchange, 0x08, 0, 0, 0, id, 0, 0, 0, 30, 0xaa, 0xbb]);
    Datagram::udp(edge(500), peer(500), bytes)
}

fn esp(sequence: u32) -> Datagram {
    let mut bytes = vec![0, 0, 1, 0];
    bytes.extend(sequence.to_be_bytes());
    Datagram::raw(edge(0).ip(), peer(0).ip(), super::super::Transport::Esp, bytes)
}

fn drain(middlebox: &mut Middlebox) -> Vec<Delivery> {
    let mut out = Vec::new();
    while let Some(next) = middlebox.poll_timeout() {
        out.extend(core::iter::from_fn(|| middlebox.poll(next)));
    }
    out
}

fn losses(seed: u64, loss: u16) -> Vec<u32> {
    let data = Impairment { loss: Chance::per_mille(loss), ..Default::default() };
    let to_edge = DirectionConfig { data, ..Default::default() };
    let mut middlebox = Middlebox::new(MiddleboxConfig { seed, to_edge, ..Default::default() });
    for sequence in 0..500 {
        middlebox.handle(Time::ZERO, Direction::ToEdge, esp(sequence));
    }
    let mut lost = Vec::new();
    while let Some(event) = middlebox.poll_event() {
        if let MiddleboxEvent::Dropped { message: MessageKind::Data { sequence, .. }, .. } = event {
            lost.push(sequence);
        }
    }
    assert_eq!(drain(&mut middlebox).len() + lost.len(), 500);
    lost
}

#[test]
fn the_default_passes_everything_on_at_once() {
    let mut middlebox = Middlebox::new(MiddleboxConfig::default());
    for direction in [Direction::ToPeer, Direction::ToEdge] {
        middlebox.handle(at(5), direction, ike(34, 0));
        let delivery = middlebox.poll(at(5)).unwrap();
        assert_eq!(delivery, Delivery { at: at(5), direction, datagram: ike(34, 0) });
    }
    assert_eq!((middlebox.poll_timeout(), middlebox.poll_event()), (None, None));
}

#[test]
fn same_seed_same_drops_and_the_control_drops_nothing() {
    let lost = losses(1, 200);
    assert!((60..140).contains(&lost.len()), "{}", lost.len());
    assert_eq!(lost, losses(1, 200));
    assert_ne!(lost, losses(2, 200));
    assert!(losses(1, 0).is_empty());
}

#[test]
fn after_a_while_the_network_can_be_calm() {
    let lossy = Impairment { loss: Chance::ALWAYS, delay_ms: 5, ..Impairment::default() };
    let config = MiddleboxConfig {
        to_edge: DirectionConfig { ike: lossy, data: lossy },
        ..MiddleboxConfig::default()
    };
    let mut middlebox = Middlebox::new(config);
    middlebox.handle(at(0), Direction::ToEdge, ike(34, 0));
    middlebox.calm(at(0));
    middlebox.handle(at(0), Direction::ToEdge, ike(35, 1));
    assert_eq!(middlebox.poll_timeout(), Some(at(5)));
    let arrived = drain(&mut middlebox);
    assert_eq!(arrived.len(), 1, "{arrived:?}");
}

#[test]
fn in_a_calm_network_nothing_is_late() {
    let late = Impairment {
        duplicate: Chance::ALWAYS,
        duplicate_after_ms: 1000,
        reorder: Chance::ALWAYS,
        reorder_by_ms: 200,
        ..Impairment::default()
    };
    let to_edge = DirectionConfig { ike: late, data: late };
    let mut middlebox = Middlebox::new(MiddleboxConfig { to_edge, ..MiddleboxConfig::default() });
    middlebox.handle(at(0), Direction::ToEdge, esp(1));
    middlebox.handle(at(1), Direction::ToEdge, esp(2));
    middlebox.calm(at(2));
    let arrived = drain(&mut middlebox);
    let order: Vec<_> = arrived.iter().map(|it| it.datagram.bytes[7]).collect();
    assert!(arrived.iter().all(|it| it.at == at(2)), "{arrived:?}");
    assert_eq!(order, [1, 1, 2, 2]);
}

#[test]
fn a_message_gets_through_at_the_fourth_copy_at_the_latest() {
    let ike_loss = Impairment { loss: Chance::ALWAYS, ..Default::default() };
    let to_peer = DirectionConfig { ike: ike_loss, ..Default::default() };
    let mut middlebox = Middlebox::new(MiddleboxConfig { to_peer, ..Default::default() });
    let arrived: Vec<_> = (0..8)
        .map(|i| {
            middlebox.handle(at(i), Direction::ToPeer, ike(34, 0));
            middlebox.poll(at(i)).is_some()
        })
        .collect();
    assert_eq!(arrived, [false, false, false, true, false, false, false, true]);
}

#[test]
fn delay_reordering_and_duplication() {
    let ike_delay = Impairment { delay_ms: 20, ..Default::default() };
    let data = Impairment {
        duplicate: Chance::ALWAYS,
        duplicate_after_ms: 3,
        reorder: Chance::per_mille(300),
        reorder_by_ms: 10,
        ..Default::default()
    };
    let to_edge = DirectionConfig { ike: ike_delay, data };
    let mut middlebox = Middlebox::new(MiddleboxConfig { seed: 3, to_edge, ..Default::default() });
    middlebox.handle(at(1), Direction::ToEdge, ike(34, 0));
    assert_eq!(middlebox.poll_timeout(), Some(at(21)));
    assert_eq!(middlebox.poll(at(20)), None);
    assert!(middlebox.poll(at(21)).is_some());
    for sequence in 0..50 {
        middlebox.handle(at(30 + u64::from(sequence)), Direction::ToEdge, esp(sequence));
    }
    let order: Vec<_> = drain(&mut middlebox).into_iter().map(|d| d.datagram.bytes[7]).collect();
    assert_eq!(order.len(), 100);
    let inversions = (1..order.len()).filter(|at| order[..*at].iter().any(|o| *o > order[*at]));
    let mut overtaken = 0;
    while let Some(event) = middlebox.poll_event() {
        overtaken += usize::from(matches!(event, MiddleboxEvent::Overtaken { .. }));
    }
    assert_eq!(overtaken, inversions.count());
    assert!(overtaken > 0);
    let mut first_seen = order.clone();
    let mut seen = [false; 50];
    first_seen.retain(|s| !core::mem::replace(&mut seen[usize::from(*s)], true));
    assert!(!first_seen.is_sorted());
}

#[test]
fn hold_and_release_make_a_collision() {
    let mut middlebox = Middlebox::new(MiddleboxConfig::default());
    let hold = Rule {
        direction: Some(Direction::ToPeer),
        exchange: Some(36),
        nth: Some(2),
        ..Rule::new(Action::Hold)
    };
    let rule = middlebox.add_rule(hold);
    for id in 1..=3 {
        middlebox.handle(at(1), Direction::ToPeer, ike(36, id));
    }
    middlebox.handle(at(1), Direction::ToEdge, ike(36, 9));
    let ids = |deliveries: &[Delivery]| -> Vec<u8> {
        deliveries.iter().map(|d| d.datagram.bytes[23]).collect()
    };
    assert_eq!(ids(&drain(&mut middlebox)), [1, 3, 9]);
    assert_eq!(middlebox.release(at(50), rule, Release::InOrder), 1);
    assert_eq!(middlebox.poll_timeout(), Some(at(50)));
    assert_eq!(ids(&drain(&mut middlebox)), [2]);
}

#[test]
fn release_orders() {
    let mut middlebox = Middlebox::new(MiddleboxConfig::default());
    let rule = middlebox.add_rule(Rule::new(Action::Hold));
    for sequence in 1..=3 {
        middlebox.handle(at(1), Direction::ToPeer, esp(sequence));
    }
    assert_eq!(middlebox.release(at(2), rule, Release::First), 1);
    assert_eq!(middlebox.release(at(3), rule, Release::Reversed), 2);
    let order: Vec<_> = drain(&mut middlebox).iter().map(|d| d.datagram.bytes[7]).collect();
    assert_eq!(order, [1, 3, 2]);
}

#[test]
fn a_rule_that_is_lifted_lets_go_and_holds_no_more() {
    let mut middlebox = Middlebox::new(MiddleboxConfig::default());
    let rule = middlebox.add_rule(Rule::new(Action::Hold));
    middlebox.handle(at(1), Direction::ToPeer, esp(1));
    assert!(drain(&mut middlebox).is_empty());
    assert_eq!(middlebox.lift(at(2), rule, Release::InOrder), 1);
    middlebox.handle(at(3), Direction::ToPeer, esp(2));
    let order: Vec<_> = drain(&mut middlebox).iter().map(|d| d.datagram.bytes[7]).collect();
    assert_eq!(order, [1, 2]);
}

#[test]
fn rules_drop_corrupt_truncate_and_except() {
    let config: MiddleboxConfig = serde_json::from_str(
        r#"{"to_edge": {"ike": {"loss": 1.0}}, "rules": [
            {"class": "ike", "message_id": 1, "action": "drop"},
            {"exchange": 34, "count": 1, "action": {"corrupt": {"octet": -1, "xor": 1}}},
            {"exchange": 34, "action": {"truncate": 10}},
            {"direction": "to-edge", "action": "pass"}]}"#,
    )
    .unwrap();
    let text = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<MiddleboxConfig>(&text).unwrap(), config);
    assert_eq!(config.rules[0].class, Some(Class::Ike));
    let mut middlebox = Middlebox::new(config);
    for datagram in [ike(35, 1), ike(34, 0), ike(34, 2)] {
        middlebox.handle(Time::ZERO, Direction::ToPeer, datagram);
    }
    middlebox.handle(Time::ZERO, Direction::ToEdge, ike(35, 2));
    let out = drain(&mut middlebox);
    let lens: Vec<_> = out.iter().map(|d| d.datagram.bytes.len()).collect();
    assert_eq!(lens, [30, 10, 30]);
    assert_eq!(out[0].datagram.bytes[29], 0xba);
}

#[test]
fn a_nat_in_front_of_the_peer_rewrites_both_ways() {
    let nat = NatConfig {
        side: NatSide::Peer,
        public: IpAddr::from([203, 0, 113, 1]),
        ports: Some((20_000, 20_001)),
        idle_timeout_ms: None,
        raw: RawNat::Drop,
    };
    let mut middlebox = Middlebox::new(MiddleboxConfig { nat: Some(nat), ..Default::default() });
    middlebox.handle(Time::ZERO, Direction::ToEdge, ike(34, 0));
    let seen = middlebox.poll(Time::ZERO).unwrap().datagram;
    assert_eq!(seen.remote.to_string(), "203.0.113.1:20000");
    middlebox.handle(Time::ZERO, Direction::ToPeer, Datagram { remote: seen.remote, ..ike(34, 0) });
    assert_eq!(middlebox.poll(Time::ZERO).unwrap().datagram.remote, peer(500));
    middlebox.handle(Time::ZERO, Direction::ToPeer, ike(34, 0));
    assert_eq!(middlebox.poll(Time::ZERO), None);
    assert!(matches!(
        middlebox.poll_event(),
        Some(MiddleboxEvent::Dropped { cause: DropCause::NoMapping, .. })
    ));
}

proptest! {
    #[test]
    fn random_datagrams_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80), port in prop_oneof![Just(500_u16), Just(4500)], octet in any::<i32>()) {
        let mut middlebox = Middlebox::new(MiddleboxConfig::default());
        middlebox.add_rule(Rule::new(Action::Corrupt { octet, xor: 1 }));
        middlebox.handle(Time::ZERO, Direction::ToEdge, Datagram::udp(edge(port), peer(port), bytes));
        prop_assert_eq!(drain(&mut middlebox).len(), 1);
    }
}
