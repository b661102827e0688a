//! Record and replay: a session as configuration, seed, inputs and outputs, a line of JSON for each.
//!
//! The head names the format and its version; then come the inputs in the order in which they were
//! handed in, each followed by what came of it. A replay builds the edge anew from the head, hands
//! in the inputs and compares the outputs: no peer, no waiting, and either cryptography provider.
//!
//! A transcript of a laboratory session holds its secrets. It is never made of a user's session
//! unless the user asks for it.

use std::io::{self, BufRead, Write};

use core::net::IpAddr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::config::EndpointConfig;
use crate::edge::{EdgeInput, EdgeOutput};
use crate::event::{Event, KeyLogEntry};
use crate::forward::ForwardConfig;
use crate::io::{Channel, Command, Path};
use crate::sa::TunnelId;
use crate::wire::hex;

/// The name and version of the format.
pub const SCHEMA: &str = "ikeproof.transcript/1";

/// The first line of a transcript.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Head {
    /// The name and version of the format.
    pub schema: String,
    /// What was recorded, for people.
    #[serde(default)]
    pub title: String,
    /// Who was at the other end, for people.
    #[serde(default)]
    pub peer: String,
    /// The seed of all randomness of the edge, in hex.
    #[serde(with = "seed_hex")]
    pub seed: [u8; 32],
    /// The configuration of the endpoint.
    pub endpoint: EndpointConfig,
    /// The configuration of the router.
    pub forward: ForwardConfig,
}

/// A line of a transcript after the first.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// An input.
    In(InputLine),
    /// What came of the inputs before it.
    Out(Box<OutputLine>),
    /// Recording ended here although the session went on, and why.
    Cut(String),
}

/// An input and its time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InputLine {
    /// When, in nanoseconds since the start.
    pub at: u64,
    /// What.
    pub what: Recorded,
}

/// What a recorded input is.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields are those of `EdgeInput`")]
pub enum Recorded {
    /// A UDP datagram.
    Udp { channel: Channel, local: core::net::SocketAddr, remote: core::net::SocketAddr, hex: Hex },
    /// A packet of a protocol of its own, such as ESP.
    Raw { protocol: u8, local: IpAddr, remote: IpAddr, hex: Hex },
    /// A packet of an inner host.
    Inner { tunnel: u64, hex: Hex },
    /// Time passed.
    Timeout,
    /// The owner asked for something.
    Command(Box<Command>),
}

/// What a recorded output is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields are those of `EdgeOutput`")]
pub enum OutputLine {
    /// A UDP datagram.
    Udp { channel: Channel, local: core::net::SocketAddr, remote: core::net::SocketAddr, hex: Hex },
    /// A packet of a protocol of its own.
    Raw { protocol: u8, local: IpAddr, remote: IpAddr, hex: Hex },
    /// A packet for an inner host.
    Inner { tunnel: u64, hex: Hex },
    /// An event.
    Event(Event),
    /// Keys.
    Keys(KeyLogEntry),
}

/// Octets, written as hex.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Hex(pub Vec<u8>);

impl core::fmt::Debug for Hex {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl From<Hex> for String {
    fn from(bytes: Hex) -> Self {
        hex::encode(&bytes.0)
    }
}

impl TryFrom<String> for Hex {
    type Error = hex::HexError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        hex::decode(&text).map(Self)
    }
}

mod seed_hex {
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(seed: &[u8; 32], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&crate::wire::hex::encode(seed))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<[u8; 32], D::Error> {
        let text = String::deserialize(from)?;
        let bytes = crate::wire::hex::decode(&text).map_err(de::Error::custom)?;
        bytes.try_into().map_err(|_| de::Error::custom("a seed has 32 octets"))
    }
}

impl Recorded {
    /// The input, for keeping.
    pub fn of(input: &EdgeInput<'_>) -> Self {
        match input {
            EdgeInput::Udp { path, payload } => Self::Udp {
                channel: path.channel,
                local: path.local,
                remote: path.remote,
                hex: Hex(payload.to_vec()),
            },
            EdgeInput::Raw { protocol, local, remote, payload } => Self::Raw {
                protocol: *protocol,
                local: *local,
                remote: *remote,
                hex: Hex(payload.to_vec()),
            },
            EdgeInput::Inner { tunnel, packet } => {
                Self::Inner { tunnel: tunnel.0, hex: Hex(packet.to_vec()) }
            }
            EdgeInput::Timeout => Self::Timeout,
            EdgeInput::Command(command) => Self::Command(Box::new(command.clone())),
        }
    }

