//! The sockets of a node: two for UDP, and one each for raw ESP and for AH where that is allowed.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ikeproof_proto::middlebox::{Datagram, Transport};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use crate::netns::{
    DfMode, HeaderMode, OpenError, Place, RawProtocol, RawSocket, UdpOptions, Wanted, open_udp,
};

/// Datagrams that wait for the node. More are lost, as in any full buffer.
const QUEUE: usize = 4096;

/// What to open.
#[derive(Clone, Debug)]
pub struct SocketConfig {
    /// Where.
    pub place: Place,
    /// The own address.
    pub address: IpAddr,
    /// The port for IKE.
    pub port: u16,
    /// The port for IKE and ESP behind NAT.
    pub nat_port: u16,
    /// Whether raw ESP and AH must be there or may be there.
    pub raw: RawEsp,
}

/// Whether a node has raw ESP and AH.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RawEsp {
    /// It is an error if a socket cannot be had.
    Required,
    /// They are left out if they cannot be had.
    IfPermitted,
}

/// Open sockets. A task for each hands over what comes in.
#[derive(Debug)]
pub struct Sockets {
    ike: Arc<UdpSocket>,
    nat: Arc<UdpSocket>,
    raw: Option<Arc<RawSocket>>,
    ah: Option<Arc<RawSocket>>,
    local: SocketAddr,
    nat_local: SocketAddr,
    incoming: mpsc::Receiver<io::Result<Datagram>>,
    readers: Vec<tokio::task::JoinHandle<()>>,
}

impl SocketConfig {
    /// What is opened, for whoever opens it elsewhere and hands it over.
    pub fn wanted(address: IpAddr, port: u16, nat_port: u16) -> [Wanted; 4] {
        [
            Wanted::Udp(SocketAddr::new(address, port)),
            Wanted::Udp(SocketAddr::new(address, nat_port)),
            Wanted::Raw(address, RawProtocol::Esp.number()),
            Wanted::Raw(address, RawProtocol::Ah.number()),
        ]
    }
}

impl Sockets {
    /// Opens the sockets.
    ///
    /// # Errors
    /// If one that must be there cannot be had: which, why, and what helps.
    pub fn open(config: &SocketConfig) -> Result<Self, OpenError> {
        let SocketConfig { place, address, port, nat_port, raw } = config;
        let options = UdpOptions { df: DfMode::Clear, ..UdpOptions::default() };
        let ike = Arc::new(open_udp(place, SocketAddr::new(*address, *port), options)?);
        let nat = Arc::new(open_udp(place, SocketAddr::new(*address, *nat_port), options)?);
        let open = |protocol, mode| match (RawSocket::open(place, *address, protocol, mode), raw) {
            (Ok(socket), _) => Ok(Some(Arc::new(socket))),
            (Err(_), RawEsp::IfPermitted) => Ok(None),
            (Err(error), RawEsp::Required) => Err(error),
        };
        let by_kernel = HeaderMode::Kernel(DfMode::Clear);
        let raw = open(RawProtocol::Esp, by_kernel)?;
        // The ICV covers the outer header: over IPv4 it is sent as the core has made it.
        let included = if address.is_ipv4() { HeaderMode::Included } else { by_kernel };
        let ah = open(RawProtocol::Ah, included)?;
        let local = ike.local_addr().unwrap_or(SocketAddr::new(*address, *port));
        let nat_local = nat.local_addr().unwrap_or(SocketAddr::new(*address, *nat_port));
        let (outgoing, incoming) = mpsc::channel(QUEUE);
        let mut readers = vec![
            tokio::spawn(read_udp(Arc::clone(&ike), local, outgoing.clone())),
            tokio::spawn(read_udp(Arc::clone(&nat), nat_local, outgoing.clone())),
        ];
        for socket in [&raw, &ah].into_iter().flatten() {
            readers.push(tokio::spawn(read_raw(Arc::clone(socket), outgoing.clone())));
        }
        Ok(Self { ike, nat, raw, ah, local, nat_local, incoming, readers })
    }

    /// Whether raw ESP is there.
    pub fn has_raw_esp(&self) -> bool {
        self.raw.is_some()
    }

    /// Whether AH is there.
    pub fn has_ah(&self) -> bool {
        self.ah.is_some()
    }

    /// The addresses of both UDP sockets.
    pub fn local(&self) -> (SocketAddr, SocketAddr) {
        (self.local, self.nat_local)
    }

    pub(crate) async fn receive(&mut self) -> io::Result<Datagram> {
        match self.incoming.recv().await {
            Some(datagram) => datagram,
            None => std::future::pending().await,
        }
    }

    pub(crate) async fn send(&self, datagram: &Datagram) -> io::Result<()> {
        let Datagram { local, remote, transport, bytes } = datagram;
        match transport {
            Transport::Udp => {
                let socket = if *local == self.nat_local { &self.nat } else { &self.ike };
                socket.send_to(bytes, remote).await.map(drop)
            }
            Transport::Esp => match &self.raw {
                Some(raw) => raw.send(remote.ip(), bytes).await,
                None => {
                    Err(io::Error::other("there is no raw socket for ESP; it needs CAP_NET_RAW"))
                }
            },
            Transport::Ah => match &self.ah {
                Some(ah) => ah.send_whole(remote.ip(), bytes).await,
                None => {
                    Err(io::Error::other("there is no raw socket for AH; it needs CAP_NET_RAW"))
                }
            },
        }
    }
}

impl Drop for Sockets {
    fn drop(&mut self) {
        for reader in &self.readers {
            reader.abort();
        }
    }
}

async fn read_udp(
    socket: Arc<UdpSocket>,
    local: SocketAddr,
    to: mpsc::Sender<io::Result<Datagram>>,
) {
    let mut buffer = vec![0; 65_536];
    loop {
        let datagram = match socket.recv_from(&mut buffer).await {
            Ok((len, from)) => {
                Ok(Datagram::udp(local, from, buffer.get(..len).unwrap_or_default().to_vec()))
            }
            Err(error) => Err(error),
        };
        if to.send(datagram).await.is_err() {
            return;
        }
    }
}

async fn read_raw(socket: Arc<RawSocket>, to: mpsc::Sender<io::Result<Datagram>>) {
    let mut buffer = vec![0; 65_536];
    loop {
        let datagram = match socket.recv(&mut buffer).await {
            Ok(received) => {
                let (transport, bytes) = match socket.protocol() {
                    RawProtocol::Esp => {
                        let payload = buffer.get(received.payload).unwrap_or_default();
                        (Transport::Esp, payload.to_vec())
                    }
                    RawProtocol::Ah => (Transport::Ah, socket.whole(&received, &buffer)),
                };
                Ok(Datagram::raw(socket.local(), received.source, transport, bytes))
            }
            Err(error) => Err(error),
        };
        if to.send(datagram).await.is_err() {
            return;
        }
    }
}
