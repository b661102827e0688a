//! A peer's configuration as the core's: one endpoint for responding, a connection for each
//! initiation. What the core cannot do is refused here, before anything is loaded.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use ikeproof_proto::{
    config::{self, EndpointConfig, Fragmentation, Ikev1Options, Limits, NatPorts, Timers},
    crypto::{SecretBytes, suite::Group},
    io::ChildAsk,
    pki::Certificates,
    policy::{self, Credential, Ikev1Mode, ProbeMode, RemoteAccess, XauthUser},
};

use super::{profile, proposal};
use crate::{
    Error, Result, Unsupported,
    peer::{
        Child, Configured, Connection, Dpd, End, Identity, Login, Mode, ModeConfig, PeerConfig,
        Tuned, Version,
    },
};

/// The port of IKE, and of IKE and ESP behind NAT.
const IKE_PORT: u16 = 500;
pub(super) const NAT_PORT: u16 = 4500;
/// The replay window that the core always has.
const REPLAY_WINDOW: u32 = 1024;

/// The name under which the core runs a child of a connection; no configured name has a slash.
pub(super) fn core_name(connection: &str, child: &str) -> String {
    format!("{connection}/{child}")
}

/// The configuration for responding, and what was set beside it.
pub(super) fn endpoint(config: &PeerConfig) -> Result<(EndpointConfig, Configured)> {
    config.connections.iter().try_for_each(check)?;
    let mut profile = profile::of(config);
    if let Some(dpd) = only_dpd(config)? {
        let delay = dpd.delay.as_secs().max(1);
        profile.timers.dpd_interval = delay;
        if let Some(timeout) = dpd.timeout {
            let probes = timeout.as_secs() / delay;
            profile.timers.dpd_retries = u32::try_from(probes).unwrap_or(u32::MAX).max(1);
        }
        profile.readings.r23 = ProbeMode::Periodic;
    }
    if config.connections.iter().any(|connection| !connection.users.is_empty()) {
        profile.readings.r32 = policy::Xauth::On;
    }
    profile.timers.ike_kilobytes = volume(config.connections.iter().map(|it| it.life_bytes))?;
    let children = config.connections.iter().flat_map(|connection| &connection.children);
    profile.timers.child_kilobytes = volume(children.map(|child| child.life_bytes))?;
    let mut tuned = Vec::new();
    let mut own = config.connections.iter().map(|connection| &connection.local.identity);
    let identity = own.next().cloned().flatten();
    if own.any(|other| *other != identity) {
        tuned.push(Tuned {
            setting: String::from("identity as a responder"),
            value: identity.as_ref().map_or_else(|| String::from("the address"), spelled),
            why: String::from("the core has one for all connections; the first one's is taken"),
        });
    }
    let timers = timers(config, &mut tuned);
    let identity = identity.as_ref().map(|identity| proposal::identity(identity).to_id());
    let credentials = match config.rsa {
        Some(_) => Vec::new(),
        None => credentials(config)?,
    };
    let rendered = rendered(config, &profile, &credentials);
    let endpoint = EndpointConfig {
        profile,
        identity,
        credentials,
        certificates: certificates(config)?,
        remote_access: RemoteAccess {
            users: config
                .connections
                .iter()
                .flat_map(|it| &it.users)
                .flat_map(xauth_users)
                .collect(),
            pool: config.connections.iter().find_map(|it| it.pool.clone()),
            ..RemoteAccess::default()
        },
        limits: limits(config),
        timers,
        faults: Vec::new(),
        log_keys: false,
    };
    Ok((endpoint, Configured { tuned, rendered }))
}

/// Fragments of IKEv1 as the first connection wants them that does not have them off, as the core has
/// one setting for all.
fn limits(config: &PeerConfig) -> Limits {
    let wanted = config.connections.iter().filter_map(|connection| connection.fragmentation);
    let is_off = |one| one == Fragmentation::Off;
    let first = wanted.reduce(|one, other| if is_off(one) { other } else { one });
    Limits { fragmentation: first.unwrap_or_default(), ..Limits::default() }
}

/// An endpoint that knows nobody.
pub(super) fn unconfigured() -> EndpointConfig {
    EndpointConfig {
        profile: profile::closed(),
        identity: None,
        credentials: Vec::new(),
        certificates: None,
        remote_access: RemoteAccess::default(),
        limits: Limits::default(),
        timers: Timers::default(),
        faults: Vec::new(),
        log_keys: false,
    }
}

