//! What a case runs on: a lane with containers, or a network in memory.
//!
//! A stage is kept from case to case, with its peers warm. It belongs to one vendor and runs one case
//! at a time.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use ikeproof_driver::capture::{
    Capture, CaptureFile, CaptureOptions, Frame, FrameDirection, Interface, InterfaceId,
    InterfaceInfo, LinkType, SynthesisOptions, WatchConfig, WireReport, WireWatch, synthesise,
    synthesise_clear,
};
use ikeproof_driver::hub::Hub;
use ikeproof_driver::netns::Wanted;
use ikeproof_driver::sockets::{RawEsp, SocketConfig, Sockets};
use ikeproof_driver::wire::Wire;
use ikeproof_proto::middlebox::{Datagram, Direction};
use ikeproof_vendors::embedded::{Embedded, EmbeddedSpec};
use ikeproof_vendors::lane::{Lane, LaneSpec, Seat};
use ikeproof_vendors::peer::{DataPlane, Peer};
use ikeproof_vendors::run::Run;
use ikeproof_vendors::start::{PeerSpec, Vendor, start};

use super::failure::Trouble;
use super::setup::Place;

/// The addresses of the network in memory (RFC 5737).
const EDGE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const ROUTER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 9);

/// Octets of frames that a capture keeps.
const CAPTURE_LIMIT: u64 = 16 << 20;

/// Who is tested on a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tested {
    /// Our own initiator and responder: a self-check.
    Embedded,
    /// A vendor in a container.
    Container(Image, Plane),
}

/// A vendor's image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Image {
    /// strongSwan of Debian.
    StrongSwan,
    /// libreswan of Debian.
    Libreswan,
    /// libreswan from source, with everything in it.
    LibreswanSource,
}

/// Who does ESP for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Plane {
    /// The kernel of a guest.
    Guest,
    /// strongSwan's own, in user space.
    Userspace,
    /// The kernel of the host.
    Host,
}

impl Image {
    /// The vendor, for the containers.
    pub fn vendor(self) -> Vendor {
        match self {
            Self::StrongSwan => Vendor::StrongSwan,
            Self::Libreswan => Vendor::Libreswan,
            Self::LibreswanSource => Vendor::LibreswanSrc,
        }
    }
}

impl Tested {
    /// Who does ESP.
    pub fn data_plane(self) -> DataPlane {
        match self {
            Self::Embedded => DataPlane::Embedded,
            Self::Container(_, plane) => plane.kind(),
        }
    }
}

impl Plane {
    fn kind(self) -> DataPlane {
        match self {
            Self::Guest => DataPlane::Guest,
            Self::Userspace => DataPlane::Userspace,
            Self::Host => DataPlane::Host,
        }
    }
}

/// What a case runs on.
pub struct Stage {
    ground: Ground,
    peers: BTreeMap<(Tested, bool, u8), Box<dyn Peer>>,
}

enum Ground {
    Lane(Box<Lane>),
    Memory(Hub),
}

impl std::fmt::Debug for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stage").field("peers", &self.peers.keys()).finish_non_exhaustive()
    }
}

impl Stage {
    /// A network in memory.
    pub fn memory() -> Self {
        let hub = Hub::new();
        hub.set_router(ROUTER.into());
        Self { ground: Ground::Memory(hub), peers: BTreeMap::new() }
    }

    /// A lane of a run, with a NAT router.
    pub async fn lane(docker: &ikeproof_vendors::Docker, run: &Arc<Run>) -> Result<Self, Trouble> {
        let lane = Lane::open(docker, run, &lane_spec()?).await?;
        Ok(Self { ground: Ground::Lane(Box::new(lane)), peers: BTreeMap::new() })
    }

    /// How many lanes there can be at a time.
    pub fn room() -> usize {
        lane_spec().map_or(1, |spec| spec.room())
    }

    /// Where the edge and the peer in a seat are. Seats behind the router count by themselves.
    pub fn place(&self, tested: Tested, inside: bool, seat: u8) -> Result<Place, Trouble> {
        match &self.ground {
            Ground::Memory(_) => {
                let own = memory_address(inside, seat);
                let outside = if inside { IpAddr::V4(ROUTER) } else { own };
                Ok(Place { edge: EDGE.into(), own, outside })
            }
            Ground::Lane(lane) => {
                let (_, own, _) = lane.seat(lane_seat(tested, inside, seat))?;
                let outside = match lane.router().filter(|_| inside) {
                    Some(router) => router.outside(),
                    None => own,
                };
                Ok(Place {
                    edge: lane.edge_address().into(),
                    own: own.into(),
                    outside: outside.into(),
                })
            }
        }
    }

