//! Sealing and opening of batches of 1400-octet packets, per suite and provider, with the bare
//! AEAD beside it. In CPU time of the thread, by octets of inner packets.

mod common;

use std::time::Duration;

use common::{BATCH, CpuTime, INNER, cpu_now, providers, suite, tunnel};
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use ikeproof_proto::sa::Loopback;

const SUITES: [&str; 9] = [
    "aes128gcm16",
    "aes256gcm16",
    "chacha20poly1305",
    "aes128-sha1",
    "aes128-sha256",
    "aes256-sha256",
    "aes256-sha512",
    "null-md5",
    "3des-sha1",
];

/// Benches sealing and opening of the same batch in turns, each without the time of the other.
fn seal_and_open<S>(
    group: &mut BenchmarkGroup<'_, CpuTime>,
    name: &str,
    state: &mut S,
    seal: impl Fn(&mut S),
    open: impl Fn(&mut S),
) {
    group.bench_function(format!("{name}/seal"), |bencher| {
        bencher.iter_custom(|rounds| timed(rounds, state, &seal, &open));
    });
    seal(state);
    group.bench_function(format!("{name}/open"), |bencher| {
        bencher.iter_custom(|rounds| timed(rounds, state, &open, &seal));
    });
    open(state);
}

fn timed<S>(
    rounds: u64,
    state: &mut S,
    measured: impl Fn(&mut S),
    between: impl Fn(&mut S),
) -> Duration {
    let mut total = Duration::ZERO;
    for _ in 0..rounds {
        let start = cpu_now();
        measured(state);
        total += cpu_now() - start;
        between(state);
    }
    total
}

fn esp(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("esp");
    group.throughput(Throughput::Bytes((BATCH * INNER) as u64));
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_millis(1500));
    for provider in providers() {
        for name in SUITES {
            let mut tunnel = tunnel(&*provider, suite(name));
            let label = format!("{}/{name}", provider.name());
            seal_and_open(&mut group, &label, &mut tunnel, Loopback::seal, Loopback::open);
            assert!(tunnel.is_whole(), "{label}");
        }
    }
    {
        use common::bare_rust_crypto::{new, open, seal};
        let mut bare = new::<aes_gcm::Aes128Gcm>();
        seal_and_open(&mut group, "bare rustcrypto/aes128gcm16", &mut bare, seal, open);
        let mut bare = new::<aes_gcm::Aes256Gcm>();
        seal_and_open(&mut group, "bare rustcrypto/aes256gcm16", &mut bare, seal, open);
    }
    #[cfg(feature = "aws-lc")]
    for bits in [128, 256] {
        use common::bare_aws_lc::{new, open, seal};
        let label = format!("bare aws-lc/aes{bits}gcm16");
        seal_and_open(&mut group, &label, &mut new(bits), seal, open);
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime);
    targets = esp
}
criterion_main!(benches);
