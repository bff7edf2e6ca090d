//! What a pod gets for its service account's token, from the cluster's own proxymux.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use base64::{Engine, engine::general_purpose::STANDARD};
use carnet_core::{FixedClock, HttpErrorKind, ScriptedHttp, SystemRandom};
use carnet_jose::UnverifiedJwt;
use carnet_oci_sandbox::{emulator, seed};
use carnet_sandbox_kit::{Emulator, World};
use http::Request;
use jiff::Timestamp;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::support::SESSION;

const PATH: &str = "/resourcePrincipalSessionTokens";
const PROD: &str = "oke-proxymux-prod";

/// A pod of the cluster, whose API server answers by script.
struct Pod {
    service: &'static str,
    authorization: &'static str,
    path: &'static str,
    body: Value,
}

impl Pod {
    fn new() -> Self {
        let body = json!({"podKey": STANDARD.encode(SESSION.public_spki())});
        Self { service: PROD, authorization: "Bearer the.pods.token", path: PATH, body }
    }

    async fn ask(&self, api: ScriptedHttp) -> (u16, String, Option<&'static str>, Arc<ScriptedHttp>) {
        let api = Arc::new(api);
        let clock = FixedClock::at(Timestamp::from_second(1_795_262_400).unwrap());
        let world = World::new(Arc::new(clock), Arc::new(SystemRandom), Arc::<ScriptedHttp>::clone(&api));
        let emulator = emulator(world.clone());
        let service = emulator.services().into_iter().find(|service| service.name == self.service).unwrap();
        let request = Request::post(self.path).header("authorization", self.authorization);
        let request = request.body(Body::from(self.body.to_string())).unwrap();
        let (parts, body) = service.router.oneshot(request).await.unwrap().into_parts();
        let body = String::from_utf8(to_bytes(body, usize::MAX).await.unwrap().to_vec()).unwrap();
        let decided = world.decisions.since(0);
        let clause = decided.last().and_then(|last| last.decision.refusal()).map(|refusal| refusal.clause);
        (parts.status.as_u16(), body, clause, api)
    }

    async fn refused(&self, api: ScriptedHttp) -> (u16, Option<&'static str>) {
        let (status, body, clause, _) = self.ask(api).await;
        let body: Value = serde_json::from_str(&body).unwrap();
        assert!(body["code"].is_string() && body["message"].is_string(), "{body}");
        (status, clause)
    }
}

fn review(username: &str) -> ScriptedHttp {
    let user = json!({"username": username, "uid": "s-1"});
    let status = json!({"authenticated": true, "audiences": ["a"], "user": user});
    ScriptedHttp::default().answer(201, json!({"kind": "TokenReview", "status": status}).to_string())
}

fn admin() -> ScriptedHttp {
    review("system:serviceaccount:example:admin")
}

/// The claims of the session token in an answer: a JSON text of base64 of an object.
fn claims(body: &str) -> Value {
    let text: String = serde_json::from_str(body).unwrap();
    let answer: Value = serde_json::from_slice(&STANDARD.decode(text).unwrap()).unwrap();
    let token = answer["token"].as_str().unwrap().strip_prefix("ST$").unwrap();
    Value::Object(UnverifiedJwt::parse(token).unwrap().unverified_claims().0.clone())
}

