//! The outside of a node: sockets, or a place in a network in memory.

use std::io;

use ikeproof_proto::middlebox::Datagram;

use crate::hub::Port;
use crate::sockets::Sockets;

/// Where datagrams come from and go to.
#[derive(Debug)]
pub enum Wire {
    /// UDP and raw sockets.
    Sockets(Sockets),
    /// A network in memory.
    Hub(Port),
}

impl Wire {
    /// The next datagram from outside. Cancel-safe.
    pub(crate) async fn receive(&mut self) -> io::Result<Datagram> {
        match self {
            Self::Sockets(sockets) => sockets.receive().await,
            Self::Hub(port) => port.receive().await,
        }
    }

    /// Sends a datagram. What cannot be sent is lost, as on any network, and told.
    pub(crate) async fn send(&self, datagram: &Datagram) -> io::Result<()> {
        match self {
            Self::Sockets(sockets) => sockets.send(datagram).await,
            Self::Hub(port) => {
                port.send(datagram);
                Ok(())
            }
        }
    }

    /// Puts an inner packet onto the network as it is, as a host without policies would.
    pub(crate) fn send_clear(&self, packet: &[u8]) -> io::Result<()> {
        match self {
            Self::Sockets(_) => Err(io::Error::other("sockets do not leak inner packets")),
            Self::Hub(port) => {
                port.send_clear(packet);
                Ok(())
            }
        }
    }
}
