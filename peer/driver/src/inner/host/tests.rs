use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use ikeproof_proto::forward::{ForwardConfig, Forwarder, ToTunnel};

use super::super::{Job, ListenRequest, Pattern, Service, TcpEnd};
use super::*;

/// Two hosts with a router between them that may lose packets.
struct Net {
    left: InnerHost,
    right: InnerHost,
    now: Time,
    router: Forwarder,
    under_way: Vec<(Time, bool, Vec<u8>)>,
    packets: u64,
    lose_one_in: Option<u64>,
    events: Vec<(bool, InnerEvent)>,
}

impl Net {
    fn new(forward: ForwardConfig, lose_one_in: Option<u64>) -> Self {
        let cidrs = |n: u8| {
            vec![
                format!("10.{n}.0.0/16").parse().unwrap(),
                format!("fd00:{n}::/64").parse().unwrap(),
            ]
        };
        let config = |n: u8| InnerConfig { seed: n.into(), ..InnerConfig::new(cidrs(n)) };
        let router_v6 = Ipv6Addr::new(0xfd00, 0xff, 0, 0, 0, 0, 0, 1);
        Self {
            left: InnerHost::new(config(1), Time::ZERO),
            right: InnerHost::new(config(2), Time::ZERO),
            now: Time::ZERO,
            router: Forwarder::new(forward, Ipv4Addr::new(10, 255, 0, 1), router_v6),
            under_way: Vec::new(),
            packets: 0,
            lose_one_in,
            events: Vec::new(),
        }
    }

    fn run_until(&mut self, done: impl Fn(&[(bool, InnerEvent)]) -> bool) -> Duration {
        let start = self.now;
        while !done(&self.events) {
            assert!(self.now.since(start) < Duration::from_secs(60), "{:#?}", self.events);
            let (now, mut arrived) = (self.now, Vec::new());
            self.under_way.retain_mut(|(at, to_right, packet)| {
                let due = *at <= now;
                if due {
                    arrived.push((*to_right, std::mem::take(packet)));
                }
                !due
            });
            for (to_right, packet) in arrived {
                if to_right { &mut self.right } else { &mut self.left }.push_packet(now, &packet);
            }
            for from_left in [true, false] {
                self.drive(from_left);
            }
            if done(&self.events) {
                break;
            }
            let next = self.under_way.iter().map(|(at, ..)| *at).min();
            let hosts = [self.left.poll_timeout(now), self.right.poll_timeout(now)];
            let next = hosts.into_iter().flatten().chain(next).min().unwrap();
            self.now = next.max(now + Duration::from_micros(10));
        }
        self.now.since(start)
    }

    fn drive(&mut self, from_left: bool) {
        let host = if from_left { &mut self.left } else { &mut self.right };
        host.poll(self.now);
        while let Some(event) = host.poll_event() {
            self.events.push((from_left, event));
        }
        while let Some(mut packet) = host.poll_packet() {
            self.packets += 1;
            let lost = self.lose_one_in.is_some_and(|n| {
                self.packets.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32 & 0xffff < 0x10000 / n
            });
            let later = self.now + Duration::from_millis(5);
            match self.router.to_tunnel(&mut packet).0 {
                _ if lost => {}
                ToTunnel::Seal => self.under_way.push((later, from_left, packet)),
                ToTunnel::Fragments(pieces) => {
                    self.under_way.extend(pieces.into_iter().map(|p| (later, from_left, p)));
                }
                ToTunnel::Answer(reply) => self.under_way.push((later, !from_left, reply)),
                other => panic!("{other:?}"),
            }
        }
    }

    fn ping(&mut self, request: PingRequest) -> PingReport {
        self.events.clear();
        self.left.ping(self.now, request).unwrap();
        let done = |event: &(bool, InnerEvent)| matches!(event.1, InnerEvent::PingDone { .. });
        self.run_until(|events| events.iter().any(done));
        let reports = self.events.iter().find_map(|(_, event)| match event {
            InnerEvent::PingDone { report, .. } => Some(report.clone()),
            _ => None,
        });
        reports.unwrap()
    }

    /// Reports of both ends, ours first, and how long it took.
    fn tcp(&mut self, request: TcpRequest) -> (TcpReport, TcpReport, Duration) {
        self.events.clear();
        self.left.connect(self.now, request).unwrap();
        let done = |event: &&(bool, InnerEvent)| matches!(event.1, InnerEvent::TcpDone { .. });
        let took = self.run_until(|events| events.iter().filter(done).count() == 2);
        let report = |left: bool| {
            let mut found = self.events.iter().filter_map(|(at, event)| match event {
                InnerEvent::TcpDone { report } if *at == left => Some(report.clone()),
                _ => None,
            });
            found.next().unwrap()
        };
        (report(true), report(false), took)
    }
}

