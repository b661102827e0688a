//! What a scenario checks.
//!
//! Every check has a [`CheckName`], so that a control can say which one must fail in its twin.

use std::fmt;

use ikeproof_proto::crypto::suite::{ChildSuite, IkeSuite};
use ikeproof_proto::policy::{Ikev1Mode, Selector};
use ikeproof_proto::wire::v1::num::Phase1Auth;
use serde::Deserialize;
use toml::Spanned;

use super::setup::Port;
use super::step::{Direction, Exchange};
use super::words::{Actor, IdSpec, Nets, Notify, Octets, PayloadName, Span, one_or_many};

/// `expect = { … }`: all of it must be so, within a time.
#[derive(Clone, Debug, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expect {
    /// Which peer; each of them, if none is named.
    pub peer: Option<Spanned<String>>,
    /// How long it may take: 10 s, if not said.
    pub within: Option<Span>,
    /// Both sides have an IKE SA and a child SA.
    pub established: Option<Established>,
    /// One side said no.
    pub refused: Option<Spanned<Refused>>,
    /// The edge has seen or done something.
    pub event: Option<EventPattern>,
    /// A message was seen.
    pub message: Option<MessagePattern>,
    /// The auditor has found this.
    pub finding: Option<Spanned<String>>,
    /// SPIs, algorithms, selectors and sequence numbers of both sides agree.
    pub sas_match: Option<bool>,
    /// What was seen outside.
    pub on_wire: Option<OnWire>,
    /// What is left on either side.
    pub leftover: Option<Leftover>,
}

/// An IKE SA with a child SA, on both sides; what is not said is not checked.
#[derive(Clone, Debug, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Established {
    /// The algorithms of the IKE SA.
    pub ike: Option<IkeSuite>,
    /// The algorithms of the child SA.
    pub child: Option<ChildSuite>,
    /// The selectors on the peer's side, exactly.
    #[serde(deserialize_with = "some_one_or_many")]
    pub ts_peer: Option<Vec<Selector>>,
    /// The selectors on the edge's side, exactly.
    #[serde(deserialize_with = "some_one_or_many")]
    pub ts_edge: Option<Vec<Selector>>,
    /// Whether a NAT was detected.
    pub nat: Option<bool>,
    /// The port that IKE is on by now, at the edge.
    pub port: Option<Port>,
    /// How many child SAs there are.
    pub children: Option<usize>,
    /// The credential that was used.
    pub credential: Option<IdSpec>,
    /// The mode of phase 1, which only IKEv1 has.
    pub mode: Option<Ikev1Mode>,
    /// How both sides authenticated in phase 1 of IKEv1.
    pub auth: Option<Ikev1Auth>,
    /// What was asked for again on the way, in order.
    pub retried: Option<Vec<Retry>>,
}

/// How both sides authenticate in phase 1 of IKEv1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ikev1Auth {
    /// By a pre-shared key.
    #[default]
    Psk,
    /// By RSA signatures, with certificates.
    Rsa,
    /// By a pre-shared key and the login of the initiator's user.
    XauthPsk,
    /// By RSA signatures and the login of the initiator's user.
    XauthRsa,
}

impl Ikev1Auth {
    /// The number of phase 1's attribute.
    pub const fn number(self) -> Phase1Auth {
        match self {
            Self::Psk => Phase1Auth::PRE_SHARED_KEY,
            Self::Rsa => Phase1Auth::RSA_SIGNATURES,
            Self::XauthPsk => Phase1Auth::XAUTH_INIT_PRE_SHARED,
            Self::XauthRsa => Phase1Auth::XAUTH_INIT_RSA,
        }
    }
}

/// What the first message was asked for again with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Retry {
    /// INVALID_KE_PAYLOAD.
    InvalidKe,
    /// COOKIE.
    Cookie,
}

/// How one side said no: exactly one of the first five, and `rule` and `by` not with silence or a delete.
#[derive(Clone, Debug, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Refused {
    /// With this notify, and there is no IKE SA.
    pub notify: Option<Notify>,
    /// With nothing at all.
    pub silence: Option<bool>,
    /// By a delete after the handshake.
    pub delete: Option<bool>,
    /// With this notify for the child SA, and the IKE SA stays.
    pub child: Option<Notify>,
    /// How many child SAs there are all the same, with `child`; none, if not said.
    pub children: Option<usize>,
    /// Because the other end could not prove who it is, whatever it is told: IKEv1 leaves it open.
    pub authentication: Option<bool>,
    /// The rule that the edge gave as its reason.
    pub rule: Option<String>,
    /// Who said no.
    pub by: Option<Actor>,
}

