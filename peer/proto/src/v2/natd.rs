//! NAT detection (RFC 7296 §2.23): hashes of addresses and ports in IKE_SA_INIT.

use core::net::SocketAddr;

use crate::crypto::keys::natd_hash;
use crate::event::NatStatus;
use crate::io::Path;
use crate::wire::v2::{Message, Notify, Payload};
use crate::wire::{IkeSpi, NotifyType};

/// The two notifications that a message sent on `path` carries.
///
/// `pretend` names a source that is not ours, so that the peer finds a NAT where none is.
pub(crate) fn payloads(spi_i: IkeSpi, spi_r: IkeSpi, path: Path, pretend: bool) -> [Payload; 2] {
    let mut source = natd(spi_i, spi_r, path.local);
    if pretend && let Some(first) = source.first_mut() {
        *first ^= 0xff;
    }
    let destination = natd(spi_i, spi_r, path.remote);
    [
        Payload::Notify(Notify::new(NotifyType::NAT_DETECTION_SOURCE_IP, source)),
        Payload::Notify(Notify::new(NotifyType::NAT_DETECTION_DESTINATION_IP, destination)),
    ]
}

/// What the notifications of a received message say about NAT.
pub(crate) fn detect(message: &Message, path: Path) -> NatStatus {
    let Message { header, .. } = message;
    let hash = |address| natd(header.spi_i, header.spi_r, address);
    let sources: Vec<_> = notifies(message, NotifyType::NAT_DETECTION_SOURCE_IP).collect();
    let destinations: Vec<_> =
        notifies(message, NotifyType::NAT_DETECTION_DESTINATION_IP).collect();
    if sources.is_empty() || destinations.is_empty() {
        return NatStatus::default();
    }
    NatStatus {
        supported: true,
        local: !destinations.contains(&hash(path.local).as_slice()),
        peer: !sources.contains(&hash(path.remote).as_slice()),
    }
}

fn notifies(message: &Message, kind: NotifyType) -> impl Iterator<Item = &[u8]> {
    message
        .notifies()
        .filter(move |notify| notify.kind == kind)
        .map(|notify| notify.data.as_slice())
}

fn natd(spi_i: IkeSpi, spi_r: IkeSpi, address: SocketAddr) -> Vec<u8> {
    natd_hash(spi_i.0, spi_r.0, address.ip(), address.port())
}
