//! Ready-made configurations for tests: a profile that takes anything, and a connection to it.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::config::{Connection, EndpointConfig, Limits, NatPorts, Timers};
use crate::crypto::SecretBytes;
use crate::policy::{ChildOffer, Credential, Identity, IkeOffer, Profile};
use crate::wire::v2::{Id, TrafficSelector};

/// The initiator's address in tests.
pub(super) const INITIATOR: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
/// The responder's address in tests.
pub(super) const RESPONDER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));

/// The secret that both ends of a test know.
const PSK: &[u8] = b"a secret of the laboratory";

/// A profile that accepts every algorithm there is, and demands nothing.
pub fn open_profile() -> Profile {
    serde_json::from_value(serde_json::json!({
        "name": "open",
        "title": "Accepts whatever it knows",
        "versions": { "ikev2": true, "ikev1": false },
        "order": "peer",
        "refusal": "notify",
        "ike": {
            "encr": { "rule": "open", "accept": ["aes256", "aes192", "aes128", "3des", "aes256gcm16", "aes128gcm16"] },
            "integ": { "rule": "open", "accept": ["sha512", "sha384", "sha256", "sha1"] },
            "prf": { "rule": "open", "accept": ["prfsha512", "prfsha384", "prfsha256", "prfsha1"] },
            "groups": { "rule": "open", "accept": ["modp1024", "modp1536", "modp2048", "ecp256", "ecp384", "ecp521", "curve25519"] },
            "offer": ["aes256-sha256-ecp256"],
        },
        "child": {
            "protocols": { "rule": "open", "accept": ["esp"] },
            "encr": { "rule": "open", "accept": ["aes256gcm16", "aes192gcm16", "aes128gcm16", "null", "aes256", "aes192", "aes128"] },
            "integ": { "rule": "open", "accept": ["md5", "sha512", "sha384", "sha256", "sha1"] },
            "groups": { "rule": "open", "accept": ["modp2048", "ecp256"] },
            "esn": { "accept": false, "rule": "open" },
            "offer": ["aes256gcm16"],
        },
        "identity": { "types": { "rule": "open", "accept": ["ipv4", "ipv6", "fqdn", "email", "key-id"] } },
        "timers": { "ike_life": 86400, "child_life": 28800, "dpd_interval": 20, "dpd_retries": 5, "keepalive": 20 },
        "limits": { "max_children": 8, "half_open": 1000, "half_open_per_source": 50, "cookie_threshold": 1000 },
        "forwarding": { "mtu": 1400, "mss": 1360, "mss_v6": 1340 },
    }))
    .expect("the profile above has every field of its type")
}

/// An endpoint that knows [`credential`] and logs its keys.
pub fn endpoint_config() -> EndpointConfig {
    EndpointConfig {
        profile: open_profile(),
        identity: None,
        credentials: vec![credential()],
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
        force_encapsulation: false,
    }
}