/// Something that the edge has seen or done.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventPattern {
    /// What.
    pub name: EventName,
    /// Exactly how often, since the case began.
    pub count: Option<u32>,
    /// How often at least; once, if nothing is said.
    pub at_least: Option<u32>,
}

/// A message of IKE that the edge has seen or sent, copies not counted.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MessagePattern {
    /// Who sent it.
    pub from: Actor,
    /// Its exchange.
    pub exchange: Exchange,
    /// Request or response; either, if not said.
    pub direction: Option<Direction>,
    /// A notification in it.
    pub notify: Option<Notify>,
    /// A payload of IKEv1 in it.
    pub payload: Option<PayloadName>,
    /// Whether what is in it is encrypted.
    pub encrypted: Option<bool>,
    /// Exactly how many there are, since the case began.
    pub count: Option<u32>,
    /// How many at least; one, if nothing is said.
    pub at_least: Option<u32>,
}

/// What an edge can see or do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventName {
    /// It sent a message again.
    Retransmitted,
    /// It got a message again and answered it from memory.
    AnsweredAgain,
    /// It demanded a cookie.
    CookieDemanded,
    /// It answered INVALID_KE_PAYLOAD.
    InvalidKeSent,
    /// It probed whether the peer is there.
    LivenessProbe,
    /// The peer answered such a probe.
    ProbeAnswered,
    /// It gave the peer up.
    PeerDead,
    /// It sent a NAT keepalive.
    KeepaliveSent,
    /// It got a NAT keepalive.
    KeepaliveReceived,
    /// It narrowed selectors.
    Narrowed,
    /// It followed the peer to another address or port.
    PeerMoved,
    /// An IKE SA came up.
    IkeEstablished,
    /// A child SA came up.
    ChildEstablished,
    /// The life of an IKE SA ended.
    IkeExpired,
    /// An IKE SA that was established ended, for whatever reason.
    IkeClosed,
    /// The peer deleted the IKE SA.
    IkeDeleted,
    /// A child SA ended, for whatever reason.
    ChildClosed,
    /// The peer deleted a child SA.
    ChildDeleted,
    /// A login by XAUTH was wrong.
    XauthFailed,
    /// A message of the peer was held back.
    HeldFromPeer,
    /// A message of the edge was held back.
    HeldFromEdge,
    /// It gave the peer an inner address.
    AddressAssigned,
    /// It got an inner address from the peer.
    AddressReceived,
    /// Pairs of SAs came under a newer ISAKMP SA with the same peer.
    ChildrenAdopted,
    /// It delivered a packet of the peer's that was larger than the MTU.
    OverMtu,
    /// The peer said that it has no other IKE SA.
    InitialContact,
    /// It said that a packet of ESP or AH had an invalid SPI.
    InvalidSpiTold,
    /// It dropped a packet of ESP or AH.
    TrafficDropped,
    /// It dropped a datagram.
    Dropped,
    /// It built a message with a fault in it.
    FaultApplied,
    /// A segment's MSS was lowered.
    MssClamped,
    /// A packet was too big and the sender was told.
    TooBig,
}

/// What was seen outside, in the peer's network, since the case began.
#[derive(Clone, Debug, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OnWire {
    /// ESP as an IP protocol of its own (or not).
    pub raw_esp: Option<bool>,
    /// AH, which is always a protocol of its own (or not).
    pub raw_ah: Option<bool>,
    /// ESP in UDP (or not).
    pub udp_encap: Option<bool>,
    /// Both ports of the peer look different on the edge's side of the NAT.
    pub ports_rewritten: Option<bool>,
    /// At least so many NAT keepalives.
    pub keepalives: Option<u32>,
    /// All of IKE is between ports 500.
    pub stays_on_500: Option<bool>,
    /// No fragment.
    pub no_fragments: Option<bool>,
    /// Who has sent messages of IKEv1 in fragments of their own.
    pub ike_fragments: Option<IkeFragments>,
    /// No outer packet is larger.
    pub outer_max: Option<u16>,
    /// The largest outer packet is exactly so large.
    pub outer_exactly: Option<u16>,
    /// At least so many requests were sent more than once, by either side.
    pub retransmissions: Option<u32>,
    /// At least so many datagrams arrived twice.
    pub repeated: Option<u32>,
    /// At least so many datagrams arrived behind one that had set out later.
    pub overtaken: Option<u32>,
}