    /// The input, for handing in again.
    pub fn input(&self) -> EdgeInput<'_> {
        match self {
            Self::Udp { channel, local, remote, hex } => EdgeInput::Udp {
                path: Path { channel: *channel, local: *local, remote: *remote },
                payload: &hex.0,
            },
            Self::Raw { protocol, local, remote, hex } => EdgeInput::Raw {
                protocol: *protocol,
                local: *local,
                remote: *remote,
                payload: &hex.0,
            },
            Self::Inner { tunnel, hex } => {
                EdgeInput::Inner { tunnel: TunnelId(*tunnel), packet: &hex.0 }
            }
            Self::Timeout => EdgeInput::Timeout,
            Self::Command(command) => EdgeInput::Command((**command).clone()),
        }
    }
}

impl OutputLine {
    /// The output, for keeping; `None` for one that is not kept.
    pub fn of(output: &EdgeOutput) -> Option<Self> {
        Some(match output {
            EdgeOutput::Udp { path, payload } => Self::Udp {
                channel: path.channel,
                local: path.local,
                remote: path.remote,
                hex: Hex(payload.clone()),
            },
            EdgeOutput::Raw { protocol, local, remote, payload, .. } => Self::Raw {
                protocol: *protocol,
                local: *local,
                remote: *remote,
                hex: Hex(payload.clone()),
            },
            EdgeOutput::Inner { tunnel, packet } => {
                Self::Inner { tunnel: tunnel.0, hex: Hex(packet.clone()) }
            }
            EdgeOutput::Event(event) => Self::Event(event.clone()),
            EdgeOutput::Keys(keys) => Self::Keys(keys.clone()),
            EdgeOutput::Observation { .. } | EdgeOutput::Timeout(_) => return None,
        })
    }
}

/// Why a transcript cannot be used.
#[derive(Debug, Error)]
pub enum TranscriptError {
    /// It cannot be read or written.
    #[error("transcript: {0}")]
    Io(#[from] io::Error),
    /// A line is not what it must be.
    #[error("line {line} of the transcript: {why}")]
    Line {
        /// The number of the line, from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
    /// It is of another format or version.
    #[error("the transcript is of the format {found:?}; this build reads {SCHEMA:?}")]
    Schema {
        /// What it says.
        found: String,
    },
}

/// A whole session.
#[derive(Clone, Debug)]
pub struct Transcript {
    /// The first line.
    pub head: Head,
    /// All other lines.
    pub lines: Vec<Line>,
}

impl Transcript {
    /// Reads a transcript.
    pub fn read(from: impl BufRead) -> Result<Self, TranscriptError> {
        let mut numbered = (1..).zip(from.lines());
        let first = numbered.next().map(|(_, line)| line).transpose()?.unwrap_or_default();
        let named: Named = parse(1, &first)?;
        if named.schema != SCHEMA {
            return Err(TranscriptError::Schema { found: named.schema });
        }
        let head = parse(1, &first)?;
        let mut lines = Vec::new();
        for (number, line) in numbered {
            let line = line?;
            if !line.trim().is_empty() {
                lines.push(parse(number, &line)?);
            }
        }
        Ok(Self { head, lines })
    }

    /// Writes a transcript.
    pub fn write(&self, mut to: impl Write) -> Result<(), TranscriptError> {
        let mut line = |value: String| writeln!(to, "{value}");
        line(to_json(&self.head)?)?;
        for entry in &self.lines {
            line(to_json(entry)?)?;
        }
        Ok(())
    }
}

/// The part of the head that every version has.
#[derive(Deserialize)]
struct Named {
    schema: String,
}

fn parse<T: for<'de> Deserialize<'de>>(line: usize, text: &str) -> Result<T, TranscriptError> {
    serde_json::from_str(text)
        .map_err(|error| TranscriptError::Line { line, why: error.to_string() })
}

fn to_json(value: &impl Serialize) -> Result<String, TranscriptError> {
    serde_json::to_string(value).map_err(|error| TranscriptError::Io(error.into()))
}
