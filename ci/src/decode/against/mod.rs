//! `ikeproof decode --against-tshark`: our decoding compared with tshark's, field by field.
//!
//! [`ours`] (with [`ours_v1`], [`isakmp`] and [`fragments`] for IKEv1) and [`theirs`] tell what the two
//! decoders say of a frame in one form ([`fact`]): fields in the order of the octets, named as tshark
//! names them. [`compare`] holds the two against each other and judges what differs; [`capture`] does so
//! for all frames of a file, [`command`] for a file or for all captures of a run.

mod capture;
mod command;
mod compare;
mod exception;
mod fact;
mod fragments;
mod isakmp;
mod ours;
mod ours_v1;
mod theirs;

pub use command::run;