/// Who has sent messages of IKEv1 in fragments (or not); what is not said is not checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IkeFragments {
    /// The tested peer.
    pub peer: Option<bool>,
    /// Our edge.
    pub edge: Option<bool>,
}

/// What is left after a case: half-open and closed SAs, policies, routes, keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Leftover {
    /// Nothing, on either side.
    None,
}

/// `traffic = { … }`: packets from inner host to inner host.
#[derive(Clone, Debug, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Traffic {
    /// Which peer; each of them, if none is named.
    pub peer: Option<Spanned<String>>,
    /// With which networks behind the peer; with the first, if not said.
    pub net: Option<Spanned<Nets>>,
    /// From where.
    pub from: From,
    /// So many echo requests, all answered.
    pub ping: Option<u32>,
    /// The size of each as an IP packet.
    pub size: Option<u16>,
    /// Whether they may not be fragmented.
    pub df: bool,
    /// Whether none of it may be readable outside.
    pub no_clear: bool,
    /// A connection.
    pub tcp: Option<Tcp>,
    /// Nothing of it must arrive.
    pub must_fail: bool,
}

/// The side that traffic starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum From {
    /// First one, then the other.
    #[default]
    Both,
    /// Behind the peer.
    Peer,
    /// Behind the edge.
    Edge,
}

/// A connection that moves octets, which must arrive unchanged.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tcp {
    /// How many.
    pub bytes: Octets,
    /// The MSS that either end is told is no larger.
    pub mss_at_most: Option<u16>,
    /// The MSS that either end is told is this.
    pub mss_exactly: Option<u16>,
}

/// `never = { …, for = "5s" }`: none of it happens for so long.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Never {
    /// How long.
    #[serde(rename = "for")]
    pub duration: Span,
    /// An event.
    pub event: Option<EventName>,
    /// A notify on the wire.
    pub notify: Option<Notify>,
    /// An IKE SA.
    #[serde(default)]
    pub established: bool,
    /// Any message of the edge.
    #[serde(default)]
    pub message: bool,
    /// Any finding of the auditor.
    #[serde(default)]
    pub finding: bool,
}

/// The name of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is named like the word that it checks")]
pub enum CheckName {
    Established,
    Refused,
    Event,
    Message,
    Finding,
    SasMatch,
    Leftover,
    Ping,
    Tcp,
    MssAtMost,
    MssExactly,
    RawEsp,
    RawAh,
    UdpEncap,
    PortsRewritten,
    Keepalives,
    #[serde(rename = "stays_on_500")]
    StaysOn500,
    NoClear,
    NoFragments,
    IkeFragments,
    OuterMax,
    OuterExactly,
    Retransmissions,
    Repeated,
    Overtaken,
    Never,
}

impl Expect {
    /// Nothing is left over.
    pub fn nothing_left() -> Self {
        Self { leftover: Some(Leftover::None), ..Self::default() }
    }

    /// The checks that it makes.
    pub fn checks(&self) -> Vec<CheckName> {
        let named = [
            (self.established.is_some(), CheckName::Established),
            (self.refused.is_some(), CheckName::Refused),
            (self.event.is_some(), CheckName::Event),
            (self.message.is_some(), CheckName::Message),
            (self.finding.is_some(), CheckName::Finding),
            (self.sas_match.is_some(), CheckName::SasMatch),
            (self.leftover.is_some(), CheckName::Leftover),
        ];
        let mut checks = present(&named);
        checks.extend(self.on_wire.iter().flat_map(OnWire::checks));
        checks
    }
}

impl OnWire {
    fn checks(&self) -> Vec<CheckName> {
        present(&[
            (self.raw_esp.is_some(), CheckName::RawEsp),
            (self.raw_ah.is_some(), CheckName::RawAh),
            (self.udp_encap.is_some(), CheckName::UdpEncap),
            (self.ports_rewritten.is_some(), CheckName::PortsRewritten),
            (self.keepalives.is_some(), CheckName::Keepalives),
            (self.stays_on_500.is_some(), CheckName::StaysOn500),
            (self.no_fragments.is_some(), CheckName::NoFragments),
            (self.ike_fragments.is_some(), CheckName::IkeFragments),
            (self.outer_max.is_some(), CheckName::OuterMax),
            (self.outer_exactly.is_some(), CheckName::OuterExactly),
            (self.retransmissions.is_some(), CheckName::Retransmissions),
            (self.repeated.is_some(), CheckName::Repeated),
            (self.overtaken.is_some(), CheckName::Overtaken),
        ])
    }
}

