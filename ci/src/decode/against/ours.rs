//! What our decoder says of a frame.

use ikeproof_audit::{Contents, Decoded, EspContents, Finding, InnerHeader, Part, Seal, Transport};
use ikeproof_proto::wire::v2::{Attribute, Notify, Payload, Proposal, Transform, Ts};
use ikeproof_proto::wire::{Header, RawPayload, TransformType};

use super::fact::{Facts, Kind, Seen};

/// What our decoder says.
pub fn seen(decoded: &Decoded, findings: &[Finding]) -> Seen {
    let mut clear = Facts::default();
    transport(&mut clear, &decoded.transport);
    let broken = findings.iter().map(|it| format!("{}: {}", it.requirement, it.message)).collect();
    let mut seen =
        Seen { kind: Kind::Nothing, clear: Vec::new(), sealed: None, authentic: None, broken };
    match &decoded.contents {
        Some(Contents::Ike(ike)) => {
            seen.kind = Kind::Ike;
            header(&mut clear, &ike.header);
            clear.0.extend(payloads(&ike.payloads).0);
            seen.sealed = ike.inner.as_ref().map(|inner| payloads(inner).0);
            seen.authentic = authentic(ike.seal);
        }
        Some(Contents::Esp(esp)) => {
            seen.kind = Kind::Esp;
            clear.number("esp.spi", esp.header.spi);
            clear.number("esp.sequence", esp.header.seq);
            seen.sealed = inner_packet(esp).map(|facts| facts.0);
            seen.authentic = authentic(esp.seal);
        }
        Some(Contents::Ah(header)) => {
            seen.kind = Kind::Ah;
            clear.number("ah.next_header", header.next_header);
            clear.number("ah.length", header.payload_len);
            clear.number("ah.spi", header.spi);
            clear.number("ah.sequence", header.seq);
        }
        Some(Contents::Keepalive) => seen.kind = Kind::Keepalive,
        Some(Contents::Nothing) | None => {}
    }
    if seen.authentic == Some(false) {
        seen.broken.push("the ICV is wrong".to_owned());
    }
    seen.clear = clear.0;
    seen
}

const fn authentic(seal: Seal) -> Option<bool> {
    match seal {
        Seal::Unopened => None,
        Seal::Open => Some(true),
        Seal::Broken => Some(false),
    }
}

fn transport(facts: &mut Facts, transport: &Transport) {
    facts.address(("ip.src", "ipv6.src"), transport.src());
    facts.address(("ip.dst", "ipv6.dst"), transport.dst());
    if let Transport::Udp { src, dst, .. } = transport {
        facts.number("udp.srcport", src.port());
        facts.number("udp.dstport", dst.port());
    }
}

/// Adds the header of a message.
pub fn header(facts: &mut Facts, header: &Header) {
    let Header { spi_i, spi_r, next_payload, version, exchange, flags, message_id, length } =
        *header;
    facts.octets("isakmp.ispi", &spi_i.0);
    facts.octets("isakmp.rspi", &spi_r.0);
    facts.number("isakmp.nextpayload", next_payload.0);
    facts.number("isakmp.version", version.major << 4 | version.minor);
    facts.number("isakmp.exchangetype", exchange.0);
    facts.number("isakmp.flags", flags.0);
    facts.number("isakmp.messageid", message_id);
    facts.number("isakmp.length", length);
}

fn payloads(parts: &[Part]) -> Facts {
    let mut facts = Facts::default();
    for part in parts {
        generic_header(&mut facts, &part.raw);
        if is_refused(part) {
            break;
        }
        payload(&mut facts, &part.typed);
    }
    facts
}

/// Whether our decoding knows the payload's type and refuses its body. What it shows of the message
/// ends there.
fn is_refused(part: &Part) -> bool {
    let unknown = matches!(part.typed, Payload::Unknown { .. });
    unknown && (part.raw.kind.name().is_some() || part.raw.is_encrypted())
}

fn generic_header(facts: &mut Facts, raw: &RawPayload) {
    facts.number("isakmp.typepayload", raw.kind.0);
    let flags = u8::from(raw.critical) << 7 | raw.reserved & 0x7f;
    let [high, low] = raw.declared_length.to_be_bytes();
    facts.octets(OCTETS, &[&[raw.next.0, flags, high, low], raw.body.as_slice()].concat());
    facts.number("isakmp.nextpayload", raw.next.0);
    facts.number("isakmp.criticalpayload", raw.critical);
    facts.number("isakmp.reserved7", raw.reserved);
    facts.number("isakmp.payloadlength", raw.declared_length);
}

fn payload(facts: &mut Facts, payload: &Payload) {
    match payload {
        Payload::Sa(sa) => {
            for (left, it) in (0..sa.proposals.len()).rev().zip(&sa.proposals) {
                proposal(facts, it, left == 0);
            }
        }
        Payload::Ke(ke) => {
            facts.number("isakmp.key_exchange.dh_group", ke.group.0);
            facts.some_octets("isakmp.key_exchange.data", &ke.data);
        }
        Payload::IdI(id) | Payload::IdR(id) => {
            facts.number("isakmp.id.type", id.kind.0);
            facts.some_octets(ID_DATA, &id.data);
        }
        Payload::Auth(auth) => {
            facts.number("isakmp.auth.method", auth.method.0);
            facts.some_octets("isakmp.auth.data", &auth.data);
        }
        Payload::Nonce(nonce) => facts.some_octets("isakmp.nonce", &nonce.0),
        Payload::Notify(it) => notify(facts, it),
        Payload::Delete(delete) => {
            facts.number("isakmp.delete.protoid", delete.protocol.0);
            facts.number("isakmp.spisize", delete.spi_size);
            facts.number("isakmp.spinum", delete.spis.len() as u64);
            for spi in &delete.spis {
                facts.octets("isakmp.delete.spi", spi);
            }
        }
        Payload::VendorId(vendor_id) => facts.some_octets("isakmp.vid_bytes", &vendor_id.0),
        Payload::TsI(ts) | Payload::TsR(ts) => selectors(facts, ts),
        Payload::Skf(skf) => {
            facts.number("isakmp.frag.number", skf.fragment);
            facts.number("isakmp.frag.total", skf.total);
        }
        Payload::Cp(cp) => facts.number("isakmp.cfg.type", cp.kind.0),
        // Their octets are compared as a whole.
        Payload::Cert(_)
        | Payload::CertReq(_)
        | Payload::Sk(_)
        | Payload::Eap(_)
        | Payload::Unknown { .. } => {}
    }
}

