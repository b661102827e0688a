//! An ISAKMP SA: what is awaited next, with exactly what is known by then.
//!
//! ```text
//!  main mode, initiator:   MainSa --2--> MainKe --4--> MainAuth --6--> Established
//!  main mode, responder:   (nothing) --1--> AwaitKe --3--> AwaitAuth --5--> Established
//!  aggressive, initiator:  Aggressive --2--> Established
//!  aggressive, responder:  (nothing) --1--> AwaitFinal --3--> Established
//! ```
//!
//! States are moved by value, as those of IKEv2 are. Only the initiator of phase 1 repeats messages
//! on a timer, so that a lone first message makes nobody send twice.

use super::established::Established;
use super::phase1::{
    AwaitAuth, AwaitFinal, AwaitKe, InitiatorAggressive, MainAuth, MainKe, MainSa,
};
use crate::agreement;
use crate::crypto::CryptoError;
use crate::endpoint::context::Context;
use crate::event::{CloseReason, DropReason, Event};
use crate::io::{Deadline, IkeHandle, Path};
use crate::time::Time;
use crate::wire::{IkeSpi, RawMessage, Version};

/// A message of IKEv1 that has come in.
#[derive(Debug)]
pub(crate) struct Arrival<'a> {
    pub(crate) path: Path,
    pub(crate) bytes: &'a [u8],
    pub(crate) raw: RawMessage,
}

impl Arrival<'_> {
    /// Tells that the message led to nothing.
    pub(crate) fn dropped(&self, reason: DropReason, cx: &mut Context) {
        cx.dropped(self.path.remote, self.bytes.len(), reason);
    }

    /// Tells that the message cannot be used, and which requirement it breaks.
    pub(crate) fn violates(
        &self,
        ike: Option<IkeHandle>,
        requirement: &str,
        why: &str,
        cx: &mut Context,
    ) {
        cx.violation(ike, self.path.remote, requirement, why);
        self.dropped(DropReason::Malformed { error: why.to_owned() }, cx);
    }

    /// Tells why the message cannot be used.
    pub(crate) fn rejected(&self, ike: Option<IkeHandle>, rejected: Rejected, cx: &mut Context) {
        let Rejected { requirement, why, own } = rejected;
        match requirement {
            Some(requirement) => self.violates(ike, requirement, &why, cx),
            None if own => self.dropped(DropReason::Unable { error: why }, cx),
            None => self.dropped(DropReason::Malformed { error: why }, cx),
        }
    }
}

/// Why a message cannot be used.
#[derive(Debug)]
pub(crate) struct Rejected {
    /// What it breaks, if anything.
    pub(crate) requirement: Option<&'static str>,
    pub(crate) why: String,
    /// It is this end that has failed.
    pub(crate) own: bool,
}

impl Rejected {
    /// This end has failed.
    pub(crate) fn unable(why: String) -> Self {
        Self { requirement: None, why, own: true }
    }
}

impl From<(&'static str, String)> for Rejected {
    fn from((requirement, why): (&'static str, String)) -> Self {
        Self { requirement: Some(requirement), why, own: false }
    }
}

/// No key was agreed on.
impl From<CryptoError> for Rejected {
    fn from(error: CryptoError) -> Self {
        match agreement::blame(error) {
            Ok(value) => Self {
                requirement: value.requirement(Version::V1_0),
                why: value.to_string(),
                own: false,
            },
            Err(own) => Self::unable(own.to_string()),
        }
    }
}

/// What an ISAKMP SA waits for.
#[derive(Debug)]
pub(crate) enum State {
    /// The first message of main mode is sent.
    MainSa(Box<MainSa>),
    /// The third one is.
    MainKe(Box<MainKe>),
    /// The fifth one is.
    MainAuth(Box<MainAuth>),
    /// The first message of aggressive mode is sent.
    Aggressive(Box<InitiatorAggressive>),
    /// The first message of main mode is answered.
    AwaitKe(Box<AwaitKe>),
    /// The third one is.
    AwaitAuth(Box<AwaitAuth>),
    /// The first message of aggressive mode is answered.
    AwaitFinal(Box<AwaitFinal>),
    /// Both ends are authenticated.
    Established(Box<Established>),
}

/// What becomes of an ISAKMP SA.
#[derive(Debug)]
pub(crate) enum Next {
    /// It waits for this.
    State(State),
    /// It has ended, in this state and for this reason; the endpoint clears up.
    Closed(State, CloseReason),
}

impl Next {
    /// The same, after so many octets of IKE have passed.
    pub(crate) fn passed(mut self, now: Time, octets: u64) -> Self {
        if let Self::State(State::Established(state)) = &mut self {
            state.passed(now, octets);
        }
        self
    }
}

macro_rules! each {
    ($self:expr, $state:ident => $call:expr) => {
        match $self {
            State::MainSa($state) => $call,
            State::MainKe($state) => $call,
            State::MainAuth($state) => $call,
            State::Aggressive($state) => $call,
            State::AwaitKe($state) => $call,
            State::AwaitAuth($state) => $call,
            State::AwaitFinal($state) => $call,
            State::Established($state) => $call,
        }
    };
}

impl State {
    /// Handles a message that names this SA.
    pub(crate) fn message(
        self,
        ike: IkeHandle,
        now: Time,
        arrival: &Arrival<'_>,
        cx: &mut Context,
    ) -> Next {
        each!(self, state => state.message(ike, now, arrival, cx))
    }

    /// Lets the timers that are due fire.
    pub(crate) fn timeout(self, ike: IkeHandle, now: Time, cx: &mut Context) -> Next {
        each!(self, state => state.timeout(ike, now, cx))
    }

    /// The next timer.
    pub(crate) fn deadline(&self) -> Option<Deadline> {
        each!(self, state => state.deadline())
    }

    /// The cookies.
    pub(crate) fn spis(&self) -> (IkeSpi, IkeSpi) {
        each!(self, state => state.spis())
    }

    /// The cookie that this end has chosen.
    pub(crate) fn own_spi(&self) -> IkeSpi {
        let (spi_i, spi_r) = self.spis();
        match self {
            Self::AwaitKe(_) | Self::AwaitAuth(_) | Self::AwaitFinal(_) => spi_r,
            Self::Established(state) => state.own_spi(),
            _ => spi_i,
        }
    }

    /// Whether it counts against the limits for half-open SAs.
    pub(crate) fn is_half_open_responder(&self) -> bool {
        matches!(self, Self::AwaitKe(_) | Self::AwaitAuth(_) | Self::AwaitFinal(_))
    }

    /// Whether a request of ours is on its way.
    pub(crate) fn is_waiting(&self) -> bool {
        match self {
            Self::Established(state) => state.is_waiting(),
            _ => !self.is_half_open_responder(),
        }
    }

    /// Ends the SA: tells the data plane and whoever listens.
    pub(crate) fn close(self, ike: IkeHandle, reason: CloseReason, cx: &mut Context) {
        let (spi_i, spi_r) = self.spis();
        cx.fragmenter.end((spi_i, spi_r));
        let established = match self {
            Self::Established(state) => {
                state.close_children(ike, reason, cx);
                true
            }
            _ => false,
        };
        cx.event(Event::IkeClosed { ike, spi_i, spi_r, reason, established });
    }
}
