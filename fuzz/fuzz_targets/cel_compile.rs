//! No rule may make the compiler or the interpreter panic, overflow the stack or run on.
#![no_main]

use carnet_trust::Expression;
use libfuzzer_sys::fuzz_target;
use serde_json::json;

fuzz_target!(|source: &str| {
    let Ok(expression) = Expression::compile(source) else { return };
    let claims = json!({"sub": "repo:a/b:ref", "aud": ["a", "b"], "n": 1, "deep": {"a": {"b": null}}});
    drop(expression.evaluate(&[("assertion", &claims), ("google", &claims), ("attribute", &claims)]));
});
