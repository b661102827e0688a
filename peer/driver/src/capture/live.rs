//! A packet socket in a namespace, read by a thread of its own.
//!
//! The socket is open before [`Capture::start`] returns, so nothing sent afterwards is missed. The
//! socket sees all interfaces of the namespace and the thread picks one by index: binding a packet
//! socket to an interface needs an address that cannot be made in safe Rust. The index is asked of the
//! socket, since only that is sure to be in the namespace. Frames may be larger than the MTU where the
//! interface offloads segmentation. Memory is one frame and the socket's buffer.

use std::io::{self, IoSliceMut};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, LinkAddr, MsgFlags, recvmsg, setsockopt, sockopt};
use nix::sys::time::{TimeSpec, TimeVal, TimeValLike};
use rustix::net::netdevice::name_to_index;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::frame::{Frame, FrameDirection, LinkType};
use super::pcapng::{CaptureFile, InterfaceId, InterfaceInfo};
use super::watch::{WatchConfig, WireReport, WireWatch};
use crate::netns::{OpenError, Place, Wanted};

/// Which interface is captured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Interface {
    /// The one of this name.
    Named(String),
    /// The first of `eth0`, `eth1` and so on that is there: a container has one, and it is not always
    /// `eth0`.
    Ethernet,
}

/// What to capture, and where it goes.
#[derive(Debug, Clone)]
pub struct CaptureOptions {
    /// Whose interface.
    pub place: Place,
    /// The interface there.
    pub interface: Interface,
    /// The file to write to.
    pub file: Option<CaptureFile>,
    /// What is said about the interface in the file, such as the container's name.
    pub description: Option<String>,
    /// What to look for along the way.
    pub watch: WatchConfig,
    /// Octets of frames that are written at most; later ones are watched and counted only.
    pub max_bytes: u64,
}

impl CaptureOptions {
    /// A capture of this interface without a file.
    pub fn new(place: Place, interface: Interface) -> Self {
        Self {
            place,
            interface,
            file: None,
            description: None,
            watch: WatchConfig::default(),
            max_bytes: 1 << 30,
        }
    }
}

/// What a capture saw.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CaptureSummary {
    /// Frames seen on the interface.
    pub frames: u64,
    /// Frames written to the file.
    pub written: u64,
    /// Frames that the kernel dropped before we saw them, as told with the last frame that arrived.
    pub dropped_by_kernel: u64,
    /// Frames that were not written because of [`CaptureOptions::max_bytes`].
    pub dropped_by_limit: u64,
    /// What the wire showed.
    pub wire: WireReport,
}

/// A capture did not end well.
#[derive(Debug, Error)]
pub enum CaptureError {
    /// The socket failed.
    #[error("the capture on {interface} failed: {source}")]
    Socket {
        /// The interface.
        interface: String,
        /// What the system said.
        source: io::Error,
    },
    /// The file could not be written.
    #[error("the capture of {interface} could not be written: {source}")]
    File {
        /// The interface.
        interface: String,
        /// What the system said.
        source: io::Error,
    },
    /// The thread panicked.
    #[error("the capture thread of {interface} ended without a result")]
    Thread {
        /// The interface.
        interface: String,
    },
}

/// A running capture. Dropping it stops it and throws the summary away.
#[derive(Debug)]
pub struct Capture {
    interface: String,
    stop: Arc<AtomicBool>,
    watch: Arc<Mutex<WireWatch>>,
    thread: Option<JoinHandle<Result<CaptureSummary, CaptureError>>>,
}

impl Capture {
    /// Starts to capture.
    ///
    /// # Errors
    ///
    /// Says what is in the way: the namespace, the interface, or a missing capability.
    pub fn start(options: CaptureOptions) -> Result<Self, OpenError> {
        let (fd, interface, index) = open(&options.place, &options.interface)?;
        let stop = Arc::new(AtomicBool::new(false));
        let watch = Arc::new(Mutex::new(WireWatch::new(options.watch.clone())));
        let reader = Reader {
            interface: interface.clone(),
            index: usize::try_from(index).unwrap_or(usize::MAX),
            watch: Arc::clone(&watch),
            written_to: None,
            bytes: 0,
            summary: CaptureSummary::default(),
            options,
        };
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name(format!("capture-{interface}"))
            .spawn(move || reader.run(&fd, &stopped))
            .map_err(|error| OpenError::of(Wanted::Packet, error))?;
        Ok(Self { interface, stop, watch, thread: Some(thread) })
    }

