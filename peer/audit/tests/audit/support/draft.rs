//! An IKE message before it is sent, open to every change.

use std::net::SocketAddr;

use ikeproof_audit::Sender;
use ikeproof_proto::crypto::Provider;
use ikeproof_proto::wire::v2::{Notify, Payload, Sa, Ts};
use ikeproof_proto::wire::{Header, NotifyType, PayloadType, RawMessage, RawPayload};

use super::seal::Keys;

type WireChange = Box<dyn Fn(&mut Vec<u8>)>;
/// Changes number, total and next payload of a fragment.
pub type FragmentChange = fn(&mut (u16, u16, PayloadType));

/// A message.
pub struct Draft {
    pub from: Sender,
    pub src: SocketAddr,
    pub dst: SocketAddr,
    /// It goes over the port of NAT traversal, with the marker in front.
    pub marker: bool,
    pub marker_octets: Vec<u8>,
    pub header: Header,
    /// The payloads; inside of SK if there are keys.
    pub payloads: Vec<RawPayload>,
    /// Payloads in clear before SK.
    pub clear: Vec<RawPayload>,
    /// Octets behind the last payload, still counted by the header.
    pub trailing: Vec<u8>,
    /// The keys, if it is encrypted.
    pub keys: Option<Keys>,
    pub iv: Vec<u8>,
    /// Padding and pad length instead of the honest ones.
    pub padding: Option<Vec<u8>>,
    /// The types and lengths of the payloads are made right.
    pub link: bool,
    /// What is added to the right length of the header.
    pub length_delta: i32,
    /// Sent in so many fragments.
    pub fragments: u16,
    /// Sent a second time, in so many fragments.
    pub fragments_again: u16,
    /// The number, the total and the next payload of a fragment, to be changed.
    pub fragment_change: Option<FragmentChange>,
    /// Changes of the finished message.
    pub wire: Vec<WireChange>,
    /// How often it is sent; none at all if 0.
    pub copies: usize,
    /// Sent a second time, sealed under another vector.
    pub seal_again: bool,
}

impl Draft {
    /// The payloads of a kind, typed, can be changed and are written back.
    pub fn change(&mut self, kind: PayloadType, change: impl FnOnce(&mut Payload)) {
        let raw = self.payloads.iter_mut().find(|raw| raw.kind == kind).unwrap();
        let mut typed = Payload::decode(raw).unwrap();
        change(&mut typed);
        let new = typed.encode();
        raw.body = new.body;
        raw.declared_length = new.declared_length;
    }

    pub fn sa(&mut self, change: impl FnOnce(&mut Sa)) {
        self.change(PayloadType::SA, |payload| {
            let Payload::Sa(sa) = payload else { unreachable!() };
            change(sa);
        });
    }

    pub fn ts(&mut self, kind: PayloadType, change: impl FnOnce(&mut Ts)) {
        self.change(kind, |payload| {
            let (Payload::TsI(ts) | Payload::TsR(ts)) = payload else { unreachable!() };
            change(ts);
        });
    }

    pub fn notify(&mut self, wanted: NotifyType, change: impl FnOnce(&mut Notify)) {
        for raw in &mut self.payloads {
            if let Ok(Payload::Notify(mut notify)) = Payload::decode(raw)
                && notify.kind == wanted
            {
                change(&mut notify);
                let new = Payload::Notify(notify).encode();
                raw.body = new.body;
                raw.declared_length = new.declared_length;
                return;
            }
        }
        panic!("no {wanted}");
    }

    /// The body of the first payload of a kind.
    pub fn body(&mut self, kind: PayloadType, change: impl FnOnce(&mut Vec<u8>)) {
        let raw = self.payloads.iter_mut().find(|raw| raw.kind == kind).unwrap();
        change(&mut raw.body);
        raw.declared_length = u16::try_from(raw.body.len() + 4).unwrap();
    }

    pub fn raw(&mut self, kind: PayloadType) -> &mut RawPayload {
        self.payloads.iter_mut().find(|raw| raw.kind == kind).unwrap()
    }

    pub fn drop(&mut self, kind: PayloadType) {
        self.payloads.retain(|raw| raw.kind != kind);
    }

    pub fn drop_notify(&mut self, wanted: NotifyType) {
        self.payloads.retain(|raw| {
            !matches!(Payload::decode(raw), Ok(Payload::Notify(notify)) if notify.kind == wanted)
        });
    }

    pub fn add(&mut self, payload: Payload) {
        self.payloads.push(payload.encode());
    }

    pub fn add_notify(&mut self, kind: NotifyType, data: &[u8]) {
        self.add(Payload::Notify(Notify::new(kind, data.to_vec())));
    }

    pub fn on_wire(&mut self, change: impl Fn(&mut Vec<u8>) + 'static) {
        self.wire.push(Box::new(change));
    }

