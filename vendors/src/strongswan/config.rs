//! The vendor-neutral configuration as VICI messages and a strongswan.conf.
//!
//! Secrets are messages of their own so that what is handed back as "rendered" has none in it.

use ikeproof_proto::wire::hex;

use super::vici::Node;
use crate::{
    Unsupported,
    peer::{
        Child, ChildProposal, Connection, Cookies, Daemon, DataPlane, Encr, End, Esn,
        Fragmentation, Group, Identity, IkeProposal, Integ, Login, Mode, ModeConfig, NatTraversal,
        PeerConfig, Prf, Protocol, Rsa, Secret, Selector, Start, Tuned, Version,
    },
};

/// A configuration in charon's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rendered {
    /// `load-conn` messages.
    pub(super) connections: Vec<Node>,
    /// `load-shared` messages.
    pub(super) secrets: Vec<Node>,
    /// `load-pool` messages.
    pub(super) pools: Vec<Node>,
    /// `load-cert` and `load-key` messages, with their names.
    pub(super) certificates: Vec<(&'static str, Node)>,
    /// Children to initiate once loaded: (connection, child).
    pub(super) initiate: Vec<(String, String)>,
}

/// Renders a configuration, or says what charon cannot do with this data plane.
pub(super) fn render(config: &PeerConfig, plane: DataPlane) -> Result<Rendered, Unsupported> {
    if config.daemon.cookies == Cookies::Always {
        return Err(Unsupported {
            peer: String::from("strongSwan"),
            what: String::from("a cookie of every initiator"),
            why: String::from(
                "charon.cookie_threshold counts other half-open IKE SAs, and 0 demands none",
            ),
        });
    }
    let mut rendered = Rendered {
        connections: Vec::new(),
        secrets: Vec::new(),
        pools: Vec::new(),
        certificates: config.rsa.as_ref().map(render_certificates).unwrap_or_default(),
        initiate: Vec::new(),
    };
    let auth = if config.rsa.is_some() { "pubkey" } else { "psk" };
    for connection in &config.connections {
        let section = render_connection(connection, plane, auth)?;
        rendered.connections.push(Node::section().with(&connection.name, section));
        if config.rsa.is_none() {
            let ends = [&connection.local, &connection.remote];
            let owners = ends.map(identity_of).into_iter().flatten();
            let secret = Secret { owners: owners.collect(), psk: connection.psk.clone() };
            rendered.secrets.push(render_secret(&connection.name, &secret));
        }
        rendered.pools.extend(connection.pool.as_ref().map(|pool| {
            let addresses = format!("{}-{}", pool.first, pool.last);
            Node::section().with(&connection.name, Node::section().with("addrs", addresses))
        }));
        for (number, login) in connection.login.iter().chain(&connection.users).enumerate() {
            let id = format!("{}-xauth-{number}", connection.name);
            rendered.secrets.push(render_login(&id, login));
        }
        let starting = connection.children.iter().filter(|child| child.start == Start::Initiate);
        rendered
            .initiate
            .extend(starting.map(|child| (connection.name.clone(), child.name.clone())));
    }
    for (number, secret) in config.secrets.iter().enumerate() {
        rendered.secrets.push(render_secret(&format!("secret-{number}"), secret));
    }
    Ok(rendered)
}

