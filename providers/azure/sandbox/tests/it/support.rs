//! A sandbox whose clock stands still, and issuers that answer from memory.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock, Mutex},
};

use axum::{Router, body::Body};
use bytes::Bytes;
use carnet_azure_sandbox::seed;
use carnet_core::{BoxFuture, FixedClock, HttpError, HttpErrorKind, HttpSend, SecretBytes, SystemRandom};
use carnet_jose::{Algorithm, SigningKey, UnverifiedJwt, encode_jwt};
use carnet_sandbox_kit::{Emulator, PlainHttp, World};
use http::{HeaderMap, Request, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use tower::ServiceExt;

/// 2026-11-21 12:00:00 UTC.
pub(crate) const NOW: i64 = 1_795_262_400;
pub(crate) const STORAGE: &str = "https://storage.azure.com";
pub(crate) const ARM: &str = "https://management.azure.com";
pub(crate) const GRAPH: &str = "https://graph.microsoft.com";
pub(crate) const ACCOUNT_HOST: &str = "carnetsandbox.blob.core.windows.net";

/// Making an RSA key takes long, so the tests share GitHub's.
pub(crate) static GITHUB: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::generate(Algorithm::Rs256).unwrap().with_kid("github-1"));

/// Documents by URL.
#[derive(Debug, Default)]
struct Documents(Mutex<BTreeMap<String, Value>>);

impl HttpSend for Documents {
    fn send(&self, request: carnet_core::Request) -> BoxFuture<'_, Result<carnet_core::Response, HttpError>> {
        let found = self.0.lock().unwrap().get(request.url.as_str()).cloned();
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
    pub(crate) fn is(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    /// A refusal of Entra: status, error and number.
    #[track_caller]
    pub(crate) fn aadsts(&self, status: u16, error: &str, code: u32) -> String {
        let body = self.json();
        let seen = (self.status.as_u16(), body["error"].as_str(), body["error_codes"].clone());
        assert_eq!(seen, (status, Some(error), json!([code])), "{body}");
        let description = body["error_description"].as_str().unwrap();
        assert!(description.starts_with(&format!("AADSTS{code}: ")), "{description}");
        assert!(description.ends_with("Timestamp: 2026-11-21 12:00:00Z"), "{description}");
        for member in ["timestamp", "trace_id", "correlation_id"] {
            assert!(body[member].is_string(), "{member}: {body}");
        }
        description.to_owned()
    }

    /// A refusal of Graph or of Resource Manager.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str) -> String {
        let body = self.json();
        assert_eq!((self.status.as_u16(), body["error"]["code"].as_str()), (status, Some(code)), "{body}");
        body["error"]["message"].as_str().unwrap().to_owned()
    }

    /// A refusal of storage.
    #[track_caller]
    pub(crate) fn xml(&self, status: u16, code: &str) {
        assert_eq!((self.status.as_u16(), self.header("x-ms-error-code")), (status, code), "{}", self.text());
        assert!(self.text().contains(&format!("<Code>{code}</Code>")), "{}", self.text());
        assert_eq!(self.header("content-type"), "application/xml");
    }
}

