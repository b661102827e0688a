//! The forms of the messages of IKEv2 (RFC 7296, sections 1.2 to 1.4, 2.16 and 2.19, and others).
//!
//! Among the forms of one exchange and direction the first that a message looks like counts, so the
//! more special ones stand first. `[x]` below is a payload that may be missing, `x+` one that may
//! be repeated; Notify and Vendor ID may be anywhere.

use super::{Direction, Form, Role, Rule, When};
use crate::wire::num::{ExchangeType, PayloadType as P};

const fn one(payload: P, rule: &'static str) -> Rule {
    Rule { payload, min: 1, max: 1, rule }
}

const fn at_most_one(payload: P, rule: &'static str) -> Rule {
    Rule { payload, min: 0, max: 1, rule }
}

const fn any(payload: P, rule: &'static str) -> Rule {
    Rule { payload, min: 0, max: usize::MAX, rule }
}

const fn some(payload: P, rule: &'static str) -> Rule {
    Rule { payload, min: 1, max: usize::MAX, rule }
}

const INIT: &str = "rfc7296#1.2";
const AUTH: &str = "rfc7296#1.2";
const CHILD: &str = "rfc7296#1.3.1";
const REKEY: &str = "rfc7296#1.3.2";
const INFO: &str = "rfc7296#1.4";
const EAP: &str = "rfc7296#2.16";
const CP: &str = "rfc7296#2.19";
const RESUME: &str = "rfc5723#4.3.2";
const FOLLOWUP: &str = "rfc9370-2.2.4-followup-ke";

const OUTSIDE: &[Rule] = &[some(P::NOTIFY, "rfc7296#1.5")];
const AUTH_ORDER: &[P] =
    &[P::IDI, P::CERT, P::CERTREQ, P::IDR, P::AUTH, P::CP, P::SA, P::TSI, P::TSR];
const AUTH_ANSWER_ORDER: &[P] = &[P::IDR, P::CERT, P::AUTH, P::EAP, P::CP, P::SA, P::TSI, P::TSR];
const CHILD_ORDER: &[P] = &[P::CP, P::SA, P::NONCE, P::KE, P::TSI, P::TSR];
const INIT_ORDER: &[P] = &[P::SA, P::KE, P::NONCE, P::CERTREQ];

/// N(INVALID_SPI), N(INVALID_IKE_SPI) or N(INVALID_MAJOR_VERSION) in clear (RFC 7296, section 1.5).
const fn outside(exchange: ExchangeType, direction: Direction) -> Form {
    Form {
        exchange,
        direction,
        sender: None,
        when: When::OutsideIkeSa,
        encrypted: None,
        rules: OUTSIDE,
        order: &[],
    }
}