/// The daemon's own file, with what was tuned beside the configuration.
pub(super) fn strongswan_conf(daemon: &Daemon, plane: DataPlane) -> (String, Vec<Tuned>) {
    let mut tuned = Vec::new();
    let mut tune = |setting: &str, value: String, why: &str| {
        tuned.push(Tuned {
            setting: setting.to_owned(),
            value: value.clone(),
            why: why.to_owned(),
        });
        value
    };
    let timeout = daemon.retransmit_timeout.map_or_else(
        || {
            tune(
                "charon.retransmit_timeout",
                String::from("1.0"),
                "a silent refusal would cost 165 s",
            )
        },
        |timeout| timeout.as_secs_f64().to_string(),
    );
    let tries = daemon.retransmit_tries.map_or_else(
        || tune("charon.retransmit_tries", String::from("3"), "a silent refusal would cost 165 s"),
        |tries| tries.to_string(),
    );
    let aggressive = if daemon.accept_aggressive_psk {
        "  i_dont_care_about_security_and_use_aggressive_mode_psk = yes\n"
    } else {
        ""
    };
    let cookies = if daemon.cookies == Cookies::WhileHalfOpen {
        let one = tune("charon.cookie_threshold", String::from("1"), "half-open IKE SAs are few");
        format!("  cookie_threshold = {one}\n")
    } else {
        String::new()
    };
    let libipsec = if plane == DataPlane::Userspace { "yes" } else { "no" };
    let text = format!(
        "charon {{\n  load_modular = yes\n  retransmit_timeout = {timeout}\n  retransmit_tries = {tries}\n\
         {aggressive}{cookies}  plugins {{\n    include strongswan.d/charon/*.conf\n    kernel-libipsec {{\n      \
         load = {libipsec}\n    }}\n    forecast {{\n      load = no\n    }}\n    connmark {{\n      load = no\n    }}\n    vici {{\n      socket = unix:///run/charon.vici\n    }}\n  }}\n  \
         filelog {{\n    ikeproof {{\n      path = {LOG}\n      time_format = %H:%M:%S\n      time_add_ms = yes\n      \
         default = 1\n      ike = 2\n      cfg = 2\n      enc = 1\n      net = 1\n      flush_line = yes\n    }}\n  }}\n}}\n"
    );
    (text, tuned)
}

/// charon's log inside the peer.
pub(super) const LOG: &str = "/run/ikeproof/daemon.log";

/// What charon authenticates with by signatures; it finds the certificate by the identity.
fn render_certificates(rsa: &Rsa) -> Vec<(&'static str, Node)> {
    let certificate = |flag: &str, pem: &str| {
        let data = Node::Octets(pem.as_bytes().to_vec());
        let node = Node::section().with("type", "X509").with("flag", flag).with("data", data);
        ("load-cert", node)
    };
    let key = Node::Octets(rsa.key.expose().clone());
    vec![
        certificate("CA", &rsa.authority),
        certificate("NONE", &rsa.certificate),
        ("load-key", Node::section().with("type", "any").with("data", key)),
    ]
}

