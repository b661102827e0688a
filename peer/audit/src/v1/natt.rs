//! NAT traversal: the announcement, NAT-D payloads against the addresses seen, the change of ports,
//! encapsulation modes and original addresses (RFC 3947).
//!
//! As with IKEv2, a hash that does not fit proves nothing while a NAT can explain it.

use core::net::SocketAddr;

use ikeproof_proto::crypto::Hash;
use ikeproof_proto::crypto::ikev1::natd_hash;
use ikeproof_proto::wire::ExchangeType;
use ikeproof_proto::wire::v1::num::{
    Encapsulation, PayloadKind, Phase1Attr, Phase1Hash, Phase2Attr,
};
use ikeproof_proto::wire::v1::vendor;

use super::message::{Message, Part};
use super::offer::Offer;
use super::session::Session;
use crate::finding::Report;
use crate::rules;

/// What was found about NAT traversal.
#[derive(Debug, Default)]
pub(crate) struct NatT {
    /// Whether there is a NAT, once both sides have sent their hashes.
    pub(crate) found: Option<bool>,
    /// A side's hashes do not fit.
    translated: bool,
    /// How many messages with hashes were seen.
    discoveries: u8,
    /// Something came over the port of NAT traversal.
    pub(crate) floated: bool,
    /// The initiator's last message did.
    asks_there: bool,
}

const DRAFTS: [[u8; 16]; 3] =
    [vendor::NAT_T_DRAFT_03, vendor::NAT_T_DRAFT_02, vendor::NAT_T_DRAFT_02_LF];

/// Whether both sides have announced NAT traversal, and whether by the RFC. The message under
/// judgement counts for its sender.
fn agreed(session: &Session, message: &Message) -> Option<bool> {
    let announces = |id: &[u8], by_initiator| {
        let own = |it: &&Message| it.by_initiator == by_initiator;
        let all = session.phase1.values().chain([message]);
        all.filter(own).any(|it| it.announces(id))
    };
    let both = |id: &[u8]| announces(id, true) && announces(id, false);
    if both(&vendor::NAT_T_RFC) {
        Some(true)
    } else {
        DRAFTS.iter().any(|id| both(id)).then_some(false)
    }
}

/// The hash that was negotiated.
fn hash(session: &Session, message: &Message) -> Option<Hash> {
    let offer = session.phase1.get(&2).and_then(Offer::of).or_else(|| Offer::of(message))?;
    let (_, transform) = offer.single()?;
    let value = transform.value(Phase1Attr::HASH.0).and_then(|it| u16::try_from(it).ok())?;
    Some(match Phase1Hash(value) {
        Phase1Hash::MD5 => Hash::Md5,
        Phase1Hash::SHA1 => Hash::Sha1,
        Phase1Hash::SHA2_256 => Hash::Sha256,
        Phase1Hash::SHA2_384 => Hash::Sha384,
        Phase1Hash::SHA2_512 => Hash::Sha512,
        _ => return None,
    })
}

/// Judges the NAT-D payloads of a message of phase 1.
pub(crate) fn judge(report: &mut Report<'_>, session: &mut Session, message: &Message, place: u8) {
    let aggressive = session.mode == ExchangeType::AGGRESSIVE;
    let rule = if aggressive { rules::NATD_AGGRESSIVE } else { rules::NATD_MAIN };
    let here = if aggressive { place >= 2 } else { (3..=4).contains(&place) };
    let is_natd =
        |part: &&Part| matches!(part.kind(), PayloadKind::NAT_D | PayloadKind::NAT_D_DRAFT);
    let parts: Vec<&Part> = message.parts.iter().filter(is_natd).collect();
    let agreed = agreed(session, message);
    if !parts.is_empty() {
        report.applies(&[rules::NATT_VENDOR_BOTH]);
    }
    if agreed.is_some() && (here || !parts.is_empty()) {
        report.applies(&[rule]);
    }
    match (parts.first(), agreed) {
        (Some(part), None) => {
            let says = "NAT-D, and not both sides have announced NAT traversal";
            report.say(rules::NATT_VENDOR_BOTH, part.raw.offset, says);
            return;
        }
        (Some(part), Some(_)) if !here => {
            report.say(rule, part.raw.offset, format!("NAT-D in message {place}"));
            return;
        }
        (_, Some(_)) if here && parts.len() < 2 => {
            let says = format!("{} NAT-D payloads in message {place}", parts.len());
            report.say(rule, None, says);
            return;
        }
        (None, _) => return,
        _ => {}
    }
    let draft = parts.iter().find(|part| part.kind() == PayloadKind::NAT_D_DRAFT);
    if agreed == Some(true) {
        report.applies(&[rules::NATD_TYPE]);
    }
    if let (Some(true), Some(part)) = (agreed, draft) {
        let says = "NAT-D has the number of the drafts, and both sides have announced the RFC";
        report.say(rules::NATD_TYPE, part.raw.offset, says);
    }
    let Some(hash) = hash(session, message) else { return };
    session.natt.translated |= judge_hashes(report, session, message, hash, &parts);
    session.natt.discoveries += 1;
    if session.natt.discoveries >= 2 {
        session.natt.found = Some(session.natt.translated);
    }
}

