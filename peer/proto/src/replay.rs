//! Replays a transcript: the same inputs into an edge built anew, and what comes out beside what
//! came out then.

use std::sync::Arc;

use crate::crypto::Provider;
use crate::edge::{Edge, EdgeOutput};
use crate::time::Time;
use crate::transcript::{Line, OutputLine, Transcript};

/// How a replay compares with its recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Likeness {
    /// Every output is the same, octet by octet.
    Identical,
    /// The same events in the same order; some octets on the wire differ.
    Equivalent,
    /// Something else happened.
    Broken,
}

/// What came of a replay.
#[derive(Clone, Debug)]
pub struct Replay {
    /// The transcript with the inputs of the old one and the outputs of now.
    pub now: Transcript,
    /// How it compares.
    pub likeness: Likeness,
    /// The outputs that differ, in order.
    pub differences: Vec<Difference>,
}

/// An output that differs.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The line of the recording, from 1, at which the outputs part; the head is line 1.
    pub line: usize,
    /// What was recorded there, if anything.
    pub then: Option<OutputLine>,
    /// What comes out now, if anything.
    pub now: Option<OutputLine>,
}

/// Hands the inputs of `recorded` to a new edge.
pub fn replay(recorded: &Transcript, provider: Arc<dyn Provider>) -> Replay {
    let head = &recorded.head;
    let mut edge = Edge::new(head.endpoint.clone(), head.forward, head.seed, provider);
    let mut now = Transcript { head: head.clone(), lines: Vec::new() };
    let mut differences = Vec::new();
    let mut lines = (2..).zip(&recorded.lines).peekable();
    while let Some((number, line)) = lines.next() {
        now.lines.push(line.clone());
        let Line::In(input) = line else {
            if let Line::Out(output) = line {
                // An output that no input came before: nothing gives it now.
                now.lines.pop();
                differences.push(Difference {
                    line: number,
                    then: Some((**output).clone()),
                    now: None,
                });
            }
            continue;
        };
        let at = Time::from_start(core::time::Duration::from_nanos(input.at));
        edge.handle(at, input.what.input());
        let mut outputs = drain(&mut edge).into_iter();
        let mut line = number;
        while let Some((number, Line::Out(then))) =
            lines.next_if(|(_, line)| matches!(line, Line::Out(_)))
        {
            line = number;
            let output = outputs.next();
            if output.as_ref() != Some(then) {
                let (then, now) = (Some((**then).clone()), output.clone());
                differences.push(Difference { line, then, now });
            }
            now.lines.extend(output.map(|output| Line::Out(Box::new(output))));
        }
        for output in outputs {
            differences.push(Difference { line, then: None, now: Some(output.clone()) });
            now.lines.push(Line::Out(Box::new(output)));
        }
    }
    let likeness = if differences.is_empty() {
        Likeness::Identical
    } else if differences.iter().all(Difference::is_of_octets) {
        Likeness::Equivalent
    } else {
        Likeness::Broken
    };
    Replay { now, likeness, differences }
}

fn drain(edge: &mut Edge) -> Vec<OutputLine> {
    let mut outputs = Vec::new();
    loop {
        match edge.poll_output() {
            EdgeOutput::Timeout(_) => return outputs,
            output => outputs.extend(OutputLine::of(&output)),
        }
    }
}

impl Difference {
    /// Whether something of the same kind goes the same way and only its octets differ.
    fn is_of_octets(&self) -> bool {
        match (&self.then, &self.now) {
            (
                Some(OutputLine::Udp { channel, local, remote, .. }),
                Some(OutputLine::Udp { channel: c, local: l, remote: r, .. }),
            ) => (channel, local, remote) == (c, l, r),
            (
                Some(OutputLine::Raw { protocol, local, remote, .. }),
                Some(OutputLine::Raw { protocol: p, local: l, remote: r, .. }),
            ) => (protocol, local, remote) == (p, l, r),
            (Some(OutputLine::Keys(_)), Some(OutputLine::Keys(_))) => true,
            _ => false,
        }
    }
}
