//! Traffic from inside a peer: what to send, and what came of it.
//!
//! Ping is iputils' own, read by [`PingReport::parse`]; TCP is `socat` with a counted source and sink.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::{
    Error, Result,
    agent::{Shell, quote},
};

/// So many pings need not be spread over time: a pause is a process more, and dear in a guest.
const AT_ONCE: u16 = 3;
/// Seconds from one ping to the next.
const SPREAD: f32 = 0.1;

/// A ping to send from inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ping {
    /// The source address, when it matters.
    pub source: Option<IpAddr>,
    /// The destination.
    pub destination: IpAddr,
    /// How many.
    pub count: u16,
    /// Octets of ICMP data; 56 by default.
    pub size: u16,
    /// Set DF and refuse to fragment locally.
    pub dont_fragment: bool,
    /// How long to wait for each answer.
    pub wait: Duration,
}

impl Ping {
    /// Three small pings.
    pub fn new(source: Option<IpAddr>, destination: IpAddr) -> Self {
        Self {
            source,
            destination,
            count: 3,
            size: 56,
            dont_fragment: false,
            wait: Duration::from_secs(3),
        }
    }

    /// The command line: a ping of its own for each request. One for all waits no longer for the last answers
    /// than from one request to the next once it has had one, whatever `-W` says, and a guest on a busy host
    /// may stand still for longer than that. Many are spread over time, a few go at once.
    pub fn command(&self) -> String {
        let source = self.source.map(|source| format!(" -I {source}")).unwrap_or_default();
        let df = if self.dont_fragment { " -M do" } else { " -M dont" };
        let (wait, size, to) = (self.wait.as_secs_f32(), self.size, self.destination);
        let one = format!("ping -n -c 1 -s {size} -W {wait}{df}{source} {to}");
        if self.count <= AT_ONCE {
            return format!("{}wait", format!("{one} & ").repeat(self.count.into()));
        }
        format!("for n in $(seq {}); do {one} & sleep {SPREAD}; done; wait", self.count)
    }

    pub(crate) async fn run(&self, shell: &Shell) -> Result<PingReport> {
        let spread = Duration::from_secs_f32(SPREAD) * u32::from(self.count);
        let limit = self.wait + spread + Duration::from_secs(10);
        let finished = shell.run(&self.command(), limit).await?;
        // "No answer" is a result; what ping itself has trouble with has no summary.
        let text = format!("{}\n{}", finished.text(), finished.errors());
        PingReport::parse(&text).map_err(|error| match finished.status {
            0 => error,
            status => {
                Error::Command { command: self.command(), status, output: finished.complaint() }
            }
        })
    }
}

/// What came of a ping.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PingReport {
    /// Requests sent.
    pub sent: u32,
    /// Answers.
    pub received: u32,
    /// Answers that came twice.
    pub duplicates: u32,
    /// ICMP errors and local refusals.
    pub errors: u32,
    /// A path MTU the stack learnt, from "message too long, mtu=1400" or "(mtu = 1400)".
    pub mtu: Option<u32>,
    /// The mean round-trip time.
    pub rtt_ms: Option<f64>,
}

impl PingReport {
    /// Reads the output of iputils' ping, or of several.
    pub fn parse(text: &str) -> Result<Self> {
        let summaries: Vec<&str> =
            text.lines().filter(|line| line.contains("packets transmitted")).collect();
        let first = summaries.first().ok_or_else(|| {
            Error::parse("ping's output", "expected \"packets transmitted\"", text)
        })?;
        let number = |summary: &str, word: &str| {
            summary.split(", ").find(|part| part.contains(word)).and_then(|part| {
                part.trim_start_matches('+').split_whitespace().next()?.parse::<u32>().ok()
            })
        };
        let count = |word: &str| -> Option<u32> {
            let numbers: Vec<u32> =
                summaries.iter().filter_map(|summary| number(summary, word)).collect();
            (!numbers.is_empty()).then(|| numbers.iter().sum())
        };
        let missing = |what: &str| Error::parse("ping's output", format!("expected {what}"), first);
        let mtu = text.lines().find_map(|line| {
            let after = line.split_once("mtu").map(|(_, after)| after)?;
            let digits = after.trim_start_matches([' ', '=', ':']);
            digits.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
        });
        let rtt_ms = text
            .lines()
            .find_map(|line| line.strip_prefix("rtt min/avg/max/mdev = "))
            .and_then(|times| times.split('/').nth(1)?.parse().ok());
        Ok(Self {
            sent: count("transmitted").ok_or_else(|| missing("a count of requests"))?,
            received: count("received").ok_or_else(|| missing("a count of answers"))?,
            duplicates: count("duplicates").unwrap_or(0),
            errors: count("errors").unwrap_or(0),
            mtu,
            rtt_ms,
        })
    }

    /// Whether every request was answered exactly once.
    pub fn all_answered(&self) -> bool {
        self.sent > 0 && self.received == self.sent && self.duplicates == 0 && self.errors == 0
    }
}

