//! ESP and AH for which there is no SA: what the sender is told, and what such a word is worth.
//!
//! Who has lost its SAs gets packets that it cannot open, while the other end takes the tunnel for up
//! until it probes. INVALID-SPI shortens that (RFC 2408, section 3.14.1; RFC 7296 §1.5). Inside an SA with
//! that peer it is protected. In clear anybody may have said it, so that it is no more than a reason to
//! probe (RFC 7296 §2.4).

use std::collections::BTreeMap;

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use super::Endpoint;
use crate::config::InvalidSpi;
use crate::crypto::suite::ChildProtocol;
use crate::endpoint::context::Envelope;
use crate::entropy::Label;
use crate::event::{DropReason, Event};
use crate::io::{Channel, IkeHandle, Path, prefix_of};
use crate::sa::Encap;
use crate::time::Time;
use crate::v1::outgoing::Outgoing;
use crate::v2::sa::State;
use crate::v2::syntax;
use crate::wire::v1::{self, NotifyKind, is_encrypted};
use crate::wire::v2::{Notify, Payload};
use crate::wire::{ExchangeType, IkeSpi, NotifyType, RawMessage};

/// Each source is told so often, and believed so often, no matter how many packets it sends.
const INTERVAL: Duration = Duration::from_secs(1);
/// How many sources are kept in mind. Those beyond get nothing for a while.
const MAX_SOURCES: usize = 1024;

/// When something was last done about a source.
#[derive(Debug, Default)]
pub(super) struct Lately(BTreeMap<IpAddr, Time>);

impl Lately {
    /// Whether it may be done again.
    fn allow(&mut self, now: Time, source: IpAddr) -> bool {
        let source = prefix_of(source);
        if self.0.get(&source).is_some_and(|last| now.since(*last) < INTERVAL) {
            return false;
        }
        if self.0.len() >= MAX_SOURCES {
            self.0.retain(|_, last| now.since(*last) < INTERVAL);
        }
        if self.0.len() >= MAX_SOURCES {
            return false;
        }
        self.0.insert(source, now);
        true
    }
}

impl Endpoint {
    /// A packet of `len` octets has come on an SPI that no SA has.
    pub(super) fn unknown_spi(
        &mut self,
        now: Time,
        protocol: ChildProtocol,
        spi: u32,
        len: usize,
        source: Encap,
    ) {
        let reason = format!("no SA has this SPI; it came from {}", source.src_ip());
        self.cx.event(Event::TrafficDropped { spi, reason });
        let version = self.cx.config.limits.invalid_spi;
        if version == InvalidSpi::Off || !self.told.allow(now, source.src_ip()) {
            return;
        }
        let path = path_of(source);
        let ike = self.newest(|with, _| is_from(with, source));
        match ike {
            Some(ike) if self.ikev1.has(ike) => {
                self.ikev1.with_established(&mut self.cx, ike, now, |state, _, cx| {
                    state.tell_invalid_spi(ike, protocol, spi, cx);
                });
            }
            Some(ike) => self.with_established(ike, now, |state, now, cx| {
                state.tell_invalid_spi(ike, now, spi, cx);
            }),
            None => {
                let remote = path.remote;
                if !self.cx.may_reply(now, remote, len) {
                    return;
                }
                let message = self.in_clear(version, protocol, spi);
                if message.len() > len.saturating_mul(self.cx.config.limits.amplification) {
                    return self.cx.dropped(remote, len, DropReason::Amplification);
                }
                if !message.is_empty() {
                    self.cx.transmit(path, &message);
                }
            }
        }
        self.cx.event(Event::InvalidSpiTold { ike, remote: path.remote, spi });
    }

