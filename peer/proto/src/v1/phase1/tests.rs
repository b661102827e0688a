//! Phase 1 with RSA signatures, end to end between two edges under a virtual clock.

use core::time::Duration;
use std::sync::{Arc, OnceLock};

use rstest::rstest;

use crate::config::{Connection, EndpointConfig, Ikev1Options, PskAsWell};
use crate::crypto::rsa::BLINDING_LEN;
use crate::crypto::tests::providers;
use crate::crypto::{
    Aead, Cbc, CryptoError, Encr, Group, Hash, KeyPair, Mac, Provider, RsaForm, RsaPrivateKey,
    RustCrypto,
};
use crate::event::{CloseReason, DropReason, Event, Notification};
use crate::fault::{Change, Fault};
use crate::io::Command;
use crate::pki::laboratory::{Issued, Order};
use crate::pki::{CertificateSetup, Certificates, Der, SendCertificate};
use crate::policy::{ChildOffer, Ikev1Mode, MainWithSignatures, RefusalStyle};
use crate::testing::{Flight, Pair, Side, connection, endpoint_config};
use crate::wire::ExchangeType;
use crate::wire::v1::num::Phase1Auth;
use crate::wire::v1::{FLAG_ENCRYPTION, NotifyKind, PayloadKind};
use crate::wire::v2::Id;

/// The first of January 2026.
const NOW: u64 = 1_767_225_600;
const BRANCH: &str = "branch.example.com";
const EDGE: [u8; 4] = [192, 0, 2, 2];

/// Keys take time, so there are few.
struct Laboratory {
    root: Issued,
    stranger: Issued,
    middle: Issued,
    branch: Issued,
    edge: Issued,
}

fn laboratory() -> &'static Laboratory {
    static MADE: OnceLock<Laboratory> = OnceLock::new();
    MADE.get_or_init(|| {
        let authority =
            |subject: &str, seed| Order { bits: 1024, ..Order::authority(subject, [seed; 32]) };
        let root = Issued::root(&authority("CN=Root,O=Laboratory", 1)).unwrap();
        let stranger = Issued::root(&authority("CN=Stranger", 2)).unwrap();
        let middle = root.issue(&authority("CN=Middle", 3)).unwrap();
        let branch = root.issue(&branch()).unwrap();
        let mut order = Order { bits: 1024, ..Order::end("CN=Edge", [5; 32]) };
        order.names = vec![Id::ip(EDGE.into()), Id::fqdn("edge.example.com")];
        let edge = root.issue(&order).unwrap();
        Laboratory { root, stranger, middle, branch, edge }
    })
}

fn branch() -> Order {
    let mut order = Order { bits: 1024, ..Order::end("CN=Branch,O=Laboratory", [4; 32]) };
    order.names = vec![Id::fqdn(BRANCH), Id::rfc822("office@example.com")];
    order
}

fn setup(issued: &Issued) -> CertificateSetup {
    issued.setup(&laboratory().root, NOW).unwrap()
}

/// What an initiator is set up with, and how it is changed.
fn offer_with(
    mode: Ikev1Mode,
    issued: &Issued,
    change: impl FnOnce(&mut CertificateSetup),
) -> Connection {
    let mut offer = connection("aes128-sha1-modp1024", "aes128gcm16");
    let child: ChildOffer = "aes128gcm16".parse().unwrap();
    offer.child = vec![child.proposal(1, &[0; 4], false)];
    offer.id = Id::fqdn(BRANCH);
    let mut setup = setup(issued);
    change(&mut setup);
    let certificates = Some(Certificates::new(setup).unwrap());
    offer.ikev1 = Some(Ikev1Options { mode, certificates, ..Ikev1Options::default() });
    offer
}

fn offer(mode: Ikev1Mode) -> Connection {
    offer_with(mode, &laboratory().branch, |_| ())
}

fn responder_with(issued: &Issued, change: impl FnOnce(&mut CertificateSetup)) -> EndpointConfig {
    let mut config = endpoint_config();
    let mut setup = setup(issued);
    change(&mut setup);
    config.certificates = Some(Certificates::new(setup).unwrap());
    config
}

fn responder() -> EndpointConfig {
    responder_with(&laboratory().edge, |_| ())
}

