//! `whack --status`, the kernel's states and pluto's log as typed state.
//!
//! pluto says nowhere what the IKE SPIs are, so those stay unknown. Packet counts and UDP
//! encapsulation come from `ip -s xfrm state`, the role from the log.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
};

use crate::peer::{ChildSa, IkeSa, Mode, Nat, Protocol, Traffic, in_words_of_suites};

/// The kernel's view of one SA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct KernelSa {
    encap: bool,
    transport: bool,
    traffic: Traffic,
}

/// What `--status` says about one instance of a `conn`, keyed by `"name"[instance]`.
#[derive(Debug, Clone, Default)]
struct Conn {
    local: Vec<String>,
    remote: Vec<String>,
    local_id: String,
    remote_id: String,
    ike: BTreeMap<String, String>,
    esp: BTreeMap<String, String>,
}

/// Reads the three texts; `address` is the peer's own.
pub(super) fn read(status: &str, xfrm: &str, log: &str, address: IpAddr) -> Vec<IkeSa> {
    let lines: Vec<_> =
        status.lines().map(|line| line.strip_prefix("000 ").unwrap_or(line)).collect();
    let conns = conns(&lines);
    let kernel = kernel(xfrm);
    let mut sas: BTreeMap<u64, IkeSa> = BTreeMap::new();
    let mut children: BTreeMap<u64, (String, u64, ChildSa)> = BTreeMap::new();
    for line in &lines {
        let Some(state) = state_line(line) else { continue };
        let unknown = Conn::default();
        let conn = conns.get(&state.key).unwrap_or(&unknown);
        let (connection, child) = split_name(&state.name);
        if state.rest.contains("Traffic:") || state.rest.starts_with(['e', 'a']) {
            if let Some((_, _, sa)) = children.get_mut(&state.number) {
                read_spis(state.rest, sa, &kernel);
            }
        } else if is_child(state.rest) {
            let sa = ChildSa {
                name: child.to_owned(),
                unique_id: state.number.to_string(),
                installed: state.rest.contains("established"),
                state: state.rest.split([' ', ';']).next().unwrap_or_default().to_owned(),
                protocol: Protocol::Esp,
                mode: Mode::Tunnel,
                encap: false,
                spi_in: 0,
                spi_out: 0,
                algorithms: conn.esp.clone(),
                local: conn.local.clone(),
                remote: conn.remote.clone(),
                received: Traffic::default(),
                sent: Traffic::default(),
            };
            let parent = parent(state.rest).unwrap_or(0);
            children.insert(state.number, (connection.to_owned(), parent, sa));
        } else {
            let name = state.rest.split([' ', ';']).next().unwrap_or_default();
            let port = state.remote.map_or(500, |remote| remote.port());
            let sa = IkeSa {
                connection: connection.to_owned(),
                unique_id: state.number.to_string(),
                version: if is_v1(name) { 1 } else { 2 },
                state: name.to_owned(),
                established: state.rest.contains("established"),
                initiator: initiator(name, state.number, log),
                spi_i: None,
                spi_r: None,
                local: Some(SocketAddr::new(address, if port == 500 { 500 } else { 4500 })),
                remote: state.remote,
                local_id: conn.local_id.clone(),
                remote_id: conn.remote_id.clone(),
                algorithms: conn.ike.clone(),
                nat: nat(state.number, log),
                children: Vec::new(),
            };
            sas.insert(state.number, sa);
        }
    }
    for (connection, parent, child) in children.into_values() {
        // Pairs of IKEv1 outlive the SA that they were negotiated under. The newest one speaks for them then.
        let of_connection = |sa: &&IkeSa| sa.established && sa.connection == connection;
        let is_gone = !sas.contains_key(&parent);
        let newest = is_gone.then(|| sas.values().rfind(of_connection)).flatten();
        let parent = newest.map_or(parent, |sa| sa.unique_id.parse().unwrap_or(parent));
        if let Some(sa) = sas.get_mut(&parent) {
            // Where an address was pushed or given, its name stays that of what was before.
            let named_before = ["STATE_XAUTH_I1", "STATE_MODE_CFG_R1"].contains(&sa.state.as_str());
            sa.established |= named_before && child.installed;
            sa.children.push(child);
        }
    }
    sas.into_values().collect()
}

