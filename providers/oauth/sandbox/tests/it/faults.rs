//! What goes wrong on purpose.

use std::sync::atomic::Ordering;

use carnet_sandbox_kit::{Emulator, Fault, FaultKind};
use http::StatusCode;
use serde_json::Value;

use crate::{support::Sandbox, wire::WIRES};

#[tokio::test]
async fn the_fault_expired_gives_tokens_that_are_over() {
    let sandbox = Sandbox::new();
    sandbox.world.faults.add(Fault::new(FaultKind::Expired).service("oauth-openrouter").times(1));
    let body = sandbox.ask(&sandbox.good("openrouter")).await.json();
    assert_eq!(body["expires_in"], 0);
    assert_eq!(sandbox.visit("openrouter", body["access_token"].as_str().unwrap()).await.status, 401);
    assert_eq!(sandbox.ask(&sandbox.good("openrouter")).await.json()["expires_in"], 300);
}

#[tokio::test]
async fn the_fault_skew_ends_tokens_early() {
    let sandbox = Sandbox::new();
    let asked = sandbox.good("openai");
    sandbox.world.faults.add(Fault::new(FaultKind::Skew).service("oauth-openai"));
    assert_eq!(sandbox.ask(&asked).await.status, 400);
    assert_eq!(sandbox.ask(&sandbox.good("claude")).await.status, 200, "the others' clocks are right");
}

#[test]
fn every_party_words_its_faults_in_its_own_form() {
    let sandbox = Sandbox::new();
    let members = |party: &str| match party {
        "crates-io" => vec!["/errors/0/detail"],
        "hcp" | "octo-sts" | "snowflake" => vec!["/code", "/message"],
        "infisical" => vec!["/statusCode", "/message", "/error"],
        "npm" | "tailscale" => vec!["/message"],
        "pypi" => vec!["/message", "/errors/0/code"],
        _ => vec!["/error", "/error_description"],
    };
    let services = sandbox.emulator.services();
    for wire in WIRES {
        let service = services.iter().find(|service| service.name == wire.service).unwrap();
        for status in [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE] {
            let (kind, body) = (service.error_body)(status);
            let body: Value = serde_json::from_str(&body).unwrap();
            assert_eq!(kind, "application/json");
            for place in members(wire.party) {
                assert!(body.pointer(place).is_some_and(|value| !value.is_null()), "{} {place}: {body}", wire.party);
            }
        }
    }
}

#[tokio::test]
async fn keys_are_fetched_once_for_all_parties() {
    let sandbox = Sandbox::new();
    for wire in WIRES {
        let reply = sandbox.ask(&sandbox.good(wire.party)).await;
        assert_eq!(reply.status, wire.status, "{}", reply.text);
    }
    assert_eq!(sandbox.documents.asked.load(Ordering::Relaxed), 2, "discovery and keys");
}