    /// What was seen so far. A frame that is on the wire right now may not be in it yet.
    pub fn report(&self) -> WireReport {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner).report().clone()
    }

    /// Stops after what is in the socket's buffer was read, and says what was seen.
    ///
    /// Blocks for a tenth of a second at most while nothing arrives: call it from a blocking context.
    ///
    /// # Errors
    ///
    /// If the socket failed or the file could not be written.
    pub fn stop(mut self) -> Result<CaptureSummary, CaptureError> {
        self.stop.store(true, Ordering::Release);
        let interface = self.interface.clone();
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(_)) | None => Err(CaptureError::Thread { interface }),
        }
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn open(place: &Place, interface: &Interface) -> Result<(OwnedFd, String, u32), OpenError> {
    let fd = OwnedFd::from(place.socket(&Wanted::Packet)?);
    let (name, index) = find(&fd, interface)?;
    let set = || -> Result<(), Errno> {
        setsockopt(&fd, sockopt::ReceiveTimestampns, &true)?;
        setsockopt(&fd, sockopt::RxqOvfl, &1)?;
        setsockopt(&fd, sockopt::ReceiveTimeout, &TimeVal::milliseconds(POLL_MS))?;
        if setsockopt(&fd, sockopt::RcvBufForce, &BUFFER).is_err() {
            setsockopt(&fd, sockopt::RcvBuf, &BUFFER)?;
        }
        Ok(())
    };
    set().map_err(|errno| OpenError::of(Wanted::Packet, errno))?;
    Ok((fd, name, index))
}

/// Name and index of an interface in the namespace of a socket.
fn find(fd: &OwnedFd, interface: &Interface) -> Result<(String, u32), OpenError> {
    let candidates = match interface {
        Interface::Named(name) => vec![name.clone()],
        Interface::Ethernet => (0..MOST_ETHERNETS).map(|number| format!("eth{number}")).collect(),
    };
    let found = candidates.into_iter().find_map(|name| {
        let index = name_to_index(fd, &name).ok()?;
        Some((name, index))
    });
    found.ok_or_else(|| OpenError::NoInterface {
        interface: match interface {
            Interface::Named(name) => name.clone(),
            Interface::Ethernet => "eth0".to_owned(),
        },
    })
}

struct Reader {
    options: CaptureOptions,
    interface: String,
    index: usize,
    watch: Arc<Mutex<WireWatch>>,
    written_to: Option<InterfaceId>,
    bytes: u64,
    summary: CaptureSummary,
}

impl Reader {
    fn run(mut self, fd: &OwnedFd, stop: &AtomicBool) -> Result<CaptureSummary, CaptureError> {
        let mut buffer = vec![0; MAX_FRAME];
        let mut control = cmsg_space!(TimeSpec, u32);
        let mut stopping_since = None;
        loop {
            if stop.load(Ordering::Acquire) {
                // What arrives after the stop is not read forever on a busy wire.
                let since = *stopping_since.get_or_insert_with(SystemTime::now);
                if since.elapsed().unwrap_or(DRAIN) >= DRAIN {
                    break;
                }
            }
            let flags =
                if stopping_since.is_some() { MsgFlags::MSG_DONTWAIT } else { MsgFlags::empty() };
            let mut parts = [IoSliceMut::new(&mut buffer)];
            // MSG_TRUNC makes the result the length on the wire even where the buffer is shorter.
            let flags = flags | MsgFlags::MSG_TRUNC;
            let (len, address, at) =
                match recvmsg::<LinkAddr>(fd.as_raw_fd(), &mut parts, Some(&mut control), flags) {
                    Ok(message) => {
                        let mut at = None;
                        for control in message.cmsgs().into_iter().flatten() {
                            match control {
                                ControlMessageOwned::ScmTimestampns(time) => at = Some(time.into()),
                                ControlMessageOwned::RxqOvfl(dropped) => {
                                    self.summary.dropped_by_kernel = dropped.into();
                                }
                                _ => {}
                            }
                        }
                        (message.bytes, message.address, at)
                    }
                    Err(Errno::EAGAIN) if stopping_since.is_some() => break,
                    // The interface going down is told once and is no end: it may come up again.
                    Err(Errno::EAGAIN | Errno::EINTR | Errno::ENETDOWN) => continue,
                    Err(errno) => {
                        let interface = self.interface;
                        return Err(CaptureError::Socket { interface, source: errno.into() });
                    }
                };
            let Some(address) = address.filter(|address| address.ifindex() == self.index) else {
                continue;
            };
            let bytes = &buffer[..len.min(MAX_FRAME)];
            self.frame(&address, at.unwrap_or_else(now), len, bytes)?;
        }
        self.finish()
    }