#[tokio::test]
async fn a_pod_gets_a_session_that_says_which_workload_it_is() {
    let (status, body, _, api) = Pod::new().ask(admin()).await;
    assert_eq!(status, 200, "{body}");
    let claims = claims(&body);
    for (name, value) in [
        ("ptype", "workload"),
        ("res_tenant", seed::TENANCY),
        ("namespace", "example"),
        ("service_account", "admin"),
        ("cluster_id", seed::OKE_CLUSTER),
    ] {
        assert_eq!(claims[name], value, "{name}");
    }
    let parts: Vec<&str> = claims["sub"].as_str().unwrap().split('.').collect();
    assert_eq!(parts[..4], ["ocid1", "workload", "oc1", "iad"]);
    assert_eq!((parts[4], parts[5].len()), ("cprod000001", 48));
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 3600);
    let jwk: Value = serde_json::from_str(claims["jwk"].as_str().unwrap()).unwrap();
    assert_eq!(jwk["n"], json!(SESSION.public_jwk().n));
    let asked = api.requests();
    let sent: Value = serde_json::from_slice(&asked[0].body).unwrap();
    assert_eq!(sent["spec"], json!({"token": "the.pods.token"}), "for the API server's own audience");
}

#[tokio::test]
async fn the_key_may_be_base64_or_pem() {
    let pod = Pod { body: json!({"podKey": SESSION.public_pem().unwrap()}), ..Pod::new() };
    assert_eq!(pod.ask(admin()).await.0, 200);
}

#[tokio::test]
async fn each_account_of_each_cluster_is_a_workload_of_its_own() {
    let workload = async |service: &'static str, uid: &str| {
        let status = json!({"authenticated": true, "user": {"username": "system:serviceaccount:a:b", "uid": uid}});
        let api = ScriptedHttp::default().answer(201, json!({"status": status}).to_string());
        let (_, body, _, _) = Pod { service, ..Pod::new() }.ask(api).await;
        claims(&body)["sub"].clone()
    };
    let first = workload(PROD, "s-1").await;
    assert_eq!(workload(PROD, "s-1").await, first);
    assert_ne!(workload(PROD, "s-2").await, first);
    assert_ne!(workload("oke-proxymux-dev", "s-1").await, first);
}

#[tokio::test]
async fn rejects_a_basic_cluster() {
    let pod = Pod { service: "oke-proxymux-basic", ..Pod::new() };
    assert_eq!(pod.refused(admin()).await, (403, Some("cluster-type")));
}

#[tokio::test]
async fn rejects_a_token_that_the_cluster_does_not_believe() {
    let gone = json!({"status": {"error": "[invalid bearer token, service account token has been invalidated]"}});
    let api = || ScriptedHttp::default().answer(201, gone.to_string());
    assert_eq!(Pod::new().refused(api()).await, (401, Some("token")));
}

#[tokio::test]
async fn rejects_who_is_no_service_account() {
    for username in ["kubernetes-admin", "system:serviceaccount:example", "system:node:worker-1"] {
        assert_eq!(Pod::new().refused(review(username)).await, (401, Some("token")), "{username}");
    }
}

#[tokio::test]
async fn rejects_a_request_without_a_token() {
    for authorization in ["", "Bearer ", "Basic x", "Bearer"] {
        let pod = Pod { authorization, ..Pod::new() };
        assert_eq!(pod.refused(admin()).await, (401, Some("token")), "{authorization:?}");
    }
}

#[tokio::test]
async fn rejects_keys_that_no_session_is_bound_to() {
    for body in [
        json!({}),
        json!({"podKey": 7}),
        json!({"podKey": ""}),
        json!({"podKey": "AAAA"}),
        json!({"podKey": "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"}),
    ] {
        let pod = Pod { body: body.clone(), ..Pod::new() };
        assert_eq!(pod.refused(admin()).await.0, 400, "{body}");
    }
}

#[tokio::test]
async fn nobody_is_believed_while_the_api_server_is_away() {
    for api in [
        ScriptedHttp::default().fail(HttpErrorKind::Connect),
        ScriptedHttp::default().answer(429, "{}"),
        ScriptedHttp::default().answer(201, "no review"),
    ] {
        assert_eq!(Pod::new().refused(api).await.0, 503);
    }
}

#[tokio::test]
async fn rejects_other_paths() {
    let pod = Pod { path: "/resourcePrincipalSessionTokens/x", ..Pod::new() };
    assert_eq!(pod.refused(admin()).await.0, 404);
}
