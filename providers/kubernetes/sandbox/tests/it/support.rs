//! Clusters whose clock stands still.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Router, body::Body};
use carnet_core::{FixedClock, NoHttp, SystemRandom};
use carnet_jose::UnverifiedJwt;
use carnet_kubernetes_sandbox::{KubernetesEmulator, emulator, seed};
use carnet_sandbox_kit::{Emulator, World};
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
