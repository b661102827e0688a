//! What our decoder says of a message of IKEv1.

use std::net::IpAddr;

use ikeproof_proto::event::KeyLogEntry;
use ikeproof_proto::wire::v1::num::IdKind;
use ikeproof_proto::wire::v1::{Fragment, Id, Notify, Payload, Proposal, is_encrypted};
use ikeproof_proto::wire::{Attribute, Header, ProtocolId, RawMessage, RawPayload};

use super::compare::Known;
use super::fact::{Facts, Seen};
use super::fragments::{TheirFragments, Theirs};
use super::isakmp::{Opened, Sessions};
use super::ours::{ID_DATA, OCTETS, PROPOSAL, TRANSFORM, header};

/// The last fact of the header.
const HEADER_ENDS: &str = "isakmp.length";

/// The messages of IKEv1 of a capture, one after another.
#[derive(Debug)]
pub struct Reader<'a> {
    keys: &'a [KeyLogEntry],
    sessions: Sessions,
    fragments: TheirFragments,
}

/// A datagram with a message of IKEv1, or with a fragment of one.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// Where it comes from and goes to.
    pub way: (IpAddr, IpAddr),
    /// Its octets, without the non-ESP marker.
    pub bytes: &'a [u8],
    /// The message that is whole with this fragment.
    pub whole: Option<&'a [u8]>,
}

impl<'a> Reader<'a> {
    /// Nothing was read so far.
    pub fn new(keys: &'a [KeyLogEntry]) -> Self {
        Self { keys, sessions: Sessions::default(), fragments: TheirFragments::default() }
    }

    /// Adds the payloads of a message to what was seen of it so far, which is its header. Says what
    /// there are keys for.
    pub fn add_payloads(&mut self, seen: &mut Seen, arrival: Arrival<'_>) -> Known {
        if let Some(end) = seen.clear.iter().position(|fact| fact.name == HEADER_ENDS) {
            seen.clear.truncate(end + 1);
        }
        let bytes = arrival.bytes;
        match RawMessage::decode(bytes) {
            Ok(raw) => match Fragment::of(&raw, bytes) {
                Some(Ok(fragment)) => self.fragment(seen, arrival, &raw, fragment),
                _ => self.message(seen, bytes, &raw),
            },
            Err(error) => {
                seen.broken.push(error.to_string());
                Known::default()
            }
        }
    }

    /// A fragment, and behind it the message that is whole with it.
    fn fragment(
        &mut self,
        seen: &mut Seen,
        arrival: Arrival<'_>,
        raw: &RawMessage,
        mut fragment: Fragment,
    ) -> Known {
        // Encrypted to tshark, this is no fragment at all.
        let encrypted = is_encrypted(&raw.header);
        let theirs = if encrypted {
            self.sessions.lose(&raw.header);
            Theirs { whole: None, mixed: true }
        } else {
            seen.clear.extend(payloads(&raw.payloads, &mut seen.broken).0);
            // All octets to the end of the datagram are content to tshark.
            let is_longer = !raw.trailing.is_empty();
            fragment.data.extend(&raw.trailing);
            let theirs = self.fragments.add(arrival.way, raw.header.spi_i, &fragment);
            Theirs { mixed: theirs.mixed || is_longer, ..theirs }
        };
        let (ours, mixed) = (arrival.whole, theirs.mixed);
        let theirs = theirs.whole;
        if encrypted || mixed && theirs.as_deref() != ours {
            for whole in [ours, theirs.as_deref()].into_iter().flatten() {
                if let Ok(header) = Header::decode(whole) {
                    self.sessions.lose(&header);
                }
            }
            if let Some(whole) = ours
                && let Ok(raw) = RawMessage::decode(whole)
            {
                self.sessions.take(whole, &raw, self.keys);
            }
            return Known { put_otherwise: true, ..Known::default() };
        }
        let Some(whole) = ours else {
            let mut facts = Facts::default();
            facts.some_octets("isakmp.extradata", &raw.trailing);
            seen.clear.extend(facts.0);
            return Known::default();
        };
        match RawMessage::decode(whole) {
            Ok(raw) => {
                let mut facts = Facts::default();
                header(&mut facts, &raw.header);
                seen.clear.extend(facts.0);
                self.message(seen, whole, &raw)
            }
            Err(error) => {
                seen.broken.push(error.to_string());
                Known::default()
            }
        }
    }

