//! ISAKMP SAs of a capture: their messages, decrypted with keys of `ikev1_decryption_table`.
//!
//! The table has a cookie and a key. The cipher, the hash and the vectors follow from the messages
//! themselves (RFC 2409, section 5 and appendix B): the answered SA payload, both public values, and the
//! last block of the message before.

use std::collections::{BTreeMap, BTreeSet};

use ikeproof_proto::crypto::{Ikev1Cipher, RustCrypto, SecretBytes};
use ikeproof_proto::event::KeyLogEntry;
use ikeproof_proto::policy::check_phase1_answer;
use ikeproof_proto::wire::v1::{Message, Payload, PayloadKind, is_encrypted};
use ikeproof_proto::wire::{Header, IkeSpi, RawMessage, RawPayload};

/// All ISAKMP SAs that were seen so far.
#[derive(Debug, Default)]
pub struct Sessions(BTreeMap<IkeSpi, Session>);

#[derive(Debug, Default)]
struct Session {
    cipher: Option<Ikev1Cipher>,
    /// Both public values, the initiator's first.
    publics: Vec<Vec<u8>>,
    /// The exchanges by message ID; phase 1 is that with zero.
    exchanges: BTreeMap<u32, Exchange>,
    /// The message IDs of exchanges of which tshark has not had a message as it was sent.
    lost: BTreeSet<u32>,
}

/// The encrypted messages of an exchange.
#[derive(Debug, Default)]
struct Exchange {
    /// Each message with its vector, in the order in which they came first.
    messages: Vec<(Vec<u8>, Vec<u8>)>,
    /// The last block of the message that came last, be it for the first time or not.
    latest: Option<Vec<u8>>,
}

/// What became of an encrypted message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// There are no keys.
    NoKeys,
    /// There are, but phase 1 was not seen, or not understood.
    Unread,
    /// Its payloads, and what is behind them; `None` if they are no payloads.
    Content(Option<(Vec<RawPayload>, Vec<u8>)>),
}

/// An encrypted message, opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// What became of it.
    pub opened: Opened,
    /// Whether its vector is not the last block of the message of its exchange that came before it: a
    /// repetition stands between them, or it is one.
    pub out_of_line: bool,
    /// Whether tshark has not had all that its vector, or its key, depends on.
    pub lost: bool,
}

impl Sessions {
    /// Takes a message, and opens it if it is encrypted.
    pub fn take(&mut self, bytes: &[u8], raw: &RawMessage, keys: &[KeyLogEntry]) -> Option<Sealed> {
        let header = &raw.header;
        let session = self.0.entry(header.spi_i).or_default();
        if !is_encrypted(header) {
            session.learn(raw, keys);
            return None;
        }
        let has_key = key_of(keys, header.spi_i).is_some();
        Some(session.open(header, bytes.get(Header::LEN..).unwrap_or_default(), has_key))
    }

    /// tshark does not have the message with this header as it was sent, or one that was not sent.
    pub fn lose(&mut self, header: &Header) {
        self.0.entry(header.spi_i).or_default().lost.insert(header.message_id);
    }
}

impl Session {
    /// Learns from a message of phase 1 in clear.
    fn learn(&mut self, raw: &RawMessage, keys: &[KeyLogEntry]) {
        let Ok(message) = Message::decode(raw) else { return };
        if raw.header.message_id != 0 {
            return;
        }
        if let Some(public) = message.body(PayloadKind::KE)
            && !self.publics.iter().any(|known| known == public)
            && self.publics.len() < 2
        {
            self.publics.push(public.to_vec());
        }
        let answer = message.iter().find_map(|payload| match payload {
            Payload::Sa(sa) if !raw.header.spi_r.is_zero() => Some(sa),
            _ => None,
        });
        if let Some(answer) = answer
            && let Ok((suite, ..)) = check_phase1_answer(answer, answer)
            && let Some(key) = key_of(keys, raw.header.spi_i)
        {
            self.cipher = Ikev1Cipher::new(&RustCrypto, suite, key).ok();
        }
    }

    fn open(&mut self, header: &Header, body: &[u8], has_key: bool) -> Sealed {
        // All exchanges depend on phase 1.
        let lost = self.lost.contains(&0) || self.lost.contains(&header.message_id);
        let (Some(cipher), [ours, theirs]) = (&self.cipher, self.publics.as_slice()) else {
            let opened = if has_key { Opened::Unread } else { Opened::NoKeys };
            return Sealed { opened, out_of_line: false, lost };
        };
        let phase1 = self.exchanges.get(&0);
        let first = cipher.phase1_iv(ours, theirs);
        let base = |blocks: Option<Vec<u8>>| {
            let last = blocks.unwrap_or_else(|| first.clone());
            if header.message_id == 0 { last } else { cipher.phase2_iv(&last, header.message_id) }
        };
        // Two vectors: what is right, and what follows if each message counts as a new one.
        let block = |(body, _): &(Vec<u8>, Vec<u8>)| cipher.next_iv(body);
        let right = phase1.and_then(|phase1| phase1.messages.last().map(block));
        let latest = phase1.and_then(|phase1| phase1.latest.clone());
        let (right, latest) = match self.exchanges.get(&header.message_id) {
            Some(exchange) if header.message_id != 0 => {
                let known = exchange.messages.iter().find(|(known, _)| known == body);
                let next = || exchange.messages.last().map(block);
                let right = known.map(|(_, iv)| iv.clone()).or_else(next);
                (right.unwrap_or_else(|| base(None)), exchange.latest.clone())
            }
            exchange => {
                let known = exchange.and_then(|it| it.messages.iter().find(|(it, _)| it == body));
                let right = known.map_or_else(|| base(right), |(_, iv)| iv.clone());
                (right, Some(base(latest)))
            }
        };
        let out_of_line = latest.as_ref() != Some(&right);
        let content = cipher.decrypt(&right, body).ok().and_then(|plain| {
            let first = header.next_payload;
            let chain = RawPayload::decode_padded_chain(first, &plain, Header::LEN);
            let (payloads, used) = chain.ok()?;
            Some((payloads, plain.get(used..).unwrap_or_default().to_vec()))
        });
        let latest = Some(cipher.next_iv(body));
        let exchange = self.exchanges.entry(header.message_id).or_default();
        exchange.latest = latest;
        if !exchange.messages.iter().any(|(known, _)| known == body) {
            exchange.messages.push((body.to_vec(), right));
        }
        Sealed { opened: Opened::Content(content), out_of_line, lost }
    }
}

fn key_of(keys: &[KeyLogEntry], cookie: IkeSpi) -> Option<&SecretBytes> {
    keys.iter().find_map(|entry| match entry {
        KeyLogEntry::Ikev1(keys) if keys.spi_i == cookie => Some(&keys.key),
        _ => None,
    })
}
