//! The doctor's checks run anywhere, with or without an engine.

use ikeproof_vendors::doctor;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_failed_check_says_why_and_what_to_do() {
    let checks = doctor::checks().await;
    assert!(checks.iter().any(|check| check.name == "docker"));
    for check in checks {
        println!(
            "{} {}: {} {}",
            if check.ok { "ok" } else { "NO" },
            check.name,
            check.why,
            check.fix
        );
        assert!(!check.why.is_empty());
        assert!(check.ok || !check.fix.is_empty(), "{check:?}");
    }
}
