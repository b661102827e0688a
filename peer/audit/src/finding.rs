//! Findings, and the sink that the checks report them to.

use core::fmt;
use std::collections::HashMap;

use ikeproof_proto::time::Time;
use serde::Serialize;

use crate::level::Level;
use crate::observed::{Frame, Sender};
use crate::rules::{RULES, Rule};

/// A requirement that one side broke.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The id in the catalogue.
    pub requirement: &'static str,
    /// Its key word.
    pub level: Level,
    /// Who broke it.
    pub by: Sender,
    /// When the datagram was seen that broke it.
    pub at: Time,
    /// The number of that datagram, from 1.
    pub frame: u64,
    /// The octet that decided, counted from the start of the IKE message or ESP packet; in what was
    /// encrypted, where the octet stands in the decrypted message.
    pub octet: Option<usize>,
    /// What was found, with values.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{} {} {} {}: ", self.frame, self.by, self.level, self.requirement)?;
        if let Some(octet) = self.octet {
            write!(f, "octet {octet}: ")?;
        }
        f.write_str(&self.message)
    }
}

/// How often a rule was applied to each side: it looked at something that could have broken it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The rule.
    pub rule: &'static Rule,
    /// How often it was applied to the edge.
    pub edge: u64,
    /// How often it was applied to the peer.
    pub peer: u64,
}

impl Applied {
    /// How often it was applied to `side`.
    pub const fn to(&self, side: Sender) -> u64 {
        match side {
            Sender::Edge => self.edge,
            Sender::Peer => self.peer,
        }
    }
}

/// What the checks come to.
#[derive(Debug, Default)]
pub(crate) struct Sink {
    /// What they found.
    pub(crate) findings: Vec<Finding>,
    /// How often each was made, of the edge and of the peer.
    applied: HashMap<&'static str, [u64; 2]>,
}

impl Sink {
    /// The rules that were applied, in the order of the table.
    pub(crate) fn applied(&self) -> Vec<Applied> {
        let of = |rule: &&'static Rule| {
            let [edge, peer] = *self.applied.get(rule.id)?;
            Some(Applied { rule, edge, peer })
        };
        RULES.iter().filter_map(of).collect()
    }
}

/// Takes what the checks of one datagram find.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    frame: Frame,
    sink: &'a mut Sink,
}

impl<'a> Report<'a> {
    pub(crate) fn new(frame: Frame, sink: &'a mut Sink) -> Self {
        Self { frame, sink }
    }

    /// Notes that these rules are applied to what the sender of the datagram has sent. Said by each
    /// check where it looks, and only if there is something to see: coverage counts it.
    pub(crate) fn applies(&mut self, rules: &[&'static Rule]) {
        self.applies_to(self.frame.by, rules);
    }

    /// The same for what `side` has done or left undone.
    pub(crate) fn applies_to(&mut self, side: Sender, rules: &[&'static Rule]) {
        for rule in rules {
            let [edge, peer] = self.sink.applied.entry(rule.id).or_default();
            *match side {
                Sender::Edge => edge,
                Sender::Peer => peer,
            } += 1;
        }
    }

    /// The datagram under judgement.
    pub(crate) const fn frame(&self) -> Frame {
        self.frame
    }

    /// Hands the sink to checks that are not about this datagram alone.
    pub(crate) fn with(&mut self, checks: impl FnOnce(&mut Sink)) {
        checks(self.sink);
    }

    /// Reports against the sender of the datagram.
    pub(crate) fn say(
        &mut self,
        rule: &'static Rule,
        octet: impl Into<Option<usize>>,
        message: impl Into<String>,
    ) {
        self.say_about(self.frame, rule, octet, message);
    }

    /// Reports against the sender of an earlier datagram.
    pub(crate) fn say_about(
        &mut self,
        frame: Frame,
        rule: &'static Rule,
        octet: impl Into<Option<usize>>,
        message: impl Into<String>,
    ) {
        self.sink.findings.push(Finding {
            requirement: rule.id,
            level: rule.level,
            by: frame.by,
            at: frame.at,
            frame: frame.number,
            octet: octet.into(),
            message: message.into(),
        });
    }
}
