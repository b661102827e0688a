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
    agent::quote,
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

/// The size of a log now, so that later reading can begin here.
pub(crate) async fn log_position(plane: &Plane, path: &str) -> Result<u64> {
    let script = format!("stat -c %s {} 2>/dev/null || echo 0", quote(path));
    Ok(plane.shell().output(&script, SHORT).await?.trim().parse().unwrap_or(0))
}

/// The log from a position on.
pub(crate) async fn log_since(plane: &Plane, path: &str, position: u64) -> Result<String> {
    let script = format!("tail -c +{} {}", position + 1, quote(path));
    plane.shell().output(&script, SHORT).await
}

/// The kernel's state that a case must not leave behind, by section.
pub(crate) async fn kernel_state(plane: &Plane) -> Result<BTreeMap<String, Vec<String>>> {
    let mut state = BTreeMap::new();
    let script = SECTIONS
        .iter()
        .map(|(name, command)| format!("echo '# {name}'; {command}"))
        .collect::<Vec<_>>()
        .join("\n");
    let text = plane.shell().output(&format!("{script}\ntrue"), SHORT).await?;
    let mut section = String::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("# ") {
            name.clone_into(&mut section);
            state.insert(section.clone(), Vec::new());
        } else if let Some(lines) = state.get_mut(&section) {
            lines.push(line.trim_end().to_owned());
        }
    }
    for lines in state.values_mut() {
        lines.sort();
    }
    Ok(state)
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

/// One line per object, and nothing that changes by itself.
const SECTIONS: [(&str, &str); 6] = [
    ("xfrm-state", "ip -o xfrm state 2>/dev/null | cut -d\\\\ -f1,2"),
    ("xfrm-policy", "ip -o xfrm policy 2>/dev/null | grep -v 'socket ' | cut -d\\\\ -f1,2,3"),
    (
        "routes",
        "ip -4 route show table all; ip -6 route show table all | grep -v -e expires -e '^multicast' -e fe80",
    ),
    ("rules", "ip rule; ip -6 rule"),
    ("addresses", "ip -o addr show | awk '{ print $2, $3, $4 }' | grep -v fe80"),
    ("links", "ip -o link show | awk '{ print $2 }'"),
];
