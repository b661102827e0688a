//! What the edge's log says about one peer: its SAs, how it was refused, what was counted.

use std::collections::{BTreeMap, BTreeSet};

use ikeproof_driver::inner::InnerEvent;
use ikeproof_driver::node::Log;
use ikeproof_proto::event::{
    ChildEstablished, CloseReason, Event, IkeEstablished, Notification, Offer, Side,
};
use ikeproof_proto::io::IkeHandle;
use ikeproof_proto::middlebox::{
    Datagram, Direction, MessageKey, MessageKind, MiddleboxEvent, Transport,
};
use ikeproof_proto::wire::NotifyType;
use ikeproof_proto::wire::v1::PayloadKind;
use ikeproof_proto::wire::v2::Id;

use crate::scenario::{EventName, Retry};

/// An IKE SA that the log tells of, with its Child SAs.
#[derive(Clone, Debug)]
pub struct Tunnel {
    /// The IKE SA.
    pub ike: IkeEstablished,
    /// Its Child SAs that are up.
    pub children: Vec<ChildEstablished>,
}

/// The IKE SAs that are up, with a peer of this identity, or with any.
pub fn tunnels(log: &Log, peer: Option<&Id>) -> Vec<Tunnel> {
    let mut tunnels = Tunnels::of(peer.cloned());
    tunnels.read(log).cloned().collect()
}

/// The IKE SAs that are up, kept current while a log grows: only what is new is read.
#[derive(Clone, Debug, Default)]
pub struct Tunnels {
    peer: Option<Id>,
    read: usize,
    up: BTreeMap<IkeHandle, Tunnel>,
}

impl Tunnels {
    /// Those with a peer of this identity, or with any.
    pub fn of(peer: Option<Id>) -> Self {
        Self { peer, ..Self::default() }
    }

    /// Those that are up now. It must be the same log each time.
    pub fn read(&mut self, log: &Log) -> impl ExactSizeIterator<Item = &Tunnel> {
        let new = log.events.get(self.read..).unwrap_or_default();
        self.read = log.events.len();
        new.iter().for_each(|(_, event)| self.take(event));
        self.up.values()
    }

    fn take(&mut self, event: &Event) {
        match event {
            Event::IkeEstablished(ike)
                if self.peer.as_ref().is_none_or(|peer| *peer == ike.remote_id) =>
            {
                let tunnel = Tunnel { ike: (**ike).clone(), children: Vec::new() };
                self.up.insert(ike.ike, tunnel);
            }
            Event::ChildEstablished(child) => {
                if let Some(tunnel) = self.up.get_mut(&child.ike) {
                    tunnel.children.push((**child).clone());
                }
            }
            Event::ChildrenAdopted { ike, from, .. } => {
                let old = self.up.get_mut(from).map(|old| std::mem::take(&mut old.children));
                if let Some(new) = self.up.get_mut(ike) {
                    new.children.extend(old.into_iter().flatten());
                }
            }
            Event::ChildClosed { ike, spi_in, .. } => {
                if let Some(tunnel) = self.up.get_mut(ike) {
                    tunnel.children.retain(|child| child.spi_in != *spi_in);
                }
            }
            Event::IkeClosed { ike, .. } => {
                self.up.remove(ike);
            }
            _ => {}
        }
    }
}

/// How many IKE SAs the edge holds, half-open ones included.
pub fn open_sas(log: &Log) -> usize {
    let mut open = 0_usize;
    for (_, event) in &log.events {
        match event {
            Event::IkeHalfOpen { .. } => open += 1,
            Event::IkeClosed { .. } => open = open.saturating_sub(1),
            _ => {}
        }
    }
    open
}

/// A refusal that the log tells of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Who refused.
    pub by: Side,
    /// With what, if anything was said.
    pub notify: Option<Notification>,
    /// Because the other end could not prove who it is.
    pub authentication: bool,
    /// Only the Child SA; the IKE SA stays.
    pub child: bool,
    /// The rules that were named, or the reason given.
    pub rules: Vec<String>,
    /// In full.
    pub text: String,
}

