//! What both drivers do the same way inside a peer: traffic, logs, and the kernel's part of the state.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use futures_util::FutureExt;

use crate::{
    Error, Result,
    peer::{Listening, Tcp},
    plane::{Plane, SHORT},
};

/// Listens for one connection, and returns once the listener is bound.
pub(crate) async fn listen(plane: Arc<Plane>, tcp: &Tcp) -> Result<Listening> {
    let port = tcp.remote.port();
    let local = tcp.local.unwrap_or(IpAddr::V4(plane.address));
    let command = tcp.listen_command();
    let within = tcp.within;
    let server = plane.clone();
    let task = tokio::spawn(async move { server.shell().run(&command, within).await });
    let bound = format!(
        "i=0; while [ $i -lt 100 ]; do ss -Hltn 'sport = :{port}' | grep -q . && exit 0; \
         i=$((i + 1)); sleep 0.05; done; exit 1"
    );
    plane.shell().output(&bound, SHORT).await?;
    let report = async move {
        let finished = task.await.map_err(|error| Error::Io {
            doing: String::from("waiting for a listener in the peer"),
            source: std::io::Error::other(error.to_string()),
        })??;
        Tcp::report(&finished)
    };
    Ok(Listening { local: SocketAddr::new(local, port), report: report.boxed() })
}

/// The kernel's state that a case must not leave behind, by section.
pub(crate) async fn kernel_state(plane: &Plane) -> Result<BTreeMap<String, Vec<String>>> {
    let text = plane.shell().output(KERNEL_STATE, SHORT).await?;
    Ok(read_kernel_state(&text))
}

fn read_kernel_state(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut state = BTreeMap::new();
    for (name, lines) in SECTIONS.iter().zip(sections(text)) {
        let kept = lines.into_iter().filter_map(|line| lasting(name, line));
        let mut kept: Vec<String> = kept.collect();
        kept.sort();
        state.insert((*name).to_owned(), kept);
    }
    state
}

/// The lines between the separators.
fn sections(text: &str) -> Vec<Vec<&str>> {
    let mut sections = vec![Vec::new()];
    for line in text.lines() {
        // The last section is that of all links, with the separator's own among them.
        if line.starts_with(SEPARATOR) && sections.len() < SECTIONS.len() {
            sections.push(Vec::new());
        } else if let Some(last) = sections.last_mut() {
            last.push(line);
        }
    }
    sections
}

/// The part of a line that does not change by itself.
fn lasting(section: &str, line: &str) -> Option<String> {
    let parts = |count: usize| line.split('\\').take(count).collect::<Vec<_>>().join("\\");
    let words = |from: usize, count: usize| {
        line.split_whitespace().skip(from).take(count).collect::<Vec<_>>().join(" ")
    };
    let link_local = line.contains("fe80") || line.contains("ff00::/8");
    match section {
        "xfrm-state" => Some(parts(2)),
        "xfrm-policy" => (!line.contains("socket ")).then(|| parts(3)),
        "routes" => {
            let passing = line.contains("expires") || line.starts_with("multicast") || link_local;
            (!passing).then(|| line.trim_end().to_owned())
        }
        "addresses" => (!link_local).then(|| words(1, 3)),
        "links" => Some(words(1, 1)),
        _ => Some(line.trim_end().to_owned()),
    }
}

/// The kernel's transformation counters, such as `XfrmInNoStates`; empty without XFRM statistics.
pub(crate) async fn kernel_counters(plane: &Plane) -> Result<BTreeMap<String, u64>> {
    let text = plane.shell().output("cat /proc/net/xfrm_stat 2>/dev/null; true", SHORT).await?;
    Ok(text
        .lines()
        .filter_map(|line| {
            let (name, value) = line.split_once(char::is_whitespace)?;
            Some((name.to_owned(), value.trim().parse().ok()?))
        })
        .collect())
}

