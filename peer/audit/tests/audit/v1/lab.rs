//! The two sides of an ISAKMP SA: clock, randomness, keys, and the list of edits.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use ikeproof_audit::{Observed, Sender, Transport};
use ikeproof_proto::crypto::ikev1::{Phase1Claim, phase1_hash, phase2_hash, skeyid_psk};
use ikeproof_proto::crypto::{
    ChildSuite, Group, Hash, IkeSuite, Ikev1Cipher, Phase1Keys, Provider, RustCrypto, SecretBytes,
    dh,
};
use ikeproof_proto::event::{ChildKeyLog, Ikev1KeyLog, KeyLogEntry};
use ikeproof_proto::time::Time;
use ikeproof_proto::wire::v1::num::{PayloadKind, Phase1Auth};
use ikeproof_proto::wire::v1::{FLAG_ENCRYPTION, Payload};
use ikeproof_proto::wire::{ExchangeType, Flags, Header, IkeSpi, PayloadType, RawPayload, Version};

use super::draft::{Draft, Hashing};

type Edit = Box<dyn FnOnce(&mut Draft)>;
type Hook = Box<dyn FnOnce(&mut Lab)>;

/// What stands between the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nat {
    None,
    /// The peer is seen under another address and other ports.
    Router,
    /// The peer only pretends to be behind one.
    Pretended,
}

/// What the session is like.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    pub ike: &'static str,
    pub esp: &'static str,
    pub aggressive: bool,
    /// The third message of aggressive mode is encrypted.
    pub sealed_third: bool,
    pub nat: Nat,
    pub auth: Phase1Auth,
    /// Mode-config in a transaction.
    pub config: bool,
    /// A new key exchange in quick mode.
    pub pfs: bool,
}

pub const MAIN: Profile = Profile {
    ike: "aes256-sha1-modp1024",
    esp: "aes128-sha1",
    aggressive: false,
    sealed_third: true,
    nat: Nat::None,
    auth: Phase1Auth::PRE_SHARED_KEY,
    config: false,
    pfs: false,
};
pub const AGGRESSIVE: Profile =
    Profile { ike: "aes128-sha256-ecp256", esp: "aes128gcm16", aggressive: true, ..MAIN };
pub const ROUTER: Profile = Profile { nat: Nat::Router, ..MAIN };
pub const PRETENDED: Profile = Profile { nat: Nat::Pretended, ..MAIN };
pub const PFS: Profile = Profile { ike: "3des-md5-modp1024", pfs: true, ..MAIN };
pub const XAUTH: Profile =
    Profile { auth: Phase1Auth::XAUTH_INIT_PRE_SHARED, config: true, ..AGGRESSIVE };

/// An ISAKMP SA as both sides know it.
#[derive(Clone)]
pub struct Isakmp {
    pub keys: Phase1Keys,
    pub cipher: Ikev1Cipher,
}

/// The state of an exchange that is under way.
#[derive(Clone, Default)]
pub struct Running {
    pub ni: Vec<u8>,
    pub nr: Vec<u8>,
    pub iv: Option<Vec<u8>>,
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
    hooks: HashMap<&'static str, VecDeque<Hook>>,
    pub cookies: [IkeSpi; 2],
    /// The payloads of phase 1 as they were sent: the initiator's and the responder's.
    pub phase1: [HashMap<u8, Vec<u8>>; 2],
    pub isakmp: Option<Isakmp>,
    pub base_iv: Vec<u8>,
    pub running: HashMap<u32, Running>,
    /// The last octets sent of a step.
    pub sent: HashMap<&'static str, Vec<u8>>,
    /// The nonce of a step.
    pub nonces: HashMap<&'static str, Vec<u8>>,
    pub floated: bool,
    pub reached: Vec<&'static str>,
    /// Steps that are left out.
    pub skip: Vec<&'static str>,
}

