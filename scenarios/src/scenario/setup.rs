//! Who takes part in a scenario, and the network between them.

use std::collections::BTreeMap;

use ikeproof_proto::config::{Fragmentation, InvalidSpi, ModeConfig, NatTraversal};
use ikeproof_proto::policy::{
    AddressPool, ChildOffer, GroupChoice, IkeOffer, Ikev1Mode, Order, Selector, TsMode,
};
use ikeproof_vendors::peer::Mode;
use serde::Deserialize;
use toml::Spanned;

use super::expect::Ikev1Auth;
use super::fault::FaultSpec;
use super::words::{IdSpec, Lifetime, Octets, Span, one_or_many};

/// `[[edge]]`: our side. Everything has a default.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edge {
    /// What steps and peers call it.
    #[serde(default = "edge_name")]
    pub name: Spanned<String>,
    /// The profile: a name or a path; the run's, if none is named.
    pub profile: Option<Spanned<String>>,
    /// One of the profile's ways to read its document.
    pub bundle: Option<Spanned<String>>,
    /// Whether IKEv1 is spoken, if the profile does not say what is wanted (F24: off for new tenants).
    pub ikev1: Option<bool>,
    /// Single readings that differ from the bundle: `{ R04 = "at-least-14" }`.
    #[serde(default)]
    pub readings: BTreeMap<Spanned<String>, Spanned<String>>,
    /// Who may connect; by default every peer, by its own identity and key.
    #[serde(default)]
    pub credentials: Vec<CredentialSpec>,
    /// Who may log in by XAUTH. Where there are users, peers of IKEv1 have to (reading R32).
    #[serde(default)]
    pub users: Vec<LoginSpec>,
    /// The user that it logs in by XAUTH, in IKEv1 and as initiator.
    pub login: Option<LoginSpec>,
    /// The inner addresses that it gives to peers of IKEv1 (mode-config).
    pub pool: Option<AddressPool>,
    /// What the edge says that it is.
    #[serde(default = "own_address")]
    pub id: IdSpec,
    /// What it offers as initiator; by default what the peer is configured with.
    #[serde(default, deserialize_with = "one_or_many")]
    pub ike: Vec<IkeOffer>,
    /// What it offers for child SAs as initiator; by default what the peer is configured with.
    #[serde(default, deserialize_with = "one_or_many")]
    pub esp: Vec<ChildOffer>,
    /// Whose order decides, if not the profile's.
    pub order: Option<Order>,
    /// Which group is taken, if not the profile's choice.
    pub group_choice: Option<GroupChoice>,
    /// Which traffic it protects, if not the profile's.
    pub ts: Option<EdgeTs>,
    /// The inner network behind it.
    #[serde(default = "edge_inner")]
    pub inner: Spanned<String>,
    /// The largest inner packet: a number, `"off"`, or the profile's.
    pub mtu: Option<Limit>,
    /// The largest MSS that passes: a number, `"off"`, or the profile's.
    pub mss: Option<Limit>,
    /// When it demands a cookie.
    #[serde(default)]
    pub cookie: Cookie,
    /// The most child SAs, if not the profile's.
    pub max_children: Option<usize>,
    /// Whether it does dead peer detection, if not as the profile says.
    pub dpd: Option<Switch>,
    /// How long SAs live, if not as long as the profile says.
    #[serde(default)]
    pub life: Life,
    /// What it does about messages of IKEv1 that do not fit into a packet.
    #[serde(default)]
    pub fragmentation: Fragmentation,
    /// Whether it sets the commit bit as a responder of quick mode, if not as the profile says.
    pub commit: Option<Switch>,
    /// What it says about ESP and AH for which it has no SA.
    #[serde(default)]
    pub invalid_spi: InvalidSpi,
    /// How it begins.
    #[serde(default)]
    pub begins: Begins,
    /// Deviations that it starts with.
    #[serde(default)]
    pub faults: Vec<FaultSpec>,
}

