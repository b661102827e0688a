//! Scenarios, edge profiles, the requirement catalogue, and the runner with its verdicts.
//!
//! [`profile`] says what an edge does and why, [`scenario`] what is tried and expected,
//! [`requirement`] what the RFCs demand, [`catalogue`] what of all that a user can list and look
//! up, [`coverage`] what covers each entry of the catalogue, [`expected`] which failures are known,
//! [`recorded`] what a recorded session consists of. All but the last is TOML and is checked whole
//! before anything runs; [`format`](mod@format) is what the readers of these files share.

pub mod catalogue;
pub mod coverage;
mod embedded;
pub mod expected;
pub mod format;
pub mod patterns;
pub mod profile;
pub mod recorded;
pub mod requirement;
pub mod runner;
pub mod scenario;
pub mod tables;
