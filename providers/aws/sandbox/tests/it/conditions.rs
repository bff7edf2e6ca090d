//! Conditions on what every request says, at each place that asks a policy.

use std::net::SocketAddr;

use axum::{body::Body, extract::ConnectInfo};
use carnet_aws_sandbox::seed;
use http::Request;
use serde_json::{Value, json};

use crate::support::{Call, Keys, NOW, Reply, Sandbox};

const ISSUER: &str = "token.actions.githubusercontent.com";
const AGENT: &str = "aws-cli/2.31 exec-env/CI";

/// What holds for a request of [`asked`], and what does not.
fn conditions() -> Vec<(Value, Value)> {
    let later = NOW + 60;
    vec![
        (
            json!({ "IpAddress": { "aws:SourceIp": "127.0.0.0/8" } }),
            json!({ "IpAddress": { "aws:SourceIp": "203.0.113.0/24" } }),
        ),
        (
            json!({ "NotIpAddress": { "aws:SourceIp": "203.0.113.7" } }),
            json!({ "NotIpAddress": { "aws:SourceIp": "127.0.0.1" } }),
        ),
        (json!({ "Bool": { "aws:SecureTransport": "true" } }), json!({ "Bool": { "aws:SecureTransport": "false" } })),
        (
            json!({ "StringEquals": { "aws:RequestedRegion": "eu-central-1" } }),
            json!({ "StringNotEquals": { "aws:RequestedRegion": "eu-central-1" } }),
        ),
        (
            json!({ "StringLike": { "aws:UserAgent": "aws-cli/*" } }),
            json!({ "StringNotLike": { "aws:UserAgent": "aws-cli/*" } }),
        ),
        (json!({ "Bool": { "aws:ViaAWSService": "false" } }), json!({ "Bool": { "aws:ViaAWSService": "true" } })),
        (
            json!({ "DateLessThan": { "aws:CurrentTime": "2026-11-21T12:00:01Z" } }),
            json!({ "DateGreaterThan": { "aws:CurrentTime": "2026-11-21T12:00:01Z" } }),
        ),
        (
            json!({ "NumericLessThan": { "aws:EpochTime": later.to_string() } }),
            json!({ "NumericGreaterThan": { "aws:EpochTime": later.to_string() } }),
        ),
    ]
}

async fn trust(sandbox: &Sandbox, statements: Value) {
    let document = json!({ "Version": "2012-10-17", "Statement": statements }).to_string();
    let fields = [("Action", "UpdateAssumeRolePolicy"), ("RoleName", "reader"), ("PolicyDocument", document.as_str())];
    sandbox.iam(&fields).await.ok();
}

/// The statement that lets jobs in, with a further condition.
fn jobs(more: &Value) -> Value {
    let mut condition = json!({ "ForAnyValue:StringLike": { format!("{ISSUER}:sub"): "repo:carnet-sandbox/*" } });
    condition.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({ "Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity", "Condition": condition,
        "Principal": { "Federated": format!("arn:aws:iam::123456789012:oidc-provider/{ISSUER}") } })
}

fn denying(condition: &Value) -> Value {
    json!({ "Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRoleWithWebIdentity", "Condition": condition })
}

fn asked(sandbox: &Sandbox) -> Call {
    let token = sandbox.job(json!({}));
    let fields = [
        ("Action", "AssumeRoleWithWebIdentity"),
        ("Version", "2011-06-15"),
        ("RoleArn", seed::ROLE),
        ("RoleSessionName", "job"),
        ("WebIdentityToken", token.as_str()),
    ];
    Call::form("aws-sts", "sts", &fields).header("user-agent", AGENT)
}