fn right(port: u16) -> SocketAddr {
    SocketAddr::from(([10, 2, 7, 9], port))
}

fn right_v6(port: u16) -> SocketAddr {
    SocketAddr::new("fd00:2::77".parse().unwrap(), port)
}

#[test]
fn pings_of_any_size_come_back_from_any_address() {
    let mut net = Net::new(ForwardConfig::TRANSPARENT, None);
    for to in [right(0).ip(), right_v6(0).ip()] {
        for size in [0, 56, 1472, 1473, 9000, 60_000] {
            let report = net.ping(PingRequest { size, ..PingRequest::new(to, 3) });
            assert!(report.all_answered(), "{to} {size}: {report:?}");
            assert_eq!(report.replies[0].round_trip, Duration::from_millis(10));
        }
    }
    assert_eq!(net.left.stats().largest_out, 1500);
}

#[test]
fn a_large_ping_with_df_is_told_the_mtu_of_the_tunnel() {
    let mut net = Net::new(ForwardConfig::default(), None);
    for to in [right(0).ip(), right_v6(0).ip()] {
        let request = PingRequest { size: 1440, df: true, ..PingRequest::new(to, 2) };
        let report = net.ping(request);
        assert_eq!(report.too_big, [1400, 1400]);
        assert!(report.replies.is_empty());
    }
    let request = PingRequest { size: 3000, ..PingRequest::new(right(0).ip(), 2) };
    assert!(net.ping(request).all_answered());
    // Over IPv6 the sender has learnt the MTU of the path from the report above; the far host of the
    // reply learns it from the first one that does not fit.
    let request = PingRequest { size: 3000, ..PingRequest::new(right_v6(0).ip(), 3) };
    assert!(!net.ping(request.clone()).replies.is_empty());
    assert!(net.ping(request).all_answered());
    assert_eq!(net.right.stats().largest_in, 1400);
}

#[test]
fn one_mebibyte_goes_each_way_and_the_mss_is_seen_at_the_far_host() {
    for (forward, mss_v4, mss_v6) in
        [(ForwardConfig::default(), 1360, 1340), (ForwardConfig::TRANSPARENT, 1460, 1440)]
    {
        let mut net = Net::new(forward, None);
        for (address, mss) in [(right(0), mss_v4), (right_v6(0), mss_v6)] {
            let at = |port| SocketAddr::new(address.ip(), port);
            let (ours, theirs, took) = net.tcp(TcpRequest::new(at(9), Job::Send(1 << 20)));
            assert_eq!((ours.end, theirs.end), (TcpEnd::Finished, TcpEnd::Finished));
            assert_eq!((ours.far_mss, theirs.far_mss), (Some(mss), Some(mss)));
            assert_eq!((ours.sent, theirs.received), (1 << 20, 1 << 20));
            assert_eq!(ours.sent_digest, theirs.received_digest);
            let header = if address.is_ipv4() { 40 } else { 60 };
            assert_eq!(theirs.largest_in, usize::from(mss) + header);
            assert!(took < Duration::from_secs(1), "{took:?}");

            let (ours, theirs, _) = net.tcp(TcpRequest::new(at(19), Job::Receive));
            assert_eq!((ours.received, ours.end), (1 << 20, TcpEnd::Finished));
            assert_eq!(ours.received_digest, Pattern::new(2 ^ theirs.id.0).digest(1 << 20));

            let (ours, theirs, _) = net.tcp(TcpRequest::new(at(7), Job::RoundTrip(1 << 20)));
            assert_eq!((ours.received, theirs.sent), (1 << 20, 1 << 20));
            assert_eq!(ours.sent_digest, ours.received_digest);
        }
    }
}

#[test]
fn transfers_survive_loss() {
    for lose_one_in in [50, 10] {
        let mut net = Net::new(ForwardConfig::default(), Some(lose_one_in));
        let (ours, theirs, _) = net.tcp(TcpRequest::new(right(9), Job::Send(1 << 20)));
        assert_eq!((theirs.received, theirs.end), (1 << 20, TcpEnd::Finished), "{ours:?}");
        assert_eq!(ours.sent_digest, theirs.received_digest);
        let request = TcpRequest::new(right(7), Job::RoundTrip(256 << 10));
        let (ours, ..) = net.tcp(request);
        assert_eq!((ours.received, ours.end), (256 << 10, TcpEnd::Finished));
        assert_eq!(ours.sent_digest, ours.received_digest);
    }
}

