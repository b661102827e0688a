//! The middlebox at work: rules, impairments, NAT and the queue of what is under way.
//!
//! Towards the edge a datagram is translated, then judged; towards the peer it is judged, then
//! translated. So rules and chances always see the side of the wire that the endpoint sees.

use core::cmp::Reverse;
use core::net::IpAddr;
use core::time::Duration;
use std::collections::{BinaryHeap, VecDeque};

use serde::{Deserialize, Serialize};

use super::config::{Impairment, MiddleboxConfig};
use super::datagram::{Datagram, Direction, MessageKind};
use super::impair::{Draw, Identity, Memory};
use super::nat::Nat;
use super::rules::{Action, Release, Rule, RuleId};
use crate::time::Time;

/// A datagram that arrives on the other side of the middlebox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// When it was due.
    pub at: Time,
    /// Where it goes.
    pub direction: Direction,
    /// What arrives.
    pub datagram: Datagram,
}

/// Something done to a datagram.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum MiddleboxEvent {
    /// It does not arrive.
    Dropped {
        /// Where it was going.
        direction: Direction,
        /// What it was.
        message: MessageKind,
        /// Why.
        cause: DropCause,
    },
    /// It arrives once more.
    Repeated {
        /// Where it goes.
        direction: Direction,
        /// What it is.
        message: MessageKind,
    },
    /// One that set out later has arrived before it.
    Overtaken {
        /// Where it went.
        direction: Direction,
        /// What it is.
        message: MessageKind,
    },
    /// It waits for a release.
    Held {
        /// Where it was going.
        direction: Direction,
        /// What it is.
        message: MessageKind,
        /// Whose release it waits for.
        rule: RuleId,
    },
    /// It goes on after a release.
    Released {
        /// Where it goes.
        direction: Direction,
        /// What it is.
        message: MessageKind,
        /// Who had held it.
        rule: RuleId,
    },
    /// Its octets were changed.
    Altered {
        /// Where it goes.
        direction: Direction,
        /// What it was.
        message: MessageKind,
        /// By which rule.
        rule: RuleId,
    },
}

/// Why a datagram does not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DropCause {
    /// By chance.
    Loss,
    /// By a rule.
    Rule(RuleId),
    /// The NAT has no mapping for it.
    NoMapping,
    /// Too many datagrams are under way or held.
    QueueFull,
}

/// The middlebox of one flow.
#[derive(Debug)]
pub struct Middlebox {
    config: MiddleboxConfig,
    nat: Option<Nat>,
    rules: Vec<ActiveRule>,
    next_rule: u32,
    memory: Memory,
    queue: BinaryHeap<Reverse<Queued>>,
    next_order: u64,
    /// The order of the latest datagram that has arrived, for each direction.
    latest_to_peer: u64,
    latest_to_edge: u64,
    held: VecDeque<Held>,
    events: VecDeque<MiddleboxEvent>,
}

#[derive(Debug)]
struct ActiveRule {
    id: RuleId,
    rule: Rule,
    matched: u32,
}

#[derive(Debug)]
struct Held {
    rule: RuleId,
    direction: Direction,
    datagram: Datagram,
}

#[derive(Debug)]
struct Queued {
    at: Time,
    order: u64,
    direction: Direction,
    datagram: Datagram,
}

impl Middlebox {
    /// A middlebox that does what `config` says.
    pub fn new(config: MiddleboxConfig) -> Self {
        let nat = config.nat.map(Nat::new);
        let rules = config.rules.clone();
        let mut middlebox = Self {
            config,
            nat,
            rules: Vec::new(),
            next_rule: 0,
            memory: Memory::default(),
            queue: BinaryHeap::new(),
            next_order: 0,
            latest_to_peer: 0,
            latest_to_edge: 0,
            held: VecDeque::new(),
            events: VecDeque::new(),
        };
        for rule in rules {
            middlebox.add_rule(rule);
        }
        middlebox
    }

