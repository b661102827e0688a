use super::*;
use crate::wire::num::{EncrId, GroupId};
use crate::wire::v2::Cp;
use crate::wire::v2::{
    Auth, Delete, Eap, Id, Ke, Nonce, Notify, Proposal, Sa, Sk, Skf, TrafficSelector, Transform, Ts,
};
use crate::wire::{AuthMethod, CfgType};

const INIT: ExchangeType = ExchangeType::IKE_SA_INIT;
const AUTH: ExchangeType = ExchangeType::IKE_AUTH;
const CHILD: ExchangeType = ExchangeType::CREATE_CHILD_SA;
const INFO: ExchangeType = ExchangeType::INFORMATIONAL;

fn sa(protocol: ProtocolId) -> Payload {
    let transforms = vec![Transform::encr(EncrId::AES_CBC, Some(128))];
    Payload::Sa(Sa { proposals: vec![Proposal::new(1, protocol, Vec::new(), transforms)] })
}

fn ike() -> Payload {
    sa(ProtocolId::IKE)
}

fn esp() -> Payload {
    sa(ProtocolId::ESP)
}

fn ke() -> Payload {
    Payload::Ke(Ke { group: GroupId::CURVE25519, data: vec![1; 32] })
}

fn nonce() -> Payload {
    Payload::Nonce(Nonce(vec![1; 32]))
}

fn n(kind: NotifyType) -> Payload {
    Payload::Notify(Notify::new(kind, Vec::new()))
}

fn auth() -> Payload {
    Payload::Auth(Auth { method: AuthMethod::SHARED_KEY, data: vec![1; 20] })
}

fn id_i() -> Payload {
    Payload::IdI(Id::fqdn("a"))
}

fn id_r() -> Payload {
    Payload::IdR(Id::fqdn("b"))
}

fn ts_i() -> Payload {
    Payload::TsI(Ts::new(vec![TrafficSelector::any_v4()]))
}

fn ts_r() -> Payload {
    Payload::TsR(Ts::new(vec![TrafficSelector::any_v4()]))
}

fn cp() -> Payload {
    Payload::Cp(Cp { kind: CfgType::REQUEST, attributes: Vec::new() })
}

fn eap() -> Payload {
    Payload::Eap(Eap(vec![3, 1, 0, 4]))
}

fn sk() -> Payload {
    Payload::Sk(Sk { first: PayloadType::NONE, body: Vec::new() })
}

fn skf() -> Payload {
    Payload::Skf(Skf { first: PayloadType::NONE, fragment: 1, total: 1, body: Vec::new() })
}

fn in_clear(exchange: ExchangeType, direction: Direction, clear: &[Payload]) -> Vec<Violation> {
    let sender = match direction {
        Direction::Request => Role::Initiator,
        Direction::Response => Role::Responder,
    };
    check(&Content { exchange, direction, sender, clear, protected: None })
}

fn encrypted(exchange: ExchangeType, direction: Direction, inner: &[Payload]) -> Vec<Violation> {
    let sender = match direction {
        Direction::Request => Role::Initiator,
        Direction::Response => Role::Responder,
    };
    check(&Content { exchange, direction, sender, clear: &[sk()], protected: Some(inner) })
}

fn rules(violations: &[Violation]) -> Vec<(&'static str, PayloadType)> {
    violations.iter().map(|violation| (violation.rule, violation.payload)).collect()
}

