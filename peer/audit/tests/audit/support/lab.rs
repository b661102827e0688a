//! The two sides and what they have in common: clock, randomness, keys, and the list of edits.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use ikeproof_audit::{Observed, Sender, Transport};
use ikeproof_proto::crypto::{
    ChildProtocol, ChildSuite, Esn, Group, Hash, IkeSuite, Provider, RustCrypto, SecretBytes, dh,
};
use ikeproof_proto::event::{ChildKeyLog, IkeKeyLog, KeyLogEntry};
use ikeproof_proto::time::Time;
use ikeproof_proto::wire::v2::Payload;
use ikeproof_proto::wire::{ExchangeType, Flags, Header, IkeSpi, PayloadType, RawPayload, Version};

use super::draft::Draft;
use super::esp::{Carrier, EspDraft};
use super::seal::Keys;

type Edit = Box<dyn FnOnce(&mut Draft)>;
type EspEdit = Box<dyn FnOnce(&mut EspDraft)>;
type Hook = Box<dyn FnOnce(&mut Lab)>;

/// What the session is like.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    pub ike: &'static str,
    pub esp: &'static str,
    pub nat: bool,
    pub cookie: bool,
    pub invalid_ke: bool,
    pub fragments: bool,
}

pub const CBC: Profile = Profile {
    ike: "aes256-sha256-ecp256",
    esp: "aes256-sha256",
    nat: false,
    cookie: false,
    invalid_ke: false,
    fragments: false,
};
pub const GCM: Profile =
    Profile { ike: "aes128gcm16-prfsha384-curve25519", esp: "aes128gcm16", ..CBC };
pub const MODP: Profile = Profile { ike: "aes128-sha1-modp1024", esp: "chacha20poly1305", ..CBC };

pub const AH: Profile = Profile { esp: "ah:sha256", ..CBC };

/// An IKE SA as both sides know it.
#[derive(Clone)]
pub struct IkeSa {
    pub spi_i: IkeSpi,
    pub spi_r: IkeSpi,
    pub initiator: Sender,
    pub keys: [Keys; 2],
    pub sk_p: [SecretBytes; 2],
    /// The next Message ID of initiator and responder.
    pub next: [u32; 2],
}

/// A Child SA: the SPI that each side receives with, and the keys of what it sends.
#[derive(Clone)]
pub struct Child {
    pub spi: [u32; 2],
    pub keys: [Keys; 2],
    pub seq: [u32; 2],
}

pub struct Lab {
    pub profile: Profile,
    pub ike: IkeSuite,
    pub esp: ChildSuite,
    pub provider: RustCrypto,
    pub seen: Vec<Observed>,
    pub keys: Vec<KeyLogEntry>,
    /// How many datagrams were seen before each of the keys.
    pub keys_at: Vec<usize>,
    pub clock: Duration,
    drawn: u64,
    edits: HashMap<&'static str, VecDeque<Edit>>,
    esp_edits: HashMap<&'static str, VecDeque<EspEdit>>,
    hooks: HashMap<&'static str, VecDeque<Hook>>,
    pub sa: Option<IkeSa>,
    pub children: Vec<Child>,
    /// The last octets sent of a step.
    pub sent: HashMap<&'static str, Vec<u8>>,
    /// The last drafts' payloads of a step.
    pub payloads: HashMap<&'static str, Vec<RawPayload>>,
    pub psk_padded: SecretBytes,
    /// The initiator's and responder's way to compute AUTH, to be changed.
    pub auth: [AuthWay; 2],
    pub reached: Vec<&'static str>,
    /// After this step nothing is sent any more.
    pub stop: Option<&'static str>,
    stopped: bool,
}

/// How a side computes AUTH.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthWay {
    Right,
    WrongSecret,
    OwnNonce,
    IdWithoutType,
    FirstInit,
}

pub fn index(side: Sender) -> usize {
    usize::from(side == Sender::Edge)
}

