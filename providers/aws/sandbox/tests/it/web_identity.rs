//! `AssumeRoleWithWebIdentity`: one valid request, bent in one place.

use carnet_aws_sandbox::seed;
use carnet_jose::{Algorithm, SigningKey};
use carnet_sandbox_kit::{Fault, FaultKind};
use carnet_trust::Decision;
use http::Request;
use serde_json::{Value, json};

use crate::support::{Call, NOW, Reply, Sandbox, sign};

async fn with(changes: Value) -> Reply {
    let sandbox = Sandbox::new();
    sandbox.web_identity(&sandbox.job(changes), &[]).await
}

async fn asking(more: &[(&str, &str)]) -> Reply {
    let sandbox = Sandbox::new();
    sandbox.web_identity(&sandbox.job(json!({})), more).await
}

#[tokio::test]
async fn a_job_becomes_a_session() {
    let sandbox = Sandbox::new();
    let reply = sandbox.web_identity(&sandbox.job(json!({})), &[]).await.ok();
    assert!(reply.text().starts_with(
        "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleWithWebIdentityResult>"
    ));
    assert_eq!(reply.xml("Arn"), "arn:aws:sts::123456789012:assumed-role/reader/job");
    assert_eq!(reply.xml("SubjectFromWebIdentityToken"), "repo:carnet-sandbox/app:ref:refs/heads/main");
    assert_eq!(reply.xml("Audience"), "sts.amazonaws.com");
    assert_eq!(reply.xml("Expiration"), "2026-11-21T13:00:00Z");
    assert!(reply.xml("AccessKeyId").starts_with("ASIA") && reply.xml("AccessKeyId").len() == 20);
    assert_eq!(reply.xml("SecretAccessKey").len(), 40);
    assert_eq!(reply.header("x-amzn-requestid"), reply.xml("RequestId"));
    let decisions = sandbox.world.decisions.since(0);
    assert!(matches!(&decisions[0].decision, Decision::Allow(_)), "{decisions:?}");
}

#[tokio::test]
async fn a_query_string_is_taken_too() {
    let sandbox = Sandbox::new();
    let token = sandbox.job(json!({}));
    let uri = format!(
        "/?Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn={}&RoleSessionName=job&WebIdentityToken={token}",
        seed::ROLE
    );
    sandbox.send(Call::new("aws-sts", "sts", "GET", &uri)).await.ok();
}

#[tokio::test]
async fn rejects_issuer_without_provider() {
    let reply = with(json!({ "iss": "https://issuer.example" })).await;
    reply.refused(
        400,
        "InvalidIdentityToken",
        "No OpenIDConnect provider found in your account for https://issuer.example",
    );
}

#[tokio::test]
async fn google_needs_no_provider_and_its_azp_is_the_audience() {
    const GOOGLE: &str = "https://accounts.google.com";
    let sandbox = Sandbox::new();
    sandbox.publish(GOOGLE, &[&sandbox.github]);
    let trust = |condition: &Value| {
        json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow",
            "Principal": { "Federated": "accounts.google.com" }, "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": condition }] })
        .to_string()
    };
    let update = async |document: String| {
        let fields =
            [("Action", "UpdateAssumeRolePolicy"), ("RoleName", "reader"), ("PolicyDocument", document.as_str())];
        sandbox.iam(&fields).await
    };
    for open in [json!({}), json!({ "StringLike": { "accounts.google.com:aud": "*" } })] {
        update(trust(&open)).await.refused(400, "MalformedPolicyDocument", "accounts.google.com:aud");
    }
    let exact = json!({ "StringEquals": { "accounts.google.com:sub": "107", "accounts.google.com:aud": "client",
        "accounts.google.com:oaud": "sts.amazonaws.com" } });
    update(trust(&exact)).await.ok();
    let token = |changes: Value| {
        let mut claims = json!({ "iss": GOOGLE, "sub": "107", "azp": "client" });
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        sandbox.job(claims)
    };
    let reply = sandbox.web_identity(&token(json!({})), &[]).await.ok();
    assert_eq!((reply.xml("Provider").as_str(), reply.xml("Audience").as_str()), ("accounts.google.com", "client"));
    for bent in [json!({ "sub": "108" }), json!({ "azp": "other" }), json!({ "aud": "other" })] {
        let reply = sandbox.web_identity(&token(bent), &[]).await;
        reply.refused(403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity");
    }
}

