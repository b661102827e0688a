//! Runs against a real peer that are disturbed: by a signal, by another run, by an engine that goes away.
//!
//! Without an engine, or without the images, there is nothing to disturb: that is printed.

use std::io::{BufRead as _, BufReader};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use std::{fs, thread};

use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{REQUIRE_DOCKER, ikeproof, signal_to, skip};

/// Where an engine of this host listens.
const ENGINE: &str = "/var/run/docker.sock";
/// How long a run of one scenario may take, or the end of a longer one.
const RUN: Duration = Duration::from_secs(300);
/// A scenario of a few seconds.
const SHORT: &str = "v2/connect";

/// A folder for runs: their reports, and what tells that a run lives, so that what is of these runs is known.
struct Lab {
    folder: TempDir,
}

impl Lab {
    /// Nothing, and why, where there is no engine or no image.
    fn open(test: &str) -> Option<Self> {
        let images = docker(&["images", "--format", "{{.Repository}}"]);
        let why = match images {
            Some(_) if !Path::new(ENGINE).exists() => "the engine is not at its usual place",
            Some(images) if images.lines().any(|it| it == "ikeproof/strongswan") => {
                return Some(Self { folder: tempfile::tempdir().unwrap() });
            }
            Some(_) => "images are not built; run `ikeproof images build`",
            None => "there is no engine",
        };
        skip(test, why, REQUIRE_DOCKER);
        None
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Begins a run against strongSwan.
    fn run(&self, out: &str, more: &[&str]) -> Run {
        self.run_by(Path::new(ENGINE), out, more)
    }

    /// As [`Self::run`], with the engine behind a socket.
    fn run_by(&self, engine: &Path, out: &str, more: &[&str]) -> Run {
        let out = self.path(out);
        let arguments = ["run", "--peer", "strongswan", "--require", "strongswan", "--out"];
        let mut command = ikeproof(&[&arguments[..], &[out.to_str().unwrap()], more].concat());
        command
            .env("IKEPROOF_RUNTIME_DIR", self.path("runtime"))
            .env("DOCKER_HOST", format!("unix://{}", engine.display()))
            .stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        Run { child, out, said: Vec::new() }
    }

    /// The containers and networks of these runs that are still there.
    fn left(&self) -> Vec<String> {
        let format = "{{.ID}} {{.Label \"ikeproof.lock\"}}";
        let of = |what: &[&str]| {
            let filter = ["--filter", "label=ikeproof.lock", "--format", format];
            docker(&[what, &filter].concat()).unwrap()
        };
        let all = of(&["ps", "--all"]) + &of(&["network", "ls"]);
        let ours = self.folder.path().to_str().unwrap();
        all.lines().filter(|line| line.contains(ours)).map(str::to_owned).collect()
    }

    /// The locks, and whatever else of these runs is in the folder of the locks.
    fn locks(&self) -> Vec<PathBuf> {
        fs::read_dir(self.path("runtime")).unwrap().map(|entry| entry.unwrap().path()).collect()
    }
}

/// A run under way.
struct Run {
    child: Child,
    out: PathBuf,
    said: Vec<String>,
}

impl Run {
    /// Waits until a case has passed.
    fn passed(&mut self) {
        let mut lines = BufReader::new(self.child.stderr.take().unwrap()).lines();
        while let Some(line) = lines.next() {
            let line = line.unwrap();
            let passed = line.contains("] pass ");
            self.said.push(line);
            if passed {
                // The rest is read by nobody, and must not fill the pipe.
                thread::spawn(move || lines.for_each(drop));
                return;
            }
        }
        panic!("no case has passed: {:#?}", self.said);
    }