    /// A message that is whole.
    fn message(&mut self, seen: &mut Seen, bytes: &[u8], raw: &RawMessage) -> Known {
        let (mut known, mut broken) = (Known::default(), Vec::new());
        let Some(sealed) = self.sessions.take(bytes, raw, self.keys) else {
            let mut facts = payloads(&raw.payloads, &mut broken);
            if broken.is_empty() {
                facts.some_octets("isakmp.extradata", &raw.trailing);
            }
            seen.clear.extend(facts.0);
            seen.broken.extend(broken);
            return known;
        };
        known.out_of_line = sealed.out_of_line;
        known.lost = sealed.lost;
        match sealed.opened {
            Opened::NoKeys => {}
            Opened::Unread => known.unread = true,
            Opened::Content(Some((chain, rest))) => {
                known.keys = true;
                let mut facts = payloads(&chain, &mut broken);
                if broken.is_empty() {
                    facts.some_octets("isakmp.extradata", &rest);
                }
                seen.sealed = Some(facts.0);
            }
            Opened::Content(None) => {
                known.keys = true;
                broken.push("what was decrypted is no chain of payloads".to_owned());
            }
        }
        seen.broken.extend(broken);
        known
    }
}

/// The payloads up to the first one that does not decode.
fn payloads(chain: &[RawPayload], broken: &mut Vec<String>) -> Facts {
    let mut facts = Facts::default();
    for raw in chain {
        generic_header(&mut facts, raw);
        match Payload::decode(raw) {
            Ok(typed) => payload(&mut facts, &typed),
            Err(error) => {
                broken.push(error.to_string());
                break;
            }
        }
    }
    facts
}

fn generic_header(facts: &mut Facts, raw: &RawPayload) {
    facts.number("isakmp.typepayload", raw.kind.0);
    let reserved = u8::from(raw.critical) << 7 | raw.reserved & 0x7f;
    let [high, low] = raw.declared_length.to_be_bytes();
    facts.octets(OCTETS, &[&[raw.next.0, reserved, high, low], raw.body.as_slice()].concat());
    facts.number("isakmp.nextpayload", raw.next.0);
    facts.number("isakmp.payloadlength", raw.declared_length);
}

fn payload(facts: &mut Facts, payload: &Payload) {
    match payload {
        Payload::Sa(sa) => {
            facts.number("isakmp.sa.doi", ikeproof_proto::wire::v1::DOI_IPSEC);
            let situation = ikeproof_proto::wire::v1::SITUATION_IDENTITY_ONLY;
            facts.octets("isakmp.sa.situation", &situation.to_be_bytes());
            for (left, it) in (0..sa.proposals.len()).rev().zip(&sa.proposals) {
                proposal(facts, it, left == 0);
            }
        }
        Payload::Ke(data) => facts.some_octets("isakmp.key_exchange.data", data),
        Payload::Id(id) => identity(facts, id),
        Payload::Hash(hash) => facts.some_octets("isakmp.hash", hash),
        Payload::Sig(signature) => facts.some_octets("isakmp.sig", signature),
        Payload::Nonce(nonce) => facts.some_octets("isakmp.nonce", nonce),
        Payload::Notify(it) => notify(facts, it),
        Payload::Delete(delete) => {
            facts.number("isakmp.delete.doi", delete.doi);
            facts.number("isakmp.delete.protoid", delete.protocol.0);
            facts.number("isakmp.spisize", delete.spis.first().map_or(0, Vec::len) as u64);
            facts.number("isakmp.spinum", delete.spis.len() as u64);
            for spi in &delete.spis {
                facts.octets("isakmp.delete.spi", spi);
            }
        }
        Payload::VendorId(vendor_id) => facts.some_octets("isakmp.vid_bytes", &vendor_id.0),
        Payload::NatD { hash, .. } => facts.some_octets("isakmp.ike.nat_hash", hash),
        Payload::NatOa { address, .. } => facts.address(NAT_OA, address.0),
        Payload::Attributes(attributes) => {
            facts.number("isakmp.cfg.type", attributes.kind.0);
            facts.number("isakmp.cfg.identifier", attributes.identifier);
        }
        Payload::Fragment(fragment) => {
            facts.number("isakmp.frag.packetid", fragment.id);
            facts.number("isakmp.frag.seq", fragment.number);
            facts.number("isakmp.frag.last", fragment.last);
        }
        // Their octets are compared as a whole.
        Payload::Cert(_) | Payload::CertReq(_) | Payload::Unknown { .. } => {}
    }
}

