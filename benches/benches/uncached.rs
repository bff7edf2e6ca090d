//! What a JWT-SVID that nobody has asked for costs through the socket, 64 callers at a time: processor time of agent and authority
//! together, ES256 and a durable audit row each, beside that of the signature alone and of calls that are refused at once.
//!
//! The client is this project's own, compiled: behind one that is slower than the agent, calls never come together.
#![expect(clippy::expect_used, clippy::print_stdout, reason = "a benchmark that cannot be set up must stop")]
#![expect(clippy::disallowed_methods, reason = "a rate is one of wall time")]

use std::{cell::Cell, hint::black_box, rc::Rc, time::Instant};

use carnet_benches::{Agent, microseconds};
use carnet_grpc::WorkloadApi;
use carnet_jose::{Algorithm, SigningKey};
use tokio::task::LocalSet;

const CALLERS: usize = 64;
const CALLS: usize = 20_000;
const SIGNATURES: usize = 5_000;
/// Goal: the share of what a token costs that its signature is.
const GOAL: f64 = 0.5;

fn main() {
    let key = SigningKey::generate(Algorithm::Es256).expect("a key");
    let message = [b'x'; 400];
    let signature = microseconds(SIGNATURES, || {
        for _ in 0..SIGNATURES {
            black_box(key.sign(black_box(&message)).expect("a signature"));
        }
    });
    let folder = tempfile::tempdir().expect("a folder");
    let agent = Agent::start(folder.path());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let client = runtime.block_on(WorkloadApi::connect(&agent.socket)).expect("the agent's socket");
    let measure = |calls: Calls| {
        calls.make(&runtime, &client, CALLS / 20);
        let (before, start) = (agent.spent(), Instant::now());
        calls.make(&runtime, &client, CALLS);
        ((agent.spent() - before) / count(CALLS), count(CALLS) / start.elapsed().as_secs_f64())
    };
    let (floor, floor_rate) = measure(Calls::Refused);
    let (token, rate) = measure(Calls::Tokens);
    println!(
        "ES256 signature: {signature:.1} µs; a call that is refused at once: {floor:.1} µs ({floor_rate:.0} a second)"
    );
    println!(
        "JWT-SVID, uncached, {CALLERS} callers: {token:.1} µs ({rate:.0} a second): {:.0} % of signing (goal {:.0} %); {:.0} % with the call",
        signature / token * 100.0,
        GOAL * 100.0,
        (signature + floor) / token * 100.0,
    );
}

#[derive(Clone, Copy)]
enum Calls {
    /// Without an audience: no caller is looked at, nothing is signed.
    Refused,
    /// For an audience that there has not been.
    Tokens,
}

impl Calls {
    fn make(self, runtime: &tokio::runtime::Runtime, client: &WorkloadApi, calls: usize) {
        let turn = Rc::new(Cell::new(calls));
        let callers = LocalSet::new();
        for _ in 0..CALLERS {
            let (client, turn) = (client.clone(), Rc::clone(&turn));
            callers.spawn_local(async move {
                while let Some(next) = turn.get().checked_sub(1) {
                    turn.set(next);
                    self.call(&client, format!("https://{calls}.{next}.test")).await;
                }
            });
        }
        runtime.block_on(callers);
    }

    async fn call(self, client: &WorkloadApi, audience: String) {
        match self {
            Self::Refused => {
                client.fetch_jwt_svid(&[""; 0], None).await.expect_err("a token without an audience");
            }
            Self::Tokens => {
                client.fetch_jwt_svid(&[&audience], None).await.expect("an SVID");
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "some thousands")]
fn count(calls: usize) -> f64 {
    calls as f64
}