    fn frame(
        &mut self,
        address: &LinkAddr,
        at: Duration,
        original_len: usize,
        bytes: &[u8],
    ) -> Result<(), CaptureError> {
        let outgoing = address.pkttype() == PACKET_OUTGOING;
        if outgoing && address.hatype() == ARPHRD_LOOPBACK {
            // The loopback interface shows every packet twice.
            return Ok(());
        }
        let link = match address.hatype() {
            ARPHRD_ETHER | ARPHRD_LOOPBACK => LinkType::Ethernet,
            _ => LinkType::Raw,
        };
        let direction = if outgoing { FrameDirection::Out } else { FrameDirection::In };
        let frame = Frame { at, direction, link, original_len, bytes };
        self.summary.frames += 1;
        self.watch.lock().unwrap_or_else(PoisonError::into_inner).observe(&frame);
        if self.bytes + bytes.len() as u64 > self.options.max_bytes {
            self.summary.dropped_by_limit += 1;
            return Ok(());
        }
        self.bytes += bytes.len() as u64;
        let Some(file) = self.options.file.clone() else { return Ok(()) };
        let id = self.interface(&file, link)?;
        file.frame(id, &frame, None).map_err(|source| self.file_error(source))?;
        self.summary.written += 1;
        Ok(())
    }

    fn finish(mut self) -> Result<CaptureSummary, CaptureError> {
        if let Some(file) = self.options.file.clone() {
            let id = self.interface(&file, LinkType::Ethernet)?;
            let (frames, dropped) = (self.summary.frames, self.summary.dropped_by_kernel);
            file.statistics(id, now(), frames, dropped).map_err(|e| self.file_error(e))?;
        }
        self.summary.wire =
            self.watch.lock().unwrap_or_else(PoisonError::into_inner).report().clone();
        Ok(self.summary)
    }

    /// The interface in the file, described when its first frame shows what kind it is.
    fn interface(
        &mut self,
        file: &CaptureFile,
        link: LinkType,
    ) -> Result<InterfaceId, CaptureError> {
        if let Some(id) = self.written_to {
            return Ok(id);
        }
        let info = InterfaceInfo {
            name: self.interface.clone(),
            link,
            synthesised: false,
            description: self.options.description.clone(),
        };
        let id = file.interface(&info).map_err(|source| self.file_error(source))?;
        self.written_to = Some(id);
        Ok(id)
    }

    fn file_error(&self, source: io::Error) -> CaptureError {
        CaptureError::File { interface: self.interface.clone(), source }
    }
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Names that are tried for [`Interface::Ethernet`].
const MOST_ETHERNETS: u8 = 16;
const MAX_FRAME: usize = 96 << 10;
const BUFFER: usize = 16 << 20;
const POLL_MS: i64 = 100;
const DRAIN: Duration = Duration::from_millis(500);
const PACKET_OUTGOING: u8 = 4;
const ARPHRD_ETHER: u16 = 1;
const ARPHRD_LOOPBACK: u16 = 772;
