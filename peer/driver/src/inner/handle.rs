//! An inner host on tokio: a task that owns it, and a handle that others ask through.

use std::collections::VecDeque;
use std::time::Duration;

use ikeproof_proto::time::Time;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::config::InnerConfig;
use super::host::{InnerEvent, InnerHost, InnerStats};
use super::ping::{PingError, PingId, PingReport, PingRequest};
use super::tcp::{ConnectError, TcpId, TcpReport, TcpRequest};

/// What an inner host gives to whoever runs the tunnel.
#[derive(Debug)]
pub struct InnerOutput {
    /// Packets for the tunnel. When nobody takes them thousands are kept, further ones dropped.
    pub packets: mpsc::Receiver<Vec<u8>>,
    /// What happened, ends of connections and pings included.
    pub events: mpsc::UnboundedReceiver<InnerEvent>,
}

/// Talks to an inner host. The host ends when all handles are gone.
#[derive(Debug, Clone)]
pub struct InnerHandle {
    commands: mpsc::Sender<Command>,
}

/// The inner host has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the inner host has ended")]
pub struct InnerClosed;

enum Command {
    Packet(Vec<u8>),
    Ping(PingRequest, oneshot::Sender<Result<PingReport, PingError>>),
    Connect(TcpRequest, oneshot::Sender<Result<TcpReport, ConnectError>>),
    Stats(oneshot::Sender<InnerStats>),
}

impl InnerHandle {
    /// Starts a host on the current tokio runtime. Its time counts from `start`.
    pub fn spawn(config: InnerConfig, start: Instant) -> (Self, InnerOutput) {
        let (commands, receiver) = mpsc::channel(QUEUE);
        let (packets_in, packets) = mpsc::channel(QUEUE);
        let (events_in, events) = mpsc::unbounded_channel();
        let host = InnerHost::new(config, since(start));
        let task = Task {
            host,
            start,
            packets: packets_in,
            pending: VecDeque::new(),
            events: events_in,
            pings: Vec::new(),
            connections: Vec::new(),
        };
        tokio::spawn(task.run(receiver));
        (Self { commands }, InnerOutput { packets, events })
    }

    /// Gives a packet from the tunnel to the host.
    ///
    /// # Errors
    ///
    /// If the host has ended.
    pub async fn packet(&self, packet: Vec<u8>) -> Result<(), InnerClosed> {
        self.commands.send(Command::Packet(packet)).await.map_err(|_| InnerClosed)
    }

    /// As [`Self::packet`] without waiting: false if the host is busy and the packet was dropped.
    ///
    /// # Errors
    ///
    /// If the host has ended.
    pub fn try_packet(&self, packet: Vec<u8>) -> Result<bool, InnerClosed> {
        match self.commands.try_send(Command::Packet(packet)) {
            Ok(()) => Ok(true),
            Err(mpsc::error::TrySendError::Full(_)) => Ok(false),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(InnerClosed),
        }
    }

    /// Pings, and waits for what becomes of it.
    ///
    /// # Errors
    ///
    /// The outer error if the host has ended, the inner one if it cannot start.
    pub async fn ping(
        &self,
        request: PingRequest,
    ) -> Result<Result<PingReport, PingError>, InnerClosed> {
        self.ask(|answer| Command::Ping(request, answer)).await
    }

    /// Connects, does the job, and waits for the end.
    ///
    /// # Errors
    ///
    /// The outer error if the host has ended, the inner one if it cannot start.
    pub async fn connect(
        &self,
        request: TcpRequest,
    ) -> Result<Result<TcpReport, ConnectError>, InnerClosed> {
        self.ask(|answer| Command::Connect(request, answer)).await
    }

    /// Counts so far.
    ///
    /// # Errors
    ///
    /// If the host has ended.
    pub async fn stats(&self) -> Result<InnerStats, InnerClosed> {
        self.ask(Command::Stats).await
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, InnerClosed> {
        let (answer, receiver) = oneshot::channel();
        self.commands.send(command(answer)).await.map_err(|_| InnerClosed)?;
        receiver.await.map_err(|_| InnerClosed)
    }
}

struct Task {
    host: InnerHost,
    start: Instant,
    packets: mpsc::Sender<Vec<u8>>,
    pending: VecDeque<Vec<u8>>,
    events: mpsc::UnboundedSender<InnerEvent>,
    pings: Vec<(PingId, oneshot::Sender<Result<PingReport, PingError>>)>,
    connections: Vec<(TcpId, oneshot::Sender<Result<TcpReport, ConnectError>>)>,
}

impl Task {
    async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut batch = Vec::new();
        let packets = self.packets.clone();
        loop {
            self.host.poll(since(self.start));
            while let Some(packet) = self.host.poll_packet() {
                // As a full router would: what TCP has under way is far below this.
                if self.pending.len() < MAX_PENDING {
                    self.pending.push_back(packet);
                }
            }
            while let Some(event) = self.host.poll_event() {
                self.settle(event);
            }
            let at = self.host.poll_timeout(since(self.start));
            let wait = at.map_or(IDLE, |at| at.since(since(self.start)));
            batch.clear();
            tokio::select! {
                count = commands.recv_many(&mut batch, BATCH) => {
                    if count == 0 {
                        return;
                    }
                    for command in batch.drain(..) {
                        self.command(command);
                    }
                }
                // Commands are taken while the way out is full, so that a run loop which waits for this
                // host cannot wait forever.
                permit = packets.reserve(), if !self.pending.is_empty() => {
                    let Ok(permit) = permit else { return };
                    if let Some(packet) = self.pending.pop_front() {
                        permit.send(packet);
                    }
                    while let Some(packet) = self.pending.pop_front() {
                        if let Err(refused) = packets.try_send(packet) {
                            self.pending.push_front(refused.into_inner());
                            break;
                        }
                    }
                }
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    fn command(&mut self, command: Command) {
        let now = since(self.start);
        match command {
            Command::Packet(packet) => self.host.push_packet(now, &packet),
            Command::Ping(request, answer) => match self.host.ping(now, request) {
                Ok(id) => self.pings.push((id, answer)),
                Err(error) => drop(answer.send(Err(error))),
            },
            Command::Connect(request, answer) => match self.host.connect(now, request) {
                Ok(id) => self.connections.push((id, answer)),
                Err(error) => drop(answer.send(Err(error))),
            },
            Command::Stats(answer) => drop(answer.send(*self.host.stats())),
        }
    }

    /// Passes an event on, and answers who waits for it.
    fn settle(&mut self, event: InnerEvent) {
        match &event {
            InnerEvent::PingDone { id, report } => {
                if let Some(at) = self.pings.iter().position(|(waiting, _)| waiting == id) {
                    let _ = self.pings.swap_remove(at).1.send(Ok(report.clone()));
                }
            }
            InnerEvent::TcpDone { report } => {
                let same = |(waiting, _): &(TcpId, _)| *waiting == report.id;
                if let Some(at) = self.connections.iter().position(same) {
                    let _ = self.connections.swap_remove(at).1.send(Ok(report.clone()));
                }
            }
            _ => {}
        }
        let _ = self.events.send(event);
    }
}

fn since(start: Instant) -> Time {
    Time::from_start(start.elapsed())
}

const QUEUE: usize = 1024;
const BATCH: usize = 64;
const MAX_PENDING: usize = 8192;
const IDLE: Duration = Duration::from_secs(3600);
