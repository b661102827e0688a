//! smoltcp behind two queues: one interface, and the device it thinks it drives.

use std::collections::VecDeque;
use std::net::IpAddr;

use smoltcp::iface::{Config, Interface, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpCidr};

use super::config::InnerConfig;
use ikeproof_proto::time::Time;

/// An interface with its sockets.
pub(super) struct Stack {
    pub(super) iface: Interface,
    pub(super) sockets: SocketSet<'static>,
    pub(super) device: Queues,
}

/// The device: what came in and what is to go out.
pub(super) struct Queues {
    pub(super) rx: VecDeque<Vec<u8>>,
    pub(super) tx: VecDeque<Vec<u8>>,
    mtu: usize,
}

impl Stack {
    pub(super) fn new(config: &InnerConfig, now: Time) -> Self {
        let mut device =
            Queues { rx: VecDeque::new(), tx: VecDeque::new(), mtu: usize::from(config.mtu) };
        let mut settings = Config::new(HardwareAddress::Ip);
        settings.random_seed = config.seed;
        let mut iface = Interface::new(settings, &mut device, instant(now));
        let own = [config.own_address(true), config.own_address(false)];
        iface.update_ip_addrs(|addresses| {
            for address in own.into_iter().flatten() {
                let prefix = if address.is_ipv4() { 32 } else { 128 };
                let _ = addresses.push(IpCidr::new(address.into(), prefix));
            }
        });
        // With any_ip every address is its own; which ones those are the host has checked already.
        iface.set_any_ip(true);
        for address in own.into_iter().flatten() {
            let _ = match address {
                IpAddr::V4(address) => iface.routes_mut().add_default_ipv4_route(address),
                IpAddr::V6(address) => iface.routes_mut().add_default_ipv6_route(address),
            };
        }
        Self { iface, sockets: SocketSet::new(Vec::new()), device }
    }

    /// Lets smoltcp take what came in and make what is due; not all of it if the way out is full.
    pub(super) fn poll(&mut self, now: Time) {
        self.iface.poll(instant(now), &mut self.device, &mut self.sockets);
    }

    /// When it has to be polled again.
    pub(super) fn poll_at(&mut self, now: Time) -> Option<Time> {
        if !self.device.tx.is_empty() {
            return Some(now);
        }
        let at = self.iface.poll_at(instant(now), &self.sockets)?;
        let micros = u64::try_from(at.total_micros()).unwrap_or(0);
        // Never before now, so that a caller's loop moves on.
        Some(Time::from_start(std::time::Duration::from_micros(micros)).max(now))
    }
}

impl Device for Queues {
    type RxToken<'a> = Incoming;
    type TxToken<'a> = Outgoing<'a>;

    fn receive(&mut self, _now: Instant) -> Option<(Incoming, Outgoing<'_>)> {
        if self.tx.len() >= TX_QUEUE {
            return None;
        }
        let packet = self.rx.pop_front()?;
        Some((Incoming(packet), Outgoing(&mut self.tx)))
    }

    fn transmit(&mut self, _now: Instant) -> Option<Outgoing<'_>> {
        (self.tx.len() < TX_QUEUE).then_some(Outgoing(&mut self.tx))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = self.mtu;
        capabilities
    }
}

/// A packet that came in.
pub(super) struct Incoming(Vec<u8>);

impl RxToken for Incoming {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, work: F) -> R {
        work(&self.0)
    }
}

/// A place for a packet that goes out.
pub(super) struct Outgoing<'a>(&'a mut VecDeque<Vec<u8>>);

impl TxToken for Outgoing<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, work: F) -> R {
        let mut packet = vec![0; len];
        let result = work(&mut packet);
        self.0.push_back(packet);
        result
    }
}

/// The core's time as smoltcp counts it.
pub(super) fn instant(now: Time) -> Instant {
    Instant::from_micros(i64::try_from(now.since_start().as_micros()).unwrap_or(i64::MAX))
}

const TX_QUEUE: usize = 512;
