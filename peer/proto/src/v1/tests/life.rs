//! How SAs of IKEv1 end besides by time: by volume, and where the peer is gone, between two edges.

use super::*;
use crate::policy::ProbeMode;

/// Packets from the initiator's inner host, one by one.
fn packets(pair: &mut Pair, count: usize) {
    for _ in 0..count {
        let packet = echo([10, 0, 1, 1], [10, 0, 2, 1]);
        pair.handle(Side::Initiator, EdgeInput::Inner { tunnel: TunnelId(1), packet: &packet });
        pair.deliver();
    }
}

#[rstest]
#[case::the_initiator(Some(Side::Initiator), 2)]
#[case::the_responder(Some(Side::Responder), 2)]
#[case::nobody(None, 1)]
fn an_sa_is_replaced_before_its_volume_is_spent_by_whoever_has_a_limit(
    #[case] limited: Option<Side>,
    #[case] pairs: usize,
) {
    let (mut initiator, mut responder) = (endpoint_config(), responder());
    for (side, end) in [(Side::Initiator, &mut initiator), (Side::Responder, &mut responder)] {
        end.profile.timers.child_kilobytes = (limited == Some(side)).then_some(10);
    }
    let mut pair = Pair::new(initiator, responder);
    connect(&mut pair, offer(Ikev1Mode::Main, IKE, ESP));
    // Packets of 128 octets: 70 are just less than nine tenths, and 90 more than all of it.
    packets(&mut pair, 70);
    assert_eq!(established_children(&pair), [1, 1]);
    packets(&mut pair, 20);
    assert_eq!(established_children(&pair), [pairs; 2]);
    assert_eq!(pair.responder.inner.len(), 90);
}

fn established_children(pair: &Pair) -> [usize; 2] {
    let is_new = |event: &&Event| matches!(event, Event::ChildEstablished(_));
    [&pair.initiator, &pair.responder].map(|end| end.events.iter().filter(is_new).count())
}

#[rstest]
#[case::limited(Some(4), 1)]
#[case::unlimited(None, 0)]
fn an_isakmp_sa_ends_with_its_volume(#[case] kilobytes: Option<u64>, #[case] ended: usize) {
    let mut responder = responder();
    responder.profile.timers.ike_kilobytes = kilobytes;
    let mut pair = Pair::new(endpoint_config(), responder);
    connect(&mut pair, offer(Ikev1Mode::Main, IKE, ESP));
    // A probe and its answer have 184 octets.
    for _ in 0..10 {
        pair.command(Side::Initiator, Command::Probe { ike: IkeHandle(1) });
    }
    assert_eq!(sas(&pair), [1, 1]);
    for _ in 0..20 {
        pair.command(Side::Initiator, Command::Probe { ike: IkeHandle(1) });
    }
    pair.advance(Duration::from_secs(1));
    assert_eq!(sas(&pair), [1 - ended; 2]);
    let reason = closed(&pair.responder.events);
    assert_eq!(reason, (ended == 1).then_some(CloseReason::Expired));
}

#[test]
fn an_isakmp_sa_ends_when_its_message_ids_are_spent() {
    let mut pair = connected(Ikev1Mode::Main);
    let asks = offer(Ikev1Mode::Main, IKE, ESP);
    // What no identity can say is not sent, but it has used an ID.
    let ts_local = asks.ts_local[0].with_ports(6, 80, 90);
    let (proposals, ts_remote) = (asks.child, asks.ts_remote[0]);
    let ask = Box::new(crate::io::ChildAsk { proposals, ts_local, ts_remote });
    let ike = IkeHandle(1);
    for _ in 0..65_000 {
        let ask = ask.clone();
        pair.handle(Side::Initiator, EdgeInput::Command(Command::CreateChild { ike, ask }));
    }
    pair.advance(Duration::from_secs(1));
    assert_eq!(sas(&pair), [1, 1]);
    for _ in 0..536 {
        let ask = ask.clone();
        pair.handle(Side::Initiator, EdgeInput::Command(Command::CreateChild { ike, ask }));
    }
    pair.advance(Duration::from_secs(1));
    assert_eq!(sas(&pair), [0, 0]);
    assert_eq!(closed(&pair.initiator.events), Some(CloseReason::Expired));
    assert_eq!(closed(&pair.responder.events), Some(CloseReason::DeletedByPeer));
}

#[rstest]
fn nobody_probes_unless_both_ends_have_announced_it(
    #[values(Side::Initiator, Side::Responder)] probing: Side,
    #[values(Side::Initiator, Side::Responder)] without: Side,
) {
    // rfc3706-5.1-vendor-id-both
    let (mut initiator, mut responder) = (endpoint_config(), responder());
    let end = if without == Side::Initiator { &mut initiator } else { &mut responder };
    end.profile.timers.dpd = false;
    let mut pair = Pair::new(initiator, responder);
    connect(&mut pair, offer(Ikev1Mode::Main, IKE, ESP));
    let before = pair.sent.len();
    pair.command(probing, Command::Probe { ike: IkeHandle(1) });
    assert_eq!(pair.sent.len(), before);
    let why = pair.node(probing).find(|event| match event {
        Event::ProbeNotSent { why, .. } => Some(why.clone()),
        _ => None,
    });
    let of = if probing == without { "this end" } else { "the peer" };
    assert!(why.unwrap().starts_with(of));
}

