//! Where sockets come from: here, another network namespace, or somebody who was there.

use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};
use socket2::{Domain, Protocol, Socket, Type};

use super::error::{OpenError, Wanted};
use super::handed::Handed;

/// Where sockets are opened.
#[derive(Debug, Clone, Default)]
pub enum Place {
    /// The namespace of this process.
    #[default]
    Host,
    /// Another namespace, which this process enters. That needs CAP_SYS_ADMIN.
    Namespace(Namespace),
    /// A namespace in which somebody else has opened them already.
    Handed(Arc<Handed>),
}

impl Place {
    /// A new socket there, bound if it is for an address; everything else about it is as the system
    /// made it and is set from outside, which works for a socket of any namespace.
    ///
    /// # Errors
    ///
    /// If the namespace cannot be entered, or the system refuses the socket, or none was handed over.
    pub(crate) fn socket(&self, wanted: &Wanted) -> Result<Socket, OpenError> {
        match self {
            Self::Host => open(wanted),
            Self::Namespace(namespace) => namespace.run(|| open(wanted)),
            Self::Handed(handed) => handed.take(wanted),
        }
    }
}

/// A network namespace of this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    path: PathBuf,
}

impl Namespace {
    /// The namespace that this file names, such as `/proc/PID/ns/net`.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The namespace of a running process.
    pub fn of_process(pid: u32) -> Self {
        Self::at(format!("/proc/{pid}/ns/net"))
    }

    /// Runs `work` there, on a thread of its own, and waits for it.
    ///
    /// # Errors
    ///
    /// If the namespace cannot be entered, or `work` fails.
    pub fn run<T, F>(&self, work: F) -> Result<T, OpenError>
    where
        T: Send,
        F: FnOnce() -> Result<T, OpenError> + Send,
    {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                self.enter()?;
                work()
            });
            thread.join().unwrap_or(Err(OpenError::Thread))
        })
    }

    fn enter(&self) -> Result<(), OpenError> {
        let path = &self.path;
        let namespace = |source| OpenError::Namespace { path: path.clone(), source };
        let file =
            File::open(path).map_err(|error| match error.raw_os_error().map(Errno::from_raw) {
                Some(Errno::EACCES | Errno::EPERM) => OpenError::EnterDenied { path: path.clone() },
                _ => namespace(error),
            })?;
        setns(&file, CloneFlags::CLONE_NEWNET).map_err(|errno| match errno {
            Errno::EPERM => OpenError::EnterDenied { path: path.clone() },
            errno => namespace(errno.into()),
        })
    }
}

fn open(wanted: &Wanted) -> Result<Socket, OpenError> {
    let open = || -> std::io::Result<Socket> {
        let (domain, kind, protocol) = wanted.kind();
        let socket = Socket::new(domain, kind, Some(protocol))?;
        if domain == Domain::IPV6 && kind == Type::DGRAM {
            socket.set_only_v6(true)?;
        }
        if let Some(address) = wanted.address() {
            socket.bind(&address.into())?;
        }
        Ok(socket)
    };
    open().map_err(|error| OpenError::of(wanted.clone(), error))
}

impl Wanted {
    /// What the system is asked for.
    pub(super) fn kind(&self) -> (Domain, Type, Protocol) {
        match self {
            Self::Udp(address) => (Domain::for_address(*address), Type::DGRAM, Protocol::UDP),
            Self::Raw(address, protocol) => {
                let domain = Domain::for_address(SocketAddr::new(*address, 0));
                (domain, Type::RAW, Protocol::from(i32::from(*protocol)))
            }
            // The system wants the protocol of a packet socket in network order.
            Self::Packet => {
                (Domain::PACKET, Type::RAW, Protocol::from(i32::from(ETH_P_ALL.to_be())))
            }
        }
    }

    /// What it is bound to.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Udp(address) => Some(*address),
            Self::Raw(address, _) => Some(SocketAddr::new(*address, 0)),
            Self::Packet => None,
        }
    }
}

const ETH_P_ALL: u16 = 3;
