//! Keeps what goes into an edge and what comes out of it, for replay.

use ikeproof_proto::edge::{EdgeInput, EdgeOutput};
use ikeproof_proto::time::Time;
use ikeproof_proto::transcript::{Head, InputLine, Line, OutputLine, Recorded, SCHEMA, Transcript};

use crate::node::NodeConfig;

/// A transcript in the making.
#[derive(Debug)]
pub struct Recorder {
    transcript: Transcript,
    /// Octets that may still be kept.
    left: usize,
    cut: bool,
}

impl Recorder {
    /// An empty recording.
    pub fn new(config: &NodeConfig) -> Self {
        let head = Head {
            schema: SCHEMA.to_owned(),
            title: config.title.clone(),
            peer: config.peer.clone(),
            seed: config.seed,
            endpoint: config.endpoint.clone(),
            forward: config.forward,
        };
        let transcript = Transcript { head, lines: Vec::new() };
        Self { transcript, left: config.record, cut: config.record == 0 }
    }

    /// Keeps an input.
    pub fn input(&mut self, now: Time, input: &EdgeInput<'_>) {
        let octets = match input {
            EdgeInput::Udp { payload, .. } | EdgeInput::Raw { payload, .. } => payload.len(),
            EdgeInput::Inner { packet, .. } => packet.len(),
            EdgeInput::Timeout | EdgeInput::Command(_) => 0,
        };
        if self.cut {
            return;
        }
        if octets > self.left {
            // From here on a replay would not see what the edge saw.
            self.cut = true;
            self.transcript
                .lines
                .push(Line::Cut("the limit of the recording was reached".to_owned()));
            return;
        }
        self.left -= octets;
        let at = u64::try_from(now.since_start().as_nanos()).unwrap_or(u64::MAX);
        self.transcript.lines.push(Line::In(InputLine { at, what: Recorded::of(input) }));
    }

    /// Keeps an output.
    pub fn output(&mut self, output: &EdgeOutput) {
        if !self.cut
            && let Some(line) = OutputLine::of(output)
        {
            self.transcript.lines.push(Line::Out(Box::new(line)));
        }
    }

    /// The whole recording.
    pub fn finish(self) -> Transcript {
        self.transcript
    }
}
