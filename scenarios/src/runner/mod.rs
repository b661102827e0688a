//! Runs cases and judges them.
//!
//! A stage is what a case runs on; setup turns what the case says into configurations; a case plays
//! its steps and is judged by its checks; the plan says which cases are run against whom, and the run
//! does so and keeps the report.

mod agreed;
mod case;
mod checks;
mod failure;
mod faults;
mod ladder;
mod on_wire;
mod pki;
mod plan;
mod refused;
mod run;
mod seen;
mod setup;
mod stage;
mod steps;
mod told;
mod traffic;
mod verdict;
mod workers;

pub use ladder::side_event;
pub use plan::{Filter, Named, PeerChoice, Planned, plan};
pub use run::{Observer, RunOptions, RunOutcome, run};