    /// Its exit status and its report.
    fn end(&mut self) -> (Option<i32>, Value) {
        if let Some(stderr) = self.child.stderr.take() {
            thread::spawn(move || BufReader::new(stderr).lines().for_each(drop));
        }
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(began.elapsed() < RUN, "it does not end; so far: {:#?}", self.said);
            thread::sleep(Duration::from_millis(50));
        };
        let run = fs::read_dir(&self.out).unwrap().next().unwrap().unwrap().path();
        let report = fs::read(run.join("report.json")).unwrap();
        (status.code(), serde_json::from_slice(&report).unwrap())
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // It may have ended long ago.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the engine's client prints, if there are both.
fn docker(arguments: &[&str]) -> Option<String> {
    let host = format!("unix://{ENGINE}");
    let output = Command::new("docker").args(arguments).env("DOCKER_HOST", host).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The engine behind a socket that can be cut off.
struct Wire {
    socket: PathBuf,
    streams: Arc<Mutex<Vec<UnixStream>>>,
}

impl Wire {
    fn lay(socket: PathBuf) -> Self {
        let listener = UnixListener::bind(&socket).unwrap();
        let streams = Arc::new(Mutex::new(Vec::new()));
        let all = streams.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let engine = UnixStream::connect(ENGINE).unwrap();
                for (from, to) in [(&client, &engine), (&engine, &client)] {
                    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    thread::spawn(move || {
                        // What is cut off ends with an error.
                        let _ = std::io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Write);
                    });
                }
                all.lock().unwrap().extend([client, engine]);
            }
        });
        Self { socket, streams }
    }

    /// From now on nobody is there.
    fn cut(&self) {
        fs::remove_file(&self.socket).unwrap();
        for stream in self.streams.lock().unwrap().drain(..) {
            // The other end may have gone.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

#[test]
fn an_interrupted_run_reports_what_was_done_and_leaves_nothing() {
    let Some(lab) = Lab::open("an_interrupted_run") else { return };
    let mut run = lab.run("out", &["--repeat", "50", SHORT]);
    run.passed();
    assert!(!lab.left().is_empty(), "there is something to leave behind");
    signal_to(&run.child, Signal::SIGINT);
    let (status, report) = run.end();
    assert_eq!(status, Some(3));
    assert_eq!(report["run"]["complete"], false);
    assert!(!report["cases"].as_array().unwrap().is_empty());
    assert_eq!(lab.left(), [""; 0]);
}

#[test]
fn a_killed_run_is_swept_by_the_next() {
    let Some(lab) = Lab::open("a_killed_run") else { return };
    let mut run = lab.run("killed", &["--repeat", "50", SHORT]);
    // The next case is under way.
    run.passed();
    run.child.kill().unwrap();
    assert_eq!(run.child.wait().unwrap().signal(), Some(Signal::SIGKILL as i32));
    let left = lab.left();
    assert!(left.len() > 1, "a network and containers: {left:?}");
    assert_eq!(lab.locks().len(), 1);

    let (status, report) = lab.run("next", &[SHORT]).end();
    assert_eq!(status, Some(0), "{report:#}");
    assert_eq!(report["run"]["complete"], true);
    assert_eq!(lab.left(), [""; 0]);
    assert_eq!(lab.locks(), Vec::<PathBuf>::new());
}

#[test]
fn two_runs_at_once_do_not_meet() {
    let Some(lab) = Lab::open("two_runs_at_once") else { return };
    let mut runs = [lab.run("one", &[SHORT]), lab.run("two", &[SHORT])];
    for run in &mut runs {
        let (status, report) = run.end();
        assert_eq!(status, Some(0), "{report:#}");
        assert_eq!(report["run"]["complete"], true);
    }
    assert_eq!(lab.left(), [""; 0]);
}

#[test]
fn an_engine_that_goes_away_is_told_and_the_next_run_tidies_up() {
    let Some(lab) = Lab::open("an_engine_that_goes_away") else { return };
    let wire = Wire::lay(lab.path("engine.sock"));
    let mut run = lab.run_by(&wire.socket, "out", &["--repeat", "50", SHORT]);
    run.passed();
    wire.cut();
    let (status, report) = run.end();
    assert_eq!(status, Some(3), "{report:#}");
    assert!(!lab.left().is_empty(), "nobody could have taken it away");

    let (status, _) = lab.run("next", &[SHORT]).end();
    assert_eq!(status, Some(0));
    assert_eq!(lab.left(), [""; 0]);
}
