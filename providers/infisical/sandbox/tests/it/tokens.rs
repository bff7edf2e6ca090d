//! What becomes of tokens.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use carnet_infisical_sandbox::seed;
use carnet_sandbox_kit::{Fault, FaultKind};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::{NOW, Sandbox, accepted, refused};

const SECRET: &str = "v3/secrets/raw/DB_PASSWORD";

fn place() -> String {
    format!("{SECRET}?workspaceId={}&environment={}", seed::PROJECT, seed::ENVIRONMENT)
}

async fn read(sandbox: &Sandbox, token: &str) -> (u16, Value) {
    sandbox.with(token, "GET", &place(), Value::Null).await
}

async fn renew(sandbox: &Sandbox, token: &str) -> (u16, Value) {
    sandbox.send("POST", "v1/auth/token/renew", &[], json!({ "accessToken": token })).await
}

fn claims(token: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

/// Changes what OIDC Auth of the seeded identity says of its tokens.
async fn settings(sandbox: &Sandbox, fields: Value) {
    let admin = sandbox.admin().await;
    let path = format!("v1/auth/oidc-auth/identities/{}", seed::IDENTITY);
    let (status, body) = sandbox.with(&admin, "PATCH", &path, fields).await;
    assert_eq!(status, 200, "{body}");
}

#[tokio::test]
async fn a_token_reads_until_it_ends() {
    let sandbox = Sandbox::new();
    let token = sandbox.token().await;
    sandbox.clock.advance(SignedDuration::from_secs(3599));
    assert_eq!(read(&sandbox, &token).await.0, 200);
    sandbox.clock.advance(SignedDuration::from_secs(1));
    refused(read(&sandbox, &token).await, 403, "TokenError", "Your token has expired. Please re-authenticate.");
}

#[tokio::test]
async fn rejects_tokens_that_this_server_has_not_made() {
    let sandbox = Sandbox::new();
    let other = Sandbox::new().token().await;
    refused(read(&sandbox, &other).await, 403, "TokenError", "invalid signature");
    refused(read(&sandbox, "none").await, 403, "TokenError", "The provided access token is malformed.");
    let unsigned = format!("eyJhbGciOiJub25lIn0.{}.", other.split('.').nth(1).unwrap());
    refused(read(&sandbox, &unsigned).await, 403, "TokenError", "signed with an invalid algorithm");
    let answer = sandbox.send("GET", &place(), &[], Value::Null).await;
    refused(answer, 401, "UnauthorizedError", "Token missing");
}

#[test]
fn uses_are_counted_exactly_also_when_32_call_at_once() {
    let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
    let sandbox = Sandbox::new();
    let token = runtime().block_on(async {
        settings(&sandbox, json!({ "accessTokenNumUsesLimit": 10 })).await;
        sandbox.token().await
    });
    assert_eq!(claims(&token)["numUsesLimit"], 10);
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let call = || runtime().block_on(read(&sandbox, &token)).0;
        let calls: Vec<_> = (0..32).map(|_| scope.spawn(call)).collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    let count = |wanted: u16| statuses.iter().filter(|status| **status == wanted).count();
    assert_eq!((count(200), count(401)), (10, 22));
    runtime().block_on(async {
        let text = "Failed to authorize: token usage limit reached";
        refused(read(&sandbox, &token).await, 401, "UnauthorizedError", text);
        refused(renew(&sandbox, &token).await, 401, "UnauthorizedError", "Cannot renew exhausted access token");
    });
}

#[tokio::test]
async fn renewing_uses_nothing_and_the_count_goes_on() {
    let sandbox = Sandbox::new();
    settings(&sandbox, json!({ "accessTokenNumUsesLimit": 2 })).await;
    let token = sandbox.token().await;
    assert_eq!(read(&sandbox, &token).await.0, 200);
    let renewed = accepted(renew(&sandbox, &token).await);
    assert_eq!(claims(&token)["jti"], claims(&renewed)["jti"]);
    assert_eq!(read(&sandbox, &renewed).await.0, 200);
    assert_eq!(read(&sandbox, &token).await.0, 401);
}

#[tokio::test]
async fn renewals_are_cut_at_the_longest_life_and_then_refused() {
    let sandbox = Sandbox::new();
    let token = sandbox.token().await;
    sandbox.clock.advance(SignedDuration::from_mins(50));
    let (_, body) = renew(&sandbox, &token).await;
    assert_eq!((&body["expiresIn"], &body["accessTokenMaxTTL"]), (&json!(3600), &json!(7200)));
    let token = body["accessToken"].as_str().unwrap().to_owned();
    sandbox.clock.advance(SignedDuration::from_mins(50));
    let (_, body) = renew(&sandbox, &token).await;
    assert_eq!(body["expiresIn"], 1200);
    let token = body["accessToken"].as_str().unwrap().to_owned();
    assert_eq!(claims(&token)["exp"], NOW + 7200);
    sandbox.clock.advance(SignedDuration::from_mins(20));
    refused(renew(&sandbox, &token).await, 403, "TokenError", "Your token has expired.");
}

#[tokio::test]
async fn a_renewal_in_the_last_second_gets_that_second() {
    let sandbox = Sandbox::new();
    settings(&sandbox, json!({ "accessTokenTTL": 7200 })).await;
    let token = sandbox.token().await;
    sandbox.clock.advance(SignedDuration::from_secs(7199));
    assert_eq!(renew(&sandbox, &token).await.1["expiresIn"], 1);
}

#[tokio::test]
async fn a_periodic_token_is_renewed_for_ever() {
    let sandbox = Sandbox::new();
    settings(&sandbox, json!({ "accessTokenPeriod": 600 })).await;
    let mut token = sandbox.token().await;
    for _ in 0..30 {
        sandbox.clock.advance(SignedDuration::from_secs(599));
        token = accepted(renew(&sandbox, &token).await);
    }
    assert_eq!(read(&sandbox, &token).await.0, 200);
}

#[tokio::test]
async fn a_life_of_zero_is_said_and_ninety_days_are_given() {
    let sandbox = Sandbox::new();
    settings(&sandbox, json!({ "accessTokenTTL": 0, "accessTokenMaxTTL": 0 })).await;
    let body = json!({ "identityId": seed::IDENTITY, "jwt": sandbox.jwt(json!({})) });
    let (_, body) = sandbox.login("oidc-auth", body).await;
    assert_eq!(body["expiresIn"], 0);
    assert_eq!(claims(body["accessToken"].as_str().unwrap())["exp"], NOW + 7_776_000);
}

#[tokio::test]
async fn a_revoked_token_and_all_that_it_was_renewed_to_are_refused() {
    let sandbox = Sandbox::new();
    let token = sandbox.token().await;
    let renewed = accepted(renew(&sandbox, &token).await);
    let other = sandbox.token().await;
    let (status, body) = sandbox.send("POST", "v1/auth/token/revoke", &[], json!({ "accessToken": token })).await;
    assert_eq!((status, &body["message"]), (200, &json!("Successfully revoked access token")));
    for token in [&token, &renewed] {
        refused(read(&sandbox, token).await, 401, "UnauthorizedError", "Failed to authorize: ");
        refused(renew(&sandbox, token).await, 401, "UnauthorizedError", "Cannot renew: ");
    }
    assert_eq!(read(&sandbox, &other).await.0, 200);
}

#[tokio::test]
async fn tokens_of_a_method_that_is_removed_are_refused() {
    let sandbox = Sandbox::new();
    let (admin, token) = (sandbox.admin().await, sandbox.token().await);
    let path = format!("v1/auth/oidc-auth/identities/{}", seed::IDENTITY);
    assert_eq!(sandbox.with(&admin, "DELETE", &path, Value::Null).await.0, 200);
    refused(read(&sandbox, &token).await, 401, "UnauthorizedError", "identity tokens have been revoked");
}

#[tokio::test]
async fn tokens_of_a_client_secret_that_is_revoked_are_refused() {
    let sandbox = Sandbox::new();
    let admin = sandbox.admin().await;
    let secrets = format!("v1/auth/universal-auth/identities/{}/client-secrets", seed::WORKER);
    let (_, made) = sandbox.with(&admin, "POST", &secrets, json!({})).await;
    let login = json!({ "clientId": seed::WORKER_CLIENT_ID, "clientSecret": made["clientSecret"] });
    let token = accepted(sandbox.login("universal-auth", login.clone()).await);
    let id = made["clientSecretData"]["id"].as_str().unwrap();
    let revoke = format!("{secrets}/{id}/revoke");
    assert_eq!(sandbox.with(&admin, "POST", &revoke, Value::Null).await.0, 200);
    refused(read(&sandbox, &token).await, 401, "UnauthorizedError", "identity tokens have been revoked");
    refused(sandbox.login("universal-auth", login).await, 401, "UnauthorizedError", "Invalid credentials");
}

#[tokio::test]
async fn rejects_calls_from_elsewhere_whatever_they_say_of_themselves_and_counts_them() {
    let sandbox = Sandbox::new();
    let narrow = json!({ "accessTokenTrustedIps": [{ "ipAddress": "10.0.0.0/8" }], "accessTokenNumUsesLimit": 1 });
    settings(&sandbox, narrow).await;
    let token = sandbox.token().await;
    let headers = [("authorization", format!("Bearer {token}")), ("x-forwarded-for", "10.0.0.1".to_owned())];
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    let answer = sandbox.send("GET", &place(), &headers, Value::Null).await;
    refused(answer, 403, "ForbiddenError", "You are not allowed to access this resource from the current IP address");
    refused(read(&sandbox, &token).await, 401, "UnauthorizedError", "token usage limit reached");
}

#[tokio::test]
async fn a_token_can_be_given_expired() {
    let sandbox = Sandbox::new();
    sandbox.world.faults.add(Fault::new(FaultKind::Expired).service("infisical").times(1));
    let token = sandbox.token().await;
    refused(read(&sandbox, &token).await, 403, "TokenError", "Your token has expired.");
}
