//! The initiator's side of the initial exchanges (RFC 7296 §1.2).
//!
//! ```text
//! --> IKE_SA_INIT { [N(COOKIE),] SA, KE, Ni, N(NATD_S), N(NATD_D) }     AwaitInit
//! <-- IKE_SA_INIT { SA, KE, Nr, N(NATD_S), N(NATD_D) }
//! --> IKE_AUTH { IDi, [IDr,] AUTH, SA, TSi, TSr }                       AwaitAuth
//! <-- IKE_AUTH { IDr, AUTH, SA, TSi, TSr }
//! ```

mod auth;
mod init;
#[cfg(test)]
mod tests;

pub(crate) use auth::AwaitAuth;
pub(crate) use init::{AwaitInit, start};
