//! The vendor-neutral configuration as ipsec.conf and ipsec.secrets.

use ikeproof_proto::wire::hex;

use crate::{
    Unsupported,
    peer::{
        Child, ChildProposal, Connection, Cookies, Daemon, Encr, End, Esn, Fragmentation, Group,
        Identity, IkeProposal, Integ, Login, Mode, ModeConfig, NatTraversal, PeerConfig, Prf,
        Protocol, Selector, Start, Tuned, Version,
    },
};

/// A configuration in pluto's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rendered {
    /// The connections' part of ipsec.conf.
    pub(super) conf: String,
    /// ipsec.secrets.
    pub(super) secrets: String,
    /// Who may log in by XAUTH.
    pub(super) users: Vec<Login>,
    /// The `conn` names: (name, whether to initiate at once).
    pub(super) names: Vec<(String, bool)>,
    /// What was set beside the configuration.
    pub(super) tuned: Vec<Tuned>,
}

/// The peer's own certificate and key in pluto's database.
pub(super) const NSS_OWN: &str = "ikeproof-own";
/// The certificate of the authority in it.
pub(super) const NSS_AUTHORITY: &str = "ikeproof-authority";
/// The folder of the files that are put into it.
pub(super) const NSS_FILES: &str = "/run/ikeproof";

/// Puts the certificates into the database. A private key gets there by PKCS #12 alone.
pub(super) fn import() -> String {
    let database = NSS_DATABASE;
    let (own, authority, files) = (NSS_OWN, NSS_AUTHORITY, NSS_FILES);
    format!(
        "set -e; cd {files}; trap 'rm -f own.key own.p12' EXIT\n\
         certutil -A -d {database} -n {authority} -t CT,, -a -i authority.pem\n\
         openssl pkcs12 -export -name {own} -in own.pem -inkey own.key -out own.p12 -passout pass:laboratory\n\
         pk12util -i own.p12 -d {database} -W laboratory"
    )
}

/// Takes them out again. What is not there need not go.
pub(super) fn forget() -> String {
    format!(
        "certutil -F -d {NSS_DATABASE} -n {NSS_OWN}; certutil -D -d {NSS_DATABASE} -n {NSS_OWN}; \
         certutil -D -d {NSS_DATABASE} -n {NSS_AUTHORITY}; true"
    )
}

/// Lets a user log in whose password is in [`PASSWORD`]. pluto has the password as a hash of crypt(3).
pub(super) fn admit(user: &str) -> String {
    format!(
        "set -e; umask 077; mkdir -p /etc/ipsec.d; trap 'rm -f {PASSWORD}' EXIT\n\
         hash=$(openssl passwd -6 -stdin <{PASSWORD}); printf '%s:%s\\n' '{user}' \"$hash\" >>{USERS}"
    )
}

/// Who may log in by XAUTH, inside the peer.
pub(super) const USERS: &str = "/etc/ipsec.d/passwd";
/// A password on its way there.
pub(super) const PASSWORD: &str = "/run/ikeproof/password";

const NSS_DATABASE: &str = "sql:/var/lib/ipsec/nss";

/// pluto's log inside the peer.
pub(super) const LOG: &str = "/run/ikeproof/daemon.log";

/// The name of the `conn` for a child.
pub(super) fn conn_name(connection: &str, child: &str) -> String {
    format!("{connection}.{child}")
}