/// Removes what a dead daemon leaves in the kernel.
pub(crate) async fn flush_kernel(plane: &Plane) -> Result<()> {
    let script = "ip xfrm state flush 2>/dev/null; ip xfrm policy flush 2>/dev/null; \
        ip route flush table 220 2>/dev/null; \
        while ip rule del table 220 2>/dev/null; do :; done; true";
    plane.shell().output(script, SHORT).await.map(drop)
}

/// Removes what makes traffic go through tunnels: the kernel's policies, and the routes that the
/// daemons add for them (into libipsec's TUN device, or with a source). The default route remains.
pub(crate) async fn remove_policies(plane: &Plane) -> Result<()> {
    let script = "ip xfrm policy flush 2>/dev/null; ip route flush table 220 2>/dev/null; true";
    plane.shell().output(script, SHORT).await.map(drop)
}

/// Ends processes by name at once and waits until they are gone.
pub(crate) async fn kill(plane: &Plane, names: &str) -> Result<()> {
    let script = format!(
        "pids=$(pidof {names}); [ -z \"$pids\" ] || kill -9 $pids; \
         i=0; while pidof {names} >/dev/null; do [ $i -lt 100 ] || exit 1; i=$((i + 1)); sleep 0.02; done"
    );
    plane.shell().output(&script, Duration::from_secs(10)).await.map(drop)
}

/// The parts of the kernel's state, in the order in which [`KERNEL_STATE`] writes them.
const SECTIONS: [&str; 6] = ["xfrm-state", "xfrm-policy", "routes", "rules", "addresses", "links"];
/// How the line begins that stands between two sections.
const SEPARATOR: &str = "1: lo:";
/// Processes are dear in a guest, so `ip` is asked for as much as possible at a time; `ip xfrm` ends the
/// process. The loopback's link is the separator: `ip -batch` has no other.
const KERNEL_STATE: &str = "ip -o xfrm state 2>/dev/null\n\
    echo '1: lo:'\n\
    ip -o xfrm policy 2>/dev/null\n\
    ip -o -batch - <<END\n\
    link show dev lo\n\
    route show table all\n\
    link show dev lo\n\
    rule\n\
    link show dev lo\n\
    addr show\n\
    link show dev lo\n\
    link show\n\
    END\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_state_is_read_by_section() {
        let text = "src 10.0.0.1 dst 10.0.0.2 \\\tproto esp spi 0x1 \\\treplay-window 32\n\
            1: lo: <LOOPBACK>\n\
            src 10.1.0.0/16 dst 10.2.0.0/16 \\\tdir out \\\ttmpl src 10.0.0.1 \\\t\tproto esp\n\
            src 0.0.0.0/0 dst 0.0.0.0/0 \\\tsocket in priority 0\n\
            1: lo: <LOOPBACK>\n\
            default via 10.0.0.1 dev vec0 \n\
            fe80::/64 dev vec0 proto kernel\n\
            1: lo: <LOOPBACK>\n\
            0:\tfrom all lookup local\n\
            1: lo: <LOOPBACK>\n\
            2: vec0    inet 10.0.0.5/24 scope global vec0\\       valid_lft forever\n\
            2: vec0    inet6 fe80::1/64 scope link\n\
            1: lo: <LOOPBACK>\n\
            1: lo: <LOOPBACK>\n\
            2: vec0: <UP>\n";
        let state = read_kernel_state(text);
        let lines = |name: &str| state.get(name).cloned().unwrap_or_default();
        assert_eq!(lines("xfrm-state"), ["src 10.0.0.1 dst 10.0.0.2 \\\tproto esp spi 0x1 "]);
        assert_eq!(lines("xfrm-policy").len(), 1, "policies of sockets come and go");
        assert_eq!(lines("routes"), ["default via 10.0.0.1 dev vec0"]);
        assert_eq!(lines("rules"), ["0:\tfrom all lookup local"]);
        assert_eq!(lines("addresses"), ["vec0 inet 10.0.0.5/24"]);
        assert_eq!(lines("links"), ["lo:", "vec0:"]);
    }
}
