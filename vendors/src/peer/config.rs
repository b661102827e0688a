//! What a peer is told to be: a vendor-neutral configuration, rendered by each driver.
//!
//! Invariant: a driver either expresses a value exactly or answers with `Unsupported`. What it sets
//! beside the configuration so that tests end in seconds is handed back as [`Tuned`].

use std::{fmt, net::IpAddr, time::Duration};

pub use ikeproof_proto::config::{Fragmentation, ModeConfig, NatTraversal};
pub use ikeproof_proto::policy::AddressPool;
use ikeproof_proto::{crypto::SecretBytes, pki::CertificateSetup, wire::hex};
use serde::{Deserialize, Serialize};

use super::proposal::{ChildProposal, IkeProposal};

/// Everything a peer is configured with, replacing what was loaded before.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PeerConfig {
    /// The connections.
    pub connections: Vec<Connection>,
    /// Preshared keys beside the connections' own.
    pub secrets: Vec<Secret>,
    /// With it, the connections authenticate by RSA signatures, and their preshared keys are not used.
    pub rsa: Option<Rsa>,
    /// Addresses of the peer's own inside network, put on a loopback or dummy interface.
    pub inner: Vec<InnerAddress>,
    /// Daemon-wide settings.
    pub daemon: Daemon,
}

/// A certificate with its key, and the authority that the other side is judged by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rsa {
    /// All of it, in DER.
    pub setup: CertificateSetup,
    /// The peer's own certificate, in PEM.
    pub certificate: String,
    /// The private key, in PEM.
    pub key: SecretBytes,
    /// The certificate of the authority, in PEM.
    pub authority: String,
}

/// An address of the peer's inside network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct InnerAddress {
    /// The address.
    pub address: IpAddr,
    /// The prefix length.
    pub prefix: u8,
}

/// Settings of the daemon rather than of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Daemon {
    /// Seconds before the first retransmission.
    pub retransmit_timeout: Option<Duration>,
    /// Retransmissions before giving up.
    pub retransmit_tries: Option<u32>,
    /// When a cookie is demanded of an initiator (RFC 7296 §2.6).
    #[serde(default)]
    pub cookies: Cookies,
    /// As IKEv1 responder, accept aggressive mode with a preshared key.
    #[serde(default)]
    pub accept_aggressive_psk: bool,
}

/// When a responder demands a cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cookies {
    /// With as many half-open IKE SAs as the daemon itself finds too many.
    #[default]
    UnderLoad,
    /// While one IKE SA is half-open.
    WhileHalfOpen,
    /// Always.
    Always,
}

impl PeerConfig {
    /// The inner addresses that are there from the start: whoever gets one by mode-config puts it there
    /// by itself.
    pub fn own_inner(&self) -> &[InnerAddress] {
        let gets_one = |connection: &Connection| connection.mode_config != ModeConfig::Off;
        if self.connections.iter().any(gets_one) { &[] } else { &self.inner }
    }

    /// The same with the next password of each user; `None` if nobody has one.
    pub fn with_next_passwords(&self) -> Option<Self> {
        let mut next = self.clone();
        let mut any = false;
        for login in next.connections.iter_mut().filter_map(|it| it.login.as_mut()) {
            if let Some(then) = login.then.take() {
                (login.password, any) = (then, true);
            }
        }
        any.then_some(next)
    }
}

/// One connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Its name; letters, digits, `-` and `_`.
    pub name: String,
    /// The IKE version.
    pub version: Version,
    /// The outer address, port and identity of the peer itself.
    pub local: End,
    /// The same of the other side.
    pub remote: End,
    /// The preshared key.
    pub psk: Psk,
    /// The user that logs in by XAUTH once the key was right (IKEv1, as initiator).
    pub login: Option<Login>,
    /// The users of the other side that may log in by XAUTH, as the initiator's (IKEv1). With any, it
    /// demands a login.
    pub users: Vec<Login>,
    /// The inner addresses that it gives to the other side (IKEv1, as responder). With it, the other side of
    /// each child is such an address, whatever the child says.
    pub pool: Option<AddressPool>,
    /// How it gets its inner address (IKEv1, as initiator). With one, its side of each child is that
    /// address, whatever the child says.
    pub mode_config: ModeConfig,
    /// IKE proposals in order of preference.
    pub ike: Vec<IkeProposal>,
    /// The child SAs.
    pub children: Vec<Child>,
    /// UDP encapsulation even without NAT.
    pub force_encap: bool,
    /// Stays on port 500 where there is a NAT, against RFC 3947, section 4 (IKEv1, as initiator).
    pub keeps_port: bool,
    /// Which forms of NAT traversal it announces as initiator (IKEv1).
    pub nat_traversal: NatTraversal,
    /// IKE fragmentation; `None` leaves the daemon's default.
    pub fragmentation: Option<Fragmentation>,
    /// MOBIKE (IKEv2); `None` leaves the daemon's default.
    pub mobike: Option<bool>,
    /// Dead peer detection.
    pub dpd: Option<Dpd>,
    /// Says INITIAL_CONTACT with the first IKE SA. Otherwise the daemon does as it does by itself.
    pub initial_contact: bool,
    /// Lifetime of the IKE SA until it is rekeyed.
    pub rekey: Option<Duration>,
    /// The volume in octets with which the ISAKMP SA ends (IKEv1).
    pub life_bytes: Option<u64>,
}

impl Connection {
    /// Whether either end has to log in by XAUTH.
    pub fn has_xauth(&self) -> bool {
        self.login.is_some() || !self.users.is_empty()
    }
}

/// A user of XAUTH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The name; letters, digits, `-` and `_`.
    pub name: String,
    /// The password, as text.
    pub password: Psk,
    /// The password after it; see [`Peer::next_password`](super::Peer::next_password).
    pub then: Option<Psk>,
}

