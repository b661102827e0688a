//! What is asked of a node, and the wait for what comes of it.
//!
//! Each wait looks at events from a given place in the log on, so that what was there before does not
//! count, and ends with the event: no clock is polled.

use std::{collections::BTreeMap, time::Duration};

use ikeproof_driver::node::{Log, Node};
use ikeproof_proto::{
    config::Connection,
    event::Event,
    io::{ChildAsk, Command, IkeHandle},
    sa::{Counters, TunnelId},
};

use super::{describe, sas::LiveChild};
use crate::{Error, Result, peer::Initiated};

/// How long a delete may take.
pub(super) const DELETE: Duration = Duration::from_secs(10);
/// From the IKE SA to its child SA, which come up in one step.
const AT_ONCE: Duration = Duration::from_millis(500);

/// Initiates a connection and waits for the outcome.
pub(super) async fn initiate(
    node: &Node,
    wanted: Connection,
    within: Duration,
) -> Result<Initiated> {
    let (from, name) = (node.log().events.len(), wanted.name.clone());
    node.command(Command::Initiate(Box::new(wanted)));
    let begun = |events: &[(_, Event)]| {
        events.iter().find_map(|(_, event)| match event {
            Event::IkeHalfOpen { ike, connection: Some(of), .. } if *of == name => Some(*ike),
            _ => None,
        })
    };
    let settled = |events: &[(_, Event)]| {
        let ike = begun(events)?;
        describe::outcome(ike, events.iter().map(|(_, event)| event))
    };
    let is_up = |events: &[(_, Event)]| {
        let ike = begun(events)?;
        let established =
            |event: &Event| matches!(event, Event::IkeEstablished(of) if of.ike == ike);
        events.iter().any(|(_, event)| established(event)).then_some(())
    };
    let first = node.wait(within, |log| {
        let events = log.events.get(from..)?;
        settled(events).map(Some).or_else(|| is_up(events).map(|()| None))
    });
    match first.await {
        None => Ok(Initiated::StillTrying),
        Some(Some(outcome)) => Ok(outcome),
        Some(None) => {
            let child = node.wait(AT_ONCE, |log| settled(log.events.get(from..)?)).await;
            let why = "the IKE SA is up, but its child SA cannot be run by this side: \
                the answer asks for what its data plane does not do";
            Ok(child.unwrap_or_else(|| Initiated::Failed(why.to_owned())))
        }
    }
}

/// Asks for child SAs under an IKE SA that is up, and waits for the outcome of the first.
pub(super) async fn ask(
    node: &Node,
    ike: IkeHandle,
    asks: Vec<ChildAsk>,
    within: Duration,
) -> Result<Initiated> {
    let from = node.log().events.len();
    for ask in asks {
        node.command(Command::CreateChild { ike, ask: Box::new(ask) });
    }
    let settled = node.wait(within, |log| {
        describe::outcome(ike, log.events.get(from..)?.iter().map(|(_, event)| event))
    });
    Ok(settled.await.unwrap_or(Initiated::StillTrying))
}

/// Deletes IKE SAs and waits until they are closed.
pub(super) async fn delete_ike(
    node: &Node,
    from: usize,
    all: &[IkeHandle],
    within: Duration,
) -> Result<()> {
    for ike in all {
        node.command(Command::DeleteIke { ike: *ike });
    }
    let closed = |log: &Log, ike: IkeHandle| {
        let mut events = log.events.iter().skip(from);
        events.any(|(_, event)| matches!(event, Event::IkeClosed { ike: of, .. } if *of == ike))
    };
    let done = node.wait(within, |log| all.iter().all(|ike| closed(log, *ike)).then_some(()));
    done.await.ok_or_else(|| late("the end of the IKE SA", within))
}

/// Deletes child SAs by the SPIs that they receive on, and waits until they are closed.
pub(super) async fn delete_children(
    node: &Node,
    from: usize,
    all: &[(IkeHandle, u32)],
) -> Result<()> {
    for (ike, spi) in all {
        node.command(Command::DeleteChild { ike: *ike, spi: *spi });
    }
    let is_end = |event: &Event, ike: IkeHandle, spi: u32| match event {
        Event::ChildClosed { ike: of, spi_in, .. } => *of == ike && *spi_in == spi,
        Event::IkeClosed { ike: of, .. } => *of == ike,
        _ => false,
    };
    let done = node.wait(DELETE, |log| {
        let closed = |(ike, spi): &(IkeHandle, u32)| {
            log.events.iter().skip(from).any(|(_, event)| is_end(event, *ike, *spi))
        };
        all.iter().all(closed).then_some(())
    });
    done.await.ok_or_else(|| late("the end of the child SA", DELETE))
}

/// What passed through child SAs, by the SPI that they receive on.
pub(super) async fn count(
    node: &Node,
    live: Vec<LiveChild>,
) -> BTreeMap<u32, (Counters, Counters)> {
    let counted = node.inspect(move |edge| {
        let plane = edge.data_plane();
        let of = |child: &LiveChild| {
            let received = plane.inbound(child.spi_in)?.counters();
            let mut outbound = plane.outbound(TunnelId(child.tunnel));
            let sent = outbound.find(|(sa, _)| sa.spi() == child.spi_out)?.0.counters();
            Some((child.spi_in, (received, sent)))
        };
        live.iter().filter_map(of).collect()
    });
    counted.await.unwrap_or_default()
}

fn late(what: &str, within: Duration) -> Error {
    let last = String::from("the delete is not answered");
    Error::Timeout { what: what.to_owned(), within, last }
}
