//! JWT login and what the token may do.

use serde_json::{Value, json};

use crate::support::{NOW, Sandbox};

#[tokio::test]
async fn a_job_reads_its_secret_and_not_the_neighbours() {
    let sandbox = Sandbox::new();
    let token = sandbox.token().await;
    let (status, body) = sandbox.with(&token, "GET", "secret/data/app/db", Value::Null).await;
    assert_eq!((status, &body["data"]["data"]["password"]), (200, &json!("sandbox")), "{body}");
    let (status, body) = sandbox.with(&token, "GET", "secret/data/neighbour/db", Value::Null).await;
    assert_eq!((status, &body["errors"][0]), (403, &json!("1 error occurred:\n\t* permission denied\n\n")));
}

#[tokio::test]
async fn each_bent_token_is_refused_in_vaults_words() {
    let sandbox = Sandbox::new();
    for (changes, text) in [
        (json!({ "iss": "https://other.example" }), "invalid issuer (iss) claim"),
        (json!({ "aud": "other" }), "invalid audience (aud) claim"),
        (json!({ "exp": NOW - 61 }), "token is expired"),
        (json!({ "repository": "other/app" }), "error validating claims: claim \"repository\""),
    ] {
        let (status, body) = sandbox.login(&sandbox.job(changes.clone())).await;
        assert_eq!(status, 400, "{body}");
        assert!(body["errors"][0].as_str().unwrap().contains(text), "{changes}: {body}");
    }
    assert_eq!(sandbox.world.decisions.count(), 4);
}

#[tokio::test]
async fn a_token_looks_at_itself_renews_and_ends() {
    let sandbox = Sandbox::new();
    let token = sandbox.token().await;
    let (_, body) = sandbox.with(&token, "GET", "auth/token/lookup-self", Value::Null).await;
    assert_eq!((&body["data"]["ttl"], &body["data"]["policies"]), (&json!(3600), &json!(["app", "default"])));
    sandbox.clock.advance(jiff::SignedDuration::from_mins(30));
    let (_, body) = sandbox.with(&token, "PUT", "auth/token/renew-self", json!({})).await;
    assert_eq!(body["auth"]["lease_duration"], 3600, "{body}");
    assert_eq!(sandbox.with(&token, "PUT", "auth/token/revoke-self", Value::Null).await.0, 204);
    assert_eq!(sandbox.with(&token, "GET", "auth/token/lookup-self", Value::Null).await.0, 403);
}

#[tokio::test]
async fn an_expired_token_is_refused() {
    let sandbox = Sandbox::new();
    let token = sandbox.token().await;
    sandbox.clock.advance(jiff::SignedDuration::from_secs(3600));
    assert_eq!(sandbox.with(&token, "GET", "secret/data/app/db", Value::Null).await.0, 403);
}