/// A TCP transfer from inside: octets out and octets expected in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tcp {
    /// The address to bind to; the listener's address when listening.
    pub local: Option<IpAddr>,
    /// Where to connect, or (when listening) only its port counts.
    pub remote: SocketAddr,
    /// Octets to send.
    pub send: u64,
    /// Octets to wait for.
    pub receive: u64,
    /// How long at most.
    pub within: Duration,
}

/// What came of a transfer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TcpReport {
    /// Whether the connection came about.
    pub connected: bool,
    /// Octets received.
    pub received: u64,
    /// The tool's complaint, when it had one.
    pub complaint: String,
}

/// A listener inside a peer: it is bound when this exists.
pub struct Listening {
    /// Where it listens.
    pub local: SocketAddr,
    /// Resolves when the one connection ended, or the time ran out.
    pub report: BoxFuture<'static, Result<TcpReport>>,
}

impl Tcp {
    /// The command that connects.
    pub fn connect_command(&self) -> String {
        let bind = self.local.map(|local| format!(",bind={}", host(local))).unwrap_or_default();
        let address = format!(
            "TCP:{}:{},connect-timeout=5{bind}",
            host(self.remote.ip()),
            self.remote.port()
        );
        self.transfer(&address)
    }

    /// The command that listens.
    pub fn listen_command(&self) -> String {
        let bind = self.local.map(|local| format!(",bind={}", host(local))).unwrap_or_default();
        let family = if self.remote.is_ipv6() { "TCP6-LISTEN" } else { "TCP4-LISTEN" };
        self.transfer(&format!("{family}:{},reuseaddr{bind}", self.remote.port()))
    }

    pub(crate) async fn run(&self, shell: &Shell) -> Result<TcpReport> {
        Self::report(&shell.run(&self.connect_command(), self.within).await?)
    }

    /// The child sends what was asked for, then counts; socat's "-d -d" tells of the connection.
    fn transfer(&self, address: &str) -> String {
        let work = format!("head -c {} /dev/zero; head -c {} | wc -c >&2", self.send, self.receive);
        format!("socat -d -d -t 10 {} SYSTEM:{}", quote(address), quote(&format!("\"{work}\"")))
    }

    pub(crate) fn report(finished: &crate::agent::Finished) -> Result<TcpReport> {
        let errors = finished.errors();
        let received = errors.lines().rev().find_map(|line| line.trim().parse().ok());
        // Said once both ends are open, so never when the connection did not come about.
        let connected = errors.contains("starting data transfer loop");
        let complaint =
            errors.lines().filter(|line| line.contains(" E ")).collect::<Vec<_>>().join("; ");
        match received {
            None if connected => {
                Err(Error::parse("socat's output", "expected a count of octets", &errors))
            }
            received => Ok(TcpReport { connected, received: received.unwrap_or(0), complaint }),
        }
    }
}

fn host(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const GOOD: &str = "PING 10.1.0.1 (10.1.0.1) 56(84) bytes of data.\n\
        64 bytes from 10.1.0.1: icmp_seq=1 ttl=64 time=0.543 ms\n\n\
        --- 10.1.0.1 ping statistics ---\n\
        2 packets transmitted, 2 received, 0% packet loss, time 201ms\n\
        rtt min/avg/max/mdev = 0.307/0.425/0.543/0.118 ms\n";

    #[rstest]
    #[case(GOOD, 2, 2, 0, 0, None)]
    #[case("3 packets transmitted, 0 received, 100% packet loss, time 10ms\n", 3, 0, 0, 0, None)]
    #[case(
        "3 packets transmitted, 3 received, +2 duplicates, 0% packet loss, time 1ms",
        3,
        3,
        2,
        0,
        None
    )]
    #[case(
        "2 packets transmitted, 0 received, +2 errors, 100% packet loss\nping: local error: message too long, mtu=1400",
        2,
        0,
        0,
        2,
        Some(1400)
    )]
    #[case(
        "From 10.0.0.1 icmp_seq=1 Frag needed and DF set (mtu = 1280)\n1 packets transmitted, 0 received, +1 errors, 100% packet loss",
        1,
        0,
        0,
        1,
        Some(1280)
    )]
    #[case(
        "1 packets transmitted, 1 received, 0% packet loss\n1 packets transmitted, 0 received, 100% packet loss",
        2,
        1,
        0,
        0,
        None
    )]
    fn ping_output(
        #[case] text: &str,
        #[case] sent: u32,
        #[case] received: u32,
        #[case] duplicates: u32,
        #[case] errors: u32,
        #[case] mtu: Option<u32>,
    ) {
        let report = PingReport::parse(text).unwrap();
        assert_eq!(
            (report.sent, report.received, report.duplicates, report.errors, report.mtu),
            (sent, received, duplicates, errors, mtu)
        );
    }

    #[test]
    fn ping_trouble_is_an_error() {
        assert!(PingReport::parse("ping: connect: Network is unreachable").is_err());
    }
}
