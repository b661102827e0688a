//! Child SAs and rekeyed IKE SAs: which SPIs there are, and whose they are (RFC 7296, sections
//! 1.3.2, 1.3.3, 1.4.1 and 2.8).

use ikeproof_proto::wire::v2::{Payload, Proposal};
use ikeproof_proto::wire::{ExchangeType, IkeSpi, NotifyType, PayloadType, ProtocolId};

use super::message::{Message, body};
use super::session::{Child, Session};
use crate::esp::{ChildFacts, Esp};
use crate::finding::Report;
use crate::limits;
use crate::observed::Sender;
use crate::rules;

/// Judges what a request says about Child SAs, and notes what it offers.
pub(crate) fn judge_request(
    report: &mut Report<'_>,
    session: &Session,
    esp: &mut Esp,
    request: &Message,
) {
    let by = report.frame().by;
    if let Some((part, notify)) = request.notify(NotifyType::REKEY_SA)
        && let Ok(spi) = <[u8; 4]>::try_from(notify.spi.as_slice()).map(u32::from_be_bytes)
    {
        report.applies(&[rules::REKEY_SPI]);
        if is_outbound(session, by, spi) {
            let says = format!("REKEY_SA names {spi:#010x}, which the sender sends with");
            report.say(rules::REKEY_SPI, body(part) + 4, says);
        }
        judge_new_spi(report, session, request, by, Some(spi));
    }
    judge_deletes(report, session, request);
    if let Some((_, sa)) = request.sa() {
        for spi in sa.proposals.iter().filter_map(child_spi) {
            esp.offer(by, spi);
        }
    }
}

/// Judges what a response says about Child SAs, and notes the SA that it makes. Returns the IKE SA
/// that a rekey has made.
pub(crate) fn judge_response(
    report: &mut Report<'_>,
    session: &mut Session,
    esp: &mut Esp,
    request: &Message,
    response: &Message,
) -> Option<Session> {
    judge_deletes(report, session, response);
    let (_, sa) = response.sa()?;
    let (_, offer) = request.sa()?;
    let chosen = sa.proposals.first()?;
    let offered = offer
        .proposals
        .iter()
        .find(|offered| offered.number == chosen.number)
        .or_else(|| offer.proposals.first())?;
    if request.notify(NotifyType::REKEY_SA).is_some() {
        judge_new_spi(report, session, response, response.frame.by, None);
    }
    if chosen.protocol == ProtocolId::IKE {
        if response.exchange() != ExchangeType::CREATE_CHILD_SA {
            return None;
        }
        return rekeyed(session, request, offered, chosen);
    }
    let (Some(requested), Some(answered)) = (child_spi(offered), child_spi(chosen)) else {
        return None;
    };
    let child = match request.frame.by {
        Sender::Edge => Child { edge: requested, peer: answered },
        Sender::Peer => Child { edge: answered, peer: requested },
    };
    session.children.retain(|old| (old.edge, old.peer) != (child.edge, child.peer));
    session.children.push(child);
    if session.children.len() > limits::EXCHANGES {
        session.children.remove(0);
    }
    let facts = ChildFacts { nat: session.nat };
    esp.negotiate(request.frame.by, requested, facts);
    esp.negotiate(response.frame.by, answered, facts);
    None
}

/// The IKE SA that a rekey makes: the requester is its initiator and its children move over.
fn rekeyed(
    session: &Session,
    request: &Message,
    offered: &Proposal,
    chosen: &Proposal,
) -> Option<Session> {
    let spi_i = IkeSpi(offered.spi.as_slice().try_into().ok()?);
    let spi_r = IkeSpi(chosen.spi.as_slice().try_into().ok()?);
    let mut new = Session::new(spi_i, spi_r, request.frame.by, true);
    new.rekeyed = true;
    new.authenticated = true;
    new.nat = session.nat;
    new.chosen = Some(chosen.clone());
    new.children.clone_from(&session.children);
    for window in &mut new.windows {
        window.next = Some(0);
    }
    Some(new)
}

/// The SPI of a proposal for a Child SA.
fn child_spi(proposal: &Proposal) -> Option<u32> {
    let child = matches!(proposal.protocol, ProtocolId::ESP | ProtocolId::AH);
    let spi = <[u8; 4]>::try_from(proposal.spi.as_slice()).ok()?;
    child.then_some(u32::from_be_bytes(spi))
}

/// Whether the other side receives with this SPI, and `side` does not.
fn is_outbound(session: &Session, side: Sender, spi: u32) -> bool {
    session.children.iter().any(|child| child.inbound(side.other()) == spi)
        && !session.children.iter().any(|child| child.inbound(side) == spi)
}

/// A rekeyed child has a new SPI: `old` or any other of its sender is in use.
fn judge_new_spi(
    report: &mut Report<'_>,
    session: &Session,
    message: &Message,
    side: Sender,
    old: Option<u32>,
) {
    let Some((part, sa)) = message.sa() else { return };
    for spi in sa.proposals.iter().filter_map(child_spi) {
        report.applies(&[rules::SPIS_DIFFER]);
        let used = session.children.iter().any(|child| child.inbound(side) == spi);
        if used || old == Some(spi) {
            let says = format!("the new SA has the SPI {spi:#010x} of an old one");
            report.say(rules::SPIS_DIFFER, body(part) + 8, says);
        }
    }
}

fn judge_deletes(report: &mut Report<'_>, session: &Session, message: &Message) {
    let by = message.frame.by;
    for part in message.parts().filter(|part| part.raw.kind == PayloadType::DELETE) {
        let Payload::Delete(delete) = &part.typed else { continue };
        for (index, spi) in delete.spis.iter().enumerate() {
            let Ok(spi) = <[u8; 4]>::try_from(spi.as_slice()).map(u32::from_be_bytes) else {
                continue;
            };
            report.applies(&[rules::DELETE_INBOUND]);
            if is_outbound(session, by, spi) {
                let says = format!("Delete names {spi:#010x}, which the sender sends with");
                report.say(rules::DELETE_INBOUND, body(part) + 4 + 4 * index, says);
            }
        }
    }
}