/// The names of the conns that are loaded, from lines such as `"lane.net": 10.0.0.3---10.0.0.2...`.
pub(super) fn connections(status: &str) -> BTreeSet<String> {
    let lines = status.lines().map(|line| line.strip_prefix("000 ").unwrap_or(line));
    let named = lines.filter_map(|line| line.strip_prefix('"')?.split_once('"'));
    // An instance, `"lane.net"[1]:`, is made of a conn that has lines of its own.
    named.filter(|(_, rest)| rest.starts_with(':')).map(|(name, _)| name.to_owned()).collect()
}

/// A line such as `#5: "lane.net"[1] 10.0.0.3:500 ESTABLISHED_IKE_SA (established IKE SA); ...`.
struct StateLine<'a> {
    number: u64,
    key: String,
    name: String,
    remote: Option<SocketAddr>,
    rest: &'a str,
}

fn state_line(line: &str) -> Option<StateLine<'_>> {
    let (number, rest) = line.strip_prefix('#')?.split_once(": ")?;
    let (name, rest) = rest.strip_prefix('"')?.split_once('"')?;
    let (instance, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    // A conn without instances has no address before ":500" either.
    let (before, after) = rest.split_once(' ').unwrap_or((rest, ""));
    let (remote, rest) = match before.parse::<SocketAddr>() {
        Ok(remote) => (Some(remote), after),
        Err(_) if before.parse::<IpAddr>().is_ok() => (None, after),
        Err(_) => (None, rest),
    };
    let (instance, remote) = match instance.split_once(':') {
        // `"lane.net":500 STATE...`
        Some((instance, port)) => (
            instance,
            remote.or_else(|| {
                port.parse().ok().map(|port| SocketAddr::new([0, 0, 0, 0].into(), port))
            }),
        ),
        None => (instance, remote),
    };
    Some(StateLine {
        number: number.parse().ok()?,
        key: format!("\"{name}\"{instance}"),
        name: name.to_owned(),
        remote,
        rest,
    })
}

fn conns(lines: &[&str]) -> BTreeMap<String, Conn> {
    let mut conns: BTreeMap<String, Conn> = BTreeMap::new();
    for line in lines.iter().filter(|line| line.starts_with('"')) {
        let Some((key, text)) = line.split_once(": ") else { continue };
        let text = text.trim();
        // The names of authorities are written like ends.
        if text.starts_with("CAs: ") {
            continue;
        }
        let conn = conns.entry(key.to_owned()).or_default();
        if let Some((left, right)) = text.split_once("...") {
            let right = right.split(';').next().unwrap_or_default();
            conn.local = left.split("===").next().map(selectors).unwrap_or_default();
            conn.remote = right.split("===").last().map(selectors).unwrap_or_default();
        } else if text.starts_with("our idtype") {
            let field = |name: &str| {
                text.split("; ")
                    .find_map(|part| part.strip_prefix(name))
                    .unwrap_or_default()
                    .to_owned()
            };
            (conn.local_id, conn.remote_id) = (field("our id="), field("their id="));
        } else if let Some((kind, names)) = text.split_once(" algorithm newest: ") {
            let mut parts = names.split(';').map(str::trim);
            let names = parts.next().unwrap_or_default();
            let group = parts.next().and_then(|part| part.strip_prefix("pfsgroup="));
            let group = group.map(|group| ("group", group));
            match kind {
                "ESP" => conn.esp = algorithms(names, &["encr", "integ"], group),
                "AH" => conn.esp = algorithms(names, &["integ"], group),
                _ => conn.ike = algorithms(names, &["encr", "prf", "group"], None),
            }
        }
    }
    conns
}

/// Of one side of a conn: `10.1.0.0/24`, several or an address from a pool in braces, or where it has no
/// network `10.222.1.2[@name]`.
fn selectors(text: &str) -> Vec<String> {
    let text = text.trim().trim_start_matches('{');
    let text = text.split(['[', '}']).next().unwrap_or_default();
    let one = |text: &str| match text.parse::<IpAddr>() {
        Ok(address) => format!("{address}/{}", if address.is_ipv4() { 32 } else { 128 }),
        Err(_) => text.to_owned(),
    };
    text.split(',').map(|text| one(text.trim())).collect()
}