fn proposal(facts: &mut Facts, proposal: &Proposal, last: bool) {
    let transforms = &proposal.transforms;
    let length = 8 + proposal.spi.len() + transforms.iter().map(transform_len).sum::<usize>();
    facts.number("isakmp.typepayload", PROPOSAL);
    facts.number("isakmp.nextpayload", if last { 0 } else { PROPOSAL });
    facts.number("isakmp.payloadlength", length as u64);
    facts.number("isakmp.prop.number", proposal.number);
    facts.number("isakmp.prop.protoid", proposal.protocol.0);
    facts.number("isakmp.spisize", proposal.spi.len() as u64);
    facts.number("isakmp.prop.transforms", transforms.len() as u64);
    facts.some_octets("isakmp.spi", &proposal.spi);
    for (left, transform) in (0..transforms.len()).rev().zip(transforms) {
        facts.number("isakmp.typepayload", TRANSFORM);
        facts.number("isakmp.nextpayload", if left == 0 { 0 } else { TRANSFORM });
        facts.number("isakmp.payloadlength", transform_len(transform) as u64);
        facts.number("isakmp.tf.type", transform.kind.0);
        facts.number(transform_id(transform.kind), transform.id);
        for attribute in &transform.attributes {
            let (fixed, kind, value) = match attribute {
                Attribute::Tv { kind, value } => (true, *kind, value.to_be_bytes().to_vec()),
                Attribute::Tlv { kind, value } => (false, *kind, value.clone()),
            };
            facts.number("isakmp.ike2.attr.format", fixed);
            facts.number("isakmp.ike2.attr.type", kind);
            facts.some_octets("isakmp.ike2.attr.value", &value);
        }
    }
}

fn transform_len(transform: &Transform) -> usize {
    let attributes = transform.attributes.iter().map(|attribute| match attribute {
        Attribute::Tv { .. } => 4,
        Attribute::Tlv { value, .. } => 4 + value.len(),
    });
    8 + attributes.sum::<usize>()
}

const fn transform_id(kind: TransformType) -> &'static str {
    match kind {
        TransformType::ENCR => "isakmp.tf.id.encr",
        TransformType::PRF => "isakmp.tf.id.prf",
        TransformType::INTEG => "isakmp.tf.id.integ",
        TransformType::KE => "isakmp.tf.id.dh",
        TransformType::ESN => "isakmp.tf.id.esn",
        _ => "isakmp.tf.id",
    }
}

fn notify(facts: &mut Facts, notify: &Notify) {
    facts.number("isakmp.notify.protoid", notify.protocol.0);
    facts.number("isakmp.spisize", notify.spi.len() as u64);
    facts.number("isakmp.notify.msgtype", notify.kind.0);
    facts.some_octets("isakmp.spi", &notify.spi);
    facts.some_octets("isakmp.notify.data", &notify.data);
}

fn selectors(facts: &mut Facts, ts: &Ts) {
    facts.number("isakmp.ts.number", (ts.selectors.len() + ts.unknown.len()) as u64);
    // Those of other types are rare, and their octets are compared with the payload's.
    for selector in &ts.selectors {
        let length: u64 = if selector.start.is_ipv4() { 16 } else { 40 };
        facts.number("isakmp.ts.type", selector.kind.0);
        facts.number("isakmp.ts.protoid", selector.ip_protocol);
        facts.number("isakmp.ts.selector_length", length);
        facts.number("isakmp.ts.start_port", selector.start_port);
        facts.number("isakmp.ts.end_port", selector.end_port);
        facts.address(("isakmp.ts.start_ipv4", "isakmp.ts.start_ipv6"), selector.start);
        facts.address(("isakmp.ts.end_ipv4", "isakmp.ts.end_ipv6"), selector.end);
    }
}

fn inner_packet(esp: &EspContents) -> Option<Facts> {
    let (next_header, content) = esp.inner.as_ref()?;
    let mut facts = Facts::default();
    facts.octets("esp.contained_data", content);
    facts.number("esp.protocol", *next_header);
    if let Some(InnerHeader { source, destination, protocol, length }) = esp.packet {
        let v4 = source.is_ipv4();
        facts.number(if v4 { "ip.len" } else { "ipv6.plen" }, length);
        facts.number(if v4 { "ip.proto" } else { "ipv6.nxt" }, protocol);
        facts.address(("ip.src", "ipv6.src"), source);
        facts.address(("ip.dst", "ipv6.dst"), destination);
    }
    Some(facts)
}

/// Our name for all octets of a payload, which tshark gives as the octets of `isakmp.typepayload`.
pub const OCTETS: &str = "isakmp.typepayload (octets)";
/// Our name for the octets of an identity, which tshark names by the type of the identity.
pub const ID_DATA: &str = "isakmp.id.data";
/// How tshark numbers a proposal among the payloads.
pub const PROPOSAL: u8 = 2;
/// How tshark numbers a transform among the payloads.
pub const TRANSFORM: u8 = 3;