/// Renders a configuration, or says what pluto cannot do. `all` is the build with group 2.
pub(super) fn render(config: &PeerConfig, all: bool) -> Result<Rendered, Unsupported> {
    if config.daemon.accept_aggressive_psk {
        tracing::debug!("pluto accepts aggressive mode with a preshared key without being told");
    }
    let mut rendered = Rendered {
        conf: String::new(),
        secrets: String::new(),
        users: Vec::new(),
        names: Vec::new(),
        tuned: vec![Tuned {
            setting: String::from("impair revival"),
            value: String::from("yes"),
            why: String::from("pluto would bring a connection up again that the test took down"),
        }],
    };
    let words = Words { all, rsa: config.rsa.is_some() };
    for connection in &config.connections {
        for child in &connection.children {
            let name = conn_name(&connection.name, &child.name);
            rendered.conf.push_str(&words.conn(&name, connection, child, &config.daemon)?);
            rendered.names.push((name, child.start == Start::Initiate));
        }
        if config.rsa.is_none() {
            let owners = [&connection.local, &connection.remote].map(end_id);
            rendered.secrets.push_str(&format!(
                "{} {} : PSK 0x{}\n",
                owners[0],
                owners[1],
                connection.psk.hex()
            ));
        }
        if let Some(login) = &connection.login {
            rendered.secrets.push_str(&xauth_secret(login)?);
        }
        for user in &connection.users {
            plain_password(user)?;
            rendered.users.push(user.clone());
        }
    }
    for secret in &config.secrets {
        let owners: Vec<_> = secret.owners.iter().map(identity_text).collect();
        rendered.secrets.push_str(&format!("{} : PSK 0x{}\n", owners.join(" "), secret.psk.hex()));
    }
    if config.daemon.retransmit_timeout.is_none() || config.daemon.retransmit_tries.is_none() {
        rendered.tuned.push(Tuned {
            setting: String::from("retransmit-timeout"),
            value: retransmission(&config.daemon).1,
            why: String::from("a silent refusal would cost a minute"),
        });
    }
    rendered.tuned.push(Tuned {
        setting: String::from("leftupdown"),
        value: String::from("%disabled"),
        why: String::from(
            "pluto waits for its script, seconds in a guest; the default route and the kernel's policies \
             carry the traffic without it",
        ),
    });
    rendered.tuned.push(Tuned {
        setting: String::from("nhelpers"),
        value: String::from("0"),
        why: String::from("threads are dear in a guest, and nothing on the wire depends on them"),
    });
    if config.daemon.cookies == Cookies::WhileHalfOpen {
        rendered.tuned.push(Tuned {
            setting: String::from("ddos-ike-threshold"),
            value: String::from("1"),
            why: String::from("half-open IKE SAs are few"),
        });
    }
    Ok(rendered)
}

/// `config setup`, read when pluto starts.
pub(super) fn setup(daemon: &Daemon) -> String {
    let mut text = format!(
        "config setup\n    logfile={LOG}\n    logtime=yes\n    logappend=yes\n    uniqueids=no\n    \
         nhelpers=0\n    virtual-private=%v4:0.0.0.0/0\n    ikev1-policy=accept\n"
    );
    text.push_str(match daemon.cookies {
        Cookies::UnderLoad => "",
        Cookies::WhileHalfOpen => "    ddos-mode=auto\n    ddos-ike-threshold=1\n",
        Cookies::Always => "    ddos-mode=busy\n",
    });
    text
}

/// The lines of a client or a server of mode-config.
fn mode_config(connection: &Connection) -> Result<Vec<String>, Unsupported> {
    let (client, server, pushes, pool) = match (connection.mode_config, &connection.pool) {
        (ModeConfig::Off, None) => return Ok(Vec::new()),
        (ModeConfig::Off, Some(pool)) => ("right", "left", pool.push, Some(pool)),
        (how, _) => ("left", "right", how == ModeConfig::Push, None),
    };
    if connection.version == Version::V2 {
        return Err(unsupported("mode-config", "it belongs to IKEv1"));
    }
    let mut lines = vec![
        format!("{client}modecfgclient=yes"),
        format!("{server}modecfgserver=yes"),
        format!("modecfgpull={}", yes_no(!pushes)),
    ];
    lines.extend(pool.map(|pool| format!("rightaddresspool={}-{}", pool.first, pool.last)));
    Ok(lines)
}

/// The line of a conn that does not announce all forms of NAT traversal.
const fn nat_traversal(announced: NatTraversal) -> Option<&'static str> {
    match announced {
        // It announces the drafts beside the RFC then.
        NatTraversal::All => None,
        NatTraversal::Drafts => Some("nat-ikev1-method=drafts"),
        NatTraversal::Off => Some("nat-ikev1-method=none"),
    }
}

/// The spelling, which depends on the build.
struct Words {
    all: bool,
    rsa: bool,
}

