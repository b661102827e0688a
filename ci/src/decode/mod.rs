//! `ikeproof decode`: a capture or a transcript as a timeline, with what the auditor finds.
//!
//! [`input`] reads the file, [`keys`] the key tables beside a capture, [`timeline`] lets the auditor
//! judge and keeps each line with the findings about it, and [`against`] compares with tshark.

mod against;
mod command;
mod input;
pub mod keys;
pub mod timeline;

pub use command::run;
