//! Phase 1 once more: what was negotiated under an older ISAKMP SA lives on under the new one.

use super::*;
use crate::io::TimerReason;

/// Phase 1 again, with nothing to ask for.
fn anew(pair: &mut Pair, mode: Ikev1Mode) {
    let mut again = offer(mode, IKE, ESP);
    again.ts_local.clear();
    connect(pair, again);
}

fn count(pair: &Pair, is: impl Fn(&Event) -> bool) -> [usize; 2] {
    [&pair.initiator, &pair.responder]
        .map(|end| end.events.iter().filter(|event| is(event)).count())
}

fn adopted(pair: &Pair) -> [usize; 2] {
    count(pair, |event| {
        let (ike, from) = (IkeHandle(2), IkeHandle(1));
        *event == Event::ChildrenAdopted { ike, from, tunnel: 1 }
    })
}

#[rstest]
#[case(Ikev1Mode::Main)]
#[case(Ikev1Mode::Aggressive)]
fn pairs_live_on_under_the_sa_that_follows(#[case] mode: Ikev1Mode) {
    let mut pair = connected(mode);
    assert_eq!(traffic(&mut pair), 2);
    anew(&mut pair, mode);
    assert_eq!(adopted(&pair), [1, 1]);
    // Who has begun deletes the older one, and no pair ends with it.
    pair.command(Side::Initiator, Command::DeleteIke { ike: IkeHandle(1) });
    assert_eq!(sas(&pair), [1, 1]);
    assert_eq!(count(&pair, |event| matches!(event, Event::ChildClosed { .. })), [0, 0]);
    assert_eq!(traffic(&mut pair), 2);

    // Under the new one the pair is replaced, in the same tunnel, and ends with it.
    let spi = pair.initiator.find(|event| match event {
        Event::ChildEstablished(up) => Some(up.spi_in),
        _ => None,
    });
    let ike = IkeHandle(2);
    pair.command(Side::Initiator, Command::RekeyChild { ike, spi: spi.unwrap() });
    let in_tunnel = |event: &Event| matches!(event, Event::ChildEstablished(up) if up.tunnel == 1);
    assert_eq!(count(&pair, in_tunnel), [2, 2]);
    assert_eq!(traffic(&mut pair), 2);
    pair.command(Side::Responder, Command::DeleteIke { ike });
    assert_eq!((sas(&pair), traffic(&mut pair)), ([0, 0], 0));
    for end in [&pair.initiator, &pair.responder] {
        let footprint = end.edge.endpoint().footprint();
        assert_eq!((footprint.tunnels, footprint.child_spis), (0, 0));
    }
}

#[test]
fn the_older_sa_may_stay_and_gets_a_tunnel_of_its_own_for_what_it_still_opens() {
    let mut initiator = endpoint_config();
    let mut by_address = initiator.credentials[0].clone();
    by_address.id = "ip:192.0.2.2".parse().unwrap();
    initiator.credentials.push(by_address);
    let mut pair = Pair::new(initiator, responder());
    connect(&mut pair, offer(Ikev1Mode::Main, IKE, ESP));
    pair.command(Side::Responder, Command::Initiate(Box::new(reversed())));
    assert_eq!(adopted(&pair), [1, 1], "{:#?}", pair.initiator.events);
    assert_eq!(sas(&pair), [2, 2]);
    // The pair that the second SA asked for is in the tunnel of the first.
    let up = |tunnel| move |event: &Event| matches!(event, Event::ChildEstablished(it) if it.tunnel == tunnel);
    assert_eq!(count(&pair, up(1)), [2, 2]);
    let asks = offer(Ikev1Mode::Main, IKE, ESP);
    let (ts_local, ts_remote) = (asks.ts_local[0], asks.ts_remote[0]);
    let ask = Box::new(crate::io::ChildAsk { proposals: asks.child, ts_local, ts_remote });
    pair.command(Side::Initiator, Command::CreateChild { ike: IkeHandle(1), ask });
    assert_eq!(count(&pair, up(2)), [1, 1]);
    pair.command(Side::Initiator, Command::DeleteIke { ike: IkeHandle(1) });
    assert_eq!((sas(&pair), traffic(&mut pair)), ([1, 1], 2));
}

