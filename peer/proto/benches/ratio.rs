//! The gate of the data plane: what sealing and opening cost beside the bare AEAD.
//!
//! The contestants take turns in short slots, so that a busy machine disturbs both alike, and the
//! clock is the CPU time of the thread. The ratio is of the least times; the medians are printed
//! beside them. A run whose medians are far above the least times says that it is noisy.

mod common;

use std::time::Duration;

use common::{BATCH, INNER, cpu_now, providers, suite, tunnel};
use ikeproof_proto::sa::Loopback;

const ROUNDS: usize = 31;
const SLOT: Duration = Duration::from_millis(8);

/// Nanoseconds a packet of sealing and of opening, round by round.
#[derive(Default)]
struct Times {
    seal: Vec<f64>,
    open: Vec<f64>,
}

impl Times {
    /// One slot: batches are sealed and opened in turns, timed apart.
    fn slot<S>(&mut self, state: &mut S, seal: impl Fn(&mut S), open: impl Fn(&mut S)) {
        let (mut sealing, mut opening, mut batches) = (Duration::ZERO, Duration::ZERO, 0);
        while sealing + opening < SLOT {
            let start = cpu_now();
            seal(state);
            let middle = cpu_now();
            open(state);
            let end = cpu_now();
            sealing += middle - start;
            opening += end - middle;
            batches += 1;
        }
        let packets = (batches * BATCH) as f64;
        self.seal.push(sealing.as_nanos() as f64 / packets);
        self.open.push(opening.as_nanos() as f64 / packets);
    }
}

fn least_and_median(times: &mut [f64]) -> (f64, f64) {
    times.sort_by(f64::total_cmp);
    (times[0], times[times.len() / 2])
}

fn compare<B>(
    label: &str,
    mut tunnel: Loopback,
    mut bare: B,
    seal: impl Fn(&mut B),
    open: impl Fn(&mut B),
) {
    let (mut ours, mut theirs) = (Times::default(), Times::default());
    for _ in 0..ROUNDS {
        ours.slot(&mut tunnel, Loopback::seal, Loopback::open);
        theirs.slot(&mut bare, &seal, &open);
    }
    assert!(tunnel.is_whole(), "{label}: a packet was lost");
    let pairs =
        [("seal", &mut ours.seal, &mut theirs.seal), ("open", &mut ours.open, &mut theirs.open)];
    for (what, ours, theirs) in pairs {
        let ((our_least, our_median), (their_least, their_median)) =
            (least_and_median(ours), least_and_median(theirs));
        println!(
            "{label} {what}: ratio {:.3} (of medians {:.3}); ours {our_least:.0} ns least, \
             {our_median:.0} median; bare {their_least:.0} least, {their_median:.0} median; \
             {:.1} Gbit/s",
            their_least / our_least,
            their_median / our_median,
            INNER as f64 * 8.0 / our_least,
        );
        if our_median > 1.1 * our_least || their_median > 1.1 * their_least {
            println!("{label} {what}: noisy");
        }
    }
}

fn main() {
    println!("{INNER}-octet packets in batches of {BATCH}, CPU time of the thread");
    for provider in providers() {
        for bits in [128, 256] {
            let tunnel = tunnel(&*provider, suite(&format!("aes{bits}gcm16")));
            let label = format!("{} aes{bits}gcm16", provider.name());
            match (provider.name(), bits) {
                #[cfg(feature = "aws-lc")]
                ("aws-lc", _) => {
                    use common::bare_aws_lc::{new, open, seal};
                    compare(&label, tunnel, new(bits), seal, open);
                }
                (_, 128) => {
                    use common::bare_rust_crypto::{new, open, seal};
                    compare(&label, tunnel, new::<aes_gcm::Aes128Gcm>(), seal, open);
                }
                _ => {
                    use common::bare_rust_crypto::{new, open, seal};
                    compare(&label, tunnel, new::<aes_gcm::Aes256Gcm>(), seal, open);
                }
            }
        }
    }
}
