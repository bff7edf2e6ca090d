//! Clusters whose clock stands still.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Router, body::Body};
use carnet_core::{FixedClock, NoHttp, SystemRandom};
use carnet_jose::UnverifiedJwt;
use carnet_kubernetes_sandbox::{KubernetesEmulator, emulator, seed};
use carnet_sandbox_kit::{Emulator, World};
use futures_util::StreamExt as _;
use http::Request;
use jiff::Timestamp;
use serde_json::{Value, json};
use tower::ServiceExt;

/// 2026-11-21 12:00:00 UTC.
pub(crate) const NOW: i64 = 1_795_262_400;
/// Who the tokens are for.
pub(crate) const AUDIENCE: &str = "https://vault.example";

pub(crate) struct Clusters {
    routers: BTreeMap<&'static str, Router>,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) world: World,
    pub(crate) emulator: KubernetesEmulator,
}

pub(crate) fn cluster(name: &str) -> &'static seed::Cluster {
    seed::CLUSTERS.iter().find(|cluster| cluster.name == name).unwrap()
}

impl Clusters {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(FixedClock::at(Timestamp::from_second(NOW).unwrap()));
        let world = World::new(Arc::clone(&clock) as _, Arc::new(SystemRandom), Arc::new(NoHttp));
        let emulator = emulator(&world);
        let routers = emulator.services().into_iter().map(|service| (service.name, service.router)).collect();
        Self { routers, clock, world, emulator }
    }

    pub(crate) async fn send(&self, name: &str, request: Request<Body>) -> (u16, Value) {
        let response = self.routers[cluster(name).service].clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        (parts.status.as_u16(), serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    /// With this token, or without one where it is empty.
    pub(crate) async fn ask(&self, name: &str, token: &str, method: &str, path: &str, body: Value) -> (u16, Value) {
        let mut request = Request::builder().method(method).uri(path).header("host", cluster(name).host);
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send(name, request.body(Body::from(body)).unwrap()).await
    }

    /// Applies what is wanted, as this manager.
    pub(crate) async fn apply(&self, path: &str, manager: &str, force: bool, body: Value) -> (u16, Value) {
        let path = format!("{path}?fieldManager={manager}&force={force}");
        self.patch(&path, "application/apply-patch+yaml", body).await
    }

    /// A patch of this type, as the administrator of `dev`.
    pub(crate) async fn patch(&self, path: &str, kind: &str, body: Value) -> (u16, Value) {
        let request = Request::patch(path).header("host", cluster("dev").host).header("content-type", kind);
        let token = format!("Bearer {}", cluster("dev").admin_token);
        let request = request.header("authorization", token).body(Body::from(body.to_string())).unwrap();
        self.send("dev", request).await
    }

    /// A watch of `dev`, from its next line on.
    pub(crate) async fn watch(&self, path: &str) -> Watch {
        let request = Request::get(path).header("host", cluster("dev").host);
        let request = request.header("authorization", format!("Bearer {}", cluster("dev").admin_token));
        let response = self.routers[cluster("dev").service].clone().oneshot(request.body(Body::empty()).unwrap());
        let response = response.await.unwrap();
        assert_eq!(response.status(), 200);
        Watch(response.into_body().into_data_stream())
    }

    /// As the administrator.
    pub(crate) async fn admin(&self, name: &str, method: &str, path: &str, body: Value) -> (u16, Value) {
        self.ask(name, cluster(name).admin_token, method, path, body).await
    }

    /// The own token of a seeded pod of the namespace `example`.
    pub(crate) fn pod(&self, name: &str, pod: &str) -> String {
        self.emulator.projected_token(name, seed::NAMESPACE, pod, None).unwrap().expose().to_owned()
    }

    /// What the API server says of a token, for these audiences.
    pub(crate) async fn review(&self, name: &str, token: &str, audiences: &[&str]) -> Value {
        let body = json!({ "spec": { "token": token, "audiences": audiences } });
        let reviewer = cluster(name).reviewer_token;
        let path = "/apis/authentication.k8s.io/v1/tokenreviews";
        let (status, body) = self.ask(name, reviewer, "POST", path, body).await;
        assert_eq!(status, 201, "{body}");
        body["status"].clone()
    }
}

/// The path of the token requests of an account of the namespace `example`.
pub(crate) fn token_path(account: &str) -> String {
    format!("/api/v1/namespaces/{}/serviceaccounts/{account}/token", seed::NAMESPACE)
}

pub(crate) fn claims(token: &str) -> Value {
    Value::Object(UnverifiedJwt::parse(token).unwrap().unverified_claims().0.clone())
}

/// What a watch tells.
pub(crate) struct Watch(axum::body::BodyDataStream);

impl Watch {
    /// The next event. `None` when the server ends it.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        let line = self.0.next().await?.unwrap();
        Some(serde_json::from_slice(&line).unwrap())
    }

    /// The next event, as its type and the name of its object.
    pub(crate) async fn told(&mut self) -> (String, String) {
        let event = self.next().await.unwrap();
        let name = event["object"]["metadata"]["name"].as_str().unwrap_or_default();
        (event["type"].as_str().unwrap().to_owned(), name.to_owned())
    }
}
