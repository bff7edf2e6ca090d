//! A sandbox whose clock stands still, and everybody that it asks, answering from memory.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{Router, body::Body};
use carnet_core::{BoxFuture, FixedClock, HttpError, HttpErrorKind, HttpSend, SecretBytes, SystemRandom};
use carnet_infisical_sandbox::seed;
use carnet_jose::{Algorithm, SigningKey, encode_jwt};
use carnet_sandbox_kit::{Emulator, World};
use http::{HeaderMap, Request, StatusCode};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tower::ServiceExt;

/// 2026-11-21 12:00:00 UTC.
pub(crate) const NOW: i64 = 1_795_262_400;

/// Others, by URL: what they answer, and what they were asked.
#[derive(Debug, Default)]
pub(crate) struct Others {
    answers: Mutex<BTreeMap<String, (u16, Value)>>,
    asked: Mutex<Vec<carnet_core::Request>>,
}

impl Others {
    pub(crate) fn set(&self, url: &str, status: u16, body: Value) {
        self.answers.lock().unwrap().insert(url.to_owned(), (status, body));
    }

    pub(crate) fn asked(&self, url: &str) -> Vec<carnet_core::Request> {
        self.asked.lock().unwrap().iter().filter(|request| request.url.as_str() == url).cloned().collect()
    }
}

impl HttpSend for Others {
    fn send(&self, request: carnet_core::Request) -> BoxFuture<'_, Result<carnet_core::Response, HttpError>> {
        let found = self.answers.lock().unwrap().get(request.url.as_str()).cloned();
        let message = format!("{request:?}: nobody is there");
        self.asked.lock().unwrap().push(request);
        Box::pin(async move {
            let Some((status, body)) = found else {
                return Err(HttpError { kind: HttpErrorKind::Connect, message, cause: None });
            };
            let status = StatusCode::from_u16(status).unwrap();
            let body = SecretBytes::new(body.to_string());
            Ok(carnet_core::Response { status, headers: HeaderMap::new(), body })
        })
    }
}

pub(crate) struct Sandbox {
    router: Router,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) world: World,
    pub(crate) others: Arc<Others>,
    pub(crate) key: SigningKey,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(FixedClock::at(Timestamp::from_second(NOW).unwrap()));
        let key = SigningKey::generate(Algorithm::Es256).unwrap().with_kid("github-1");
        let issuer = seed::GITHUB_ISSUER;
        let others = Arc::new(Others::default());
        let document = json!({ "issuer": issuer, "jwks_uri": format!("{issuer}/keys") });
        others.set(&format!("{issuer}/.well-known/openid-configuration"), 200, document);
        others.set(&format!("{issuer}/keys"), 200, json!({ "keys": [key.public_jwk()] }));
        let world = World::new(Arc::clone(&clock) as _, Arc::new(SystemRandom), Arc::clone(&others) as _);
        let emulator = carnet_infisical_sandbox::emulator(world.clone());
        let router = emulator.services().remove(0).router;
        Self { router, clock, world, others, key }
    }

    pub(crate) async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Value) -> (u16, Value) {
        let mut request = Request::builder().method(method).uri(format!("/api/{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let response = self.router.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        (parts.status.as_u16(), serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    pub(crate) async fn with(&self, token: &str, method: &str, path: &str, body: Value) -> (u16, Value) {
        let bearer = format!("Bearer {token}");
        self.send(method, path, &[("authorization", bearer.as_str())], body).await
    }

    /// A login by this method.
    pub(crate) async fn login(&self, method: &str, body: Value) -> (u16, Value) {
        self.send("POST", &format!("v1/auth/{method}/login"), &[], body).await
    }

    /// A JWT with these claims in place of the usual ones; `null` takes one away.
    pub(crate) fn jwt(&self, changes: Value) -> String {
        let Value::Object(changes) = changes else { panic!("no claims") };
        let mut claims = json!({
            "iss": seed::GITHUB_ISSUER, "sub": "repo:carnet-sandbox/app:ref:refs/heads/main", "aud": seed::AUDIENCE,
            "iat": NOW, "exp": NOW + 300, "repository": seed::REPOSITORY,
        });
        let claims = claims.as_object_mut().unwrap();
        claims.extend(changes);
        claims.retain(|_, value| !value.is_null());
        encode_jwt(&self.key, &Map::new(), claims).unwrap().expose().to_owned()
    }

    /// The token of a job.
    pub(crate) async fn token(&self) -> String {
        let body = json!({ "identityId": seed::IDENTITY, "jwt": self.jwt(json!({})) });
        accepted(self.login("oidc-auth", body).await)
    }

    /// The token of the administrator.
    pub(crate) async fn admin(&self) -> String {
        let body = json!({ "clientId": seed::ADMIN_CLIENT_ID, "clientSecret": seed::ADMIN_CLIENT_SECRET });
        accepted(self.login("universal-auth", body).await)
    }

    /// Adds an auth method to the worker, or replaces it.
    pub(crate) async fn configure(&self, method: &str, fields: Value) {
        let admin = self.admin().await;
        let path = format!("v1/auth/{method}/identities/{}", seed::WORKER);
        if self.with(&admin, "PATCH", &path, fields.clone()).await.0 != 200 {
            let (status, body) = self.with(&admin, "POST", &path, fields).await;
            assert_eq!(status, 200, "{body}");
        }
    }

    /// A login of the worker with this proof.
    pub(crate) async fn worker(&self, method: &str, proof: Value) -> (u16, Value) {
        let mut body = json!({ "identityId": seed::WORKER });
        let Value::Object(proof) = proof else { panic!("no proof") };
        body.as_object_mut().unwrap().extend(proof);
        self.login(method, body).await
    }
}

/// The token of a login that was accepted.
pub(crate) fn accepted((status, body): (u16, Value)) -> String {
    assert_eq!(status, 200, "{body}");
    body["accessToken"].as_str().unwrap().to_owned()
}

/// That a call was refused with this status, error and text.
#[track_caller]
pub(crate) fn refused((status, body): (u16, Value), wanted: u16, error: &str, text: &str) {
    assert_eq!((status, &body["error"], &body["statusCode"]), (wanted, &json!(error), &json!(wanted)), "{body}");
    assert!(body["message"].to_string().contains(text), "{body}");
}
