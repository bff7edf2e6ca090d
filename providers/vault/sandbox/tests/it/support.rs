//! A sandbox whose clock stands still, and an issuer that answers from memory.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{Router, body::Body, response::Response};
use carnet_core::{BoxFuture, FixedClock, HttpError, HttpErrorKind, HttpSend, SecretBytes, SystemRandom};
use carnet_jose::{Algorithm, SigningKey, encode_jwt};
use carnet_sandbox_kit::{Emulator, ShownCertificates, World};
use carnet_vault_sandbox::seed;
use http::{HeaderMap, Request, StatusCode};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tower::ServiceExt;

/// 2026-11-21 12:00:00 UTC.
pub(crate) const NOW: i64 = 1_795_262_400;

#[derive(Debug, Default)]
struct Documents {
    known: Mutex<BTreeMap<String, Value>>,
    asked: Mutex<Vec<carnet_core::Request>>,
}

impl HttpSend for Documents {
    fn send(&self, request: carnet_core::Request) -> BoxFuture<'_, Result<carnet_core::Response, HttpError>> {
        let found = self.known.lock().unwrap().get(request.url.as_str()).cloned();
        self.asked.lock().unwrap().push(request.clone());
        Box::pin(async move {
            let Some(document) = found else {
                let message = format!("{request:?}: nobody is there");
                return Err(HttpError { kind: HttpErrorKind::Connect, message, cause: None });
            };
            let body = SecretBytes::new(document.to_string());
            Ok(carnet_core::Response { status: StatusCode::OK, headers: HeaderMap::new(), body })
        })
    }
}

pub(crate) struct Sandbox {
    routers: BTreeMap<&'static str, Router>,
    control: Router,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) world: World,
    key: SigningKey,
    documents: Arc<Documents>,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(FixedClock::at(Timestamp::from_second(NOW).unwrap()));
        let key = SigningKey::generate(Algorithm::Es256).unwrap().with_kid("github-1");
        let issuer = seed::GITHUB_ISSUER;
        let known = BTreeMap::from([
            (
                format!("{issuer}/.well-known/openid-configuration"),
                json!({ "issuer": issuer, "jwks_uri": format!("{issuer}/keys") }),
            ),
            (format!("{issuer}/keys"), json!({ "keys": [key.public_jwk()] })),
        ]);
        let documents = Arc::new(Documents { known: Mutex::new(known), ..Documents::default() });
        let world = World::new(Arc::clone(&clock) as _, Arc::new(SystemRandom), Arc::clone(&documents) as _);
        let emulator = carnet_vault_sandbox::emulator(world.clone());
        let control = emulator.control().unwrap();
        let routers = emulator.services().into_iter().map(|service| (service.name, service.router)).collect();
        Self { routers, control, clock, world, key, documents }
    }

    /// Lets this be answered at an address, whatever is asked there.
    pub(crate) fn serve(&self, url: &str, document: Value) {
        self.documents.known.lock().unwrap().insert(url.to_owned(), document);
    }

    /// What the server has asked of others last.
    pub(crate) fn asked(&self) -> carnet_core::Request {
        self.documents.asked.lock().unwrap().last().unwrap().clone()
    }

    pub(crate) async fn send(
        &self,
        service: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Value,
    ) -> (u16, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send_text(service, method, path, headers, body).await
    }

    /// With a body that need not be JSON.
    pub(crate) async fn send_text(
        &self,
        service: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> (u16, Value) {
        let mut request = Request::builder().method(method).uri(format!("/v1/{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.answer(service, request.body(body.into()).unwrap()).await
    }

    /// From a client that has shown these certificates in TLS, with a token that may be empty.
    pub(crate) async fn shown(&self, chain: &[&[u8]], token: &str, path: &str, body: Value) -> (u16, Value) {
        let chain = ShownCertificates(Arc::new(chain.iter().map(|der| der.to_vec()).collect()));
        let request = Request::post(format!("/v1/{path}")).header("x-vault-token", token).extension(chain);
        self.answer("vault", request.body(Body::from(body.to_string())).unwrap()).await
    }

    pub(crate) async fn respond(&self, service: &str, request: Request<Body>) -> Response {
        self.routers[service].clone().oneshot(request).await.unwrap()
    }

    async fn answer(&self, service: &str, request: Request<Body>) -> (u16, Value) {
        read(self.respond(service, request).await).await
    }

    /// Of the emulator's own control API.
    pub(crate) async fn control(&self, method: &str, body: Value) -> (u16, Value) {
        let request = Request::builder().method(method).uri("/behaviour").header("content-type", "application/json");
        let request = request.body(Body::from(body.to_string())).unwrap();
        read(self.control.clone().oneshot(request).await.unwrap()).await
    }

    pub(crate) async fn behave(&self, behaviour: Value) {
        let (status, body) = self.control("PUT", behaviour).await;
        assert_eq!(status, 200, "{body}");
    }

    /// As root at the server that is ready to use.
    pub(crate) async fn root(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        self.send("vault", method, path, &[("x-vault-token", seed::ROOT_TOKEN)], body).await
    }

    pub(crate) async fn with(&self, token: &str, method: &str, path: &str, body: Value) -> (u16, Value) {
        self.send("vault", method, path, &[("x-vault-token", token)], body).await
    }

    #[expect(clippy::needless_pass_by_value, reason = "callers write the changes in place")]
    pub(crate) fn job(&self, changes: Value) -> String {
        let mut claims = json!({
            "iss": seed::GITHUB_ISSUER, "sub": "repo:carnet-sandbox/app:ref:refs/heads/main", "aud": seed::AUDIENCE,
            "iat": NOW, "exp": NOW + 300, "repository": seed::REPOSITORY,
        });
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        encode_jwt(&self.key, &Map::new(), claims.as_object().unwrap()).unwrap().expose().to_owned()
    }

    pub(crate) async fn login(&self, jwt: &str) -> (u16, Value) {
        let body = json!({ "role": seed::ROLE, "jwt": jwt });
        self.send("vault", "POST", "auth/jwt/login", &[], body).await
    }

    pub(crate) async fn token(&self) -> String {
        let (status, body) = self.login(&self.job(json!({}))).await;
        assert_eq!(status, 200, "{body}");
        body["auth"]["client_token"].as_str().unwrap().to_owned()
    }
}

async fn read(response: Response) -> (u16, Value) {
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    (parts.status.as_u16(), serde_json::from_slice(&body).unwrap_or(Value::Null))
}
