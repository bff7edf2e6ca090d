//! A sandbox whose clock stands still, and issuers that answer from memory.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{Router, body::Body};
use bytes::Bytes;
use carnet_core::{BoxFuture, FixedClock, HttpError, HttpErrorKind, HttpSend, SecretBytes, SystemRandom};
use carnet_gcp_sandbox::seed;
use carnet_jose::{Algorithm, SigningKey, encode_jwt};
use carnet_sandbox_kit::{Emulator, ShownCertificates, World};
use http::{HeaderMap, Method, Request, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use tower::ServiceExt;

/// 2026-11-21 12:00:00 UTC.
pub(crate) const NOW: i64 = 1_795_262_400;
pub(crate) const CLOUD_PLATFORM: &str = "https://www.googleapis.com/auth/cloud-platform";
pub(crate) const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

/// Documents by URL.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    answers: Mutex<BTreeMap<String, (StatusCode, String)>>,
    /// What was sent by `POST`.
    sent: Mutex<Vec<carnet_core::Request>>,
    pub(crate) asked: AtomicUsize,
}

impl Documents {
    pub(crate) fn answer(&self, url: &str, status: StatusCode, body: &str) {
        self.answers.lock().unwrap().insert(url.to_owned(), (status, body.to_owned()));
    }

    pub(crate) fn sent(&self) -> Vec<carnet_core::Request> {
        self.sent.lock().unwrap().clone()
    }
}

impl HttpSend for Documents {
    fn send(&self, request: carnet_core::Request) -> BoxFuture<'_, Result<carnet_core::Response, HttpError>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let found = self.answers.lock().unwrap().get(request.url.as_str()).cloned();
        if request.method == Method::POST {
            self.sent.lock().unwrap().push(request.clone());
        }
        Box::pin(async move {
            let Some((status, body)) = found else {
                let message = format!("{request:?}: nobody is there");
                return Err(HttpError { kind: HttpErrorKind::Connect, message, cause: None });
            };
            Ok(carnet_core::Response { status, headers: HeaderMap::new(), body: SecretBytes::new(body) })
        })
    }
}

/// What a service answered.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.text()))
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{}", self.text());
        self.json()
    }

    /// The status and the name of a `google.rpc.Code`.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str) -> Value {
        let body = self.json();
        assert_eq!((self.status.as_u16(), body["error"]["status"].as_str()), (status, Some(code)), "{body}");
        assert_eq!(body["error"]["code"], status);
        body
    }
}

