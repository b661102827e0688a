//! Writing pcapng: section header, interfaces, packets with direction and comment, statistics.
//!
//! Every block goes out in one write of its own, so the file is valid whenever the program stops.
//! Format: draft-ietf-opsawg-pcapng, little endian, nanosecond timestamps.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::frame::{Frame, FrameDirection, LinkType};

/// Names an interface of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct InterfaceId(u32);

/// What is written about an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterfaceInfo {
    /// Its name, such as `eth0`.
    pub name: String,
    /// What its frames start with.
    pub link: LinkType,
    /// Frames were made from datagrams and never were on a wire.
    pub synthesised: bool,
    /// Anything more to say, such as which container it is in.
    pub description: Option<String>,
}

/// A pcapng file in the making, on anything that can be written to.
#[derive(Debug)]
pub struct PcapngWriter<W> {
    out: W,
    interfaces: u32,
}

impl<W: Write> PcapngWriter<W> {
    /// Starts a section.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn new(out: W) -> io::Result<Self> {
        let mut writer = Self { out, interfaces: 0 };
        let mut body = Vec::new();
        body.extend(0x1a2b_3c4d_u32.to_le_bytes());
        body.extend([1, 0, 0, 0]);
        body.extend(u64::MAX.to_le_bytes());
        option(&mut body, SHB_USERAPPL, b"ikeproof");
        end_of_options(&mut body);
        writer.block(SECTION_HEADER, &body)?;
        Ok(writer)
    }

    /// Describes an interface.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn interface(&mut self, info: &InterfaceInfo) -> io::Result<InterfaceId> {
        let mut body = Vec::new();
        body.extend(info.link.number().to_le_bytes());
        body.extend([0, 0]);
        body.extend(0_u32.to_le_bytes());
        option(&mut body, IF_NAME, info.name.as_bytes());
        let description = match (info.synthesised, &info.description) {
            (true, Some(text)) => Some(format!("{SYNTHESISED}; {text}")),
            (true, None) => Some(SYNTHESISED.to_owned()),
            (false, text) => text.clone(),
        };
        if let Some(description) = description {
            option(&mut body, IF_DESCRIPTION, description.as_bytes());
        }
        option(&mut body, IF_TSRESOL, &[9]);
        end_of_options(&mut body);
        self.block(INTERFACE_DESCRIPTION, &body)?;
        self.interfaces += 1;
        Ok(InterfaceId(self.interfaces - 1))
    }

    /// Writes a frame, with a comment if there is something to say about it.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn frame(
        &mut self,
        interface: InterfaceId,
        frame: &Frame<'_>,
        comment: Option<&str>,
    ) -> io::Result<()> {
        let mut body = Vec::with_capacity(frame.bytes.len() + 64);
        body.extend(interface.0.to_le_bytes());
        let nanos = u64::try_from(frame.at.as_nanos()).unwrap_or(u64::MAX);
        body.extend(low(nanos >> 32).to_le_bytes());
        body.extend(low(nanos).to_le_bytes());
        body.extend(low(frame.bytes.len() as u64).to_le_bytes());
        body.extend(low(frame.original_len as u64).to_le_bytes());
        padded(&mut body, frame.bytes);
        let flags: u32 = match frame.direction {
            FrameDirection::In => 1,
            FrameDirection::Out => 2,
        };
        option(&mut body, EPB_FLAGS, &flags.to_le_bytes());
        if let Some(comment) = comment {
            option(&mut body, COMMENT, comment.as_bytes());
        }
        end_of_options(&mut body);
        self.block(ENHANCED_PACKET, &body)
    }

    /// Writes how many frames an interface saw and how many of them the kernel dropped.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn statistics(
        &mut self,
        interface: InterfaceId,
        at: std::time::Duration,
        received: u64,
        dropped: u64,
    ) -> io::Result<()> {
        let mut body = Vec::new();
        body.extend(interface.0.to_le_bytes());
        let nanos = u64::try_from(at.as_nanos()).unwrap_or(u64::MAX);
        body.extend(low(nanos >> 32).to_le_bytes());
        body.extend(low(nanos).to_le_bytes());
        option(&mut body, ISB_IFRECV, &received.to_le_bytes());
        option(&mut body, ISB_IFDROP, &dropped.to_le_bytes());
        end_of_options(&mut body);
        self.block(INTERFACE_STATISTICS, &body)
    }

    fn block(&mut self, kind: u32, body: &[u8]) -> io::Result<()> {
        let total = u32::try_from(body.len() + 12)
            .map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        let mut block = Vec::with_capacity(body.len() + 12);
        block.extend(kind.to_le_bytes());
        block.extend(total.to_le_bytes());
        block.extend_from_slice(body);
        block.extend(total.to_le_bytes());
        self.out.write_all(&block)?;
        self.out.flush()
    }
}

/// A file that several captures write to.
#[derive(Debug, Clone)]
pub struct CaptureFile {
    writer: Arc<Mutex<PcapngWriter<File>>>,
}

impl CaptureFile {
    /// Makes the file.
    ///
    /// # Errors
    ///
    /// If it cannot be made.
    pub fn create(path: &Path) -> io::Result<Self> {
        let writer = PcapngWriter::new(File::create(path)?)?;
        Ok(Self { writer: Arc::new(Mutex::new(writer)) })
    }

    /// As [`PcapngWriter::interface`].
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn interface(&self, info: &InterfaceInfo) -> io::Result<InterfaceId> {
        self.locked(|writer| writer.interface(info))
    }

    /// As [`PcapngWriter::frame`].
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn frame(
        &self,
        interface: InterfaceId,
        frame: &Frame<'_>,
        comment: Option<&str>,
    ) -> io::Result<()> {
        self.locked(|writer| writer.frame(interface, frame, comment))
    }

    /// As [`PcapngWriter::statistics`].
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn statistics(
        &self,
        interface: InterfaceId,
        at: std::time::Duration,
        received: u64,
        dropped: u64,
    ) -> io::Result<()> {
        self.locked(|writer| writer.statistics(interface, at, received, dropped))
    }

    fn locked<T>(&self, work: impl FnOnce(&mut PcapngWriter<File>) -> T) -> T {
        // Blocks are written whole, so a writer that another thread abandoned is still usable.
        work(&mut self.writer.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    let value = &value[..value.len().min(usize::from(u16::MAX))];
    body.extend(code.to_le_bytes());
    body.extend((value.len() as u16).to_le_bytes());
    padded(body, value);
}

fn end_of_options(body: &mut Vec<u8>) {
    body.extend([0; 4]);
}

fn padded(body: &mut Vec<u8>, value: &[u8]) {
    body.extend_from_slice(value);
    body.resize(body.len().next_multiple_of(4), 0);
}

const fn low(value: u64) -> u32 {
    (value & 0xffff_ffff) as u32
}

/// How an interface for made-up frames describes itself.
const SYNTHESISED: &str = "synthesised by ikeproof from datagrams: these frames were on no wire";

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const INTERFACE_STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;
const COMMENT: u16 = 1;
const SHB_USERAPPL: u16 = 4;
const IF_NAME: u16 = 2;
const IF_DESCRIPTION: u16 = 3;
const IF_TSRESOL: u16 = 9;
const EPB_FLAGS: u16 = 2;
const ISB_IFRECV: u16 = 4;
const ISB_IFDROP: u16 = 5;
