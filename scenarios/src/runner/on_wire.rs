//! `on_wire`: what was seen outside, in the peer's network.

use std::time::Duration;

use ikeproof_driver::capture::WireReport;
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
            let wrong: Vec<_> =
                parties.iter().flat_map(|party| self.wire_wrong(party, wanted)).collect();
            // What must not be there will not go away.
            let is_over =
                Instant::now() >= deadline || wrong.iter().any(|(check, _)| is_final(*check));
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

    fn wire_wrong(&self, party: &Party<'_>, wanted: &OnWire) -> Vec<(CheckName, String)> {
        let mut wrong = Vec::new();
        let report =
            party.watching.as_ref().map(super::stage::Watching::report).unwrap_or_default();
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

/// Whether a check that fails now can only go on failing.
fn is_final(check: CheckName) -> bool {
    matches!(check, CheckName::NoFragments | CheckName::OuterMax)
}