/// All refusals so far.
pub fn refusals(log: &Log) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    // The rules of a Child SA's offer stand in the event before its refusal.
    let mut child_rules = (Vec::new(), String::new());
    // Of the logins that failed only the last one ends the SA.
    let mut login = None;
    for (_, event) in &log.events {
        match event {
            Event::ProposalRefused { what: Offer::Ike, refusal, answer, .. } => {
                refusals.push(Refusal {
                    by: Side::Local,
                    notify: *answer,
                    authentication: false,
                    child: false,
                    rules: rules_of(refusal),
                    text: refusal.to_string(),
                });
            }
            Event::ProposalRefused { what: Offer::Child, refusal, .. } => {
                child_rules = (rules_of(refusal), refusal.to_string());
            }
            Event::GroupRefused { offered, wanted, answer, .. } => refusals.push(Refusal {
                by: Side::Local,
                notify: *answer,
                authentication: false,
                child: false,
                rules: Vec::new(),
                text: format!("group {offered} came, group {wanted} is wanted"),
            }),
            Event::IdentityRefused { rule, says, id, answer, .. } => refusals.push(Refusal {
                by: Side::Local,
                notify: *answer,
                authentication: false,
                child: false,
                rules: vec![rule.clone()],
                text: format!("{id}: {says} [{rule}]"),
            }),
            Event::AuthenticationFailed { id, answer, .. } => refusals.push(Refusal {
                by: Side::Local,
                notify: *answer,
                authentication: true,
                child: false,
                rules: Vec::new(),
                text: format!("AUTH of {id} does not fit its key"),
            }),
            Event::XauthFailed { of: Side::Peer, user, why, last: true, .. } => {
                let user = user.as_deref().unwrap_or("nobody");
                login = Some(format!("the login of {user}: {why}"));
            }
            Event::XauthFailed { of: Side::Local, user, why, last: true, .. } => {
                refusals.push(Refusal {
                    by: Side::Peer,
                    notify: None,
                    authentication: true,
                    child: false,
                    rules: Vec::new(),
                    text: format!("the login of {}: {why}", user.as_deref().unwrap_or("nobody")),
                });
            }
            // Whoever deletes the SA then: libreswan does it itself.
            Event::IkeClosed { established: true, .. } if login.is_some() => {
                refusals.push(Refusal {
                    by: Side::Local,
                    notify: None,
                    authentication: true,
                    child: false,
                    rules: Vec::new(),
                    text: login.take().unwrap_or_default(),
                });
            }
            Event::ChildRefused { by, notify, detail, .. } => {
                let (mut rules, text) = std::mem::take(&mut child_rules);
                rules.push(detail.clone());
                let text = if text.is_empty() { detail.clone() } else { text };
                refusals.push(Refusal {
                    by: *by,
                    notify: *notify,
                    authentication: false,
                    child: true,
                    rules,
                    text,
                });
            }
            Event::PeerRefused { notify, exchange, .. } => refusals.push(Refusal {
                by: Side::Peer,
                notify: Some(*notify),
                authentication: false,
                child: false,
                rules: Vec::new(),
                text: format!("the peer answered {exchange} with {notify}"),
            }),
            _ => {}
        }
    }
    refusals
}

fn rules_of(refusal: &ikeproof_proto::policy::Refusal) -> Vec<String> {
    let reasons = refusal.proposals.iter().flat_map(|proposal| &proposal.reasons);
    reasons.map(|reason| reason.rule.clone()).collect()
}

/// Whether a rule is named, as a word of its own.
pub fn names(rules: &[String], rule: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '.' || c == '-';
    rules.iter().any(|text| text.split(|c| !is_part(c)).any(|word| word == rule))
}

/// What was asked for again on the way, in order.
pub fn retries(log: &Log) -> Vec<Retry> {
    let retry = |notify: NotifyType| match notify {
        NotifyType::COOKIE => Some(Retry::Cookie),
        NotifyType::INVALID_KE_PAYLOAD => Some(Retry::InvalidKe),
        _ => None,
    };
    log.events
        .iter()
        .filter_map(|(_, event)| match event {
            Event::InitRepeated { because, .. } => retry(*because),
            Event::CookieDemanded { .. } => Some(Retry::Cookie),
            Event::GroupRefused { answer: Some(_), .. } => Some(Retry::InvalidKe),
            _ => None,
        })
        .collect()
}

