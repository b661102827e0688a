//! From the core's events to what `serve` prints of them.
//!
//! [`Peers`] remembers who is behind an IKE SA, so that every line names the address and the identity
//! even where the event does not. It forgets them with the IKE SA.

use std::collections::HashMap;
use std::net::SocketAddr;

use ikeproof_driver::inner::InnerEvent;
use ikeproof_proto::crypto::Group;
use ikeproof_proto::event::{
    ChildEstablished, DropReason, Event, IkeEstablished, NatStatus, NotStarted, Notification,
    Offer, Role, Side,
};
use ikeproof_proto::io::IkeHandle;
use ikeproof_proto::policy::Refusal;
use ikeproof_proto::sa::TunnelId;

use super::drops;
use super::shown::{ChildUp, IkeUp, Peer, Proposal, ProposalRefused, Reason, Shown};

/// Who is behind the IKE SAs of a node.
#[derive(Debug, Default)]
pub struct Peers {
    known: HashMap<IkeHandle, (SocketAddr, Option<String>)>,
}

impl Peers {
    /// IKE SAs that have begun and not ended.
    pub fn open(&self) -> usize {
        self.known.len()
    }

    /// The event as it is shown.
    pub fn event(&mut self, event: &Event) -> Shown {
        match event {
            Event::IkeHalfOpen { ike, path, .. } => {
                self.known.insert(*ike, (path.remote, None));
            }
            Event::IkeEstablished(up) => {
                self.known.insert(up.ike, (up.path.remote, Some(up.remote_id.to_string())));
            }
            Event::PeerMoved { ike, to, .. } => {
                if let Some((remote, _)) = self.known.get_mut(ike) {
                    *remote = *to;
                }
            }
            _ => {}
        }
        let shown = self.shown(event);
        if let Event::IkeClosed { ike, .. } = event {
            self.known.remove(ike);
        }
        shown
    }

    /// What happened at an inner host; `None` for what is of no interest here.
    pub fn inner(&self, tunnel: TunnelId, event: &InnerEvent) -> Option<Shown> {
        let peer = || self.peer(IkeHandle(tunnel.0));
        Some(match event {
            InnerEvent::PingAnswered { from, to, size } => {
                Shown::PingAnswered { peer: peer(), from: *from, to: *to, octets: *size }
            }
            InnerEvent::TcpAccepted { pair, far_mss, .. } => Shown::TcpAccepted {
                peer: peer(),
                from: pair.remote,
                to: pair.local,
                mss: *far_mss,
            },
            InnerEvent::NotMine { destination } => Shown::NobodyThere {
                peer: peer(),
                destination: *destination,
                change: "serve more addresses with --inner",
            },
            _ => return None,
        })
    }

    fn peer(&self, ike: IkeHandle) -> Peer {
        let (remote, remote_id) = match self.known.get(&ike) {
            Some((remote, id)) => (Some(*remote), id.clone()),
            None => (None, None),
        };
        Peer { ike: ike.to_string(), remote, remote_id }
    }

