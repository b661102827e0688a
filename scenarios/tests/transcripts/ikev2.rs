//! Sessions of IKEv2 with any octet changed. AUTH covers what is in clear and an ICV all the rest, so
//! that next to nothing can be changed without being noticed; what can is a table, with a reason for
//! each entry.

use std::collections::BTreeMap;
use std::sync::Arc;

use ikeproof_proto::crypto::suite::Group;
use ikeproof_proto::event::Event;
use ikeproof_proto::io::{Command, IkeHandle};
use ikeproof_proto::replay::replay;
use ikeproof_proto::testing::{Pair, Side, connection, endpoint_config};
use ikeproof_proto::transcript::{Line, OutputLine, Transcript};
use ikeproof_proto::wire::num::{ExchangeType, NotifyType, PayloadType};
use ikeproof_proto::wire::{Header, RawMessage};

use super::{Effects, datagrams, effects, flipped, providers, recordings};

/// Where IKEv2 does not notice that an octet was changed, and why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Unnoticed {
    /// A first request that is answered with COOKIE or INVALID_KE_PAYLOAD.
    FirstRequest,
    /// Such an answer.
    FirstAnswer,
}

impl Unnoticed {
    const ALL: [Self; 2] = [Self::FirstRequest, Self::FirstAnswer];

    const fn reason(self) -> &'static str {
        match self {
            Self::FirstRequest => {
                "the responder keeps nothing of a request that it answers with COOKIE or \
                 INVALID_KE_PAYLOAD, and AUTH covers the last IKE_SA_INIT request alone \
                 (RFC 7296 §1.2, §2.6, §2.15)"
            }
            Self::FirstAnswer => {
                "the responder's AUTH covers its last IKE_SA_INIT response alone; what the first one \
                 asked for stands in the second request, which is for the responder to check: the \
                 cookie as such, the rest by the initiator's AUTH (RFC 7296 §2.6, §2.15)"
            }
        }
    }
}

/// Sessions between two ends of ours in which the responder asks for a second IKE_SA_INIT, as each of
/// them has seen it. Of recordings, none shows the initiator's end of that.
fn made() -> Vec<(String, Transcript)> {
    let mut cookie = endpoint_config();
    cookie.profile.limits.cookie_threshold = 0;
    let mut group = endpoint_config();
    group.profile.ike.groups.accept = vec![Group::Ecp384];
    let mut made = Vec::new();
    for (title, responder) in [("cookie", cookie), ("group", group)] {
        let mut pair = Pair::recorded([endpoint_config(), responder], title);
        let offer = connection("aes128-sha256-ecp256-ecp384", "aes128gcm16");
        pair.command(Side::Initiator, Command::Initiate(Box::new(offer)));
        let ike = IkeHandle(1);
        pair.command(Side::Initiator, Command::DeleteIke { ike });
        for (name, node) in [("initiator", &pair.initiator), ("responder", &pair.responder)] {
            let transcript = node.transcript().unwrap().clone();
            let effects = effects(&transcript);
            assert_eq!((effects.ike_sas, effects.closed), (1, 1), "{title}, {name}");
            made.push((format!("{title}, {name}"), transcript));
        }
    }
    made
}

/// All sessions of IKEv2, with their inputs alone: a replay gives the outputs.
fn sessions() -> Vec<(String, Transcript, Effects)> {
    let is_v2 = |transcript: &Transcript| transcript.lines.iter().any(is_init);
    let all = recordings().into_iter().filter(|(_, transcript)| is_v2(transcript)).chain(made());
    let inputs_of = |(name, mut recorded): (String, Transcript)| {
        let effects = effects(&recorded);
        recorded.lines.retain(|line| matches!(line, Line::In(_)));
        (name, recorded, effects)
    };
    all.map(inputs_of).collect()
}

/// The message of IKEv2 that an input or an output is.
fn message(line: &Line) -> Option<&[u8]> {
    super::message(line, 2).map(|(_, message)| message)
}

/// Whether an input is of the exchange that is in clear.
fn is_init(line: &Line) -> bool {
    let header = message(line).and_then(|message| Header::decode(message).ok());
    header.is_some_and(|header| header.exchange == ExchangeType::IKE_SA_INIT)
}

/// Whether a message asks the initiator for another IKE_SA_INIT request.
fn asks_again(message: &[u8]) -> bool {
    let raw = RawMessage::decode(message).unwrap();
    raw.payloads.iter().filter(|payload| payload.kind == PayloadType::NOTIFY).any(|notify| {
        let kind = u16::from_be_bytes([notify.body[2], notify.body[3]]);
        let kind = NotifyType(kind);
        // With SPIr there is COOKIE in a request only.
        raw.header.flags.is_response()
            && (kind == NotifyType::COOKIE || kind == NotifyType::INVALID_KE_PAYLOAD)
    })
}

