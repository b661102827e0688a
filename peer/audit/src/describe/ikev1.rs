//! A line and fields for a message of IKEv1, in the notation of RFC 2409.

use ikeproof_proto::wire::v1::num::{
    AhTransform, ConfigAttr, Encapsulation, EspTransform, LifeType, PayloadKind, Phase1Attr,
    Phase1Auth, Phase1Encr, Phase1Hash, Phase2Attr, Phase2Auth,
};
use ikeproof_proto::wire::v1::{
    Attributes, FLAG_AUTH_ONLY, FLAG_COMMIT, FLAG_ENCRYPTION, Id, KEY_IKE, Notify, Payload, vendor,
};
use ikeproof_proto::wire::{Attribute, CertEncoding, GroupId, Header, ProtocolId, hex};

use super::message::{braces, keep, short};
use super::{Decoded, DetailLevel};
use crate::contents::Contents;
use crate::v1::{Message, Offer, OfferedTransform, Part};

/// Keeps the header typed, if that is asked for.
pub(crate) fn keep_header(decoded: &mut Decoded, header: &Header) {
    keep(decoded, header, Default::default);
}

/// Keeps the message that a fragment completes, if that is asked for.
pub(crate) fn keep_whole(decoded: &mut Decoded, whole: &[u8]) {
    if let Some(Contents::Ike(ike)) = &mut decoded.contents {
        ike.whole = Some(whole.to_vec());
    }
}

fn header_fields(decoded: &mut Decoded, header: &Header) {
    let mut field = |name: &str, value: String| decoded.detail(DetailLevel::Header, name, value);
    field("initiator cookie", header.spi_i.to_string());
    field("responder cookie", header.spi_r.to_string());
    field("version", header.version.to_string());
    let names = [
        (FLAG_ENCRYPTION, "encryption"),
        (FLAG_COMMIT, "commit"),
        (FLAG_AUTH_ONLY, "authentication only"),
    ];
    let set: Vec<&str> = names
        .into_iter()
        .filter(|(flag, _)| header.flags.contains(*flag))
        .map(|(_, name)| name)
        .collect();
    let flags = format!("{:#04x} {}", header.flags.0, set.join(", "));
    field("flags", flags.trim_end().to_owned());
    field("message ID", format!("{:#010x}", header.message_id));
    field("length", header.length.to_string());
}

/// Describes a message, decrypted as far as it could be.
pub(crate) fn ikev1(decoded: &mut Decoded, message: &Message) {
    let header = &message.header;
    header_fields(decoded, header);
    decoded.encrypted = message.encrypted;
    decoded.decrypted = message.encrypted && message.readable;
    let id = match header.message_id {
        0 => String::new(),
        id => format!(" {id:#010x}"),
    };
    let content = if message.readable {
        for part in &message.parts {
            fields(decoded, part);
        }
        let words: Vec<String> = message.parts.iter().map(word).collect();
        let star = if message.encrypted { "* " } else { "" };
        format!("{star}{}", braces(&words))
    } else {
        format!("* {{ {} octets }}", message.bytes.len().saturating_sub(Header::LEN))
    };
    decoded.summary = format!("{}{id} {content}", header.exchange);
}

fn word(part: &Part) -> String {
    match &part.typed {
        Some(Payload::Notify(notify)) => format!("N({})", notify.kind),
        Some(Payload::Delete(delete)) => format!("D({})", delete.protocol),
        Some(Payload::Attributes(attributes)) => format!("ATTR({})", attributes.kind),
        Some(Payload::VendorId(id)) => match vendor_name(&id.0) {
            Some(name) => format!("VID({name})"),
            None => "VID".to_owned(),
        },
        _ if PayloadKind::KNOWN.contains(&part.kind()) => part.kind().to_string(),
        _ => format!("payload {}", part.raw.kind.0),
    }
}

/// What a Vendor ID announces.
fn vendor_name(id: &[u8]) -> Option<&'static str> {
    Some(match id {
        _ if id == vendor::NAT_T_RFC => "RFC 3947",
        _ if id == vendor::NAT_T_DRAFT_03 => "NAT-T draft 03",
        _ if id == vendor::NAT_T_DRAFT_02 || id == vendor::NAT_T_DRAFT_02_LF => "NAT-T draft 02",
        _ if id == vendor::DPD => "DPD",
        _ if id == vendor::XAUTH => "XAUTH",
        _ if id.starts_with(&vendor::FRAGMENTATION) => "FRAGMENTATION",
        _ => return None,
    })
}

fn fields(decoded: &mut Decoded, part: &Part) {
    let octets = part.raw.encoded_len();
    let value = format!("octet {}, {octets} octets", part.raw.offset);
    decoded.detail(DetailLevel::Payload, word(part), value);
    if part.kind() == PayloadKind::SA {
        return sa_fields(decoded, part);
    }
    let mut field = |name: &str, value: String| decoded.detail(DetailLevel::Field, name, value);
    match &part.typed {
        Some(Payload::Id(id)) => field("identity", identity(id)),
        Some(Payload::Cert(cert)) => certificate(decoded, cert.encoding, &cert.data),
        Some(Payload::CertReq(request)) => certificate(decoded, request.encoding, &request.data),
        Some(Payload::Notify(notify)) => notify_fields(decoded, notify),
        Some(Payload::Delete(delete)) => {
            field("DOI", delete.doi.to_string());
            for spi in &delete.spis {
                field("SPI", hex::encode(spi));
            }
        }
        Some(Payload::Attributes(attributes)) => config_fields(decoded, attributes),
        Some(Payload::NatOa { address, .. }) => field("address", address.0.to_string()),
        // What cannot be taken apart may hold a password.
        None if part.kind() == PayloadKind::ATTRIBUTES => {}
        _ => field("data", short(&part.raw.body)),
    }
}