impl Words {
    fn conn(
        &self,
        name: &str,
        connection: &Connection,
        child: &Child,
        daemon: &Daemon,
    ) -> Result<String, Unsupported> {
        let (interval, timeout) = retransmission(daemon);
        let version = connection.version;
        let mut lines = vec![
            format!("left={}", address(&connection.local)),
            format!("leftid={}", end_id(&connection.local)),
            format!("right={}", address(&connection.remote)),
            format!("rightid={}", end_id(&connection.remote)),
            format!("authby={}", if self.rsa { "rsasig" } else { "secret" }),
            format!("ikev2={}", yes_no(version == Version::V2)),
            format!("ike={}", self.ike(&connection.ike)?),
            format!("retransmit-interval={interval}"),
            format!("retransmit-timeout={timeout}"),
            String::from("auto=ignore"),
        ];
        if connection.mode_config == ModeConfig::Off {
            // The kernel's policies carry the traffic; the script would only add routes to where the default
            // route leads anyway. An address that the other end gives is its business.
            lines.push(String::from("leftupdown=%disabled"));
        }
        if self.rsa {
            lines.push(format!("leftcert={NSS_OWN}"));
            // The key of either side is that of its certificate.
            lines.extend(["left", "right"].map(|side| format!("{side}rsasigkey=%cert")));
        }
        if connection.has_xauth() && version == Version::V2 {
            return Err(unsupported("XAUTH", "it belongs to IKEv1"));
        }
        match &connection.login {
            Some(Login { then: Some(_), .. }) => {
                let why = "pluto looks a password up once, and answers with it each time";
                return Err(unsupported("another password when asked again", why));
            }
            Some(login) => lines.extend([
                String::from("leftxauthclient=yes"),
                String::from("rightxauthserver=yes"),
                format!("leftusername={}", login.name),
            ]),
            None => {}
        }
        if !connection.users.is_empty() {
            lines.extend([
                String::from("leftxauthserver=yes"),
                String::from("rightxauthclient=yes"),
                String::from("xauthby=file"),
            ]);
        }
        lines.extend(mode_config(connection)?);
        if version == Version::V1Aggressive {
            lines.push(String::from("aggressive=yes"));
        }
        if version == Version::V2 {
            lines.push(String::from("narrowing=yes"));
        }
        // pluto says it with a later IKE SA as well, while it has an older one.
        if connection.initial_contact {
            lines.push(String::from("initial-contact=yes"));
        }
        for (side, end) in [("left", &connection.local), ("right", &connection.remote)] {
            if let Some(port) = end.port {
                lines.push(format!("{side}ikeport={port}"));
            }
        }
        if connection.force_encap {
            lines.push(String::from("encapsulation=yes"));
        }
        if connection.keeps_port {
            let why = "pluto moves to port 4500 where it finds a NAT";
            return Err(unsupported("staying on port 500", why));
        }
        lines.extend(nat_traversal(connection.nat_traversal).map(str::to_owned));
        if let Some(fragmentation) = connection.fragmentation {
            let word = match fragmentation {
                Fragmentation::Off => "no",
                Fragmentation::On => "yes",
                Fragmentation::Force => "force",
                Fragmentation::Accept => {
                    return Err(unsupported(
                        "taking fragments only",
                        "pluto sends them, too, then",
                    ));
                }
            };
            lines.push(format!("fragmentation={word}"));
        }
        match (connection.mobike, version) {
            (Some(true), Version::V1Main | Version::V1Aggressive) => {
                return Err(unsupported("MOBIKE", "it belongs to IKEv2"));
            }
            (Some(mobike), Version::V2) => lines.push(format!("mobike={}", yes_no(mobike))),
            _ => {}
        }
        if let Some(dpd) = connection.dpd {
            let timeout = dpd.timeout.unwrap_or(dpd.delay * 4);
            lines.push(format!("dpddelay={}s", dpd.delay.as_secs().max(1)));
            lines.push(format!("dpdtimeout={}s", timeout.as_secs().max(1)));
        }
        if connection.life_bytes.or(child.life_bytes).is_some() {
            let why = "pluto offers seconds alone in IKEv1";
            return Err(unsupported("a volume of an SA", why));
        }
        // Who gets an address has nothing else behind it.
        let gets = |line: &String| match line.split_once('=') {
            Some(("leftsubnet", _)) => connection.mode_config != ModeConfig::Off,
            Some(("rightsubnet", _)) => connection.pool.is_some(),
            _ => false,
        };
        lines.extend(self.child(child)?.into_iter().filter(|line| !gets(line)));
        lines.extend(lifetimes(connection, child));
        Ok(format!("\nconn {name}\n    {}\n", lines.join("\n    ")))
    }