/// Why it may be that a change of the input at `line` is not noticed. `replayed` is the session as it is.
fn exemption(replayed: &[Vec<Line>], line: usize) -> Option<Unnoticed> {
    let [input, outputs @ ..] = replayed[line].as_slice() else { panic!("no input") };
    if message(input).is_some_and(asks_again) {
        return Some(Unnoticed::FirstAnswer);
    }
    outputs.iter().filter_map(message).any(asks_again).then_some(Unnoticed::FirstRequest)
}

/// The lines of a replay, each input with what came of it.
fn by_inputs(lines: Vec<Line>) -> Vec<Vec<Line>> {
    let mut inputs: Vec<Vec<Line>> = Vec::new();
    for line in lines {
        match inputs.last_mut() {
            Some(outputs) if !matches!(line, Line::In(_)) => outputs.push(line),
            _ => inputs.push(vec![line]),
        }
    }
    inputs
}

/// Whether an input was refused: it or what came after it led to nothing, and that is told.
fn is_refused(lines: &[Line]) -> bool {
    lines.iter().any(|line| {
        let Line::Out(out) = line else { return false };
        let OutputLine::Event(event) = &**out else { return false };
        matches!(
            event,
            Event::PacketDropped { .. }
                | Event::TrafficDropped { .. }
                | Event::ProposalRefused { .. }
                | Event::GroupRefused { .. }
                | Event::IdentityRefused { .. }
                | Event::AuthenticationFailed { .. }
        )
    })
}

/// Each octet of IKE_SA_INIT, changed: nothing panics, and AUTH, which covers it (RFC 7296 §2.15), lets
/// nothing come up, if a message that does not fit any more has not been refused before.
#[test]
fn no_changed_octet_of_ike_sa_init_is_accepted() {
    let (mut used, mut by_auth) = (BTreeMap::new(), 0);
    for (name, session, _) in sessions() {
        let datagrams = datagrams(&session);
        let replayed = by_inputs(replay(&session, providers()[0].clone()).now.lines);
        for (number, (line, len)) in datagrams.iter().copied().enumerate() {
            if !is_init(&session.lines[line]) {
                continue;
            }
            let exemption = exemption(&replayed, line);
            // Either provider with a bit of its own: half the time, and no octet is left out.
            for (provider, mask) in providers().into_iter().zip([0x01, 0x80]) {
                for octet in 0..len {
                    let mut changed = session.clone();
                    changed.lines[line] = flipped(&session.lines[line], octet, mask);
                    let now = replay(&changed, Arc::clone(&provider)).now;
                    let after = effects(&now);
                    let is_up = (after.ike_sas, after.child_sas) != (0, 0);
                    let place = format!("{name}, datagram {number}, octet {octet} ^ {mask:#04x}");
                    match exemption {
                        Some(why) if is_up => *used.entry(why).or_insert(0) += 1,
                        _ => assert!(!is_up, "{place}: {after:?}"),
                    }
                    // Where nothing follows there is no AUTH.
                    let Some((next, _)) = datagrams.get(number + 1) else { continue };
                    let now = by_inputs(now.lines);
                    let refused = |line: usize| is_refused(&now[line]);
                    assert!(is_up || refused(line) || refused(*next), "{place}: not refused");
                    by_auth += usize::from(!refused(line));
                }
            }
        }
    }
    println!("noticed by IKE_AUTH alone: {by_auth}; changed and not noticed: {used:?}");
    assert!(by_auth > 0, "nothing was left for AUTH to notice");
    // An exemption that excuses nothing has no place in the table.
    for why in Unnoticed::ALL {
        assert!(used.contains_key(&why), "{why:?} is never needed: {}", why.reason());
    }
}

/// Each bit of each octet under an ICV, changed, one datagram after the other into the same session: each
/// is refused and leads to nothing, and the session then goes on with the real datagram as it was recorded.
#[test]
fn no_changed_octet_under_an_icv_is_accepted_or_does_harm() {
    let mut refused = 0;
    for (name, session, whole) in sessions() {
        for (number, (line, len)) in datagrams(&session).into_iter().enumerate() {
            if is_init(&session.lines[line]) {
                continue;
            }
            let bits = (0..len).flat_map(|octet| (0..8).map(move |bit| (octet, 1 << bit)));
            let original = &session.lines[line];
            let changed = bits.clone().map(|(octet, mask)| flipped(original, octet, mask));
            let mut disturbed = session.clone();
            disturbed.lines.splice(line..line, changed);
            for provider in providers() {
                let now = replay(&disturbed, provider).now;
                let place = format!("{name}, datagram {number}");
                assert_eq!(effects(&now), whole, "{place}: the session does not go on");
                let inputs = by_inputs(now.lines);
                for ((octet, mask), lines) in bits.clone().zip(&inputs[line..]) {
                    let place = format!("{place}, octet {octet} ^ {mask:#04x}");
                    assert!(is_refused(lines), "{place}: {:#?}", &lines[1..]);
                    let head = session.head.clone();
                    let effects = effects(&Transcript { head, lines: lines.clone() });
                    assert_eq!(effects, Effects::default(), "{place}");
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 0);
}
