//! How long the sandbox takes to be ready, and how much memory it has: `cargo run -p carnet-sandbox --example ready`.
//! The goals are 200 ms and 40 MB.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "an example that measures and says so")]
#![expect(clippy::disallowed_methods, reason = "an example measures with the system's own clock")]

use std::{sync::Arc, time::Instant};

use carnet_core::{SystemClock, SystemRandom};
use carnet_sandbox::{Flavour, Options, Sandbox};

fn resident_kb() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("unknown").trim().to_owned()
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let begin = Instant::now();
    let sandbox = Sandbox::start(Options::default(), Arc::new(SystemClock), Arc::new(SystemRandom)).await.unwrap();
    println!("{} services ready after {:?}, {} resident", sandbox.urls().len(), begin.elapsed(), resident_kb());
    let variables = sandbox.environment(Flavour::Proxy).await.unwrap();
    println!("{} variables and their files after {:?}, {} resident", variables.len(), begin.elapsed(), resident_kb());
    sandbox.stop().await;
}