fn render_connection(
    connection: &Connection,
    plane: DataPlane,
    auth: &str,
) -> Result<Node, Unsupported> {
    let mut section = Node::section();
    let version = if connection.version == Version::V2 { "2" } else { "1" };
    section.put("version", version);
    if connection.version == Version::V1Aggressive {
        section.put("aggressive", "yes");
    }
    for (end, addresses, port) in [
        (&connection.local, "local_addrs", "local_port"),
        (&connection.remote, "remote_addrs", "remote_port"),
    ] {
        let address =
            end.address.map_or_else(|| String::from("%any"), |address| address.to_string());
        section.put(addresses, Node::List(vec![address]));
        if let Some(number) = end.port {
            section.put(port, number.to_string());
        }
    }
    let proposals: Result<Vec<_>, _> = connection.ike.iter().map(ike_proposal).collect();
    section.put("proposals", Node::List(proposals?));
    section.put("encap", yes_no(connection.force_encap));
    if connection.keeps_port {
        let why = "charon moves to port 4500 where it finds a NAT";
        return Err(unsupported(plane, "staying on port 500", why));
    }
    if connection.nat_traversal != NatTraversal::All {
        let why = "charon announces RFC 3947 and its draft 02, and cannot be told otherwise";
        return Err(unsupported(plane, "a choice of NAT traversal", why));
    }
    if let Some(fragmentation) = connection.fragmentation {
        let word = match fragmentation {
            Fragmentation::Off => "no",
            Fragmentation::Accept => "accept",
            Fragmentation::On => "yes",
            Fragmentation::Force => "force",
        };
        section.put("fragmentation", word);
    }
    if let Some(mobike) = connection.mobike {
        section.put("mobike", yes_no(mobike));
    }
    if let Some(dpd) = connection.dpd {
        section.put("dpd_delay", format!("{}s", dpd.delay.as_secs().max(1)));
        if let Some(timeout) = dpd.timeout {
            section.put("dpd_timeout", format!("{}s", timeout.as_secs()));
        }
    }
    put_rekey(&mut section, connection.rekey, connection.version);
    if connection.rekey.is_some() {
        // Otherwise a tenth of the time, which may be none: the old SA would go before the new one is up.
        section.put("over_time", "60");
    }
    if connection.life_bytes.is_some() {
        let why = "charon offers no kilobytes for an ISAKMP SA";
        return Err(unsupported(plane, "a volume of an IKE SA", why));
    }
    section.put("keyingtries", "1");
    section.put("unique", "no");
    for (name, end) in [("local", &connection.local), ("remote", &connection.remote)] {
        let mut side = Node::section().with("auth", auth);
        if let Some(identity) = identity_of(end) {
            side.put("id", identity_text(&identity));
        }
        section.put(name, side);
    }
    if connection.has_xauth() && connection.version == Version::V2 {
        return Err(unsupported(plane, "XAUTH in IKEv2", "it belongs to IKEv1"));
    }
    if let Some(login) = &connection.login {
        // A second round of the own side, after the one with the key.
        let auth = Node::section().with("auth", "xauth").with("xauth_id", login.name.as_str());
        section.put("local-xauth", auth);
    }
    if !connection.users.is_empty() {
        section.put("remote-xauth", Node::section().with("auth", "xauth-generic"));
    }
    put_mode_config(&mut section, connection, plane)?;
    let mut children = Node::section();
    for child in &connection.children {
        let mut section = render_child(connection, child, plane)?;
        put_rekey(&mut section, child.rekey, connection.version);
        put_volume(&mut section, child.life_bytes);
        children.put(&child.name, section);
    }
    section.put("children", children);
    Ok(section)
}

/// A client of mode-config asks for any address; a server has a pool under the connection's name.
fn put_mode_config(
    section: &mut Node,
    connection: &Connection,
    plane: DataPlane,
) -> Result<(), Unsupported> {
    let pushes = match (connection.mode_config, &connection.pool) {
        (ModeConfig::Off, None) => return Ok(()),
        (ModeConfig::Off, Some(pool)) => pool.push,
        (how, _) => how == ModeConfig::Push,
    };
    if connection.version == Version::V2 {
        return Err(unsupported(plane, "mode-config in IKEv2", "it belongs to IKEv1"));
    }
    if connection.mode_config != ModeConfig::Off {
        section.put("vips", Node::List(vec![String::from("0.0.0.0")]));
    }
    if connection.pool.is_some() {
        section.put("pools", Node::List(vec![connection.name.clone()]));
    }
    section.put("pull", yes_no(!pushes));
    Ok(())
}

fn render_child(
    connection: &Connection,
    child: &Child,
    plane: DataPlane,
) -> Result<Node, Unsupported> {
    if child.over.is_some() {
        let why = "it has a proposal for one protocol or the other";
        return Err(unsupported(plane, "ESP and AH together", why));
    }
    let userspace = plane == DataPlane::Userspace;
    let refuse = |what: &str| {
        Err(unsupported(
            plane,
            what,
            "kernel-libipsec does ESP in tunnel mode only; use the guest data plane",
        ))
    };
    if userspace && child.protocol == Protocol::Ah {
        return refuse("AH");
    }
    if userspace && child.mode == Mode::Transport {
        return refuse("transport mode");
    }
    if userspace && child.proposals.iter().any(|proposal| proposal.esn != Esn::No) {
        return refuse("extended sequence numbers");
    }
    let proposals: Result<Vec<_>, _> =
        child.proposals.iter().map(|proposal| child_proposal(child.protocol, proposal)).collect();
    let key = if child.protocol == Protocol::Ah { "ah_proposals" } else { "esp_proposals" };
    let selectors = |list: &[Selector]| Node::List(list.iter().map(selector).collect());
    let dynamic = || Node::List(vec![String::from("dynamic")]);
    // Transport mode is between the ends themselves; charon puts their addresses there.
    let host_to_host = child.mode == Mode::Transport;
    let gets_address = connection.mode_config != ModeConfig::Off;
    let local = if gets_address || host_to_host { dynamic() } else { selectors(&child.local) };
    let gives_address = connection.pool.is_some();
    let remote = if gives_address || host_to_host { dynamic() } else { selectors(&child.remote) };
    let mut section = Node::section()
        .with("mode", if child.mode == Mode::Tunnel { "tunnel" } else { "transport" })
        .with(key, Node::List(proposals?))
        .with("local_ts", local)
        .with("remote_ts", remote)
        .with("start_action", "none")
        .with("close_action", "none")
        .with("dpd_action", "clear");
    if let Some(window) = child.replay_window {
        section.put("replay_window", window.to_string());
    }
    Ok(section)
}

