//! Sessions of IKEv1 with any octet changed. More of them is unprotected than of IKEv2, so what may be
//! changed without being noticed is a table, with a reason for each entry.

use std::collections::BTreeMap;
use std::ops::Range;

use ikeproof_proto::crypto::{Ikev1Cipher, RustCrypto, default_provider};
use ikeproof_proto::edge::EdgeInput;
use ikeproof_proto::event::{Ikev1KeyLog, KeyLogEntry};
use ikeproof_proto::io::{Command, IkeHandle};
use ikeproof_proto::policy::{ChildOffer, Identity, Ikev1Mode};
use ikeproof_proto::replay::replay;
use ikeproof_proto::sa::TunnelId;
use ikeproof_proto::testing::{Pair, Side, connection, endpoint_config};
use ikeproof_proto::transcript::{InputLine, Line, OutputLine, Recorded, Transcript};
use ikeproof_proto::wire::v1::{PayloadKind, is_encrypted};
use ikeproof_proto::wire::v2::Id;
use ikeproof_proto::wire::{Header, RawMessage, RawPayload};

use super::{Effects, datagrams, effects, flipped, recordings};

/// Where IKEv1 does not notice that an octet was changed, and why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Unnoticed {
    /// The minor version, in the header.
    MinorVersion,
    /// Next Payload and RESERVED of a generic payload header in clear.
    PayloadHeader,
    /// A payload in clear that HASH_I and HASH_R are not about.
    UnhashedPayload,
    /// The responder's SA payload.
    ResponderSa,
    /// Octets behind the last payload.
    MessagePadding,
    /// What is encrypted in phase 1 and no part of what proves an identity.
    EncryptedAlone,
    /// What routers change in the IP header in front of AH.
    MutableField,
}

impl Unnoticed {
    const ALL: [Self; 7] = [
        Self::MinorVersion,
        Self::PayloadHeader,
        Self::UnhashedPayload,
        Self::ResponderSa,
        Self::MessagePadding,
        Self::EncryptedAlone,
        Self::MutableField,
    ];

    const fn reason(self) -> &'static str {
        match self {
            Self::MinorVersion => {
                "no hash covers the header, and a minor version that is too high is for the receiver \
                 to judge (RFC 2408 §3.1)"
            }
            Self::PayloadHeader => {
                "hashes of phase 1 cover bodies of payloads and no generic headers (RFC 2409 §5)"
            }
            Self::UnhashedPayload => {
                "HASH_I and HASH_R cover SA, KE, nonces and ID alone: vendor IDs, NAT-D payloads and \
                 notifications of phase 1 can be changed by anybody (RFC 2409 §5, RFC 3947 §9)"
            }
            Self::ResponderSa => {
                "both hashes cover the initiator's SA payload and not the answer, which only has to be \
                 one of the offers (RFC 2409 §5)"
            }
            Self::MessagePadding => {
                "what stands behind the last payload up to a multiple of four octets means nothing \
                 (RFC 2408 §3.6)"
            }
            Self::EncryptedAlone => {
                "a block that holds no octet of ID, HASH, SIG and CERT holds a notification, a NAT-D \
                 payload or padding, which neither hash covers (RFC 2409 §5, RFC 3947 §9)"
            }
            Self::MutableField => {
                "the ICV of AH leaves out what changes on the way (RFC 4302 §3.3.3.1.1.1)"
            }
        }
    }
}

/// Sessions between two ends of ours, as each of them has seen it: main and aggressive mode, quick mode,
/// traffic, a probe, and all deleted.
pub fn made() -> Vec<(String, Transcript)> {
    let mut made = Vec::new();
    for mode in [Ikev1Mode::Main, Ikev1Mode::Aggressive] {
        let mut responder = endpoint_config();
        let mut by_address = responder.credentials[0].clone();
        by_address.id = Identity::Ip([192, 0, 2, 1].into());
        responder.credentials.push(by_address);
        let mut pair = Pair::recorded([endpoint_config(), responder], &mode.to_string());
        let mut offer = connection("aes128-sha1-ecp256", "aes128-sha256-ecp256");
        offer.ikev1 = Some(ikeproof_proto::config::Ikev1Options { mode, ..Default::default() });
        let child: ChildOffer = "aes128-sha256-ecp256".parse().unwrap();
        offer.child = vec![child.proposal(1, &[0; 4], false)];
        if mode == Ikev1Mode::Main {
            offer.id = Id::ip([192, 0, 2, 1].into());
        }
        let (ike, tunnel) = (IkeHandle(1), TunnelId(1));
        pair.command(Side::Initiator, Command::Initiate(Box::new(offer)));
        for (side, from, to) in [(Side::Initiator, 1, 2), (Side::Responder, 2, 1)] {
            let builder =
                etherparse::PacketBuilder::ipv4([10, 0, from, 1], [10, 0, to, 1], 64).udp(7, 7);
            let mut packet = Vec::new();
            builder.write(&mut packet, &[0x55; 8]).unwrap();
            pair.handle(side, EdgeInput::Inner { tunnel, packet: &packet });
            pair.deliver();
            pair.command(side, Command::Probe { ike });
        }
        pair.command(Side::Initiator, Command::DeleteIke { ike });
        for (name, node) in [("initiator", &pair.initiator), ("responder", &pair.responder)] {
            made.push((format!("{mode}, {name}"), node.transcript().unwrap().clone()));
        }
    }
    made
}