#[tokio::test]
async fn rejects_issuer_without_its_scheme() {
    let name = &seed::GITHUB_ISSUER[8..];
    let text = format!("No OpenIDConnect provider found in your account for {name}");
    with(json!({ "iss": name })).await.refused(400, "InvalidIdentityToken", &text);
}

#[tokio::test]
async fn rejects_audience_that_is_no_client_id() {
    with(json!({ "aud": "other" })).await.refused(400, "InvalidIdentityToken", "Incorrect token audience");
}

#[tokio::test]
async fn rejects_azp_that_is_no_client_id() {
    with(json!({ "azp": "other" })).await.refused(400, "InvalidIdentityToken", "Incorrect token audience");
}

#[tokio::test]
async fn rejects_expired_token_with_both_times() {
    let text = format!("Token expired: current date/time {NOW} must be before the expiration date/time {}", NOW - 1);
    with(json!({ "exp": NOW - 1 })).await.refused(400, "ExpiredTokenException", &text);
}

#[tokio::test]
async fn rejects_token_of_the_future() {
    with(json!({ "nbf": NOW + 301 })).await.refused(400, "InvalidIdentityToken", "not valid yet");
}

#[tokio::test]
async fn rejects_access_token() {
    let sandbox = Sandbox::new();
    let reply = sandbox.web_identity("an-opaque-token", &[]).await;
    reply.refused(400, "InvalidIdentityToken", "The ID Token provided is not a valid JWT.");
}

#[tokio::test]
async fn rejects_token_signed_by_another_key() {
    let sandbox = Sandbox::new();
    let other = SigningKey::generate(Algorithm::Es256).unwrap().with_kid("github-1");
    let claims = json!({ "iss": seed::GITHUB_ISSUER, "sub": "repo:carnet-sandbox/app:x", "aud": seed::AUDIENCE,
        "iat": NOW, "exp": NOW + 60 });
    sandbox.web_identity(&sign(&other, &claims), &[]).await.refused(
        400,
        "InvalidIdentityToken",
        "could not be validated",
    );
}

#[tokio::test]
async fn rejects_token_whose_key_is_not_published() {
    let sandbox = Sandbox::new();
    let other = SigningKey::generate(Algorithm::Es256).unwrap().with_kid("github-2");
    sandbox.publish(seed::GITHUB_ISSUER, &[&other]);
    let reply = sandbox.web_identity(&sandbox.job(json!({})), &[]).await;
    reply.refused(400, "InvalidIdentityToken", "Couldn't retrieve verification key from your identity provider");
}

#[tokio::test]
async fn rejects_issuer_that_cannot_be_reached() {
    let sandbox = Sandbox::new();
    sandbox.unpublish();
    let reply = sandbox.web_identity(&sandbox.job(json!({})), &[]).await;
    reply.refused(400, "IDPCommunicationError", "could not be reached");
}

#[tokio::test]
async fn rejects_certificate_that_is_not_the_configured_one() {
    let sandbox = Sandbox::new();
    let body = json!({ "issuer": seed::GITHUB_ISSUER, "thumbprint": "00".repeat(20) }).to_string();
    let request = Request::post("/private-issuer")
        .header("content-type", "application/json")
        .body(axum::body::Body::from(body))
        .unwrap();
    let control = sandbox.emulator.control().unwrap();
    assert_eq!(tower::ServiceExt::oneshot(control, request).await.unwrap().status(), 204);
    let reply = sandbox.web_identity(&sandbox.job(json!({})), &[]).await;
    let text = "OpenIDConnect provider's HTTPS certificate doesn't match configured thumbprint";
    reply.refused(400, "InvalidIdentityToken", text);
    let arn = format!("arn:aws:iam::123456789012:oidc-provider/{}", &seed::GITHUB_ISSUER[8..]);
    let fields = [
        ("Action", "UpdateOpenIDConnectProviderThumbprint"),
        ("OpenIDConnectProviderArn", arn.as_str()),
        ("ThumbprintList.member.1", "0000000000000000000000000000000000000000"),
    ];
    sandbox.iam(&fields).await.ok();
    sandbox.web_identity(&sandbox.job(json!({})), &[]).await.ok();
}

#[tokio::test]
async fn rejects_token_that_its_oauth_provider_does_not_know() {
    asking(&[("ProviderId", "www.amazon.com")]).await.refused(403, "IDPRejectedClaim", "rejected");
}