    /// INVALID-SPI without an SA. It is about no IKE SA, so that its SPIs mean nothing (RFC 7296 §1.5).
    fn in_clear(&mut self, version: InvalidSpi, protocol: ChildProtocol, spi: u32) -> Vec<u8> {
        let (spi_i, spi_r) = (IkeSpi(self.cx.entropy.array(Label::IKE_SPI, 0)), IkeSpi::ZERO);
        if version == InvalidSpi::Ikev1 {
            let message_id = u32::from_be_bytes(self.cx.entropy.array(Label::MESSAGE_ID, 0));
            let exchange = ExchangeType::INFORMATIONAL_V1;
            let (response, commit) = (false, false);
            let outgoing = Outgoing { spi_i, spi_r, exchange, message_id, response, commit };
            let kind = NotifyKind::INVALID_SPI;
            let notify = v1::Notify::child(kind, protocol.into(), spi, Vec::new());
            return outgoing.plain(&mut self.cx, &[v1::Payload::Notify(notify)]);
        }
        let envelope = Envelope {
            spi_i,
            spi_r,
            exchange: ExchangeType::INFORMATIONAL,
            from_initiator: true,
            response: false,
            message_id: 0,
        };
        let notify = Notify::new(NotifyType::INVALID_SPI, spi.to_be_bytes().to_vec());
        self.cx.plain(&envelope, &[Payload::Notify(notify)]).unwrap_or_default()
    }

    /// Takes a message that is for no SA. Says whether it names, as invalid, an SPI that we send on to
    /// where it came from.
    pub(super) fn hint(&mut self, now: Time, path: Path, raw: &RawMessage) -> bool {
        let (Some(spi), remote) = (named(raw), path.remote) else { return false };
        if !self.hinted.allow(now, remote.ip()) {
            return false;
        }
        // Who has lost everything may use another port than before.
        let is_meant =
            |with: Path, spis: &[u32]| with.remote.ip() == remote.ip() && spis.contains(&spi);
        let Some(ike) = self.newest(is_meant) else { return false };
        self.cx.event(Event::InvalidSpiHeard { ike, remote, spi });
        if self.ikev1.has(ike) {
            self.ikev1.with_established(&mut self.cx, ike, now, |state, now, cx| {
                state.doubted(ike, now, cx);
            });
        } else {
            self.with_established(ike, now, |state, now, cx| state.doubted(ike, now, cx));
        }
        true
    }

    /// The newest established SA of which this holds: the path to its peer, and the SPIs that it sends on.
    fn newest(&self, holds: impl Fn(Path, &[u32]) -> bool) -> Option<IkeHandle> {
        let ikev2 = self.sas.iter().rev().find_map(|(ike, sa)| match &sa.state {
            State::Established(state) => {
                let (path, spis) = state.sends();
                holds(path, &spis).then_some(*ike)
            }
            _ => None,
        });
        ikev2.max(self.ikev1.newest(holds))
    }
}

/// The path of IKE to where ESP or AH came from: the same one in UDP, between the well-known ports
/// otherwise.
fn path_of(source: Encap) -> Path {
    match source {
        Encap::Udp { src, dst } => Path { channel: Channel::Nat, local: dst, remote: src },
        Encap::Raw { src, dst } => Path {
            channel: Channel::Ike,
            local: SocketAddr::new(dst, 500),
            remote: SocketAddr::new(src, 500),
        },
    }
}

/// Whether ESP or AH from there comes from whom this path leads to. Several may share an address, but not
/// the port as well.
fn is_from(path: Path, source: Encap) -> bool {
    match source {
        Encap::Udp { src, .. } => path.remote == src,
        Encap::Raw { src, .. } => path.remote.ip() == src,
    }
}

/// The SPI that a message without protection says is invalid.
fn named(raw: &RawMessage) -> Option<u32> {
    let header = &raw.header;
    let octets: Vec<u8> = match header.exchange {
        ExchangeType::INFORMATIONAL_V1 if header.version.major == 1 && !is_encrypted(header) => {
            let message = v1::Message::decode(raw).ok()?;
            let notify = message.notifies().find(|it| it.kind == NotifyKind::INVALID_SPI)?;
            notify.spi.clone()
        }
        ExchangeType::INFORMATIONAL if header.version.major == 2 => {
            if header.flags.is_response() {
                return None;
            }
            let message = syntax::typed(*header, &raw.payloads).ok()?;
            message.notify(NotifyType::INVALID_SPI)?.data.clone()
        }
        _ => return None,
    };
    Some(u32::from_be_bytes(octets.try_into().ok()?))
}

#[cfg(test)]
mod tests;