/// The connection that is initiated for a child.
pub(super) fn initiation(
    connection: &Connection,
    child: &Child,
    own: IpAddr,
    certificates: Option<&Certificates>,
) -> Result<config::Connection> {
    let Connection { local, remote, .. } = connection;
    let Some(to) = remote.address else {
        return Err(Error::Invalid {
            what: "connection",
            value: connection.name.clone(),
            why: String::from("it has no remote address, so it can only be responded to"),
        });
    };
    let ike = proposal::ike(&connection.ike);
    let groups = connection.ike.iter().flat_map(|one| &one.groups);
    if !groups.clone().any(|group| Group::from_iana(group.0).is_some()) {
        let named: Vec<_> = groups.map(ToString::to_string).collect();
        let why = format!("it can compute no value for {}", named.join(", "));
        return Err(unsupported("initiating with these groups", &why));
    }
    let start_on_nat_port = local.port == Some(NAT_PORT) || remote.port == Some(NAT_PORT);
    let remote_nat_port = if start_on_nat_port { remote.port } else { None };
    let from = local.address.unwrap_or(own);
    Ok(config::Connection {
        name: core_name(&connection.name, &child.name),
        local: SocketAddr::new(from, local.port.unwrap_or(IKE_PORT)),
        remote: SocketAddr::new(to, remote.port.unwrap_or(IKE_PORT)),
        nat_ports: NatPorts { local: NAT_PORT, remote: remote_nat_port.unwrap_or(NAT_PORT) },
        start_on_nat_port,
        id: identity_of(local, from).to_id(),
        remote_id: remote.identity.as_ref().map(|identity| proposal::identity(identity).to_id()),
        expect_id: Some(identity_of(remote, to).to_id()),
        psk: SecretBytes::from_slice(connection.psk.octets()),
        ike,
        child: proposal::child(child, connection.version),
        ts_local: child.local.iter().map(proposal::selector).collect(),
        ts_remote: child.remote.iter().map(proposal::selector).collect(),
        ikev1: mode_of(connection).map(|mode| Ikev1Options {
            mode,
            certificates: certificates.cloned(),
            xauth: connection.login.iter().flat_map(xauth_users).collect(),
            mode_config: connection.mode_config,
            keeps_port: connection.keeps_port,
            nat_traversal: connection.nat_traversal,
            ..Ikev1Options::default()
        }),
        force_encapsulation: connection.force_encap,
    })
}

/// The quick modes by which a child comes up under an IKE SA that is up.
pub(super) fn further(connection: &Connection, child: &Child) -> Vec<ChildAsk> {
    let local = || child.local.iter().map(proposal::selector);
    let remote = child.remote.iter().map(proposal::selector);
    let pairs = remote.flat_map(|remote| local().map(move |local| (local, remote)));
    let ask = |(ts_local, ts_remote)| ChildAsk {
        proposals: proposal::child(child, connection.version),
        ts_local,
        ts_remote,
    };
    pairs.map(ask).collect()
}

/// What the first question is answered with, and the next one.
fn xauth_users(login: &Login) -> impl Iterator<Item = XauthUser> + '_ {
    [Some(&login.password), login.then.as_ref()].into_iter().flatten().map(|password| XauthUser {
        name: login.name.clone(),
        password: SecretBytes::from_slice(password.octets()),
    })
}

/// The mode of phase 1 of a connection of IKEv1.
pub(super) fn mode_of(connection: &Connection) -> Option<Ikev1Mode> {
    match connection.version {
        Version::V1Main => Some(Ikev1Mode::Main),
        Version::V1Aggressive => Some(Ikev1Mode::Aggressive),
        Version::V2 => None,
    }
}

/// The identity of an end: its own, or its address.
pub(super) fn identity_of(end: &End, address: IpAddr) -> policy::Identity {
    end.identity.as_ref().map_or(policy::Identity::Ip(address), proposal::identity)
}

/// What connections of IKEv1 authenticate with by signatures.
pub(super) fn certificates(config: &PeerConfig) -> Result<Option<Certificates>> {
    let Some(rsa) = &config.rsa else { return Ok(None) };
    if config.connections.iter().any(|connection| connection.version == Version::V2) {
        return Err(unsupported("RSA signatures in IKEv2", "the core does not do it"));
    }
    Certificates::new(rsa.setup.clone()).map(Some).map_err(|error| Error::Invalid {
        what: "certificate",
        value: String::from("rsa"),
        why: error.to_string(),
    })
}

fn credentials(config: &PeerConfig) -> Result<Vec<Credential>> {
    let mut all = Vec::new();
    for connection in &config.connections {
        let remote = &connection.remote;
        let id = match (&remote.identity, remote.address) {
            (Some(identity), _) => proposal::identity(identity),
            (None, Some(address)) => policy::Identity::Ip(address),
            (None, None) => {
                let why = "the core looks a preshared key up by who asks for it";
                return Err(unsupported("a connection with any remote identity", why));
            }
        };
        let psk = SecretBytes::from_slice(connection.psk.octets());
        all.push(Credential { id, psk, bound_source: remote.address });
    }
    for secret in &config.secrets {
        if secret.owners.is_empty() {
            let why = "the core looks a preshared key up by who asks for it";
            return Err(unsupported("a preshared key for anybody", why));
        }
        all.extend(secret.owners.iter().map(|owner| Credential {
            id: proposal::identity(owner),
            psk: SecretBytes::from_slice(secret.psk.octets()),
            bound_source: None,
        }));
    }
    Ok(all)
}

