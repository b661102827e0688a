//! Two network namespaces of our own, joined by a veth pair, or the reason why there are none.

use std::process::Command;
use std::sync::mpsc;
use std::thread::JoinHandle;

use ikeproof_driver::netns::{Namespace as NetNamespace, Place};
use nix::sched::{CloneFlags, unshare};

/// A namespace that lives as long as this does.
pub struct Namespace {
    pub place: Place,
    inside: NetNamespace,
    thread_id: i32,
    keep: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Namespace {
    fn new() -> Result<Self, String> {
        let (ready, is_ready) = mpsc::channel();
        let (keep, kept) = mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            let made = unshare(CloneFlags::CLONE_NEWNET);
            let _ = ready.send(made.map(|()| nix::unistd::gettid().as_raw()));
            if made.is_ok() {
                let _ = kept.recv();
            }
        });
        let thread_id = is_ready
            .recv()
            .map_err(|_| "the thread ended".to_owned())?
            .map_err(|errno| format!("unshare: {errno}"))?;
        let path = format!("/proc/{}/task/{thread_id}/ns/net", std::process::id());
        let inside = NetNamespace::at(path);
        let place = Place::Namespace(inside.clone());
        Ok(Self { place, inside, thread_id, keep: Some(keep), thread: Some(thread) })
    }

    /// Runs `ip` there.
    fn ip(&self, arguments: &str) -> Result<(), String> {
        let output = self
            .inside
            .run(|| Ok(Command::new("ip").args(arguments.split_whitespace()).output()))
            .map_err(|error| error.to_string())?
            .map_err(|error| format!("ip: {error}"))?;
        match output.status.success() {
            true => Ok(()),
            false => Err(format!("ip {arguments}: {}", String::from_utf8_lossy(&output.stderr))),
        }
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        drop(self.keep.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// 10.77.0.1 and fd77::1 in the first, 10.77.0.2 and fd77::2 in the second, both on `eth0`.
pub fn pair() -> Option<(Namespace, Namespace)> {
    match try_pair() {
        Ok(pair) => Some(pair),
        Err(why) => {
            crate::tools::skip(&format!("no network namespaces here: {why}"));
            None
        }
    }
}

fn try_pair() -> Result<(Namespace, Namespace), String> {
    let (left, right) = (Namespace::new()?, Namespace::new()?);
    let id = right.thread_id;
    left.ip(&format!("link add eth0 type veth peer name eth0 netns {id}"))?;
    for (namespace, n) in [(&left, 1), (&right, 2)] {
        namespace.ip("link set lo up")?;
        namespace.ip(&format!("address add 10.77.0.{n}/24 dev eth0"))?;
        namespace.ip("link set eth0 up")?;
        // Without IPv6 in the kernel the tests of IPv6 say so themselves.
        let _ = namespace.ip(&format!("address add fd77::{n}/64 dev eth0 nodad"));
    }
    Ok((left, right))
}