/// A credential of the edge.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CredentialSpec {
    /// What names it; `ip:outside` is the address of the only peer, as the edge sees it.
    pub id: IdSpec,
    /// The label of the key; the key itself is made for each run.
    #[serde(default = "psk")]
    pub psk: String,
    /// The peer whose outside address it is bound to.
    pub bound: Option<Spanned<String>>,
}

/// A user of XAUTH.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginSpec {
    /// The name.
    pub name: String,
    /// The label of the password; the password itself is made for each run.
    pub password: String,
}

/// What the user of a peer answers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerLogin {
    /// The name.
    pub name: String,
    /// The label of the password.
    pub password: String,
    /// The label of the password that the user comes to, with the step `next_password`.
    pub then: Option<String>,
}

/// The traffic that the edge protects.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EdgeTs {
    /// On the edge's side.
    #[serde(default, deserialize_with = "one_or_many")]
    pub local: Vec<Selector>,
    /// On the peer's side.
    #[serde(default, deserialize_with = "one_or_many")]
    pub remote: Vec<Selector>,
    /// What happens to a wider offer.
    #[serde(default)]
    pub mode: TsMode,
}

/// Something that is done or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Switch {
    /// It is.
    On,
    /// It is not.
    Off,
}

/// A bound that can be switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// None.
    Off,
    /// This many octets.
    At(u16),
}

/// When the edge demands a cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cookie {
    /// Under load, as the profile says.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// `[[peer]]`: a tested peer. Everything has a default, but two peers need names.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// What steps call it.
    #[serde(default = "peer_name")]
    pub name: Spanned<String>,
    /// The version of IKE.
    #[serde(default)]
    pub version: Version,
    /// The mode of phase 1, in IKEv1; main mode, if not said.
    pub mode: Option<Spanned<Ikev1Mode>>,
    /// What it says that it is; by default `fqdn:NAME.branch.example`.
    pub local_id: Option<IdSpec>,
    /// What it expects the edge to be; by default what the edge is.
    pub remote_id: Option<IdSpec>,
    /// The label of its key. Another label than the credential's is a wrong key.
    #[serde(default = "psk")]
    pub psk: String,
    /// How it authenticates, in IKEv1; by its key, if not said.
    pub auth: Option<Spanned<Ikev1Auth>>,
    /// The label of the authority that has issued its certificate; an edge trusts `laboratory`.
    #[serde(default = "trusted")]
    pub ca: String,
    /// How large the certificates of both sides are.
    #[serde(default)]
    pub certificates: CertificateSize,
    /// What it does about messages that do not fit into a packet, in IKEv1; nothing, if not said.
    pub fragmentation: Option<Spanned<Fragmentation>>,
    /// The user that logs in by XAUTH, in IKEv1 and as initiator.
    pub login: Option<PeerLogin>,
    /// Who may log in by XAUTH, in IKEv1 and as responder. Where there are users, the edge has to.
    #[serde(default)]
    pub users: Vec<LoginSpec>,
    /// The inner addresses that it gives to the edge, in IKEv1 and as responder.
    pub pool: Option<AddressPool>,
    /// How it gets its inner address, in IKEv1 and as initiator. Its `inner` says which one that must be.
    #[serde(default)]
    pub mode_config: ModeConfig,
    /// What it offers and accepts for the IKE SA, in order.
    #[serde(default = "default_ike", deserialize_with = "one_or_many")]
    pub ike: Vec<IkeOffer>,
    /// What it offers and accepts for child SAs, in order; `ah:` in front for AH.
    #[serde(default = "default_esp", deserialize_with = "one_or_many")]
    pub esp: Vec<ChildOffer>,
    /// AH that it wants together with ESP, in one bundle of SAs; IKEv1 only.
    pub over: Option<ChildOffer>,
    /// The mode of the child SAs that it wants.
    #[serde(default)]
    pub encapsulation: Mode,
    /// The inner network behind it; two peers may have the same.
    #[serde(default = "peer_inner")]
    pub inner: Spanned<String>,
    /// How many networks are behind it, each with a Child SA of its own: `inner` and those that follow it.
    #[serde(default = "one_net")]
    pub nets: Spanned<u32>,
    /// The traffic to protect; by default between the inner networks.
    #[serde(default)]
    pub ts: PeerTs,
    /// What is between it and the edge. All peers with `router` share its outside address.
    #[serde(default)]
    pub nat: Nat,
    /// The port that it begins on.
    #[serde(default)]
    pub start_port: Port,
    /// Whether it stays on port 500 where there is a NAT, in IKEv1 and as initiator.
    #[serde(default)]
    pub keeps_port: bool,
    /// Which forms of NAT traversal it announces as initiator, in IKEv1.
    #[serde(default)]
    pub nat_traversal: NatTraversal,
    /// Whether it puts ESP into UDP without a NAT as well.
    #[serde(default)]
    pub udp_encap: bool,
    /// Whether it announces MOBIKE.
    #[serde(default)]
    pub mobike: bool,
    /// With which volume SAs end that it asks for, in IKEv1.
    pub life: Option<Spanned<PeerLife>>,
    /// Its own liveness checks.
    #[serde(default)]
    pub dpd: PeerDpd,
    /// Whether it is told to say INITIAL_CONTACT with its first IKE SA.
    #[serde(default)]
    pub initial_contact: bool,
    /// When it demands a cookie.
    #[serde(default)]
    pub cookie: PeerCookie,
    /// Whether its kernel is told which traffic to protect. Removed for controls only: traffic then
    /// passes in clear.
    #[serde(default)]
    pub policies: Policies,
}