fn proposal(facts: &mut Facts, proposal: &Proposal, last: bool) {
    let transforms = &proposal.transforms;
    let lengths = transforms.iter().map(|transform| 8 + attributes_len(&transform.attributes));
    let length = 8 + proposal.spi.len() + lengths.clone().sum::<usize>();
    facts.number("isakmp.typepayload", PROPOSAL);
    facts.number("isakmp.nextpayload", if last { 0 } else { PROPOSAL });
    facts.number("isakmp.payloadlength", length as u64);
    facts.number("isakmp.prop.number", proposal.number);
    facts.number("isakmp.prop.protoid", proposal.protocol.0);
    facts.number("isakmp.spisize", proposal.spi.len() as u64);
    facts.number("isakmp.prop.transforms", transforms.len() as u64);
    facts.some_octets("isakmp.spi", &proposal.spi);
    let names = if proposal.protocol == ProtocolId::IKE { PHASE1 } else { PHASE2 };
    for ((left, transform), length) in (0..transforms.len()).rev().zip(transforms).zip(lengths) {
        facts.number("isakmp.typepayload", TRANSFORM);
        facts.number("isakmp.nextpayload", if left == 0 { 0 } else { TRANSFORM });
        facts.number("isakmp.payloadlength", length as u64);
        facts.number("isakmp.trans.number", transform.number);
        facts.number("isakmp.trans.id", transform.id);
        for it in &transform.attributes {
            attribute(facts, it, names);
        }
    }
}

fn attributes_len(attributes: &[Attribute]) -> usize {
    let length = |attribute: &Attribute| match attribute {
        Attribute::Tv { .. } => 4,
        Attribute::Tlv { value, .. } => 4 + value.len(),
    };
    attributes.iter().map(length).sum()
}

fn attribute(facts: &mut Facts, attribute: &Attribute, names: [&'static str; 4]) {
    let [format, kind, length, value] = names;
    facts.number(format, matches!(attribute, Attribute::Tv { .. }));
    facts.number(kind, attribute.kind());
    match attribute {
        Attribute::Tv { value: number, .. } => facts.octets(value, &number.to_be_bytes()),
        Attribute::Tlv { value: octets, .. } => {
            facts.number(length, octets.len() as u64);
            facts.some_octets(value, octets);
        }
    }
}

fn identity(facts: &mut Facts, id: &Id) {
    facts.number("isakmp.id.type", id.kind.0);
    facts.number("isakmp.id.protoid", id.protocol);
    facts.number("isakmp.id.port", id.port);
    match id.kind {
        // Two addresses, or an address and a mask.
        IdKind::IPV4_ADDR_SUBNET
        | IdKind::IPV4_ADDR_RANGE
        | IdKind::IPV6_ADDR_SUBNET
        | IdKind::IPV6_ADDR_RANGE => {
            let (first, last) = id.data.split_at(id.data.len() / 2);
            facts.octets(ID_DATA, first);
            facts.octets(ID_DATA, last);
        }
        _ => facts.some_octets(ID_DATA, &id.data),
    }
}

fn notify(facts: &mut Facts, notify: &Notify) {
    facts.number("isakmp.notify.doi", notify.doi);
    facts.number("isakmp.notify.protoid", notify.protocol.0);
    facts.number("isakmp.spisize", notify.spi.len() as u64);
    facts.number("isakmp.notify.msgtype", notify.kind.0);
    facts.some_octets("isakmp.spi", &notify.spi);
    facts.some_octets("isakmp.notify.data", &notify.data);
}

const NAT_OA: (&str, &str) =
    ("isakmp.ike.nat_original_address_ipv4", "isakmp.ike.nat_original_address_ipv6");
/// The names of an attribute's format, type, length and value.
const PHASE1: [&str; 4] = [
    "isakmp.ike.attr.format",
    "isakmp.ike.attr.type",
    "isakmp.ike.attr.length",
    "isakmp.ike.attr.value",
];
const PHASE2: [&str; 4] = [
    "isakmp.ipsec.attr.format",
    "isakmp.ipsec.attr.type",
    "isakmp.ipsec.attr.length",
    "isakmp.ipsec.attr.value",
];