    fn shown(&self, event: &Event) -> Shown {
        match event {
            Event::IkeHalfOpen { ike, role, path, spi_i, .. } => Shown::IkeHalfOpen {
                peer: self.peer(*ike),
                role: role_word(*role),
                local: path.local,
                spi_i: spi_i.to_string(),
            },
            Event::CookieDemanded { remote } => Shown::CookieDemanded { remote: *remote },
            Event::CookieAccepted { remote } => Shown::CookieAccepted { remote: *remote },
            Event::InitRepeated { ike, because } => {
                Shown::InitRepeated { peer: self.peer(*ike), because: because.to_string() }
            }
            Event::GroupRefused { remote, offered, wanted, answer } => {
                group_refused(*remote, *offered, *wanted, *answer)
            }
            Event::ProposalRefused { ike, remote, what, refusal, answer } => {
                let ike = ike.map(|ike| ike.to_string());
                let answer = answer.map(|answer| answer.to_string());
                let sa = if *what == Offer::Ike { "ike" } else { "child" };
                Shown::ProposalRefused(Box::new(refused(ike, *remote, sa, answer, refusal)))
            }
            Event::IdentityRefused { ike, id, rule, says, answer } => {
                self.identity_refused(*ike, id, rule, says, *answer)
            }
            Event::AuthenticationFailed { ike, id, answer } => Shown::AuthenticationFailed {
                peer: self.peer(*ike),
                id: id.clone(),
                answer: answer.map(|answer| answer.to_string()),
                change: "make the pre-shared key on the device and in --psk the same",
            },
            Event::IkeEstablished(up) => Shown::IkeEstablished(Box::new(self.ike_up(up))),
            Event::ChildEstablished(up) => Shown::ChildEstablished(Box::new(self.child_up(up))),
            Event::ChildRefused { ike, by, notify, detail } => Shown::ChildRefused {
                peer: self.peer(*ike),
                by: side_word(*by),
                notify: notify.map(|notify| notify.to_string()),
                detail: detail.clone(),
            },
            Event::PeerRefused { ike, exchange, notify, tentative } => Shown::PeerRefused {
                peer: self.peer(*ike),
                exchange: exchange.to_string(),
                notify: notify.to_string(),
                tentative: *tentative,
            },
            Event::XauthAsked { ike, of, attempt } => {
                Shown::XauthAsked { peer: self.peer(*ike), of: side_word(*of), attempt: *attempt }
            }
            Event::XauthSucceeded { ike, of, user } => Shown::XauthSucceeded {
                peer: self.peer(*ike),
                of: side_word(*of),
                user: user.clone(),
            },
            Event::XauthFailed { ike, of, user, why, last } => {
                self.login_failed(*ike, *of, user.as_deref(), why, *last)
            }
            Event::AddressAssigned { ike, to, address, pushed } => Shown::AddressAssigned {
                peer: self.peer(*ike),
                to: side_word(*to),
                address: *address,
                pushed: *pushed,
            },
            Event::ChildrenAdopted { ike, from, .. } => {
                Shown::ChildrenAdopted { peer: self.peer(*ike), from: from.0 }
            }
            Event::InitialContact { ike } => Shown::InitialContact { peer: self.peer(*ike) },
            Event::PeerMoved { ike, from, to } => {
                Shown::PeerMoved { peer: self.peer(*ike), from: *from, to: *to }
            }
            Event::Retransmitted { ike, exchange, message_id, response, attempt } => {
                Shown::Retransmitted {
                    peer: self.peer(*ike),
                    exchange: exchange.to_string(),
                    message_id: *message_id,
                    response: *response,
                    attempt: *attempt,
                }
            }
            Event::ProbeSent { ike } => Shown::ProbeSent { peer: self.peer(*ike) },
            Event::ProbeNotSent { ike, why } => self.not_probed(*ike, why),
            Event::ProbeAnswered { ike } => Shown::ProbeAnswered { peer: self.peer(*ike) },
            Event::FaultApplied { exchange, response, message_id, .. } => Shown::FaultApplied {
                exchange: exchange.to_string(),
                response: *response,
                message_id: *message_id,
            },
            Event::KeepaliveReceived { remote } => Shown::KeepaliveReceived { remote: *remote },
            Event::ChildClosed { ike, spi_in, spi_out, reason } => Shown::ChildClosed {
                peer: self.peer(*ike),
                spi_in: spi(*spi_in),
                spi_out: spi(*spi_out),
                reason: *reason,
            },
            Event::IkeClosed { ike, spi_i, spi_r, reason, established } => Shown::Closed {
                peer: self.peer(*ike),
                spi_i: spi_i.to_string(),
                spi_r: spi_r.to_string(),
                reason: *reason,
                established: *established,
            },
            Event::PeerViolation { ike, remote, requirement, message } => {
                violation(*ike, *remote, requirement, message)
            }
            Event::PacketDropped { remote, len, reason } => dropped(*remote, *len, reason),
            Event::InvalidSpiTold { ike, remote, spi } => spi_told(*ike, *remote, *spi),
            Event::InvalidSpiHeard { ike, remote, spi: number } => {
                Shown::InvalidSpiHeard { peer: self.peer(*ike), from: *remote, spi: spi(*number) }
            }
            Event::OverMtu { ike, len, mtu } => {
                Shown::OverMtu { peer: self.peer(*ike), octets: *len, mtu: *mtu }
            }
            Event::TrafficDropped { spi: number, reason } => {
                Shown::TrafficDropped { spi: spi(*number), reason: reason.clone() }
            }
            Event::NotStarted { connection, why } => not_started(connection, why),
            Event::DataPlaneRefused { reason } => {
                Shown::DataPlaneRefused { reason: reason.clone() }
            }
        }
    }

    fn not_probed(&self, ike: IkeHandle, why: &str) -> Shown {
        Shown::ProbeNotSent { peer: self.peer(ike), why: why.to_owned() }
    }

    fn identity_refused(
        &self,
        ike: IkeHandle,
        id: &str,
        rule: &str,
        says: &str,
        answer: Option<Notification>,
    ) -> Shown {
        Shown::IdentityRefused {
            peer: self.peer(ike),
            id: id.to_owned(),
            rule: rule.to_owned(),
            says: says.to_owned(),
            answer: answer.map(|answer| answer.to_string()),
        }
    }

