//! The random decisions, as pure functions of a seed and of what a datagram is.
//!
//! What a datagram *is* needs a little memory: which SAs were seen, in which order, and how often this
//! very message came by. A repetition is recognised by its content, so that the parts of a fragmented
//! IKEv2 message and the three messages of an IKEv1 main mode, which share one message id, are told
//! apart, and a retransmission is copy 1 of what it repeats.

use std::collections::VecDeque;

use super::config::Chance;
use super::datagram::{Datagram, Direction, MessageKind};

/// What a datagram is, in numbers that are the same in every run with the same course.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    direction: Direction,
    /// Exchange type, or a number outside their range for what is not IKE.
    exchange: u32,
    /// Order of appearance of the SA.
    sa: u32,
    /// Message id (IKEv1: order of appearance), zero for what is not IKE.
    message: u32,
    response: bool,
    /// Which of several datagrams with the same message id.
    part: u32,
    /// The index that losses in a row are counted along: copy of a message, or sequence number.
    pub(super) nth: u32,
}

/// The decisions to draw; each has random numbers of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Draw {
    Loss = 1,
    Duplicate = 2,
    Reorder = 3,
    Jitter = 4,
}

/// Remembers what was seen, within bounds.
#[derive(Debug, Default)]
pub(super) struct Memory {
    ike_sas: Ordinals<(Direction, u64)>,
    data_sas: Ordinals<(Direction, u32)>,
    messages: VecDeque<Message>,
    others: u32,
}

#[derive(Debug)]
struct Message {
    direction: Direction,
    spi_i: u64,
    exchange: u8,
    message_id: u32,
    response: bool,
    /// Ordinal of the message id within its SA, for IKEv1.
    ordinal: u32,
    /// Digest and number of copies of every distinct datagram.
    parts: Vec<(u64, u32)>,
}

impl Memory {
    /// Notes a datagram and says what it is.
    pub(super) fn identify(&mut self, direction: Direction, datagram: &Datagram) -> Identity {
        let none = Identity {
            direction,
            exchange: 0,
            sa: 0,
            message: 0,
            response: false,
            part: 0,
            nth: 0,
        };
        match datagram.kind() {
            MessageKind::Ike(key) => {
                // One IKE SA is the same in both directions, hence one fixed direction here.
                let sa = self.ike_sas.ordinal((Direction::ToEdge, key.spi_i));
                let message = self.message(direction, &key);
                let digest = digest(&datagram.bytes);
                let (part, nth) = match message.parts.iter().position(|(d, _)| *d == digest) {
                    Some(part) => (
                        part,
                        message.parts.get_mut(part).map_or(0, |(_, copies)| {
                            *copies += 1;
                            *copies
                        }),
                    ),
                    None => {
                        if message.parts.len() < MAX_PARTS {
                            message.parts.push((digest, 0));
                        }
                        (message.parts.len() - 1, 0)
                    }
                };
                Identity {
                    exchange: u32::from(key.exchange),
                    sa,
                    message: if key.major >= 2 { key.message_id } else { message.ordinal },
                    response: key.response,
                    part: u32::try_from(part).unwrap_or(u32::MAX),
                    nth,
                    ..none
                }
            }
            MessageKind::Data { spi, sequence } => Identity {
                exchange: 0x100,
                sa: self.data_sas.ordinal((direction, spi)),
                nth: sequence,
                ..none
            },
            MessageKind::Keepalive | MessageKind::Unreadable => {
                self.others = self.others.wrapping_add(1);
                Identity { exchange: 0x101, nth: self.others, ..none }
            }
        }
    }

    fn message(&mut self, direction: Direction, key: &super::datagram::MessageKey) -> &mut Message {
        let same_sa = |m: &Message| m.direction == direction && m.spi_i == key.spi_i;
        let found = self.messages.iter().position(|m| {
            same_sa(m)
                && m.exchange == key.exchange
                && m.message_id == key.message_id
                && m.response == key.response
        });
        let at = found.unwrap_or_else(|| {
            let ordinal = self.messages.iter().filter(|m| same_sa(m)).count();
            if self.messages.len() >= MAX_MESSAGES {
                self.messages.pop_front();
            }
            self.messages.push_back(Message {
                direction,
                spi_i: key.spi_i,
                exchange: key.exchange,
                message_id: key.message_id,
                response: key.response,
                ordinal: u32::try_from(ordinal).unwrap_or(u32::MAX),
                parts: Vec::new(),
            });
            self.messages.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "`at` was found or pushed just above")]
        &mut self.messages[at]
    }
}

impl Identity {
    /// An evenly distributed number for one decision about this datagram.
    pub(super) fn random(&self, seed: u64, draw: Draw) -> u64 {
        self.random_at(seed, draw, self.nth)
    }