fn run(responder: EndpointConfig, offer: Connection) -> Pair {
    let mut pair = Pair::new(endpoint_config(), responder);
    connect(&mut pair, offer);
    pair
}

fn connect(pair: &mut Pair, offer: Connection) {
    pair.command(Side::Initiator, Command::Initiate(Box::new(offer)));
}

/// How each end says that both have authenticated.
fn authenticated(pair: &Pair) -> [Option<Phase1Auth>; 2] {
    [&pair.initiator, &pair.responder].map(|node| {
        node.find(|event| match event {
            Event::IkeEstablished(ike) => ike.ikev1.map(|ikev1| ikev1.auth),
            _ => None,
        })
    })
}

const BOTH: [Option<Phase1Auth>; 2] = [Some(Phase1Auth::RSA_SIGNATURES); 2];

/// By which rule an end has refused the other, and what it has told it.
fn refused(pair: &Pair, by: Side) -> Option<(String, Option<Notification>)> {
    let node = if by == Side::Initiator { &pair.initiator } else { &pair.responder };
    node.find(|event| match event {
        Event::IdentityRefused { rule, answer, .. } => Some((rule.clone(), *answer)),
        _ => None,
    })
}

fn told(pair: &Pair) -> Option<Notification> {
    pair.initiator.find(|event| match event {
        Event::PeerRefused { notify, .. } => Some(*notify),
        _ => None,
    })
}

fn violated(pair: &Pair, rule: &str) -> bool {
    pair.responder.events.iter().any(
        |event| matches!(event, Event::PeerViolation { requirement, .. } if requirement == rule),
    )
}

#[track_caller]
fn assert_refused(pair: &Pair, rule: &str, notify: NotifyKind) {
    assert_eq!(authenticated(pair)[1], None, "{:#?}", pair.responder.events);
    let expected = (rule.to_owned(), Some(Notification::from(notify)));
    assert_eq!(refused(pair, Side::Responder), Some(expected), "{:#?}", pair.responder.events);
}

#[rstest]
fn both_ends_prove_who_they_are(
    #[values(Ikev1Mode::Main, Ikev1Mode::Aggressive)] mode: Ikev1Mode,
    #[values(0, 1, 2)] identity: usize,
) {
    // --> SA  <-- SA  --> KE, CERTREQ  <-- KE, CERTREQ  --> { ID, CERT, SIG }  <-- { ID, CERT, SIG }
    let mut offer = offer(mode);
    let subject = offer.ikev1.as_ref().unwrap().certificates.as_ref().unwrap().own().subject_id();
    offer.id = [Id::fqdn(BRANCH), Id::rfc822("office@example.com"), subject][identity].clone();
    offer.expect_id = Some(Id::ip(EDGE.into()));
    let id = offer.id.clone();
    let pair = run(responder(), offer);
    assert_eq!(authenticated(&pair), BOTH, "{:#?}", pair.responder.events);
    // A request for a certificate adds no message (rfc2409-5-certreq-no-extra-messages).
    assert_eq!(pair.sent.len(), if mode == Ikev1Mode::Main { 9 } else { 6 });
    let remote = pair.responder.find(|event| match event {
        Event::IkeEstablished(ike) => Some(ike.remote_id.clone()),
        _ => None,
    });
    assert_eq!(remote, Some(id));
    let children = |event: &&Event| matches!(event, Event::ChildEstablished(_));
    assert_eq!(pair.responder.events.iter().filter(children).count(), 1);
}

#[rstest]
fn every_provider_makes_the_same_octets(
    #[values(Ikev1Mode::Main, Ikev1Mode::Aggressive)] mode: Ikev1Mode,
) {
    let sent = providers().into_iter().map(|provider| {
        let mut pair = Pair::with_provider(endpoint_config(), responder(), provider);
        connect(&mut pair, offer(mode));
        assert_eq!(authenticated(&pair), BOTH);
        pair.sent
    });
    let sent: Vec<Vec<(Side, Flight)>> = sent.collect();
    assert!(sent.iter().all(|one| *one == sent[0]));
    // A recording has the configuration at its head.
    let text = serde_json::to_string(&responder()).unwrap();
    let read: EndpointConfig = serde_json::from_str(&text).unwrap();
    assert_eq!(run(read, offer(mode)).sent, sent[0]);
}

