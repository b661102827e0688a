//! Why a socket could not be opened, with what to do about it.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use nix::errno::Errno;
use thiserror::Error;

/// What was to be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// A UDP socket on this address.
    Udp(SocketAddr),
    /// A raw IP socket on this address for this protocol number.
    Raw(std::net::IpAddr, u8),
    /// A packet socket, which sees all interfaces.
    Packet,
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Udp(address) => write!(f, "UDP {address}"),
            Self::Raw(address, 50) => write!(f, "raw ESP on {address}"),
            Self::Raw(address, 51) => write!(f, "raw AH on {address}"),
            Self::Raw(address, protocol) => write!(f, "raw protocol {protocol} on {address}"),
            Self::Packet => f.write_str("a capture"),
        }
    }
}

/// Why a socket could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The namespace file is not there: its process has ended, or the path is wrong.
    #[error("network namespace {path} cannot be opened: {source}; is its process still running?")]
    Namespace {
        /// The file that names the namespace.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Entering the namespace was refused.
    #[error(
        "entering network namespace {path} needs CAP_SYS_ADMIN; run as root, or have its sockets \
         handed over from inside"
    )]
    EnterDenied {
        /// The file that names the namespace.
        path: PathBuf,
    },
    /// Another socket has the address.
    #[error(
        "{address} is already in use; stop the program that holds it (`ss -lunp sport = :{}` \
         names it, often another IKE daemon), or listen on another address or port",
        address.port()
    )]
    AddressInUse {
        /// The address that was asked for.
        address: SocketAddr,
    },
    /// The address belongs to no interface here.
    #[error("{wanted}: the address belongs to no interface here (`ip address` lists them)")]
    AddressNotLocal {
        /// What was to be opened.
        wanted: Wanted,
    },
    /// Ports below 1024 need a privilege.
    #[error(
        "{address}: ports below 1024 need CAP_NET_BIND_SERVICE; run as root or use another port"
    )]
    PrivilegedPort {
        /// The address that was asked for.
        address: SocketAddr,
    },
    /// Raw and packet sockets need a privilege.
    #[error("{wanted} needs CAP_NET_RAW; run as root, or add that capability")]
    RawDenied {
        /// What was to be opened.
        wanted: Wanted,
    },
    /// There is no interface of that name there.
    #[error("there is no interface {interface} there")]
    NoInterface {
        /// The name that was asked for.
        interface: String,
    },
    /// The socket is not among those that were handed over, or was taken already.
    #[error("{wanted} is not among the sockets that were handed over")]
    NotHanded {
        /// What was to be opened.
        wanted: Wanted,
    },
    /// The address family of two addresses, or of an address and an option, differs.
    #[error("{wanted}: {option} is for IPv4 only")]
    Ipv4Only {
        /// What was to be opened.
        wanted: Wanted,
        /// The option that has no meaning there.
        option: &'static str,
    },
    /// The thread that was to open the socket ended without a result.
    #[error("the thread that enters namespaces ended without a result")]
    Thread,
    /// Anything else.
    #[error("{wanted}: {source}")]
    Other {
        /// What was to be opened.
        wanted: Wanted,
        /// What the system said.
        source: io::Error,
    },
}

impl OpenError {
    /// The error that says most about a failure of the system call for `wanted`.
    pub(crate) fn of(wanted: Wanted, source: impl Into<io::Error>) -> Self {
        let source = source.into();
        match (source.raw_os_error().map(Errno::from_raw), wanted) {
            (Some(Errno::EADDRINUSE), Wanted::Udp(address)) => Self::AddressInUse { address },
            (Some(Errno::EACCES | Errno::EPERM), Wanted::Udp(address)) => {
                Self::PrivilegedPort { address }
            }
            (Some(Errno::EACCES | Errno::EPERM), wanted) => Self::RawDenied { wanted },
            (Some(Errno::EADDRNOTAVAIL), wanted) => Self::AddressNotLocal { wanted },
            (_, wanted) => Self::Other { wanted, source },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_privilege_is_named() {
        let address = SocketAddr::from(([192, 0, 2, 1], 500));
        for (wanted, capability) in [
            (Wanted::Udp(address), "CAP_NET_BIND_SERVICE"),
            (Wanted::Raw(address.ip(), 50), "raw ESP on 192.0.2.1 needs CAP_NET_RAW"),
            (Wanted::Packet, "a capture needs CAP_NET_RAW"),
        ] {
            for errno in [Errno::EPERM, Errno::EACCES] {
                let text = OpenError::of(wanted.clone(), errno).to_string();
                assert!(text.contains(capability), "{text}");
            }
        }
    }
}
