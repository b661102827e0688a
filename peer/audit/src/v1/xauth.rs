//! Extended authentication (draft-beaulieu-ike-xauth-02).

use ikeproof_proto::wire::CfgType;
use ikeproof_proto::wire::v1::num::{ConfigAttr, Phase1Attr, Phase1Auth};
use ikeproof_proto::wire::v1::{Attributes, vendor};

use super::config::is_empty;
use super::message::{Message, Part};
use super::session::Session;
use crate::finding::Report;
use crate::rules;

/// What is remembered of a login.
#[derive(Debug, Default)]
pub(crate) struct Login {
    /// The identifier of the run.
    identifier: Option<u16>,
    /// The attributes and the type that were asked for last.
    asked: Option<(Vec<u16>, Option<u64>)>,
    replied: bool,
    /// What the gateway has decided.
    status: Option<u64>,
}

/// Whether an attribute is one of XAUTH.
const fn is_xauth(kind: u16) -> bool {
    kind >= ConfigAttr::XAUTH_TYPE.0 && kind <= ConfigAttr::XAUTH_ANSWER.0
}

/// The method of phase 1.
fn method(session: &Session) -> Option<Phase1Auth> {
    let (offer, answer) = session.offers();
    let of = |offer: Option<&super::Offer>| {
        let (_, transform) = offer?.single()?;
        Some(Phase1Auth(u16::try_from(transform.value(Phase1Attr::AUTH_METHOD.0)?).ok()?))
    };
    of(answer.as_ref()).or(of(offer.as_ref()))
}

/// Whether the method of phase 1 says that a login follows.
fn wants_login(session: &Session) -> bool {
    method(session).is_some_and(|method| {
        matches!(
            method,
            Phase1Auth::HYBRID_INIT_RSA
                | Phase1Auth::HYBRID_RESP_RSA
                | Phase1Auth::XAUTH_INIT_PRE_SHARED
                | Phase1Auth::XAUTH_RESP_PRE_SHARED
                | Phase1Auth::XAUTH_INIT_RSA
                | Phase1Auth::XAUTH_RESP_RSA
        )
    })
}

/// Judges the attributes of a transaction.
pub(crate) fn judge(
    report: &mut Report<'_>,
    session: &mut Session,
    message: &Message,
    part: &Part,
    attributes: &Attributes,
) {
    let about = attributes.attributes.iter().any(|it| is_xauth(it.kind()));
    let of_run = session.login.identifier == Some(attributes.identifier);
    let answers = matches!(attributes.kind, CfgType::REPLY | CfgType::ACK);
    if !(about || of_run && answers) {
        return;
    }
    judge_identifier(report, session, part, attributes);
    match attributes.kind {
        CfgType::REQUEST => judge_request(report, session, message, part, attributes),
        CfgType::REPLY => judge_reply(report, session, part, attributes),
        CfgType::SET => judge_set(report, session, part, attributes),
        _ => {}
    }
}

/// All messages of a run have one identifier.
fn judge_identifier(
    report: &mut Report<'_>,
    session: &mut Session,
    part: &Part,
    attributes: &Attributes,
) {
    let login = &mut session.login;
    let (at, own) = (part.body() + 2, attributes.identifier);
    let begins = login.identifier.is_none();
    let first = *login.identifier.get_or_insert(own);
    let asks_again = attributes.kind == CfgType::REQUEST;
    let rule = if asks_again { rules::XAUTH_RETRY } else { rules::XAUTH_IDENTIFIER };
    // A question after the decision may begin another run.
    let begins = begins || asks_again && login.status.is_some();
    if !begins {
        report.applies(&[rule]);
    }
    if first == own {
        return;
    }
    if asks_again && login.status.is_some() {
        // A later login is a run of its own.
        *login = Login { identifier: Some(own), ..Login::default() };
        return;
    }
    report.say(rule, at, format!("the identifier is {own}, the run began with {first}"));
    if asks_again {
        login.identifier = Some(own);
    }
}

fn judge_request(
    report: &mut Report<'_>,
    session: &mut Session,
    message: &Message,
    part: &Part,
    attributes: &Attributes,
) {
    let announces = |by_initiator| {
        let mut own = session.phase1.values().filter(|it| it.by_initiator == by_initiator);
        own.any(|it| it.announces(&vendor::XAUTH))
    };
    report.applies(&[rules::XAUTH_VENDOR, rules::XAUTH_REQUEST]);
    if method(session).is_some() {
        report.applies(&[rules::XAUTH_METHOD]);
    }
    if !announces(!message.by_initiator) {
        let says = "XAUTH with a side that has not announced it";
        report.say(rules::XAUTH_VENDOR, part.body(), says);
    }
    if !wants_login(session) && method(session).is_some() {
        let says = "XAUTH, and the method of phase 1 says nothing of it";
        report.say(rules::XAUTH_METHOD, part.body(), says);
    }
    let kind = attributes.find(ConfigAttr::XAUTH_TYPE).and_then(|it| it.number());
    let generic = kind.unwrap_or(0) == 0;
    if generic {
        report.applies(&[rules::XAUTH_CHALLENGE]);
    }
    if generic && attributes.find(ConfigAttr::XAUTH_CHALLENGE).is_some() {
        report.say(rules::XAUTH_CHALLENGE, part.body(), "a challenge with the generic type");
    }
    let asked: Vec<u16> = attributes
        .attributes
        .iter()
        .filter(|it| FILLED.contains(&ConfigAttr(it.kind())))
        .map(|it| it.kind())
        .collect();
    let full = attributes.attributes.iter().find(|it| asked.contains(&it.kind()) && !is_empty(it));
    if asked.is_empty() || full.is_some() {
        let says = match full {
            Some(full) => format!("{} in a request has a value", ConfigAttr(full.kind())),
            None => "nothing is asked for".to_owned(),
        };
        report.say(rules::XAUTH_REQUEST, part.body(), says);
    }
    session.login.asked = Some((asked, kind));
    session.login.replied = false;
}

