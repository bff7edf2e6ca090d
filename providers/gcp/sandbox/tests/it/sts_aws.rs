//! Signed requests of AWS: what is asked of AWS, and what is refused.

use std::sync::atomic::Ordering;

use carnet_gcp_sandbox::seed;
use carnet_trust::Decision;
use http::StatusCode;
use serde_json::{Value, json};

use crate::support::{Reply, Sandbox};

const STS: &str = "https://sts.eu-central-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15";
const AUTHORIZATION: &str = "AWS4-HMAC-SHA256 Credential=ASIAEXAMPLE/20261121/eu-central-1/sts/aws4_request, \
                             SignedHeaders=host;x-amz-date;x-amz-security-token, Signature=c0ffee";
const AWS: &str = "urn:ietf:params:aws:token-type:aws4_request";
const ACCOUNT: &str = "210987654321";

fn audience() -> String {
    seed::audience(seed::ORACLE).replace("providers/oracle", "providers/amazon")
}

fn answer(account: &str) -> String {
    format!(
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
         <Arn>arn:aws:sts::{account}:assumed-role/builder/i-0abc</Arn><UserId>AROAEXAMPLE:i-0abc</UserId>\
         <Account>{account}</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
    )
}

/// A sandbox with a provider for the account, and AWS on its network.
async fn sandbox(status: u16, body: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.documents.answer(STS, StatusCode::from_u16(status).unwrap(), body);
    let create = "/v1/projects/carnet-sandbox/locations/global/workloadIdentityPools/oracle/providers\
                  ?workloadIdentityPoolProviderId=amazon";
    sandbox.iam("POST", create, json!({ "aws": { "accountId": ACCOUNT } })).await.ok();
    sandbox
}

fn request() -> Value {
    json!({
        "url": "https://sts.eu-central-1.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15",
        "method": "POST",
        "headers": [
            { "key": "Authorization", "value": AUTHORIZATION },
            { "key": "host", "value": "sts.eu-central-1.amazonaws.com" },
            { "key": "x-amz-date", "value": "20261121T120000Z" },
            { "key": "x-amz-security-token", "value": "session" },
            { "key": "x-goog-cloud-target-resource", "value": audience() },
        ],
    })
}

async fn exchange(sandbox: &Sandbox, token: &str) -> Reply {
    let mut fields = Sandbox::exchange_fields(token);
    fields[1].1 = audience();
    AWS.clone_into(&mut fields[5].1);
    sandbox.exchange_with(&fields).await
}

/// With the token percent-encoded, as libraries send it.
async fn exchange_request(sandbox: &Sandbox, request: &Value) -> Reply {
    let token: String = url::form_urlencoded::byte_serialize(request.to_string().as_bytes()).collect();
    exchange(sandbox, &token).await
}

#[track_caller]
fn refused(reply: &Reply, text: &str) {
    let body = reply.json();
    assert_eq!((reply.status.as_u16(), body["error"].as_str()), (400, Some("invalid_grant")), "{body}");
    assert!(body["error_description"].as_str().unwrap().contains(text), "{body}");
}

#[tokio::test]
async fn a_role_of_aws_becomes_a_principal() {
    let sandbox = sandbox(200, &answer(ACCOUNT)).await;
    exchange_request(&sandbox, &request()).await.ok();
    exchange(&sandbox, &request().to_string()).await.ok();
    let decisions = sandbox.world.decisions.since(0);
    let Decision::Allow(grant) = &decisions.last().unwrap().decision else { panic!("{decisions:?}") };
    assert!(grant.principal.ends_with("/subject/arn:aws:sts::210987654321:assumed-role/builder/i-0abc"));
    let sent = sandbox.documents.sent();
    assert_eq!((sent[0].method.as_str(), sent[0].url.as_str(), sent[0].body.len()), ("POST", STS, 0));
    assert_eq!(sent[0].headers["authorization"], AUTHORIZATION);
    assert_eq!(sent[0].headers["x-amz-security-token"], "session");
}

#[tokio::test]
async fn rejects_requests_that_ask_for_something_else_and_sends_nothing() {
    let sandbox = sandbox(200, &answer(ACCOUNT)).await;
    let before = sandbox.documents.asked.load(Ordering::Relaxed);
    for (member, value) in [
        ("url", "https://evil.example?Action=GetCallerIdentity&Version=2011-06-15"),
        ("url", "https://sts.eu-central-1.amazonaws.com?Action=AssumeRole&Version=2011-06-15"),
        ("method", "GET"),
        ("body", "Action=AssumeRole"),
    ] {
        let mut request = request();
        request[member] = value.into();
        refused(&exchange_request(&sandbox, &request).await, "AWS request has invalid format.");
    }
    refused(&exchange(&sandbox, "x").await, "AWS request has invalid format.");
    assert_eq!(sandbox.documents.asked.load(Ordering::Relaxed), before);
}

#[tokio::test]
async fn rejects_requests_for_another_provider_or_another_time() {
    let sandbox = sandbox(200, &answer(ACCOUNT)).await;
    for (at, value, text) in [
        (4, seed::audience(seed::ORACLE), "not meant for the expected audience"),
        (2, "20261121T113000Z".to_owned(), "expired or is not yet valid"),
    ] {
        let mut request = request();
        request["headers"][at]["value"] = value.into();
        refused(&exchange_request(&sandbox, &request).await, text);
    }
    assert!(sandbox.documents.sent().is_empty());
}

#[tokio::test]
async fn rejects_what_aws_does_not_confirm() {
    let error = "<ErrorResponse><Error><Type>Sender</Type><Code>InvalidClientTokenId</Code>\
                 <Message>The security token included in the request is invalid.</Message></Error></ErrorResponse>";
    for (status, body) in [(403, error), (302, error), (200, "<GetCallerIdentityResponse/>"), (200, "{}")] {
        let sandbox = sandbox(status, body).await;
        refused(&exchange_request(&sandbox, &request()).await, "AWS did not confirm");
        let decisions = sandbox.world.decisions.since(0);
        let Decision::Refuse(refusal) = &decisions.last().unwrap().decision else { panic!("{decisions:?}") };
        let seen = if status == 200 { "does not have one" } else { "InvalidClientTokenId" };
        assert!(refusal.seen.contains(seen), "the operator sees why: {}", refusal.seen);
        assert_eq!(sandbox.documents.sent().len(), 1, "no second look");
    }
}

#[tokio::test]
async fn rejects_when_aws_cannot_be_reached() {
    let sandbox = sandbox(200, &answer(ACCOUNT)).await;
    sandbox.unpublish();
    refused(&exchange_request(&sandbox, &request()).await, "AWS did not confirm");
}

#[tokio::test]
async fn rejects_other_accounts() {
    let sandbox = sandbox(200, &answer("111111111111")).await;
    let text = "The AWS account 111111111111 does not match the expected account 210987654321.";
    refused(&exchange_request(&sandbox, &request()).await, text);
}

#[tokio::test]
async fn rejects_tokens_of_another_kind_than_the_provider() {
    let sandbox = sandbox(200, &answer(ACCOUNT)).await;
    let mut fields = Sandbox::exchange_fields(&sandbox.job(json!({})));
    fields[1].1 = audience();
    let reply = sandbox.exchange_with(&fields).await;
    assert_eq!(reply.json()["error"], "invalid_request");
    assert_eq!(reply.json()["error_description"], "Invalid value for \"subject_token_type\".");
}