impl Lab {
    pub fn new(profile: Profile) -> Self {
        let ike: IkeSuite = profile.ike.parse().unwrap();
        let provider = RustCrypto;
        let padded = provider.hmac(ike.prf.hash(), b"secret").code(&[b"Key Pad for IKEv2"]);
        Self {
            profile,
            ike,
            esp: profile.esp.parse().unwrap(),
            provider,
            seen: Vec::new(),
            keys: Vec::new(),
            keys_at: Vec::new(),
            clock: Duration::from_millis(1),
            drawn: 0,
            edits: HashMap::new(),
            esp_edits: HashMap::new(),
            hooks: HashMap::new(),
            sa: None,
            children: Vec::new(),
            sent: HashMap::new(),
            payloads: HashMap::new(),
            psk_padded: SecretBytes::new(padded),
            auth: [AuthWay::Right; 2],
            reached: Vec::new(),
            stop: None,
            stopped: false,
        }
    }

    pub fn edit(&mut self, step: &'static str, edit: impl FnOnce(&mut Draft) + 'static) {
        self.edits.entry(step).or_default().push_back(Box::new(edit));
    }

    pub fn edit_esp(&mut self, step: &'static str, edit: impl FnOnce(&mut EspDraft) + 'static) {
        self.esp_edits.entry(step).or_default().push_back(Box::new(edit));
    }

    pub fn after(&mut self, step: &'static str, hook: impl FnOnce(&mut Self) + 'static) {
        self.hooks.entry(step).or_default().push_back(Box::new(hook));
    }

