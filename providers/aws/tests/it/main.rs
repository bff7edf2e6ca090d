//! The client against the emulator: they share no wire code, so each reads the documents for itself.

#[cfg(test)]
mod certificate;
#[cfg(test)]
mod cloud;

use carnet_aws::{Aws, AwsIdentity, AwsWebIdentityToken};
use carnet_aws_sandbox::seed;
use carnet_ci_sandbox::{Flaw, Issuer, MintRequest};
use carnet_core::{ErrorKind, Kind, Material};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::cloud::{Cloud, refused};

fn section() -> Value {
    json!({ "role_arn": seed::ROLE, "region": seed::REGION })
}

fn job() -> MintRequest {
    MintRequest::new(Issuer::Github, seed::AUDIENCE)
}

#[tokio::test]
async fn a_job_lists_buckets_as_a_role() {
    let cloud = Cloud::new(&[]);
    let keys = cloud.exchange::<Aws>(section(), &cloud.subject(&job())).await.unwrap();
    assert_eq!(keys.remaining(cloud.now()), Some(SignedDuration::from_hours(1)));
    let (status, text) = cloud.buckets(&keys).await;
    assert!(status == 200 && seed::BUCKETS.iter().all(|name| text.contains(name)), "{status} {text}");
    cloud.clock.advance(SignedDuration::from_mins(61));
    assert_eq!(cloud.buckets(&keys).await.0, 400, "the keys are over");
}

#[tokio::test]
async fn a_job_becomes_the_role_behind_its_role() {
    let cloud = Cloud::new(&[]);
    let mut hops = section();
    hops["then"] = json!([{ "role_arn": seed::NEXT_ROLE, "external_id": seed::EXTERNAL_ID }]);
    let keys = cloud.exchange::<Aws>(hops, &cloud.subject(&job())).await.unwrap();
    assert!(keys.facts["principal"].contains("assumed-role/writer/"), "{:?}", keys.facts);
    let mut without = section();
    without["then"] = json!([{ "role_arn": seed::NEXT_ROLE }]);
    let error = cloud.exchange::<Aws>(without, &cloud.subject(&job())).await.unwrap_err();
    assert_eq!((error.kind(), error.provider_code()), (ErrorKind::Policy, Some("AccessDenied")), "{error:?}");
}

#[tokio::test]
async fn a_session_may_do_no_more_than_its_policy() {
    let cloud = Cloud::new(&[]);
    let mut small = section();
    small["policy"] =
        json!(r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}"#);
    let keys = cloud.exchange::<Aws>(small, &cloud.subject(&job())).await.unwrap();
    assert_eq!(cloud.buckets(&keys).await.0, 403);
}

#[tokio::test]
async fn instance_and_task_have_keys() {
    let task = format!("http://169.254.170.2{}", seed::CONTAINER_PATH);
    let task = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", task.as_str()),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", seed::CONTAINER_TOKEN),
    ];
    for (variables, place) in [(&[][..], "instance"), (&task, "container")] {
        let cloud = Cloud::new(variables);
        let keys = cloud.find::<AwsIdentity>(json!({ "place": place }), None).await;
        assert_eq!(cloud.buckets(&keys).await.0, 200, "{place}");
    }
}

/// What a pod of the cluster has in its environment.
const POD: [(&str, &str); 2] = [
    ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials"),
    ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/token"),
];

#[tokio::test]
async fn a_pod_has_keys() {
    let cloud = Cloud::new(&POD);
    cloud.files.put("/token", cloud.file("eks-pod-identity-token"));
    let keys = cloud.find::<AwsIdentity>(json!({ "place": "container" }), None).await;
    assert_eq!(keys.remaining(cloud.now()).map(|left| left.as_secs()), Some(21_600));
    assert_eq!(cloud.buckets(&keys).await.0, 200);
}

