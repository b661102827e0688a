//! Phase 1 in its variants, between two edges.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::crypto::dh::PublicValue;
use crate::crypto::{
    Aead, Cbc, CryptoError, Encr, Group, Hash, KeyPair, Mac, Provider, RustCrypto,
};
use crate::wire::PayloadType;
use crate::wire::v1::is_encrypted;

fn lifetimes(reading: LongerLifetime, ike: u64, child: u64) -> Pair {
    let mut responder = responder();
    responder.profile.timers.ike_life = ike;
    responder.profile.timers.child_life = child;
    responder.profile.readings.r20 = reading;
    Pair::new(endpoint_config(), responder)
}

fn no_proposal(events: &[Event]) -> bool {
    events.iter().any(|event| match event {
        Event::PeerRefused { notify, .. } => *notify == NotifyKind::NO_PROPOSAL_CHOSEN.into(),
        Event::ChildRefused { notify, .. } => {
            *notify == Some(NotifyKind::NO_PROPOSAL_CHOSEN.into())
        }
        _ => false,
    })
}

#[rstest]
fn a_longer_lifetime_of_either_phase_is_refused_in_one_reading(
    #[values(Ikev1Mode::Main, Ikev1Mode::Aggressive)] mode: Ikev1Mode,
) {
    // R20
    let long = 1_000_000;
    for (ike, child, up) in
        [(600, long, (false, false)), (long, 400, (true, false)), (long, long, (true, true))]
    {
        let mut pair = lifetimes(LongerLifetime::Refuse, ike, child);
        connect(&mut pair, offer(mode, IKE, ESP));
        assert_eq!(both(&pair), [up; 2], "{ike} {child}");
        assert_eq!(no_proposal(&pair.initiator.events), up != (true, true));
    }
}

#[rstest]
#[case(LongerLifetime::ResponderLifetime, true)]
#[case(LongerLifetime::Shorten, false)]
fn a_longer_lifetime_is_told_or_cut_without_a_word(
    #[case] reading: LongerLifetime,
    #[case] told: bool,
) {
    for mode in [Ikev1Mode::Main, Ikev1Mode::Aggressive] {
        let mut pair = lifetimes(reading, 600, 28_800);
        connect(&mut pair, offer(mode, IKE, ESP));
        assert_eq!(both(&pair), [(true, true); 2]);
        // Who was told ends the SA by itself, even if it hears nothing more.
        pair.advance_in_silence(Duration::from_secs(601));
        assert_eq!(sas(&pair), [usize::from(!told), 0], "{mode}");
        let mut pair = lifetimes(reading, 28_800, 400);
        connect(&mut pair, offer(mode, IKE, ESP));
        // The asker asks again after 90 % of the time that it knows of, here 360 s.
        pair.advance_in_silence(Duration::from_secs(370));
        let sent = pair.sent.iter().filter(|(side, flight)| match flight {
            Flight::Udp(_, bytes) => {
                *side == Side::Initiator && bytes[18] == ExchangeType::QUICK_MODE.0
            }
            Flight::Raw(..) => false,
        });
        assert_eq!(sent.count() > 2, told, "{mode}");
    }
}

#[rstest]
#[case::main(Ikev1Mode::Main, 1)]
#[case::aggressive(Ikev1Mode::Aggressive, 0)]
fn initial_contact_is_told(#[case] mode: Ikev1Mode, #[case] expected: usize) {
    // rfc2407-4.6.3-initial-contact-not-aggressive
    let pair = connected(mode);
    let contact = |event: &&Event| matches!(event, Event::InitialContact { .. });
    assert_eq!(pair.responder.events.iter().filter(contact).count(), expected);
}

#[test]
fn only_the_first_contact_is_told_to_be_one() {
    let mut pair = connected(Ikev1Mode::Main);
    connect(&mut pair, offer(Ikev1Mode::Main, IKE, ESP));
    let up = |event: &&Event| matches!(event, Event::IkeEstablished(_));
    assert_eq!(pair.responder.events.iter().filter(up).count(), 2);
    let contact = |event: &&Event| matches!(event, Event::InitialContact { .. });
    assert_eq!(pair.responder.events.iter().filter(contact).count(), 1);
}

#[test]
fn a_peer_that_comes_back_has_its_older_sas_no_more() {
    // rfc2407-4.6.3.3-initial-contact-honoured
    let mut pair = connected(Ikev1Mode::Main);
    pair.command(Side::Initiator, Command::Forget { ike: IkeHandle(1) });
    assert_eq!(sas(&pair), [0, 1]);
    connect(&mut pair, offer(Ikev1Mode::Main, IKE, ESP));
    assert_eq!(sas(&pair), [1, 1]);
    assert_eq!(closed(&pair.responder.events), Some(CloseReason::InitialContact));
    assert_eq!(pair.responder.edge.data_plane().inbound_sas(), 1);
}

