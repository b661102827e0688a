//! Runs a node for each address until a signal comes, then deletes all SAs and ends.
//!
//! Each node has a pump: a task that takes what the node has seen and hands it to the output. Queues
//! are bounded and the node's log is too, so a reader that is too slow costs events, not memory.

use std::process::ExitCode;
use std::time::Duration;

use ikeproof_driver::netns::{OpenError, Place};
use ikeproof_driver::node::{LogLimit, Node};
use ikeproof_driver::sockets::{RawEsp, SocketConfig, Sockets};
use ikeproof_driver::wire::Wire;
use ikeproof_proto::io::Command;
use jiff::Timestamp;
use tokio::sync::{mpsc, watch};

use super::output::{Ended, Item, Output, Source};
use super::settings::Settings;
use super::shown::{Listening, Shown};
use crate::cli::ServeArgs;
use crate::exit::Stop;
use crate::signals::Interrupts;

/// How long deletes may stay unanswered at the end.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long the output may take for what is left at the end.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// Events that wait for the output, a node.
const EVENTS: usize = 8192;
/// The same where datagrams wait with them.
const EVENTS_AND_DATAGRAMS: usize = 2048;

/// Serves until interrupted.
///
/// # Errors
/// If an option is wrong, a socket cannot be had, or a file cannot be written.
pub async fn run(args: ServeArgs) -> Result<ExitCode, Stop> {
    let settings = Settings::read(&args)?;
    let mut interrupts = Interrupts::catch()?;
    let mut sockets = Vec::new();
    for address in &settings.addresses {
        sockets.push(Sockets::open(&socket_config(&args, *address)).map_err(stop)?);
    }
    let (open, mut still_open) = watch::channel(0);
    let (pcap, keys) = (args.pcap.as_deref(), args.keys.as_deref());
    let mut output = Output::create(args.events, pcap, keys, open)?;
    let (items, queue) = mpsc::channel(4);
    let mut ready = Vec::new();
    let mut pumps = Vec::new();
    for (number, sockets) in sockets.into_iter().enumerate() {
        let listening = listening(&settings, &sockets);
        let config = settings.node(listening.local.ip(), listening.nat_local.port())?;
        let limit = match args.pcap {
            Some(_) => LogLimit { entries: EVENTS_AND_DATAGRAMS, datagrams: true },
            None => LogLimit { entries: EVENTS, datagrams: false },
        };
        let start = Timestamp::now();
        let node = Node::start_limited(config, Wire::Sockets(sockets), limit);
        output.add(Source { name: format!("edge {}", listening.local.ip()), start })?;
        ready.push(Shown::Listening(Box::new(listening)));
        pumps.push(Pump::start(number, node, items.clone()));
    }
    let mut writer = tokio::task::spawn_blocking(move || output.run(queue));
    for shown in ready {
        // If the output has ended, the wait below ends at once.
        let _ = items.send(Item::Say(shown)).await;
    }

    let (because, mut ended) = tokio::select! {
        signal = interrupts.next() => (signal, None),
        ended = &mut writer => ("nobody reads the events", Some(ended)),
    };
    say(&items, Shown::ShuttingDown { because }).await;
    for pump in &pumps {
        pump.order(Order::Shutdown).await;
    }
    if ended.is_none() {
        tokio::select! {
            () = all_closed(&mut still_open) => {}
            () = tokio::time::sleep(PATIENCE) => {}
            // Somebody is in a hurry.
            _ = interrupts.next() => {}
        }
    } else {
        // Nobody counts the SAs any more; the deletes go out and are not waited for.
        tokio::time::sleep(LAST_WORDS).await;
    }
    let left = *still_open.borrow();
    for pump in pumps {
        pump.stop().await;
    }
    say(&items, Shown::Stopped { open: left }).await;
    drop(items);
    if ended.is_none() {
        ended = tokio::time::timeout(LAST_WORDS, writer).await.ok();
    }
    match ended {
        Some(Ok(Err(Ended::Failed(stop)))) => Err(stop),
        Some(Err(error)) => Err(Stop::Infrastructure(format!("the output broke off: {error}"))),
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn socket_config(args: &ServeArgs, address: std::net::IpAddr) -> SocketConfig {
    SocketConfig {
        place: Place::Host,
        address,
        port: args.port,
        nat_port: args.nat_port,
        raw: RawEsp::IfPermitted,
    }
}

fn listening(settings: &Settings, sockets: &Sockets) -> Listening {
    let (local, nat_local) = sockets.local();
    let id = match &settings.identity {
        Some(id) => id.to_string(),
        None => format!("ip:{}", local.ip()),
    };
    Listening {
        profile: settings.profile.name.clone(),
        title: settings.profile.title.clone(),
        local,
        nat_local,
        raw_esp: sockets.has_raw_esp() && sockets.has_ah(),
        id,
        clients: settings.credentials.iter().map(|known| known.id.to_string()).collect(),
        inner: settings.inner.iter().map(ToString::to_string).collect(),
        cookies: match settings.profile.limits.cookie_threshold {
            0 => "always",
            _ => "under-load",
        },
    }
}

fn stop(error: OpenError) -> Stop {
    match error {
        OpenError::AddressNotLocal { .. } => Stop::Usage(format!("--listen: {error}")),
        error => Stop::Infrastructure(error.to_string()),
    }
}

/// Waits until no IKE SA is left.
async fn all_closed(open: &mut watch::Receiver<usize>) {
    // What was under way when the order came is told by now.
    tokio::time::sleep(Duration::from_millis(50)).await;
    // If the output has ended there is nothing to wait for.
    let _ = open.wait_for(|open| *open == 0).await;
}

async fn say(items: &mpsc::Sender<Item>, shown: Shown) {
    // A reader that does not read must not keep the program.
    let _ = tokio::time::timeout(LAST_WORDS, items.send(Item::Say(shown))).await;
}

/// Takes what a node has seen to the output.
#[derive(Debug)]
struct Pump {
    orders: mpsc::Sender<Order>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Debug)]
enum Order {
    Shutdown,
    Stop,
}

impl Pump {
    fn start(number: usize, node: Node, items: mpsc::Sender<Item>) -> Self {
        let (orders, inbox) = mpsc::channel(2);
        Self { orders, task: tokio::spawn(pump(number, node, items, inbox)) }
    }

    async fn order(&self, order: Order) {
        // A pump that has ended has no node any more.
        let _ = self.orders.send(order).await;
    }

    async fn stop(self) {
        self.order(Order::Stop).await;
        let _ = self.task.await;
    }
}

async fn pump(
    number: usize,
    node: Node,
    items: mpsc::Sender<Item>,
    mut orders: mpsc::Receiver<Order>,
) {
    loop {
        // Room first: what is taken from the log can then be handed over at once.
        let taken = async {
            match items.reserve().await {
                Ok(room) => Some((room, node.drain().await?)),
                // Without an output the log stays bounded by itself.
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            order = orders.recv() => match order {
                Some(Order::Shutdown) => node.command(Command::Shutdown),
                Some(Order::Stop) | None => break,
            },
            taken = taken => match taken {
                Some((room, log)) => room.send(Item::Log(number, Box::new(log))),
                None => break,
            },
        }
    }
    let (_, rest) = node.stop().await;
    let rest = Item::Log(number, Box::new(rest));
    let _ = tokio::time::timeout(LAST_WORDS, items.send(rest)).await;
}
