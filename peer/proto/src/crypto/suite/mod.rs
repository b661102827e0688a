//! What is negotiated: transforms with their IANA numbers, names and properties, and the suites
//! they make up.
//!
//! Raw transform numbers stay in `wire/`; from here on an algorithm is a value of one of these
//! types. Every name round-trips through `Display`, `FromStr` and serde, and is part of the
//! format of scenarios, profiles and transcripts.

mod encr;
mod group;
mod integ;
mod name;
mod suites;

pub use encr::{Encr, IcvBytes, KeyBits};
pub use group::{Esn, Group};
pub use integ::{Integ, Prf};
pub use name::{UnknownName, UnknownSuite};
pub use suites::{ChildProtocol, ChildSuite, IkeSuite};