/// The traffic that a peer wants protected.
#[derive(Clone, Debug, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerTs {
    /// On its own side; empty for its inner network.
    #[serde(default, deserialize_with = "one_or_many")]
    pub local: Vec<Selector>,
    /// On the edge's side; empty for the edge's inner network.
    #[serde(default, deserialize_with = "one_or_many")]
    pub remote: Vec<Selector>,
}

/// How long SAs live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Life {
    /// An IKE SA.
    pub ike: Option<Lifetime>,
    /// A child SA.
    pub child: Option<Lifetime>,
    /// The volume of an ISAKMP SA, in IKEv1.
    pub ike_bytes: Option<Octets>,
    /// The volume of a child SA, in IKEv1.
    pub child_bytes: Option<Octets>,
}

/// When SAs end that a peer of IKEv1 asks for, and with which volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PeerLife {
    /// The time after which it authenticates anew.
    pub ike: Option<Lifetime>,
    /// An ISAKMP SA.
    pub ike_bytes: Option<Octets>,
    /// A child SA.
    pub child_bytes: Option<Octets>,
}

/// How an edge begins, where RFC 2409 and RFC 3947 leave it open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Begins {
    /// Which NAT traversal it announces.
    pub nat_traversal: NatTraversal,
    /// Sends the third message of aggressive mode in clear.
    pub clear_third_message: bool,
    /// Tells the peer of a NAT that is not there.
    pub pretend_nat: bool,
    /// How it gets an inner address from the peer, in IKEv1.
    pub mode_config: ModeConfig,
}

/// The version of IKE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Version {
    /// IKEv1.
    V1,
    /// IKEv2.
    #[default]
    V2,
}

/// A port of IKE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Port {
    /// 500.
    #[default]
    Ike,
    /// 4500.
    NatT,
}

/// What is between a peer and the edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Nat {
    /// Nothing.
    #[default]
    None,
    /// A router that rewrites address and port, in a container.
    Router,
    /// The same, in our own process.
    Middlebox,
}

/// A peer's own liveness checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PeerDpd {
    /// None, so that it disturbs no count of messages.
    #[default]
    Off,
    /// Every few seconds.
    Short,
}

/// How large certificates are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CertificateSize {
    /// As it comes: a message with one fits into a packet.
    #[default]
    Ordinary,
    /// They name many other hosts, so that a message with one does not fit into 1500 octets.
    Large,
}

/// When a peer demands a cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PeerCookie {
    /// As it comes: under load.
    #[default]
    Auto,
    /// While another handshake is half-open.
    WhileHalfOpen,
    /// Always.
    Always,
}

/// Whether a peer protects its traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policies {
    /// As configured.
    #[default]
    Installed,
    /// Not at all.
    Removed,
}