/// Judges the hashes. Whether an address was translated.
fn judge_hashes(
    report: &mut Report<'_>,
    session: &Session,
    message: &Message,
    hash: Hash,
    parts: &[&Part],
) -> bool {
    let Some((first, sources)) = parts.split_first() else { return false };
    report.applies(&[rules::NATD_ORDER, rules::NATD_HASH_V1]);
    let (cookie_i, mut cookie_r) = (message.header.spi_i.0, message.header.spi_r.0);
    if cookie_r == [0; 8] {
        cookie_r = session.cookie_r.0;
    }
    let value = |hash: Hash, i, r, at: SocketAddr| natd_hash(hash, i, r, at.ip(), at.port());
    let right = |at| value(hash, cookie_i, cookie_r, at);
    let (of_destination, of_source) = (right(message.dst), right(message.src));
    let destination_fits = first.raw.body == of_destination;
    let source_fits = sources.iter().any(|part| part.raw.body == of_source);
    let reversed =
        first.raw.body == of_source || sources.iter().any(|part| part.raw.body == of_destination);
    if reversed && !(destination_fits && source_fits) {
        let says = "the first NAT-D is about the source, or a later one about the destination";
        report.say(rules::NATD_ORDER, first.body(), says);
        return false;
    }
    for (part, at) in
        [(*first, message.dst)].into_iter().chain(sources.iter().map(|part| (*part, message.src)))
    {
        let body = part.raw.body.as_slice();
        if body.len() != hash.output_len() {
            let says = format!("NAT-D has {} octets, the hash {}", body.len(), hash.output_len());
            report.say(rules::NATD_HASH_V1, part.body(), says);
            return false;
        }
        let mistakes = [
            (value(hash, cookie_i, [0; 8], at), "without the responder's cookie"),
            (value(hash, cookie_r, cookie_i, at), "with the responder's cookie in front"),
        ];
        if let Some((_, says)) = mistakes.iter().find(|(wrong, _)| wrong == body) {
            report.say(rules::NATD_HASH_V1, part.body(), format!("NAT-D is the hash {says}"));
            return false;
        }
    }
    !(destination_fits && source_fits)
}

/// Whether a message of the responder answers, or follows, one that came over the port of NAT traversal. To
/// an initiator that has stayed on the other port it is sent there by right.
fn is_asked_there(session: &Session, message: &Message) -> bool {
    let exchange = session.later.get(&message.id());
    let asks = exchange.and_then(|it| it.messages.iter().rev().find(|it| it.by_initiator));
    asks.map_or(session.natt.asks_there, |asks| asks.marker)
}

/// Judges the ports of a message of phase 1, and of any later one with a place of 0.
pub(crate) fn judge_ports(
    report: &mut Report<'_>,
    session: &mut Session,
    message: &Message,
    place: u8,
) {
    let main = session.mode == ExchangeType::IDENTITY_PROTECTION;
    let floated = session.natt.floated;
    session.natt.floated |= message.marker;
    if message.by_initiator {
        session.natt.asks_there = message.marker;
    }
    let answers_to = session.last_source.first().copied().flatten();
    let early = place > 0 && place < session.phase1_messages().min(5);
    let answers = !message.by_initiator && early && answers_to.is_some();
    if answers {
        report.applies(&[rules::NATT_REPLY_TO]);
    }
    if answers && answers_to.is_some_and(|to| to != message.dst) {
        let says = format!("the answer goes to {}, and not back", message.dst);
        report.say(rules::NATT_REPLY_TO, None, says);
    }
    let nat = session.natt.found == Some(true);
    let later = if message.by_initiator {
        floated || place == 0 && nat
    } else {
        is_asked_there(session, message)
    };
    for (rule, applies) in [
        (rules::NATT_BOTH_PORTS, message.by_initiator && message.marker && !floated),
        (rules::NATT_PORT_CHANGE, main && place == 5 && nat && !floated),
        (rules::NATT_RESPONDER_PORT, place == 6 && floated),
        (rules::NATT_LATER_PORT, place != 6 && later),
    ] {
        if applies {
            report.applies(&[rule]);
        }
    }
    if message.marker {
        return;
    }
    let ports = (message.src.port(), message.dst.port());
    if message.by_initiator && (ports.0 == 4500) != (ports.1 == 4500) && ports.0 == 4500 {
        let says = format!("from port {} to port {}", ports.0, ports.1);
        report.applies(&[rules::NATT_BOTH_PORTS]);
        report.say(rules::NATT_BOTH_PORTS, None, says);
        session.natt.floated = true;
    } else if main && place == 5 && nat && !floated {
        let says = format!("there is a NAT, and the identity goes to port {}", ports.1);
        report.say(rules::NATT_PORT_CHANGE, None, says);
    } else if place == 6 && floated {
        let says =
            format!("the last message goes to port {}, the one before came by 4500", ports.1);
        report.say(rules::NATT_RESPONDER_PORT, None, says);
    } else if later {
        let says = format!("{} goes to port {}", message.exchange(), ports.1);
        report.say(rules::NATT_LATER_PORT, None, says);
    }
}

