//! A whole handshake in memory, both ends, with a pair of SAs of ESP at the end of it: IKE_SA_INIT and
//! IKE_AUTH with four messages, and beside it main mode and quick mode of IKEv1 with nine. In CPU time of
//! the thread, under every provider.

mod common;

use std::time::Duration;

use common::{CpuTime, providers};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use ikeproof_proto::config::{Connection, EndpointConfig, Ikev1Options};
use ikeproof_proto::event::Event;
use ikeproof_proto::io::Command;
use ikeproof_proto::policy::{ChildOffer, Identity, Ikev1Mode};
use ikeproof_proto::testing::{Pair, Side, connection, endpoint_config};
use ikeproof_proto::wire::v2::Id;

/// What an edge is mostly asked for, what newer peers ask for, and the fastest there is.
const SUITES: [(&str, &str); 3] = [
    ("aes256-sha256-modp2048", "aes256gcm16"),
    ("aes256gcm16-prfsha384-ecp384", "aes256gcm16"),
    ("aes128gcm16-prfsha256-curve25519", "aes128gcm16"),
];

/// The same of IKEv1, whose ISAKMP SA has no AEAD; with and without a key exchange of quick mode.
const IKEV1_SUITES: [(&str, &str); 3] = [
    ("aes256-sha256-modp2048", "aes256gcm16"),
    ("aes256-sha256-modp2048", "aes256gcm16-modp2048"),
    ("aes128-sha256-ecp256", "aes128gcm16"),
];

fn handshake(criterion: &mut Criterion<CpuTime>) {
    let offers = SUITES.map(|(ike, child)| (format!("{ike}/{child}"), connection(ike, child)));
    measure(criterion, "handshake", &offers, 4);
    let offers = IKEV1_SUITES.map(|(ike, child)| (format!("{ike}/{child}"), main_mode(ike, child)));
    measure(criterion, "handshake-ikev1", &offers, 9);
}

fn measure(
    criterion: &mut Criterion<CpuTime>,
    name: &str,
    offers: &[(String, Connection)],
    messages: usize,
) {
    let mut group = criterion.benchmark_group(name);
    group.sample_size(20);
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
    for provider in providers() {
        for (suites, offer) in offers {
            let fresh = || {
                let pair = Pair::with_provider(endpoint_config(), responder(), provider.clone());
                (pair, Box::new(offer.clone()))
            };
            let label = format!("{}/{suites}", provider.name());
            group.bench_function(label, |bencher| {
                bencher.iter_batched(
                    fresh,
                    |(mut pair, connection)| {
                        pair.command(Side::Initiator, Command::Initiate(connection));
                        assert!(is_up(&pair.initiator.events) && is_up(&pair.responder.events));
                        assert_eq!(pair.sent.len(), messages);
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

/// A responder that knows the initiator by its address, too, as main mode needs.
fn responder() -> EndpointConfig {
    let mut responder = endpoint_config();
    let mut by_address = responder.credentials[0].clone();
    by_address.id = Identity::Ip([192, 0, 2, 1].into());
    responder.credentials.push(by_address);
    responder
}

fn main_mode(ike: &str, child: &str) -> Connection {
    let mut offer = connection(ike, child);
    offer.ikev1 = Some(Ikev1Options { mode: Ikev1Mode::Main, ..Ikev1Options::default() });
    let child: ChildOffer = child.parse().expect("a suite");
    offer.child = vec![child.proposal(1, &[0; 4], false)];
    offer.id = Id::ip([192, 0, 2, 1].into());
    offer
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