    /// The messages that this makes, without marker.
    pub fn encode(&self, provider: &dyn Provider) -> Vec<Vec<u8>> {
        let mut messages = match &self.keys {
            None => vec![self.encode_clear()],
            Some(keys) if self.fragments > 0 => {
                self.encode_fragments(provider, keys, self.fragments, &self.iv)
            }
            Some(keys) => {
                let mut messages = vec![self.encode_sealed(provider, keys, &self.iv)];
                if self.seal_again {
                    let iv: Vec<u8> = self.iv.iter().map(|octet| octet ^ 0x5a).collect();
                    messages.push(self.encode_sealed(provider, keys, &iv));
                }
                messages
            }
        };
        if let Some(keys) = &self.keys
            && self.fragments_again > 0
        {
            let iv: Vec<u8> = self.iv.iter().map(|octet| octet ^ 0xa5).collect();
            messages.extend(self.encode_fragments(provider, keys, self.fragments_again, &iv));
        }
        for message in &mut messages {
            for change in &self.wire {
                change(message);
            }
        }
        messages
    }

    fn finish(&self, mut raw: RawMessage, link: bool) -> Vec<u8> {
        if link {
            raw.link();
        } else {
            raw.header.next_payload =
                raw.payloads.first().map_or(PayloadType::NONE, |first| first.kind);
            let body: usize = raw.payloads.iter().map(RawPayload::encoded_len).sum();
            raw.header.length = u32::try_from(Header::LEN + body).unwrap();
        }
        raw.header.length += u32::try_from(self.trailing.len()).unwrap();
        raw.header.length = raw.header.length.wrapping_add_signed(self.length_delta);
        raw.trailing.clone_from(&self.trailing);
        raw.encode()
    }

    fn encode_clear(&self) -> Vec<u8> {
        let payloads = self.payloads.clone();
        self.finish(RawMessage { header: self.header, payloads, trailing: Vec::new() }, self.link)
    }

    fn inner(&self) -> (PayloadType, Vec<u8>) {
        if self.link {
            RawPayload::encode_chain(&self.payloads)
        } else {
            RawPayload::encode_chain_as_is(&self.payloads)
        }
    }

    fn text(&self, keys: &Keys, content: &[u8]) -> Vec<u8> {
        let padding = self.padding.clone().unwrap_or_else(|| {
            let filled = (content.len() + 1).next_multiple_of(keys.encr.block_len());
            let pad = filled - content.len() - 1;
            let mut padding = vec![0; pad];
            padding.push(u8::try_from(pad).unwrap());
            padding
        });
        [content, &padding].concat()
    }

    fn encode_sealed(&self, provider: &dyn Provider, keys: &Keys, iv: &[u8]) -> Vec<u8> {
        let (first, content) = self.inner();
        let text = self.text(keys, &content);
        let head = RawPayload { next: first, ..RawPayload::new(PayloadType::SK, Vec::new()) };
        self.seal_payload(provider, keys, iv, head, &[], &text)
    }

    fn encode_fragments(
        &self,
        provider: &dyn Provider,
        keys: &Keys,
        total: u16,
        iv: &[u8],
    ) -> Vec<Vec<u8>> {
        let (first, content) = self.inner();
        let size = content.len().div_ceil(usize::from(total));
        let chunks: Vec<&[u8]> = content.chunks(size).collect();
        (1..=total)
            .zip(chunks)
            .map(|(number, chunk)| {
                let mut iv = iv.to_vec();
                iv[0] ^= u8::try_from(number).unwrap();
                let next = if number == 1 { first } else { PayloadType::NONE };
                let mut numbers = (number, total, next);
                if let Some(change) = self.fragment_change {
                    change(&mut numbers);
                }
                let head =
                    RawPayload { next: numbers.2, ..RawPayload::new(PayloadType::SKF, Vec::new()) };
                let prefix = [numbers.0.to_be_bytes(), numbers.1.to_be_bytes()].concat();
                let text = self.text(keys, chunk);
                self.seal_payload(provider, keys, &iv, head, &prefix, &text)
            })
            .collect()
    }

    fn seal_payload(
        &self,
        provider: &dyn Provider,
        keys: &Keys,
        iv: &[u8],
        mut head: RawPayload,
        prefix: &[u8],
        text: &[u8],
    ) -> Vec<u8> {
        let length = prefix.len() + iv.len() + text.len() + keys.icv_len();
        head.body = [prefix, &vec![0; length - prefix.len()]].concat();
        let mut payloads = self.clear.clone();
        payloads.push(head);
        let raw = RawMessage { header: self.header, payloads, trailing: Vec::new() };
        let mut message = self.finish(raw, true);
        let end = message.len() - self.trailing.len();
        let start = end - (length - prefix.len());
        let sealed = keys.seal(provider, iv, &message[..start], text);
        message[start..end].copy_from_slice(&sealed);
        message
    }
}
