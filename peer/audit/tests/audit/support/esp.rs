//! An ESP packet before it is sent, open to every change.

use std::net::SocketAddr;

use ikeproof_audit::Sender;
use ikeproof_proto::crypto::{Encr, Provider};

use super::seal::Keys;

type WireChange = Box<dyn Fn(&mut Vec<u8>)>;

/// How an ESP packet travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    Raw,
    Udp4500,
    Udp500,
}

/// A packet.
pub struct EspDraft {
    pub from: Sender,
    pub src: SocketAddr,
    pub dst: SocketAddr,
    pub carrier: Carrier,
    pub spi: u32,
    pub seq: u32,
    /// The high half of the number, if it is extended; with combined-mode ciphers only.
    pub high: Option<u32>,
    pub keys: Keys,
    pub iv: Vec<u8>,
    pub content: Vec<u8>,
    pub next: u8,
    /// Padding and pad length instead of the honest ones.
    pub padding: Option<Vec<u8>>,
    pub wire: Vec<WireChange>,
    pub copies: usize,
}

impl EspDraft {
    pub fn on_wire(&mut self, change: impl Fn(&mut Vec<u8>) + 'static) {
        self.wire.push(Box::new(change));
    }

    pub fn encode(&self, provider: &dyn Provider) -> Vec<u8> {
        let prefix = [self.spi.to_be_bytes(), self.seq.to_be_bytes()].concat();
        let block = match self.keys.encr {
            Encr::AesCbc(_) | Encr::TripleDesCbc => self.keys.encr.block_len(),
            _ => 4,
        };
        let padding = self.padding.clone().unwrap_or_else(|| {
            let pad = (self.content.len() + 2).next_multiple_of(block) - self.content.len() - 2;
            let pad = u8::try_from(pad).unwrap();
            (1..=pad).chain([pad]).collect()
        });
        let text = [self.content.as_slice(), &padding, &[self.next]].concat();
        let high = self.high.map(u32::to_be_bytes);
        let covered = [&prefix[..4], high.as_ref().map_or(&[], |high| high), &prefix[4..]].concat();
        let body = self.keys.seal(provider, &self.iv, &covered, &text);
        let mut packet = [prefix, body].concat();
        for change in &self.wire {
            change(&mut packet);
        }
        packet
    }
}

/// An ICMP echo request of 84 octets.
pub fn ping(from: [u8; 4], to: [u8; 4], number: u16) -> Vec<u8> {
    let builder = etherparse::PacketBuilder::ipv4(from, to, 64).icmpv4_echo_request(7, number);
    let mut packet = Vec::new();
    builder.write(&mut packet, &[0x55; 56]).unwrap();
    packet
}
