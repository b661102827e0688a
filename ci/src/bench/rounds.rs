//! Two contestants in turns, in the CPU time of their thread.
//!
//! Wall time on a machine with other work says little; the CPU time of the thread is steady within a
//! few per cent. Slots are short, so that whatever disturbs one contestant disturbs the other too.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

use crate::exit::Stop;

/// Fewer rounds have no halves worth comparing.
pub const LEAST: u32 = 6;

/// How long a contestant works before it is the other's turn.
const SLOT: Duration = Duration::from_millis(10);

/// Somebody who seals a batch and opens it again.
pub trait Contestant {
    /// Seals the batch.
    fn seal(&mut self);
    /// Opens it, which puts back what was sealed.
    fn open(&mut self);
    /// Packets in a batch.
    fn packets(&self) -> u32;
    /// Whether nothing was lost in the last turn.
    fn is_whole(&self) -> bool;
}

/// Nanoseconds a packet, round by round.
#[derive(Clone, Debug, Default)]
pub struct Times {
    /// Of sealing.
    pub seal: Vec<f64>,
    /// Of opening.
    pub open: Vec<f64>,
}

/// How two contestants compare; a ratio over 1 means that ours is the faster.
#[derive(Clone, Copy, Debug)]
pub struct Comparison {
    /// Least time of the bare one over least time of ours.
    pub ratio: f64,
    /// The median of the rounds' ratios.
    pub median: f64,
    /// The least of the rounds' ratios.
    pub least: f64,
    /// The greatest of them.
    pub greatest: f64,
    /// By how much the ratios of both halves of the rounds differ, as a part of the greater.
    pub spread: f64,
    /// Nanoseconds a packet of ours, at the least.
    pub ours: f64,
    /// The same of the bare one.
    pub bare: f64,
}

/// Lets both take turns.
///
/// # Errors
/// If there is no clock, or a contestant loses packets.
pub fn play(
    ours: &mut dyn Contestant,
    bare: &mut dyn Contestant,
    rounds: u32,
) -> Result<(Times, Times), Stop> {
    let (mut our_times, mut bare_times) = (Times::default(), Times::default());
    // The first turn fills caches and counts for nothing.
    slot(ours, &mut Times::default())?;
    slot(bare, &mut Times::default())?;
    for _ in 0..rounds {
        slot(ours, &mut our_times)?;
        slot(bare, &mut bare_times)?;
    }
    Ok((our_times, bare_times))
}

fn slot(who: &mut dyn Contestant, times: &mut Times) -> Result<(), Stop> {
    let (mut sealing, mut opening, mut batches) = (Duration::ZERO, Duration::ZERO, 0_u32);
    while sealing + opening < SLOT {
        let start = cpu_now()?;
        who.seal();
        let middle = cpu_now()?;
        who.open();
        let end = cpu_now()?;
        sealing += middle.saturating_sub(start);
        opening += end.saturating_sub(middle);
        batches += 1;
    }
    if !who.is_whole() {
        let why = "a benchmark lost packets, so its figures would mean nothing";
        return Err(Stop::Infrastructure(why.to_owned()));
    }
    let packets = f64::from(batches) * f64::from(who.packets());
    times.seal.push(sealing.as_secs_f64() * 1e9 / packets);
    times.open.push(opening.as_secs_f64() * 1e9 / packets);
    Ok(())
}

fn cpu_now() -> Result<Duration, Stop> {
    let now = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID);
    let now = now.map_err(|error| Stop::Infrastructure(format!("no CPU time: {error}")))?;
    Ok(now.into())
}

/// Compares the times of two contestants, round by round.
pub fn compare(ours: &[f64], bare: &[f64]) -> Comparison {
    let mut ratios: Vec<f64> = ours.iter().zip(bare).map(|(ours, bare)| bare / ours).collect();
    let half = ours.len() / 2;
    let of = |from: usize, to: usize| least(&bare[from..to]) / least(&ours[from..to]);
    let (first, second) = (of(0, half), of(half, ours.len()));
    ratios.sort_by(f64::total_cmp);
    Comparison {
        ratio: least(bare) / least(ours),
        median: ratios[ratios.len() / 2],
        least: ratios[0],
        greatest: ratios[ratios.len() - 1],
        spread: (first - second).abs() / first.max(second),
        ours: least(ours),
        bare: least(bare),
    }
}

fn least(times: &[f64]) -> f64 {
    times.iter().copied().fold(f64::INFINITY, f64::min)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(one: f64, two: f64) -> bool {
        (one - two).abs() < 1e-9
    }

    #[test]
    fn least_times_decide_and_the_halves_tell_the_noise() {
        let steady = compare(&[100.0, 110.0, 100.0, 105.0], &[90.0, 90.0, 95.0, 90.0]);
        assert!(close(steady.ratio, 0.9) && close(steady.spread, 0.0), "{steady:?}");
        assert!(close(steady.least, 90.0 / 110.0) && close(steady.greatest, 0.95), "{steady:?}");
        let noisy = compare(&[100.0, 100.0, 200.0, 200.0], &[90.0, 90.0, 90.0, 90.0]);
        assert!(close(noisy.spread, 0.5), "{noisy:?}");
    }
}