    /// Takes a datagram that sets out now. Drain [`Self::poll`] afterwards.
    pub fn handle(&mut self, now: Time, direction: Direction, mut datagram: Datagram) {
        let message = datagram.kind();
        if direction == Direction::ToEdge && !self.translate(now, direction, &mut datagram) {
            return;
        }
        let identity = self.memory.identify(direction, &datagram);
        let mut delay = Duration::ZERO;
        let mut copies = 1_u8;
        let mut certain = false;
        if let Some((id, action)) = self.decide(direction, &datagram) {
            match action {
                Action::Pass => certain = true,
                Action::Drop => return self.dropped(direction, message, DropCause::Rule(id)),
                Action::Hold => return self.hold(id, direction, datagram),
                Action::DelayMs(ms) => delay += Duration::from_millis(ms.into()),
                Action::Repeat(more) => copies = copies.saturating_add(more),
                Action::Corrupt { octet, xor } => {
                    corrupt(&mut datagram.bytes, octet, xor);
                    self.event(MiddleboxEvent::Altered { direction, message, rule: id });
                }
                Action::Truncate(len) => {
                    datagram.bytes.truncate(len.into());
                    self.event(MiddleboxEvent::Altered { direction, message, rule: id });
                }
            }
        }
        let impairment = self.impairment(direction, message);
        if !certain && identity.is_lost(self.config.seed, impairment.loss) {
            return self.dropped(direction, message, DropCause::Loss);
        }
        delay += self.delay(&identity, &impairment);
        for _ in 1..copies {
            self.event(MiddleboxEvent::Repeated { direction, message });
            self.send(now, now + delay, direction, datagram.clone());
        }
        let duplicate = identity.random(self.config.seed, Draw::Duplicate);
        let twice = !certain && impairment.duplicate.covers(duplicate);
        let copy = twice.then(|| datagram.clone());
        self.send(now, now + delay, direction, datagram);
        // Behind the first one, which is no overtaking.
        if let Some(copy) = copy {
            self.event(MiddleboxEvent::Repeated { direction, message });
            let later = delay + Duration::from_millis(impairment.duplicate_after_ms.into());
            self.send(now, now + later, direction, copy);
        }
    }

    /// The next datagram that is due by `now`.
    pub fn poll(&mut self, now: Time) -> Option<Delivery> {
        if self.queue.peek().is_none_or(|Reverse(first)| first.at > now) {
            return None;
        }
        let Reverse(Queued { at, order, direction, datagram }) = self.queue.pop()?;
        let latest = match direction {
            Direction::ToPeer => &mut self.latest_to_peer,
            Direction::ToEdge => &mut self.latest_to_edge,
        };
        let overtaken = order < *latest;
        *latest = order.max(*latest);
        if overtaken {
            self.event(MiddleboxEvent::Overtaken { direction, message: datagram.kind() });
        }
        Some(Delivery { at, direction, datagram })
    }

    /// When the next datagram is due, if any is under way.
    pub fn poll_timeout(&self) -> Option<Time> {
        self.queue.peek().map(|Reverse(first)| first.at)
    }

    /// The next thing done to a datagram.
    pub fn poll_event(&mut self) -> Option<MiddleboxEvent> {
        self.events.pop_front()
    }

    /// Loses, repeats and reorders nothing by chance any more, and lets what is under way arrive now, in the order
    /// in which it set out. Rules and delays stay.
    pub fn calm(&mut self, now: Time) {
        let under_way = std::mem::take(&mut self.queue).into_iter();
        let at_once =
            |Reverse(queued): Reverse<Queued>| Reverse(Queued { at: queued.at.min(now), ..queued });
        self.queue = under_way.map(at_once).collect();
        for direction in [&mut self.config.to_peer, &mut self.config.to_edge] {
            for class in [&mut direction.ike, &mut direction.data] {
                *class = Impairment { delay_ms: class.delay_ms, ..Impairment::default() };
            }
        }
    }

    /// Adds a rule behind those that are there.
    pub fn add_rule(&mut self, rule: Rule) -> RuleId {
        let id = RuleId(self.next_rule);
        self.next_rule = self.next_rule.wrapping_add(1);
        self.rules.push(ActiveRule { id, rule, matched: 0 });
        id
    }

    /// Lets datagrams go on that `rule` holds, now; returns how many. The rule stays.
    pub fn release(&mut self, now: Time, rule: RuleId, order: Release) -> usize {
        let (mut released, kept): (Vec<_>, Vec<_>) =
            self.held.drain(..).partition(|held| held.rule == rule);
        self.held = kept.into();
        match order {
            Release::InOrder => {}
            Release::Reversed => released.reverse(),
            Release::First => {
                let rest = released.split_off(released.len().min(1));
                // What stays goes back to the front: among one rule's datagrams the order is kept.
                for held in rest.into_iter().rev() {
                    self.held.push_front(held);
                }
            }
        }
        let count = released.len();
        for Held { rule, direction, datagram } in released {
            let message = datagram.kind();
            self.event(MiddleboxEvent::Released { direction, message, rule });
            self.send(now, now, direction, datagram);
        }
        count
    }

