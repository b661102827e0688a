//! The formats pcap and pcapng, as far as packets, their times and their link types go.
//!
//! All lengths are checked against the file, so a reader never allocates more than the file is long.

use core::time::Duration;

use thiserror::Error;

/// A file that is no capture, or a damaged one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CaptureError {
    /// It begins like neither format.
    #[error("neither pcap nor pcapng: the file begins with {0:08x}")]
    Magic(u32),
    /// It is too short for what it begins with.
    #[error("the capture ends at octet {at}, inside of {what}")]
    Truncated {
        /// What was being read.
        what: &'static str,
        /// Where it begins.
        at: usize,
    },
}

/// The outermost header of a frame, by the numbers of tcpdump.org.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkType(pub u32);

impl LinkType {
    /// Ethernet.
    pub const ETHERNET: Self = Self(1);
    /// IP without a header in front, as some systems number it.
    pub const RAW_BSD: Self = Self(12);
    /// IP without a header in front.
    pub const RAW: Self = Self(101);
    /// Linux cooked capture.
    pub const LINUX_SLL: Self = Self(113);
    /// IPv4 without a header in front.
    pub const IPV4: Self = Self(228);
    /// IPv6 without a header in front.
    pub const IPV6: Self = Self(229);
    /// Linux cooked capture, version 2.
    pub const LINUX_SLL2: Self = Self(276);
}

/// A captured frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// When, since the Unix epoch.
    pub at: Duration,
    /// What the frame begins with.
    pub link: LinkType,
    /// The frame.
    pub bytes: &'a [u8],
}

/// All packets of a capture, up to where it ends or breaks off.
pub fn packets(file: &[u8]) -> Result<Vec<Packet<'_>>, CaptureError> {
    let head = Cursor { bytes: file, big: true }.u32(0).unwrap_or(0);
    match head {
        0x0a0d_0d0a => pcapng(file),
        0xa1b2_c3d4 => pcap(file, true, 1_000),
        0xd4c3_b2a1 => pcap(file, false, 1_000),
        0xa1b2_3c4d => pcap(file, true, 1),
        0x4d3c_b2a1 => pcap(file, false, 1),
        other => Err(CaptureError::Magic(other)),
    }
}

/// Numbers of either byte order at any place.
#[derive(Clone, Copy)]
struct Cursor<'a> {
    bytes: &'a [u8],
    big: bool,
}

impl<'a> Cursor<'a> {
    fn u32(&self, at: usize) -> Option<u32> {
        let bytes = self.bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if self.big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    fn u16(&self, at: usize) -> Option<u16> {
        let bytes = self.bytes.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if self.big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }

    fn slice(&self, at: usize, length: u32) -> Option<&'a [u8]> {
        self.bytes.get(at..at.checked_add(usize::try_from(length).ok()?)?)
    }
}

fn pcap(file: &[u8], big: bool, nanos_a_unit: u32) -> Result<Vec<Packet<'_>>, CaptureError> {
    let cursor = Cursor { bytes: file, big };
    let truncated = CaptureError::Truncated { what: "the file header", at: 0 };
    // The upper bits say how long a frame check sequence is.
    let link = LinkType(cursor.u32(20).ok_or(truncated)? & 0x0fff_ffff);
    let mut packets = Vec::new();
    let mut at = 24;
    while let (Some(seconds), Some(fraction), Some(length)) =
        (cursor.u32(at), cursor.u32(at + 4), cursor.u32(at + 8))
    {
        let Some(bytes) = cursor.slice(at + 16, length) else { break };
        let nanos = Duration::from_nanos(u64::from(fraction) * u64::from(nanos_a_unit));
        let time = Duration::from_secs(seconds.into()).saturating_add(nanos);
        packets.push(Packet { at: time, link, bytes });
        at += 16 + bytes.len();
    }
    Ok(packets)
}

/// An interface of a pcapng section.
#[derive(Clone, Copy)]
struct Interface {
    link: LinkType,
    /// Units of time in a second.
    units: u64,
}

fn pcapng(file: &[u8]) -> Result<Vec<Packet<'_>>, CaptureError> {
    let mut cursor = Cursor { bytes: file, big: false };
    let mut packets = Vec::new();
    let mut interfaces: Vec<Interface> = Vec::new();
    let mut at = 0;
    while let Some(kind) = cursor.u32(at) {
        if kind == SECTION {
            let Some(magic) = cursor.u32(at + 8) else { break };
            if magic != BYTE_ORDER {
                cursor.big = !cursor.big;
            }
            if cursor.u32(at + 8) != Some(BYTE_ORDER) {
                return Err(CaptureError::Truncated { what: "a section header", at });
            }
            interfaces.clear();
        }
        let Some(length) = cursor.u32(at + 4).filter(|&length| length >= 12) else { break };
        let Some(block) = cursor.slice(at, length) else { break };
        let block = Cursor { bytes: block, big: cursor.big };
        match kind {
            INTERFACE => {
                let link = LinkType(block.u16(8).unwrap_or(0).into());
                interfaces.push(Interface { link, units: units(block) });
            }
            ENHANCED => packets.extend(enhanced(block, &interfaces)),
            SIMPLE => {
                let link = interfaces.first().map(|interface| interface.link);
                let room = u32::try_from(block.bytes.len().saturating_sub(16)).unwrap_or(0);
                let length = block.u32(8).unwrap_or(0).min(room);
                if let (Some(link), Some(bytes)) = (link, block.slice(12, length)) {
                    packets.push(Packet { at: Duration::ZERO, link, bytes });
                }
            }
            _ => {}
        }
        at += block.bytes.len();
    }
    Ok(packets)
}

fn enhanced<'a>(block: Cursor<'a>, interfaces: &[Interface]) -> Option<Packet<'a>> {
    let interface = interfaces.get(usize::try_from(block.u32(8)?).ok()?)?;
    let ticks = u64::from(block.u32(12)?) << 32 | u64::from(block.u32(16)?);
    let bytes = block.slice(28, block.u32(20)?)?;
    let units = interface.units.max(1);
    let nanos = u128::from(ticks % units) * 1_000_000_000 / u128::from(units);
    let at = Duration::from_secs(ticks / units)
        .saturating_add(Duration::from_nanos(u64::try_from(nanos).unwrap_or(0)));
    Some(Packet { at, link: interface.link, bytes })
}

/// Units of time in a second, from the option if_tsresol; microseconds without it.
fn units(block: Cursor<'_>) -> u64 {
    let mut at = 16;
    while let (Some(code), Some(length)) = (block.u16(at), block.u16(at + 2)) {
        match (code, block.bytes.get(at + 4)) {
            (0, _) => break,
            (9, Some(&resolution)) if length >= 1 => {
                let power = u32::from(resolution & 0x7f);
                let base: u64 = if resolution & 0x80 == 0 { 10 } else { 2 };
                return base.checked_pow(power).unwrap_or(1_000_000);
            }
            _ => at += 4 + usize::from(length).next_multiple_of(4),
        }
    }
    1_000_000
}

const SECTION: u32 = 0x0a0d_0d0a;
const BYTE_ORDER: u32 = 0x1a2b_3c4d;
const INTERFACE: u32 = 1;
const SIMPLE: u32 = 3;
const ENHANCED: u32 = 6;
