//! What happens in a scenario, in order.
//!
//! A `[[step]]` holds one word. `connect` and `teardown` are short for several and are spelt out on
//! loading, so that a runner never sees them.

use ikeproof_proto::crypto::suite::{ChildSuite, IkeSuite};
use ikeproof_proto::wire::ExchangeType;
use serde::Deserialize;
use toml::Spanned;

use super::expect::{Established, Expect, Never, Retry, Traffic};
use super::fault::FaultSpec;
use super::words::{Actor, Nets, Span};

/// One step, as it is written.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Written {
    /// Initiate, be established, and pass the standard checks: SAs that match on both sides, traffic
    /// both ways, nothing in clear.
    Connect(Connect),
    /// Delete, and nothing is left over.
    Teardown(Delete),
    /// The standard checks alone.
    Works(Works),
    /// Begin something and do not wait.
    Initiate(Initiate),
    /// Something must be so.
    Expect(Box<Expect>),
    /// Packets through the tunnel.
    Traffic(Traffic),
    /// Something must not happen.
    Never(Never),
    /// Time passes, for the edge.
    Advance(Advance),
    /// Say goodbye to something.
    Delete(Delete),
    /// A peer vanishes without a word: it ends, and nothing that it sends arrives any more.
    Kill(Which),
    /// Start a peer anew.
    Restart(Which),
    /// The edge loses all that it shares with a peer, without a word, as in a crash.
    Forget(Which),
    /// The user of a peer comes to the next password.
    NextPassword(Which),
    /// Keep messages back.
    Hold(MessageMatch),
    /// Let messages that were kept back go, all of them, and keep back no more.
    Release(All),
    /// From now on nothing is lost, repeated or overtaken by chance.
    Calm(All),
    /// The NAT forgets its mappings: what the peer sends next comes from other ports.
    Remap(Remap),
    /// Lose messages.
    Drop(MessageMatch),
    /// Let messages arrive twice.
    Duplicate(MessageMatch),
    /// Make the edge deviate in the next message of a kind.
    Fault(FaultSpec),
    /// Everything at once.
    Parallel(Vec<Written>),
    /// Several times over.
    Repeat(Repeat),
}

/// `connect = { … }`.
#[derive(Clone, Debug, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Connect {
    /// Who begins.
    pub by: Actor,
    /// Which peer; all in turn, if none is named.
    pub peer: Option<Spanned<String>>,
    /// What the IKE SA must be.
    pub ike: Option<IkeSuite>,
    /// What the child SA must be.
    pub child: Option<ChildSuite>,
    /// For which networks behind the peer, one after the other; those before them are up already.
    pub net: Option<Spanned<Nets>>,
    /// What must have been asked for again, in order.
    pub retried: Option<Vec<Retry>>,
    /// How long it may take.
    pub within: Option<Span>,
}

/// `works = { … }`.
#[derive(Clone, Debug, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Works {
    /// Which peer; all in turn, if none is named.
    pub peer: Option<Spanned<String>>,
    /// Which networks behind it; the first, if not said.
    pub net: Option<Spanned<Nets>>,
}

/// `initiate = { … }`.
#[derive(Clone, Debug, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Initiate {
    /// Who begins.
    pub by: Actor,
    /// Which peer; all in turn, if none is named.
    pub peer: Option<Spanned<String>>,
    /// What is begun.
    pub what: What,
    /// For which networks behind the peer: the first, if not said, and of what there is already, each.
    pub net: Option<Spanned<Nets>>,
}

/// What is begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// An IKE SA with its first child SA; in IKEv1, a further child SA where there is an IKE SA.
    #[default]
    Tunnel,
    /// A liveness check, by the edge.
    Liveness,
    /// A new pair in place of each that there is, in IKEv1.
    Rekey,
    /// Phase 1 of IKEv1 once more: what was negotiated lives on under the new ISAKMP SA.
    Reauth,
}

/// `advance = "7h50m"`: timers of the edge that fall due fire on the way. While the edge waits for
/// an answer its clock stands still, unless the peer was killed.
pub type Advance = Span;

/// `delete = { … }`.
#[derive(Clone, Debug, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Delete {
    /// Who says goodbye.
    pub by: Actor,
    /// Which peer; all in turn, if none is named.
    pub peer: Option<Spanned<String>>,
    /// What goes.
    pub what: Scope,
    /// Of child SAs, those for these networks behind the peer; all, if not said.
    pub net: Option<Spanned<Nets>>,
}