const NOT_AUTHORIZED: &str = "Not authorized to perform sts:AssumeRoleWithWebIdentity";

#[tokio::test]
async fn rejects_subject_outside_the_condition_without_saying_which() {
    let sandbox = Sandbox::new();
    let reply = sandbox.web_identity(&sandbox.job(json!({ "sub": "repo:other/app:x" })), &[]).await;
    reply.refused(403, "AccessDenied", NOT_AUTHORIZED);
    assert!(!reply.text().contains("other/app"));
    let decisions = sandbox.world.decisions.since(0);
    let refusal = decisions[0].decision.refusal().unwrap();
    assert_eq!(refusal.clause, "condition");
    assert!(refusal.seen.contains("repo:other/app:x"), "{refusal:?}");
}

#[tokio::test]
async fn rejects_role_that_is_not_there() {
    asking(&[("RoleArn", "arn:aws:iam::123456789012:role/carnet/Reader")]).await.refused(
        403,
        "AccessDenied",
        NOT_AUTHORIZED,
    );
}

#[tokio::test]
async fn rejects_role_that_does_not_trust_the_provider() {
    asking(&[("RoleArn", seed::MACHINE_ROLE)]).await.refused(403, "AccessDenied", NOT_AUTHORIZED);
}

#[tokio::test]
async fn rejects_token_that_a_statement_denies_to_everybody() {
    let sandbox = Sandbox::new();
    let issuer = &seed::GITHUB_ISSUER[8..];
    for everybody in [json!("*"), json!({ "AWS": "*" })] {
        let trust = json!({ "Version": "2012-10-17", "Statement": [
            { "Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
              "Principal": { "Federated": format!("arn:aws:iam::123456789012:oidc-provider/{issuer}") },
              "Condition": { "StringLike": { format!("{issuer}:sub"): "repo:carnet-sandbox/*" } } },
            { "Effect": "Deny", "Action": "sts:AssumeRoleWithWebIdentity", "Principal": everybody,
              "Condition": { "StringNotEquals": { format!("{issuer}:sub"): "repo:carnet-sandbox/app:one" } } },
        ] });
        let trust = trust.to_string();
        let fields = [("Action", "UpdateAssumeRolePolicy"), ("RoleName", "reader"), ("PolicyDocument", trust.as_str())];
        sandbox.iam(&fields).await.ok();
        sandbox.web_identity(&sandbox.job(json!({ "sub": "repo:carnet-sandbox/app:one" })), &[]).await.ok();
        let reply = sandbox.web_identity(&sandbox.job(json!({ "sub": "repo:carnet-sandbox/app:two" })), &[]).await;
        reply.refused(403, "AccessDenied", NOT_AUTHORIZED);
    }
}

