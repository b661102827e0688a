//! The tool as a user meets it: the built binary with arguments, signals, files and sockets.

mod client;
mod engine;
mod files;
mod gate;
mod peers;
mod scan;
mod serve;
mod support;
mod usage;
mod verdicts;