/// What the responder asks for when it begins itself.
fn reversed() -> Connection {
    let mut back = offer(Ikev1Mode::Main, IKE, ESP);
    core::mem::swap(&mut back.local, &mut back.remote);
    core::mem::swap(&mut back.ts_local, &mut back.ts_remote);
    back.id = Id::ip(back.local.ip());
    back
}

#[test]
fn a_pair_ends_when_it_would_have_ended_whatever_clocks_were_moved() {
    let mut responder = responder();
    responder.profile.timers.dpd_interval = 1_000_000;
    let mut pair = Pair::new(endpoint_config(), responder);
    connect(&mut pair, offer(Ikev1Mode::Main, IKE, ESP));
    let by = Duration::from_secs(3600);
    pair.command(Side::Responder, Command::SkipTime { ike: IkeHandle(1), by });
    let next = |pair: &Pair, ike| {
        pair.responder.edge.clock_of(IkeHandle(ike), pair.now).and_then(|clock| clock.next)
    };
    let life = |pair: &mut Pair, ike| {
        // A probe is not due before that.
        let deadline = next(pair, ike).unwrap();
        assert_eq!(deadline.reason, TimerReason::ChildLifetime);
        deadline.at
    };
    let before = life(&mut pair, 1);
    anew(&mut pair, Ikev1Mode::Main);
    assert_eq!(adopted(&pair), [1, 1]);
    assert_eq!(life(&mut pair, 2), before);
}

#[rstest]
#[case::of_who_authenticates_anew(Side::Initiator)]
#[case::of_the_other_end(Side::Responder)]
fn a_rekey_that_has_begun_is_begun_anew_under_the_sa_that_follows(#[case] side: Side) {
    let mut pair = connected(Ikev1Mode::Main);
    let spi = pair.node(side).find(|event| match event {
        Event::ChildEstablished(up) => Some(up.spi_in),
        _ => None,
    });
    let rekey = Command::RekeyChild { ike: IkeHandle(1), spi: spi.unwrap() };
    pair.handle(side, EdgeInput::Command(rekey));
    // Its first message is lost.
    assert_eq!(pair.intercept().len(), 1);
    anew(&mut pair, Ikev1Mode::Main);
    assert_eq!(adopted(&pair), [1, 1]);
    pair.advance(Duration::from_secs(1));
    let given_up = |event: &Event| {
        matches!(
            event,
            Event::ChildRefused { ike: IkeHandle(1), by: crate::event::Side::Local, .. }
        )
    };
    let rekeying = usize::from(side == Side::Responder);
    assert_eq!(count(&pair, given_up)[rekeying], 1);
    // The new pair is where the old one was, in its tunnel.
    let ike = IkeHandle(2);
    let new = |event: &Event| matches!(event, Event::ChildEstablished(up) if (up.ike, up.tunnel) == (ike, 1));
    assert_eq!(count(&pair, new), [1, 1], "{:#?}", pair.initiator.events);
    pair.command(Side::Initiator, Command::DeleteIke { ike: IkeHandle(1) });
    assert_eq!((sas(&pair), traffic(&mut pair)), ([1, 1], 2));
    for end in [&pair.initiator, &pair.responder] {
        assert_eq!(end.edge.endpoint().footprint().child_spis, 1);
    }
}

#[test]
fn a_pair_that_nobody_replaces_is_not_replaced_by_authenticating_anew() {
    let mut pair = connected(Ikev1Mode::Main);
    anew(&mut pair, Ikev1Mode::Main);
    pair.advance(Duration::from_secs(10));
    assert_eq!(count(&pair, |event| matches!(event, Event::ChildEstablished(_))), [1, 1]);
}

#[test]
fn another_peer_takes_nothing_over() {
    let mut pair = connected(Ikev1Mode::Aggressive);
    // From the same address and port, but it has proved another name.
    anew(&mut pair, Ikev1Mode::Main);
    assert_eq!((adopted(&pair)[1], sas(&pair)[1]), (0, 2));
}
