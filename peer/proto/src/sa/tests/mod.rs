//! The data plane octet by octet, at its edges, and against models.

mod ah;
mod data_plane;
mod inbound;
mod outbound;
mod replay;
mod selector;
mod sizes;
mod vectors;

use core::net::Ipv4Addr;

use super::{
    Encap, InboundParams, InboundSa, Limits, OutboundParams, OutboundSa, ReplayWindow, Selectors,
};
use crate::crypto::tests::providers;
use crate::crypto::{ChildSuite, DirectionKeys, Encr, Integ, Provider, Secret, SecretBytes};

const SPI: u32 = 0xc0ff_ee01;

fn encap() -> Encap {
    Encap::Udp { src: "192.0.2.1:4500".parse().unwrap(), dst: "198.51.100.7:4500".parse().unwrap() }
}

/// The keys of the vectors: see there.
fn keys(suite: &ChildSuite) -> DirectionKeys {
    let octets = |start: u8, len: usize| SecretBytes::new((start..).take(len).collect());
    let salt = [0xde, 0xad, 0xbe, 0xef];
    DirectionKeys {
        encr: octets(0x10, suite.encr.key_len()),
        salt: SecretBytes::from_slice(&salt[..suite.encr.salt_len()]),
        integ: octets(0x80, suite.integ.key_len()),
    }
}

fn outbound_params(suite: ChildSuite) -> OutboundParams {
    OutboundParams {
        spi: SPI,
        suite,
        keys: keys(&suite),
        iv_key: Secret::new(core::array::from_fn(|i| 0x60 + i as u8)),
        encap: encap(),
        selectors: Selectors::any(),
        limits: Limits::default(),
    }
}

fn inbound_params(suite: ChildSuite) -> InboundParams {
    InboundParams {
        spi: SPI,
        suite,
        keys: keys(&suite),
        replay: ReplayWindow::new(64).unwrap(),
        selectors: Selectors::any(),
        limits: Limits::default(),
    }
}

fn pair(provider: &dyn Provider, suite: ChildSuite) -> (OutboundSa, InboundSa) {
    (
        OutboundSa::new(provider, outbound_params(suite)).unwrap(),
        InboundSa::new(provider, inbound_params(suite)).unwrap(),
    )
}

/// Every ESP suite that there is.
fn suites() -> Vec<ChildSuite> {
    let mut suites = Vec::new();
    for encr in Encr::all().filter(|encr| encr.is_offered()) {
        for integ in Integ::all().filter(|integ| (*integ == Integ::None) == encr.is_aead()) {
            suites.push(ChildSuite::esp(encr, integ));
        }
    }
    suites
}

/// A UDP packet of `len` octets, from 10.1.2.3:4000 to 10.9.8.7:53.
fn packet(len: usize) -> Vec<u8> {
    packet_between(Ipv4Addr::new(10, 1, 2, 3), Ipv4Addr::new(10, 9, 8, 7), len)
}

fn packet_between(src: Ipv4Addr, dst: Ipv4Addr, len: usize) -> Vec<u8> {
    assert!(len >= 28);
    let mut packet = vec![0x45, 0];
    packet.extend_from_slice(&(len as u16).to_be_bytes());
    packet.extend_from_slice(&[0, 1, 0, 0, 64, 17, 0, 0]);
    packet.extend_from_slice(&src.octets());
    packet.extend_from_slice(&dst.octets());
    packet.extend_from_slice(&4000_u16.to_be_bytes());
    packet.extend_from_slice(&53_u16.to_be_bytes());
    packet.resize(len, 0x70);
    packet
}

/// Seals a copy of `inner` and returns the ESP packet.
fn seal(sa: &mut OutboundSa, inner: &[u8]) -> Vec<u8> {
    let next_header = if inner.first().is_some_and(|first| first >> 4 == 6) { 41 } else { 4 };
    seal_as(sa, inner, next_header)
}

fn seal_as(sa: &mut OutboundSa, inner: &[u8], next_header: u8) -> Vec<u8> {
    let headroom = sa.layout().headroom();
    let mut buf = vec![0xaa; headroom];
    buf.extend_from_slice(inner);
    buf.resize(sa.layout().sealed_len(inner.len()), 0xaa);
    let len = buf.len();
    let sealed = sa.seal_as(&mut buf, headroom..headroom + inner.len(), next_header).unwrap();
    assert_eq!(sealed, 0..len);
    buf
}