#[rstest]
fn unknown_vendor_ids_change_nothing(
    #[values(Ikev1Mode::Main, Ikev1Mode::Aggressive)] mode: Ikev1Mode,
) {
    // rfc2408-3.16-vendor-id-unknown-ok
    let exchange = match mode {
        Ikev1Mode::Main => ExchangeType::IDENTITY_PROTECTION,
        Ikev1Mode::Aggressive => ExchangeType::AGGRESSIVE,
    };
    let odd = |body: Vec<u8>, response| Fault {
        exchange,
        response,
        nth: Some(0),
        copies: None,
        change: Change::AddPayload { payload: PayloadType(13), critical: false, body },
    };
    let (mut initiator, mut responder) = (endpoint_config(), responder());
    initiator.faults = vec![odd(vec![0xa5; 20], false), odd(vec![1], false)];
    responder.faults = vec![odd(vec![0x5a; 33], true)];
    let mut pair = Pair::new(initiator, responder);
    connect(&mut pair, offer(mode, IKE, ESP));
    assert_eq!(both(&pair), [(true, true); 2], "{:#?}", pair.responder.events);
    let applied = |event: &&Event| matches!(event, Event::FaultApplied { .. });
    assert_eq!(pair.initiator.events.iter().filter(applied).count(), 2);
}

#[rstest]
fn the_third_message_of_aggressive_mode_is_sent_and_taken_either_way(
    #[values(false, true)] clear: bool,
    #[values(false, true)] nat: bool,
) {
    // X17, rfc2409-5-aggressive-final-protection
    let mut pair = pair();
    let mode = Ikev1Mode::Aggressive;
    let mut offer = offer(mode, IKE, ESP);
    offer.force_encapsulation = nat;
    offer.ikev1 =
        Some(Ikev1Options { mode, clear_third_message: clear, ..Ikev1Options::default() });
    connect(&mut pair, offer);
    assert_eq!(both(&pair), [(true, true); 2], "{:#?}", pair.responder.events);
    let Flight::Udp(_, bytes) = &pair.sent[2].1 else { panic!("no datagram") };
    let header = RawMessage::decode(&bytes[if nat { 4 } else { 0 }..]).unwrap().header;
    assert_eq!(header.exchange, ExchangeType::AGGRESSIVE);
    assert_eq!(is_encrypted(&header), !clear);
    assert_eq!(traffic(&mut pair), 2);
}

/// A provider that makes so many key pairs and so many ciphers, and then fails.
#[derive(Debug)]
struct Failing {
    pairs: AtomicUsize,
    ciphers: AtomicUsize,
}

fn is_left(count: &AtomicUsize) -> bool {
    count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
}

impl Provider for Failing {
    fn name(&self) -> &'static str {
        "failing"
    }

    fn hmac(&self, hash: Hash, key: &[u8]) -> Arc<dyn Mac> {
        RustCrypto.hmac(hash, key)
    }

    fn cbc(&self, encr: Encr, key: &[u8]) -> Result<Arc<dyn Cbc>, CryptoError> {
        if !is_left(&self.ciphers) {
            return Err(CryptoError::Unsupported(encr));
        }
        RustCrypto.cbc(encr, key)
    }

    fn aead(&self, encr: Encr, key: &[u8]) -> Result<Arc<dyn Aead>, CryptoError> {
        RustCrypto.aead(encr, key)
    }

    fn dh_keypair(&self, group: Group, random: &[u8]) -> Result<KeyPair, CryptoError> {
        if !is_left(&self.pairs) {
            return Err(CryptoError::PublicOutOfRange(group));
        }
        RustCrypto.dh_keypair(group, random)
    }
}

#[rstest]
fn what_a_responder_fails_at_is_told(
    #[values(Ikev1Mode::Main, Ikev1Mode::Aggressive)] mode: Ikev1Mode,
    #[values((1, 0), (2, 0))] (pairs, ciphers): (usize, usize),
) {
    // The first key pair is the initiator's.
    let provider = Failing { pairs: pairs.into(), ciphers: ciphers.into() };
    let mut pair = Pair::with_provider(endpoint_config(), responder(), Arc::new(provider));
    connect(&mut pair, offer(mode, IKE, ESP));
    let error = pair.responder.find(|event| match event {
        Event::PacketDropped { reason: DropReason::Unable { error }, .. } => Some(error.clone()),
        _ => None,
    });
    let expected = ["modp1024 cannot be computed", "aes128 is not available here"][pairs - 1];
    assert_eq!(error.as_deref(), Some(expected), "{:#?}", pair.responder.events);
}

#[rstest]
#[case::no_payload(Change::DropPayload { payload: PayloadType(9) }, None)]
#[case::no_vector(Change::RepeatIv, None)]
#[case::no_key_pair(Change::ReplacePublicValue { value: PublicValue::Zero }, None)]
#[case::no_copy(Change::Withhold, Some(0))]
fn a_fault_that_changes_nothing_is_not_told(#[case] change: Change, #[case] copies: Option<u32>) {
    let exchange = ExchangeType::IDENTITY_PROTECTION;
    let mut initiator = endpoint_config();
    initiator.faults = vec![Fault { exchange, response: false, nth: None, copies, change }];
    let mut pair = Pair::new(initiator, responder());
    connect(&mut pair, offer(Ikev1Mode::Main, IKE, ESP));
    assert_eq!(both(&pair), [(true, true); 2], "{:#?}", pair.responder.events);
    let applied = |event: &&Event| matches!(event, Event::FaultApplied { .. });
    assert_eq!(pair.initiator.events.iter().filter(applied).count(), 0);
}
