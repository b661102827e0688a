//! X.509 certificates: reading them, the path to a trust anchor, and whom they name (RFC 5280;
//! RFC 4945 for what IKE makes of them).
//!
//! Bounded in size, number and depth, and the time is an input. Keys are RSA keys. Revocation is not
//! looked at: no list is fetched, and one that a peer sends along is ignored.

mod certificate;
mod certificates;
mod error;
#[cfg(any(test, feature = "laboratory"))]
pub mod laboratory;
mod names;
mod path;
#[cfg(test)]
mod tests;

pub use certificate::Certificate;
pub use certificates::{CertificateSetup, Certificates, Der, SendCertificate, SetupError};
pub use error::{CertificateError, Refused};
pub use path::{MAX_CERTIFICATES, MAX_DEPTH, check_path};
