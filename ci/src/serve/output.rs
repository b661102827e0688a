//! The one place of `serve` that writes: events to standard output, frames to the capture, keys to
//! their tables.
//!
//! It runs on a thread of its own, as a pipe or a disk may block. Each line is flushed by itself. If
//! whoever reads standard output has gone, serving ends; if a file cannot be written any more, it
//! ends with an error, since a capture that has a hole must not look whole.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ikeproof_driver::capture::{
    CaptureFile, Frame, FrameDirection, InterfaceId, InterfaceInfo, LinkType, SynthesisOptions,
    synthesise,
};
use ikeproof_driver::node::Log;
use ikeproof_proto::middlebox::{Datagram, Direction};
use ikeproof_proto::time::Time;
use jiff::Timestamp;
use tokio::sync::{mpsc, watch};

use super::events::Peers;
use super::keys::KeyTables;
use super::shown::{Entry, Shown};
use super::text;
use crate::cli::EventFormat;
use crate::exit::Stop;

/// Something to write.
#[derive(Debug)]
pub enum Item {
    /// Something about all nodes.
    Say(Shown),
    /// What a node, by its number, has seen.
    Log(usize, Box<Log>),
}

/// A node, as far as writing about it goes.
#[derive(Debug)]
pub struct Source {
    /// How its interface in the capture is called.
    pub name: String,
    /// The date of the start of its clock.
    pub start: Timestamp,
}

/// Where it is written to.
#[derive(Debug)]
pub struct Output {
    format: EventFormat,
    began: Timestamp,
    capture: Option<(PathBuf, CaptureFile)>,
    keys: Option<(PathBuf, KeyTables)>,
    nodes: Vec<Node>,
    open: watch::Sender<usize>,
}

#[derive(Debug)]
struct Node {
    start: Timestamp,
    peers: Peers,
    interface: Option<InterfaceId>,
}

/// Why writing ended before it was told to.
#[derive(Debug)]
pub enum Ended {
    /// Nobody reads standard output any more.
    NoReader,
    /// A file cannot be written.
    Failed(Stop),
}

impl Output {
    /// Opens the files. `open` is told how many IKE SAs there are.
    ///
    /// # Errors
    /// If a file cannot be made.
    pub fn create(
        format: EventFormat,
        capture: Option<&Path>,
        keys: Option<&Path>,
        open: watch::Sender<usize>,
    ) -> Result<Self, Stop> {
        let refused = |option: &str, path: &Path, error: io::Error| {
            Stop::Usage(format!(
                "{option} {}: {error}; name a place that can be written",
                path.display()
            ))
        };
        let capture = capture.map(|path| {
            let file = CaptureFile::create(path).map_err(|error| refused("--pcap", path, error));
            file.map(|file| (path.to_owned(), file))
        });
        let keys = keys.map(|path| {
            let tables = KeyTables::create(path).map_err(|error| refused("--keys", path, error));
            tables.map(|tables| (path.to_owned(), tables))
        });
        let (capture, keys) = (capture.transpose()?, keys.transpose()?);
        let began = Timestamp::now();
        Ok(Self { format, began, capture, keys, nodes: Vec::new(), open })
    }

    /// Announces a node; its number is the count of those before it.
    ///
    /// # Errors
    /// If the capture cannot be written.
    pub fn add(&mut self, source: Source) -> Result<(), Stop> {
        let mut interface = None;
        if let Some((path, file)) = &self.capture {
            let info = InterfaceInfo {
                name: source.name,
                link: LinkType::Ethernet,
                synthesised: true,
                description: None,
            };
            interface = Some(file.interface(&info).map_err(|error| unwritable(path, &error))?);
        }
        self.nodes.push(Node { start: source.start, peers: Peers::default(), interface });
        Ok(())
    }

    /// Writes until there is nothing more to come.
    pub fn run(mut self, mut items: mpsc::Receiver<Item>) -> Result<(), Ended> {
        while let Some(item) = items.blocking_recv() {
            match item {
                Item::Say(shown) => {
                    let now = Timestamp::now();
                    self.print(now, &shown)?;
                }
                Item::Log(node, log) => self.log(node, *log)?,
            }
        }
        Ok(())
    }