#[test]
fn the_messages_that_the_rfcs_draw_break_no_rule() {
    use Direction::{Request, Response};
    for (number, violations) in [
        in_clear(INIT, Request, &[ike(), ke(), nonce()]),
        in_clear(INIT, Request, &[n(NotifyType::COOKIE), ike(), ke(), nonce()]),
        in_clear(INIT, Response, &[ike(), ke(), nonce()]),
        in_clear(INIT, Response, &[n(NotifyType::COOKIE)]),
        in_clear(INIT, Response, &[n(NotifyType::INVALID_KE_PAYLOAD)]),
        encrypted(AUTH, Request, &[id_i(), id_r(), auth(), cp(), esp(), ts_i(), ts_r()]),
        encrypted(AUTH, Request, &[id_i(), esp(), ts_i(), ts_r()]),
        encrypted(AUTH, Request, &[id_i(), auth()]),
        encrypted(AUTH, Request, &[eap()]),
        encrypted(AUTH, Request, &[auth()]),
        encrypted(AUTH, Response, &[id_r(), auth(), cp(), esp(), ts_i(), ts_r()]),
        encrypted(AUTH, Response, &[id_r(), auth(), n(NotifyType::TS_UNACCEPTABLE)]),
        encrypted(AUTH, Response, &[id_r(), auth(), eap()]),
        encrypted(AUTH, Response, &[eap()]),
        encrypted(AUTH, Response, &[auth(), esp(), ts_i(), ts_r()]),
        encrypted(AUTH, Response, &[n(NotifyType::AUTHENTICATION_FAILED)]),
        encrypted(CHILD, Request, &[ike(), nonce(), ke()]),
        encrypted(CHILD, Response, &[ike(), nonce(), ke()]),
        encrypted(CHILD, Request, &[esp(), nonce(), ts_i(), ts_r()]),
        encrypted(CHILD, Request, &[n(NotifyType::REKEY_SA), esp(), nonce(), ke(), ts_i(), ts_r()]),
        encrypted(CHILD, Response, &[esp(), nonce(), ke(), ts_i(), ts_r()]),
        encrypted(CHILD, Response, &[n(NotifyType::TEMPORARY_FAILURE)]),
        encrypted(INFO, Request, &[]),
        encrypted(INFO, Request, &[Payload::Delete(Delete::ike())]),
        encrypted(INFO, Response, &[]),
        encrypted(ExchangeType::IKE_INTERMEDIATE, Request, &[ke()]),
        encrypted(ExchangeType::IKE_FOLLOWUP_KE, Response, &[ke()]),
    ]
    .iter()
    .enumerate()
    {
        assert_eq!(violations, &[], "message {number}");
    }
}

#[test]
fn all_violations_are_reported() {
    let violations =
        in_clear(INIT, Direction::Request, &[nonce(), ke(), ke(), ts_i(), n(NotifyType::COOKIE)]);
    assert_eq!(
        rules(&violations),
        [
            ("rfc7296#1.2", PayloadType::SA),
            ("rfc7296#1.2", PayloadType::KE),
            ("rfc7296#1.2", PayloadType::TSI),
            ("rfc7296-2.6-cookie-echo-first", PayloadType::NOTIFY),
            ("rfc7296-2.5-payload-order-sent", PayloadType::KE),
            ("rfc7296-2.5-payload-order-sent", PayloadType::KE),
        ]
    );
    assert_eq!(violations[0].detail, Detail::TooFew { count: 0, min: 1 });
    assert_eq!(violations[1].detail, Detail::TooMany { count: 2, max: 1 });
    assert_eq!(violations[1].to_string(), "KE: there 2 times, at most 1 allowed (rfc7296#1.2)");
}

#[test]
fn what_has_to_be_encrypted_may_not_be_in_clear() {
    let violations = in_clear(INFO, Direction::Request, &[Payload::Delete(Delete::ike())]);
    assert_eq!(
        rules(&violations),
        [
            ("rfc7296-1.4-informational-after-init", PayloadType::DELETE),
            ("rfc7296-1.4-informational-after-init", PayloadType::SK),
        ]
    );
    assert_eq!(violations[0].detail, Detail::NotEncrypted);
}

#[test]
fn notifies_outside_of_an_ike_sa_are_in_clear() {
    use Direction::{Request, Response};
    for exchange in [AUTH, CHILD, INFO, ExchangeType::IKE_INTERMEDIATE] {
        assert_eq!(in_clear(exchange, Response, &[n(NotifyType::INVALID_IKE_SPI)]), []);
        assert_eq!(in_clear(exchange, Response, &[n(NotifyType::INVALID_MAJOR_VERSION)]), []);
        assert_ne!(in_clear(exchange, Response, &[n(NotifyType::AUTHENTICATION_FAILED)]), []);
    }
    assert_eq!(in_clear(INFO, Request, &[n(NotifyType::INVALID_SPI)]), []);
    assert_ne!(in_clear(INFO, Request, &[n(NotifyType::INVALID_IKE_SPI)]), []);
    let more = [n(NotifyType::INVALID_SPI), Payload::Delete(Delete::esp(&[1]))];
    assert_eq!(in_clear(INFO, Request, &more).len(), 3);
}

