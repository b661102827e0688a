//! UDP sockets for IKE and for ESP in UDP.

use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;

use nix::sys::socket::{setsockopt, sockopt};
use rustix::net::sockopt::{
    Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery, set_ip_mtu_discover, set_ipv6_mtu_discover,
};
use serde::{Deserialize, Serialize};
use socket2::Socket;

use super::error::{OpenError, Wanted};
use super::place::Place;

/// The DF bit of what a socket sends, and so what happens to large datagrams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DfMode {
    /// DF is clear: the kernel and routers may fragment.
    #[default]
    Clear,
    /// DF is set, and what passes the path MTU that the kernel knows is refused (`EMSGSIZE`).
    Set,
    /// DF is set, and only the interface's own MTU limits: what is larger gets lost on the way.
    Probe,
}

/// How a UDP socket is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UdpOptions {
    /// The DF bit.
    pub df: DfMode,
    /// Accept UDP GRO super-datagrams; only for a reader that splits them.
    pub gro: bool,
}

/// Opens a UDP socket in `place` on exactly this address and hands it to tokio.
///
/// # Errors
///
/// Says what is in the way. Also fails outside a tokio runtime.
pub fn open_udp(
    place: &Place,
    address: SocketAddr,
    options: UdpOptions,
) -> Result<tokio::net::UdpSocket, OpenError> {
    let socket = open_udp_std(place, address, options)?;
    tokio::net::UdpSocket::from_std(socket)
        .map_err(|error| OpenError::of(Wanted::Udp(address), error))
}

/// As [`open_udp`], without a runtime; the socket is non-blocking.
///
/// # Errors
///
/// Says what is in the way.
pub fn open_udp_std(
    place: &Place,
    address: SocketAddr,
    options: UdpOptions,
) -> Result<UdpSocket, OpenError> {
    let wanted = Wanted::Udp(address);
    let socket = place.socket(&wanted)?;
    let set = || -> std::io::Result<()> {
        socket.set_nonblocking(true)?;
        set_df(&socket, address.is_ipv6(), options.df)?;
        enlarge_buffers(&socket);
        if options.gro {
            setsockopt(&socket, sockopt::UdpGroSegment, &true)?;
        }
        Ok(())
    };
    set().map_err(|error| OpenError::of(wanted, error))?;
    Ok(socket.into())
}

/// Sets the DF bit of what a socket sends.
pub(super) fn set_df(socket: &impl AsFd, ipv6: bool, df: DfMode) -> std::io::Result<()> {
    if ipv6 {
        let value = match df {
            DfMode::Clear => Ipv6PathMtuDiscovery::DONT,
            DfMode::Set => Ipv6PathMtuDiscovery::DO,
            DfMode::Probe => Ipv6PathMtuDiscovery::PROBE,
        };
        set_ipv6_mtu_discover(socket, value)?;
    } else {
        let value = match df {
            DfMode::Clear => Ipv4PathMtuDiscovery::DONT,
            DfMode::Set => Ipv4PathMtuDiscovery::DO,
            DfMode::Probe => Ipv4PathMtuDiscovery::PROBE,
        };
        set_ip_mtu_discover(socket, value)?;
    }
    Ok(())
}

/// Bursts of 64 KiB windows must not be lost in our own sockets. Without CAP_NET_ADMIN the system's
/// limit holds, which is no reason to fail.
pub(super) fn enlarge_buffers(socket: &Socket) {
    if setsockopt(socket, sockopt::RcvBufForce, &BUFFER).is_err() {
        let _ = socket.set_recv_buffer_size(BUFFER);
    }
    if setsockopt(socket, sockopt::SndBufForce, &BUFFER).is_err() {
        let _ = socket.set_send_buffer_size(BUFFER);
    }
}

const BUFFER: usize = 4 << 20;
