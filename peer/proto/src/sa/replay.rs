//! The anti-replay window of RFC 4303 section 3.4.3.
//!
//! Bit `n % capacity` of a ring stands for sequence number `n`, so that moving the window clears
//! words instead of shifting them. The ring has room for at least one word more than the window:
//! then the word that is cleared ahead of the right edge never holds a number that is still
//! inside, and the window has exactly the size that was asked for.

use super::SaError;

/// Why a sequence number is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ReplayError {
    /// 0, which no sender uses.
    #[error("sequence number 0")]
    Zero,
    /// Seen before.
    #[error("sequence number {0} was seen before")]
    Seen(u32),
    /// Left of the window.
    #[error("sequence number {0} is older than the window")]
    TooOld(u32),
}

/// Which sequence numbers were received.
///
/// [`ReplayWindow::check`] comes before the ICV is computed, [`ReplayWindow::update`] after it was
/// found right, and never otherwise.
#[derive(Clone, Debug)]
pub struct ReplayWindow {
    size: u32,
    /// The highest number received.
    right: u32,
    /// A power of two of words; empty if the window is off.
    ring: Box<[u64]>,
}

impl ReplayWindow {
    /// A window of `size` packets: 32, or 64 to 4096 in steps of 64.
    pub fn new(size: u32) -> Result<Self, SaError> {
        if size != 32 && !(size.is_multiple_of(64) && (64..=4096).contains(&size)) {
            return Err(SaError::ReplayWindow(size));
        }
        let words = (size.div_ceil(64) as usize + 1).next_power_of_two();
        Ok(Self { size, right: 0, ring: vec![0; words].into_boxed_slice() })
    }

    /// A window that accepts every number, 0 as well, any number of times.
    pub fn off() -> Self {
        Self { size: 0, right: 0, ring: Box::default() }
    }

    /// The number of packets in the window; 0 if it is off.
    pub const fn size(&self) -> u32 {
        self.size
    }

    /// The highest number received; 0 before the first.
    pub const fn right(&self) -> u32 {
        self.right
    }

    /// Whether `sequence` may be received.
    pub fn check(&self, sequence: u32) -> Result<(), ReplayError> {
        if self.ring.is_empty() {
            return Ok(());
        }
        if sequence == 0 {
            return Err(ReplayError::Zero);
        }
        let Some(behind) = self.right.checked_sub(sequence) else { return Ok(()) };
        if behind >= self.size {
            return Err(ReplayError::TooOld(sequence));
        }
        let (word, bit) = self.place(sequence);
        if self.ring.get(word).is_some_and(|word| word & bit != 0) {
            return Err(ReplayError::Seen(sequence));
        }
        Ok(())
    }

    /// Marks `sequence` as received. Says whether it is the highest so far.
    ///
    /// The caller has asked [`ReplayWindow::check`] before; a number that is left of the window
    /// changes nothing.
    pub fn update(&mut self, sequence: u32) -> bool {
        let newest = sequence > self.right;
        if self.ring.is_empty() {
            self.right = self.right.max(sequence);
            return newest;
        }
        if newest {
            let words = self.ring.len();
            let ahead = (sequence / 64 - self.right / 64) as usize;
            let next = self.right as usize / 64 + 1;
            for at in next..next + ahead.min(words) {
                if let Some(word) = self.ring.get_mut(at & (words - 1)) {
                    *word = 0;
                }
            }
            self.right = sequence;
        } else if self.right - sequence >= self.size {
            return false;
        }
        let (word, bit) = self.place(sequence);
        if let Some(word) = self.ring.get_mut(word) {
            *word |= bit;
        }
        newest
    }

    fn place(&self, sequence: u32) -> (usize, u64) {
        ((sequence as usize / 64) & (self.ring.len() - 1), 1 << (sequence % 64))
    }
}
