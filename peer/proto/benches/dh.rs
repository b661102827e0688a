//! Every Diffie-Hellman group under every provider: making a key pair, and agreeing with a peer.
//! In CPU time of the thread.

mod common;

use std::time::Duration;

use common::{CpuTime, providers};
use criterion::{Criterion, criterion_group, criterion_main};
use ikeproof_proto::crypto::Group;
use ikeproof_proto::crypto::dh::random_len;

fn dh(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("dh");
    group.sample_size(20);
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    for provider in providers() {
        for dh in Group::all() {
            let label = format!("{}/{dh}", provider.name());
            let random = vec![0x17; random_len(dh)];
            let peer = provider.dh_keypair(dh, &vec![0x29; random_len(dh)]).expect("a key pair");
            group.bench_function(format!("{label}/keypair"), |bencher| {
                bencher.iter(|| provider.dh_keypair(dh, &random).expect("a key pair"));
            });
            let ours = provider.dh_keypair(dh, &random).expect("a key pair");
            group.bench_function(format!("{label}/agree"), |bencher| {
                bencher.iter(|| provider.dh_agree(&ours, peer.public()).expect("a secret"));
            });
        }
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime);
    targets = dh
}
criterion_main!(benches);
