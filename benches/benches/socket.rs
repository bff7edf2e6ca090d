//! What a cached JWT-SVID costs its caller through the socket of a real agent: latencies in wall time, beside those of the
//! same bytes sent back by nobody but the kernel and a thread. Named by `CARNET_BIN`, or the release binary.
//!
//! The client is this project's own, compiled: an interpreted one spends more on a call than the agent does.
#![expect(clippy::expect_used, clippy::print_stdout, reason = "a benchmark that cannot be set up must stop")]
#![expect(clippy::disallowed_methods, reason = "a latency is wall time")]

use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    thread,
    time::Instant,
};

use carnet_benches::Agent;
use carnet_grpc::WorkloadApi;

const AUDIENCE: &str = "https://audience.test";
const CALLS: usize = 20_000;
const FIRST: usize = 500;
/// Goal: what 99 of 100 calls stay under.
const GOAL_MS: f64 = 1.0;

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let agent = Agent::start(folder.path());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (bytes, cached) = runtime.block_on(async {
        let client = WorkloadApi::connect(&agent.socket).await.expect("the agent's socket");
        let (mut bytes, mut rows) = (0, Vec::with_capacity(CALLS));
        for turn in 0..FIRST + CALLS {
            let start = Instant::now();
            let svids = client.fetch_jwt_svid(&[AUDIENCE], None).await.expect("an SVID");
            if turn >= FIRST {
                rows.push(start.elapsed().as_secs_f64() * 1000.0);
            }
            bytes = svids.iter().map(|svid| svid.token.expose().len()).sum();
        }
        (bytes, rows)
    });
    drop(agent);
    let floor = echoed(bytes);
    let [p50, p99] = [0.5, 0.99].map(|share| percentile(&cached, share));
    let [floor_50, floor_99] = [0.5, 0.99].map(|share| percentile(&floor, share));
    println!("JWT-SVID of {bytes} bytes, cached: p50 {p50:.3} ms, p99 {p99:.3} ms (goal: p99 {GOAL_MS} ms)");
    println!(
        "the same bytes echoed:        p50 {floor_50:.3} ms, p99 {floor_99:.3} ms: {:.1} times at p50",
        p50 / floor_50
    );
}

/// What this share of the rows stays under.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "some thousand rows"
)]
fn percentile(rows: &[f64], share: f64) -> f64 {
    let mut rows = rows.to_vec();
    rows.sort_by(f64::total_cmp);
    rows.get((rows.len() as f64 * share) as usize).copied().unwrap_or_default()
}

/// A message of one SVID's size to another thread and back, through a socket.
fn echoed(bytes: usize) -> Vec<f64> {
    let (mut near, mut far) = UnixStream::pair().expect("a pair of sockets");
    let other = thread::spawn(move || {
        let mut buffer = vec![0; bytes];
        while far.read_exact(&mut buffer).is_ok() && far.write_all(&buffer).is_ok() {}
    });
    let mut buffer = vec![7; bytes];
    let rows = (0..CALLS)
        .map(|_| {
            let start = Instant::now();
            near.write_all(&buffer).expect("sent");
            near.read_exact(&mut buffer).expect("sent back");
            start.elapsed().as_secs_f64() * 1000.0
        })
        .collect();
    drop(near);
    other.join().expect("the other thread");
    rows
}