/// What a delete is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// The IKE SA and all under it.
    #[default]
    Ike,
    /// Child SAs.
    Child,
    /// The IKE SAs with a peer but the newest, and what is under them.
    Older,
}

/// Which peer.
#[derive(Clone, Debug, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Which {
    /// The peer; all, if none is named.
    pub peer: Option<Spanned<String>>,
}

/// How a NAT forgets its mappings.
#[derive(Clone, Copy, Debug, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Remap {
    /// Whether it has got another address as well.
    pub address: bool,
}

/// `release = {}` and `calm = {}`.
#[derive(Clone, Copy, Debug, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct All {}

/// Which messages.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MessageMatch {
    /// Who sends them.
    pub from: Actor,
    /// The exchange.
    pub exchange: Exchange,
    /// Request or response; both, if not said.
    pub direction: Option<Direction>,
    /// How many of them.
    #[serde(default = "one")]
    pub count: u32,
}

/// An exchange of IKE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Exchange {
    /// The first.
    IkeSaInit,
    /// The second.
    IkeAuth,
    /// For child SAs and rekeys.
    CreateChildSa,
    /// For everything else, in IKEv2.
    Informational,
    /// Main mode of IKEv1.
    IdentityProtection,
    /// Aggressive mode of IKEv1.
    Aggressive,
    /// Logins and addresses between phase 1 and quick mode of IKEv1.
    Transaction,
    /// Quick mode of IKEv1.
    QuickMode,
    /// Deletes, notifies and liveness checks of IKEv1.
    #[serde(rename = "INFORMATIONAL_V1")]
    InformationalV1,
}

impl Exchange {
    /// Its number.
    pub const fn number(self) -> ExchangeType {
        match self {
            Self::IkeSaInit => ExchangeType::IKE_SA_INIT,
            Self::IkeAuth => ExchangeType::IKE_AUTH,
            Self::CreateChildSa => ExchangeType::CREATE_CHILD_SA,
            Self::Informational => ExchangeType::INFORMATIONAL,
            Self::IdentityProtection => ExchangeType::IDENTITY_PROTECTION,
            Self::Aggressive => ExchangeType::AGGRESSIVE,
            Self::Transaction => ExchangeType::TRANSACTION,
            Self::QuickMode => ExchangeType::QUICK_MODE,
            Self::InformationalV1 => ExchangeType::INFORMATIONAL_V1,
        }
    }
}

/// Half of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// The question.
    Request,
    /// The answer.
    Response,
}

/// `repeat = { times = 3, steps = [ … ] }`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repeat {
    /// How often.
    pub times: u32,
    /// What.
    pub steps: Vec<Written>,
}

/// One step, as it is run.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What happens.
    pub action: Action,
    /// The line of the file that it comes from; 0 where it was added.
    pub line: usize,
}

impl Step {
    /// All that is done in `steps`, in order, those inside others too.
    pub fn all(steps: &[Self]) -> Vec<&Action> {
        let mut actions = Vec::new();
        for step in steps {
            match &step.action {
                Action::Parallel(branches) => {
                    branches.iter().for_each(|steps| actions.extend(Self::all(steps)));
                }
                Action::Repeat(_, steps) => actions.extend(Self::all(steps)),
                action => actions.push(action),
            }
        }
        actions
    }
}

/// What a runner does in a step.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Begin something and do not wait.
    Initiate(Initiate),
    /// Something must be so.
    Expect(Box<Expect>),
    /// Packets through the tunnel.
    Traffic(Traffic),
    /// Something must not happen.
    Never(Never),
    /// Time passes, for the edge.
    Advance(Advance),
    /// Say goodbye to something.
    Delete(Delete),
    /// A peer vanishes without a word: it ends, and nothing that it sends arrives any more.
    Kill(Which),
    /// Start a peer anew.
    Restart(Which),
    /// The edge loses all that it shares with a peer, without a word, as in a crash.
    Forget(Which),
    /// The user of a peer comes to the next password.
    NextPassword(Which),
    /// Keep messages back.
    Hold(MessageMatch),
    /// Let messages that were kept back go, and keep back no more.
    Release,
    /// From now on nothing is lost, repeated or overtaken by chance.
    Calm,
    /// The NAT forgets its mappings: what the peer sends next comes from other ports.
    Remap(Remap),
    /// Lose messages.
    Drop(MessageMatch),
    /// Let messages arrive twice.
    Duplicate(MessageMatch),
    /// Make the edge deviate in the next message of a kind.
    Fault(FaultSpec),
    /// Everything at once; each item is a sequence.
    Parallel(Vec<Vec<Step>>),
    /// Several times over.
    Repeat(u32, Vec<Step>),
}

