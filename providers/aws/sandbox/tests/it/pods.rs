//! EKS pod identity: the agent, and the service behind it.

use std::path::Path;

use carnet_aws_sandbox::seed;
use serde_json::{Value, json};

use crate::support::{Call, Keys, Sandbox, builder};

fn file(sandbox: &Sandbox, name: &str) -> String {
    let files = sandbox.emulator.files(&carnet_sandbox_kit::Urls::new(), Path::new("/nowhere")).unwrap();
    let (_, content) = files.into_iter().find(|(path, _)| path.ends_with(name)).unwrap();
    String::from_utf8(content).unwrap()
}

async fn cluster() -> (Sandbox, String) {
    let sandbox = Sandbox::new();
    sandbox.publish_cluster().await;
    let token = file(&sandbox, "eks-pod-identity-token");
    (sandbox, token)
}

fn agent(token: &str) -> Call {
    Call::new("aws-pod-identity", "", "GET", "/v1/credentials").header("authorization", token)
}

fn service(cluster: &str, body: &Value) -> Call {
    let uri = format!("/clusters/{cluster}/assume-role-for-pod-identity");
    let call = Call::new("aws-eks-auth", "eks-auth", "POST", &uri).body(body.to_string());
    call.header("content-type", "application/json")
}

#[tokio::test]
async fn a_pod_gets_keys_that_work() {
    let (sandbox, token) = cluster().await;
    for host in ["127.0.0.1:7000", "169.254.170.23", "[fd00:ec2::23]"] {
        let body = sandbox.send(agent(&token).header("host", host)).await.ok().json();
        assert_eq!(body["AccountId"], seed::ACCOUNT);
        assert_eq!(body["Expiration"], "2026-11-21T18:00:00.000000001Z");
        let text = |name: &str| body[name].as_str().unwrap().to_owned();
        let keys = Keys { id: text("AccessKeyId"), secret: text("SecretAccessKey"), token: Some(text("Token")) };
        sandbox.send(Call::new("aws-s3", "s3", "GET", "/").sign(&keys)).await.ok();
    }
}

#[tokio::test]
async fn the_service_says_whose_the_pod_is() {
    let (sandbox, token) = cluster().await;
    let call = service(seed::CLUSTER, &json!({ "token": token })).sign(&builder());
    let body = sandbox.send(call).await.ok().json();
    assert_eq!(body["subject"], json!({ "namespace": "default", "serviceAccount": "app" }));
    assert_eq!(body["audience"], seed::POD_AUDIENCE);
    assert!(body["credentials"]["expiration"].is_i64());
    assert!(body["assumedRoleUser"]["assumeRoleId"].as_str().unwrap().starts_with("AROA"));
    assert!(body["podIdentityAssociation"]["associationArn"].as_str().unwrap().contains("podidentityassociation"));
}

#[tokio::test]
async fn the_trust_policy_sees_the_request() {
    let (sandbox, token) = cluster().await;
    for (network, fits) in [("127.0.0.0/8", true), ("203.0.113.0/24", false)] {
        let trust = json!({ "Version": "2012-10-17", "Statement": { "Effect": "Allow",
            "Principal": { "Service": "pods.eks.amazonaws.com" }, "Action": ["sts:AssumeRole", "sts:TagSession"],
            "Condition": { "IpAddress": { "aws:SourceIp": network }, "Bool": { "aws:SecureTransport": "true" } } } });
        let trust = trust.to_string();
        let fields = [("Action", "UpdateAssumeRolePolicy"), ("RoleName", "reader"), ("PolicyDocument", trust.as_str())];
        sandbox.iam(&fields).await.ok();
        assert_eq!(sandbox.send(agent(&token)).await.status.is_success(), fits, "{network}");
        let call = service(seed::CLUSTER, &json!({ "token": token })).sign(&builder());
        assert_eq!(sandbox.send(call).await.status.is_success(), fits, "{network}");
    }
}

#[tokio::test]
async fn the_agent_rejects_what_is_no_token() {
    let (sandbox, token) = cluster().await;
    let without = Call::new("aws-pod-identity", "", "GET", "/v1/credentials");
    let reply = sandbox.send(without).await;
    assert_eq!((reply.status.as_u16(), reply.text()), (400, "Service account token cannot be empty"));
    let reply = sandbox.send(agent("opaque")).await;
    assert_eq!(reply.status, 400);
    assert!(reply.text().starts_with("Service account token cannot be parsed: "), "{}", reply.text());
    assert_eq!(sandbox.send(agent(&token).header("host", "rebound.example")).await.status, 400);
    assert_eq!(sandbox.send(Call { uri: "/v2/credentials".to_owned(), ..agent(&token) }).await.status, 404);
    sandbox.advance(jiff::SignedDuration::from_hours(24));
    let reply = sandbox.send(agent(&token)).await;
    assert_eq!((reply.status.as_u16(), reply.text()), (400, "Service account token is expired"));
}

#[tokio::test]
async fn the_service_rejects_requests_bent_in_one_place() {
    let (sandbox, token) = cluster().await;
    let good = json!({ "token": token });
    let send = async |call: Call| sandbox.send(call.sign(&builder())).await;
    sandbox.send(service(seed::CLUSTER, &good)).await.refused_json(403, "MissingAuthenticationTokenException");
    let keys = Keys { secret: "other".to_owned(), ..builder() };
    sandbox.send(service(seed::CLUSTER, &good).sign(&keys)).await.refused_json(403, "InvalidSignatureException");
    let nobody = sandbox.reader().await;
    sandbox.send(service(seed::CLUSTER, &good).sign(&nobody)).await.refused_json(400, "AccessDeniedException");
    send(service("other", &good)).await.refused_json(404, "ResourceNotFoundException");
    send(service(seed::CLUSTER, &json!({}))).await.refused_json(400, "InvalidParameterException");
    send(service(seed::CLUSTER, &json!([]))).await.refused_json(400, "SerializationException");
    send(service(seed::CLUSTER, &json!({ "token": "opaque" }))).await.refused_json(400, "InvalidTokenException");
    let web = file(&sandbox, "web-identity-token");
    send(service(seed::CLUSTER, &json!({ "token": web }))).await.refused_json(400, "InvalidTokenException");
    let foreign = sandbox.job(json!({}));
    send(service(seed::CLUSTER, &json!({ "token": foreign }))).await.refused_json(400, "InvalidTokenException");
}

#[tokio::test]
async fn the_service_rejects_expired_token_and_untrusting_role_and_issuer_that_is_away() {
    let (sandbox, token) = cluster().await;
    let body = json!({ "token": token });
    let trust = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"pods.eks.amazonaws.com"},"Action":"sts:AssumeRole"}}"#;
    let fields = [("Action", "UpdateAssumeRolePolicy"), ("RoleName", "reader"), ("PolicyDocument", trust)];
    sandbox.iam(&fields).await.ok();
    let reply = sandbox.send(service(seed::CLUSTER, &body).sign(&builder())).await;
    reply.refused_json(400, "AccessDeniedException");
    sandbox.advance(jiff::SignedDuration::from_hours(24));
    let late = Call { date: "20261122T120000Z", ..service(seed::CLUSTER, &body) };
    sandbox.send(late.sign(&builder())).await.refused_json(400, "ExpiredTokenException");
    let (sandbox, token) = cluster().await;
    sandbox.unpublish();
    let reply = sandbox.send(service(seed::CLUSTER, &json!({ "token": token })).sign(&builder())).await;
    reply.refused_json(503, "ServiceUnavailableException");
}