    /// Names of steps that have edits but never came.
    pub fn unused(&self) -> Vec<&'static str> {
        let all = self.edits.keys().chain(self.esp_edits.keys()).chain(self.hooks.keys());
        all.filter(|step| !self.reached.contains(step)).copied().collect()
    }

    pub fn random(&mut self, count: usize) -> Vec<u8> {
        let mut octets = Vec::new();
        while octets.len() < count {
            self.drawn += 1;
            octets.extend(Hash::Sha256.digest(&[b"lab", &self.drawn.to_be_bytes()]));
        }
        octets.truncate(count);
        octets
    }

    pub fn secret(&mut self, count: usize) -> SecretBytes {
        SecretBytes::new(self.random(count))
    }

    /// A public value of a group.
    pub fn public(&mut self, group: Group) -> Vec<u8> {
        let random = self.random(dh::random_len(group));
        self.provider.dh_keypair(group, &random).unwrap().public().to_vec()
    }

    pub fn address(&self, side: Sender, natt: bool) -> SocketAddr {
        let port = if natt { 4500 } else { 500 };
        match side {
            // Behind a NAT the peer is seen under another address and port.
            Sender::Peer if self.profile.nat => {
                format!("198.51.100.1:{}", if natt { 20001 } else { 20000 }).parse().unwrap()
            }
            Sender::Peer => format!("192.0.2.1:{port}").parse().unwrap(),
            Sender::Edge => format!("203.0.113.1:{port}").parse().unwrap(),
        }
    }

    pub fn log(&mut self, entry: KeyLogEntry) {
        self.keys.push(entry);
        self.keys_at.push(self.seen.len());
    }

    pub fn new_ike_keys(&mut self) -> ([Keys; 2], [SecretBytes; 2]) {
        let suite = self.ike;
        let mut keys = || Keys {
            encr: suite.encr,
            integ: suite.integ,
            encryption: self.secret(suite.encr.keymat_len()),
            integrity: self.secret(suite.integ.key_len()),
        };
        let keys = [keys(), keys()];
        let p = suite.prf.key_len();
        (keys, [self.secret(p), self.secret(p)])
    }

    pub fn log_ike(&mut self, sa: &IkeSa) {
        let [i, r] = &sa.keys;
        let [sk_pi, sk_pr] = sa.sk_p.clone();
        let log = IkeKeyLog {
            spi_i: sa.spi_i,
            spi_r: sa.spi_r,
            suite: self.ike,
            sk_ai: i.integrity.clone(),
            sk_ar: r.integrity.clone(),
            sk_ei: i.encryption.clone(),
            sk_er: r.encryption.clone(),
            sk_pi,
            sk_pr,
        };
        self.log(KeyLogEntry::Ike(Box::new(log)));
    }

    /// A Child SA for which the sides have chosen these SPIs (peer's, edge's).
    pub fn new_child(&mut self, spi: [u32; 2]) {
        let suite = self.esp;
        let mut keys = || Keys {
            encr: suite.encr,
            integ: suite.integ,
            encryption: self.secret(suite.encr.keymat_len()),
            integrity: self.secret(suite.integ.key_len()),
        };
        let child = Child { spi, keys: [keys(), keys()], seq: [0, 0] };
        for side in [Sender::Peer, Sender::Edge] {
            let keys = &child.keys[index(side)];
            let log = ChildKeyLog {
                spi: spi[index(side.other())],
                source: self.address(side, true).ip(),
                destination: self.address(side.other(), true).ip(),
                suite,
                encryption: keys.encryption.clone(),
                integrity: keys.integrity.clone(),
            };
            self.log(KeyLogEntry::Child(Box::new(log)));
        }
        self.children.push(child);
    }

    /// The number of a side in an IKE SA: 0 for the initiator.
    pub fn part(sa: &IkeSa, side: Sender) -> usize {
        usize::from(side != sa.initiator)
    }

    /// An encrypted message of the present IKE SA.
    pub fn protected(
        &mut self,
        from: Sender,
        exchange: ExchangeType,
        response: bool,
        message_id: u32,
        payloads: Vec<Payload>,
    ) -> Draft {
        let sa = self.sa.clone().unwrap();
        let part = Self::part(&sa, from);
        let mut draft = self.clear(from, exchange, response, message_id, payloads);
        draft.header.spi_i = sa.spi_i;
        draft.header.spi_r = sa.spi_r;
        draft.header.flags = Flags::new(part == 0, response);
        draft.iv = self.random(sa.keys[part].encr.iv_len());
        draft.keys = Some(sa.keys[part].clone());
        draft
    }

    /// A message in clear.
    pub fn clear(
        &mut self,
        from: Sender,
        exchange: ExchangeType,
        response: bool,
        message_id: u32,
        payloads: Vec<Payload>,
    ) -> Draft {
        let natt = self.profile.nat && exchange != ExchangeType::IKE_SA_INIT;
        Draft {
            from,
            src: self.address(from, natt),
            dst: self.address(from.other(), natt),
            marker: natt,
            marker_octets: vec![0; 4],
            header: Header {
                spi_i: IkeSpi::ZERO,
                spi_r: IkeSpi::ZERO,
                next_payload: PayloadType::NONE,
                version: Version::V2_0,
                exchange,
                flags: Flags::new(from == Sender::Peer, response),
                message_id,
                length: 0,
            },
            payloads: payloads.iter().map(Payload::encode).collect(),
            clear: Vec::new(),
            trailing: Vec::new(),
            keys: None,
            iv: Vec::new(),
            padding: None,
            link: true,
            length_delta: 0,
            fragments: 0,
            fragments_again: 0,
            fragment_change: None,
            wire: Vec::new(),
            copies: 1,
            seal_again: false,
        }
    }

    /// Sends a message under a name, after the edits of that name, and runs what hangs on it.
    pub fn send(&mut self, step: &'static str, mut draft: Draft) {
        if self.stopped {
            return;
        }
        self.reached.push(step);
        if let Some(edit) = self.edits.get_mut(step).and_then(VecDeque::pop_front) {
            edit(&mut draft);
        }
        // AUTH is made last, over what is really sent.
        if let Some(position) = draft.payloads.iter().position(|raw| raw.kind == PayloadType::AUTH)
        {
            self.sign(&mut draft, position);
        }
        let messages = draft.encode(&self.provider);
        for copy in 0..draft.copies {
            for message in &messages {
                let (src, dst, marker) = (draft.src, draft.dst, draft.marker);
                let octets = if marker {
                    [&draft.marker_octets, message.as_slice()].concat()
                } else {
                    message.clone()
                };
                self.clock += Duration::from_millis(if copy == 0 { 10 } else { 500 });
                self.seen.push(Observed {
                    at: Time::from_start(self.clock),
                    from: draft.from,
                    transport: Transport::Udp { src, dst, marker },
                    bytes: octets,
                });
            }
        }
        if let Some(message) = messages.into_iter().next() {
            self.sent.insert(step, message);
        }
        self.payloads.insert(step, draft.payloads);
        while let Some(hook) = self.hooks.get_mut(step).and_then(VecDeque::pop_front) {
            hook(self);
        }
        self.stopped |= self.stop == Some(step);
    }

    /// Sends a packet of the newest Child SA.
    pub fn send_esp(&mut self, step: &'static str, from: Sender) {
        if self.stopped {
            return;
        }
        self.reached.push(step);
        let (src, dst) = (self.address(from, true), self.address(from.other(), true));
        let child = self.children.last_mut().unwrap();
        child.seq[index(from)] += 1;
        let (spi, seq) = (child.spi[index(from.other())], child.seq[index(from)]);
        let keys = child.keys[index(from)].clone();
        let (inner_src, inner_dst) = match from {
            Sender::Peer => ([10, 1, 0, 1], [10, 2, 0, 1]),
            Sender::Edge => ([10, 2, 0, 1], [10, 1, 0, 1]),
        };
        let content = super::esp::ping(inner_src, inner_dst, seq as u16);
        let iv = self.random(keys.encr.iv_len());
        let carrier = match (self.esp.protocol, self.profile.nat) {
            (ChildProtocol::Ah, _) => Carrier::Ah,
            (ChildProtocol::Esp, true) => Carrier::Udp4500,
            (ChildProtocol::Esp, false) => Carrier::Raw,
        };
        let mut draft = EspDraft {
            from,
            src,
            dst,
            carrier,
            spi,
            seq,
            high: (self.esp.esn == Esn::Yes).then_some(0),
            keys,
            iv,
            content,
            next: 4,
            padding: None,
            ah: (0, 0, None),
            wire: Vec::new(),
            copies: 1,
        };
        if let Some(edit) = self.esp_edits.get_mut(step).and_then(VecDeque::pop_front) {
            edit(&mut draft);
        }
        let packet = draft.encode(&self.provider);
        let (src, dst) = (draft.src, draft.dst);
        let port = |address: SocketAddr, port| SocketAddr::new(address.ip(), port);
        let transport = match draft.carrier {
            Carrier::Raw => Transport::Esp { src: src.ip(), dst: dst.ip() },
            Carrier::Ah => Transport::Ah { src: src.ip(), dst: dst.ip() },
            Carrier::Udp4500 => Transport::Udp { src, dst, marker: true },
            Carrier::Udp500 => {
                Transport::Udp { src: port(src, 500), dst: port(dst, 500), marker: false }
            }
        };
        for _ in 0..draft.copies {
            self.clock += Duration::from_millis(10);
            self.seen.push(Observed {
                at: Time::from_start(self.clock),
                from: draft.from,
                transport,
                bytes: packet.clone(),
            });
        }
        while let Some(hook) = self.hooks.get_mut(step).and_then(VecDeque::pop_front) {
            hook(self);
        }
    }

    /// The last datagram again, changed.
    pub fn send_last_again(&mut self, change: impl FnOnce(&mut Vec<u8>)) {
        let mut again = self.seen.last().unwrap().clone();
        self.clock += Duration::from_millis(10);
        again.at = Time::from_start(self.clock);
        change(&mut again.bytes);
        self.seen.push(again);
    }

    /// Any octets.
    pub fn send_octets(&mut self, from: Sender, natt: bool, bytes: &[u8]) {
        let (src, dst) = (self.address(from, natt), self.address(from.other(), natt));
        self.clock += Duration::from_millis(10);
        self.seen.push(Observed {
            at: Time::from_start(self.clock),
            from,
            transport: Transport::Udp { src, dst, marker: natt },
            bytes: bytes.to_vec(),
        });
    }
}