/// Rekeying is asked for or not there; the default would come in the middle of long runs. IKEv1 is
/// different: a time of 0 is sent as a lifetime, and libreswan then ends the SA at once.
fn put_rekey(section: &mut Node, rekey: Option<std::time::Duration>, version: Version) {
    match (rekey, version) {
        (Some(rekey), _) => section.put("rekey_time", rekey.as_secs().to_string()),
        (None, Version::V2) => section.put("rekey_time", "0"),
        (None, Version::V1Main | Version::V1Aggressive) => return,
    }
    section.put("rand_time", "0");
}

/// A pair is replaced before its volume is spent.
fn put_volume(section: &mut Node, bytes: Option<u64>) {
    if let Some(bytes) = bytes {
        section.put("life_bytes", bytes.to_string());
        section.put("rekey_bytes", (bytes / 10 * 9).to_string());
        section.put("rand_bytes", "0");
    }
}

fn render_secret(id: &str, secret: &Secret) -> Node {
    Node::section()
        .with("id", id)
        .with("type", "IKE")
        .with("data", Node::Octets(secret.psk.octets().to_vec()))
        .with("owners", Node::List(secret.owners.iter().map(identity_text).collect()))
}

fn render_login(id: &str, login: &Login) -> Node {
    Node::section()
        .with("id", id)
        .with("type", "XAUTH")
        .with("data", Node::Octets(login.password.octets().to_vec()))
        .with("owners", Node::List(vec![login.name.clone()]))
}

fn ike_proposal(proposal: &IkeProposal) -> Result<String, Unsupported> {
    let mut words = Vec::new();
    for encr in &proposal.encr {
        words.push(encr_word(*encr)?);
    }
    words.extend(proposal.integ.iter().map(|integ| integ_word(*integ).to_owned()));
    let implied: Vec<_> = proposal.integ.iter().map(|integ| Prf::from(*integ)).collect();
    if !proposal.prf.is_empty() && proposal.prf != implied {
        words.extend(proposal.prf.iter().map(|prf| format!("prf{}", prf_word(*prf))));
    }
    for group in &proposal.groups {
        words.push(group_word(*group)?.to_owned());
    }
    Ok(words.join("-"))
}

fn child_proposal(protocol: Protocol, proposal: &ChildProposal) -> Result<String, Unsupported> {
    let mut words = Vec::new();
    if proposal.encr.iter().any(|encr| encr.is_aead()) && !proposal.integ.is_empty() {
        // charon leaves the HMAC out of what it sends, without a word (seen with 5.9.8).
        let why = "charon drops the integrity algorithm of a proposal with an AEAD cipher";
        return Err(Unsupported {
            peer: "strongswan".to_owned(),
            what: "an AEAD cipher with an integrity algorithm".to_owned(),
            why: why.to_owned(),
        });
    }
    if protocol == Protocol::Esp {
        for encr in &proposal.encr {
            words.push(encr_word(*encr)?);
        }
    }
    words.extend(proposal.integ.iter().map(|integ| integ_word(*integ).to_owned()));
    for group in &proposal.groups {
        words.push(group_word(*group)?.to_owned());
    }
    match proposal.esn {
        Esn::No => words.push(String::from("noesn")),
        Esn::Yes => words.push(String::from("esn")),
        Esn::Either => words.extend(["esn", "noesn"].map(str::to_owned)),
    }
    Ok(words.join("-"))
}

