//! Messages of IKEv1 on their way out: built, hashed and encrypted, with the faults of the endpoint at
//! the same stages as in IKEv2.

use crate::crypto::Ikev1Cipher;
use crate::endpoint::context::{Context, Envelope};
use crate::fault::{self, Change, Planned};
use crate::wire::v1::{ALIGNMENT, FLAG_COMMIT, FLAG_ENCRYPTION, Payload, PayloadKind};
use crate::wire::{
    ExchangeType, Flags, Header, IkeSpi, PayloadType, RawMessage, RawPayload, Version,
};

/// What the header of a message says, but for the payloads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outgoing {
    pub(crate) spi_i: IkeSpi,
    pub(crate) spi_r: IkeSpi,
    pub(crate) exchange: ExchangeType,
    pub(crate) message_id: u32,
    /// Whether the sender is not the one that has begun this exchange. No flag says so, but faults
    /// are told apart by it.
    pub(crate) response: bool,
    /// Whether the commit bit is set.
    pub(crate) commit: bool,
}

/// What makes a hash of the octets of all payloads behind it.
pub(crate) type HashOf<'a> = &'a dyn Fn(&[u8]) -> Vec<u8>;

/// A message with encryption.
#[derive(Clone, Debug)]
pub(crate) struct Sealed {
    /// The message; empty if a fault withholds it.
    pub(crate) bytes: Vec<u8>,
    /// The vector of the next message of the exchange.
    pub(crate) next_iv: Vec<u8>,
}

impl Outgoing {
    /// The envelope by which faults and timers know the message.
    pub(crate) fn envelope(&self) -> Envelope {
        let Self { spi_i, spi_r, exchange, message_id, response, .. } = *self;
        Envelope { spi_i, spi_r, exchange, from_initiator: false, response, message_id }
    }

    fn header(&self, flags: Flags) -> Header {
        let commit = if self.commit { FLAG_COMMIT } else { Flags(0) };
        let flags = Flags(flags.0 | commit.0);
        Header {
            spi_i: self.spi_i,
            spi_r: self.spi_r,
            next_payload: PayloadType::NONE,
            version: Version::V1_0,
            exchange: self.exchange,
            flags,
            message_id: self.message_id,
            length: 0,
        }
    }

    /// Builds a message without encryption; empty if a fault withholds it.
    pub(crate) fn plain(&self, cx: &mut Context, payloads: &[Payload]) -> Vec<u8> {
        let envelope = self.envelope();
        let mut changes = cx.changes(&envelope);
        let message = self.build_plain(payloads, &mut changes.lasting());
        if let Some(message) = &message
            && let Some((mut first, copies)) = changes.first_copies()
        {
            cx.replace_copies(message, self.build_plain(payloads, &mut first), copies);
        }
        cx.deviated(&envelope, &changes);
        message.unwrap_or_default()
    }

    fn build_plain(&self, payloads: &[Payload], changes: &mut [&mut Planned]) -> Option<Vec<u8>> {
        let mut payloads: Vec<_> = payloads.iter().map(Payload::encode).collect();
        fault::apply_payloads(changes, &mut payloads);
        let header = self.header(Flags(0));
        let mut message = RawMessage { header, payloads, trailing: Vec::new() };
        message.link();
        message.fill_up(ALIGNMENT);
        fault::apply_lengths(changes, &mut message.payloads);
        fault::apply_header(changes, &mut message.header);
        let mut bytes = message.encode();
        fault::apply_wire(changes, &mut bytes).then_some(bytes)
    }

    /// Builds and encrypts a message. Where `hash` is given, a HASH payload with what it makes of the
    /// octets of all payloads stands in front of them.
    pub(crate) fn sealed(
        &self,
        cx: &mut Context,
        cipher: &Ikev1Cipher,
        iv: &[u8],
        payloads: &[Payload],
        hash: Option<HashOf<'_>>,
    ) -> Sealed {
        let envelope = self.envelope();
        let mut changes = cx.changes(&envelope);
        let build =
            |changes: &mut [&mut Planned]| self.build_sealed(cipher, iv, payloads, hash, changes);
        let (message, next_iv) = build(&mut changes.lasting());
        if let Some(message) = &message
            && let Some((mut first, copies)) = changes.first_copies()
        {
            let (faulty, _) = build(&mut first);
            cx.replace_copies(message, faulty, copies);
        }
        cx.deviated(&envelope, &changes);
        Sealed { bytes: message.unwrap_or_default(), next_iv }
    }

    fn build_sealed(
        &self,
        cipher: &Ikev1Cipher,
        iv: &[u8],
        payloads: &[Payload],
        hash: Option<HashOf<'_>>,
        changes: &mut [&mut Planned],
    ) -> (Option<Vec<u8>>, Vec<u8>) {
        // Faults of other payloads are covered by the hash, those of the hash come after it.
        let (mut of_hash, mut of_rest): (Vec<&mut Planned>, Vec<&mut Planned>) = changes
            .iter_mut()
            .map(|planned| &mut **planned)
            .partition(|planned| concerns_hash(planned.change()));
        let mut payloads: Vec<_> = payloads.iter().map(Payload::encode).collect();
        fault::apply_payloads(&mut of_rest, &mut payloads);
        let header = self.header(FLAG_ENCRYPTION);
        let mut content = RawMessage { header, payloads, trailing: Vec::new() };
        content.link();
        fault::apply_lengths(&mut of_rest, &mut content.payloads);
        if let Some(hash) = hash {
            let (_, rest) = RawPayload::encode_chain_as_is(&content.payloads);
            content.payloads.insert(0, RawPayload::new(PayloadKind::HASH.raw(), hash(&rest)));
        }
        fault::apply_payloads(&mut of_hash, &mut content.payloads);
        // The chain is another one now. Linked anew, it needs its wrong lengths once more.
        content.link();
        fault::apply_lengths(changes, &mut content.payloads);
        let (first, plaintext) = RawPayload::encode_chain_as_is(&content.payloads);
        let Ok(body) = cipher.encrypt(iv, &plaintext) else { return (None, iv.to_vec()) };
        let next_iv = cipher.next_iv(&body);
        let length = u32::try_from(Header::LEN + body.len()).unwrap_or(u32::MAX);
        let mut header = Header { next_payload: first, length, ..header };
        fault::apply_header(changes, &mut header);
        let message = RawMessage { header, payloads: Vec::new(), trailing: body };
        let mut bytes = message.encode();
        (fault::apply_wire(changes, &mut bytes).then_some(bytes), next_iv)
    }
}

fn concerns_hash(change: &Change) -> bool {
    match change {
        Change::DropPayload { payload }
        | Change::DuplicatePayload { payload }
        | Change::MoveToFront { payload }
        | Change::MoveToEnd { payload }
        | Change::SetCritical { payload }
        | Change::SetPayloadReserved { payload, .. }
        | Change::FlipBits { payload, .. }
        | Change::ReplaceBody { payload, .. } => *payload == PayloadKind::HASH.raw(),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
