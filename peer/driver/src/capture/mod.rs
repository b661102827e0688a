//! The wire as it was: captures in the peer's namespace, their files, and what they prove.
//!
//! Our own sockets hide outer fragments, DF, TTL and whatever goes elsewhere in clear, so frames are
//! taken by a packet socket in the peer's namespace ([`Capture`]). For the embedded peer there is no
//! wire; frames are made from datagrams ([`synthesise`]) and go to an interface marked as synthesised.
//! Both go into one [`CaptureFile`] (pcapng, valid after every block) and past a [`WireWatch`].

mod frame;
mod live;
mod pcapng;
mod synthesis;
mod watch;

pub use frame::{Cidr, CidrError, Frame, FrameDirection, LinkType};
pub use live::{Capture, CaptureError, CaptureOptions, CaptureSummary, Interface};
pub use pcapng::{CaptureFile, InterfaceId, InterfaceInfo, PcapngWriter};
pub use synthesis::{SynthesisError, SynthesisOptions, synthesise, synthesise_clear};
pub use watch::{ClearWhat, InClear, WatchConfig, WireReport, WireWatch};
