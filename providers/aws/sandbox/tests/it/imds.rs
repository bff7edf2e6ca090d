//! The instance metadata service.

use carnet_aws_sandbox::seed;
use carnet_jose::{Algorithm, PublicKey};
use jiff::SignedDuration;

use crate::support::{Call, Keys, Reply, Sandbox};

const TTL: &str = "x-aws-ec2-metadata-token-ttl-seconds";
const ROLES: &str = "/latest/meta-data/iam/security-credentials/";

fn put(ttl: &str) -> Call {
    Call::new("aws-imds", "", "PUT", "/latest/api/token").header(TTL, ttl)
}

async fn token(sandbox: &Sandbox) -> String {
    sandbox.send(put("60")).await.ok().text().to_owned()
}

async fn get(sandbox: &Sandbox, token: &str, path: &str) -> Reply {
    sandbox.send(Call::new("aws-imds", "", "GET", path).header("x-aws-ec2-metadata-token", token)).await
}

#[tokio::test]
async fn an_instance_gets_keys_that_work() {
    let sandbox = Sandbox::new();
    let reply = sandbox.send(put("21600")).await.ok();
    assert_eq!(reply.header(TTL), "21600");
    let token = reply.text();
    for path in [ROLES, ROLES.trim_end_matches('/')] {
        assert_eq!(get(&sandbox, token, path).await.ok().text(), "machine");
    }
    let body = get(&sandbox, token, &format!("{ROLES}machine")).await.ok().json();
    assert_eq!((&body["Code"], &body["Type"]), (&"Success".into(), &"AWS-HMAC".into()));
    assert_eq!(body["Expiration"], "2026-11-21T18:00:00Z");
    let text = |name: &str| body[name].as_str().unwrap().to_owned();
    let keys = Keys { id: text("AccessKeyId"), secret: text("SecretAccessKey"), token: Some(text("Token")) };
    let fields = [("Action", "GetCallerIdentity"), ("Version", "2011-06-15")];
    let who = sandbox.query(&keys, "aws-sts", &fields).await.ok().xml("Arn");
    assert_eq!(who, format!("arn:aws:sts::123456789012:assumed-role/machine/{}", seed::INSTANCE));
}

#[tokio::test]
async fn rejects_lifetimes_outside_the_bounds() {
    let sandbox = Sandbox::new();
    for ttl in ["0", "21601", "-1", "soon", ""] {
        assert_eq!(sandbox.send(put(ttl)).await.status, 400, "{ttl}");
    }
    assert_eq!(sandbox.send(Call::new("aws-imds", "", "PUT", "/latest/api/token")).await.status, 400);
}

#[tokio::test]
async fn rejects_forwarded_request() {
    let reply = Sandbox::new().send(put("60").header("x-forwarded-for", "192.0.2.1")).await;
    assert_eq!(reply.status, 403);
}

#[tokio::test]
async fn rejects_request_without_with_unknown_and_with_old_token() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.send(Call::new("aws-imds", "", "GET", ROLES)).await.status, 401);
    assert_eq!(get(&sandbox, "other", ROLES).await.status, 401);
    let token = token(&sandbox).await;
    sandbox.advance(SignedDuration::from_secs(60));
    assert_eq!(get(&sandbox, &token, ROLES).await.status, 401);
}

#[tokio::test]
async fn rejects_other_methods_and_paths() {
    let sandbox = Sandbox::new();
    let token = token(&sandbox).await;
    assert_eq!(get(&sandbox, &token, "/latest/api/token").await.status, 405);
    let post = Call::new("aws-imds", "", "POST", ROLES).header("x-aws-ec2-metadata-token", &token);
    assert_eq!(sandbox.send(post).await.status, 405);
    for path in ["/latest/user-data", "/latest/meta-data/iam/security-credentials/other"] {
        assert_eq!(get(&sandbox, &token, path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn an_instance_whose_role_does_not_trust_ec2_gets_no_keys() {
    let sandbox = Sandbox::new();
    let trust = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}}"#;
    let fields = [("Action", "UpdateAssumeRolePolicy"), ("RoleName", "machine"), ("PolicyDocument", trust)];
    sandbox.iam(&fields).await.ok();
    let token = token(&sandbox).await;
    let body = get(&sandbox, &token, &format!("{ROLES}machine")).await.ok().json();
    assert_eq!(body["Code"], "AssumeRoleUnauthorizedAccess");
    assert!(body.get("AccessKeyId").is_none());
}

#[tokio::test]
async fn the_identity_document_is_signed() {
    let sandbox = Sandbox::new();
    let token = token(&sandbox).await;
    let path = "/latest/dynamic/instance-identity";
    let document = get(&sandbox, &token, &format!("{path}/document")).await.ok();
    assert_eq!(document.json()["instanceId"], seed::INSTANCE);
    assert_eq!(get(&sandbox, &token, "/latest/meta-data/placement/region").await.ok().text(), seed::REGION);
    let signature = get(&sandbox, &token, &format!("{path}/signature")).await.ok();
    let signature = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, signature.text()).unwrap();
    let files = sandbox.emulator.files(&carnet_sandbox_kit::Urls::new(), std::path::Path::new("/nowhere")).unwrap();
    let (_, pem) = files.iter().find(|(path, _)| path.ends_with("instance-identity.pem")).unwrap();
    let text: String = std::str::from_utf8(pem).unwrap().lines().filter(|line| !line.starts_with('-')).collect();
    let spki = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, text).unwrap();
    assert!(PublicKey::from_spki(&spki).unwrap().verify(Algorithm::Rs256, &document.body, &signature));
}