/// The message of IKEv1 that an input or an output is, and where it begins.
fn message(line: &Line) -> Option<(usize, &[u8])> {
    super::message(line, 1)
}

/// What may be changed unnoticed in the input at `line`, by its octets.
fn unnoticed(recorded: &Transcript, line: usize) -> BTreeMap<usize, Unnoticed> {
    if is_ah(&recorded.lines[line]) {
        return MUTABLE_FIELDS.map(|octet| (octet, Unnoticed::MutableField)).into();
    }
    let Some((start, bytes)) = message(&recorded.lines[line]) else { return BTreeMap::new() };
    let header = Header::decode(bytes).unwrap();
    let mut octets = BTreeMap::new();
    let mut mark = |from: usize, to: usize, what| {
        octets.extend((from..to).map(|at| (start + at, what)));
    };
    mark(MINOR_VERSION, MINOR_VERSION + 1, Unnoticed::MinorVersion);
    if is_encrypted(&header) {
        if header.message_id == 0 {
            for block in uncovered_blocks(recorded, line) {
                mark(block.start, block.end, Unnoticed::EncryptedAlone);
            }
        }
        return octets;
    }
    let raw = RawMessage::decode(bytes).unwrap();
    // The first type stands in the header, each other one in the payload before it.
    mark(NEXT_PAYLOAD, NEXT_PAYLOAD + 1, Unnoticed::PayloadHeader);
    let mut end = Header::LEN;
    let is_answer = !header.spi_r.is_zero();
    for payload in &raw.payloads {
        let begin = end;
        end += payload.encoded_len();
        mark(begin, begin + 2, Unnoticed::PayloadHeader);
        let what = match PayloadKind(payload.kind.0) {
            PayloadKind::KE | PayloadKind::NONCE | PayloadKind::ID | PayloadKind::HASH => continue,
            PayloadKind::SA if !is_answer => continue,
            PayloadKind::SA => Unnoticed::ResponderSa,
            _ => Unnoticed::UnhashedPayload,
        };
        mark(begin, end, what);
    }
    mark(end, bytes.len(), Unnoticed::MessagePadding);
    octets
}

/// Where an encrypted message of phase 1 is not covered by its hash: whole blocks, as a changed octet
/// spoils all of its block.
fn uncovered_blocks(recorded: &Transcript, line: usize) -> Vec<Range<usize>> {
    let keys = recorded.lines.iter().find_map(|line| match line {
        Line::Out(out) => match &**out {
            OutputLine::Keys(KeyLogEntry::Ikev1(keys)) => Some((**keys).clone()),
            _ => None,
        },
        _ => None,
    });
    let keys: Ikev1KeyLog = keys.expect("keys are recorded");
    let cipher = Ikev1Cipher::new(&RustCrypto, keys.suite, &keys.key).unwrap();
    // The vector is made of both public values, and then is the last block of the message before.
    let mut publics = Vec::new();
    let mut iv = None;
    for before in recorded.lines[..=line].iter().filter_map(message).map(|(_, bytes)| bytes) {
        let header = Header::decode(before).unwrap();
        let is_of_phase1 = header.message_id == 0 && header.spi_i == keys.spi_i;
        if !is_of_phase1 {
            continue;
        }
        if !is_encrypted(&header) {
            let raw = RawMessage::decode(before).unwrap();
            let ke = raw.payloads.iter().find(|payload| payload.kind == PayloadKind::KE.raw());
            publics.extend(ke.map(|ke| ke.body.clone()).filter(|ke| !publics.contains(ke)));
            continue;
        }
        let first = || cipher.phase1_iv(&publics[0], &publics[1]);
        let vector = iv.take().unwrap_or_else(first);
        let body = &before[Header::LEN..];
        let plain = cipher.decrypt(&vector, body).unwrap();
        let chain = RawPayload::decode_padded_chain(header.next_payload, &plain, Header::LEN);
        let (payloads, _) = chain.expect("it is decrypted");
        if Some(before) == message(&recorded.lines[line]).map(|(_, bytes)| bytes) {
            let (block, needed) = (cipher.block_len(), proving(&payloads));
            let blocks = (0..body.len() / block).map(|number| number * block..(number + 1) * block);
            let uncovered = blocks.filter(|at| !needed.iter().any(|it| at.contains(it)));
            return uncovered.map(|at| Header::LEN + at.start..Header::LEN + at.end).collect();
        }
        iv = Some(cipher.next_iv(body));
    }
    panic!("the message is not of the session whose keys were recorded");
}