/// Judges encapsulation modes and original addresses of quick mode.
pub(crate) fn judge_quick(report: &mut Report<'_>, session: &Session, message: &Message) {
    let by_rfc = agreed(session, message) == Some(true);
    let Some(offer) = Offer::of(message) else { return judge_originals(report, message, by_rfc) };
    let modes: Vec<(usize, Encapsulation)> = offer
        .transforms()
        .filter_map(|(_, it)| {
            let (at, attribute) = it.find(Phase2Attr::ENCAPSULATION.0)?;
            Some((at, Encapsulation(u16::try_from(attribute.number()?).ok()?)))
        })
        .collect();
    let plain = modes.iter().find(|(_, mode)| is_plain(*mode));
    let udp = modes.iter().find(|(_, mode)| !is_plain(*mode));
    let draft = modes.iter().find(|(_, mode)| mode.0 > Encapsulation::UDP_TRANSPORT.0);
    let begins = session.later.get(&message.id()).is_none_or(|it| it.messages.is_empty());
    if by_rfc && udp.is_some() {
        report.applies(&[rules::ENCAP_NUMBERS]);
    }
    if let (true, Some((at, mode))) = (by_rfc, draft) {
        report.say(rules::ENCAP_NUMBERS, *at, format!("{mode}, and the RFC was announced"));
    }
    if begins && !modes.is_empty() {
        report.applies(&[rules::ENCAP_BOTH]);
        match session.natt.found {
            Some(true) => report.applies(&[rules::ENCAP_NAT]),
            Some(false) => report.applies(&[rules::ENCAP_NO_NAT]),
            None => {}
        }
    }
    if begins {
        match (plain, udp, session.natt.found) {
            (Some(_), Some((at, mode)), _) => {
                let says = format!("{mode} is offered together with a plain mode");
                report.say(rules::ENCAP_BOTH, *at, says);
            }
            (Some((at, mode)), None, Some(true)) => {
                report.say(rules::ENCAP_NAT, *at, format!("there is a NAT, {mode} is offered"));
            }
            (None, Some((at, mode)), Some(false)) => {
                report.say(rules::ENCAP_NO_NAT, *at, format!("there is no NAT, {mode} is offered"));
            }
            _ => {}
        }
    }
    let originals = message.parts.iter().filter(|part| is_original(part)).count();
    let all = |mode| !modes.is_empty() && modes.iter().all(|(_, it)| *it == mode);
    if all(Encapsulation::UDP_TRANSPORT) {
        report.applies(&[rules::NAT_OA_TRANSPORT]);
    }
    if all(Encapsulation::UDP_TRANSPORT) && originals != 2 {
        let says = format!("{originals} NAT-OA payloads with {}", Encapsulation::UDP_TRANSPORT);
        report.say(rules::NAT_OA_TRANSPORT, None, says);
    }
    let tunnel = all(Encapsulation::UDP_TUNNEL) || all(Encapsulation::TUNNEL);
    if tunnel {
        report.applies(&[rules::NAT_OA_TUNNEL]);
    }
    if tunnel && let Some(part) = message.parts.iter().find(|part| is_original(part)) {
        report.say(rules::NAT_OA_TUNNEL, part.raw.offset, "NAT-OA in tunnel mode");
    }
    judge_originals(report, message, by_rfc);
}

fn judge_originals(report: &mut Report<'_>, message: &Message, by_rfc: bool) {
    if by_rfc && message.parts.iter().any(is_original) {
        report.applies(&[rules::NAT_OA_TYPE]);
    }
    if let (true, Some(part)) = (by_rfc, message.part(PayloadKind::NAT_OA_DRAFT)) {
        let says = "NAT-OA has the number of the drafts, and both sides have announced the RFC";
        report.say(rules::NAT_OA_TYPE, part.raw.offset, says);
    }
}

fn is_plain(mode: Encapsulation) -> bool {
    matches!(mode, Encapsulation::TUNNEL | Encapsulation::TRANSPORT)
}

fn is_original(part: &Part) -> bool {
    matches!(part.kind(), PayloadKind::NAT_OA | PayloadKind::NAT_OA_DRAFT)
}