fn judge_reply(
    report: &mut Report<'_>,
    session: &mut Session,
    part: &Part,
    attributes: &Attributes,
) {
    session.login.replied = true;
    let status = attributes.find(ConfigAttr::XAUTH_STATUS).and_then(|it| it.number());
    if status.is_some() {
        report.applies(&[rules::XAUTH_REPLY_STATUS]);
    }
    if status.is_some_and(|status| status != FAIL) {
        report.say(
            rules::XAUTH_REPLY_STATUS,
            part.body(),
            "a reply with a status that is not FAIL",
        );
    }
    let Some((asked, wanted)) = session.login.asked.clone() else { return };
    let own = attributes.find(ConfigAttr::XAUTH_TYPE).and_then(|it| it.number());
    match (wanted, own) {
        (None, _) => report.applies(&[rules::XAUTH_TYPE_ABSENT]),
        (Some(_), Some(_)) => report.applies(&[rules::XAUTH_TYPE_SAME]),
        (Some(_), None) => {}
    }
    if status.is_none() && !asked.is_empty() {
        report.applies(&[rules::XAUTH_REPLY]);
    }
    match (wanted, own) {
        (None, Some(own)) => {
            let says = format!("the type {own} in a reply, and none in the request");
            report.say(rules::XAUTH_TYPE_ABSENT, part.body(), says);
        }
        (Some(wanted), own) if own.is_some_and(|own| own != wanted) => {
            let says = format!("the type in the reply is another than {wanted}");
            report.say(rules::XAUTH_TYPE_SAME, part.body(), says);
        }
        _ => {}
    }
    let missing =
        asked.iter().find(|kind| attributes.find(ConfigAttr(**kind)).is_none_or(is_empty));
    if status.is_none()
        && let Some(kind) = missing
    {
        let says = format!("{} is not in the reply, or empty", ConfigAttr(*kind));
        report.say(rules::XAUTH_REPLY, part.body(), says);
    }
}

fn judge_set(report: &mut Report<'_>, session: &mut Session, part: &Part, attributes: &Attributes) {
    let status = attributes.find(ConfigAttr::XAUTH_STATUS).and_then(|it| it.number());
    report.applies(&[rules::XAUTH_SET_STATUS, rules::XAUTH_SET_ONLY]);
    if !matches!(status, Some(FAIL | OK)) {
        let says = format!("the status is {status:?}");
        report.say(rules::XAUTH_SET_STATUS, part.body(), says);
    }
    let known = [ConfigAttr::XAUTH_STATUS, ConfigAttr::XAUTH_MESSAGE, ConfigAttr::XAUTH_TYPE];
    let other = attributes
        .attributes
        .iter()
        .find(|it| is_xauth(it.kind()) && !known.contains(&ConfigAttr(it.kind())));
    if let Some(other) = other {
        let says = format!("SET has {}", ConfigAttr(other.kind()));
        report.say(rules::XAUTH_SET_ONLY, part.body(), says);
    }
    let login = &mut session.login;
    if status == Some(OK) && login.asked.is_some() {
        report.applies(&[rules::XAUTH_SET_EARLY]);
    }
    if status == Some(OK) && !login.replied && login.asked.is_some() {
        let says = "the user is let in before there is a reply";
        report.say(rules::XAUTH_SET_EARLY, part.body(), says);
    }
    login.status = status;
}

/// Quick mode comes after the login, and not at all if that has failed.
pub(crate) fn judge_quick(report: &mut Report<'_>, session: &Session, place: usize) {
    let login = &session.login;
    let begun = login.asked.is_some() || wants_login(session);
    if place == 0 && begun {
        report.applies(&[rules::XAUTH_BEFORE]);
    }
    if place == 0 && begun && login.status != Some(OK) {
        let says = "quick mode, and nobody has logged in";
        report.say(rules::XAUTH_BEFORE, 18, says);
    }
    if place == 1 && login.status == Some(FAIL) {
        report.applies(&[rules::XAUTH_FAILED]);
        let says = "quick mode is answered after the login has failed";
        report.say(rules::XAUTH_FAILED, 18, says);
    }
}

/// Attributes that a request asks for.
const FILLED: [ConfigAttr; 6] = [
    ConfigAttr::XAUTH_USER_NAME,
    ConfigAttr::XAUTH_USER_PASSWORD,
    ConfigAttr::XAUTH_PASSCODE,
    ConfigAttr::XAUTH_DOMAIN,
    ConfigAttr::XAUTH_NEXT_PIN,
    ConfigAttr::XAUTH_ANSWER,
];
const FAIL: u64 = 0;
const OK: u64 = 1;
