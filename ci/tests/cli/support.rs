//! The built binary as a child process, with its standard output read line by line.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// How long anything may take here.
pub const LONG: Duration = Duration::from_secs(20);

/// With 1 in it, what needs containers may not be passed over.
pub const REQUIRE_DOCKER: &str = "IKEPROOF_REQUIRE_DOCKER";
/// The same for what needs others' programs, as tshark.
pub const REQUIRE_TOOLS: &str = "IKEPROOF_REQUIRE_TOOLS";

/// A command line of the tool.
pub fn ikeproof(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ikeproof"));
    command.args(arguments).env_remove("RUST_LOG");
    command
}

/// Says that a test is passed over and why, unless the environment requires what it lacks.
pub fn skip(test: &str, why: &str, required_by: &str) {
    assert!(
        std::env::var_os(required_by).is_none_or(|value| value != "1"),
        "{test} is required by {required_by}: {why}"
    );
    println!("SKIP {test}: {why}");
}

/// Sends a signal to a run that was started here.
pub fn signal_to(child: &Child, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
}

/// `ikeproof serve` with JSON events, running.
#[derive(Debug)]
pub struct Server {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<Value>,
}

impl Server {
    /// Starts it on free ports of 127.0.0.1 and waits until it listens.
    pub fn start(more: &[&str]) -> Self {
        let usual = ["--listen", "127.0.0.1", "--port", "0", "--nat-port", "0"];
        let psk = ["--psk", "fqdn:client.example.com=secret"];
        Self::with(&[&usual[..], &psk, more].concat())
    }

    /// Starts it with these options alone and waits until it listens.
    pub fn with(options: &[&str]) -> Self {
        let arguments = [&["serve", "--events", "json"], options].concat();
        let mut child = ikeproof(&arguments).stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (to, lines) = channel();
        std::thread::spawn(move || {
            for line in out.lines() {
                if to.send(line.unwrap()).is_err() {
                    return;
                }
            }
        });
        let mut server = Self { child, lines, seen: Vec::new() };
        server.event("listening");
        server
    }

    /// The first event of this name, waited for.
    pub fn event(&mut self, name: &str) -> Value {
        let end = Instant::now() + LONG;
        let is = |value: &&Value| value["event"] == name;
        loop {
            if let Some(found) = self.seen.iter().find(is) {
                return found.clone();
            }
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => self.seen.push(serde_json::from_str(&line).unwrap()),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("no {name} among {:#?}", self.seen)
                }
            }
        }
    }

    /// Both UDP ports.
    pub fn ports(&mut self) -> (u16, u16) {
        let listening = self.event("listening");
        let port = |name: &str| {
            let address: std::net::SocketAddr = listening[name].as_str().unwrap().parse().unwrap();
            address.port()
        };
        (port("local"), port("nat_local"))
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        signal_to(&self.child, signal);
    }

    /// Waits for the end: the exit status and all events.
    pub fn end(mut self) -> (ExitStatus, Vec<Value>) {
        let status = self.child.wait().unwrap();
        while let Ok(line) = self.lines.recv_timeout(LONG) {
            self.seen.push(serde_json::from_str(&line).unwrap());
        }
        (status, std::mem::take(&mut self.seen))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended long ago.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
