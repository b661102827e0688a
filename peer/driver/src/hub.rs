//! A network in memory: nodes that have no wire between them, and a NAT router for some of them.
//!
//! A datagram goes to whoever has its destination address. Those behind the router share its outside
//! address: their source ports are rewritten on the way out, and only what they have sent to comes
//! back in. Everything that crosses the outside is told to whoever captures.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use ikeproof_proto::middlebox::{Datagram, Transport};
use tokio::sync::mpsc;

/// The first port that the router gives out.
const FIRST_PORT: u16 = 20_000;

/// Called for each datagram outside, seen from its sender: `local` is the source.
pub type Tap = Box<dyn FnMut(&Datagram) + Send>;

/// Called for each IP packet that is outside without protection.
pub type ClearTap = Box<dyn FnMut(&[u8]) + Send>;

/// A network in memory.
#[derive(Clone, Default)]
pub struct Hub {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    members: HashMap<IpAddr, mpsc::UnboundedSender<Datagram>>,
    /// The router's outside address, and who is behind it.
    router: Option<IpAddr>,
    inside: Vec<IpAddr>,
    /// Outside port to inside address and port, for each transport.
    ports: HashMap<u16, SocketAddr>,
    next_port: u16,
    tap: Option<Tap>,
    clear_tap: Option<ClearTap>,
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").finish_non_exhaustive()
    }
}

/// A place in the network.
#[derive(Debug)]
pub struct Port {
    hub: Hub,
    from: mpsc::UnboundedReceiver<Datagram>,
}

impl Hub {
    /// A network without members.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the outside address of the NAT router.
    pub fn set_router(&self, outside: IpAddr) {
        self.lock().router = Some(outside);
    }

    /// Tells `tap` of everything outside from now on.
    pub fn set_tap(&self, tap: Option<Tap>) {
        self.lock().tap = tap;
    }

    /// Tells `tap` of every IP packet that a node puts onto the network as it is, from now on.
    ///
    /// Such a packet goes nowhere: nobody in the network has its addresses. What it was is seen here
    /// only, and [`synthesise_clear`](crate::capture::synthesise_clear) makes a frame of it.
    pub fn set_clear_tap(&self, tap: Option<ClearTap>) {
        self.lock().clear_tap = tap;
    }

    /// Joins with an address of one's own; behind the router if `inside`.
    pub fn join(&self, address: IpAddr, inside: bool) -> Port {
        let (to, from) = mpsc::unbounded_channel();
        let mut state = self.lock();
        state.members.insert(address, to);
        state.inside.retain(|other| *other != address);
        if inside {
            state.inside.push(address);
        }
        Port { hub: self.clone(), from }
    }

    /// Leaves the network: what is sent there is lost from now on.
    pub fn leave(&self, address: IpAddr) {
        self.lock().members.remove(&address);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Port {
    pub(crate) async fn receive(&mut self) -> io::Result<Datagram> {
        match self.from.recv().await {
            Some(datagram) => Ok(datagram),
            None => std::future::pending().await,
        }
    }

    pub(crate) fn send(&self, datagram: &Datagram) {
        self.hub.lock().carry(datagram.clone());
    }

    pub(crate) fn send_clear(&self, packet: &[u8]) {
        if let Some(tap) = &mut self.hub.lock().clear_tap {
            tap(packet);
        }
    }
}

impl State {
    /// Carries a datagram, seen from its sender, to whoever it is for.
    fn carry(&mut self, mut datagram: Datagram) {
        if let Some(outside) = self.router
            && self.inside.contains(&datagram.local.ip())
            && !self.inside.contains(&datagram.remote.ip())
        {
            if datagram.transport != Transport::Udp {
                // Two peers behind one address cannot be told apart without ports.
                return;
            }
            datagram.local = SocketAddr::new(outside, self.outside_port(datagram.local));
        }
        if let Some(tap) = &mut self.tap {
            tap(&datagram);
        }
        if Some(datagram.remote.ip()) == self.router {
            let Some(inside) = self.ports.get(&datagram.remote.port()) else { return };
            datagram.remote = *inside;
        }
        if let Some(to) = self.members.get(&datagram.remote.ip()) {
            let Datagram { local, remote, transport, bytes } = datagram;
            // What is remote for the sender is local for the receiver, who may have gone.
            let _ = to.send(Datagram { local: remote, remote: local, transport, bytes });
        }
    }

    fn outside_port(&mut self, inside: SocketAddr) -> u16 {
        if let Some((port, _)) = self.ports.iter().find(|(_, known)| **known == inside) {
            return *port;
        }
        let port = FIRST_PORT.saturating_add(self.next_port);
        self.next_port = self.next_port.wrapping_add(1);
        self.ports.insert(port, inside);
        port
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn a_router_hides_who_is_behind_it() {
        let hub = Hub::new();
        hub.set_router("192.0.2.9".parse().unwrap());
        let mut edge = hub.join("192.0.2.1".parse().unwrap(), false);
        let mut peer = hub.join("10.0.0.5".parse().unwrap(), true);
        peer.send(&Datagram::udp(at("10.0.0.5:500"), at("192.0.2.1:500"), b"hello".to_vec()));
        let seen = edge.receive().await.unwrap();
        assert_eq!((seen.local, seen.remote), (at("192.0.2.1:500"), at("192.0.2.9:20000")));
        edge.send(&Datagram::udp(seen.local, seen.remote, b"you".to_vec()));
        let back = peer.receive().await.unwrap();
        assert_eq!((back.local, back.remote), (at("10.0.0.5:500"), at("192.0.2.1:500")));
        // Nothing gets in that was not asked for.
        edge.send(&Datagram::udp(seen.local, at("192.0.2.9:20001"), b"lost".to_vec()));
        assert!(peer.from.try_recv().is_err());
    }
}
