//! IKEv1: a laboratory of its own, honest sessions in it, and mutants of every rule.

mod draft;
mod honest;
mod judge;
pub mod lab;
mod mutants;
mod ports;
mod probes;
mod script;
