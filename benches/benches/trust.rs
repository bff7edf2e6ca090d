//! What a condition costs: compiled once, evaluated for every token; the same condition in Rust is the limit.
#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up must stop")]

use carnet_trust::Expression;
use divan::{Bencher, black_box};
use serde_json::{Value, json};

const CONDITION: &str = "assertion.repository_owner_id == '4242' && assertion.ref == 'refs/heads/main'";

fn main() {
    divan::main();
}

/// The claims of a GitHub token, some 1,100 bytes.
fn claims() -> Value {
    let mut claims = json!({
        "iss": "https://token.actions.githubusercontent.com",
        "sub": "repo:carnet-sandbox/app:ref:refs/heads/main",
        "aud": "https://idcs-c0ffee00c0ffee00c0ffee00c0ffee00.identity.oraclecloud.com",
        "ref": "refs/heads/main",
        "repository": "carnet-sandbox/app",
        "repository_owner": "carnet-sandbox",
        "repository_owner_id": "4242",
        "groups": ["a", "b", "c"],
    });
    if let Some(members) = claims.as_object_mut() {
        members.extend((0..24).map(|at| (format!("claim_{at}"), Value::from("a value of the usual length"))));
    }
    claims
}

#[divan::bench]
fn compile() -> Expression {
    Expression::compile(black_box(CONDITION)).expect("the condition compiles")
}

#[divan::bench]
fn evaluate(bencher: Bencher<'_, '_>) {
    let (expression, claims) = (Expression::compile(CONDITION).expect("the condition compiles"), claims());
    bencher.bench_local(|| expression.evaluate(&[("assertion", black_box(&claims))]));
}

#[divan::bench]
fn evaluate_a_pattern(bencher: Bencher<'_, '_>) {
    let source = "assertion.sub.matches('^repo:carnet-sandbox/[^:]+:ref:refs/heads/(main|release)$')";
    let (expression, claims) = (Expression::compile(source).expect("the condition compiles"), claims());
    bencher.bench_local(|| expression.evaluate(&[("assertion", black_box(&claims))]));
}

/// The limit: the same question without a language.
#[divan::bench]
fn native(bencher: Bencher<'_, '_>) {
    let claims = claims();
    bencher.bench_local(|| {
        let claims = black_box(&claims);
        claims["repository_owner_id"] == "4242" && claims["ref"] == "refs/heads/main"
    });
}
