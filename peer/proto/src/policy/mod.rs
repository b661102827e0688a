//! Policy: an edge's rules as constraints over combinations and identities.
//!
//! The states ask, the policy answers, and nothing in here knows a state: [`Profile`] is plain data
//! (a file, a bundle of readings and a scenario's overrides resolved into one value), and each
//! question is one function of it: [`Profile::select_ike`], [`Profile::select_child`],
//! [`Profile::identify`], [`Profile::narrow`], and for IKEv1 [`Profile::select_phase1`] and
//! [`Profile::select_phase2`]. A refusal names the rule, so that the person who
//! configures the gateway knows what to change. Work is bounded for hostile offers.

mod algorithm;
mod answer;
mod child;
mod constraint;
mod identity;
mod ike;
mod ikev1;
mod offer;
mod profile;
mod readings;
mod refusal;
mod ts;

#[cfg(test)]
mod tests;

pub use answer::{AnswerError, check_child_answer, check_ike_answer};
pub use child::{ChildContext, ChildSelection};
pub use constraint::{Constraint, Values};
pub use identity::{Credential, Identity, IdentityQuery, IdentityRefusal, NoIdentity};
pub use ike::{IkeSelection, MAX_COMBINATIONS};
pub use ikev1::{
    AddressPool, Ikev1Mode, Ikev1Policy, Life, Lifetime, MainModeKey, OverAnswer, Phase1Choice,
    Phase1Context, Phase2Choice, Phase2Context, Phase2Offer, RemoteAccess, V1AnswerError,
    XauthUser, check_phase1_answer, check_phase2_answer, check_phase2_over, phase1_offer,
    phase2_offer,
};
pub use offer::{ChildOffer, IkeOffer, OfferError};
pub use profile::{
    Accept, Also, ChildPolicy, Dpd, EsnPolicy, Forwarding, GroupChoice, IdentityPolicy,
    IdentityType, IkePolicy, Limits, Order, Profile, RefusalStyle, Timers, Versions,
};
pub use readings::*;
pub use refusal::{MAX_EXPLAINED, ProposalRefusal, Reason, ReasonKind, Refusal};
pub use ts::{NoSelector, Selector, TsMode, TsPolicy, TsRefusal, is_within};