    /// Whether this datagram is lost: at most three in a row along `nth`.
    pub(super) fn is_lost(&self, seed: u64, chance: Chance) -> bool {
        if chance.is_certain() {
            return self.nth % 4 != 3;
        }
        let drawn = |nth: u32| chance.covers(self.random_at(seed, Draw::Loss, nth));
        // Of a run of hits every fourth one is let through. The run is looked up backwards, which
        // needs no memory and makes the decision independent of the order of arrival.
        let mut run = 0_u32;
        let mut nth = self.nth;
        while run < MAX_RUN && drawn(nth) {
            run += 1;
            match nth.checked_sub(1) {
                Some(before) => nth = before,
                None => break,
            }
        }
        !run.is_multiple_of(4)
    }

    fn random_at(&self, seed: u64, draw: Draw, nth: u32) -> u64 {
        let direction = match self.direction {
            Direction::ToPeer => 1,
            Direction::ToEdge => 2,
        };
        let words = [
            draw as u64,
            direction,
            u64::from(self.exchange) << 1 | u64::from(self.response),
            u64::from(self.sa) << 32 | u64::from(self.message),
            u64::from(self.part) << 32 | u64::from(nth),
        ];
        words.iter().fold(mix(seed), |state, word| mix(state ^ word))
    }
}

/// Order of first appearance, for at most [`MAX_SAS`] of them; later ones share the last number.
#[derive(Debug)]
struct Ordinals<T> {
    seen: Vec<T>,
}

impl<T> Default for Ordinals<T> {
    fn default() -> Self {
        Self { seen: Vec::new() }
    }
}

impl<T: PartialEq + Copy + HasDirection> Ordinals<T> {
    fn ordinal(&mut self, key: T) -> u32 {
        let same = |other: &&T| other.direction() == key.direction();
        let found = self.seen.iter().filter(same).position(|other| *other == key);
        let ordinal = found.unwrap_or_else(|| {
            let ordinal = self.seen.iter().filter(same).count();
            if self.seen.len() < MAX_SAS {
                self.seen.push(key);
            }
            ordinal
        });
        u32::try_from(ordinal).unwrap_or(u32::MAX)
    }
}

trait HasDirection {
    fn direction(&self) -> Direction;
}

impl<T> HasDirection for (Direction, T) {
    fn direction(&self) -> Direction {
        self.0
    }
}

/// The finaliser of splitmix64: a bijection whose output looks random.
const fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// FNV-1a: only to tell a repetition from another datagram.
fn digest(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

const MAX_MESSAGES: usize = 4096;
const MAX_PARTS: usize = 64;
const MAX_SAS: usize = 4096;
const MAX_RUN: u32 = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::SocketAddr;

    fn ike(spi: u8, version: u8, exchange: u8, id: u8, body: u8) -> Datagram {
        let mut bytes = vec![spi; 8];
        bytes.extend([0; 8]);
        bytes.extend([46, version, exchange, 0, 0, 0, 0, id, 0, 0, 0, 29, body]);
        let addr = SocketAddr::from(([192, 0, 2, 1], 500));
        Datagram::udp(addr, addr, bytes)
    }

    #[test]
    fn a_retransmission_is_a_copy_and_another_content_is_a_part() {
        let mut memory = Memory::default();
        let mut identify = |d: &Datagram| memory.identify(Direction::ToEdge, d);
        let first = identify(&ike(1, 0x10, 2, 0, 1));
        let again = identify(&ike(1, 0x10, 2, 0, 1));
        let third = identify(&ike(1, 0x10, 2, 0, 2));
        assert_eq!((first.part, first.nth), (0, 0));
        assert_eq!((again.part, again.nth), (0, 1));
        assert_eq!((third.part, third.nth), (1, 0));
    }

    #[test]
    fn spis_and_random_message_ids_do_not_matter() {
        let course = |spi: u8, id: u8| {
            let mut memory = Memory::default();
            let main = memory.identify(Direction::ToEdge, &ike(spi, 0x10, 2, 0, 1));
            let quick = memory.identify(Direction::ToEdge, &ike(spi, 0x10, 32, id, 1));
            (main, quick)
        };
        assert_eq!(course(3, 77), course(9, 201));
    }

    #[test]
    fn never_more_than_three_losses_in_a_row() {
        let mut memory = Memory::default();
        let one = memory.identify(Direction::ToPeer, &ike(1, 0x20, 34, 0, 1));
        for chance in [Chance::per_mille(300), Chance::per_mille(900), Chance::ALWAYS] {
            for seed in 0..20 {
                let mut row = 0;
                let mut lost = 0_u32;
                for nth in 0..1000 {
                    let is_lost = Identity { nth, ..one }.is_lost(seed, chance);
                    row = if is_lost { row + 1 } else { 0 };
                    lost += u32::from(is_lost);
                    assert!(row <= 3);
                }
                assert!(lost > 200, "{lost}");
            }
        }
        assert!(!one.is_lost(1, Chance::NEVER));
    }
}
