//! A word and fields for each payload, in the notation of RFC 7296, section 1.2.

use ikeproof_proto::wire::v2::{Notify, Payload, Proposal, Ts};
use ikeproof_proto::wire::{GroupId, NotifyType, ProtocolId, hex};

use super::message::short;
use super::{Decoded, DetailLevel};
use crate::ike::Part;

/// The word for a payload.
pub(super) fn word(payload: &Payload, response: bool) -> String {
    match payload {
        Payload::Ke(ke) => format!("KE({})", ke.group.0),
        Payload::Nonce(_) => if response { "Nr" } else { "Ni" }.to_owned(),
        Payload::Notify(notify) => format!("N({})", notify.kind),
        Payload::Cp(cp) => format!("CP({})", cp.kind),
        Payload::Unknown { kind, .. } if kind.name().is_none() => format!("payload {}", kind.0),
        other => other.kind().to_string(),
    }
}

/// The fields of a payload.
pub(super) fn fields(decoded: &mut Decoded, part: &Part, response: bool) {
    let octets = part.raw.encoded_len();
    decoded.detail(
        DetailLevel::Payload,
        word(&part.typed, response),
        format!("octet {}, {octets} octets", part.raw.offset),
    );
    let mut field = |name: &str, value: String| decoded.detail(DetailLevel::Field, name, value);
    match &part.typed {
        Payload::Sa(sa) => {
            for proposal in &sa.proposals {
                proposal_fields(decoded, proposal);
            }
        }
        Payload::Ke(ke) => {
            field("group", format!("{} ({})", ke.group.0, ke.group));
            field("value", short(&ke.data));
        }
        Payload::IdI(id) | Payload::IdR(id) => field("identity", id.to_string()),
        Payload::Cert(cert) => {
            field("encoding", cert.encoding.to_string());
            field("data", short(&cert.data));
        }
        Payload::CertReq(request) => {
            field("encoding", request.encoding.to_string());
            field("authorities", short(&request.data));
        }
        Payload::Auth(auth) => {
            field("method", auth.method.to_string());
            field("data", short(&auth.data));
        }
        Payload::Nonce(nonce) => field("nonce", short(&nonce.0)),
        Payload::Notify(notify) => notify_fields(decoded, notify),
        Payload::Delete(delete) => {
            field("protocol", delete.protocol.to_string());
            for spi in &delete.spis {
                field("SPI", hex::encode(spi));
            }
        }
        Payload::VendorId(vendor_id) => field("id", short(&vendor_id.0)),
        Payload::TsI(ts) | Payload::TsR(ts) => ts_fields(decoded, ts),
        Payload::Cp(cp) => {
            for attribute in &cp.attributes {
                field(&attribute.kind.to_string(), short(&attribute.value));
            }
        }
        Payload::Eap(eap) => field("message", short(&eap.0)),
        Payload::Sk(_) | Payload::Skf(_) => {}
        Payload::Unknown { critical, body, .. } => {
            field("critical", critical.to_string());
            field("data", short(body));
        }
    }
}

fn proposal_fields(decoded: &mut Decoded, proposal: &Proposal) {
    let spi = match proposal.spi.as_slice() {
        [] => String::new(),
        spi => format!(" {}", hex::encode(spi)),
    };
    let name = format!("proposal {}", proposal.number);
    decoded.detail(DetailLevel::Field, name, format!("{}{spi}", proposal.protocol));
    for transform in &proposal.transforms {
        decoded.detail(DetailLevel::Part, transform.kind.to_string(), transform.to_string());
    }
}

fn notify_fields(decoded: &mut Decoded, notify: &Notify) {
    let mut field = |name: &str, value: String| decoded.detail(DetailLevel::Field, name, value);
    if notify.protocol != ProtocolId::NONE {
        field("protocol", notify.protocol.to_string());
    }
    if !notify.spi.is_empty() {
        field("SPI", hex::encode(&notify.spi));
    }
    match (notify.kind, notify.data.as_slice()) {
        (_, []) => {}
        (NotifyType::INVALID_KE_PAYLOAD, &[high, low]) => {
            let group = GroupId(u16::from_be_bytes([high, low]));
            field("group", format!("{} ({group})", group.0));
        }
        (NotifyType::SET_WINDOW_SIZE, &[a, b, c, d]) => {
            field("window", u32::from_be_bytes([a, b, c, d]).to_string());
        }
        (_, data) => field("data", short(data)),
    }
}

fn ts_fields(decoded: &mut Decoded, ts: &Ts) {
    for selector in &ts.selectors {
        decoded.detail(DetailLevel::Field, "selector", selector.to_string());
    }
    for selector in &ts.unknown {
        let value = format!("{} {}", selector.kind, short(&selector.body));
        decoded.detail(DetailLevel::Field, "selector", value);
    }
}