    fn child(&self, child: &Child) -> Result<Vec<String>, Unsupported> {
        let (key, phase2) = match child.protocol {
            Protocol::Esp => ("esp", "esp"),
            Protocol::Ah => ("ah", "ah"),
        };
        if child.over.is_some() {
            let why = "`phase2=` names one protocol or the other";
            return Err(unsupported("ESP and AH together", why));
        }
        let pfs = child.proposals.iter().any(|proposal| !proposal.groups.is_empty());
        let proposals: Result<Vec<_>, _> = child
            .proposals
            .iter()
            .map(|proposal| self.child_proposal(child.protocol, proposal))
            .collect();
        let mut lines = vec![
            format!("type={}", if child.mode == Mode::Tunnel { "tunnel" } else { "transport" }),
            format!("phase2={phase2}"),
            format!("{key}={}", proposals?.join(",")),
            format!("pfs={}", yes_no(pfs)),
            format!("esn={}", esn(&child.proposals)?),
        ];
        for (side, selectors) in [("left", &child.local), ("right", &child.remote)] {
            let [selector] = selectors.as_slice() else {
                return Err(unsupported(
                    "several traffic selectors in one child",
                    "pluto 4 has one pair per conn; use one child per pair",
                ));
            };
            if child.mode == Mode::Tunnel {
                lines.push(format!("{side}subnet={}/{}", selector.address, selector.prefix));
            }
            lines.extend(protoport(selector).map(|text| format!("{side}protoport={text}")));
        }
        if let Some(window) = child.replay_window {
            lines.push(format!("replay-window={window}"));
        }
        Ok(lines)
    }

    fn ike(&self, proposals: &[IkeProposal]) -> Result<String, Unsupported> {
        let texts: Result<Vec<_>, Unsupported> = proposals
            .iter()
            .map(|proposal| {
                let implied: Vec<_> =
                    proposal.integ.iter().map(|integ| Prf::from(*integ)).collect();
                if !proposal.integ.is_empty() && proposal.prfs() != implied {
                    return Err(unsupported(
                        "a PRF other than the integrity algorithm's",
                        "pluto's ike= names both with one word",
                    ));
                }
                let encr = self.join(proposal.encr.iter().map(|encr| self.encr(*encr)))?;
                let prf =
                    self.join(proposal.prfs().iter().map(|prf| Ok(prf_word(*prf).to_owned())))?;
                let groups = self.join(proposal.groups.iter().map(|group| self.group(*group)))?;
                Ok(format!("{encr}-{prf}-{groups}"))
            })
            .collect();
        Ok(texts?.join(","))
    }

    fn child_proposal(
        &self,
        protocol: Protocol,
        proposal: &ChildProposal,
    ) -> Result<String, Unsupported> {
        let mut parts = Vec::new();
        if protocol == Protocol::Esp {
            let alone = proposal.integ.is_empty() && !proposal.encr.iter().all(|it| it.is_aead());
            if alone {
                let why = "pluto puts HMACs of its own beside it";
                return Err(unsupported("a cipher without an integrity algorithm", why));
            }
            parts.push(self.join(proposal.encr.iter().map(|encr| self.encr(*encr)))?);
        }
        if proposal.integ.is_empty() && !proposal.groups.is_empty() {
            // What follows the cipher is read as the integrity algorithm.
            parts.push(String::from("none"));
        }
        if !proposal.integ.is_empty() {
            parts.push(
                self.join(proposal.integ.iter().map(|integ| Ok(integ_word(*integ).to_owned())))?,
            );
        }
        if !proposal.groups.is_empty() {
            parts.push(self.join(proposal.groups.iter().map(|group| self.group(*group)))?);
        }
        Ok(parts.join("-"))
    }

    fn join(
        &self,
        words: impl Iterator<Item = Result<String, Unsupported>>,
    ) -> Result<String, Unsupported> {
        Ok(words.collect::<Result<Vec<_>, _>>()?.join("+"))
    }

    fn encr(&self, encr: Encr) -> Result<String, Unsupported> {
        Ok(match encr {
            Encr::Null => String::from("null"),
            Encr::Des => return Err(unsupported("DES", "pluto has removed it")),
            Encr::TripleDes => String::from("3des"),
            Encr::AesCbc(bits) => format!("aes{bits}"),
            Encr::AesCtr(bits) => format!("aes_ctr{bits}"),
            Encr::AesGcm(bits, icv) => format!("aes_gcm_{icv}_{bits}"),
            Encr::AesCcm(bits, icv) => format!("aes_ccm_{icv}_{bits}"),
            Encr::AesGmac(bits) => format!("null_auth_aes_gmac{bits}"),
            Encr::CamelliaCbc(bits) => format!("camellia{bits}"),
            Encr::ChaCha20Poly1305 => String::from("chacha20_poly1305"),
        })
    }