fn certificate(decoded: &mut Decoded, encoding: CertEncoding, data: &[u8]) {
    decoded.detail(DetailLevel::Field, "encoding", encoding.to_string());
    decoded.detail(DetailLevel::Field, "data", short(data));
}

fn identity(id: &Id) -> String {
    let text = match id.traffic().filter(|_| id.kind.0 != 1 && id.kind.0 != 5) {
        Some(traffic) => traffic.to_string(),
        None => id.host().to_string(),
    };
    format!("{} {text}, protocol {}, port {}", id.kind, id.protocol, id.port)
}

fn notify_fields(decoded: &mut Decoded, notify: &Notify) {
    let mut field = |name: &str, value: String| decoded.detail(DetailLevel::Field, name, value);
    field("DOI", notify.doi.to_string());
    field("protocol", notify.protocol.to_string());
    if !notify.spi.is_empty() {
        field("SPI", hex::encode(&notify.spi));
    }
    if !notify.data.is_empty() {
        field("data", short(&notify.data));
    }
}

/// Attributes of a transaction; passwords are said to be there, and not shown.
fn config_fields(decoded: &mut Decoded, attributes: &Attributes) {
    let identifier = attributes.identifier.to_string();
    decoded.detail(DetailLevel::Field, "identifier", identifier);
    for attribute in &attributes.attributes {
        let kind = ConfigAttr(attribute.kind());
        let secret = matches!(
            kind,
            ConfigAttr::XAUTH_USER_PASSWORD
                | ConfigAttr::XAUTH_PASSCODE
                | ConfigAttr::XAUTH_NEXT_PIN
                | ConfigAttr::XAUTH_ANSWER
        );
        let value = match attribute {
            Attribute::Tv { value, .. } => value.to_string(),
            Attribute::Tlv { value, .. } if secret => format!("{} octets", value.len()),
            Attribute::Tlv { value, .. } => short(value),
        };
        decoded.detail(DetailLevel::Field, kind.to_string(), value);
    }
}

fn sa_fields(decoded: &mut Decoded, part: &Part) {
    let Some(offer) = Offer::read(part) else { return };
    decoded.detail(DetailLevel::Field, "DOI", offer.doi.to_string());
    decoded.detail(DetailLevel::Field, "situation", format!("{:#x}", offer.situation));
    for proposal in &offer.proposals {
        let spi = match proposal.spi.as_slice() {
            [] => String::new(),
            spi => format!(" {}", hex::encode(spi)),
        };
        let name = format!("proposal {}", proposal.number);
        decoded.detail(DetailLevel::Field, name, format!("{}{spi}", proposal.protocol));
        for transform in &proposal.transforms {
            let name = format!("transform {}", transform.number);
            decoded.detail(DetailLevel::Part, name, transform_text(proposal.protocol, transform));
        }
    }
}

fn transform_text(protocol: ProtocolId, transform: &OfferedTransform) -> String {
    let phase1 = protocol == ProtocolId::IKE;
    let id = match protocol {
        ProtocolId::IKE if transform.id == KEY_IKE => "KEY_IKE".to_owned(),
        ProtocolId::ESP => EspTransform(transform.id).to_string(),
        ProtocolId::AH => AhTransform(transform.id).to_string(),
        _ => transform.id.to_string(),
    };
    let attributes = transform.attributes.iter().map(|(_, attribute)| {
        if phase1 { phase1_attribute(attribute) } else { phase2_attribute(attribute) }
    });
    core::iter::once(id).chain(attributes).collect::<Vec<_>>().join(", ")
}

/// The value as a short number, if it is one.
fn small(attribute: &Attribute) -> Option<u16> {
    attribute.number().and_then(|number| u16::try_from(number).ok())
}

fn plain(attribute: &Attribute) -> String {
    match (attribute.number(), attribute) {
        (Some(number), _) => number.to_string(),
        (None, Attribute::Tlv { value, .. }) => short(value),
        (None, Attribute::Tv { value, .. }) => value.to_string(),
    }
}

fn phase1_attribute(attribute: &Attribute) -> String {
    let kind = Phase1Attr(attribute.kind());
    let name = match (kind, small(attribute)) {
        (Phase1Attr::ENCRYPTION, Some(value)) => Phase1Encr(value).to_string(),
        (Phase1Attr::HASH, Some(value)) => Phase1Hash(value).to_string(),
        (Phase1Attr::AUTH_METHOD, Some(value)) => Phase1Auth(value).to_string(),
        (Phase1Attr::GROUP, Some(value)) => GroupId(value).to_string(),
        (Phase1Attr::LIFE_TYPE, Some(value)) => LifeType(value).to_string(),
        _ => plain(attribute),
    };
    format!("{kind} {name}")
}

fn phase2_attribute(attribute: &Attribute) -> String {
    let kind = Phase2Attr(attribute.kind());
    let name = match (kind, small(attribute)) {
        (Phase2Attr::LIFE_TYPE, Some(value)) => LifeType(value).to_string(),
        (Phase2Attr::GROUP, Some(value)) => GroupId(value).to_string(),
        (Phase2Attr::ENCAPSULATION, Some(value)) => Encapsulation(value).to_string(),
        (Phase2Attr::AUTH, Some(value)) => Phase2Auth(value).to_string(),
        _ => plain(attribute),
    };
    format!("{kind} {name}")
}