    fn log(&mut self, number: usize, log: Log) -> Result<(), Ended> {
        let Some(node) = self.nodes.get_mut(number) else { return Ok(()) };
        let start = node.start;
        let interface = node.interface;
        let mut shown: Vec<(Timestamp, Shown)> = Vec::new();
        for (at, event) in &log.events {
            shown.push((date(start, *at), node.peers.event(event)));
        }
        for (at, tunnel, event) in &log.inner {
            let it = node.peers.inner(*tunnel, event);
            shown.extend(it.map(|it| (date(start, *at), it)));
        }
        for (at, detail) in log.send_errors {
            shown.push((date(start, at), Shown::SendFailed { detail }));
        }
        shown.sort_by_key(|(at, _)| *at);
        for keys in &log.keys {
            let Some((path, tables)) = &mut self.keys else { break };
            match tables.add(keys) {
                Ok(Ok(())) => {}
                Ok(Err(unsupported)) => {
                    let detail = unsupported.to_string();
                    shown.push((Timestamp::now(), Shown::KeysNotForWireshark { detail }));
                }
                Err(error) => return Err(Ended::Failed(unwritable(path, &error))),
            }
        }
        for (at, direction, datagram) in &log.datagrams {
            self.frame(interface, date(start, *at), *direction, datagram)?;
        }
        for (at, it) in &shown {
            self.print(*at, it)?;
        }
        if log.lost > 0 {
            self.print(Timestamp::now(), &Shown::EventsLost { count: log.lost })?;
        }
        let open = self.nodes.iter().map(|node| node.peers.open()).sum();
        self.open.send_replace(open);
        Ok(())
    }

    fn frame(
        &self,
        interface: Option<InterfaceId>,
        at: Timestamp,
        direction: Direction,
        datagram: &Datagram,
    ) -> Result<(), Ended> {
        let (Some((path, file)), Some(interface)) = (&self.capture, interface) else {
            return Ok(());
        };
        // The sockets leave DF clear, so the frames do.
        let options = SynthesisOptions { df: false, ..SynthesisOptions::default() };
        // What fits into no frame was never sent either.
        let Ok(bytes) = synthesise(datagram, direction, &options) else { return Ok(()) };
        let since_epoch = Duration::try_from(at.duration_since(Timestamp::UNIX_EPOCH));
        let frame = Frame {
            at: since_epoch.unwrap_or_default(),
            direction: match direction {
                Direction::ToEdge => FrameDirection::In,
                Direction::ToPeer => FrameDirection::Out,
            },
            link: LinkType::Ethernet,
            original_len: bytes.len(),
            bytes: &bytes,
        };
        let written = file.frame(interface, &frame, None);
        written.map_err(|error| Ended::Failed(unwritable(path, &error)))
    }

    fn print(&self, at: Timestamp, shown: &Shown) -> Result<(), Ended> {
        let at = Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at);
        let micros = at.as_microsecond().saturating_sub(self.began.as_microsecond()).max(0);
        #[expect(clippy::cast_precision_loss, reason = "exact for centuries of microseconds")]
        let entry = Entry { shown, time: micros as f64 / 1e6, at };
        let line = match self.format {
            EventFormat::Text => text::lines(&entry),
            EventFormat::Json => match serde_json::to_string(&entry) {
                Ok(line) => line + "\n",
                Err(error) => {
                    let why = format!("an event cannot be written as JSON: {error}");
                    return Err(Ended::Failed(Stop::Infrastructure(why)));
                }
            },
        };
        let mut out = io::stdout().lock();
        out.write_all(line.as_bytes()).and_then(|()| out.flush()).map_err(|error| {
            match error.kind() {
                io::ErrorKind::BrokenPipe => Ended::NoReader,
                _ => Ended::Failed(unwritable(Path::new("standard output"), &error)),
            }
        })
    }
}

fn date(start: Timestamp, at: Time) -> Timestamp {
    start.checked_add(at.since_start()).unwrap_or(start)
}

fn unwritable(path: &Path, error: &io::Error) -> Stop {
    Stop::Infrastructure(format!(
        "{} cannot be written: {error}; is the disk full?",
        path.display()
    ))
}