#[tokio::test]
async fn a_pod_is_told_why_it_has_none() {
    let pod = |token: Vec<u8>| {
        let cloud = Cloud::new(&POD);
        cloud.files.put("/token", token);
        cloud
    };
    let told = async |cloud: Cloud| {
        let error = cloud.look::<AwsIdentity>(json!({ "place": "container" }), None).await.unwrap_err();
        assert!(!error.hints().is_empty() && !format!("{error:?}").contains("eyJ"), "{error:?}");
        (error.kind(), error.failed_clause().unwrap_or_default().to_owned())
    };
    let (web, good) = {
        let cloud = Cloud::new(&POD);
        (cloud.file("web-identity-token"), cloud.file("eks-pod-identity-token"))
    };
    assert_eq!(told(pod(b"opaque".to_vec())).await, (ErrorKind::Refused, "authorization".to_owned()));
    assert_eq!(told(pod(web)).await, (ErrorKind::Refused, "authorization".to_owned()), "another audience");
    let late = pod(good);
    late.clock.advance(SignedDuration::from_hours(25));
    assert_eq!(told(late).await, (ErrorKind::Expired, "expired".to_owned()));
}

#[tokio::test]
async fn a_token_file_is_the_role_of_its_variables() {
    let cloud = Cloud::new(&[
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"),
        ("AWS_ROLE_ARN", seed::ROLE),
        ("AWS_REGION", seed::REGION),
    ]);
    let Material::Jwt(token) = cloud.subject(&job()).material else { panic!("no JWT") };
    cloud.files.put("/token", token.expose());
    let keys = cloud.find::<AwsIdentity>(json!({}), None).await;
    assert_eq!(cloud.buckets(&keys).await.0, 200);
}

#[tokio::test]
async fn a_machine_shows_a_jwt_to_others() {
    let cloud = Cloud::new(&[("AWS_REGION", seed::REGION)]);
    let keys = cloud.find::<AwsIdentity>(json!({ "place": "instance" }), None).await;
    let section = json!({ "audience": "https://api.example" });
    let token = cloud.exchange::<AwsWebIdentityToken>(section, &keys).await.unwrap();
    assert_eq!((token.kind(), token.facts["issuer"].as_str()), (Kind::Jwt, seed::OUTBOUND_ISSUER));
    assert_eq!(token.facts["audience"], "https://api.example");
}

#[tokio::test]
async fn rejects_each_token_that_is_bent_in_one_place() {
    for (request, kind, code, clause) in [
        (MintRequest::new(Issuer::Gitlab, seed::AUDIENCE), ErrorKind::Refused, "InvalidIdentityToken", "issuer"),
        (MintRequest::new(Issuer::Github, "other"), ErrorKind::Refused, "InvalidIdentityToken", "audience"),
        (job().flaw(Flaw::Expired), ErrorKind::Expired, "ExpiredTokenException", "expired"),
        (job().flaw(Flaw::WrongKey), ErrorKind::Refused, "InvalidIdentityToken", "signature"),
        (job().flaw(Flaw::UnknownKid), ErrorKind::Refused, "InvalidIdentityToken", "keys"),
        (job().claim("sub", "repo:attacker/app:ref:refs/heads/main"), ErrorKind::Policy, "AccessDenied", "policy"),
    ] {
        let error = refused(&request, section()).await;
        let seen = (error.kind(), error.provider_code(), error.failed_clause());
        assert_eq!(seen, (kind, Some(code), Some(clause)), "{request:?}: {error:?}");
    }
}

#[tokio::test]
async fn rejects_role_and_region_that_are_not_there() {
    for (change, code) in [
        (json!({ "role_arn": "arn:aws:iam::123456789012:role/gone" }), "AccessDenied"),
        (json!({ "region": seed::DISABLED_REGION }), "RegionDisabledException"),
        (json!({ "lifetime": "12h" }), "ValidationError"),
    ] {
        let mut bent = section();
        bent.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let error = refused(&job(), bent).await;
        assert_eq!(error.provider_code(), Some(code), "{change}: {error:?}");
    }
}
