//! The command line of ikeproof.
fn main() {}
