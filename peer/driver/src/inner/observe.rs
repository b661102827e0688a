//! Looking at packets in front of smoltcp, which hides what the far end announced.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use etherparse::{NetSlice, SlicedPacket, TcpOptionElement, TransportSlice};
use serde::{Deserialize, Serialize};

/// Both ends of a TCP connection, seen from the inner host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TcpPair {
    /// The inner host's address and port.
    pub local: SocketAddr,
    /// The far end's.
    pub remote: SocketAddr,
}

/// What SYNs of the far end announced, and how large its largest packets were.
#[derive(Debug, Default)]
pub(super) struct Observer {
    flows: VecDeque<Flow>,
}

#[derive(Debug)]
struct Flow {
    pair: TcpPair,
    mss: Option<u16>,
    largest_in: usize,
    largest_out: usize,
}

impl Observer {
    /// Looks at a packet from the far end.
    pub(super) fn incoming(&mut self, packet: &[u8]) {
        let Some((source, destination, syn, mss)) = tcp(packet) else { return };
        let flow = self.flow(TcpPair { local: destination, remote: source });
        flow.largest_in = flow.largest_in.max(packet.len());
        if syn {
            flow.mss = mss;
        }
    }

    /// Looks at a packet of the inner host.
    pub(super) fn outgoing(&mut self, packet: &[u8]) {
        let Some((source, destination, ..)) = tcp(packet) else { return };
        let flow = self.flow(TcpPair { local: source, remote: destination });
        flow.largest_out = flow.largest_out.max(packet.len());
    }

    /// MSS that the far end announced, largest packet in, largest packet out.
    pub(super) fn seen(&self, pair: &TcpPair) -> (Option<u16>, usize, usize) {
        self.flows
            .iter()
            .find(|flow| flow.pair == *pair)
            .map_or((None, 0, 0), |flow| (flow.mss, flow.largest_in, flow.largest_out))
    }

    /// Forgets a connection that is over.
    pub(super) fn forget(&mut self, pair: &TcpPair) {
        self.flows.retain(|flow| flow.pair != *pair);
    }

    fn flow(&mut self, pair: TcpPair) -> &mut Flow {
        let at = self.flows.iter().position(|flow| flow.pair == pair).unwrap_or_else(|| {
            if self.flows.len() >= MAX_FLOWS {
                self.flows.pop_front();
            }
            self.flows.push_back(Flow { pair, mss: None, largest_in: 0, largest_out: 0 });
            self.flows.len() - 1
        });
        &mut self.flows[at]
    }
}

fn tcp(packet: &[u8]) -> Option<(SocketAddr, SocketAddr, bool, Option<u16>)> {
    let sliced = SlicedPacket::from_ip(packet).ok()?;
    let (source, destination): (IpAddr, IpAddr) = match sliced.net? {
        NetSlice::Ipv4(ip) => {
            (ip.header().source_addr().into(), ip.header().destination_addr().into())
        }
        NetSlice::Ipv6(ip) => {
            (ip.header().source_addr().into(), ip.header().destination_addr().into())
        }
        NetSlice::Arp(_) => return None,
    };
    let Some(TransportSlice::Tcp(tcp)) = sliced.transport else { return None };
    let mss = tcp.options_iterator().find_map(|option| match option {
        Ok(TcpOptionElement::MaximumSegmentSize(mss)) => Some(mss),
        _ => None,
    });
    Some((
        SocketAddr::new(source, tcp.source_port()),
        SocketAddr::new(destination, tcp.destination_port()),
        tcp.syn(),
        mss,
    ))
}

const MAX_FLOWS: usize = 1024;