    /// The peer in a seat, started if it is not there yet.
    pub async fn peer(
        &mut self,
        tested: Tested,
        inside: bool,
        seat: u8,
        seed: [u8; 32],
    ) -> Result<&dyn Peer, Trouble> {
        let key = (tested, inside, seat);
        if !self.peers.contains_key(&key) {
            let peer = match (&self.ground, tested) {
                (Ground::Memory(hub), _) => {
                    let address = memory_address(inside, seat);
                    let spec = EmbeddedSpec { hub: hub.clone(), address, inside_nat: inside, seed };
                    Embedded::start(spec)
                }
                (Ground::Lane(lane), Tested::Container(image, plane)) => {
                    let seat = lane_seat(tested, inside, seat);
                    let spec = PeerSpec { seat, ..PeerSpec::new(image.vendor(), plane.kind()) };
                    start(lane, &spec).await?
                }
                (Ground::Lane(_), Tested::Embedded) => {
                    return Err(Trouble::Setup("the embedded peer has no lane".to_owned()));
                }
            };
            self.peers.insert(key, peer);
        }
        self.started(tested, inside, seat)
            .ok_or_else(|| Trouble::Infrastructure("the peer is gone".to_owned()))
    }

    /// The peer in a seat, if it was started.
    pub fn started(&self, tested: Tested, inside: bool, seat: u8) -> Option<&dyn Peer> {
        self.peers.get(&(tested, inside, seat)).map(|peer| &**peer)
    }

    /// Throws a peer away, so that the next case starts it anew.
    pub async fn discard(&mut self, tested: Tested, inside: bool, seat: u8) {
        if let Some(peer) = self.peers.remove(&(tested, inside, seat))
            && let Err(error) = peer.close().await
        {
            tracing::warn!(%error, "a peer did not go away");
        }
    }

    /// The edge's wire.
    pub async fn edge_wire(&self) -> Result<Wire, Trouble> {
        match &self.ground {
            Ground::Memory(hub) => Ok(Wire::Hub(hub.join(EDGE.into(), false))),
            Ground::Lane(lane) => {
                let (address, port, nat_port) = (lane.edge_address().into(), 500, 4500);
                let wanted = SocketConfig::wanted(address, port, nat_port);
                let place = lane.edge().place(&wanted).await?;
                let config = SocketConfig { place, address, port, nat_port, raw: RawEsp::Required };
                Sockets::open(&config)
                    .map(Wire::Sockets)
                    .map_err(|error| Trouble::Infrastructure(error.to_string()))
            }
        }
    }

    /// Forgets the router's mappings, so that a case does not see those of the one before.
    pub async fn forget_mappings(&self) -> Result<(), Trouble> {
        match &self.ground {
            Ground::Memory(hub) => hub.set_router(ROUTER.into()),
            Ground::Lane(lane) => {
                if let Some(router) = lane.router() {
                    router.flush().await?;
                }
            }
        }
        Ok(())
    }

    /// Captures the wire of a peer into a file.
    pub async fn watch(
        &self,
        peer: &dyn Peer,
        watch: WatchConfig,
        file: &Path,
    ) -> Result<Watching, Trouble> {
        let trouble = |error: String| Trouble::Infrastructure(error);
        let file = CaptureFile::create(file)
            .map_err(|error| trouble(format!("cannot write {}: {error}", file.display())))?;
        match &self.ground {
            Ground::Memory(hub) => {
                Watching::hub(hub, watch, file).map_err(|e| trouble(e.to_string()))
            }
            Ground::Lane(_) => {
                let wire = peer.wire().ok_or_else(|| trouble("the peer has no wire".to_owned()))?;
                let place = wire.place(&[Wanted::Packet]).await?;
                let mut options = CaptureOptions::new(place, Interface::Ethernet);
                options.file = Some(file);
                options.watch = watch;
                options.max_bytes = CAPTURE_LIMIT;
                let capture =
                    Capture::start(options).map_err(|error| trouble(error.to_string()))?;
                Ok(Watching::Wire(capture))
            }
        }
    }

    /// Leaves everything that the stage is made of standing, for people to look at.
    pub fn keep(self) {
        // What is forgotten is not dropped, and only dropping removes containers and networks.
        for (_, peer) in self.peers {
            std::mem::forget(peer);
        }
        std::mem::forget(self.ground);
    }

    /// Removes everything that the stage is made of.
    pub async fn close(mut self) -> Result<(), Trouble> {
        let mut result = Ok(());
        for (_, peer) in std::mem::take(&mut self.peers) {
            let closed = peer.close().await.map_err(Trouble::from);
            result = result.and(closed);
        }
        if let Ground::Lane(lane) = self.ground {
            let closed = lane.close().await.map_err(Trouble::from);
            result = result.and(closed);
        }
        result
    }
}

