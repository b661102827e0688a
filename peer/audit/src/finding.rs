//! Findings, and the sink that the checks report them to.

use core::fmt;

use ikeproof_proto::time::Time;
use serde::Serialize;

use crate::level::Level;
use crate::observed::{Frame, Sender};
use crate::rules::Rule;

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

/// Takes what the checks of one datagram find.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    frame: Frame,
    findings: &'a mut Vec<Finding>,
}

impl<'a> Report<'a> {
    pub(crate) fn new(frame: Frame, findings: &'a mut Vec<Finding>) -> Self {
        Self { frame, findings }
    }

    /// The datagram under judgement.
    pub(crate) const fn frame(&self) -> Frame {
        self.frame
    }

    /// Hands the list to checks that are not about this datagram alone.
    pub(crate) fn with(&mut self, checks: impl FnOnce(&mut Vec<Finding>)) {
        checks(self.findings);
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
        self.findings.push(Finding {
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
