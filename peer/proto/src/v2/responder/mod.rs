//! The responder's side of the initial exchanges (RFC 7296 §1.2).
//!
//! ```text
//! --> IKE_SA_INIT { SA, KE, Ni, N(NATD_S), N(NATD_D) }      init()
//! <-- IKE_SA_INIT { SA, KE, Nr, N(NATD_S), N(NATD_D) }
//! --> IKE_AUTH { IDi, [IDr,] AUTH, SA, TSi, TSr }           AwaitAuth
//! <-- IKE_AUTH { IDr, AUTH, SA, TSi, TSr }
//! ```
//!
//! Cookies and limits are the endpoint's business and done before `init` is called.

mod auth;
mod init;

pub(crate) use auth::AwaitAuth;
pub(crate) use init::{init, notification, refusal, send};
