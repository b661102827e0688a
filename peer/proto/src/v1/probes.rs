//! The numbers of the peer's probes. Each new one adds one, and an old one may be a replay (RFC 3706,
//! section 6.2).
//!
//! Probes overtake one another, so a number slightly below the last is as good as the next one, once: the
//! section leaves such a window to the implementation. The last number may come any number of times, since
//! a repetition has that of the probe that it repeats.

/// The probes of the peer that were taken.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PeerProbes {
    last: Option<u32>,
    /// Bit n stands for the number that is n below the last.
    seen: u32,
}

/// What a probe is by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// New, or the last one again: it is answered.
    Answer,
    /// A repetition that a later probe has overtaken: it was answered.
    Late,
    /// So old that no later probe can just have overtaken it.
    TooLow,
}

impl PeerProbes {
    /// Takes a probe.
    pub(super) fn take(&mut self, number: u32) -> Taken {
        let Some(last) = self.last else {
            *self = Self { last: Some(number), seen: 1 };
            return Taken::Answer;
        };
        let above = number.wrapping_sub(last);
        if above <= u32::MAX / 2 {
            self.seen = self.seen.checked_shl(above).unwrap_or(0) | 1;
            self.last = Some(number);
            return Taken::Answer;
        }
        let Some(bit) = 1_u32.checked_shl(last.wrapping_sub(number)) else { return Taken::TooLow };
        if self.seen & bit != 0 {
            return Taken::Late;
        }
        self.seen |= bit;
        Taken::Answer
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::Taken::{Answer, Late, TooLow};
    use super::*;

    #[rstest]
    #[case::in_order(&[(7, Answer), (8, Answer), (8, Answer), (9, Answer)])]
    #[case::lost(&[(7, Answer), (9, Answer), (1000, Answer)])]
    #[case::overtaken(&[(7, Answer), (9, Answer), (8, Answer), (8, Late), (9, Answer), (7, Late)])]
    #[case::the_first_is_overtaken(&[(8, Answer), (7, Answer), (7, Late)])]
    #[case::at_the_edge_of_the_window(&[(100, Answer), (69, Answer), (68, TooLow)])]
    #[case::far_above(&[(7, Answer), (39, Answer), (8, Answer), (7, TooLow)])]
    #[case::over_the_end(&[(u32::MAX, Answer), (1, Answer), (0, Answer), (u32::MAX, Late)])]
    fn numbers_are_taken(#[case] probes: &[(u32, Taken)]) {
        let mut peer = PeerProbes::default();
        for &(number, expected) in probes {
            assert_eq!(peer.take(number), expected, "{number}");
        }
    }
}
