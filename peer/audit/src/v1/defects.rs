//! What a message has that its receiver must refuse (RFC 2408, sections 5.1 to 5.6): a side that goes
//! on with the exchange has taken it.

use super::message::Message;
use crate::finding::Report;
use crate::rules::Rule;

/// What the last messages of both sides have that must be refused.
#[derive(Debug, Default)]
pub(crate) struct Defects {
    /// Of the initiator of the ISAKMP SA, and of the responder.
    of: [Vec<(&'static Rule, String)>; 2],
}

impl Defects {
    /// Notes what `message` has; what an earlier message of that side had counts no more, as the other
    /// side may have taken this one.
    pub(crate) fn replace(
        &mut self,
        report: &mut Report<'_>,
        message: &Message,
        found: Vec<(&'static Rule, String)>,
    ) {
        for (rule, _) in &found {
            report.applies_to(message.frame.by.other(), &[*rule]);
        }
        let [initiator, responder] = &mut self.of;
        *(if message.by_initiator { initiator } else { responder }) = found;
    }

    /// Adds to what the present message has.
    pub(crate) fn add(
        &mut self,
        report: &mut Report<'_>,
        message: &Message,
        rule: &'static Rule,
        says: impl Into<String>,
    ) {
        report.applies_to(message.frame.by.other(), &[rule]);
        let [initiator, responder] = &mut self.of;
        let own = if message.by_initiator { initiator } else { responder };
        own.push((rule, says.into()));
    }

    /// `message` goes on after the last message of the other side.
    pub(crate) fn taken(&mut self, report: &mut Report<'_>, message: &Message) {
        let [initiator, responder] = &mut self.of;
        let others = if message.by_initiator { responder } else { initiator };
        for (rule, says) in others.drain(..) {
            report.say(rule, None, format!("it goes on after a message with {says}"));
        }
    }
}