    fn group(&self, group: Group) -> Result<String, Unsupported> {
        match group.0 {
            2 if !self.all => Err(unsupported(
                "group 2",
                "Debian builds pluto without it; use the libreswan-src image",
            )),
            2 | 5 | 14..=21 | 31 => Ok(format!("dh{}", group.0)),
            22..=24 if self.all => Ok(format!("dh{}", group.0)),
            _ => Err(unsupported(&group.to_string(), "pluto has no such group")),
        }
    }
}

/// The line with the password of the own user.
fn xauth_secret(login: &Login) -> Result<String, Unsupported> {
    Ok(format!("@{} : XAUTH \"{}\"\n", login.name, plain_password(login)?))
}

/// The password of a user. pluto has no other form for the own one than text in quotes.
fn plain_password(login: &Login) -> Result<&str, Unsupported> {
    let is_plain = |octet: &u8| octet.is_ascii_graphic() && *octet != b'"';
    match std::str::from_utf8(login.password.octets()) {
        Ok(password) if password.bytes().all(|it| is_plain(&it)) && !password.is_empty() => {
            Ok(password)
        }
        _ => Err(unsupported("such a password", "ipsec.secrets has it as text in quotes")),
    }
}

fn lifetimes(connection: &Connection, child: &Child) -> Vec<String> {
    if connection.rekey.is_none() && child.rekey.is_none() {
        return vec![String::from("rekey=no")];
    }
    // A rekey begins a margin before the end of the lifetime.
    let margin = 10;
    let end = |rekey: Option<std::time::Duration>| rekey.map(|rekey| rekey.as_secs() + margin);
    let mut lines = vec![
        String::from("rekey=yes"),
        format!("rekeymargin={margin}s"),
        String::from("rekeyfuzz=0%"),
    ];
    lines.extend(end(connection.rekey).map(|seconds| format!("ikelifetime={seconds}s")));
    lines.extend(end(child.rekey).map(|seconds| format!("salifetime={seconds}s")));
    lines
}

/// The interval in milliseconds, and the time after which pluto gives up.
fn retransmission(daemon: &Daemon) -> (String, String) {
    let interval = daemon.retransmit_timeout.map_or(1000, |timeout| timeout.as_millis());
    // pluto doubles the interval each time.
    let tries = daemon.retransmit_tries.unwrap_or(3).min(16);
    let total = interval.saturating_mul((1 << (tries + 1)) - 1).div_ceil(1000);
    (interval.to_string(), format!("{total}s"))
}

fn esn(proposals: &[ChildProposal]) -> Result<&'static str, Unsupported> {
    let mut all = proposals.iter().map(|proposal| proposal.esn);
    let first = all.next().unwrap_or_default();
    if all.any(|other| other != first) {
        return Err(unsupported(
            "ESN in some proposals only",
            "pluto's esn= is for the whole conn",
        ));
    }
    Ok(match first {
        Esn::No => "no",
        Esn::Yes => "yes",
        Esn::Either => "either",
    })
}

fn protoport(selector: &Selector) -> Option<String> {
    match (selector.protocol, selector.port) {
        (None, None) => None,
        (protocol, port) => {
            let port = port.map_or_else(|| String::from("%any"), |port| port.to_string());
            Some(format!("{}/{port}", protocol.unwrap_or(0)))
        }
    }
}

fn address(end: &End) -> String {
    end.address.map_or_else(|| String::from("%any"), |address| address.to_string())
}

fn end_id(end: &End) -> String {
    end.identity.as_ref().map_or_else(|| address(end), identity_text)
}

fn identity_text(identity: &Identity) -> String {
    match identity {
        Identity::Ip(address) => address.to_string(),
        Identity::Fqdn(name) => format!("@{name}"),
        Identity::Email(name) => name.clone(),
        Identity::KeyId(octets) => {
            format!("@#{}", hex::encode(octets))
        }
    }
}

fn integ_word(integ: Integ) -> &'static str {
    prf_word(Prf::from(integ))
}

fn prf_word(prf: Prf) -> &'static str {
    match prf {
        Prf::Md5 => "md5",
        Prf::Sha1 => "sha1",
        Prf::Sha256 => "sha2_256",
        Prf::Sha384 => "sha2_384",
        Prf::Sha512 => "sha2_512",
        Prf::AesXcbc => "aes_xcbc",
        Prf::AesCmac => "aes_cmac",
    }
}

fn yes_no(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}

pub(super) fn unsupported(what: &str, why: &str) -> Unsupported {
    Unsupported { peer: String::from("libreswan"), what: what.to_owned(), why: why.to_owned() }
}

#[cfg(test)]
mod tests;
