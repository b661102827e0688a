//! An IKE SA: what is awaited next, with exactly what is known by then.
//!
//! ```text
//!  initiator:  AwaitInit --IKE_SA_INIT--> AwaitAuth --IKE_AUTH--> Established
//!  responder:  (nothing) --IKE_SA_INIT--> AwaitAuth --IKE_AUTH--> Established
//! ```
//!
//! States are moved by value: each handler takes its state and gives back the next one, or
//! [`Next::Closed`]. The endpoint owns the table; a state knows nothing of other SAs.

use core::time::Duration;

use super::established::Established;
use super::{initiator, responder};
use crate::endpoint::context::Context;
use crate::event::{CloseReason, Event};
use crate::io::{Deadline, IkeHandle, Path};
use crate::time::Time;
use crate::window::Answered;
use crate::wire::{IkeSpi, RawMessage};

/// An IKE message that has come in for an SA.
#[derive(Debug)]
pub(crate) struct Arrival<'a> {
    pub(crate) path: Path,
    pub(crate) bytes: &'a [u8],
    pub(crate) raw: RawMessage,
}

/// An IKE SA of either role.
#[derive(Debug)]
pub(crate) struct IkeSa {
    /// By how much this SA's clock is ahead of the endpoint's; see
    /// [`Command::SkipTime`](crate::io::Command::SkipTime).
    pub(crate) skew: Duration,
    pub(crate) state: State,
}

/// What an IKE SA waits for.
#[derive(Debug)]
pub(crate) enum State {
    /// The initiator has sent IKE_SA_INIT.
    InitiatorInit(Box<initiator::AwaitInit>),
    /// The initiator has sent IKE_AUTH.
    InitiatorAuth(Box<initiator::AwaitAuth>),
    /// The responder has answered IKE_SA_INIT.
    ResponderAuth(Box<responder::AwaitAuth>),
    /// Both ends are authenticated.
    Established(Box<Established>),
}

/// What becomes of an IKE SA.
#[derive(Debug)]
pub(crate) enum Next {
    /// It waits for this.
    State(State),
    /// It has ended, in this state and for this reason; the endpoint clears up.
    Closed(State, CloseReason),
    /// It has ended with the answer to a request, which the endpoint keeps for a while: if the answer is
    /// lost, the request comes again (RFC 7296 §2.1).
    Answered(State, CloseReason, Answered),
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
        match self {
            Self::InitiatorInit(state) => state.message(ike, now, arrival, cx),
            Self::InitiatorAuth(state) => state.message(ike, now, arrival, cx),
            Self::ResponderAuth(state) => state.message(ike, now, arrival, cx),
            Self::Established(state) => state.message(ike, now, arrival, cx),
        }
    }

    /// Lets the timers that are due fire.
    pub(crate) fn timeout(self, ike: IkeHandle, now: Time, cx: &mut Context) -> Next {
        match self {
            Self::InitiatorInit(state) => state.timeout(ike, now, cx),
            Self::InitiatorAuth(state) => state.timeout(ike, now, cx),
            Self::ResponderAuth(state) => state.timeout(now),
            Self::Established(state) => state.timeout(ike, now, cx),
        }
    }

    /// The next timer.
    pub(crate) fn deadline(&self) -> Option<Deadline> {
        match self {
            Self::InitiatorInit(state) => Some(state.deadline()),
            Self::InitiatorAuth(state) => Some(state.deadline()),
            Self::ResponderAuth(state) => Some(state.deadline()),
            Self::Established(state) => state.deadline(),
        }
    }

    /// Ends the SA: tells the data plane and whoever listens.
    pub(crate) fn close(self, ike: IkeHandle, reason: CloseReason, cx: &mut Context) {
        let (spi_i, spi_r) = self.spis();
        let established = match self {
            Self::Established(state) => {
                state.close_children(ike, reason, cx);
                true
            }
            Self::InitiatorAuth(state) => {
                cx.free_child_spi(state.child_spi());
                false
            }
            Self::InitiatorInit(_) | Self::ResponderAuth(_) => false,
        };
        cx.event(Event::IkeClosed { ike, spi_i, spi_r, reason, established });
    }

    /// The SPIs of the IKE SA.
    pub(crate) fn spis(&self) -> (IkeSpi, IkeSpi) {
        match self {
            Self::InitiatorInit(state) => (state.spi_i(), IkeSpi::ZERO),
            Self::InitiatorAuth(state) => (state.channel().spi_i, state.channel().spi_r),
            Self::ResponderAuth(state) => (state.channel.spi_i, state.channel.spi_r),
            Self::Established(state) => (state.channel.spi_i, state.channel.spi_r),
        }
    }

    /// The SPI that this end has chosen.
    pub(crate) fn own_spi(&self) -> IkeSpi {
        let (spi_i, spi_r) = self.spis();
        match self {
            Self::InitiatorInit(_) | Self::InitiatorAuth(_) => spi_i,
            Self::ResponderAuth(_) => spi_r,
            Self::Established(state) => state.own_spi(),
        }
    }

    /// Whether it counts against the limits for half-open SAs.
    pub(crate) fn is_half_open_responder(&self) -> bool {
        matches!(self, Self::ResponderAuth(_))
    }

    /// Whether a request of ours is on its way.
    pub(crate) fn is_waiting(&self) -> bool {
        match self {
            Self::InitiatorInit(_) | Self::InitiatorAuth(_) => true,
            Self::ResponderAuth(_) => false,
            Self::Established(state) => state.is_waiting(),
        }
    }
}
