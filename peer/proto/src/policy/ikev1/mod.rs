//! IKEv1: what an edge makes of its offers, answers and identities.
//!
//! An offer of IKEv1 is a list of complete sets. Each set is read into the types that IKEv2's policy
//! knows and judged by the same lists, constraints and readings; only what IKEv1 alone negotiates
//! (how the ends authenticate, lifetimes, how packets are encapsulated) has rules of its own.

mod answer;
mod attributes;
mod identity;
mod life;
mod offer;
mod phase1;
mod phase2;
mod remote_access;
mod table;

pub use answer::{
    OverAnswer, V1AnswerError, check_phase1_answer, check_phase2_answer, check_phase2_over,
};
pub use identity::MainModeKey;
pub use life::{Life, Lifetime};
pub use offer::{Phase2Offer, phase1_offer, phase2_offer};
pub use phase1::{Phase1Choice, Phase1Context};
pub use phase2::{Phase2Choice, Phase2Context};
pub use remote_access::{AddressPool, RemoteAccess, XauthUser};
pub use table::{Ikev1Mode, Ikev1Policy};