    /// As [`Self::release`], and then the rule is removed.
    pub fn lift(&mut self, now: Time, rule: RuleId, order: Release) -> usize {
        self.rules.retain(|active| active.id != rule);
        self.release(now, rule, order)
    }

    /// Makes the NAT forget its mappings, and use another public address if one is given.
    ///
    /// False if there is no NAT.
    pub fn nat_remap(&mut self, public: Option<IpAddr>) -> bool {
        let Some(nat) = &mut self.nat else { return false };
        nat.remap(public);
        true
    }

    /// The NAT, for looking at its mappings.
    pub const fn nat(&self) -> Option<&Nat> {
        self.nat.as_ref()
    }

    fn translate(&mut self, now: Time, direction: Direction, datagram: &mut Datagram) -> bool {
        let Some(nat) = &mut self.nat else { return true };
        let translated = nat.translate(now, direction, datagram).is_ok();
        if !translated {
            self.dropped(direction, datagram.kind(), DropCause::NoMapping);
        }
        translated
    }

    fn decide(&mut self, direction: Direction, datagram: &Datagram) -> Option<(RuleId, Action)> {
        let mut decision = None;
        for active in &mut self.rules {
            if !active.rule.matches(direction, datagram) {
                continue;
            }
            active.matched = active.matched.saturating_add(1);
            if active.rule.acts_on(active.matched) {
                decision = Some((active.id, active.rule.action));
                break;
            }
        }
        decision
    }

    fn hold(&mut self, rule: RuleId, direction: Direction, datagram: Datagram) {
        let message = datagram.kind();
        if self.held.len() >= MAX_UNDER_WAY {
            return self.dropped(direction, message, DropCause::QueueFull);
        }
        self.event(MiddleboxEvent::Held { direction, message, rule });
        self.held.push_back(Held { rule, direction, datagram });
    }

    fn impairment(&self, direction: Direction, message: MessageKind) -> Impairment {
        let config = match direction {
            Direction::ToPeer => &self.config.to_peer,
            Direction::ToEdge => &self.config.to_edge,
        };
        match message {
            MessageKind::Data { .. } => config.data,
            _ => config.ike,
        }
    }

    fn delay(&self, identity: &Identity, impairment: &Impairment) -> Duration {
        let seed = self.config.seed;
        let mut ms = u64::from(impairment.delay_ms);
        ms += identity.random(seed, Draw::Jitter) % (u64::from(impairment.jitter_ms) + 1);
        if impairment.reorder.covers(identity.random(seed, Draw::Reorder)) {
            ms += u64::from(impairment.reorder_by_ms);
        }
        Duration::from_millis(ms)
    }

    fn send(&mut self, now: Time, at: Time, direction: Direction, mut datagram: Datagram) {
        if direction == Direction::ToPeer && !self.translate(now, direction, &mut datagram) {
            return;
        }
        if self.queue.len() >= MAX_UNDER_WAY {
            return self.dropped(direction, datagram.kind(), DropCause::QueueFull);
        }
        let order = self.next_order;
        self.next_order += 1;
        self.queue.push(Reverse(Queued { at, order, direction, datagram }));
    }

    fn dropped(&mut self, direction: Direction, message: MessageKind, cause: DropCause) {
        self.event(MiddleboxEvent::Dropped { direction, message, cause });
    }

    fn event(&mut self, event: MiddleboxEvent) {
        if self.events.len() >= MAX_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }
}

impl PartialEq for Queued {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}

impl Eq for Queued {}

impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Queued {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

fn corrupt(bytes: &mut [u8], octet: i32, xor: u8) {
    let at = match usize::try_from(octet) {
        Ok(at) => Some(at),
        Err(_) => bytes.len().checked_sub(octet.unsigned_abs() as usize),
    };
    if let Some(byte) = at.and_then(|at| bytes.get_mut(at)) {
        *byte ^= xor;
    }
}

const MAX_UNDER_WAY: usize = 16_384;
const MAX_EVENTS: usize = 65_536;

#[cfg(test)]
mod tests;
