//! A message of IKEv1 before it is sent, open to every change.

use std::net::SocketAddr;

use ikeproof_audit::Sender;
use ikeproof_proto::crypto::Ikev1Cipher;
use ikeproof_proto::wire::v1::num::PayloadKind;
use ikeproof_proto::wire::v1::{Attributes, Delete, Id, Notify, Payload, Sa};
use ikeproof_proto::wire::{Flags, Header, RawMessage, RawPayload};

type WireChange = Box<dyn Fn(&mut Vec<u8>)>;
type Change = Box<dyn Fn(&mut Vec<RawPayload>)>;

/// What the HASH payload of a message covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hashing {
    /// There is none.
    None,
    /// HASH_I or HASH_R.
    Phase1,
    /// HASH_I or HASH_R over the answered SA payload.
    Phase1Answered,
    /// The payloads behind it, as HASH(1) and in Informationals.
    One,
    /// The initiator's nonce and the payloads behind it.
    Two,
    /// A zero octet and both nonces.
    Three,
    /// Both nonces without the zero octet.
    ThreeShort,
}

/// A message.
pub struct Draft {
    pub from: Sender,
    pub src: SocketAddr,
    pub dst: SocketAddr,
    pub marker: bool,
    pub marker_octets: Vec<u8>,
    pub header: Header,
    pub payloads: Vec<RawPayload>,
    pub hashing: Hashing,
    /// Changes after the hash was made and the chain linked.
    pub after_hash: Vec<Change>,
    pub encrypted: bool,
    /// Another vector than the right one.
    pub iv: Option<Vec<u8>>,
    /// Another cipher than the right one.
    pub cipher: Option<Ikev1Cipher>,
    /// Padding instead of the honest one.
    pub padding: Option<Vec<u8>>,
    pub link: bool,
    pub trailing: Vec<u8>,
    pub length_delta: i32,
    pub wire: Vec<WireChange>,
    /// The gaps in front of the copies, in milliseconds; not sent at all without any.
    pub copies: Vec<u64>,
}

/// The payloads of a type, typed, can be changed and are written back.
macro_rules! typed {
    ($name:ident, $kind:ident, $variant:ident, $type:ty) => {
        pub fn $name(&mut self, change: impl FnOnce(&mut $type)) {
            self.change(PayloadKind::$kind, |payload| {
                let Payload::$variant(value) = payload else { unreachable!() };
                change(value);
            });
        }
    };
}

impl Draft {
    pub fn change(&mut self, kind: PayloadKind, change: impl FnOnce(&mut Payload)) {
        let raw = self.raw(kind);
        let mut typed = Payload::decode(raw).unwrap();
        change(&mut typed);
        raw.body = typed.body();
    }

    typed!(sa, SA, Sa, Sa);
    typed!(id, ID, Id, Id);
    typed!(notify, NOTIFY, Notify, Notify);
    typed!(delete, DELETE, Delete, Delete);
    typed!(attributes, ATTRIBUTES, Attributes, Attributes);

    pub fn raw(&mut self, kind: PayloadKind) -> &mut RawPayload {
        self.payloads.iter_mut().find(|raw| raw.kind == kind.raw()).unwrap()
    }

    pub fn body(&mut self, kind: PayloadKind, change: impl FnOnce(&mut Vec<u8>)) {
        change(&mut self.raw(kind).body);
    }

    pub fn drop(&mut self, kind: PayloadKind) {
        self.payloads.retain(|raw| raw.kind != kind.raw());
    }

    pub fn drop_body(&mut self, body: &[u8]) {
        self.payloads.retain(|raw| raw.body != body);
    }

    pub fn add(&mut self, payload: Payload) {
        self.payloads.push(payload.encode());
    }

    pub fn insert(&mut self, at: usize, payload: Payload) {
        self.payloads.insert(at, payload.encode());
    }

    pub fn flags(&mut self, bits: u8) {
        self.header.flags = Flags(self.header.flags.0 | bits);
    }

    pub fn on_wire(&mut self, change: impl Fn(&mut Vec<u8>) + 'static) {
        self.wire.push(Box::new(change));
    }

    pub fn after_hash(&mut self, change: impl Fn(&mut Vec<RawPayload>) + 'static) {
        self.after_hash.push(Box::new(change));
    }

    /// The message, without marker. `hash` makes the HASH payload out of the octets behind it.
    pub fn encode(
        &self,
        hash: impl Fn(&[u8]) -> Vec<u8>,
        cipher: Option<(&Ikev1Cipher, &[u8])>,
    ) -> Vec<u8> {
        let header = self.header;
        let mut raw = RawMessage { header, payloads: self.payloads.clone(), trailing: Vec::new() };
        let in_front =
            !matches!(self.hashing, Hashing::None | Hashing::Phase1 | Hashing::Phase1Answered);
        if let Some(at) = raw.payloads.iter().position(|it| it.kind == PayloadKind::HASH.raw()) {
            // Its length has to be there before the chain is linked.
            raw.payloads[at].body = hash(&[]);
            raw.link();
            if in_front {
                let (_, rest) = RawPayload::encode_chain_as_is(&raw.payloads[at + 1..]);
                raw.payloads[at].body = hash(&rest);
            }
        }
        if self.link {
            raw.link();
        }
        for change in &self.after_hash {
            change(&mut raw.payloads);
        }
        raw.header.next_payload =
            raw.payloads.first().map_or(PayloadKind::NONE.raw(), |first| first.kind);
        let mut body = RawPayload::encode_chain_as_is(&raw.payloads).1;
        body.extend(&self.trailing);
        if let (true, Some((cipher, iv))) = (self.encrypted, cipher) {
            let filled = body.len().next_multiple_of(cipher.block_len());
            let padding = self.padding.clone().unwrap_or_else(|| vec![0; filled - body.len()]);
            body.extend(padding);
            body = cipher.encrypt(iv, &body).unwrap();
        } else {
            body.resize(body.len().next_multiple_of(4), 0);
        }
        let length = u32::try_from(Header::LEN + body.len()).unwrap();
        raw.header.length = length.wrapping_add_signed(self.length_delta);
        let (payloads, trailing) = (Vec::new(), body);
        let mut message = RawMessage { header: raw.header, payloads, trailing }.encode();
        for change in &self.wire {
            change(&mut message);
        }
        message
    }
}