fn lane_spec() -> Result<LaneSpec, Trouble> {
    Ok(LaneSpec { nat: true, ..LaneSpec::new()? })
}

/// Peers of several images may sit in one lane: each has seats of its own.
fn lane_seat(tested: Tested, inside: bool, seat: u8) -> Seat {
    let base = match tested {
        Tested::Embedded | Tested::Container(Image::StrongSwan, Plane::Guest) => 0,
        Tested::Container(Image::StrongSwan, Plane::Userspace) => 10,
        Tested::Container(Image::StrongSwan, Plane::Host) => 20,
        Tested::Container(Image::Libreswan, Plane::Host) => 50,
        Tested::Container(Image::Libreswan, _) => 30,
        Tested::Container(Image::LibreswanSource, Plane::Host) => 60,
        Tested::Container(Image::LibreswanSource, _) => 40,
    };
    if inside { Seat::BehindNat(base + seat) } else { Seat::Front(base + seat) }
}

fn memory_address(inside: bool, seat: u8) -> IpAddr {
    let host = 10_u8.saturating_add(seat);
    IpAddr::V4(if inside { Ipv4Addr::new(10, 99, 0, host) } else { Ipv4Addr::new(192, 0, 2, host) })
}

/// Where the frames of the network in memory go.
struct FrameWriter {
    file: CaptureFile,
    interface: InterfaceId,
    watch: Arc<Mutex<WireWatch>>,
    written: u64,
}

impl FrameWriter {
    fn frame(&mut self, bytes: &[u8]) {
        let at =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let frame = Frame {
            at,
            direction: FrameDirection::Out,
            link: LinkType::Ethernet,
            original_len: bytes.len(),
            bytes,
        };
        self.watch.lock().unwrap_or_else(PoisonError::into_inner).observe(&frame);
        self.written += bytes.len() as u64;
        if self.written <= CAPTURE_LIMIT {
            // A full disk shows when the report is written.
            let _ = self.file.frame(self.interface, &frame, None);
        }
    }
}

/// A capture that is running.
pub enum Watching {
    /// Of a real wire.
    Wire(Capture),
    /// Of the network in memory.
    Hub(Hub, Arc<Mutex<WireWatch>>),
}

impl std::fmt::Debug for Watching {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watching").finish_non_exhaustive()
    }
}

impl Watching {
    fn hub(hub: &Hub, watch: WatchConfig, file: CaptureFile) -> std::io::Result<Self> {
        let interface = file.interface(&InterfaceInfo {
            name: "memory".to_owned(),
            link: LinkType::Ethernet,
            synthesised: true,
            description: Some("frames made from datagrams: there was no wire".to_owned()),
        })?;
        let watch = Arc::new(Mutex::new(WireWatch::new(watch)));
        let writer = Arc::new(Mutex::new(FrameWriter {
            file,
            interface,
            watch: Arc::clone(&watch),
            written: 0,
        }));
        let in_clear = Arc::clone(&writer);
        hub.set_tap(Some(Box::new(move |datagram: &Datagram| {
            if let Ok(frame) = synthesise(datagram, Direction::ToPeer, &SynthesisOptions::default())
            {
                writer.lock().unwrap_or_else(PoisonError::into_inner).frame(&frame);
            }
        })));
        hub.set_clear_tap(Some(Box::new(move |packet: &[u8]| {
            if let Some(frame) = synthesise_clear(packet, Direction::ToEdge) {
                in_clear.lock().unwrap_or_else(PoisonError::into_inner).frame(&frame);
            }
        })));
        Ok(Self::Hub(hub.clone(), watch))
    }

    /// What was seen so far.
    pub fn report(&self) -> WireReport {
        match self {
            Self::Wire(capture) => capture.report(),
            Self::Hub(_, watch) => {
                watch.lock().unwrap_or_else(PoisonError::into_inner).report().clone()
            }
        }
    }

    /// Stops; what was seen in all.
    pub async fn stop(self) -> Result<WireReport, Trouble> {
        match self {
            Self::Wire(capture) => tokio::task::spawn_blocking(move || capture.stop())
                .await
                .map_err(|error| Trouble::Infrastructure(error.to_string()))?
                .map_err(|error| Trouble::Infrastructure(error.to_string()))
                .and_then(|summary| {
                    // What was not seen may have been in clear.
                    let missed = summary.dropped_by_kernel;
                    let why =
                        || Trouble::Infrastructure(format!("the capture missed {missed} frames"));
                    if missed == 0 { Ok(summary.wire) } else { Err(why()) }
                }),
            Self::Hub(hub, watch) => {
                hub.set_tap(None);
                hub.set_clear_tap(None);
                Ok(watch.lock().unwrap_or_else(PoisonError::into_inner).report().clone())
            }
        }
    }
}
