//! Recorded runs to files, and nothing else.
//!
//! The runner fills a [`Report`] and one [`CaseTimeline`] for each case; every file is a pure function of
//! them: `report.json`, `junit.xml` ([`junit()`]), `summary.md` ([`summary_md`]), the terminal's table
//! ([`terminal()`]), `timeline.txt` ([`timeline_txt`]), the page `index.html` ([`html()`]), and with the
//! catalogue of requirements `coverage.json` and `coverage.html` ([`coverage`]).
//! [`write_run`] puts them into the folder that the command line promises. Counting and the exit
//! status are in [`tally`], interoperability and self-check strictly apart; [`required`] compares a run
//! with what it must come to.
//!
//! Nothing here looks at a clock, a socket or the environment; only [`mod@write`] and [`read`] touch
//! files.

pub mod coverage;
mod coverage_page;
pub mod html;
pub mod junit;
mod ladder;
pub mod matrix;
pub mod model;
pub mod read;
pub mod required;
pub mod schema;
pub mod summary;
pub mod tally;
pub mod terminal;
pub mod text;
pub mod timeline;
pub mod timeline_text;
pub mod verdict;
mod view;
pub mod write;

pub use coverage::{Coverage, CoveredSubject, PeerCoverage, State, Subject, Totals};
pub use coverage_page::coverage_html;
pub use html::{HtmlError, HtmlOptions, html};
pub use junit::{JunitError, junit};
pub use model::{
    Artifacts, Attempt, Case, Control, Expectation, GateFinding, Peer, Report, Run, SkippedPeer,
    Violation,
};
pub use read::{ReadError, read_report};
pub use required::{REQUIRED_SCHEMA, Required};
pub use schema::json_schemas;
pub use summary::summary_md;
pub use tally::{Counts, Gate, Summary, exit_status};
pub use terminal::{TerminalOptions, terminal};
pub use timeline::{
    Applied, CaseTimeline, Fate, Field, Finding, LadderItem, Message, Party, SideEvent,
};
pub use timeline_text::timeline_txt;
pub use verdict::{Blame, ExitStatus, Initiator, Severity, Verdict};
pub use write::{WriteError, Written, write_atomically, write_run};
