//! A packet of ESP or AH before it is sent, open to every change.

use std::net::SocketAddr;

use ikeproof_audit::Sender;
use ikeproof_proto::crypto::{Encr, Provider};

use super::seal::Keys;

type WireChange = Box<dyn Fn(&mut Vec<u8>)>;

/// How a packet travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    Raw,
    Udp4500,
    Udp500,
    /// AH: a whole IP packet.
    Ah,
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
    /// With AH: octets of padding behind the ICV, the reserved field, and another payload length.
    pub ah: (usize, u16, Option<u8>),
    pub wire: Vec<WireChange>,
    pub copies: usize,
}

impl EspDraft {
    pub fn on_wire(&mut self, change: impl Fn(&mut Vec<u8>) + 'static) {
        self.wire.push(Box::new(change));
    }

    pub fn encode(&self, provider: &dyn Provider) -> Vec<u8> {
        let mut packet = match self.carrier {
            Carrier::Ah => self.encode_ah(provider),
            Carrier::Raw | Carrier::Udp4500 | Carrier::Udp500 => self.encode_esp(provider),
        };
        for change in &self.wire {
            change(&mut packet);
        }
        packet
    }

    fn encode_ah(&self, provider: &dyn Provider) -> Vec<u8> {
        let (pad, reserved, length) = self.ah;
        let icv_len = self.keys.icv_len();
        let ah_len = 12 + icv_len + pad;
        let octets = |address: SocketAddr| match address.ip() {
            std::net::IpAddr::V4(address) => address.octets(),
            std::net::IpAddr::V6(_) => unreachable!("the lab has IPv4 only"),
        };
        let total = u16::try_from(20 + ah_len + self.content.len()).unwrap();
        let mut packet = vec![0x45, 0];
        packet.extend(total.to_be_bytes());
        packet.extend([0x12, 0x34, 0, 0, 0, 51, 0, 0]);
        packet.extend([octets(self.src), octets(self.dst)].concat());
        packet.extend([self.next, length.unwrap_or((ah_len / 4 - 2) as u8)]);
        packet.extend(reserved.to_be_bytes());
        packet.extend([self.spi.to_be_bytes(), self.seq.to_be_bytes()].concat());
        packet.extend(vec![0; icv_len + pad]);
        packet.extend_from_slice(&self.content);
        let hash = self.keys.integ.hash().unwrap();
        let mac = provider.hmac(hash, self.keys.integrity.expose());
        let mut icv = vec![0; icv_len];
        mac.sign(&[&packet], &mut icv);
        packet[32..32 + icv_len].copy_from_slice(&icv);
        // What may change on the way: TOS, DF, TTL.
        (packet[1], packet[6], packet[8]) = (0xb8, 0x40, 61);
        packet
    }

    fn encode_esp(&self, provider: &dyn Provider) -> Vec<u8> {
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
        [prefix, body].concat()
    }
}

/// An ICMP echo request of 84 octets.
pub fn ping(from: [u8; 4], to: [u8; 4], number: u16) -> Vec<u8> {
    let builder = etherparse::PacketBuilder::ipv4(from, to, 64).icmpv4_echo_request(7, number);
    let mut packet = Vec::new();
    builder.write(&mut packet, &[0x55; 56]).unwrap();
    packet
}