#[tokio::test]
async fn rejects_tags_where_tag_session_is_not_allowed() {
    let sandbox = Sandbox::new();
    let issuer = &seed::GITHUB_ISSUER[8..];
    let trust = json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow",
        "Principal": { "Federated": format!("arn:aws:iam::123456789012:oidc-provider/{issuer}") },
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": { "StringLike": { format!("{issuer}:sub"): "repo:carnet-sandbox/*" } } }] });
    let trust = trust.to_string();
    let fields = [("Action", "UpdateAssumeRolePolicy"), ("RoleName", "reader"), ("PolicyDocument", trust.as_str())];
    sandbox.iam(&fields).await.ok();
    sandbox.web_identity(&sandbox.job(json!({})), &[]).await.ok();
    for changes in [
        json!({ "https://aws.amazon.com/tags": { "principal_tags": { "team": ["red"] } } }),
        json!({ "https://aws.amazon.com/source_identity": "alice" }),
    ] {
        let reply = sandbox.web_identity(&sandbox.job(changes), &[]).await;
        reply.refused(403, "AccessDenied", NOT_AUTHORIZED);
    }
}

#[tokio::test]
async fn rejects_tags_and_source_identity_of_another_form() {
    let tags = |tags: Value| json!({ "https://aws.amazon.com/tags": { "principal_tags": tags } });
    with(tags(json!({ "team": ["red"] }))).await.ok();
    for (changes, part) in [
        (tags(json!({ "team": "red" })), "session tags"),
        (tags(json!({ "team": ["red"], "Team": ["blue"] })), "session tags"),
        (json!({ "https://aws.amazon.com/source_identity": "a<b>&c" }), "source identity"),
        (json!({ "https://aws.amazon.com/source_identity": "a".repeat(3000) }), "source identity"),
    ] {
        with(changes).await.refused(400, "InvalidIdentityToken", part);
    }
}

#[tokio::test]
async fn parameters_keep_to_their_rules() {
    for (name, value, says) in [
        ("RoleArn", "arn", "Value 'arn' at 'roleArn' failed to satisfy constraint: Member must have length greater"),
        ("RoleSessionName", "a b", "at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular"),
        ("RoleSessionName", "a", "at 'roleSessionName'"),
        ("WebIdentityToken", "abc", "at 'webIdentityToken'"),
        ("DurationSeconds", "899", "at 'durationSeconds' failed to satisfy constraint: Member must have value greater"),
        ("DurationSeconds", "43201", "at 'durationSeconds'"),
        ("DurationSeconds", "3601", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."),
    ] {
        asking(&[(name, value)]).await.refused(400, "ValidationError", says);
    }
    let fields = [("Action", "AssumeRoleWithWebIdentity"), ("Version", "2011-06-15")];
    let reply = Sandbox::new().send(Call::form("aws-sts", "sts", &fields)).await;
    reply.refused(400, "ValidationError", "Value null at 'roleArn'");
}

#[tokio::test]
async fn rejects_session_policies_that_are_none_or_too_large() {
    asking(&[("Policy", "{}")]).await.refused(400, "MalformedPolicyDocument", "");
    asking(&[("PolicyArns.member.1.arn", "arn:aws:iam::aws:policy/None")]).await.refused(
        400,
        "MalformedPolicyDocument",
        "",
    );
    let long = " ".repeat(2049);
    asking(&[("Policy", &long)]).await.refused(400, "ValidationError", "'policy'");
    let arn = format!("arn:aws:iam::aws:policy/{}", "a".repeat(1100));
    let names: Vec<String> = (1..=4).map(|at| format!("PolicyArns.member.{at}.arn")).collect();
    let arns: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), arn.as_str())).collect();
    asking(&arns).await.refused(400, "PackedPolicyTooLarge", "of allotted space");
}

#[tokio::test]
async fn rejects_requests_in_the_wrong_form() {
    let sandbox = Sandbox::new();
    let send = async |fields: &[(&str, &str)]| sandbox.send(Call::form("aws-sts", "sts", fields)).await;
    send(&[("Action", "Nonsense"), ("Version", "2011-06-15")]).await.refused(400, "InvalidAction", "Nonsense");
    send(&[("Action", "GetCallerIdentity"), ("Version", "2010-05-08")]).await.refused(
        400,
        "InvalidAction",
        "2010-05-08",
    );
    send(&[("Version", "2011-06-15")]).await.refused(400, "MissingAction", "Action");
    send(&[("Action", "A"), ("Action", "B")]).await.refused(400, "MalformedQueryString", "twice");
}

#[tokio::test]
async fn rejects_region_that_is_not_switched_on() {
    let sandbox = Sandbox::new();
    let fields = [("Action", "AssumeRoleWithWebIdentity"), ("Version", "2011-06-15")];
    let call = Call::form("aws-sts", "sts", &fields).header("host", "sts.ap-east-1.amazonaws.com");
    sandbox.send(call).await.refused(403, "RegionDisabledException", "not activated in this region");
}

#[tokio::test]
async fn too_many_requests_are_worded_as_throttling() {
    let sandbox = Sandbox::new();
    let service = sandbox.emulator.services().into_iter().find(|service| service.name == "aws-sts").unwrap();
    let (kind, body) = (service.error_body)(http::StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(kind, "text/xml");
    assert!(body.contains("<Code>Throttling</Code><Message>Rate exceeded</Message>"), "{body}");
}

#[tokio::test]
async fn the_fault_expired_gives_keys_that_are_over() {
    let sandbox = Sandbox::new();
    sandbox.world.faults.add(Fault::new(FaultKind::Expired).service("aws-sts").times(1));
    let keys = sandbox.reader().await;
    let fields = [("Action", "GetCallerIdentity"), ("Version", "2011-06-15")];
    sandbox.query(&keys, "aws-sts", &fields).await.refused(403, "ExpiredToken", "expired");
}