#[test]
fn ike_sa_init_is_neither_encrypted_nor_fragmented() {
    let inner = [ike(), ke(), nonce()];
    assert_eq!(
        rules(&encrypted(INIT, Direction::Request, &inner)),
        [("rfc7296#1.2", PayloadType::SK)]
    );
    let fragmented = [ike(), ke(), nonce(), skf()];
    assert_eq!(
        rules(&in_clear(INIT, Direction::Request, &fragmented)),
        [("rfc7383-2.4-never-in-init", PayloadType::SKF)]
    );
}

#[test]
fn encrypted_payloads_are_last_alone_and_not_nested() {
    let content = Content {
        exchange: INFO,
        direction: Direction::Request,
        sender: Role::Responder,
        clear: &[sk(), skf()],
        protected: Some(&[sk()]),
    };
    assert_eq!(
        rules(&check(&content)),
        [
            ("rfc7296-3.1-sk-last", PayloadType::SK),
            ("rfc7296-3.1-sk-not-nested", PayloadType::SK),
            ("rfc7383-2.5-not-mixed-with-sk", PayloadType::SKF),
        ]
    );
}

#[test]
fn a_rekey_of_the_ike_sa_needs_a_key_exchange_and_has_no_selectors() {
    let violations = encrypted(CHILD, Direction::Request, &[ike(), nonce(), ts_i(), ts_r()]);
    assert_eq!(
        rules(&violations),
        [
            ("rfc7296-1.3.2-ike-rekey-kei", PayloadType::KE),
            ("rfc7296#1.3", PayloadType::TSI),
            ("rfc7296#1.3", PayloadType::TSR),
        ]
    );
}

#[test]
fn configuration_comes_before_the_sa() {
    let violations =
        encrypted(AUTH, Direction::Request, &[id_i(), auth(), esp(), cp(), ts_i(), ts_r()]);
    assert_eq!(rules(&violations), [("rfc7296-2.19-cp-before-sa", PayloadType::CP)]);
    assert_eq!(violations[0].detail, Detail::NotBefore(PayloadType::SA));
}

#[test]
fn the_original_responder_starts_no_initial_exchange() {
    let content = Content {
        exchange: INIT,
        direction: Direction::Request,
        sender: Role::Responder,
        clear: &[ike(), ke(), nonce()],
        protected: None,
    };
    let violations = check(&content);
    assert_eq!(rules(&violations), [("rfc7296-3.1-i-flag", PayloadType::NONE)]);
}

#[test]
fn unknown_payloads_are_no_violation_unless_critical_in_a_response() {
    let unknown =
        |critical| Payload::Unknown { kind: PayloadType(200), critical, body: Vec::new() };
    assert_eq!(encrypted(INFO, Direction::Request, &[unknown(true)]), []);
    assert_eq!(encrypted(INFO, Direction::Response, &[unknown(false)]), []);
    assert_eq!(
        rules(&encrypted(INFO, Direction::Response, &[unknown(true)])),
        [("rfc7296-2.5-no-critical-in-response", PayloadType(200))]
    );
}

#[test]
fn an_exchange_without_rules_is_reported() {
    let violations = in_clear(ExchangeType(99), Direction::Request, &[]);
    assert_eq!(violations[0].detail, Detail::UnknownExchange(ExchangeType(99)));
}

#[test]
fn the_last_form_of_each_exchange_and_direction_takes_every_message() {
    for form in tables::FORMS {
        let last = tables::FORMS
            .iter()
            .rfind(|other| (other.exchange, other.direction) == (form.exchange, form.direction));
        assert_eq!(last.unwrap().when, When::Always);
    }
}