/// The IKE version of a connection, and for version 1 the mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Version {
    /// IKEv1 main mode.
    V1Main,
    /// IKEv1 aggressive mode.
    V1Aggressive,
    /// IKEv2.
    V2,
}

/// One side of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// The outer address; `None` for any (responder only).
    pub address: Option<IpAddr>,
    /// The IKE port, when not 500.
    #[serde(default)]
    pub port: Option<u16>,
    /// The identity; `None` for the address.
    #[serde(default)]
    pub identity: Option<Identity>,
}

/// An IKE identity.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Identity {
    /// `ID_IPV4_ADDR` or `ID_IPV6_ADDR`.
    Ip(IpAddr),
    /// `ID_FQDN`.
    Fqdn(String),
    /// `ID_RFC822_ADDR` (a user FQDN).
    Email(String),
    /// `ID_KEY_ID`, arbitrary octets.
    KeyId(Vec<u8>),
}

/// A preshared key: wiped when it goes, never printed, and never written but to the peer.
#[derive(Clone, PartialEq, Eq)]
pub struct Psk(SecretBytes);

impl Psk {
    /// A key from its octets.
    pub fn new(octets: impl Into<Vec<u8>>) -> Self {
        Self(SecretBytes::new(octets.into()))
    }

    /// The key itself.
    pub fn octets(&self) -> &[u8] {
        self.0.expose()
    }

    /// The key in hexadecimal, for configuration files, without quoting rules.
    pub fn hex(&self) -> String {
        hex::encode(self.octets())
    }
}

impl fmt::Debug for Psk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Psk({} octets)", self.0.len())
    }
}

/// A preshared key for the identities that may use it; no identity means any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// The owners.
    pub owners: Vec<Identity>,
    /// The key.
    pub psk: Psk,
}

/// A child SA of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Child {
    /// Its name; letters, digits, `-` and `_`.
    pub name: String,
    /// ESP or AH.
    #[serde(default)]
    pub protocol: Protocol,
    /// Tunnel or transport mode.
    #[serde(default)]
    pub mode: Mode,
    /// Proposals in order of preference.
    pub proposals: Vec<ChildProposal>,
    /// AH that is used together with ESP of any of the proposals (IKEv1 only).
    #[serde(default)]
    pub over: Option<ChildProposal>,
    /// The peer's own selectors.
    pub local: Vec<Selector>,
    /// The other side's selectors.
    pub remote: Vec<Selector>,
    /// Who begins.
    #[serde(default)]
    pub start: Start,
    /// Lifetime until the child is rekeyed.
    #[serde(default)]
    pub rekey: Option<Duration>,
    /// The volume in octets with which a pair of SAs ends, and which IKEv1 offers.
    #[serde(default)]
    pub life_bytes: Option<u64>,
    /// The replay window in packets; `None` leaves the daemon's default, 0 switches it off.
    #[serde(default)]
    pub replay_window: Option<u32>,
}

/// The protocol of a child SA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// Encapsulating Security Payload.
    #[default]
    Esp,
    /// Authentication Header.
    Ah,
}

/// The mode of a child SA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Tunnel mode.
    #[default]
    Tunnel,
    /// Transport mode.
    Transport,
}

/// What a peer does with a child once configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// Waits: to be told to initiate, or for the other side.
    #[default]
    Wait,
    /// Begins by itself when configured.
    Initiate,
}

/// Dead peer detection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dpd {
    /// Silence before a probe.
    pub delay: Duration,
    /// Silence before the peer counts as dead (IKEv1 and libreswan).
    pub timeout: Option<Duration>,
}

/// A traffic selector: a network, and optionally a protocol with a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selector {
    /// The network's address.
    pub address: IpAddr,
    /// The network's prefix length.
    pub prefix: u8,
    /// The IP protocol, when not any.
    #[serde(default)]
    pub protocol: Option<u8>,
    /// The port, when not any.
    #[serde(default)]
    pub port: Option<u16>,
}

impl Selector {
    /// A selector for a whole network.
    pub fn network(address: impl Into<IpAddr>, prefix: u8) -> Self {
        Self { address: address.into(), prefix, protocol: None, port: None }
    }
}

/// What a configuration became.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Configured {
    /// What the driver set beside the configuration.
    pub tuned: Vec<Tuned>,
    /// The rendered configuration, secrets left out: (file or message, text).
    pub rendered: Vec<(String, String)>,
}

/// A setting the driver changed so that a test ends in reasonable time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tuned {
    /// The daemon's own name of the setting.
    pub setting: String,
    /// Its value.
    pub value: String,
    /// Why.
    pub why: String,
}

/// Certificates that are none: drivers hand them on as they are.
#[cfg(test)]
pub(crate) fn rsa_of_a_test() -> Rsa {
    use ikeproof_proto::pki::{Der, SendCertificate};
    Rsa {
        setup: CertificateSetup {
            chain: vec![Der(vec![0x30, 0])],
            key: SecretBytes::from_slice(b"key"),
            anchors: Vec::new(),
            started_at: 0,
            send: SendCertificate::default(),
            ask_nothing: false,
        },
        certificate: String::from("own certificate"),
        key: SecretBytes::from_slice(b"own key"),
        authority: String::from("authority"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preshared_key_is_not_printed() {
        let psk = Psk::new([203, 203]);
        assert_eq!(format!("{psk:?}"), "Psk(2 octets)");
        assert_eq!(psk.hex(), "cbcb");
        assert!(
            psk == Psk::new([203, 203]) && psk != Psk::new([203]) && psk != Psk::new([203, 204])
        );
    }
}