fn algorithms<'a>(
    names: &'a str,
    kinds: &[&'static str],
    group: Option<(&'static str, &'a str)>,
) -> BTreeMap<String, String> {
    in_words_of_suites(kinds.iter().copied().zip(names.split('-')).chain(group))
}

/// `esp.<out>@<them> esp.<in>@<us>`, in this order.
fn read_spis(rest: &str, sa: &mut ChildSa, kernel: &BTreeMap<u32, KernelSa>) {
    let mut spis = rest.split_whitespace().filter_map(|word| {
        let (protocol, rest) = word.split_once('.')?;
        let spi = u32::from_str_radix(rest.split_once('@')?.0, 16).ok()?;
        matches!(protocol, "esp" | "ah").then_some((protocol, spi))
    });
    let (Some((protocol, out)), Some((_, into))) = (spis.next(), spis.next()) else { return };
    sa.protocol = if protocol == "ah" { Protocol::Ah } else { Protocol::Esp };
    (sa.spi_out, sa.spi_in) = (out, into);
    if let Some(state) = kernel.get(&into) {
        sa.encap = state.encap;
        sa.mode = if state.transport { Mode::Transport } else { Mode::Tunnel };
        sa.received = state.traffic;
    }
    sa.sent = kernel.get(&out).map_or(sa.sent, |state| state.traffic);
}

/// `ip -s xfrm state` by SPI.
fn kernel(text: &str) -> BTreeMap<u32, KernelSa> {
    let mut states: BTreeMap<u32, KernelSa> = BTreeMap::new();
    let (mut current, mut lifetime) = (0, false);
    for line in text.lines().map(str::trim) {
        if let Some((_, after)) = line.split_once(" spi 0x") {
            let digits = after.split(|c: char| !c.is_ascii_hexdigit()).next().unwrap_or_default();
            current = u32::from_str_radix(digits, 16).unwrap_or(0);
            states.insert(
                current,
                KernelSa { transport: line.contains("mode transport"), ..Default::default() },
            );
        }
        let Some(state) = states.get_mut(&current) else { continue };
        state.encap |= line.starts_with("encap type espinudp");
        if lifetime {
            let mut counts = line.split(", ").map(|part| {
                part.split('(').next().and_then(|digits| digits.parse().ok()).unwrap_or(0)
            });
            state.traffic.bytes = counts.next().unwrap_or(0);
            state.traffic.packets = counts.next().unwrap_or(0);
        }
        lifetime = line == "lifetime current:";
    }
    states
}

fn is_child(rest: &str) -> bool {
    let name = rest.split([' ', ';']).next().unwrap_or_default();
    name.contains("CHILD") || name.contains("QUICK") || name.contains("_V2_NEW_")
}

fn is_v1(name: &str) -> bool {
    ["MAIN", "AGGR", "QUICK", "XAUTH", "MODE_CFG", "INFO"].iter().any(|word| name.contains(word))
}

/// `IKE SA #5` (version 2) or `ISAKMP SA #5` / `isakmp#5` (version 1).
fn parent(rest: &str) -> Option<u64> {
    let after = ["IKE SA #", "ISAKMP SA #", "isakmp#"]
        .iter()
        .find_map(|word| rest.split_once(word).map(|(_, after)| after))?;
    after.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn initiator(state: &str, number: u64, log: &str) -> bool {
    if is_v1(state) {
        return state.contains("_I");
    }
    log.lines().any(|line| line.contains(&format!("#{number}: initiat")))
}

fn nat(number: u64, log: &str) -> Nat {
    let own = format!("#{number}: ");
    let lines = || log.lines().filter(|line| line.contains(&own));
    let says = |text: &str| lines().any(|line| line.contains(text));
    Nat {
        local: says("I am behind NAT") || says("both are NATed"),
        remote: says("peer behind NAT") || says("peer is NATed") || says("both are NATed"),
    }
}

fn split_name(name: &str) -> (&str, &str) {
    name.rsplit_once('.').unwrap_or((name, name))
}

#[cfg(test)]
mod tests;
