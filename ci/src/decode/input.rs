//! What is decoded: a capture with its key tables, or a transcript, which has its keys inside.

use std::io::Cursor;
use std::path::Path;

use ikeproof_audit::Observed;
use ikeproof_audit::capture::{Options, Side, observe};
use ikeproof_proto::event::KeyLogEntry;
use ikeproof_proto::transcript::Transcript;
use ikeproof_scenarios::recorded::observed;

use super::keys;
use crate::cli::DecodeArgs;
use crate::exit::Stop;

/// What the auditor is given.
#[derive(Debug)]
pub struct Input {
    /// The datagrams, in order.
    pub datagrams: Vec<Observed>,
    /// The keys.
    pub keys: Vec<KeyLogEntry>,
    /// What to say first.
    pub notes: Vec<String>,
}

/// Reads the file.
///
/// # Errors
/// If it cannot be read, or is of no known format.
pub fn read(args: &DecodeArgs) -> Result<Input, Stop> {
    let file = &args.file;
    let bytes = bytes(file)?;
    if bytes.trim_ascii_start().first() == Some(&b'{') {
        return from_transcript(args, &bytes);
    }
    let datagrams = observe(&bytes, &options(args)).map_err(|error| {
        Stop::Usage(format!(
            "{}: {error}; decode reads pcap, pcapng and transcripts of ikeproof",
            file.display()
        ))
    })?;
    let mut notes = Vec::new();
    let both = datagrams.iter().map(|it| it.transport).find(|it| it.src() == it.dst());
    if let Some(both) = both {
        notes.push(format!(
            "note: both sides have the address {}, so who sent what is not known, and findings may \
             be wrong",
            both.src()
        ));
    }
    let keys = match &args.keys {
        Some(folder) => keys::read(folder, &mut notes)?,
        None => Vec::new(),
    };
    Ok(Input { datagrams, keys, notes })
}

/// The content of a file.
///
/// # Errors
/// If it cannot be read.
pub fn bytes(file: &Path) -> Result<Vec<u8>, Stop> {
    std::fs::read(file)
        .map_err(|error| Stop::Usage(format!("{} cannot be read: {error}", file.display())))
}

/// How a capture is to be read.
pub fn options(args: &DecodeArgs) -> Options {
    let edge =
        if args.edge.is_empty() { Side::Responder } else { Side::Addresses(args.edge.clone()) };
    Options { edge, ike_ports: args.port.clone(), nat_ports: args.nat_port.clone() }
}

fn from_transcript(args: &DecodeArgs, bytes: &[u8]) -> Result<Input, Stop> {
    let file = &args.file;
    if args.keys.is_some() {
        return Err(Stop::Usage(format!(
            "--keys: {} is a transcript and has its keys inside; leave the option out",
            file.display()
        )));
    }
    let transcript = parse(file, bytes)?;
    let (title, peer) = (&transcript.head.title, &transcript.head.peer);
    let notes = vec![format!("transcript: {title}; peer: {peer}")];
    let (datagrams, keys) = observed(&transcript);
    Ok(Input { datagrams: datagrams.into_iter().map(|(_, it)| it).collect(), keys, notes })
}

/// Reads a transcript; errors name the file and the line.
///
/// # Errors
/// If it is none.
pub fn parse(file: &Path, bytes: &[u8]) -> Result<Transcript, Stop> {
    Transcript::read(Cursor::new(bytes))
        .map_err(|error| Stop::Usage(format!("{}: {error}", file.display())))
}
