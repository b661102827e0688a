//! What both drivers do the same way inside a peer: traffic, logs, and the kernel's part of the state.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::FutureExt;

use crate::{
    Error, Result,
    peer::{InnerAddress, Listening, Tcp},
    plane::{Plane, SHORT},
};

/// Listens for one connection, and returns once the listener is bound.
pub(crate) async fn listen(plane: Arc<Plane>, tcp: &Tcp) -> Result<Listening> {
    let (port, is_v4) = (tcp.remote.port(), tcp.remote.is_ipv4());
    let local = tcp.local.unwrap_or(IpAddr::V4(plane.address));
    let command = tcp.listen_command();
    let within = tcp.within;
    let server = plane.clone();
    let task = tokio::spawn(async move { server.shell().run(&command, within).await });
    let table = if is_v4 { "/proc/net/tcp" } else { "/proc/net/tcp6" };
    let began = Instant::now();
    while !listens(&plane.shell().read_file(table, 0).await?, port) {
        if began.elapsed() > SHORT {
            return Err(Error::Timeout {
                what: format!("a listener on port {port} in the peer"),
                within: SHORT,
                last: String::from("nobody listens"),
            });
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let report = async move {
        let finished = task.await.map_err(|error| Error::Io {
            doing: String::from("waiting for a listener in the peer"),
            source: std::io::Error::other(error.to_string()),
        })??;
        Tcp::report(&finished)
    };
    Ok(Listening { local: SocketAddr::new(local, port), report: report.boxed() })
}

/// Whether somebody listens on a port, by the kernel's table of sockets.
fn listens(table: &str, port: u16) -> bool {
    let local = format!(":{port:04X}");
    table.lines().skip(1).any(|line| {
        let mut words = line.split_whitespace().skip(1);
        words.next().is_some_and(|address| address.ends_with(&local)) && words.nth(1) == Some("0A")
    })
}

/// The kernel's state that a case must not leave behind, by section. The inside addresses are the driver's own
/// and not in it.
pub(crate) async fn kernel_state(plane: &Plane) -> Result<Sections> {
    // A kernel without XFRM has an error to say, and no policies and states.
    let command = "ip -o -batch -";
    let most = plane.shell().run_with(command, KERNEL_STATE.as_bytes(), SHORT).await?;
    if sections(&most.text()).len() < SECTIONS.len() - 1 {
        let (command, status) = (String::from(command), most.status);
        return Err(Error::Command { command, status, output: most.complaint() });
    }
    let states = plane.shell().run("ip -o xfrm state", SHORT).await?;
    let text = format!("{}{SEPARATOR}\n{}", most.text(), states.text());
    let (link, addresses) = plane.inner().await;
    Ok(read_kernel_state(&text, link, &addresses))
}

/// Lines by section.
pub(crate) type Sections = BTreeMap<String, Vec<String>>;

fn read_kernel_state(text: &str, inside: &str, addresses: &[InnerAddress]) -> Sections {
    let mut state = BTreeMap::new();
    for (name, lines) in SECTIONS.iter().zip(sections(text)) {
        let lines = lines.into_iter().filter(|line| !is_of_inside(name, line, inside, addresses));
        let kept = lines.filter_map(|line| lasting(name, line));
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
        if line.starts_with(SEPARATOR) {
            sections.push(Vec::new());
        } else if let Some(last) = sections.last_mut() {
            last.push(line);
        }
    }
    sections
}

/// Whether a line is one of the inside addresses, or what the kernel makes of them by itself.
fn is_of_inside(section: &str, line: &str, inside: &str, addresses: &[InnerAddress]) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    let is_one = |text: &str| addresses.iter().any(|it| it.address.to_string() == text);
    words.contains(&inside)
        && match section {
            "routes" => line.contains("proto kernel") && words.iter().any(|word| is_one(word)),
            "addresses" => {
                words.iter().filter_map(|it| it.split_once('/')).any(|(it, _)| is_one(it))
            }
            _ => false,
        }
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

/// What the kernel has counted where a packet may be lost: its transformation counters, such as `XfrmInNoStates`,
/// where it keeps them; of each link the packets that passed, the drops and the errors, such as `rx_drop@vec0`;
/// and what the protocols refused, such as `Ip.InDiscards`. Of a guest, the links that lead to it as well.
pub(crate) async fn kernel_counters(plane: &Plane) -> Result<BTreeMap<String, u64>> {
    let script =
        "cat /proc/net/xfrm_stat 2>/dev/null; cat /proc/net/dev /proc/net/snmp /proc/net/netstat";
    let mut counters = read_counters(&plane.shell().output(script, SHORT).await?);
    if let Some(around) = plane.around() {
        counters.extend(read_counters(&around.output("cat /proc/net/dev", SHORT).await?));
    }
    Ok(counters)
}

fn read_counters(text: &str) -> BTreeMap<String, u64> {
    let mut counters = BTreeMap::new();
    // A protocol has two lines: the names, and what was counted.
    let mut names: Option<(&str, &str)> = None;
    for line in text.lines() {
        if let Some((what, rest)) = line.split_once(':') {
            let what = what.trim();
            let numbers: Vec<_> = rest.split_whitespace().map(str::parse::<u64>).collect();
            if numbers.first().is_some_and(Result::is_err) {
                names = Some((what, rest));
            } else if let Some((_, names)) = names.take_if(|(of, _)| *of == what) {
                let named = names.split_whitespace().zip(numbers);
                counters.extend(
                    named
                        .filter(|(name, _)| tells_of_loss(name))
                        .filter_map(|(name, count)| Some((format!("{what}.{name}"), count.ok()?))),
                );
            } else {
                // Octets, packets, errors, drops and four more of what came in, then the same of what went out.
                for (at, name) in LINK_COUNTERS {
                    if let Some(Ok(count)) = numbers.get(at) {
                        counters.insert(format!("{name}@{what}"), *count);
                    }
                }
            }
        } else if let Some((name, count)) = line.split_once(char::is_whitespace)
            && let Ok(count) = count.trim().parse()
        {
            counters.insert(name.to_owned(), count);
        }
    }
    counters
}

/// Where `/proc/net/dev` has what of a link.
const LINK_COUNTERS: [(usize, &str); 6] = [
    (1, "rx_packets"),
    (2, "rx_errs"),
    (3, "rx_drop"),
    (9, "tx_packets"),
    (10, "tx_errs"),
    (11, "tx_drop"),
];

/// Whether a counter of IP, ICMP or UDP is one of what was not passed on.
fn tells_of_loss(name: &str) -> bool {
    ["Err", "Discard", "NoRoutes", "Fail", "Filter", "Drop", "Truncated"]
        .iter()
        .any(|it| name.contains(it))
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

/// The parts of the kernel's state, in the order in which [`KERNEL_STATE`] writes them; the last one is asked
/// for by itself.
const SECTIONS: [&str; 6] = ["routes", "rules", "addresses", "links", "xfrm-policy", "xfrm-state"];
/// How the line begins that stands between two sections.
const SEPARATOR: &str = "1: lo:";
/// What `ip` is asked for at a time, since processes are dear in a guest; `ip xfrm` ends the process. The
/// loopback's link is the separator: `ip -batch` has no other. It is the first of all links, too.
const KERNEL_STATE: &str = "route show table all\n\
    link show dev lo\n\
    rule\n\
    link show dev lo\n\
    addr show\n\
    link show\n\
    link show dev lo\n\
    xfrm policy\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_of_transformations_and_links_are_read() {
        let text = "XfrmInError             \t0\n\
            XfrmInNoPols            \t3\n\
            Inter-|   Receive                                                |  Transmit\n \
            face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop\n  \
            vec0: 41232     310    0    7    0     0          0         0    38012     300    1    2    0\n\
            Icmp: InMsgs InErrors InCsumErrors\nIcmp: 300 4 0\n\
            IcmpMsg: InType0\nIcmpMsg: 4\n\
            Ip: Forwarding InDiscards\nIp: 1 5\n";
        let counters = read_counters(text);
        let of = |name: &str| counters.get(name).copied();
        assert_eq!(of("XfrmInNoPols"), Some(3));
        assert_eq!(of("XfrmInError"), Some(0));
        assert_eq!([of("rx_packets@vec0"), of("tx_packets@vec0")], [Some(310), Some(300)]);
        assert_eq!([of("rx_errs@vec0"), of("rx_drop@vec0")], [Some(0), Some(7)]);
        assert_eq!([of("tx_errs@vec0"), of("tx_drop@vec0")], [Some(1), Some(2)]);
        assert_eq!([of("Icmp.InErrors"), of("Ip.InDiscards")], [Some(4), Some(5)]);
        assert_eq!(counters.len(), 11, "{counters:?}");
    }

    #[test]
    fn a_listener_is_found_in_the_table_of_sockets() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr\n   \
            0: 0107070A:1E61 00000000:0000 0A 00000000:00000000 00:00000000\n   \
            1: 0107070A:1E62 0101640A:C350 01 00000000:00000000 00:00000000\n";
        assert_eq!([7777, 7778, 7779].map(|port| listens(table, port)), [true, false, false]);
    }

    #[test]
    fn the_kernels_state_is_read_by_section() {
        let text = "default via 10.0.0.1 dev vec0 \n\
            fe80::/64 dev vec0 proto kernel\n\
            10.7.0.0/24 dev inner0 proto kernel scope link src 10.7.0.1 \n\
            10.7.0.0/24 dev vec0 table 220 proto static src 10.7.0.1 \n\
            1: lo: <LOOPBACK>\n\
            0:\tfrom all lookup local\n\
            1: lo: <LOOPBACK>\n\
            2: vec0    inet 10.0.0.5/24 scope global vec0\\       valid_lft forever\n\
            2: vec0    inet6 fe80::1/64 scope link\n\
            4: inner0    inet 10.7.0.1/24 scope global inner0\\       valid_lft forever\n\
            4: inner0    inet 10.7.9.9/24 scope global inner0\\       valid_lft forever\n\
            1: lo: <LOOPBACK>\n\
            2: vec0: <UP>\n\
            1: lo: <LOOPBACK>\n\
            src 10.1.0.0/16 dst 10.2.0.0/16 \\\tdir out \\\ttmpl src 10.0.0.1 \\\t\tproto esp\n\
            src 0.0.0.0/0 dst 0.0.0.0/0 \\\tsocket in priority 0\n\
            1: lo:\n\
            src 10.0.0.1 dst 10.0.0.2 \\\tproto esp spi 0x1 \\\treplay-window 32\n";
        let inside = InnerAddress { address: [10, 7, 0, 1].into(), prefix: 24 };
        let state = read_kernel_state(text, "inner0", &[inside]);
        let lines = |name: &str| state.get(name).cloned().unwrap_or_default();
        assert_eq!(lines("xfrm-state"), ["src 10.0.0.1 dst 10.0.0.2 \\\tproto esp spi 0x1 "]);
        assert_eq!(lines("xfrm-policy").len(), 1, "policies of sockets come and go");
        let daemons = "10.7.0.0/24 dev vec0 table 220 proto static src 10.7.0.1";
        assert_eq!(lines("routes"), [daemons, "default via 10.0.0.1 dev vec0"]);
        assert_eq!(lines("rules"), ["0:\tfrom all lookup local"]);
        assert_eq!(lines("addresses"), ["inner0 inet 10.7.9.9/24", "vec0 inet 10.0.0.5/24"]);
        assert_eq!(lines("links"), ["vec0:"]);
    }
}