/// How often something has happened.
pub fn count(log: &Log, name: EventName) -> usize {
    let events = |is: fn(&Event) -> bool| log.events.iter().filter(|(_, event)| is(event)).count();
    match name {
        EventName::Retransmitted => {
            events(|event| matches!(event, Event::Retransmitted { response: false, .. }))
        }
        EventName::AnsweredAgain => {
            events(|event| matches!(event, Event::Retransmitted { response: true, .. }))
        }
        EventName::CookieDemanded => events(|event| matches!(event, Event::CookieDemanded { .. })),
        EventName::InvalidKeSent => {
            events(|event| matches!(event, Event::GroupRefused { answer: Some(_), .. }))
        }
        EventName::ProbeAnswered => events(|event| matches!(event, Event::ProbeAnswered { .. })),
        EventName::LivenessProbe => events(|event| matches!(event, Event::ProbeSent { .. })),
        EventName::PeerDead => {
            events(|event| matches!(event, Event::IkeClosed { reason: CloseReason::DeadPeer, .. }))
        }
        EventName::KeepaliveSent => log
            .datagrams
            .iter()
            .filter(|(_, direction, datagram)| {
                *direction == Direction::ToPeer
                    && datagram.transport == Transport::Udp
                    && datagram.bytes == [0xff]
            })
            .count(),
        EventName::KeepaliveReceived => {
            events(|event| matches!(event, Event::KeepaliveReceived { .. }))
        }
        EventName::Narrowed => {
            events(|event| matches!(event, Event::ChildEstablished(child) if child.narrowed))
        }
        EventName::PeerMoved => events(|event| matches!(event, Event::PeerMoved { .. })),
        EventName::ChildrenAdopted => {
            events(|event| matches!(event, Event::ChildrenAdopted { .. }))
        }
        EventName::IkeEstablished => events(|event| matches!(event, Event::IkeEstablished(_))),
        EventName::ChildEstablished => events(|event| matches!(event, Event::ChildEstablished(_))),
        EventName::IkeExpired => {
            events(|event| matches!(event, Event::IkeClosed { reason: CloseReason::Expired, .. }))
        }
        EventName::IkeClosed => {
            events(|event| matches!(event, Event::IkeClosed { established: true, .. }))
        }
        EventName::IkeDeleted => events(|event| {
            matches!(event, Event::IkeClosed { reason: CloseReason::DeletedByPeer, .. })
        }),
        EventName::ChildClosed => events(|event| matches!(event, Event::ChildClosed { .. })),
        EventName::ChildDeleted => events(|event| {
            matches!(event, Event::ChildClosed { reason: CloseReason::DeletedByPeer, .. })
        }),
        EventName::XauthFailed => {
            events(|event| matches!(event, Event::XauthFailed { of: Side::Peer, .. }))
        }
        EventName::HeldFromPeer => held(log, Direction::ToEdge),
        EventName::HeldFromEdge => held(log, Direction::ToPeer),
        EventName::AddressAssigned => {
            events(|event| matches!(event, Event::AddressAssigned { to: Side::Peer, .. }))
        }
        EventName::AddressReceived => {
            events(|event| matches!(event, Event::AddressAssigned { to: Side::Local, .. }))
        }
        EventName::FaultApplied => events(|event| matches!(event, Event::FaultApplied { .. })),
        EventName::OverMtu => events(|event| matches!(event, Event::OverMtu { .. })),
        EventName::InitialContact => events(|event| matches!(event, Event::InitialContact { .. })),
        EventName::InvalidSpiTold => events(|event| matches!(event, Event::InvalidSpiTold { .. })),
        EventName::TrafficDropped => events(|event| matches!(event, Event::TrafficDropped { .. })),
        EventName::Dropped => events(|event| matches!(event, Event::PacketDropped { .. })),
        EventName::MssClamped => log
            .observations
            .iter()
            .filter(|(_, _, seen)| seen.mss.is_some_and(|mss| mss.after < mss.seen))
            .count(),
        EventName::TooBig => {
            let told = |event: &InnerEvent| matches!(event, InnerEvent::TooBig { .. });
            log.inner.iter().filter(|(_, _, event)| told(event)).count()
        }
    }
}

/// How many datagrams of one side were held back.
fn held(log: &Log, way: Direction) -> usize {
    let is_held = |event: &MiddleboxEvent| matches!(event, MiddleboxEvent::Held { direction, .. } if *direction == way);
    log.middlebox.iter().filter(|(_, event)| is_held(event)).count()
}