#[rstest]
fn a_wrong_signature_proves_nothing_and_a_true_one_is_still_welcome(
    #[values(Ikev1Mode::Main, Ikev1Mode::Aggressive)] mode: Ikev1Mode,
    #[values(true, false)] of_initiator: bool,
) {
    let (exchange, nth) = match mode {
        Ikev1Mode::Main => (ExchangeType::IDENTITY_PROTECTION, 2),
        Ikev1Mode::Aggressive => (ExchangeType::AGGRESSIVE, u32::from(of_initiator)),
    };
    let change = Change::FlipBits { payload: PayloadKind::SIG.raw(), at: 7, mask: 1 };
    let fault =
        Fault { exchange, response: !of_initiator, nth: Some(nth), copies: Some(1), change };
    let (mut initiator, mut responder) = (endpoint_config(), responder());
    if of_initiator { &mut initiator } else { &mut responder }.faults = vec![fault];
    let mut pair = Pair::new(initiator, responder);
    connect(&mut pair, offer(mode));
    let by = usize::from(of_initiator);
    // A quick mode that comes too early brings about the third message again.
    let at_once = mode == Ikev1Mode::Aggressive && of_initiator;
    assert_eq!(authenticated(&pair)[by].is_some(), at_once);
    let node = if of_initiator { &pair.responder } else { &pair.initiator };
    let failed = |event: &Event| matches!(event, Event::AuthenticationFailed { .. });
    assert!(node.events.iter().any(failed), "{:#?}", node.events);
    pair.advance(Duration::from_secs(3));
    // In aggressive mode the initiator takes no second answer.
    let second = mode == Ikev1Mode::Main || of_initiator;
    assert_eq!(authenticated(&pair)[by].is_some(), second, "{:#?}", pair.responder.events);
}

#[rstest]
fn a_certificate_of_a_stranger_is_refused(
    #[values(Ikev1Mode::Main, Ikev1Mode::Aggressive)] mode: Ikev1Mode,
) {
    let made = laboratory();
    let stranger = made.stranger.issue_again(&branch(), &made.branch).unwrap();
    let mut pair = run(responder(), offer_with(mode, &stranger, |_| ()));
    assert_refused(&pair, "rfc5280-6.1-trust-anchor", NotifyKind::INVALID_CERT_AUTHORITY);
    if mode == Ikev1Mode::Main {
        assert_eq!(told(&pair), Some(NotifyKind::INVALID_CERT_AUTHORITY.into()));
    }
    // No signature covers the certificate, so a true one may follow for a while.
    pair.advance(Duration::from_secs(60));
    assert_eq!(authenticated(&pair)[1], None);
    assert_eq!(pair.responder.edge.endpoint().ike_sas(), 0);
    // The other way round it is the initiator that refuses.
    let trusts = |setup: &mut CertificateSetup| {
        setup.anchors = vec![Der(made.stranger.certificate().to_vec())];
    };
    let mut pair = run(responder(), offer_with(mode, &made.branch, trusts));
    pair.advance(Duration::from_secs(200));
    assert_eq!(authenticated(&pair)[0], None);
    assert_eq!(refused(&pair, Side::Initiator).unwrap().0, "rfc5280-6.1-trust-anchor");
    let closed = pair.initiator.find(|event| match event {
        Event::IkeClosed { reason, .. } => Some(*reason),
        _ => None,
    });
    assert_eq!(closed, Some(CloseReason::AuthenticationFailed));
}

#[rstest]
#[case::silent(|edge: &mut EndpointConfig| edge.profile.refusal = RefusalStyle::Silent, DropReason::Silent)]
#[case::limited(
    |edge: &mut EndpointConfig| edge.limits.error_replies_per_second = 0,
    DropReason::ErrorRateLimit
)]
fn a_refusal_that_is_not_sent_is_not_told_as_sent(
    #[values(Ikev1Mode::Main, Ikev1Mode::Aggressive)] mode: Ikev1Mode,
    #[case] quiet: fn(&mut EndpointConfig),
    #[case] reason: DropReason,
) {
    let made = laboratory();
    let stranger = made.stranger.issue_again(&branch(), &made.branch).unwrap();
    let mut edge = responder();
    quiet(&mut edge);
    let pair = run(edge, offer_with(mode, &stranger, |_| ()));
    let rule = "rfc5280-6.1-trust-anchor".to_owned();
    assert_eq!(refused(&pair, Side::Responder), Some((rule, None)), "{:#?}", pair.responder.events);
    assert_eq!(told(&pair), None);
    let dropped =
        |event: &Event| matches!(event, Event::PacketDropped { reason: it, .. } if *it == reason);
    assert!(pair.responder.events.iter().any(dropped), "{:#?}", pair.responder.events);
}