/// Refuses what the core does not do.
fn check(connection: &Connection) -> Result<()> {
    let no_core = |what| Err(unsupported(what, "the core does not do it"));
    if connection.has_xauth() && mode_of(connection).is_none() {
        return Err(unsupported("XAUTH in IKEv2", "it belongs to IKEv1"));
    }
    let configures = connection.mode_config != ModeConfig::Off || connection.pool.is_some();
    if configures && mode_of(connection).is_none() {
        return Err(unsupported("mode-config in IKEv2", "it belongs to IKEv1"));
    }
    if connection.mobike == Some(true) {
        return no_core("MOBIKE");
    }
    if connection.keeps_port && mode_of(connection).is_none() {
        return no_core("staying on port 500 in IKEv2");
    }
    let fragments = connection.fragmentation.is_some_and(|one| one != Fragmentation::Off);
    if fragments && connection.version == Version::V2 {
        return no_core("IKE fragmentation");
    }
    if connection.rekey.is_some() || connection.children.iter().any(|child| child.rekey.is_some()) {
        return no_core("rekeying");
    }
    if connection.ike.len() > 255 || connection.children.iter().any(|c| c.proposals.len() > 255) {
        return Err(unsupported("more than 255 proposals", "their number has eight bits"));
    }
    for child in &connection.children {
        if child.over.is_some() && connection.version == Version::V2 {
            return Err(unsupported("ESP and AH together", "IKEv2 has no words for it"));
        }
        if child.mode == Mode::Transport {
            return no_core("transport mode");
        }
        if child.replay_window.is_some_and(|window| window != REPLAY_WINDOW) {
            let why = format!("its replay window always has {REPLAY_WINDOW} packets");
            return Err(unsupported("a replay window of one's own", &why));
        }
    }
    Ok(())
}

/// Dead peer detection, which the core has once for all connections.
fn only_dpd(config: &PeerConfig) -> Result<Option<Dpd>> {
    let mut all = config.connections.iter().map(|connection| connection.dpd);
    let first = all.next().flatten();
    if all.any(|other| other != first) {
        let why = "the core has one schedule for all connections";
        return Err(unsupported("dead peer detection that differs by connection", why));
    }
    Ok(first)
}

/// Limits by volume in kilobytes, of which the core has one for all connections.
fn volume(all: impl Iterator<Item = Option<u64>>) -> Result<Option<u64>> {
    let mut all = all.map(|bytes| bytes.map(|bytes| (bytes / 1024).max(1)));
    let first = all.next().flatten();
    if all.any(|other| other != first) {
        let why = "the core has one limit for all connections";
        return Err(unsupported("a volume that differs by connection", why));
    }
    Ok(first)
}

fn timers(config: &PeerConfig, tuned: &mut Vec<Tuned>) -> Timers {
    let daemon = &config.daemon;
    let mut timers = Timers::default();
    if let Some(timeout) = daemon.retransmit_timeout {
        timers.retransmit = timeout.max(Duration::from_millis(1));
    }
    if let Some(tries) = daemon.retransmit_tries {
        timers.retransmit_tries = tries;
    }
    if daemon.retransmit_timeout.is_none() && daemon.retransmit_tries.is_none() {
        // As for the other drivers: what nobody answers ends within seconds.
        timers.retransmit = Duration::from_millis(500);
        timers.retransmit_tries = 4;
        tuned.push(Tuned {
            setting: String::from("timers.retransmit"),
            value: format!("{:?}, {} times", timers.retransmit, timers.retransmit_tries),
            why: String::from("so that what nobody answers ends within a test's time"),
        });
    }
    timers
}

/// The configuration as the core has it, without secrets.
fn rendered(
    config: &PeerConfig,
    profile: &policy::Profile,
    credentials: &[Credential],
) -> Vec<(String, String)> {
    let mut texts = vec![(String::from("profile"), json(profile))];
    let known: Vec<_> = credentials.iter().map(|credential| credential.id.to_string()).collect();
    texts.push((String::from("credentials"), known.join("\n")));
    for connection in &config.connections {
        for child in &connection.children {
            let name = format!("connection {}", core_name(&connection.name, &child.name));
            let ike: Vec<_> = proposal::ike(&connection.ike);
            let esp = proposal::child(child, connection.version);
            let lines = ike.iter().chain(&esp).map(|one| {
                let words: Vec<_> = one.transforms.iter().map(ToString::to_string).collect();
                format!("{} {}: {}", one.protocol, one.number, words.join(" "))
            });
            texts.push((name, lines.collect::<Vec<_>>().join("\n")));
        }
    }
    texts
}

fn json(profile: &policy::Profile) -> String {
    // A profile is plain data; should it ever not be, the text says why.
    serde_json::to_string_pretty(profile).unwrap_or_else(|error| error.to_string())
}

fn spelled(identity: &Identity) -> String {
    proposal::identity(identity).to_string()
}

/// What the embedded peer cannot do.
pub(super) fn unsupported(what: &str, why: &str) -> Error {
    Unsupported { peer: String::from("embedded"), what: what.to_owned(), why: why.to_owned() }
        .into()
}