fn is_phase1(exchange: ExchangeType) -> bool {
    matches!(exchange, ExchangeType::IDENTITY_PROTECTION | ExchangeType::AGGRESSIVE)
}

pub fn index(side: Sender) -> usize {
    usize::from(side == Sender::Edge)
}

impl Lab {
    pub fn new(profile: Profile) -> Self {
        Self {
            profile,
            ike: profile.ike.parse().unwrap(),
            esp: profile.esp.parse().unwrap(),
            provider: RustCrypto,
            seen: Vec::new(),
            keys: Vec::new(),
            keys_at: Vec::new(),
            clock: Duration::from_millis(1),
            drawn: 0,
            edits: HashMap::new(),
            hooks: HashMap::new(),
            cookies: [IkeSpi::ZERO; 2],
            phase1: [HashMap::new(), HashMap::new()],
            isakmp: None,
            base_iv: Vec::new(),
            running: HashMap::new(),
            sent: HashMap::new(),
            nonces: HashMap::new(),
            floated: false,
            reached: Vec::new(),
            skip: Vec::new(),
        }
    }

    pub fn edit(&mut self, step: &'static str, edit: impl FnOnce(&mut Draft) + 'static) {
        self.edits.entry(step).or_default().push_back(Box::new(edit));
    }

    pub fn after(&mut self, step: &'static str, hook: impl FnOnce(&mut Self) + 'static) {
        self.hooks.entry(step).or_default().push_back(Box::new(hook));
    }