#[rstest]
fn authorities_between_are_sent_along(
    #[values(Ikev1Mode::Main, Ikev1Mode::Aggressive)] mode: Ikev1Mode,
) {
    let made = laboratory();
    let branch = made.middle.issue_again(&branch(), &made.branch).unwrap();
    let pair = run(responder(), offer_with(mode, &branch, |_| ()));
    assert_refused(&pair, "rfc5280-6.1-trust-anchor", NotifyKind::INVALID_CERT_AUTHORITY);
    let whole = |setup: &mut CertificateSetup| {
        setup.chain.push(Der(made.middle.certificate().to_vec()));
    };
    let pair = run(responder(), offer_with(mode, &branch, whole));
    assert_eq!(authenticated(&pair), BOTH, "{:#?}", pair.responder.events);
}

#[rstest]
fn a_certificate_expires_while_the_endpoint_runs(
    #[values(Ikev1Mode::Main, Ikev1Mode::Aggressive)] mode: Ikev1Mode,
) {
    let made = laboratory();
    let order = Order { not_after: NOW + 60, ..branch() };
    let short = made.root.issue_again(&order, &made.branch).unwrap();
    for (wait, valid) in [(60, true), (61, false)] {
        let mut pair = Pair::new(endpoint_config(), responder());
        pair.advance(Duration::from_secs(wait));
        connect(&mut pair, offer_with(mode, &short, |_| ()));
        if valid {
            assert_eq!(authenticated(&pair), BOTH, "{:#?}", pair.responder.events);
        } else {
            assert_refused(&pair, "rfc5280-6.1.3-validity", NotifyKind::INVALID_CERTIFICATE);
        }
    }
}

#[rstest]
fn an_identity_that_the_certificate_does_not_name_is_refused(
    #[values(Ikev1Mode::Main, Ikev1Mode::Aggressive)] mode: Ikev1Mode,
) {
    let mut other = offer(mode);
    other.id = Id::fqdn("other.example.com");
    let pair = run(responder(), other);
    let answer = NotifyKind::INVALID_ID_INFORMATION;
    assert_refused(&pair, "rfc4945-3.1-id-in-certificate", answer);
    // There are keys by then: the initiator gets to know it, and nobody else.
    let flags = pair.sent.iter().filter_map(|(side, flight)| match flight {
        Flight::Udp(_, bytes)
            if *side == Side::Responder && bytes[18] == ExchangeType::INFORMATIONAL_V1.0 =>
        {
            Some(bytes[19])
        }
        _ => None,
    });
    let flags: Vec<u8> = flags.collect();
    assert!(
        !flags.is_empty() && flags.iter().all(|flags| flags & FLAG_ENCRYPTION.0 != 0),
        "{flags:?}"
    );
    let told = pair.initiator.find(|event| match event {
        Event::PeerRefused { notify, .. } | Event::ChildRefused { notify: Some(notify), .. } => {
            Some(*notify)
        }
        _ => None,
    });
    assert_eq!(told, Some(answer.into()), "{:#?}", pair.initiator.events);
    let mut edge = responder();
    edge.identity = Some(Id::fqdn("other.example.com"));
    let pair = run(edge, offer(mode));
    assert_eq!(refused(&pair, Side::Initiator).unwrap().0, "rfc4945-3.1-id-in-certificate");
    let mut expects = offer(mode);
    expects.expect_id = Some(Id::fqdn("edge.example.com"));
    assert_eq!(authenticated(&run(responder(), expects))[0], None);
}

