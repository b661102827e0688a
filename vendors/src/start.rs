//! Starting a peer in a lane: vendor, data plane and seat together.

use crate::{
    Result, Unsupported,
    images::Image,
    lane::{Lane, Seat},
    libreswan::Libreswan,
    peer::{DataPlane, Peer},
    plane::{Plane, PlaneSpec},
    strongswan::StrongSwan,
};

/// A vendor whose image is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Vendor {
    /// strongSwan as Debian packages it.
    StrongSwan,
    /// libreswan as Debian packages it.
    Libreswan,
    /// libreswan from source, with group 2 and all algorithms.
    LibreswanSrc,
}

impl Vendor {
    /// The image it is started from.
    pub fn image(self) -> Image {
        match self {
            Self::StrongSwan => Image::StrongSwan,
            Self::Libreswan => Image::Libreswan,
            Self::LibreswanSrc => Image::LibreswanSrc,
        }
    }
}

/// What to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerSpec {
    /// Who.
    pub vendor: Vendor,
    /// Who does ESP for it.
    pub plane: DataPlane,
    /// Where it sits.
    pub seat: Seat,
    /// A guest's memory in megabytes.
    pub memory: u32,
}

impl PeerSpec {
    /// A peer in the lane's first seat.
    pub fn new(vendor: Vendor, plane: DataPlane) -> Self {
        Self { vendor, plane, seat: Seat::Front(0), memory: 192 }
    }
}

/// Starts a peer; ready to be configured when this returns.
pub async fn start(lane: &Lane, spec: &PeerSpec) -> Result<Box<dyn Peer>> {
    if spec.plane == DataPlane::Userspace && spec.vendor != Vendor::StrongSwan {
        return Err(Unsupported {
            peer: spec.vendor.image().name().to_owned(),
            what: String::from("the userspace data plane"),
            why: String::from("only strongSwan has one; use guest or host"),
        }
        .into());
    }
    if spec.plane == DataPlane::Embedded {
        return Err(Unsupported {
            peer: spec.vendor.image().name().to_owned(),
            what: String::from("the embedded data plane"),
            why: String::from("it belongs to the embedded peer, which needs no lane"),
        }
        .into());
    }
    let (network, address, gateway) = lane.seat(spec.seat)?;
    let image = lane.run().tag(lane.docker(), spec.vendor.image()).await?;
    let plane =
        PlaneSpec { image: &image, kind: spec.plane, address, gateway, memory: spec.memory };
    let plane = Plane::start(lane.docker(), lane.run(), network, &plane).await?;
    Ok(match spec.vendor {
        Vendor::StrongSwan => Box::new(StrongSwan::start(plane, &image).await?),
        Vendor::Libreswan | Vendor::LibreswanSrc => {
            Box::new(Libreswan::start(plane, spec.vendor, &image).await?)
        }
    })
}
