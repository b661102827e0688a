//! `on_wire`: what was seen outside, in the peer's network.

use std::time::Duration;

use ikeproof_driver::capture::WireReport;
use ikeproof_proto::middlebox::{Direction, MessageKind};
use tokio::time::Instant;

use super::case::{CaseRun, Party};
use super::checks::LOOK_AGAIN;
use super::failure::{Failed, Trouble};
use super::seen;
use crate::scenario::{CheckName, OnWire};

impl CaseRun<'_> {
    pub(super) async fn on_wire(
        &self,
        parties: &[&Party<'_>],
        wanted: &OnWire,
        within: Duration,
    ) -> Result<(), Trouble> {
        // What is demanded may still be on its way through the capture.
        let deadline = Instant::now() + within;
        loop {
            let mut wrong: Vec<_> =
                parties.iter().flat_map(|party| self.wire_wrong(party, wanted)).collect();
            // What must not be there will not go away.
            let is_over =
                Instant::now() >= deadline || wrong.iter().any(|(check, _)| is_final(*check));
            let sent = self.edge_sent_data();
            let unfounded = |party: &&Party<'_>| unfounded(wanted, &party.wire_report(), sent);
            wrong.extend(parties.iter().filter_map(unfounded));
            if wrong.is_empty() {
                return Ok(());
            }
            if is_over {
                let mut failed = Failed::default();
                for (check, why) in wrong {
                    failed.note(Err(Trouble::check(check, why)))?;
                }
                return failed.result();
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Whether the edge has sent ESP or AH, whatever has become of it on the way.
    fn edge_sent_data(&self) -> bool {
        self.node.log().datagrams.iter().any(|(_, way, datagram)| {
            *way == Direction::ToPeer && matches!(datagram.kind(), MessageKind::Data { .. })
        })
    }

    fn wire_wrong(&self, party: &Party<'_>, wanted: &OnWire) -> Vec<(CheckName, String)> {
        let mut wrong = Vec::new();
        let report = party.wire_report();
        let log = self.node.log();
        let WireReport { esp_raw, esp_udp, ah, keepalives, fragments, largest, ports, .. } =
            &report;
        let differs =
            |wanted: Option<bool>, seen: bool| wanted.is_some_and(|wanted| wanted != seen);
        let number = |octets: u16| usize::from(octets);
        if differs(wanted.raw_esp, *esp_raw > 0) {
            wrong.push((CheckName::RawEsp, format!("{esp_raw} packets of raw ESP were seen")));
        }
        if differs(wanted.raw_ah, *ah > 0) {
            wrong.push((CheckName::RawAh, format!("{ah} packets of AH were seen")));
        }
        if differs(wanted.udp_encap, *esp_udp > 0) {
            wrong.push((CheckName::UdpEncap, format!("{esp_udp} packets of ESP in UDP were seen")));
        }
        let outside = seen::outside_ports(&log);
        let rewritten =
            outside.len() >= 2 && !outside.iter().any(|port| [500, 4500].contains(port));
        if differs(wanted.ports_rewritten, rewritten) {
            let why = format!("the edge sees the peer's ports {outside:?}");
            wrong.push((CheckName::PortsRewritten, why));
        }
        if let Some(least) = wanted.keepalives
            && *keepalives < u64::from(least)
        {
            let why = format!("{keepalives} keepalives were seen, expected {least}");
            wrong.push((CheckName::Keepalives, why));
        }
        let on_500 = !ports.is_empty() && ports.keys().all(|pair| *pair == (500, 500));
        if differs(wanted.stays_on_500, on_500) {
            let ports: Vec<_> = ports.keys().collect();
            wrong.push((
                CheckName::StaysOn500,
                format!("ports seen, source and destination: {ports:?}"),
            ));
        }
        if wanted.no_fragments == Some(true) && *fragments > 0 {
            wrong.push((CheckName::NoFragments, format!("{fragments} outer fragments were seen")));
        }
        if let Some(wanted) = wanted.ike_fragments {
            let (of_peer, of_edge) = seen::ike_fragments(&log);
            if differs(wanted.peer, of_peer > 0) || differs(wanted.edge, of_edge > 0) {
                let why = format!(
                    "{of_peer} fragments of messages of the peer were seen, and {of_edge} of the edge"
                );
                wrong.push((CheckName::IkeFragments, why));
            }
        }
        if let Some(most) = wanted.outer_max
            && *largest > number(most)
        {
            let why = format!("an outer packet has {largest} octets, at most {most} are allowed");
            wrong.push((CheckName::OuterMax, why));
        }
        if let Some(exactly) = wanted.outer_exactly
            && *largest != number(exactly)
        {
            let why = format!("the largest outer packet has {largest} octets, expected {exactly}");
            wrong.push((CheckName::OuterExactly, why));
        }
        let (repeated, overtaken) = seen::disturbed(&log);
        let sent_again = seen::requests_sent_again(&log);
        for (name, least, seen, what) in [
            (
                CheckName::Retransmissions,
                wanted.retransmissions,
                sent_again,
                "requests were sent more than once",
            ),
            (CheckName::Repeated, wanted.repeated, repeated, "datagrams arrived twice"),
            (CheckName::Overtaken, wanted.overtaken, overtaken, "datagrams were overtaken"),
        ] {
            if let Some(least) = least
                && seen < usize::try_from(least).unwrap_or(usize::MAX)
            {
                wrong.push((name, format!("{seen} {what}, expected {least}")));
            }
        }
        wrong
    }
}

/// The check that holds only because nothing was seen that could break it: no ESP or AH in the peer's
/// network, nor any `sent` by the edge.
fn unfounded(wanted: &OnWire, report: &WireReport, sent: bool) -> Option<(CheckName, String)> {
    let WireReport { esp_raw, esp_udp, ah, ike, .. } = report;
    let of_data = [
        (CheckName::RawEsp, wanted.raw_esp == Some(false)),
        (CheckName::RawAh, wanted.raw_ah == Some(false)),
        (CheckName::UdpEncap, wanted.udp_encap == Some(false)),
        (CheckName::NoFragments, wanted.no_fragments == Some(true)),
        (CheckName::OuterMax, wanted.outer_max.is_some()),
    ];
    let needs_data = of_data.into_iter().find(|(_, is_asked)| *is_asked).map(|(check, _)| check);
    if let Some(check) = needs_data.filter(|_| esp_raw + esp_udp + ah == 0 && !sent) {
        return Some((check, "no packet of ESP or AH was seen".to_owned()));
    }
    let needs_ike = wanted.ike_fragments.map(|_| CheckName::IkeFragments);
    let check = needs_ike.filter(|_| *ike == 0)?;
    Some((check, "no message of IKE was seen".to_owned()))
}

/// Whether a check that fails now can only go on failing.
fn is_final(check: CheckName) -> bool {
    matches!(check, CheckName::NoFragments | CheckName::OuterMax)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("raw_esp = false", Some(CheckName::RawEsp))]
    #[case("raw_ah = false", Some(CheckName::RawAh))]
    #[case("udp_encap = false", Some(CheckName::UdpEncap))]
    #[case("no_fragments = true", Some(CheckName::NoFragments))]
    #[case("outer_max = 1500", Some(CheckName::OuterMax))]
    #[case("ike_fragments = { peer = false }", Some(CheckName::IkeFragments))]
    #[case("raw_esp = true", None)]
    fn what_is_not_there_needs_something_that_is(
        #[case] wanted: &str,
        #[case] check: Option<CheckName>,
    ) {
        let wanted: OnWire = toml::from_str(wanted).unwrap();
        let nothing = WireReport { frames: 7, ..WireReport::default() };
        assert_eq!(unfounded(&wanted, &nothing, false).map(|(check, _)| check), check);
        let something = WireReport { ike: 1, esp_raw: 1, ..nothing };
        assert_eq!(unfounded(&wanted, &something, false), None);
    }
}