    /// Names of steps that have edits but never came.
    pub fn unused(&self) -> Vec<&'static str> {
        let all = self.edits.keys().chain(self.hooks.keys());
        all.filter(|step| !self.reached.contains(step)).copied().collect()
    }

    pub fn random(&mut self, count: usize) -> Vec<u8> {
        let mut octets = Vec::new();
        while octets.len() < count {
            self.drawn += 1;
            octets.extend(Hash::Sha256.digest(&[b"ikev1", &self.drawn.to_be_bytes()]));
        }
        octets.truncate(count);
        octets
    }

    pub fn public(&mut self, group: Group) -> Vec<u8> {
        let random = self.random(dh::random_len(group));
        self.provider.dh_keypair(group, &random).unwrap().public().to_vec()
    }

    /// A Message ID.
    pub fn new_id(&mut self) -> u32 {
        u32::from_be_bytes(self.random(4).try_into().unwrap())
    }

    pub fn address(&self, side: Sender, natt: bool) -> SocketAddr {
        let port = if natt { 4500 } else { 500 };
        match side {
            Sender::Peer if self.profile.nat == Nat::Router => {
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

    /// A payload of phase 1 as it was sent.
    pub fn of_phase1(&self, by_initiator: bool, kind: PayloadKind) -> Vec<u8> {
        self.phase1[usize::from(!by_initiator)].get(&kind.0).cloned().unwrap_or_default()
    }

    /// Both sides have their keys.
    pub fn derive(&mut self) {
        let (ni, nr) =
            (self.of_phase1(true, PayloadKind::NONCE), self.of_phase1(false, PayloadKind::NONCE));
        let psk = SecretBytes::from_slice(b"a secret of the laboratory");
        let skeyid = skeyid_psk(&self.provider, self.ike.prf, &psk, &ni, &nr);
        let shared = SecretBytes::new(self.random(self.ike.group.public_len()));
        let [spi_i, spi_r] = self.cookies;
        let keys = Phase1Keys::derive(&self.provider, self.ike, skeyid, &shared, spi_i.0, spi_r.0);
        let cipher = Ikev1Cipher::new(&self.provider, self.ike, &keys.key).unwrap();
        let Phase1Keys { skeyid, skeyid_d, skeyid_a, skeyid_e, key } = keys.clone();
        let suite = self.ike;
        self.log(KeyLogEntry::Ikev1(Box::new(Ikev1KeyLog {
            spi_i,
            spi_r,
            suite,
            skeyid,
            skeyid_d,
            skeyid_a,
            skeyid_e,
            key,
        })));
        let (public_i, public_r) =
            (self.of_phase1(true, PayloadKind::KE), self.of_phase1(false, PayloadKind::KE));
        self.base_iv = cipher.phase1_iv(&public_i, &public_r);
        self.isakmp = Some(Isakmp { keys, cipher });
    }

    /// Keys for SAs with these SPIs (peer's, edge's).
    pub fn new_child(&mut self, spi: [u32; 2]) {
        let suite = self.esp;
        for side in [Sender::Peer, Sender::Edge] {
            let log = ChildKeyLog {
                spi: spi[index(side.other())],
                source: self.address(side, true).ip(),
                destination: self.address(side.other(), true).ip(),
                suite,
                encryption: SecretBytes::new(self.random(suite.encr.keymat_len())),
                integrity: SecretBytes::new(self.random(suite.integ.key_len())),
            };
            self.log(KeyLogEntry::Child(Box::new(log)));
        }
    }

    pub fn draft(
        &mut self,
        from: Sender,
        exchange: ExchangeType,
        message_id: u32,
        payloads: Vec<Payload>,
    ) -> Draft {
        let natt = self.floated;
        Draft {
            from,
            src: self.address(from, natt),
            dst: self.address(from.other(), natt),
            marker: natt,
            marker_octets: vec![0; 4],
            header: Header {
                spi_i: self.cookies[0],
                spi_r: self.cookies[1],
                next_payload: PayloadType::NONE,
                version: Version::V1_0,
                exchange,
                flags: Flags(0),
                message_id,
                length: 0,
            },
            payloads: payloads.iter().map(Payload::encode).collect(),
            hashing: Hashing::None,
            after_hash: Vec::new(),
            encrypted: false,
            iv: None,
            cipher: None,
            padding: None,
            link: true,
            trailing: Vec::new(),
            length_delta: 0,
            wire: Vec::new(),
            copies: vec![10],
        }
    }

    /// A message of a later exchange, with HASH in front.
    pub fn sealed(
        &mut self,
        from: Sender,
        exchange: ExchangeType,
        message_id: u32,
        mut payloads: Vec<Payload>,
        hashing: Hashing,
    ) -> Draft {
        payloads.insert(0, Payload::Hash(Vec::new()));
        let mut draft = self.draft(from, exchange, message_id, payloads);
        draft.header.flags = FLAG_ENCRYPTION;
        draft.encrypted = true;
        draft.hashing = hashing;
        draft
    }

    fn hash(&self, draft: &Draft, rest: &[u8]) -> Vec<u8> {
        let Some(isakmp) = &self.isakmp else { return Vec::new() };
        let by_initiator = draft.from == Sender::Peer;
        let prf = self.ike.prf;
        let of = |by, kind| self.of_phase1(by, kind);
        if matches!(draft.hashing, Hashing::Phase1 | Hashing::Phase1Answered) {
            let in_message = draft.payloads.iter().find(|it| it.kind == PayloadKind::ID.raw());
            let id = in_message
                .map_or_else(|| of(by_initiator, PayloadKind::ID), |raw| raw.body.clone());
            let (own, other) = if by_initiator { (0, 1) } else { (1, 0) };
            return phase1_hash(
                &self.provider,
                prf,
                &isakmp.keys.skeyid,
                &Phase1Claim {
                    public: &of(by_initiator, PayloadKind::KE),
                    peer_public: &of(!by_initiator, PayloadKind::KE),
                    cookie: self.cookies[own].0,
                    peer_cookie: self.cookies[other].0,
                    sa_body: &of(draft.hashing == Hashing::Phase1, PayloadKind::SA),
                    id_body: &id,
                },
            );
        }
        let id = draft.header.message_id.to_be_bytes();
        let Running { ni, nr, .. } =
            self.running.get(&draft.header.message_id).cloned().unwrap_or_default();
        let parts: Vec<&[u8]> = match draft.hashing {
            Hashing::Two => vec![&id, &ni, rest],
            Hashing::Three => vec![&[0], &id, &ni, &nr],
            Hashing::ThreeShort => vec![&id, &ni, &nr],
            _ => vec![&id, rest],
        };
        phase2_hash(&self.provider, prf, &isakmp.keys.skeyid_a, &parts)
    }

    /// The vector of the next message of an exchange.
    pub fn next_iv(&self, header: &Header) -> Vec<u8> {
        let message_id = header.message_id;
        let Some(isakmp) = &self.isakmp else { return Vec::new() };
        let running = self.running.get(&message_id).and_then(|it| it.iv.clone());
        match running {
            Some(iv) => iv,
            None if is_phase1(header.exchange) => self.base_iv.clone(),
            None => isakmp.cipher.phase2_iv(&self.base_iv, message_id),
        }
    }

    /// Sends a message under a name, after the edits of that name, and runs what hangs on it.
    pub fn send(&mut self, step: &'static str, mut draft: Draft) {
        if self.skip.contains(&step) {
            return;
        }
        self.reached.push(step);
        if let Some(edit) = self.edits.get_mut(step).and_then(VecDeque::pop_front) {
            edit(&mut draft);
        }
        if let Some(raw) = draft.payloads.iter().find(|it| it.kind == PayloadKind::NONCE.raw()) {
            self.nonces.insert(step, raw.body.clone());
        }
        self.note(&draft);
        let iv = draft.iv.clone().unwrap_or_else(|| self.next_iv(&draft.header));
        let cipher = draft.cipher.clone().or(self.isakmp.as_ref().map(|it| it.cipher.clone()));
        let message = draft
            .encode(|rest| self.hash(&draft, rest), cipher.as_ref().map(|it| (it, iv.as_slice())));
        if let (true, Some(isakmp)) = (draft.encrypted, &self.isakmp) {
            let next = isakmp.cipher.next_iv(&message);
            if is_phase1(draft.header.exchange) {
                self.base_iv = next;
            } else {
                self.running.entry(draft.header.message_id).or_default().iv = Some(next);
            }
        }
        for gap in &draft.copies {
            self.clock += Duration::from_millis(*gap);
            let octets = if draft.marker {
                [&draft.marker_octets, message.as_slice()].concat()
            } else {
                message.clone()
            };
            self.seen.push(Observed {
                at: Time::from_start(self.clock),
                from: draft.from,
                transport: Transport::Udp { src: draft.src, dst: draft.dst, marker: draft.marker },
                bytes: octets,
            });
        }
        self.sent.insert(step, message);
        while let Some(hook) = self.hooks.get_mut(step).and_then(VecDeque::pop_front) {
            hook(self);
        }
    }

    /// Both sides remember what was really sent.
    fn note(&mut self, draft: &Draft) {
        let phase1 = is_phase1(draft.header.exchange);
        let part = index(draft.from);
        for RawPayload { kind, body, .. } in &draft.payloads {
            if phase1 {
                self.phase1[part].entry(kind.0).or_insert_with(|| body.clone());
            } else if *kind == PayloadKind::NONCE.raw()
                && draft.header.exchange == ExchangeType::QUICK_MODE
            {
                let running = self.running.entry(draft.header.message_id).or_default();
                let nonce =
                    if draft.hashing == Hashing::Two { &mut running.nr } else { &mut running.ni };
                if nonce.is_empty() {
                    nonce.clone_from(body);
                }
            }
        }
    }
}

impl Lab {
    /// The nonce of a message of quick mode is that of the responder, whatever its hash says.
    pub fn second_nonce(&mut self, step: &'static str) {
        let id = u32::from_be_bytes(self.sent[step][20..24].try_into().unwrap());
        let nonce = self.nonces[step].clone();
        self.running.get_mut(&id).unwrap().nr = nonce;
    }
}
