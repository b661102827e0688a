//! `ikeproof doctor` and `ikeproof images build`: what works on this host, and getting the rest.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Instant;

use ikeproof_vendors::docker;
use ikeproof_vendors::doctor::{Check, checks};
use ikeproof_vendors::images::{self, Event, Image};

use crate::exit::{HELD, INFRASTRUCTURE, Stop};
use crate::progress::Progress;
use crate::stdout;

/// What real peers can do without, or what only matters on the way to something else.
const OPTIONAL: [&str; 3] = ["tun device", "base image", "host data plane"];

/// Says what works here. Ends with 3 if scenarios cannot be run against real peers.
///
/// # Errors
/// If it cannot be printed.
pub async fn doctor() -> Result<ExitCode, Stop> {
    let progress = Progress::new();
    progress.at("doctor", "looking around; this starts a few containers");
    let checks = checks().await;
    progress.end("doctor");
    let (text, works) = report(&checks);
    stdout::write(&text)?;
    Ok(ExitCode::from(if works { HELD } else { INFRASTRUCTURE }))
}

fn report(checks: &[Check]) -> (String, bool) {
    let width = checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    let mut works = true;
    for check in checks {
        let needed = !OPTIONAL.contains(&check.name);
        works &= check.ok || !needed;
        let mark = match (check.ok, needed) {
            (true, _) => "ok     ",
            (false, true) => "MISSING",
            (false, false) => "limited",
        };
        let _ = writeln!(text, "{mark}  {:width$}  {}", check.name, check.why);
        if !check.ok && !check.fix.is_empty() {
            let _ = writeln!(text, "{:9}{:width$}  -> {}", "", "", check.fix);
        }
    }
    let _ = writeln!(text);
    let _ = writeln!(
        text,
        "Always here: the embedded peer (a self-check), serve, replay, decode, bench."
    );
    let _ = writeln!(
        text,
        "{}",
        if works {
            "Real peers in containers can be run against."
        } else {
            "Real peers in containers cannot be run against until what is MISSING is there."
        }
    );
    (text, works)
}

/// Builds the images that are missing or out of date, and removes older tags that nothing uses.
///
/// # Errors
/// If there is no engine, or an image cannot be built.
pub async fn build_images(verbose: bool) -> Result<ExitCode, Stop> {
    let began = Instant::now();
    let broken = |error: ikeproof_vendors::Error| Stop::Infrastructure(error.to_string());
    let docker = docker::connect().await.map_err(broken)?;
    let progress = Progress::new();
    let show = |event: Event<'_>| match event {
        Event::Step { image, text } => {
            progress.at(image, text);
            if !progress.is_terminal() {
                progress.line(image, text);
            }
        }
        Event::Line { image, line } => {
            progress.at(image, line);
            if verbose {
                progress.line(image, line);
            }
        }
        Event::Present { image, tag } => progress.line(image, &format!("{tag} is there")),
        Event::Removed { image, tag } => progress.line(image, &format!("{tag} removed")),
        Event::InUse { image, tag } => {
            progress.line(image, &format!("{tag} stays, a container uses it"));
        }
        Event::Built { image, tag, took } => {
            progress.end(image);
            progress.line(image, &format!("{tag} built in {:.0} s", took.as_secs_f32()));
        }
        other => progress.line("images", &format!("{other:?}")),
    };
    let built = images::ensure(&docker, &Image::ALL, &show).await.map_err(broken)?;
    let removed = images::prune(&docker, &show).await.map_err(broken)?;
    stdout::print(&format!(
        "{} images built, {} were there, {removed} older tags removed; {:.0} s\n",
        built.len(),
        Image::ALL.len() - built.len(),
        began.elapsed().as_secs_f32()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &'static str, ok: bool) -> Check {
        Check { name, ok, why: "why".to_owned(), fix: "what to do".to_owned() }
    }

    #[test]
    fn only_what_is_needed_fails() {
        let (text, works) = report(&[check("docker", true), check("host data plane", false)]);
        assert!(works);
        assert!(
            text.contains("limited  host data plane") && text.contains("-> what to do"),
            "{text}"
        );
        let (text, works) = report(&[check("docker", false)]);
        assert!(!works);
        assert!(text.starts_with("MISSING  docker"), "{text}");
    }
}