#[test]
fn a_probe_that_this_end_has_not_announced_is_told_and_not_answered() {
    let mut responder = responder();
    responder.profile.timers.dpd = false;
    let mut pair = Pair::new(endpoint_config(), responder);
    connect(&mut pair, offer(Ikev1Mode::Main, IKE, ESP));
    let (cookies, spi) = facts(&pair);
    // DOI, ISAKMP, the cookies, R-U-THERE; a number. It comes together with a Delete.
    let body = [&[0, 0, 0, 1, 1, 16, 0x8d, 0x28][..], &cookies, &[0, 0, 0, 9]].concat();
    let change = Change::AddPayload { payload: PayloadKind::NOTIFY.raw(), critical: false, body };
    let (exchange, nth, copies) = (ExchangeType::INFORMATIONAL_V1, None, None);
    let fault = Fault { exchange, response: false, nth, copies, change };
    pair.command(Side::Initiator, Command::Deviate(Box::new(fault)));
    let of_responder = |pair: &Pair| pair.sent.iter().filter(|it| it.0 == Side::Responder).count();
    let before = of_responder(&pair);
    pair.command(Side::Initiator, Command::DeleteChild { ike: IkeHandle(1), spi });
    let violated = pair.responder.find(|event| match event {
        Event::PeerViolation { requirement, .. } => Some(requirement.clone()),
        _ => None,
    });
    assert_eq!(violated.as_deref(), Some("rfc3706-5.1-vendor-id-both"));
    assert_eq!(of_responder(&pair), before);
}

#[rstest]
#[case::on(true, true)]
#[case::off(false, false)]
fn a_peer_that_vanishes_is_noticed_where_dead_peer_detection_is_on(
    #[case] dpd: bool,
    #[case] noticed: bool,
) {
    let mut responder = responder();
    responder.profile.timers.dpd = dpd;
    responder.profile.readings.r23 = ProbeMode::Periodic;
    let mut pair = Pair::new(endpoint_config(), responder);
    connect(&mut pair, offer(Ikev1Mode::Main, IKE, ESP));
    // The other end may probe only whoever has announced it, and gets an answer only then.
    pair.command(Side::Initiator, Command::Probe { ike: IkeHandle(1) });
    let answered = |e: &Event| matches!(e, Event::ProbeAnswered { .. });
    assert_eq!(pair.initiator.events.iter().any(answered), dpd);
    pair.intercept();
    pair.advance_in_silence(Duration::from_secs(1000));
    let dead = closed(&pair.responder.events) == Some(CloseReason::DeadPeer);
    let probes = pair.responder.events.iter().filter(|e| matches!(e, Event::ProbeSent { .. }));
    assert_eq!((dead, probes.count() > 0), (noticed, noticed));
}

/// How many answers and complaints the probes of the initiator have brought about, if they have these numbers.
fn probed(numbers: &[u8]) -> (usize, usize) {
    let mut initiator = endpoint_config();
    initiator.profile.timers.dpd_retries = 10;
    let (exchange, notify) = (ExchangeType::INFORMATIONAL_V1, NotifyKind::R_U_THERE.0);
    let fault = |(nth, number): (u32, &u8)| Fault {
        exchange,
        response: false,
        nth: Some(nth),
        copies: None,
        change: Change::ReplaceNotifyData { notify, data: vec![0, 0, 1, *number] },
    };
    initiator.faults = (0..).zip(numbers).map(fault).collect();
    let mut pair = Pair::new(initiator, responder());
    connect(&mut pair, offer(Ikev1Mode::Main, IKE, ESP));
    let answers =
        |pair: &Pair| pair.sent.iter().filter(|(side, _)| *side == Side::Responder).count();
    let before = answers(&pair);
    pair.command(Side::Initiator, Command::Probe { ike: IkeHandle(1) });
    // The numbers of the answers are none that it waits for, so it goes on asking, every 20 seconds.
    pair.advance(Duration::from_secs(20 * numbers.len() as u64 - 10));
    let violates = |event: &&Event| matches!(event, Event::PeerViolation { requirement, .. } if requirement == "rfc3706-6.2-increment-one");
    (answers(&pair) - before, pair.responder.events.iter().filter(violates).count())
}

#[rstest]
#[case::one_by_one(&[100, 101, 102], (3, 0))]
#[case::overtaken(&[101, 100, 102], (3, 0))]
#[case::again(&[101, 101, 101], (3, 0))]
#[case::overtaken_and_again(&[100, 101, 100], (2, 0))]
#[case::far_below(&[100, 68, 101], (2, 1))]
fn a_probe_is_answered_unless_its_number_is_old(
    #[case] numbers: &[u8],
    #[case] expected: (usize, usize),
) {
    // rfc3706-6.2-increment-one
    assert_eq!(probed(numbers), expected);
}
