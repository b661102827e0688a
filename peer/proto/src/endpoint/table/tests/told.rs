//! Events say of a refusal what the peer was really told.

use super::answers::{begun, drops, told};
use super::*;
use crate::crypto::SecretBytes;
use crate::event::Notification;
use crate::policy::RefusalStyle;
use crate::wire::NotifyType;
use crate::wire::v1::NotifyKind;
use crate::wire::v2::Id;

/// What the responder says that it has answered with, or not.
fn says(pair: &Pair) -> Vec<Option<Notification>> {
    let says = pair.responder.events.iter().filter_map(|event| match event {
        Event::ProposalRefused { answer, .. }
        | Event::GroupRefused { answer, .. }
        | Event::IdentityRefused { answer, .. }
        | Event::AuthenticationFailed { answer, .. } => Some(*answer),
        _ => None,
    });
    says.collect()
}

/// Something to refuse, and with what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    Proposal,
    Group,
    Identity,
    Secret,
    MainProposal,
    MainAddress,
    MainIdentity,
    AggressiveProposal,
    AggressiveAddress,
}

/// Why no answer is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quiet {
    No,
    Silent,
    Limited,
    TooLong,
    Withheld,
}

impl Wrong {
    fn answer(self) -> Notification {
        match self {
            Self::Proposal => NotifyType::NO_PROPOSAL_CHOSEN.into(),
            Self::Group => NotifyType::INVALID_KE_PAYLOAD.into(),
            Self::Identity | Self::Secret => NotifyType::AUTHENTICATION_FAILED.into(),
            Self::MainProposal | Self::MainAddress | Self::AggressiveProposal => {
                NotifyKind::NO_PROPOSAL_CHOSEN.into()
            }
            Self::MainIdentity | Self::AggressiveAddress => {
                NotifyKind::INVALID_ID_INFORMATION.into()
            }
        }
    }

    /// Whether the answer goes out although this speaks against one. Another group is no refusal, and what
    /// is said inside of an SA costs nobody else anything.
    fn is_told_in_spite_of(self, quiet: Quiet) -> bool {
        let in_sa = matches!(self, Self::Identity | Self::Secret);
        match quiet {
            Quiet::No => true,
            Quiet::Silent => self == Self::Group,
            Quiet::Limited => in_sa,
            Quiet::TooLong | Quiet::Withheld => false,
        }
    }

    /// Withholds the answer.
    fn fault(self) -> Fault {
        let exchange = match self {
            Self::Proposal | Self::Group => ExchangeType::IKE_SA_INIT,
            Self::Identity | Self::Secret => ExchangeType::IKE_AUTH,
            _ => ExchangeType::INFORMATIONAL_V1,
        };
        Fault { exchange, response: true, nth: None, copies: None, change: Change::Withhold }
    }

    fn set_up(self) -> (EndpointConfig, Connection) {
        let mut responder = endpoint_config();
        let mut by_address = responder.credentials[0].clone();
        by_address.id = "ip:192.0.2.1".parse().unwrap();
        responder.credentials.push(by_address);
        let mode = match self {
            Self::MainProposal | Self::MainAddress | Self::MainIdentity => Some(Ikev1Mode::Main),
            Self::AggressiveProposal | Self::AggressiveAddress => Some(Ikev1Mode::Aggressive),
            _ => None,
        };
        let mut asks = match mode {
            Some(mode) => {
                let mut asks = offer(true);
                asks.ikev1 = Some(Ikev1Options { mode, ..Ikev1Options::default() });
                asks
            }
            None => connection("aes256-sha256-ecp256-ecp384", "aes256gcm16"),
        };
        let address = Id::ip([192, 0, 2, 1].into());
        match self {
            Self::Proposal | Self::MainProposal | Self::AggressiveProposal => {
                responder.profile.ike.encr.accept = vec!["3des".parse().unwrap()];
            }
            Self::Group => responder.profile.ike.groups.accept = vec![Group::Ecp384],
            Self::Identity => asks.id = Id::fqdn("nobody.example.com"),
            Self::Secret => asks.psk = SecretBytes::from_slice(b"another"),
            Self::MainAddress => drop(responder.credentials.pop()),
            // The key is that of the address, and the identity is not.
            Self::MainIdentity => {}
            Self::AggressiveAddress => asks.id = address,
        }
        (responder, asks)
    }
}

#[rstest]
fn a_refusal_is_told_as_it_was_answered(
    #[values(
        Wrong::Proposal,
        Wrong::Group,
        Wrong::Identity,
        Wrong::Secret,
        Wrong::MainProposal,
        Wrong::MainAddress,
        Wrong::MainIdentity,
        Wrong::AggressiveProposal,
        Wrong::AggressiveAddress
    )]
    wrong: Wrong,
    #[values(Quiet::No, Quiet::Silent, Quiet::Limited, Quiet::TooLong, Quiet::Withheld)]
    quiet: Quiet,
) {
    let (mut responder, offer) = wrong.set_up();
    match quiet {
        Quiet::No => {}
        Quiet::Silent => responder.profile.refusal = RefusalStyle::Silent,
        Quiet::Limited => responder.limits.error_replies_per_second = 0,
        Quiet::TooLong => responder.limits.amplification = 0,
        Quiet::Withheld => responder.faults = vec![wrong.fault()],
    }
    let mut pair = Pair::new(endpoint_config(), responder);
    pair.command(Side::Initiator, Command::Initiate(Box::new(offer)));
    if quiet == Quiet::TooLong
        && matches!(wrong, Wrong::Identity | Wrong::Secret | Wrong::MainIdentity)
    {
        // With such a limit there is no first answer either, so nothing to refuse ever comes.
        assert_eq!(says(&pair), []);
        assert_eq!(pair.sent.iter().filter(|(side, _)| *side == Side::Responder).count(), 0);
        assert!(drops(&pair).contains(&DropReason::Amplification), "{:#?}", pair.responder.events);
        return;
    }
    let expected = wrong.is_told_in_spite_of(quiet).then(|| wrong.answer());
    assert_eq!(says(&pair).first(), Some(&expected), "{:#?}", pair.responder.events);
    let is_heard = match wrong {
        // The initiator offers the other group then, and is let in.
        Wrong::Group => {
            pair.initiator.edge.endpoint().ike_sas() == 1
                && pair.responder.edge.endpoint().ike_sas() == 1
        }
        _ => told(&pair).first() == Some(&wrong.answer()),
    };
    assert_eq!(is_heard, expected.is_some(), "{:#?}", pair.initiator.events);
    let reason = match quiet {
        Quiet::No | Quiet::Withheld => return,
        Quiet::Silent => DropReason::Silent,
        Quiet::Limited => DropReason::ErrorRateLimit,
        Quiet::TooLong => DropReason::Amplification,
    };
    assert_eq!(drops(&pair).contains(&reason), expected.is_none(), "{:#?}", pair.responder.events);
}

#[rstest]
#[case(0, 0)]
#[case(1, 1)]
fn a_cookie_is_demanded_only_if_that_is_sent(#[case] amplification: usize, #[case] demands: usize) {
    let mut responder = endpoint_config();
    responder.profile.limits.cookie_threshold = 0;
    responder.limits.amplification = amplification;
    let (mut pair, request) = begun(responder, |_| ());
    pair.arrive(Side::Initiator, &request);
    let demanded = |event: &&Event| matches!(event, Event::CookieDemanded { .. });
    assert_eq!(pair.responder.events.iter().filter(demanded).count(), demands);
    assert_eq!(pair.intercept().len(), demands);
}
