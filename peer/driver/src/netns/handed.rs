//! Sockets that a helper in a namespace has opened and hands over (`SCM_RIGHTS`).
//!
//! A user who may not enter a namespace can still use a socket of it: it belongs to the namespace it
//! was made in, whoever holds it. The helper answers each request, in order, with an `int` in the
//! machine's own order: 0 with a descriptor, else the `errno` of the system call that failed. What
//! arrives is looked at before it is used: it has to be the socket that was asked for.

use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, PoisonError};

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, recvmsg};
use socket2::Socket;

use super::error::{OpenError, Wanted};

/// Sockets that somebody opened elsewhere. Each can be taken once.
#[derive(Debug)]
pub struct Handed {
    sockets: Mutex<Vec<(Wanted, io::Result<Socket>)>>,
}

impl Handed {
    /// Receives the answers to these requests, in their order. Blocks as long as the stream does.
    ///
    /// # Errors
    ///
    /// If the stream ends early or fails, or what arrives is not what was asked for. That a socket
    /// could not be opened shows when it is taken.
    pub fn receive(stream: &UnixStream, wanted: &[Wanted]) -> io::Result<Self> {
        let mut sockets = Vec::with_capacity(wanted.len());
        for wanted in wanted {
            let socket = match answer(stream)? {
                Ok(socket) => Ok(check(socket, wanted)?),
                refused => refused,
            };
            sockets.push((wanted.clone(), socket));
        }
        Ok(Self { sockets: Mutex::new(sockets) })
    }

    pub(super) fn take(&self, wanted: &Wanted) -> Result<Socket, OpenError> {
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        let at = sockets.iter().position(|(held, _)| held == wanted);
        let Some(at) = at else { return Err(OpenError::NotHanded { wanted: wanted.clone() }) };
        let (wanted, socket) = sockets.remove(at);
        socket.map_err(|error| OpenError::of(wanted, error))
    }
}

/// One answer: a socket, or why there is none.
fn answer(stream: &UnixStream) -> io::Result<io::Result<Socket>> {
    let mut octets = [0; 4];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut parts = [IoSliceMut::new(&mut octets)];
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::WAITALL;
    let message = loop {
        match recvmsg(stream, &mut parts, &mut control, flags) {
            Err(rustix::io::Errno::INTR) => {}
            other => break other?,
        }
    };
    let mut descriptors: Vec<OwnedFd> = Vec::new();
    for part in control.drain() {
        if let RecvAncillaryMessage::ScmRights(some) = part {
            descriptors.extend(some);
        }
    }
    if message.bytes == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if message.bytes != octets.len() || message.flags.contains(ReturnFlags::CTRUNC) {
        return Err(strange("an answer is cut off"));
    }
    match (i32::from_ne_bytes(octets), descriptors.pop(), descriptors.is_empty()) {
        (0, Some(descriptor), true) => Ok(Ok(Socket::from(descriptor))),
        (errno, None, true) if errno > 0 => Ok(Err(io::Error::from_raw_os_error(errno))),
        _ => Err(strange("an answer is neither one socket nor an error")),
    }
}

/// The socket, if it is the one that was asked for.
fn check(socket: Socket, wanted: &Wanted) -> io::Result<Socket> {
    let (domain, kind, protocol) = wanted.kind();
    let is_kind = socket.domain()? == domain && socket.r#type()? == kind;
    // The system does not tell the protocol of a packet socket.
    let is_protocol = *wanted == Wanted::Packet || socket.protocol()? == Some(protocol);
    if !is_kind || !is_protocol {
        return Err(strange("a socket of another kind"));
    }
    if let Wanted::Udp(address) = wanted
        && socket.local_addr()?.as_socket() != Some(*address)
    {
        return Err(strange("a socket of another address"));
    }
    Ok(socket)
}

fn strange(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the helper sent {what}"))
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;
    use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
    use std::os::fd::{AsFd, BorrowedFd};
    use std::sync::Arc;

    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

    use super::super::{Place, UdpOptions, open_udp_std};
    use super::*;

    fn send(to: &UnixStream, errno: i32, descriptors: &[BorrowedFd<'_>]) {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() {
            assert!(control.push(SendAncillaryMessage::ScmRights(descriptors)));
        }
        let octets = errno.to_ne_bytes();
        sendmsg(to, &[IoSlice::new(&octets)], &mut control, SendFlags::empty()).unwrap();
    }

    fn udp() -> (UdpSocket, SocketAddr) {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = socket.local_addr().unwrap();
        (socket, address)
    }

    #[test]
    fn what_is_handed_over_can_be_taken_once() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let ((first, at), (second, other)) = (udp(), udp());
        send(&theirs, 0, &[first.as_fd()]);
        send(&theirs, 0, &[second.as_fd()]);
        drop((first, second));
        let handed = Handed::receive(&ours, &[Wanted::Udp(at), Wanted::Udp(other)]).unwrap();
        let place = Place::Handed(Arc::new(handed));
        let taken = open_udp_std(&place, other, UdpOptions::default()).unwrap();
        assert_eq!(taken.local_addr().unwrap(), other);
        let flags = rustix::io::fcntl_getfd(&taken).unwrap();
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
        let again = open_udp_std(&place, other, UdpOptions::default()).unwrap_err();
        assert!(matches!(again, OpenError::NotHanded { .. }), "{again}");
        open_udp_std(&place, at, UdpOptions::default()).unwrap();
    }

    #[test]
    fn a_refusal_says_what_the_system_said_there() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (socket, address) = udp();
        send(&theirs, nix::errno::Errno::EADDRNOTAVAIL as i32, &[]);
        let wanted = Wanted::Udp(address);
        let handed = Handed::receive(&ours, std::slice::from_ref(&wanted)).unwrap();
        let error = handed.take(&wanted).unwrap_err();
        assert!(matches!(error, OpenError::AddressNotLocal { .. }), "{error}");
        drop(socket);
    }

    #[test]
    fn another_socket_than_the_wanted_one_is_refused() {
        let ((udp_socket, at), (_other, elsewhere)) = (udp(), udp());
        let raw = Wanted::Raw(Ipv4Addr::LOCALHOST.into(), 50);
        for wanted in [Wanted::Udp(elsewhere), raw, Wanted::Packet] {
            let (ours, theirs) = UnixStream::pair().unwrap();
            send(&theirs, 0, &[udp_socket.as_fd()]);
            let error = Handed::receive(&ours, &[wanted]).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");
        }
        let two = [udp_socket.as_fd(), udp_socket.as_fd()];
        for (errno, descriptors) in
            [(0, &two[..0]), (0, &two[..]), (13, &two[..1]), (-1, &two[..0])]
        {
            let (ours, theirs) = UnixStream::pair().unwrap();
            send(&theirs, errno, descriptors);
            let error = Handed::receive(&ours, &[Wanted::Udp(at)]).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");
        }
    }

    #[test]
    fn a_helper_that_ends_early_is_an_error() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (socket, at) = udp();
        send(&theirs, 0, &[socket.as_fd()]);
        drop(theirs);
        let error = Handed::receive(&ours, &[Wanted::Udp(at), Wanted::Packet]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