/// The emulator, its clock and the issuers it can reach.
pub(crate) struct Sandbox {
    routers: BTreeMap<&'static str, Router>,
    pub(crate) emulator: Box<dyn Emulator>,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) world: World,
    pub(crate) documents: Arc<Documents>,
    pub(crate) github: SigningKey,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(FixedClock::at(Timestamp::from_second(NOW).unwrap()));
        let documents = Arc::new(Documents::default());
        let world = World::new(Arc::clone(&clock) as _, Arc::new(SystemRandom), Arc::clone(&documents) as _);
        let emulator = carnet_gcp_sandbox::emulator(world.clone());
        let routers = emulator.services().into_iter().map(|service| (service.name, service.router)).collect();
        let github = SigningKey::generate(Algorithm::Es256).unwrap().with_kid("github-1");
        let sandbox = Self { routers, emulator: Box::new(emulator), clock, world, documents, github };
        sandbox.publish(seed::GITHUB_ISSUER, &[&sandbox.github]);
        sandbox
    }

    /// Puts an issuer's documents on the network.
    pub(crate) fn publish(&self, issuer: &str, keys: &[&SigningKey]) {
        let keys: Vec<_> = keys.iter().map(|key| key.public_jwk()).collect();
        let answer = |url: &str, body: &Value| self.documents.answer(url, StatusCode::OK, &body.to_string());
        let jwks_uri = format!("{issuer}/keys");
        let discovery = json!({ "issuer": issuer, "jwks_uri": jwks_uri });
        answer(&format!("{issuer}/.well-known/openid-configuration"), &discovery);
        answer(&jwks_uri, &json!({ "keys": keys }));
    }

    pub(crate) fn unpublish(&self) {
        self.documents.answers.lock().unwrap().clear();
    }

    pub(crate) fn advance(&self, by: SignedDuration) {
        self.clock.advance(by);
    }

    pub(crate) fn now(&self) -> i64 {
        self.world.now("tests").as_second()
    }

    pub(crate) async fn send(
        &self,
        service: &str,
        method: Method,
        uri: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Reply {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.answer(service, request.body(body.into()).unwrap()).await
    }

    async fn answer(&self, service: &str, request: Request<Body>) -> Reply {
        let response = self.routers[service].clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        Reply { status: parts.status, headers: parts.headers, body }
    }

    /// With an access token and JSON.
    pub(crate) async fn api(&self, service: &str, method: &str, uri: &str, token: &str, body: Value) -> Reply {
        let authorization = format!("Bearer {token}");
        let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send(service, method.parse().unwrap(), uri, &headers, body).await
    }

    /// A token of a job in the repository, with these changes.
    #[expect(clippy::needless_pass_by_value, reason = "callers write the changes in place")]
    pub(crate) fn job(&self, changes: Value) -> String {
        let now = self.now();
        let mut claims = json!({
            "iss": seed::GITHUB_ISSUER,
            "sub": "repo:carnet-sandbox/app:ref:refs/heads/main",
            "aud": format!("https:{}", seed::audience(seed::GITHUB)),
            "iat": now,
            "exp": now + 300,
            "repository": seed::REPOSITORY,
            "repository_owner": "carnet-sandbox",
            "repository_owner_id": seed::OWNER_ID,
        });
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        sign(&self.github, &claims)
    }

    pub(crate) fn exchange_fields(token: &str) -> Vec<(&'static str, String)> {
        vec![
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange".to_owned()),
            ("audience", seed::audience(seed::GITHUB)),
            ("scope", CLOUD_PLATFORM.to_owned()),
            ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token".to_owned()),
            ("subject_token", token.to_owned()),
            ("subject_token_type", JWT.to_owned()),
        ]
    }

    pub(crate) async fn exchange_with(&self, fields: &[(&str, String)]) -> Reply {
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        self.send("gcp-sts", Method::POST, "/v1/token", &headers, form).await
    }

    /// With these certificates shown in TLS.
    pub(crate) async fn exchange_showing(
        &self,
        fields: &[(&str, String)],
        host: &str,
        shown: Option<ShownCertificates>,
    ) -> Reply {
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = Request::builder()
            .method(Method::POST)
            .uri("/v1/token")
            .header("host", host)
            .header("content-type", "application/x-www-form-urlencoded");
        let mut request = request.body(Body::from(form)).unwrap();
        if let Some(shown) = shown {
            request.extensions_mut().insert(shown);
        }
        self.answer("gcp-sts", request).await
    }

    pub(crate) async fn exchange(&self, token: &str) -> Reply {
        self.exchange_with(&Self::exchange_fields(token)).await
    }

    /// A federated access token of a job in the repository.
    pub(crate) async fn federated(&self) -> String {
        let body = self.exchange(&self.job(json!({}))).await.ok();
        body["access_token"].as_str().unwrap().to_owned()
    }

    /// The access token of the machine, which may set things up.
    pub(crate) async fn builder(&self) -> String {
        let uri = "/computeMetadata/v1/instance/service-accounts/default/token";
        let reply = self.send("gcp-metadata", Method::GET, uri, &[("metadata-flavor", "Google")], "").await;
        reply.ok()["access_token"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn impersonate(&self, token: &str, verb: &str, body: Value) -> Reply {
        let uri = format!("/v1/projects/-/serviceAccounts/{}:{verb}", seed::READER);
        self.api("gcp-iamcredentials", "POST", &uri, token, body).await
    }

    /// The access token of the service account `reader`.
    pub(crate) async fn reader(&self) -> String {
        let body = json!({ "scope": [CLOUD_PLATFORM] });
        let reply = self.impersonate(&self.federated().await, "generateAccessToken", body).await;
        reply.ok()["accessToken"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn iam(&self, method: &str, uri: &str, body: Value) -> Reply {
        let token = self.builder().await;
        self.api("gcp-iam", method, uri, &token, body).await
    }
}

pub(crate) fn sign(key: &SigningKey, claims: &Value) -> String {
    encode_jwt(key, &Map::new(), claims.as_object().unwrap()).unwrap().expose().to_owned()
}