fn denied(reply: &Reply) {
    reply.refused(403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity");
}

#[tokio::test]
async fn each_key_of_a_request_lets_a_token_in_and_keeps_it_out() {
    let sandbox = Sandbox::new();
    for (holds, fails) in conditions() {
        trust(&sandbox, json!([jobs(&holds)])).await;
        sandbox.send(asked(&sandbox)).await.ok();
        trust(&sandbox, json!([jobs(&fails)])).await;
        denied(&sandbox.send(asked(&sandbox)).await);
        trust(&sandbox, json!([jobs(&json!({})), denying(&holds)])).await;
        denied(&sandbox.send(asked(&sandbox)).await);
        trust(&sandbox, json!([jobs(&json!({})), denying(&fails)])).await;
        sandbox.send(asked(&sandbox)).await.ok();
    }
}

#[tokio::test]
async fn the_address_is_that_of_the_connection_and_the_region_that_of_the_host() {
    let sandbox = Sandbox::new();
    let from = async |address: &str| {
        let call = asked(&sandbox);
        let mut request = Request::post("/").body(Body::from(call.body.clone())).unwrap();
        request.extensions_mut().insert(ConnectInfo(address.parse::<SocketAddr>().unwrap()));
        sandbox.send_raw("aws-sts", request).await
    };
    trust(&sandbox, json!([jobs(&json!({ "IpAddress": { "aws:SourceIp": "203.0.113.0/24" } }))])).await;
    from("203.0.113.7:5000").await.ok();
    from("[::ffff:203.0.113.7]:5000").await.ok();
    denied(&from("198.51.100.7:5000").await);
    trust(&sandbox, json!([jobs(&json!({ "StringEquals": { "aws:RequestedRegion": "us-east-1" } }))])).await;
    for (host, fits) in
        [("sts.us-east-1.amazonaws.com", true), ("sts.amazonaws.com", true), ("sts.eu-west-1.amazonaws.com", false)]
    {
        let reply = sandbox.send(asked(&sandbox).header("host", host)).await;
        if fits {
            reply.ok();
        } else {
            denied(&reply);
        }
    }
}

/// What the role may do, besides what it may anyway.
async fn permit(sandbox: &Sandbox, statement: Value) {
    let document = json!({ "Version": "2012-10-17", "Statement": statement }).to_string();
    let fields =
        [("Action", "PutRolePolicy"), ("RoleName", "reader"), ("PolicyName", "more"), ("PolicyDocument", &document)];
    sandbox.iam(&fields).await.ok();
}

/// Listing buckets, becoming the next role, a token of the account.
async fn calls(sandbox: &Sandbox, keys: &Keys) -> [Reply; 3] {
    let send = async |call: Call| sandbox.send(call.header("user-agent", AGENT).sign(keys)).await;
    let next = [
        ("Action", "AssumeRole"),
        ("Version", "2011-06-15"),
        ("RoleArn", seed::NEXT_ROLE),
        ("RoleSessionName", "next"),
        ("ExternalId", seed::EXTERNAL_ID),
    ];
    let token = [
        ("Action", "GetWebIdentityToken"),
        ("Version", "2011-06-15"),
        ("Audience.member.1", "a"),
        ("SigningAlgorithm", "ES384"),
    ];
    [
        send(Call::new("aws-s3", "s3", "GET", "/")).await,
        send(Call::form("aws-sts", "sts", &next)).await,
        send(Call::form("aws-sts", "sts", &token)).await,
    ]
}

#[tokio::test]
async fn permissions_see_the_request_too() {
    let sandbox = Sandbox::new();
    let keys = sandbox.reader().await;
    for (holds, fails) in conditions() {
        let deny =
            |condition: &Value| json!({ "Effect": "Deny", "Action": "*", "Resource": "*", "Condition": condition });
        permit(&sandbox, deny(&fails)).await;
        for reply in calls(&sandbox, &keys).await {
            reply.ok();
        }
        permit(&sandbox, deny(&holds)).await;
        for reply in calls(&sandbox, &keys).await {
            reply.refused(403, "AccessDenied", "not authorized");
        }
    }
}

#[tokio::test]
async fn iam_is_asked_in_one_region() {
    let sandbox = Sandbox::new();
    let keys = sandbox.reader().await;
    for (region, fits) in [("us-east-1", true), ("eu-central-1", false)] {
        let condition = json!({ "StringEquals": { "aws:RequestedRegion": region } });
        permit(
            &sandbox,
            json!({ "Effect": "Allow", "Action": "iam:ListRoles", "Resource": "*", "Condition": condition }),
        )
        .await;
        let reply = sandbox.query(&keys, "aws-iam", &[("Action", "ListRoles")]).await;
        assert_eq!(reply.status.is_success(), fits, "{region}: {}", reply.text());
    }
}