/// The emulator, its clock and the issuers it can reach.
pub(crate) struct Sandbox {
    routers: BTreeMap<&'static str, Router>,
    pub(crate) emulator: Box<dyn Emulator>,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) world: World,
    documents: Arc<Documents>,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(FixedClock::at(Timestamp::from_second(NOW).unwrap()));
        let documents = Arc::new(Documents::default());
        let world = World::new(Arc::clone(&clock) as _, Arc::new(SystemRandom), Arc::clone(&documents) as _);
        let emulator = carnet_azure_sandbox::emulator(world.clone());
        let routers = emulator.services().into_iter().map(|service| (service.name, service.router)).collect();
        let sandbox = Self { routers, emulator: Box::new(emulator), clock, world, documents };
        sandbox.publish(seed::GITHUB_ISSUER, &[&GITHUB]);
        sandbox
    }

    /// Puts an issuer's documents on the network.
    pub(crate) fn publish(&self, issuer: &str, keys: &[&SigningKey]) {
        let keys: Vec<_> = keys.iter().map(|key| key.public_jwk()).collect();
        self.serve(issuer, &json!({ "keys": keys }));
    }

    /// Puts an issuer's documents there, with this key set.
    pub(crate) fn serve(&self, issuer: &str, keys: &Value) {
        let mut answers = self.documents.0.lock().unwrap();
        let jwks_uri = format!("{issuer}/keys");
        let discovery = json!({ "issuer": issuer, "jwks_uri": jwks_uri });
        answers.insert(format!("{issuer}/.well-known/openid-configuration"), discovery);
        answers.insert(jwks_uri, keys.clone());
    }

    pub(crate) fn unpublish(&self) {
        self.documents.0.lock().unwrap().clear();
    }

    pub(crate) fn advance(&self, by: SignedDuration) {
        self.clock.advance(by);
    }

    pub(crate) async fn send(
        &self,
        service: &str,
        method: &str,
        uri: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Reply {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let router = self.routers[service].clone();
        answer(router, request.body(body.into()).unwrap()).await
    }

    /// Switches the tenant's behaviour.
    pub(crate) async fn behave(&self, behaviour: Value) {
        let request = Request::builder().method("PUT").uri("/behaviour").header("content-type", "application/json");
        let request = request.body(Body::from(behaviour.to_string())).unwrap();
        let reply = answer(self.emulator.control().unwrap(), request).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    }

    /// A token of a job in the repository, with these changes.
    #[expect(clippy::needless_pass_by_value, reason = "callers write the changes in place")]
    #[expect(clippy::unused_self, reason = "the key is shared, the issuer is this sandbox's")]
    pub(crate) fn job(&self, changes: Value) -> String {
        let mut claims = json!({
            "iss": seed::GITHUB_ISSUER,
            "sub": seed::GITHUB_SUBJECT,
            "aud": "api://AzureADTokenExchange",
            "iat": NOW,
            "exp": NOW + 300,
        });
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        sign(&GITHUB, &claims)
    }

    /// The form that exchanges a token, as the application.
    pub(crate) fn fields(token: &str) -> Vec<(&'static str, String)> {
        vec![
            ("grant_type", "client_credentials".to_owned()),
            ("client_id", seed::APPLICATION.to_owned()),
            ("scope", format!("{STORAGE}/.default")),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer".to_owned()),
            ("client_assertion", token.to_owned()),
        ]
    }

    pub(crate) async fn exchange_with(&self, tenant: &str, fields: &[(&str, String)]) -> Reply {
        self.post_form(&format!("/{tenant}/oauth2/v2.0/token"), fields).await
    }

    pub(crate) async fn post_form(&self, uri: &str, fields: &[(&str, String)]) -> Reply {
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        self.send("azure-entra", "POST", uri, &headers, form).await
    }

    pub(crate) async fn exchange(&self, token: &str) -> Reply {
        self.exchange_with(seed::TENANT, &Self::fields(token)).await
    }

    /// An access token for storage, as this client.
    pub(crate) async fn token(&self, client_id: &str) -> String {
        let fields = with(Self::fields(&self.job(json!({}))), "client_id", client_id);
        let body = self.exchange_with(seed::TENANT, &fields).await.is(200);
        body["access_token"].as_str().unwrap().to_owned()
    }

    /// An access token of the machine, which may set things up.
    pub(crate) async fn machine(&self, resource: &str) -> String {
        let uri = format!("/metadata/identity/oauth2/token?api-version=2018-02-01&resource={resource}");
        let reply = self.send("azure-imds", "GET", &uri, &[("metadata", "true")], "").await;
        reply.is(200)["access_token"].as_str().unwrap().to_owned()
    }

    /// With an access token and JSON.
    pub(crate) async fn api(&self, service: &str, method: &str, uri: &str, token: &str, body: Value) -> Reply {
        let authorization = format!("Bearer {token}");
        let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send(service, method, uri, &headers, body).await
    }

    /// A question at the plain address of a service.
    pub(crate) async fn ask_plainly(&self, service: &str, uri: &str, token: &str) -> Reply {
        let request = Request::builder().uri(uri).header("authorization", format!("Bearer {token}"));
        let request = request.extension(PlainHttp).body(Body::empty()).unwrap();
        answer(self.routers[service].clone(), request).await
    }

    /// At Resource Manager, as the machine.
    pub(crate) async fn arm(&self, method: &str, path: &str, body: Value) -> Reply {
        let token = self.machine(ARM).await;
        let mark = if path.contains('?') { '&' } else { '?' };
        self.api("azure-arm", method, &format!("{path}{mark}api-version=2024-11-30"), &token, body).await
    }

    /// At Graph, as the machine.
    pub(crate) async fn graph(&self, method: &str, path: &str, body: Value) -> Reply {
        let token = self.machine(GRAPH).await;
        self.api("azure-graph", method, path, &token, body).await
    }

    /// At the storage account, under its own name.
    pub(crate) async fn blob(&self, method: &str, path: &str, token: &str, more: &[(&str, &str)], body: &str) -> Reply {
        let authorization = format!("Bearer {token}");
        let mut headers =
            vec![("host", ACCOUNT_HOST), ("authorization", authorization.as_str()), ("x-ms-version", "2026-10-06")];
        headers.extend_from_slice(more);
        self.send("azure-blob", method, path, &headers, body.to_owned()).await
    }
}

async fn answer(router: Router, request: Request<Body>) -> Reply {
    let response = router.oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    Reply { status: parts.status, headers: parts.headers, body }
}

/// The fields with another value for one of them.
pub(crate) fn with(
    mut fields: Vec<(&'static str, String)>,
    name: &'static str,
    value: &str,
) -> Vec<(&'static str, String)> {
    fields.retain(|(known, _)| *known != name);
    fields.push((name, value.to_owned()));
    fields
}

pub(crate) fn sign(key: &SigningKey, claims: &Value) -> String {
    encode_jwt(key, &Map::new(), claims.as_object().unwrap()).unwrap().expose().to_owned()
}

/// The claims of a token that somebody else verifies.
pub(crate) fn claims(token: &str) -> Value {
    Value::Object(UnverifiedJwt::parse(token).unwrap().unverified_claims().0.clone())
}
