//! SIGINT and SIGTERM: the first asks for an orderly end, a second one for an end without waiting.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::Stop;

/// Waits for signals that ask the program to end.
#[derive(Debug)]
pub struct Interrupts {
    int: Signal,
    term: Signal,
}

impl Interrupts {
    /// From now on these signals do not end the process by themselves.
    ///
    /// # Errors
    /// If the system refuses the handlers.
    pub fn catch() -> Result<Self, Stop> {
        let catch = |kind| {
            signal(kind).map_err(|error| {
                Stop::Infrastructure(format!("signal handlers cannot be set up: {error}"))
            })
        };
        Ok(Self { int: catch(SignalKind::interrupt())?, term: catch(SignalKind::terminate())? })
    }

    /// Waits for the next one and names it. Cancel-safe.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.int.recv() => "SIGINT",
            _ = self.term.recv() => "SIGTERM",
        }
    }
}