#[rstest]
#[case(PskAsWell::Behind, true, Some(Phase1Auth::RSA_SIGNATURES))]
#[case(PskAsWell::Before, true, Some(Phase1Auth::PRE_SHARED_KEY))]
#[case(PskAsWell::Behind, false, Some(Phase1Auth::PRE_SHARED_KEY))]
#[case(PskAsWell::No, false, None)]
fn one_of_both_ways_is_chosen(
    #[values(Ikev1Mode::Main, Ikev1Mode::Aggressive)] mode: Ikev1Mode,
    #[case] psk_as_well: PskAsWell,
    #[case] has_certificates: bool,
    #[case] chosen: Option<Phase1Auth>,
) {
    let mut offer = offer(mode);
    offer.ikev1.as_mut().unwrap().psk_as_well = psk_as_well;
    if psk_as_well != PskAsWell::No && mode == Ikev1Mode::Main {
        offer.id = Id::ip([192, 0, 2, 1].into());
    }
    let certificate = Order { names: vec![offer.id.clone()], ..branch() };
    let issued = laboratory().root.issue_again(&certificate, &laboratory().branch).unwrap();
    let certificates = Certificates::new(setup(&issued)).unwrap();
    offer.ikev1.as_mut().unwrap().certificates = Some(certificates);
    let mut responder = responder();
    let mut by_address = responder.credentials[0].clone();
    by_address.id = "ip:192.0.2.1".parse().unwrap();
    responder.credentials.push(by_address);
    responder.certificates = responder.certificates.filter(|_| has_certificates);
    let pair = run(responder, offer);
    assert_eq!(authenticated(&pair), [chosen; 2], "{:#?}", pair.responder.events);
    let names_the_rule = |event: &Event| match event {
        Event::ProposalRefused { refusal, .. } => refusal.names("F28"),
        _ => false,
    };
    let refused = pair.responder.events.iter().any(names_the_rule);
    assert_eq!(refused, chosen.is_none());
}

#[test]
fn main_mode_with_signatures_works_from_any_address() {
    // Reading R16: what main mode needs the address for is the pre-shared key alone.
    for (psk_as_well, has_certificates, works) in [
        (PskAsWell::No, true, true),
        (PskAsWell::Before, true, true),
        (PskAsWell::Before, false, false),
    ] {
        let mut offer = offer(Ikev1Mode::Main);
        offer.local = "198.51.100.7:500".parse().unwrap();
        offer.ikev1.as_mut().unwrap().psk_as_well = psk_as_well;
        let mut responder = responder();
        responder.certificates = responder.certificates.filter(|_| has_certificates);
        let pair = run(responder, offer);
        assert_eq!(authenticated(&pair) == BOTH, works, "{:#?}", pair.responder.events);
        let by_r14 = refused(&pair, Side::Responder).is_some_and(|(r, _)| r.starts_with("R14"));
        assert_eq!(by_r14, !works);
    }
    // The other reading wants known addresses for signatures, too.
    for (local, works) in [("198.51.100.7:500", false), ("192.0.2.1:500", true)] {
        let mut offer = offer(Ikev1Mode::Main);
        offer.local = local.parse().unwrap();
        let mut responder = responder();
        responder.profile.readings.r16 = MainWithSignatures::Always;
        responder.credentials[0].id = "ip:192.0.2.1".parse().unwrap();
        let pair = run(responder, offer);
        assert_eq!(authenticated(&pair) == BOTH, works, "{local}");
        let by_r16 = refused(&pair, Side::Responder).is_some_and(|(r, _)| r.starts_with("R16"));
        assert_eq!(by_r16, !works);
    }
}

#[test]
fn aggressive_mode_with_signatures_takes_an_address() {
    // Reading R15 is about pre-shared keys, too.
    let mut offer = offer(Ikev1Mode::Aggressive);
    offer.id = Id::ip([192, 0, 2, 1].into());
    let order = Order { names: vec![offer.id.clone()], ..branch() };
    let issued = laboratory().root.issue_again(&order, &laboratory().branch).unwrap();
    let certificates = Some(Certificates::new(setup(&issued)).unwrap());
    offer.ikev1.as_mut().unwrap().certificates = certificates;
    assert_eq!(authenticated(&run(responder(), offer)), BOTH);
}

