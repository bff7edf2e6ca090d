//! The container endpoint, and what clients are told.

use std::path::Path;

use carnet_aws_sandbox::seed;

use crate::support::{Call, Keys, Reply, Sandbox};

fn ask() -> Call {
    Call::new("aws-container", "", "GET", seed::CONTAINER_PATH).header("authorization", seed::CONTAINER_TOKEN)
}

#[track_caller]
fn refused(reply: &Reply, status: u16, code: &str) {
    let body = reply.json();
    assert_eq!((reply.status.as_u16(), body["code"].as_str()), (status, Some(code)), "{body}");
    assert!(body["message"].is_string());
}

#[tokio::test]
async fn a_task_gets_keys_that_work() {
    let sandbox = Sandbox::new();
    let body = sandbox.send(ask().header("host", "169.254.170.2")).await.ok().json();
    assert_eq!((body["AccountId"].as_str(), body["RoleArn"].as_str()), (Some(seed::ACCOUNT), Some(seed::MACHINE_ROLE)));
    let text = |name: &str| body[name].as_str().unwrap().to_owned();
    let keys = Keys { id: text("AccessKeyId"), secret: text("SecretAccessKey"), token: Some(text("Token")) };
    let call = Call::new("aws-s3", "s3", "GET", "/").sign(&keys);
    sandbox.send(call).await.ok();
}

#[tokio::test]
async fn rejects_requests_bent_in_one_place() {
    let sandbox = Sandbox::new();
    let without = Call::new("aws-container", "", "GET", seed::CONTAINER_PATH);
    refused(&sandbox.send(without).await, 401, "MissingToken");
    let token = format!("Bearer {}", seed::CONTAINER_TOKEN);
    refused(&sandbox.send(ask().header("authorization", &token)).await, 403, "InvalidToken");
    refused(&sandbox.send(ask().header("host", "rebound.example")).await, 403, "AccessDenied");
    refused(&sandbox.send(Call { uri: "/v2/credentials/other".to_owned(), ..ask() }).await, 404, "NotFound");
    refused(&sandbox.send(Call { method: "POST", ..ask() }).await, 405, "MethodNotAllowed");
}

#[test]
fn files_that_are_sent_as_they_are_have_no_newline() {
    let sandbox = Sandbox::new();
    let files = sandbox.emulator.files(&carnet_sandbox_kit::Urls::new(), Path::new("/nowhere")).unwrap();
    for name in ["web-identity-token", "eks-pod-identity-token", "container-authorization"] {
        let (_, content) = files.iter().find(|(path, _)| path.ends_with(name)).unwrap();
        assert!(content.iter().all(u8::is_ascii_graphic), "{name}");
    }
}

#[test]
fn clients_are_told_region_and_files() {
    let sandbox = Sandbox::new();
    let variables = sandbox.emulator.environment(&carnet_sandbox_kit::Urls::new(), Path::new("/folder"));
    let value = |name: &str| variables.iter().find(|(own, _)| own == name).unwrap().1.as_str();
    assert_eq!((value("AWS_REGION"), value("AWS_DEFAULT_REGION")), (seed::REGION, seed::REGION));
    assert_eq!(value("AWS_SHARED_CREDENTIALS_FILE"), "/folder/aws/credentials");
}

#[tokio::test]
async fn a_service_account_of_the_cluster_becomes_a_session() {
    let sandbox = Sandbox::new();
    sandbox.publish_cluster().await;
    let files = sandbox.emulator.files(&carnet_sandbox_kit::Urls::new(), Path::new("/nowhere")).unwrap();
    let (_, token) = files.iter().find(|(path, _)| path.ends_with("web-identity-token")).unwrap();
    let reply = sandbox.web_identity(std::str::from_utf8(token).unwrap(), &[]).await.ok();
    assert_eq!(reply.xml("SubjectFromWebIdentityToken"), "system:serviceaccount:default:app");
}

#[tokio::test]
async fn the_issuers_answer_under_their_own_names_only() {
    let sandbox = Sandbox::new();
    let get = |host: &str, path: &str| Call::new("aws-issuer", "", "GET", path).header("host", host);
    let other = "00000000-0000-4000-8000-000000000000.tokens.sts.global.api.aws";
    assert_eq!(sandbox.send(get(other, "/.well-known/jwks.json")).await.status, 404);
    assert_eq!(sandbox.send(get("oidc.eks.eu-central-1.amazonaws.com", "/id/other/keys")).await.status, 404);
    let post = Call { method: "POST", ..get("127.0.0.1", "/.well-known/jwks.json") };
    assert_eq!(sandbox.send(post).await.status, 405);
}
