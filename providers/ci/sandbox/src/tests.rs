use std::sync::Arc;

use axum::body::Body;
use carnet_core::{FixedClock, FixedRandom, NoHttp, Secret};
use carnet_jose::{KeySet, UnverifiedJwt};
use carnet_sandbox_kit::{Fault, FaultKind, ServiceUrls};
use http::Request;
use http_body_util::BodyExt;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tower::ServiceExt;

use super::*;

mod systems;

const NOW: i64 = 1_795_262_400;

fn ci() -> CiEmulator {
    let clock = FixedClock::at(Timestamp::from_second(NOW).unwrap());
    emulator(World::new(Arc::new(clock), Arc::new(FixedRandom::default()), Arc::new(NoHttp)))
}

fn urls() -> Urls {
    let plain: url::Url = "http://127.0.0.1:7101/".parse().unwrap();
    let here = |name| (name, ServiceUrls { plain: plain.clone(), tls: plain.clone() });
    Issuer::ALL.map(|issuer| here(issuer.service())).into_iter().chain([here("gcp-metadata")]).collect()
}

async fn get(ci: &CiEmulator, service: &str, path: &str, bearer: Option<&str>) -> (StatusCode, Value) {
    let service = ci.services().into_iter().find(|found| found.name == service).unwrap();
    let mut request = Request::get(path);
    if let Some(token) = bearer {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let response = service.router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

/// Asks for a token as a job would, with these changes to path and bearer token.
async fn ask(ci: &CiEmulator, suffix: &str, bearer: Option<&str>) -> (StatusCode, Value) {
    let variables = ci.job_environment(Issuer::Github, &urls(), &[]).unwrap();
    let value = |name: &str| variables.iter().find(|(found, _)| found == name).unwrap().1.clone();
    let url: url::Url = value("ACTIONS_ID_TOKEN_REQUEST_URL").parse().unwrap();
    let own = value("ACTIONS_ID_TOKEN_REQUEST_TOKEN");
    let path = format!("{}?{}{suffix}", url.path(), url.query().unwrap());
    get(ci, "ci-github", &path, Some(bearer.unwrap_or(&own))).await
}

/// Whether a key of the published set verifies the signature of the token.
async fn verifies(ci: &CiEmulator, token: &str) -> bool {
    let (_, jwks) = get(ci, "ci-github", "/.well-known/jwks", None).await;
    let keys = KeySet::from_json(jwks.to_string().as_bytes()).unwrap();
    let jwt = UnverifiedJwt::parse(token).unwrap();
    let (message, signature) = token.rsplit_once('.').unwrap();
    let signature = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, signature).unwrap();
    keys.candidates(jwt.unverified_kid())
        .any(|key| key.verify(carnet_jose::Algorithm::Rs256, message.as_bytes(), &signature))
}

fn claims(token: &str) -> carnet_jose::Claims {
    UnverifiedJwt::parse(Secret::new(token).expose()).unwrap().unverified_claims().clone()
}

#[tokio::test]
async fn a_job_gets_a_token_for_the_audience_it_asks_for() {
    let ci = ci();
    let (status, body) = ask(&ci, "&audience=https%3A%2F%2Fexample.com%2Fa%20b", None).await;
    assert_eq!(status, StatusCode::OK);
    let token = body["value"].as_str().unwrap();
    let found = claims(token);
    assert_eq!(found.audiences(), ["https://example.com/a b"]);
    assert_eq!(found.str("sub"), Some(seed::GITHUB_SUBJECT));
    assert_eq!(found.str("iss"), Some(seed::GITHUB_ISSUER));
    assert_eq!(found.time("exp").unwrap().as_second(), NOW + 300);
    assert!(verifies(&ci, token).await);
}

#[tokio::test]
async fn without_an_audience_the_owner_is_the_audience() {
    let (_, body) = ask(&ci(), "", None).await;
    assert_eq!(claims(body["value"].as_str().unwrap()).audiences(), ["https://github.com/carnet-sandbox"]);
}

#[tokio::test]
async fn rejects_other_bearer_token() {
    assert_eq!(ask(&ci(), "", Some("other")).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn documents_name_themselves() {
    let ci = ci();
    let (_, github) = get(&ci, "ci-github", "/.well-known/openid-configuration", None).await;
    assert_eq!(github["issuer"], seed::GITHUB_ISSUER);
    assert_eq!(github["jwks_uri"], "https://token.actions.githubusercontent.com/.well-known/jwks");
    let (_, gitlab) = get(&ci, "ci-gitlab", "/.well-known/openid-configuration", None).await;
    assert_eq!(gitlab["issuer"], seed::GITLAB_ISSUER);
    let (status, keys) = get(&ci, "ci-gitlab", "/oauth/discovery/keys", None).await;
    assert_eq!((status, keys["keys"][0]["kid"].as_str()), (StatusCode::OK, Some("carnet-sandbox-gitlab")));
}

#[tokio::test]
async fn a_gitlab_job_has_its_tokens_in_variables() {
    let ci = ci();
    let variables = ci.job_environment(Issuer::Gitlab, &urls(), &[("CARNET_ID_TOKEN", "https://a")]).unwrap();
    let token = &variables.iter().find(|(name, _)| name == "CARNET_ID_TOKEN").unwrap().1;
    let found = claims(token);
    assert_eq!((found.audiences(), found.str("sub")), (vec!["https://a"], Some(seed::GITLAB_SUBJECT)));
    assert!(variables.contains(&("GITLAB_CI".to_owned(), "true".to_owned())));
}

#[tokio::test]
async fn every_flaw_is_what_it_says() {
    let ci = ci();
    let good = MintRequest::new(Issuer::Github, "a");
    let kid = |token: &str| UnverifiedJwt::parse(token).unwrap().unverified_kid().map(ToOwned::to_owned);
    let active = kid(&ci.mint(&good).unwrap());
    for flaw in [Flaw::WrongKey, Flaw::Es256, Flaw::Tampered] {
        let token = ci.mint(&good.clone().flaw(flaw)).unwrap();
        assert!(kid(&token) == active && !verifies(&ci, &token).await, "{flaw:?}");
    }
    let unknown = ci.mint(&good.clone().flaw(Flaw::UnknownKid)).unwrap();
    assert!(kid(&unknown) != active && !verifies(&ci, &unknown).await);
    let no_kid = ci.mint(&good.clone().flaw(Flaw::NoKid)).unwrap();
    assert!(kid(&no_kid).is_none() && verifies(&ci, &no_kid).await);
    assert!(ci.mint(&good.clone().flaw(Flaw::AlgNone)).unwrap().ends_with('.'));
    let expired = claims(&ci.mint(&good.clone().flaw(Flaw::Expired)).unwrap());
    assert!(expired.time("exp").unwrap().as_second() < NOW - 600);
    let early = claims(&ci.mint(&good.flaw(Flaw::NotYet)).unwrap());
    assert!(early.time("nbf").unwrap().as_second() > NOW + 600);
}

#[test]
fn claims_are_replaced_and_taken_away() {
    let request = MintRequest::new(Issuer::Github, "a").claim("sub", "other").claim("ref", Value::Null);
    let found = claims(&ci().mint(&request).unwrap());
    assert_eq!((found.str("sub"), found.get("ref")), (Some("other"), None));
}

#[tokio::test]
async fn an_orderly_rotation_keeps_old_tokens_valid_for_a_while() {
    let ci = ci();
    let old = ci.mint(&MintRequest::new(Issuer::Github, "a")).unwrap();
    ci.roll_keys(Issuer::Github).unwrap();
    let new = ci.mint(&MintRequest::new(Issuer::Github, "a")).unwrap();
    assert!(verifies(&ci, &old).await && verifies(&ci, &new).await);
    ci.0.world.clock.advance(SignedDuration::from_hours(2));
    assert!(!verifies(&ci, &old).await && verifies(&ci, &new).await);
}

#[tokio::test]
async fn an_emergency_rotation_ends_old_tokens_at_once() {
    let ci = ci();
    let old = ci.mint(&MintRequest::new(Issuer::Github, "a")).unwrap();
    ci.rotate_keys("ci-github");
    assert!(!verifies(&ci, &old).await);
}

#[tokio::test]
async fn the_fault_expired_ends_tokens_before_they_are_given() {
    let ci = ci();
    ci.0.world.faults.add(Fault::new(FaultKind::Expired).service("ci-github").times(1));
    let (_, body) = ask(&ci, "", None).await;
    assert!(claims(body["value"].as_str().unwrap()).time("exp").unwrap().as_second() < NOW);
    let (_, body) = ask(&ci, "", None).await;
    assert!(claims(body["value"].as_str().unwrap()).time("exp").unwrap().as_second() > NOW);
}

#[tokio::test]
async fn the_control_api_mints() {
    let ci = ci();
    let body = r#"{"issuer":"github","audience":"a","claims":{"sub":"x"}}"#;
    let request = Request::post("/mint").header("content-type", "application/json").body(Body::from(body)).unwrap();
    let response = ci.control().unwrap().oneshot(request).await.unwrap();
    let body: Value = serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap();
    assert_eq!(claims(body["token"].as_str().unwrap()).str("sub"), Some("x"));
}

#[test]
fn jobs_are_played_by_name() {
    let ci = ci();
    let play = |job: &str, audience| Emulator::job_environment(&ci, job, audience, &urls());
    let names = |variables: Vec<(String, String)>| variables.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert!(names(play("github", None).unwrap().unwrap()).contains(&"ACTIONS_ID_TOKEN_REQUEST_URL".to_owned()));
    assert!(names(play("gitlab", Some("https://a")).unwrap().unwrap()).contains(&"CARNET_ID_TOKEN".to_owned()));
    assert!(!names(play("gitlab", None).unwrap().unwrap()).contains(&"CARNET_ID_TOKEN".to_owned()));
    assert!(play("travis", None).is_none());
}