#[test]
fn a_closed_port_refuses_and_a_dead_peer_times_out() {
    let mut net = Net::new(ForwardConfig::TRANSPARENT, None);
    for (to, end) in
        [(right(1), TcpEnd::Reset), (SocketAddr::from(([10, 3, 0, 1], 9)), TcpEnd::TimedOut)]
    {
        net.events.clear();
        let request =
            TcpRequest { timeout: Duration::from_secs(3), ..TcpRequest::new(to, Job::Send(1)) };
        net.left.connect(net.now, request).unwrap();
        net.run_until(|events| {
            events.iter().any(|(_, event)| matches!(event, InnerEvent::TcpDone { .. }))
        });
        let ended = |(_, event): &(bool, InnerEvent)| matches!(event, InnerEvent::TcpDone { report } if report.end == end && !report.established);
        assert!(net.events.iter().any(ended), "{:?}", net.events);
    }
    let not_mine = |(_, event): &(bool, InnerEvent)| matches!(event, InnerEvent::NotMine { .. });
    assert!(net.events.iter().any(not_mine));
}

#[test]
fn a_listener_for_one_connection_takes_one_on_its_address_and_in_its_time() {
    let mut net = Net::new(ForwardConfig::TRANSPARENT, None);
    let request = ListenRequest {
        local: Some(right(80).ip()),
        port: 80,
        service: Service::Exchange { send: 1000, receive: 70_000 },
        timeout: Duration::from_secs(20),
    };
    let listener = net.right.listen_once(net.now, &request).unwrap();
    let job = Job::Exchange { send: 70_000, receive: 1000 };
    let elsewhere = SocketAddr::from(([10, 2, 7, 10], 80));
    let refused = |net: &mut Net, to| {
        net.events.clear();
        net.left.connect(net.now, TcpRequest::new(to, job)).unwrap();
        let reset = |(_, event): &(bool, InnerEvent)| matches!(event, InnerEvent::TcpDone { report } if report.end == TcpEnd::Reset);
        net.run_until(|events| events.iter().any(reset));
    };
    refused(&mut net, elsewhere);
    let (ours, theirs, _) = net.tcp(TcpRequest::new(right(80), job));
    assert_eq!((ours.end, ours.received), (TcpEnd::Finished, 1000));
    assert_eq!((theirs.end, theirs.received), (TcpEnd::Finished, 70_000));
    assert_eq!(ours.sent_digest, theirs.received_digest);
    let accepted = |(_, event): &(bool, InnerEvent)| matches!(event, InnerEvent::TcpAccepted { listener: Some(found), .. } if *found == listener);
    assert!(net.events.iter().any(accepted));
    refused(&mut net, right(80));

    let late = ListenRequest { timeout: Duration::from_secs(2), ..request };
    let listener = net.right.listen_once(net.now, &late).unwrap();
    net.events.clear();
    let expired = InnerEvent::ListenExpired { listener };
    let took = net.run_until(|events| events.iter().any(|(_, event)| *event == expired));
    assert!(took >= late.timeout, "{took:?}");
    assert_eq!(net.right.listen_once(net.now, &ListenRequest { port: 0, ..late }), None);
}

#[test]
fn a_connection_that_does_not_come_about_is_given_up_early() {
    let mut net = Net::new(ForwardConfig::TRANSPARENT, None);
    let nobody = SocketAddr::from(([10, 3, 0, 1], 9));
    let connect_timeout = Some(Duration::from_secs(2));
    net.left
        .connect(net.now, TcpRequest { connect_timeout, ..TcpRequest::new(nobody, Job::Send(1)) })
        .unwrap();
    let done = |(_, event): &(bool, InnerEvent)| matches!(event, InnerEvent::TcpDone { .. });
    let took = net.run_until(|events| events.iter().any(done));
    assert!(took < Duration::from_secs(3), "{took:?}");
}

#[test]
fn many_connections_one_after_the_other_leave_nothing_behind() {
    let mut net = Net::new(ForwardConfig::default(), None);
    for _ in 0..20 {
        let (ours, ..) = net.tcp(TcpRequest::new(right(7), Job::RoundTrip(1000)));
        assert_eq!(ours.received, 1000);
    }
    let until = net.now + Duration::from_secs(15);
    net.events.clear();
    while net.now < until {
        net.ping(PingRequest::new(right(0).ip(), 1));
        net.now = net.now + Duration::from_secs(1);
    }
    for host in [&net.left, &net.right] {
        assert_eq!((host.connections.len(), host.lingering.len()), (0, 0));
    }
    assert_eq!(net.right.listeners.len(), 3 * BACKLOG);
    assert_eq!(net.right.config.services[0], (7, Service::Echo));
}
