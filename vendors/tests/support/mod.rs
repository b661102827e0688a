//! What the tests with containers share: the decision to skip, lanes, and a configuration.

mod config;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use ikeproof_vendors::{
    docker, images,
    images::Image,
    lane::{Lane, LaneSpec},
    peer::Peer,
    run::Run,
};

pub use config::{SOON, pair, ping};

static SKIPPED: AtomicU32 = AtomicU32::new(0);

/// A lane, or `None` with a printed reason when containers cannot be used here.
pub async fn lane(test: &str, wanted: &[Image], nat: bool) -> Option<Lane> {
    match try_lane(wanted, nat).await {
        Ok(lane) => Some(lane),
        Err(why) => {
            assert!(
                std::env::var_os("IKEPROOF_REQUIRE_DOCKER").is_none_or(|value| value != "1"),
                "{test} needs containers: {why}"
            );
            let count = SKIPPED.fetch_add(1, Ordering::Relaxed) + 1;
            println!("SKIP {test}: {why} ({count} skipped in this binary)");
            None
        }
    }
}

async fn try_lane(wanted: &[Image], nat: bool) -> Result<Lane, String> {
    let docker = docker::connect().await.map_err(|error| error.to_string())?;
    let mut needed = wanted.to_vec();
    needed.push(Image::Edge);
    if nat {
        needed.push(Image::Router);
    }
    let missing = images::missing(&docker, &needed).await.map_err(|error| error.to_string())?;
    if !missing.is_empty() {
        let names: Vec<_> = missing.iter().map(|image| image.name()).collect();
        return Err(format!("images not built: {}; run `ikeproof images build`", names.join(", ")));
    }
    let run = Arc::new(Run::begin().map_err(|error| error.to_string())?);
    let mut spec = LaneSpec::new().map_err(|error| error.to_string())?;
    spec.nat = nat;
    // From here on a failure is a failure.
    Ok(Lane::open(&docker, &run, &spec).await.unwrap())
}

/// Waits until a peer's first child is installed. The initiator of an IKEv1 quick mode is done before
/// its last message has arrived, so "up" on one side does not mean that the other can send.
pub async fn settled(peer: &dyn Peer) {
    let began = Instant::now();
    loop {
        let sas = peer.sas().await.unwrap();
        if sas.iter().flat_map(|sa| &sa.children).any(|child| child.installed) {
            return;
        }
        assert!(began.elapsed() < SOON, "{}: no child was installed: {sas:?}", peer.about().name);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
