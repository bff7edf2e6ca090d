//! The control API.

use axum::body::Body;
use carnet_oauth_sandbox::seed::{self, Who};
use carnet_sandbox_kit::Emulator;
use http::Request;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::support::Sandbox;

async fn call(sandbox: &Sandbox, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let request = Request::builder().method(method).uri(path).body(Body::from(body.to_string())).unwrap();
    let response = sandbox.emulator.control().unwrap().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn a_trust_that_was_added_counts() {
    let sandbox = Sandbox::new();
    let trust = json!({
        "id": "mine", "issuer": seed::GITHUB_ISSUER, "subject": Who::Job.subject(),
        "audiences": ["https://openrouter.ai"],
        "members": { "federation_policy_id": ["mine"] }, "principal": "me",
    });
    let (status, body) = call(&sandbox, "POST", "/trust", &json!({ "party": "openrouter", "trust": trust })).await;
    assert_eq!((status, body), (200, json!({ "warnings": [] })));
    let mut asked = sandbox.good("openrouter");
    asked.set("federation_policy_id", "mine");
    let token = sandbox.ask(&asked).await.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(sandbox.visit("openrouter", &token).await.json()["principal"], "me");
}

#[tokio::test]
async fn a_trust_in_everybody_is_warned_of() {
    let trust = json!({ "id": "open", "issuer": seed::GITHUB_ISSUER, "principal": "anybody" });
    let (status, body) = call(&Sandbox::new(), "POST", "/trust", &json!({ "party": "hcp", "trust": trust })).await;
    assert_eq!((status, body["warnings"][0]["clause"].as_str()), (200, Some("subject")));
}

#[tokio::test]
async fn rejects_what_is_not_understood() {
    let sandbox = Sandbox::new();
    let trust = json!({ "id": "a", "issuer": "b", "principal": "c" });
    let (status, body) = call(&sandbox, "POST", "/trust", &json!({ "party": "nobody", "trust": trust })).await;
    assert!(status == 400 && body["error"].as_str().unwrap().contains("octo-sts"), "{body}");
    let (status, body) = call(&sandbox, "POST", "/trust", &json!({ "party": "hcp", "trust": { "id": "a" } })).await;
    assert!(status == 400 && body["error"].as_str().unwrap().contains("issuer"), "{body}");
}

#[tokio::test]
async fn the_parties_are_those_of_the_catalogue() {
    let (status, body) = call(&Sandbox::new(), "GET", "/parties", &Value::Null).await;
    assert_eq!((status, body["parties"].as_array().unwrap().len()), (200, 13));
}