    fn login_failed(
        &self,
        ike: IkeHandle,
        of: Side,
        user: Option<&str>,
        why: &str,
        last: bool,
    ) -> Shown {
        Shown::XauthFailed {
            peer: self.peer(ike),
            of: side_word(of),
            user: user.map(str::to_owned),
            why: why.to_owned(),
            last,
            change: "make name and password on the device and in --xauth the same",
        }
    }

    fn ike_up(&self, up: &IkeEstablished) -> IkeUp {
        IkeUp {
            peer: self.peer(up.ike),
            role: role_word(up.role),
            local: up.path.local,
            local_id: up.local_id.to_string(),
            suite: up.suite.to_string(),
            nat: nat_word(up.nat),
            spi_i: up.spi_i.to_string(),
            spi_r: up.spi_r.to_string(),
        }
    }

    fn child_up(&self, up: &ChildEstablished) -> ChildUp {
        ChildUp {
            peer: self.peer(up.ike),
            suite: up.suite.to_string(),
            ts_local: up.ts_local.iter().map(ToString::to_string).collect(),
            ts_remote: up.ts_remote.iter().map(ToString::to_string).collect(),
            udp_encapsulated: up.udp_encapsulated,
            narrowed: up.narrowed,
            spi_in: spi(up.spi_in),
            spi_out: spi(up.spi_out),
        }
    }
}

fn dropped(remote: SocketAddr, octets: usize, reason: &DropReason) -> Shown {
    Shown::PacketDropped {
        remote,
        octets,
        reason: drops::word(reason),
        detail: drops::sentence(reason),
        change: drops::change(reason),
    }
}

fn group_refused(
    remote: SocketAddr,
    offered: u16,
    wanted: u16,
    answer: Option<Notification>,
) -> Shown {
    let answer = answer.map(|answer| answer.to_string());
    Shown::GroupRefused { remote, offered: group(offered), wanted: group(wanted), answer }
}

fn spi_told(ike: Option<IkeHandle>, remote: SocketAddr, number: u32) -> Shown {
    Shown::InvalidSpiTold { ike: ike.map(|ike| ike.to_string()), remote, spi: spi(number) }
}

fn violation(
    ike: Option<IkeHandle>,
    remote: SocketAddr,
    requirement: &str,
    message: &str,
) -> Shown {
    Shown::PeerViolation {
        ike: ike.map(|ike| ike.to_string()),
        remote,
        requirement: requirement.to_owned(),
        message: message.to_owned(),
    }
}

fn not_started(connection: &str, why: &NotStarted) -> Shown {
    let why = match why {
        NotStarted::ShuttingDown => "the edge is shutting down".to_owned(),
        NotStarted::NoGroup => "no proposal names a known group".to_owned(),
        NotStarted::Unable { error } => error.clone(),
    };
    Shown::NotStarted { connection: connection.to_owned(), why }
}

fn refused(
    ike: Option<String>,
    remote: SocketAddr,
    sa: &'static str,
    answer: Option<String>,
    refusal: &Refusal,
) -> ProposalRefused {
    let mut shown = ProposalRefused {
        ike,
        remote,
        sa,
        answer,
        proposals: Vec::new(),
        more: refusal.more,
        rules: Vec::new(),
        change: Vec::new(),
    };
    for proposal in &refusal.proposals {
        let mut reasons = Vec::new();
        for reason in &proposal.reasons {
            add(&mut shown.rules, &reason.rule);
            add(&mut shown.change, &reason.change);
            reasons.push(Reason {
                rule: reason.rule.clone(),
                kind: reason.kind,
                says: reason.says.clone(),
                change: reason.change.clone(),
            });
        }
        let (number, nearest) = (proposal.number, proposal.nearest.clone());
        shown.proposals.push(Proposal { number, nearest, reasons });
    }
    shown
}

fn add(list: &mut Vec<String>, text: &str) {
    if !list.iter().any(|known| known == text) {
        list.push(text.to_owned());
    }
}

fn spi(number: u32) -> String {
    format!("{number:08x}")
}

fn group(number: u16) -> String {
    Group::from_iana(number).map_or_else(|| format!("group {number}"), |group| group.to_string())
}

fn side_word(side: Side) -> &'static str {
    match side {
        Side::Local => "edge",
        Side::Peer => "peer",
    }
}

fn role_word(role: Role) -> &'static str {
    match role {
        Role::Initiator => "initiator",
        Role::Responder => "responder",
    }
}

fn nat_word(nat: NatStatus) -> &'static str {
    match (nat.supported, nat.local, nat.peer) {
        (false, ..) => "not-detected",
        (true, false, false) => "none",
        (true, true, false) => "edge",
        (true, false, true) => "peer",
        (true, true, true) => "both",
    }
}
