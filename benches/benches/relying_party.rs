//! What a trust of a relying party costs: one token against one trust, and finding the trust among many.
#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up must stop")]

use std::{collections::BTreeMap, sync::Arc};

use axum::{Router, body::Body};
use carnet_core::{FixedClock, NoHttp, SystemRandom};
use carnet_jose::Claims;
use carnet_oauth::trust::{Check, Manner, Matching, Question, Trust, evaluate};
use carnet_oauth_sandbox::seed::{self, Who};
use carnet_sandbox_kit::{Emulator, World};
use divan::{Bencher, black_box};
use http::Request;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// 2026-11-21 12:00:00 UTC.
const NOW: i64 = 1_795_262_400;

fn main() {
    divan::main();
}

fn now() -> Timestamp {
    Timestamp::from_second(NOW).expect("a time")
}

/// The claims of a GitHub token, some 1,100 bytes.
fn claims() -> Claims {
    let mut claims = json!({
        "iss": seed::GITHUB_ISSUER, "sub": seed::GITHUB_SUBJECT, "aud": "npm:registry.npmjs.org",
        "iat": NOW, "exp": NOW + 300,
        "repository": seed::REPOSITORY, "repository_owner_id": seed::OWNER_ID,
        "workflow_ref": "carnet-sandbox/app/.github/workflows/deploy.yml@refs/heads/main",
    });
    let members = claims.as_object_mut().expect("an object");
    members.extend((0..24).map(|at| (format!("claim_{at}"), Value::from("a value of the usual length"))));
    Claims(members.clone())
}

/// The limit is 20 microseconds.
#[divan::bench(args = [Matching::Exact, Matching::Glob, Matching::Segments])]
fn decide(bencher: Bencher<'_, '_>, matching: Matching) {
    let (claims, members) = (claims(), seed::members("npm", Who::Job));
    let mut trust = seed::trust("npm", Who::Job).expect("npm takes jobs");
    trust.claims.insert("workflow_ref".to_owned(), vec![claims.str("workflow_ref").unwrap_or_default().to_owned()]);
    let manner = Manner {
        matching,
        order: [Check::Audience, Check::Subject, Check::Claims],
        leeway: SignedDuration::from_secs(30),
        expiry_needed: true,
        audience: Some("npm:registry.npmjs.org"),
    };
    let question = Question { claims: &claims, members: &members, trust: &trust, manner: &manner, now: now() };
    assert!(evaluate(&question).grant().is_some(), "it is the accepted case that is measured");
    bencher.bench_local(|| evaluate(black_box(&question)));
}

/// A request that ends after its trust was found: the same for one trust and for ten thousand.
#[divan::bench(args = [1, 100, 10_000])]
fn find(bencher: Bencher<'_, '_>, trusts: usize) {
    let router = tailscale(trusts);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let last = format!("k{}", trusts.saturating_sub(1));
    bencher.bench_local(|| {
        let request = Request::post("/api/v2/oauth/token-exchange")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(format!("client_id={last}&jwt=none")))
            .expect("a request");
        let answer = runtime.block_on(router.clone().oneshot(request)).expect("an answer");
        assert_eq!(answer.status(), 403, "the trust was found, and the token is none");
    });
}

fn tailscale(trusts: usize) -> Router {
    let world = World::new(Arc::new(FixedClock::at(now())), Arc::new(SystemRandom), Arc::new(NoHttp));
    let emulator = carnet_oauth_sandbox::emulator(world);
    for number in 0..trusts {
        let members = BTreeMap::from([("client_id".to_owned(), vec![format!("k{number}")])]);
        let trust = Trust { issuer: seed::GITHUB_ISSUER.to_owned(), members, ..Trust::default() };
        emulator.add_trust("tailscale", trust).expect("there is room");
    }
    let mut services = emulator.services().into_iter();
    services.find(|service| service.name == "oauth-tailscale").expect("it is there").router
}