/// `[network]`: what happens to datagrams on their way. Decided by seed and message, not by chance.
#[derive(Clone, Debug, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Network {
    /// The part that is lost, 0 to 1; never more than three in a row.
    pub loss: f64,
    /// The part that arrives twice.
    pub duplicate: f64,
    /// How long after the first the second arrives: at once, if not said.
    pub duplicate_after: Option<Span>,
    /// The part that is held back, so that later ones can overtake it.
    pub reorder: f64,
    /// For how long: 1200 ms, if not said, by which most ends have sent again.
    pub reorder_by: Option<Span>,
    /// What decides; by default the run's seed.
    pub seed: Option<u64>,
    /// What it applies to.
    pub on: Affects,
    /// How long a datagram takes.
    pub delay: Option<Span>,
}

/// What disturbances apply to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Affects {
    /// Messages of IKE.
    #[default]
    Ike,
    /// Packets of ESP and AH.
    Esp,
    /// Everything.
    All,
}

impl Peer {
    /// With which volume SAs end that it asks for.
    pub fn life(&self) -> PeerLife {
        self.life.as_ref().map(|life| *life.get_ref()).unwrap_or_default()
    }

    /// The identity that it asserts.
    pub fn local_id(&self) -> IdSpec {
        self.local_id.clone().unwrap_or_else(|| {
            let name = format!("{}.branch.example", self.name.get_ref());
            IdSpec::Fixed(ikeproof_proto::policy::Identity::Fqdn(name))
        })
    }
}

/// The profile of a run that names none.
pub const DEFAULT_PROFILE: &str = "zscaler";

impl Edge {
    /// The name or path of its profile.
    pub fn profile(&self) -> &str {
        self.profile.as_ref().map_or(DEFAULT_PROFILE, |profile| profile.get_ref())
    }

    /// The credentials that it has where `peers` take part.
    pub fn credentials(&self, peers: &[Peer]) -> Vec<CredentialSpec> {
        if !self.credentials.is_empty() {
            return self.credentials.clone();
        }
        let credential = |peer: &Peer| CredentialSpec {
            id: peer.local_id(),
            psk: peer.psk.clone(),
            bound: None,
        };
        peers.iter().map(credential).collect()
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Limit;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number of octets or \"off\"")
            }

            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Limit, E> {
                u16::try_from(number).map(Limit::At).map_err(E::custom)
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Limit, E> {
                match text {
                    "off" => Ok(Limit::Off),
                    _ => Err(E::custom(format!("unknown variant `{text}`, expected `off`"))),
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

macro_rules! by_number {
    ($($name:ident { $($variant:ident = $number:literal,)+ } $what:literal;)+) => {$(
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                match i64::deserialize(deserializer)? {
                    $($number => Ok(Self::$variant),)+
                    other => Err(serde::de::Error::custom(format!("{other} is not {}", $what))),
                }
            }
        }
    )+};
}

by_number! {
    Version { V1 = 1, V2 = 2, } "a version of IKE: 1 or 2";
    Port { Ike = 500, NatT = 4500, } "a port of IKE: 500 or 4500";
}

fn unplaced(text: &str) -> Spanned<String> {
    Spanned::new(0..0, text.to_owned())
}

fn edge_name() -> Spanned<String> {
    unplaced("edge")
}

fn peer_name() -> Spanned<String> {
    unplaced("a")
}

fn trusted() -> String {
    "laboratory".to_owned()
}

fn psk() -> String {
    "psk".to_owned()
}

const fn own_address() -> IdSpec {
    IdSpec::OwnAddress
}

fn edge_inner() -> Spanned<String> {
    unplaced("10.100.0.0/24")
}

fn peer_inner() -> Spanned<String> {
    unplaced("10.7.0.0/24")
}

fn one_net() -> Spanned<u32> {
    Spanned::new(0..0, 1)
}

fn default_ike() -> Vec<IkeOffer> {
    "aes256-sha256-modp2048".parse().into_iter().collect()
}

fn default_esp() -> Vec<ChildOffer> {
    "aes256gcm16".parse().into_iter().collect()
}
