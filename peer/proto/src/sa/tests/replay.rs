//! The replay window at its edges and against the plainest model of it.

use std::collections::HashSet;

use proptest::prelude::*;

use crate::sa::{ReplayError, ReplayWindow, SaError};

/// Checks and, if allowed, updates, as an inbound SA does.
fn receive(window: &mut ReplayWindow, sequence: u32) -> Result<(), ReplayError> {
    window.check(sequence)?;
    window.update(sequence);
    Ok(())
}

#[test]
fn sizes_are_32_or_whole_words_up_to_4096() {
    for size in [32, 64, 128, 192, 1024, 4096] {
        assert_eq!(ReplayWindow::new(size).unwrap().size(), size);
    }
    for size in [0, 1, 31, 33, 63, 65, 96, 4097, 4160, u32::MAX] {
        assert_eq!(ReplayWindow::new(size).unwrap_err(), SaError::ReplayWindow(size));
    }
}

#[test]
fn zero_is_refused_before_and_after_others() {
    let mut window = ReplayWindow::new(64).unwrap();
    assert_eq!(receive(&mut window, 0), Err(ReplayError::Zero));
    receive(&mut window, 1).unwrap();
    assert_eq!(receive(&mut window, 0), Err(ReplayError::Zero));
}

#[test]
fn the_left_edge_is_exact() {
    for size in [32, 64, 128, 192, 256, 4096] {
        for right in [size, size + 1, 1000 * size + 31, 1000 * size + 63, u32::MAX] {
            for behind in [1, 30, 31, 32, 33, 62, 63, 64, 65, size - 1, size, size + 1] {
                let mut window = ReplayWindow::new(size).unwrap();
                receive(&mut window, right).unwrap();
                let Some(sequence) = right.checked_sub(behind).filter(|s| *s > 0) else { continue };
                let expected =
                    if behind < size { Ok(()) } else { Err(ReplayError::TooOld(sequence)) };
                assert_eq!(
                    receive(&mut window, sequence),
                    expected,
                    "{behind} behind {right} in {size}"
                );
                let again = if behind < size {
                    ReplayError::Seen(sequence)
                } else {
                    ReplayError::TooOld(sequence)
                };
                assert_eq!(receive(&mut window, sequence), Err(again));
                assert_eq!(receive(&mut window, right), Err(ReplayError::Seen(right)));
                assert_eq!(window.right(), right);
            }
        }
    }
}

#[test]
fn a_jump_over_the_whole_ring_forgets_everything() {
    for size in [32, 64, 4096] {
        let mut window = ReplayWindow::new(size).unwrap();
        for sequence in 1..=size {
            receive(&mut window, sequence).unwrap();
        }
        let far = 1 << 20;
        receive(&mut window, far).unwrap();
        for sequence in far - size + 1..far {
            receive(&mut window, sequence).unwrap();
        }
    }
}

#[test]
fn a_check_alone_changes_nothing() {
    let mut window = ReplayWindow::new(64).unwrap();
    receive(&mut window, 10).unwrap();
    window.check(1_000_000).unwrap();
    window.check(5).unwrap();
    assert_eq!(window.right(), 10);
    receive(&mut window, 5).unwrap();
}

#[test]
fn a_window_that_is_off_accepts_anything_and_still_knows_the_highest() {
    let mut window = ReplayWindow::off();
    for sequence in [5, 5, 0, 3, u32::MAX, 1] {
        receive(&mut window, sequence).unwrap();
    }
    assert_eq!(window.right(), u32::MAX);
}

/// RFC 4303 in so many words: a set and a highest number.
#[derive(Default)]
struct Model {
    seen: HashSet<u32>,
    right: u32,
}

impl Model {
    fn receive(&mut self, size: u32, sequence: u32) -> Result<(), ReplayError> {
        if sequence == 0 {
            return Err(ReplayError::Zero);
        }
        if u64::from(sequence) + u64::from(size) <= u64::from(self.right) {
            return Err(ReplayError::TooOld(sequence));
        }
        if !self.seen.insert(sequence) {
            return Err(ReplayError::Seen(sequence));
        }
        self.right = self.right.max(sequence);
        Ok(())
    }
}

proptest! {
    #[test]
    fn the_window_is_its_model(
        size in prop_oneof![Just(32_u32), (1_u32..=64).prop_map(|words| words * 64)],
        start in prop_oneof![Just(0_u32), Just(u32::MAX - 20_000), any::<u32>()],
        steps in proptest::collection::vec(
            prop_oneof![
                4 => -70_i64..70,
                2 => -5000_i64..5000,
                1 => Just(0_i64),
                1 => Just(64_i64),
                1 => Just(-64_i64),
                1 => 0_i64..1_000_000,
            ],
            1..400,
        ),
    ) {
        let mut window = ReplayWindow::new(size).unwrap();
        let mut model = Model::default();
        let mut at = i64::from(start);
        for step in steps {
            at = (at + step).clamp(0, i64::from(u32::MAX));
            let sequence = u32::try_from(at).unwrap();
            prop_assert_eq!(receive(&mut window, sequence), model.receive(size, sequence));
            prop_assert_eq!(window.right(), model.right);
        }
    }
}