#[rstest]
fn a_certificate_is_sent_when_asked_for_or_always(
    #[values(Ikev1Mode::Main, Ikev1Mode::Aggressive)] mode: Ikev1Mode,
) {
    let made = laboratory();
    let sends = |send| move |setup: &mut CertificateSetup| setup.send = send;
    let asks = |ask_nothing| move |setup: &mut CertificateSetup| setup.ask_nothing = ask_nothing;
    let rule = "rfc2408-3.10-certreq-answered";
    for (ask_nothing, send, works) in [
        (false, SendCertificate::IfAsked, true),
        (false, SendCertificate::Never, false),
        (true, SendCertificate::IfAsked, false),
        (true, SendCertificate::Always, true),
    ] {
        let edge = responder_with(&made.edge, asks(ask_nothing));
        let pair = run(edge, offer_with(mode, &made.branch, sends(send)));
        assert_eq!(authenticated(&pair)[1].is_some(), works, "{ask_nothing} {send:?}");
        if !works {
            assert_refused(&pair, rule, NotifyKind::CERTIFICATE_UNAVAILABLE);
        }
        assert_eq!(violated(&pair, rule), !works && !ask_nothing, "{ask_nothing} {send:?}");
    }
    // What is trusted by itself need not be sent.
    let knows = |setup: &mut CertificateSetup| {
        setup.anchors = vec![Der(made.branch.certificate().to_vec())];
    };
    let edge = responder_with(&made.edge, knows);
    let pair = run(edge, offer_with(mode, &made.branch, sends(SendCertificate::Never)));
    assert_eq!(authenticated(&pair), BOTH, "{:#?}", pair.responder.events);
}

/// Signs with a DigestInfo, as other protocols do.
#[derive(Debug)]
struct Misencoding;

impl Provider for Misencoding {
    fn name(&self) -> &'static str {
        "misencoding"
    }

    fn hmac(&self, hash: Hash, key: &[u8]) -> Arc<dyn Mac> {
        RustCrypto.hmac(hash, key)
    }

    fn cbc(&self, encr: Encr, key: &[u8]) -> Result<Arc<dyn Cbc>, CryptoError> {
        RustCrypto.cbc(encr, key)
    }

    fn aead(&self, encr: Encr, key: &[u8]) -> Result<Arc<dyn Aead>, CryptoError> {
        RustCrypto.aead(encr, key)
    }

    fn dh_keypair(&self, group: Group, random: &[u8]) -> Result<KeyPair, CryptoError> {
        RustCrypto.dh_keypair(group, random)
    }

    fn rsa_sign(
        &self,
        key: &RsaPrivateKey,
        _form: RsaForm,
        hash: &[u8],
        blinding: &[u8; BLINDING_LEN],
    ) -> Result<Vec<u8>, CryptoError> {
        RustCrypto.rsa_sign(key, RsaForm::DigestInfo(Hash::Sha1), hash, blinding)
    }
}

#[test]
fn a_signature_over_a_digest_info_is_told_apart() {
    let provider = Arc::new(Misencoding);
    let mut pair = Pair::with_provider(endpoint_config(), responder(), provider);
    connect(&mut pair, offer(Ikev1Mode::Main));
    let rule = "rfc2409-5.1-rsa-signature-encoding";
    assert_refused(&pair, rule, NotifyKind::INVALID_SIGNATURE);
    assert!(violated(&pair, rule));
}

#[rstest]
fn strangers_octets_never_panic(#[values(Ikev1Mode::Main, Ikev1Mode::Aggressive)] mode: Ikev1Mode) {
    let honest = run(responder(), offer(mode)).sent;
    // Each message of phase 1 is cut in many ways first, and then comes as it is.
    let mut pair = Pair::new(endpoint_config(), responder());
    let start = Box::new(offer(mode));
    pair.handle(Side::Initiator, crate::edge::EdgeInput::Command(Command::Initiate(start)));
    let messages = if mode == Ikev1Mode::Main { 6 } else { 3 };
    for expected in honest.iter().take(messages) {
        let flights = pair.intercept();
        let Some((side, Flight::Udp(path, bytes))) = flights.first().cloned() else { break };
        assert_eq!((side, Flight::Udp(path, bytes.clone())), *expected);
        for length in (0..bytes.len()).step_by(7) {
            pair.arrive(side, &Flight::Udp(path, bytes[..length].to_vec()));
            pair.intercept();
        }
        assert!(authenticated(&pair).iter().filter(|end| end.is_some()).count() <= 1);
        pair.arrive(side, &Flight::Udp(path, bytes));
    }
    pair.deliver();
    assert_eq!(authenticated(&pair), BOTH, "{:#?}", pair.responder.events);
}