/// The octets of what proves an identity, and of the headers by which it is found.
fn proving(payloads: &[RawPayload]) -> Vec<usize> {
    let proves = |payload: &RawPayload| {
        let kinds = [PayloadKind::ID, PayloadKind::HASH, PayloadKind::SIG, PayloadKind::CERT];
        kinds.iter().any(|kind| payload.kind == kind.raw())
    };
    let last = payloads.iter().rposition(proves).expect("something proves the identity");
    let (mut octets, mut end) = (Vec::new(), 0);
    for payload in &payloads[..=last] {
        let begin = end;
        end += payload.encoded_len();
        octets.extend(begin..if proves(payload) { end } else { begin + 4 });
    }
    octets
}

/// Whether an input is a packet of AH in IPv4, which comes with its IP header.
fn is_ah(line: &Line) -> bool {
    let Line::In(InputLine { what: Recorded::Raw { hex, .. }, .. }) = line else { return false };
    hex.0.first() == Some(&0x45) && hex.0.get(9) == Some(&51)
}

/// Type of service, flags and fragment offset, time to live, and checksum of IPv4.
const MUTABLE_FIELDS: [usize; 6] = [1, 6, 7, 8, 10, 11];
const NEXT_PAYLOAD: usize = 16;
const MINOR_VERSION: usize = 17;

/// What a session leads to if an octet of the input at `line` is changed. What phase 1 has in clear shows
/// its effect at the end of phase 1 only, so the recording goes on then, without copies of the message.
fn with_change(recorded: &Transcript, line: usize, octet: usize) -> Effects {
    let mut lines = recorded.lines[..line].to_vec();
    lines.push(flipped(&recorded.lines[line], octet, 1));
    let mut now = Transcript { head: recorded.head.clone(), lines };
    if is_in_clear(&recorded.lines[line]) {
        let original = message(&recorded.lines[line]);
        let rest = recorded.lines[line + 1..].iter();
        now.lines.extend(rest.filter(|later| message(later) != original).cloned());
    }
    effects(&replay(&now, default_provider()).now)
}

fn is_in_clear(line: &Line) -> bool {
    let header = message(line).and_then(|(_, bytes)| Header::decode(bytes).ok());
    header.is_some_and(|header| !is_encrypted(&header))
}

/// Each octet of each datagram, changed by one bit: nothing panics, what is under a hash or a checksum has
/// no effect, and what is in clear and under a hash lets nothing come up.
#[test]
fn no_changed_octet_of_ikev1_is_accepted() {
    let is_v1 = |transcript: &Transcript| transcript.lines.iter().any(|it| message(it).is_some());
    let recorded = recordings().into_iter().filter(|(_, transcript)| is_v1(transcript));
    let mut used = BTreeMap::new();
    for (name, recorded) in made().into_iter().chain(recorded) {
        let datagrams = datagrams(&recorded);
        assert!(datagrams.len() >= 4, "{name}");
        for (number, (line, len)) in datagrams.iter().enumerate() {
            let exempt = unnoticed(&recorded, *line);
            let lines = recorded.lines[..*line].to_vec();
            let before = Transcript { head: recorded.head.clone(), lines };
            let before = effects(&replay(&before, default_provider()).now);
            for octet in 0..*len {
                let after = with_change(&recorded, *line, octet);
                // A wrong signature may end phase 1, too, since no other will come.
                let nothing_is_up = (after.ike_sas, after.child_sas) == (0, 0);
                let is_nothing =
                    nothing_is_up || (!is_in_clear(&recorded.lines[*line]) && after == before);
                let place = format!("{name}, datagram {number}, octet {octet}");
                match exempt.get(&octet) {
                    None => assert!(is_nothing, "{place}: {before:?}, {after:?}"),
                    Some(why) if !is_nothing => *used.entry(*why).or_insert(0) += 1,
                    Some(_) => {}
                }
            }
        }
    }
    println!("changed and not noticed: {used:?}");
    // An exemption that excuses nothing has no place in the table.
    for why in Unnoticed::ALL {
        assert!(used.contains_key(&why), "{why:?} is never needed: {}", why.reason());
    }
}
