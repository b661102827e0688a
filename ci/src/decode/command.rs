//! The command: reads, judges, prints.

use std::fmt::Write as _;
use std::process::ExitCode;

use ikeproof_audit::DetailLevel;

use super::against;
use super::input::{self, Input};
use super::timeline::{Moment, timeline};
use crate::cli::DecodeArgs;
use crate::exit::Stop;
use crate::stdout;

/// Prints the timeline of a file; with `-v` every field. With `--against-tshark` it prints where
/// tshark reads the file otherwise.
///
/// # Errors
/// If the file or a key table cannot be read.
pub fn run(args: &DecodeArgs, verbose: bool) -> Result<ExitCode, Stop> {
    if args.against_tshark {
        return against::run(args);
    }
    let input = input::read(args)?;
    let moments = timeline(&input.datagrams, &input.keys);
    stdout::print(&text(args, &input, &moments, verbose))
}

fn text(args: &DecodeArgs, input: &Input, moments: &[Moment], verbose: bool) -> String {
    let mut text = String::new();
    for note in &input.notes {
        let _ = writeln!(text, "{note}");
    }
    for moment in moments {
        let decoded = &moment.decoded;
        let sealed = if decoded.encrypted && !decoded.decrypted { " (no keys)" } else { "" };
        let _ = writeln!(text, "#{:<4}{decoded}{sealed}", decoded.frame);
        if verbose {
            for detail in &decoded.detail {
                let depth = match detail.level {
                    DetailLevel::Header => 1,
                    DetailLevel::Payload => 2,
                    DetailLevel::Field => 3,
                    DetailLevel::Part => 4,
                };
                let (field, value) = (&detail.field, &detail.value);
                let _ = writeln!(text, "{:12}{:depth$}{field}: {value}", "", "", depth = 2 * depth);
            }
        }
        for finding in &moment.findings {
            let place = finding.octet.map(|octet| format!("octet {octet}: ")).unwrap_or_default();
            let _ = writeln!(
                text,
                "     !! {} {}, {}: {place}{}",
                finding.level, finding.requirement, finding.by, finding.message
            );
        }
    }
    let findings = || moments.iter().flat_map(|moment| &moment.findings);
    let musts = findings().filter(|finding| finding.level.is_must()).count();
    let _ = writeln!(
        text,
        "{} datagrams, {} findings ({musts} of MUST or MUST NOT)",
        moments.len(),
        findings().count()
    );
    if moments.is_empty() {
        let ports =
            |ports: &[u16]| ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let _ = writeln!(
            text,
            "nothing of IKE or ESP was found on the UDP ports {} and {}, nor as IP protocol 50; \
             other ports are named with --port and --nat-port",
            ports(&args.port),
            ports(&args.nat_port)
        );
    }
    text
}