/// All forms, the special ones before the general ones.
pub const FORMS: &[Form] = &[
    outside(ExchangeType::IKE_INTERMEDIATE, Direction::Response),
    outside(ExchangeType::IKE_AUTH, Direction::Response),
    outside(ExchangeType::CREATE_CHILD_SA, Direction::Response),
    outside(ExchangeType::INFORMATIONAL, Direction::Request),
    outside(ExchangeType::INFORMATIONAL, Direction::Response),
    outside(ExchangeType::IKE_FOLLOWUP_KE, Direction::Response),
    // IKE_SA_INIT: SAi1, KEi, Ni
    Form {
        exchange: ExchangeType::IKE_SA_INIT,
        direction: Direction::Request,
        sender: Some(Role::Initiator),
        when: When::Always,
        encrypted: None,
        rules: &[one(P::SA, INIT), one(P::KE, INIT), one(P::NONCE, INIT)],
        order: INIT_ORDER,
    },
    // IKE_SA_INIT: N(error, COOKIE or REDIRECT)
    Form {
        exchange: ExchangeType::IKE_SA_INIT,
        direction: Direction::Response,
        sender: Some(Role::Responder),
        when: When::Refused,
        encrypted: None,
        // REDIRECT returns the nonce in its data, not as a payload (RFC 5685, section 3).
        rules: &[some(P::NOTIFY, INIT)],
        order: &[],
    },
    // IKE_SA_INIT: SAr1, KEr, Nr, [CERTREQ+]
    Form {
        exchange: ExchangeType::IKE_SA_INIT,
        direction: Direction::Response,
        sender: Some(Role::Responder),
        when: When::Always,
        encrypted: None,
        rules: &[one(P::SA, INIT), one(P::KE, INIT), one(P::NONCE, INIT), any(P::CERTREQ, INIT)],
        order: INIT_ORDER,
    },
    // IKE_SESSION_RESUME: Ni, N(TICKET_OPAQUE)
    Form {
        exchange: ExchangeType::IKE_SESSION_RESUME,
        direction: Direction::Request,
        sender: Some(Role::Initiator),
        when: When::Always,
        encrypted: None,
        rules: &[one(P::NONCE, RESUME), some(P::NOTIFY, RESUME)],
        order: &[],
    },
    Form {
        exchange: ExchangeType::IKE_SESSION_RESUME,
        direction: Direction::Response,
        sender: Some(Role::Responder),
        when: When::Refused,
        encrypted: None,
        rules: &[some(P::NOTIFY, RESUME)],
        order: &[],
    },
    // IKE_SESSION_RESUME: Nr
    Form {
        exchange: ExchangeType::IKE_SESSION_RESUME,
        direction: Direction::Response,
        sender: Some(Role::Responder),
        when: When::Always,
        encrypted: None,
        rules: &[one(P::NONCE, RESUME)],
        order: &[],
    },
    // IKE_INTERMEDIATE: SK { [KE], … }
    Form {
        exchange: ExchangeType::IKE_INTERMEDIATE,
        direction: Direction::Request,
        sender: Some(Role::Initiator),
        when: When::Always,
        encrypted: Some("rfc9242-3.3-intermediate-protected"),
        rules: &[at_most_one(P::KE, "rfc9370#2.2.2")],
        order: &[],
    },
    Form {
        exchange: ExchangeType::IKE_INTERMEDIATE,
        direction: Direction::Response,
        sender: Some(Role::Responder),
        when: When::Always,
        encrypted: Some("rfc9242-3.3-intermediate-protected"),
        rules: &[at_most_one(P::KE, "rfc9370#2.2.2")],
        order: &[],
    },
    // IKE_AUTH: SK { EAP }
    Form {
        exchange: ExchangeType::IKE_AUTH,
        direction: Direction::Request,
        sender: Some(Role::Initiator),
        when: When::HasButNot(P::EAP, P::IDI),
        encrypted: Some(AUTH),
        rules: &[one(P::EAP, EAP)],
        order: &[],
    },
    // IKE_AUTH: SK { AUTH }, after EAP
    Form {
        exchange: ExchangeType::IKE_AUTH,
        direction: Direction::Request,
        sender: Some(Role::Initiator),
        when: When::HasButNot(P::AUTH, P::IDI),
        encrypted: Some(AUTH),
        rules: &[one(P::AUTH, EAP)],
        order: &[],
    },
    // IKE_AUTH: SK { IDi, [CERT+], [CERTREQ+], [IDr], [AUTH], [CP], SAi2, TSi, TSr }
    Form {
        exchange: ExchangeType::IKE_AUTH,
        direction: Direction::Request,
        sender: Some(Role::Initiator),
        when: When::Has(P::SA),
        encrypted: Some(AUTH),
        rules: &[
            one(P::IDI, AUTH),
            any(P::CERT, AUTH),
            any(P::CERTREQ, AUTH),
            at_most_one(P::IDR, AUTH),
            at_most_one(P::AUTH, AUTH),
            at_most_one(P::CP, CP),
            one(P::SA, AUTH),
            one(P::TSI, AUTH),
            one(P::TSR, AUTH),
        ],
        order: AUTH_ORDER,
    },
    // IKE_AUTH: SK { IDi, [CERT+], [CERTREQ+], [IDr], [AUTH], [CP] }, without a child (RFC 6023)
    Form {
        exchange: ExchangeType::IKE_AUTH,
        direction: Direction::Request,
        sender: Some(Role::Initiator),
        when: When::Always,
        encrypted: Some(AUTH),
        rules: &[
            one(P::IDI, AUTH),
            any(P::CERT, AUTH),
            any(P::CERTREQ, AUTH),
            at_most_one(P::IDR, AUTH),
            at_most_one(P::AUTH, AUTH),
            at_most_one(P::CP, "rfc7296-2.19-cp-with-sa-message"),
        ],
        order: AUTH_ORDER,
    },
    // IKE_AUTH: SK { [IDr, [CERT+], [AUTH],] EAP }
    Form {
        exchange: ExchangeType::IKE_AUTH,
        direction: Direction::Response,
        sender: Some(Role::Responder),
        when: When::Has(P::EAP),
        encrypted: Some(AUTH),
        rules: &[
            one(P::EAP, EAP),
            at_most_one(P::IDR, EAP),
            any(P::CERT, EAP),
            at_most_one(P::AUTH, EAP),
        ],
        order: AUTH_ANSWER_ORDER,
    },
    // IKE_AUTH: SK { [IDr, [CERT+],] AUTH, [CP], SAr2, TSi, TSr }
    Form {
        exchange: ExchangeType::IKE_AUTH,
        direction: Direction::Response,
        sender: Some(Role::Responder),
        when: When::Has(P::SA),
        encrypted: Some(AUTH),
        rules: &[
            at_most_one(P::IDR, AUTH),
            any(P::CERT, AUTH),
            one(P::AUTH, AUTH),
            at_most_one(P::CP, CP),
            one(P::SA, AUTH),
            one(P::TSI, AUTH),
            one(P::TSR, AUTH),
        ],
        order: AUTH_ANSWER_ORDER,
    },
    // IKE_AUTH: SK { [IDr, [CERT+],] AUTH, N(error about the child) }, or without a child
    Form {
        exchange: ExchangeType::IKE_AUTH,
        direction: Direction::Response,
        sender: Some(Role::Responder),
        when: When::Has(P::AUTH),
        encrypted: Some(AUTH),
        rules: &[
            at_most_one(P::IDR, AUTH),
            any(P::CERT, AUTH),
            one(P::AUTH, AUTH),
            at_most_one(P::CP, "rfc7296-2.19-cp-with-sa-message"),
        ],
        order: AUTH_ANSWER_ORDER,
    },
    // IKE_AUTH: SK { N(error) }
    Form {
        exchange: ExchangeType::IKE_AUTH,
        direction: Direction::Response,
        sender: Some(Role::Responder),
        when: When::Refused,
        encrypted: Some(AUTH),
        rules: &[some(P::NOTIFY, AUTH), at_most_one(P::IDR, AUTH), any(P::CERT, AUTH)],
        order: AUTH_ANSWER_ORDER,
    },
    // IKE_AUTH: anything else lacks its AUTH.
    Form {
        exchange: ExchangeType::IKE_AUTH,
        direction: Direction::Response,
        sender: Some(Role::Responder),
        when: When::Always,
        encrypted: Some(AUTH),
        rules: &[at_most_one(P::IDR, AUTH), any(P::CERT, AUTH), one(P::AUTH, AUTH)],
        order: AUTH_ANSWER_ORDER,
    },
    // CREATE_CHILD_SA: SK { SA, Ni, KEi }, of an IKE SA
    Form {
        exchange: ExchangeType::CREATE_CHILD_SA,
        direction: Direction::Request,
        sender: None,
        when: When::SaForIke,
        encrypted: Some(CHILD),
        rules: &[
            one(P::SA, REKEY),
            one(P::NONCE, REKEY),
            one(P::KE, "rfc7296-1.3.2-ike-rekey-kei"),
        ],
        order: CHILD_ORDER,
    },
    // CREATE_CHILD_SA: SK { [N(REKEY_SA)], [CP], SA, Ni, [KEi], TSi, TSr }
    Form {
        exchange: ExchangeType::CREATE_CHILD_SA,
        direction: Direction::Request,
        sender: None,
        when: When::Always,
        encrypted: Some(CHILD),
        rules: &[
            at_most_one(P::CP, CP),
            one(P::SA, CHILD),
            one(P::NONCE, CHILD),
            at_most_one(P::KE, CHILD),
            one(P::TSI, CHILD),
            one(P::TSR, CHILD),
        ],
        order: CHILD_ORDER,
    },
    // CREATE_CHILD_SA: SK { N(error) }
    Form {
        exchange: ExchangeType::CREATE_CHILD_SA,
        direction: Direction::Response,
        sender: None,
        when: When::Refused,
        encrypted: Some(CHILD),
        rules: &[some(P::NOTIFY, CHILD)],
        order: &[],
    },
    // CREATE_CHILD_SA: SK { SA, Nr, KEr }, of an IKE SA
    Form {
        exchange: ExchangeType::CREATE_CHILD_SA,
        direction: Direction::Response,
        sender: None,
        when: When::SaForIke,
        encrypted: Some(CHILD),
        rules: &[
            one(P::SA, REKEY),
            one(P::NONCE, REKEY),
            one(P::KE, "rfc7296-2.18-ike-rekey-new-dh"),
        ],
        order: CHILD_ORDER,
    },
    // CREATE_CHILD_SA: SK { [CP], SA, Nr, [KEr], TSi, TSr }
    Form {
        exchange: ExchangeType::CREATE_CHILD_SA,
        direction: Direction::Response,
        sender: None,
        when: When::Always,
        encrypted: Some(CHILD),
        rules: &[
            at_most_one(P::CP, CP),
            one(P::SA, CHILD),
            one(P::NONCE, CHILD),
            at_most_one(P::KE, CHILD),
            one(P::TSI, CHILD),
            one(P::TSR, CHILD),
        ],
        order: CHILD_ORDER,
    },
    // INFORMATIONAL: SK { [N+], [D+], [CP] }
    Form {
        exchange: ExchangeType::INFORMATIONAL,
        direction: Direction::Request,
        sender: None,
        when: When::Always,
        encrypted: Some("rfc7296-1.4-informational-after-init"),
        rules: &[any(P::DELETE, INFO), at_most_one(P::CP, INFO)],
        order: &[],
    },
    Form {
        exchange: ExchangeType::INFORMATIONAL,
        direction: Direction::Response,
        sender: None,
        when: When::Always,
        encrypted: Some("rfc7296-1.4-informational-after-init"),
        rules: &[any(P::DELETE, INFO), at_most_one(P::CP, INFO)],
        order: &[],
    },
    // IKE_FOLLOWUP_KE: SK { KE, N(ADDITIONAL_KEY_EXCHANGE) }
    Form {
        exchange: ExchangeType::IKE_FOLLOWUP_KE,
        direction: Direction::Request,
        sender: None,
        when: When::Always,
        encrypted: Some("rfc9370#2.2.4"),
        rules: &[one(P::KE, FOLLOWUP), some(P::NOTIFY, FOLLOWUP)],
        order: &[],
    },
    Form {
        exchange: ExchangeType::IKE_FOLLOWUP_KE,
        direction: Direction::Response,
        sender: None,
        when: When::Refused,
        encrypted: Some("rfc9370#2.2.4"),
        rules: &[some(P::NOTIFY, FOLLOWUP)],
        order: &[],
    },
    // IKE_FOLLOWUP_KE: SK { KE, [N(ADDITIONAL_KEY_EXCHANGE)] }
    Form {
        exchange: ExchangeType::IKE_FOLLOWUP_KE,
        direction: Direction::Response,
        sender: None,
        when: When::Always,
        encrypted: Some("rfc9370#2.2.4"),
        rules: &[one(P::KE, FOLLOWUP)],
        order: &[],
    },
];