fn encr_word(encr: Encr) -> Result<String, Unsupported> {
    Ok(match encr {
        Encr::Null => String::from("null"),
        Encr::Des => String::from("des"),
        Encr::TripleDes => String::from("3des"),
        Encr::AesCbc(bits) => format!("aes{bits}"),
        Encr::AesCtr(bits) => format!("aes{bits}ctr"),
        Encr::AesGcm(bits, icv) => format!("aes{bits}gcm{icv}"),
        Encr::AesCcm(bits, icv) => format!("aes{bits}ccm{icv}"),
        Encr::AesGmac(bits) => format!("aes{bits}gmac"),
        Encr::CamelliaCbc(bits) => format!("camellia{bits}"),
        Encr::ChaCha20Poly1305 => String::from("chacha20poly1305"),
    })
}

fn integ_word(integ: Integ) -> &'static str {
    prf_word(Prf::from(integ))
}

fn prf_word(prf: Prf) -> &'static str {
    match prf {
        Prf::Md5 => "md5",
        Prf::Sha1 => "sha1",
        Prf::Sha256 => "sha256",
        Prf::Sha384 => "sha384",
        Prf::Sha512 => "sha512",
        Prf::AesXcbc => "aesxcbc",
        Prf::AesCmac => "aescmac",
    }
}

fn group_word(group: Group) -> Result<&'static str, Unsupported> {
    GROUPS.iter().find(|(number, _)| *number == group.0).map(|(_, word)| *word).ok_or_else(|| {
        Unsupported {
            peer: String::from("strongswan"),
            what: group.to_string(),
            why: String::from("charon has no such group"),
        }
    })
}

fn selector(selector: &Selector) -> String {
    let network = format!("{}/{}", selector.address, selector.prefix);
    match (selector.protocol, selector.port) {
        (None, None) => network,
        (protocol, port) => {
            let any = || String::from("any");
            let protocol = protocol.map_or_else(|| String::from("0"), |number| number.to_string());
            format!("{network}[{protocol}/{}]", port.map_or_else(any, |port| port.to_string()))
        }
    }
}

/// The identity of an end; charon uses the address by itself when there is none.
fn identity_of(end: &End) -> Option<Identity> {
    end.identity.clone().or_else(|| end.address.map(Identity::Ip))
}

fn identity_text(identity: &Identity) -> String {
    match identity {
        Identity::Ip(address) => address.to_string(),
        Identity::Fqdn(name) => format!("fqdn:{name}"),
        Identity::Email(name) => format!("email:{name}"),
        Identity::KeyId(octets) => {
            format!("keyid:#{}", hex::encode(octets))
        }
    }
}

fn yes_no(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}

fn unsupported(plane: DataPlane, what: &str, why: &str) -> Unsupported {
    Unsupported {
        peer: format!("strongswan ({plane})"),
        what: what.to_owned(),
        why: why.to_owned(),
    }
}

const GROUPS: [(u16, &str); 22] = [
    (1, "modp768"),
    (2, "modp1024"),
    (5, "modp1536"),
    (14, "modp2048"),
    (15, "modp3072"),
    (16, "modp4096"),
    (17, "modp6144"),
    (18, "modp8192"),
    (19, "ecp256"),
    (20, "ecp384"),
    (21, "ecp521"),
    (22, "modp1024s160"),
    (23, "modp2048s224"),
    (24, "modp2048s256"),
    (25, "ecp192"),
    (26, "ecp224"),
    (27, "ecp224bp"),
    (28, "ecp256bp"),
    (29, "ecp384bp"),
    (30, "ecp512bp"),
    (31, "curve25519"),
    (32, "curve448"),
];

#[cfg(test)]
mod tests;
