//! Two inner hosts on tokio, joined back to back.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::net::SocketAddr;

use ikeproof_driver::inner::{
    InnerConfig, InnerHandle, InnerOutput, Job, PingRequest, TcpEnd, TcpRequest,
};
use tokio::time::Instant;

fn host(cidr: &str) -> (InnerHandle, InnerOutput) {
    InnerHandle::spawn(InnerConfig::new(vec![cidr.parse().unwrap()]), Instant::now())
}

fn join(mut from: InnerOutput, to: InnerHandle) {
    tokio::spawn(async move {
        while let Some(packet) = from.packets.recv().await {
            let _ = to.try_packet(packet);
        }
    });
}

#[tokio::test]
async fn hosts_ping_and_move_a_mebibyte() {
    let (left, left_out) = host("10.1.0.0/24");
    let (right, right_out) = host("10.2.0.0/24");
    join(left_out, right.clone());
    join(right_out, left.clone());
    let to = SocketAddr::from(([10, 2, 0, 99], 9));
    let started = Instant::now();
    let report = left.ping(PingRequest { size: 4000, ..PingRequest::new(to.ip(), 3) }).await;
    assert!(report.unwrap().unwrap().all_answered());
    let report = left.connect(TcpRequest::new(to, Job::Send(1 << 20))).await.unwrap().unwrap();
    assert_eq!((report.end, report.sent, report.far_mss), (TcpEnd::Finished, 1 << 20, Some(1460)));
    let mixed = TcpRequest::new("[fd00::1]:9".parse().unwrap(), Job::Receive);
    assert!(left.connect(mixed).await.unwrap().is_err());
    let stats = right.stats().await.unwrap();
    assert!(stats.bytes_in > 1 << 20 && stats.largest_in == 1500, "{stats:?}");
    println!("{:?}, {stats:?}", started.elapsed());
}
