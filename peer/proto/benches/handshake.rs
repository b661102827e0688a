//! A whole handshake in memory: IKE_SA_INIT and IKE_AUTH, both ends, four messages, with a Child SA
//! at the end of it. In CPU time of the thread, under every provider.

mod common;

use std::time::Duration;

use common::{CpuTime, providers};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use ikeproof_proto::event::Event;
use ikeproof_proto::io::Command;
use ikeproof_proto::testing::{Pair, Side, connection, endpoint_config};

/// What an edge is mostly asked for, what newer peers ask for, and the fastest there is.
const SUITES: [(&str, &str); 3] = [
    ("aes256-sha256-modp2048", "aes256gcm16"),
    ("aes256gcm16-prfsha384-ecp384", "aes256gcm16"),
    ("aes128gcm16-prfsha256-curve25519", "aes128gcm16"),
];

fn handshake(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("handshake");
    group.sample_size(20);
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
    for provider in providers() {
        for (ike, child) in SUITES {
            let fresh = || {
                let pair =
                    Pair::with_provider(endpoint_config(), endpoint_config(), provider.clone());
                (pair, Box::new(connection(ike, child)))
            };
            let label = format!("{}/{ike}/{child}", provider.name());
            group.bench_function(label, |bencher| {
                bencher.iter_batched(
                    fresh,
                    |(mut pair, connection)| {
                        pair.command(Side::Initiator, Command::Initiate(connection));
                        assert!(is_up(&pair.initiator.events) && is_up(&pair.responder.events));
                        // Dropped outside of what is measured.
                        pair
                    },
                    BatchSize::SmallInput,
                );
            });
        }
    }
    group.finish();
}

fn is_up(events: &[Event]) -> bool {
    events.iter().any(|event| matches!(event, Event::ChildEstablished(_)))
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime);
    targets = handshake
}
criterion_main!(benches);
