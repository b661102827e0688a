//! Ready-made configurations for tests: an endpoint that takes anything, and a connection to it.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::config::{Connection, EndpointConfig, Limits, NatPorts, Timers};
use crate::crypto::SecretBytes;
use crate::policy::{
    AddressPool, ChildOffer, Credential, Identity, IkeOffer, Profile, RemoteAccess, XauthUser,
};
use crate::wire::v2::{Id, TrafficSelector};

/// The initiator's address in tests.
pub(super) const INITIATOR: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
/// The responder's address in tests.
pub(super) const RESPONDER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));
/// The address of a NAT in tests.
pub(super) const PUBLIC: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7));

/// The secret that both ends of a test know.
const PSK: &[u8] = b"a secret of the laboratory";

/// An endpoint that takes whatever it can run, knows [`credential`] and logs its keys.
pub fn endpoint_config() -> EndpointConfig {
    EndpointConfig {
        profile: Profile::lenient("test"),
        identity: None,
        credentials: vec![credential()],
        certificates: None,
        remote_access: RemoteAccess::default(),
        limits: Limits::default(),
        timers: Timers::default(),
        faults: Vec::new(),
        log_keys: true,
    }
}

/// The credential of the peer in [`connection`].
pub fn credential() -> Credential {
    let id = Identity::Fqdn("branch.example.com".to_owned());
    Credential { id, psk: SecretBytes::from_slice(PSK), bound_source: None }
}

/// A connection of the initiator to the responder of a [`Pair`](super::Pair), with one proposal for
/// each SA.
pub fn connection(ike: &str, child: &str) -> Connection {
    let ike: IkeOffer = ike.parse().expect("the offer of a test is well-formed");
    let child: ChildOffer = child.parse().expect("the offer of a test is well-formed");
    let inner = |third| TrafficSelector::subnet(IpAddr::V4(Ipv4Addr::new(10, 0, third, 0)), 24);
    Connection {
        name: "test".to_owned(),
        local: SocketAddr::new(INITIATOR, 500),
        remote: SocketAddr::new(RESPONDER, 500),
        nat_ports: NatPorts::default(),
        start_on_nat_port: false,
        id: Id::fqdn("branch.example.com"),
        remote_id: None,
        expect_id: None,
        psk: SecretBytes::from_slice(PSK),
        ike: vec![ike.proposal(1, &[])],
        child: vec![child.proposal(1, &[0; 4], true)],
        ts_local: vec![inner(1)],
        ts_remote: vec![inner(2)],
        ikev1: None,
        force_encapsulation: false,
    }
}

/// A user for XAUTH.
pub fn user() -> XauthUser {
    XauthUser { name: "alice".to_owned(), password: SecretBytes::from_slice(b"a password") }
}

/// An edge that [`user`] can log in to, and that has addresses for its peers. They are those of the
/// initiator's net in [`connection`].
pub fn remote_access(push: bool) -> RemoteAccess {
    let at = |last| Ipv4Addr::new(10, 0, 1, last);
    let netmask = Some(Ipv4Addr::new(255, 255, 255, 0));
    let pool = AddressPool { first: at(1), last: at(100), netmask, dns: vec![at(253)], push };
    RemoteAccess { users: vec![user()], pool: Some(pool), ..RemoteAccess::default() }
}