/// How many requests of IKE were sent more than once, whoever sent them, after something had happened to
/// them or to their answers: the network in between lost one, or a fault spoilt it. A peer that is merely
/// slow makes for repetitions, too, and these prove nothing. Copies that the network made are not counted.
pub fn requests_sent_again(log: &Log) -> usize {
    let spoilt = spoilt(log);
    let mut requests: BTreeMap<(bool, MessageKey), Sent<'_>> = BTreeMap::new();
    // The edge's datagrams are logged as they leave it, the peer's as they arrive.
    for (_, direction, datagram) in &log.datagrams {
        if let MessageKind::Ike(key) = datagram.kind() {
            let sent = requests.entry((*direction == Direction::ToEdge, key)).or_default();
            sent.copies += 1;
            sent.messages.insert(&datagram.bytes);
        }
    }
    for (_, event) in &log.middlebox {
        match event {
            MiddleboxEvent::Dropped {
                direction: Direction::ToEdge,
                message: MessageKind::Ike(key),
                ..
            } => requests.entry((true, *key)).or_default().copies += 1,
            MiddleboxEvent::Repeated {
                direction: Direction::ToEdge,
                message: MessageKind::Ike(key),
                ..
            } => requests.entry((true, *key)).or_default().made_between += 1,
            _ => {}
        }
    }
    let again = |((_, key), sent): &(&(bool, MessageKey), &Sent<'_>)| {
        // A first request that a cookie or another group was asked of is sent anew, not again.
        let once = sent.messages.len().max(1);
        let named = (key.exchange, key.message_id);
        !key.response
            && sent.copies.saturating_sub(sent.made_between) > once
            && spoilt.contains(&named)
    };
    requests.iter().filter(again).count()
}

/// The exchanges, by type and Message ID, of which a message was lost on the way or sent with a fault.
fn spoilt(log: &Log) -> BTreeSet<(u8, u32)> {
    let lost = log.middlebox.iter().filter_map(|(_, event)| match event {
        MiddleboxEvent::Dropped { message: MessageKind::Ike(key), .. } => {
            Some((key.exchange, key.message_id))
        }
        _ => None,
    });
    let faulty = log.events.iter().filter_map(|(_, event)| match event {
        Event::FaultApplied { exchange, message_id, .. } => Some((exchange.0, *message_id)),
        _ => None,
    });
    lost.chain(faulty).collect()
}

/// The datagrams of one message.
#[derive(Default)]
struct Sent<'a> {
    copies: usize,
    made_between: usize,
    messages: BTreeSet<&'a [u8]>,
}

/// How many datagrams the network in between repeated, and how many were overtaken there.
pub fn disturbed(log: &Log) -> (usize, usize) {
    let count = |is_meant: fn(&MiddleboxEvent) -> bool| {
        log.middlebox.iter().filter(|(_, event)| is_meant(event)).count()
    };
    let repeated = count(|event| matches!(event, MiddleboxEvent::Repeated { .. }));
    (repeated, count(|event| matches!(event, MiddleboxEvent::Overtaken { .. })))
}

/// How many fragments of messages of IKEv1 the peers and the edge have sent.
pub fn ike_fragments(log: &Log) -> (usize, usize) {
    let is_fragment = |datagram: &Datagram| {
        let bytes = &datagram.bytes[..];
        // In front of a cookie, which is never 0, there may be the non-ESP marker.
        let message = bytes.strip_prefix(&[0; 4]).unwrap_or(bytes);
        matches!(datagram.kind(), MessageKind::Ike(MessageKey { major: 1, .. }))
            && message.get(NEXT_PAYLOAD_AT) == Some(&PayloadKind::FRAGMENT.0)
    };
    let sent = |way: Direction| {
        let all = log.datagrams.iter();
        all.filter(|(_, to, datagram)| *to == way && is_fragment(datagram)).count()
    };
    (sent(Direction::ToEdge), sent(Direction::ToPeer))
}

/// Where a header names the first payload (RFC 2408, section 3.1).
const NEXT_PAYLOAD_AT: usize = 16;

/// The ports of the peers as the edge sees them.
pub fn outside_ports(log: &Log) -> Vec<u16> {
    let mut ports: Vec<u16> = log
        .datagrams
        .iter()
        .filter(|(_, direction, datagram)| {
            *direction == Direction::ToEdge && datagram.transport == Transport::Udp
        })
        .map(|(_, _, datagram)| datagram.remote.port())
        .collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}