impl Written {
    /// The word as it is written.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Connect(_) => "connect",
            Self::Teardown(_) => "teardown",
            Self::Works(_) => "works",
            Self::Initiate(_) => "initiate",
            Self::Expect(_) => "expect",
            Self::Traffic(_) => "traffic",
            Self::Never(_) => "never",
            Self::Advance(_) => "advance",
            Self::Delete(_) => "delete",
            Self::Kill(_) => "kill",
            Self::Restart(_) => "restart",
            Self::Forget(_) => "forget",
            Self::NextPassword(_) => "next_password",
            Self::Hold(_) => "hold",
            Self::Release(_) => "release",
            Self::Calm(_) => "calm",
            Self::Remap(_) => "remap",
            Self::Drop(_) => "drop",
            Self::Duplicate(_) => "duplicate",
            Self::Fault(_) => "fault",
            Self::Parallel(_) => "parallel",
            Self::Repeat(_) => "repeat",
        }
    }

    /// The steps that it is short for.
    pub fn spell_out(self, line: usize) -> Vec<Step> {
        let actions = match self {
            Self::Connect(connect) => connect.spell_out(),
            Self::Teardown(delete) => {
                let gone = Expect { peer: delete.peer.clone(), ..Expect::nothing_left() };
                vec![Action::Delete(delete), Action::Expect(Box::new(gone))]
            }
            Self::Works(works) => standard_checks(works.peer, works.net),
            Self::Initiate(it) => vec![Action::Initiate(it)],
            Self::Expect(it) => vec![Action::Expect(it)],
            Self::Traffic(it) => vec![Action::Traffic(it)],
            Self::Never(it) => vec![Action::Never(it)],
            Self::Advance(it) => vec![Action::Advance(it)],
            Self::Delete(it) => vec![Action::Delete(it)],
            Self::Kill(it) => vec![Action::Kill(it)],
            Self::Restart(it) => vec![Action::Restart(it)],
            Self::Forget(it) => vec![Action::Forget(it)],
            Self::NextPassword(it) => vec![Action::NextPassword(it)],
            Self::Hold(it) => vec![Action::Hold(it)],
            Self::Release(All {}) => vec![Action::Release],
            Self::Calm(All {}) => vec![Action::Calm],
            Self::Remap(it) => vec![Action::Remap(it)],
            Self::Drop(it) => vec![Action::Drop(it)],
            Self::Duplicate(it) => vec![Action::Duplicate(it)],
            Self::Fault(it) => vec![Action::Fault(it)],
            Self::Parallel(items) => {
                let items = items.into_iter().map(|item| item.spell_out(line));
                vec![Action::Parallel(items.collect())]
            }
            Self::Repeat(Repeat { times, steps }) => {
                let steps = steps.into_iter().flat_map(|step| step.spell_out(line)).collect();
                vec![Action::Repeat(times, steps)]
            }
        };
        actions.into_iter().map(|action| Step { action, line }).collect()
    }
}

impl Connect {
    fn spell_out(self) -> Vec<Action> {
        let nets = self.net.as_ref().map_or(Nets::FIRST, |net| *net.get_ref());
        let mut actions = Vec::new();
        for number in nets.numbers() {
            let one = self
                .net
                .as_ref()
                .map(|net| Spanned::new(net.span(), Nets { first: number, last: number }));
            let initiate = Initiate {
                by: self.by,
                peer: self.peer.clone(),
                net: one.clone(),
                ..Initiate::default()
            };
            let established = Established {
                ike: self.ike,
                child: self.child,
                children: one.and_then(|_| usize::try_from(number).ok()),
                retried: self.retried.clone(),
                ..Established::default()
            };
            let expect = Expect {
                peer: self.peer.clone(),
                within: self.within,
                established: Some(established),
                ..Expect::default()
            };
            actions.extend([Action::Initiate(initiate), Action::Expect(Box::new(expect))]);
        }
        actions.extend(standard_checks(self.peer, self.net));
        actions
    }
}

/// SAs that match on both sides, traffic both ways, nothing in clear.
fn standard_checks(peer: Option<Spanned<String>>, net: Option<Spanned<Nets>>) -> Vec<Action> {
    let matching = Expect { peer: peer.clone(), sas_match: Some(true), ..Expect::default() };
    let traffic = Traffic { peer, net, ping: Some(2), no_clear: true, ..Traffic::default() };
    vec![Action::Expect(Box::new(matching)), Action::Traffic(traffic)]
}

const fn one() -> u32 {
    1
}
