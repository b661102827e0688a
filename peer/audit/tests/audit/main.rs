//! The auditor against sessions that are made of `wire` and `crypto` alone: honest ones, mutants of
//! every rule, captures, and octets of any kind.

mod applied;
mod capture;
mod fuzz;
mod honest;
mod key_length;
mod lenience;
mod mutants;
mod natd;
mod offers;
mod replays;
mod sequence;
mod support;
mod v1;