impl Traffic {
    /// The checks that it makes.
    pub fn checks(&self) -> Vec<CheckName> {
        let tcp = self.tcp.as_ref();
        present(&[
            (self.ping.is_some(), CheckName::Ping),
            (tcp.is_some(), CheckName::Tcp),
            (tcp.is_some_and(|tcp| tcp.mss_at_most.is_some()), CheckName::MssAtMost),
            (tcp.is_some_and(|tcp| tcp.mss_exactly.is_some()), CheckName::MssExactly),
            (self.no_clear, CheckName::NoClear),
        ])
    }
}

impl MessagePattern {
    /// Whether a message is meant, by the auditor's line about it: `INFORMATIONAL response 2 { … }`, and
    /// whether it is encrypted.
    pub fn fits(&self, summary: &str, encrypted: bool) -> bool {
        let exchange = self.exchange.number().name();
        let Some(rest) = exchange.and_then(|name| summary.strip_prefix(name)) else {
            return false;
        };
        let half = self.direction.map(|direction| match direction {
            Direction::Request => " request ",
            Direction::Response => " response ",
        });
        half.is_none_or(|half| rest.starts_with(half))
            && self.notify.is_none_or(|notify| notify.is_in(summary))
            && self.payload.is_none_or(|payload| payload.is_in(summary))
            && self.encrypted.is_none_or(|wanted| wanted == encrypted)
    }
}

impl fmt::Display for MessagePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.exchange.number().name().unwrap_or_default())?;
        match self.direction {
            Some(Direction::Request) => f.write_str(" request")?,
            Some(Direction::Response) => f.write_str(" response")?,
            None => {}
        }
        match self.encrypted {
            Some(true) => f.write_str(", encrypted")?,
            Some(false) => f.write_str(", in clear")?,
            None => {}
        }
        if let Some(PayloadName(payload)) = self.payload {
            write!(f, " with {payload}")?;
        }
        match self.notify {
            Some(Notify(notify)) => write!(f, " with {notify}"),
            None => Ok(()),
        }
    }
}

impl Refused {
    /// Whether it says exactly one way.
    pub fn is_one_way(&self) -> bool {
        let ways = [
            self.notify.is_some(),
            self.silence.is_some(),
            self.delete.is_some(),
            self.child.is_some(),
            self.authentication.is_some(),
        ];
        // What nobody says has no rule, and a delete ends what both had agreed on.
        let is_said = self.silence.is_none() && self.delete.is_none();
        ways.into_iter().filter(|way| *way).count() == 1
            && (is_said || (self.rule.is_none() && self.by.is_none()))
            && self.silence != Some(false)
            && self.delete != Some(false)
            && self.authentication != Some(false)
            && (self.children.is_none() || self.child.is_some())
    }
}

impl Never {
    /// Whether it says anything.
    pub const fn is_empty(&self) -> bool {
        let flags = self.established || self.message || self.finding;
        self.event.is_none() && self.notify.is_none() && !flags
    }
}

impl fmt::Display for CheckName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Established => "established",
            Self::Refused => "refused",
            Self::Event => "event",
            Self::Message => "message",
            Self::Finding => "finding",
            Self::SasMatch => "sas_match",
            Self::Leftover => "leftover",
            Self::Ping => "ping",
            Self::Tcp => "tcp",
            Self::MssAtMost => "mss_at_most",
            Self::MssExactly => "mss_exactly",
            Self::RawEsp => "raw_esp",
            Self::RawAh => "raw_ah",
            Self::UdpEncap => "udp_encap",
            Self::PortsRewritten => "ports_rewritten",
            Self::Keepalives => "keepalives",
            Self::StaysOn500 => "stays_on_500",
            Self::NoClear => "no_clear",
            Self::NoFragments => "no_fragments",
            Self::IkeFragments => "ike_fragments",
            Self::OuterMax => "outer_max",
            Self::OuterExactly => "outer_exactly",
            Self::Retransmissions => "retransmissions",
            Self::Repeated => "repeated",
            Self::Overtaken => "overtaken",
            Self::Never => "never",
        })
    }
}

fn present(named: &[(bool, CheckName)]) -> Vec<CheckName> {
    named.iter().filter(|(there, _)| *there).map(|(_, name)| *name).collect()
}

fn some_one_or_many<'de, D, T>(deserializer: D) -> Result<Option<Vec<T>>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    one_or_many(deserializer).map(Some)
}
