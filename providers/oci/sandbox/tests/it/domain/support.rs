//! A sandbox, a signer, two issuers, and the requests that the tests bend.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc, LazyLock, Mutex, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::body::Body;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use carnet_core::{
    BoxFuture, FixedClock, HttpError, HttpErrorKind, HttpSend, Random, Request as CarnetRequest, Response, SecretBytes,
};
use carnet_jose::{Algorithm, SigningKey, UnverifiedJwt, encode_jwt, private_key_from_pem, sha256};
use carnet_oci_sandbox::{emulator, seed};
use carnet_sandbox_kit::{Emulator, World};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tower::ServiceExt;

/// 2026-11-21 12:00:00 UTC.
pub(crate) const NOW: i64 = 1_795_262_400;
pub(crate) const HOST: &str = "idcs-c0ffee00c0ffee00c0ffee00c0ffee00.identity.oraclecloud.com";
pub(crate) const TOKEN_PATH: &str = "/oauth2/v1/token";
pub(crate) const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

const SCIM_ERROR: &str = "urn:ietf:params:scim:api:oracle:idcs:extension:messages:Error";

/// Keys are made once for all tests.
pub(crate) static GITHUB_KEY: LazyLock<SigningKey> = LazyLock::new(|| rsa("github-1"));
pub(crate) static GITLAB_KEY: LazyLock<SigningKey> = LazyLock::new(|| rsa("gitlab-1"));
pub(crate) static OTHER_KEY: LazyLock<SigningKey> = LazyLock::new(|| rsa("github-1"));
pub(crate) static SESSION_KEY: LazyLock<SigningKey> = LazyLock::new(|| rsa("session"));

fn rsa(kid: &str) -> SigningKey {
    SigningKey::generate(Algorithm::Rs256).unwrap().with_kid(kid)
}

/// The key sets that can be fetched, by URL.
#[derive(Debug, Default)]
pub(crate) struct Issuers(Mutex<BTreeMap<String, Vec<u8>>>);

impl Issuers {
    pub(crate) fn publish(&self, url: &str, keys: &[&SigningKey]) {
        let keys: Vec<_> = keys.iter().map(|key| key.public_jwk()).collect();
        let document = serde_json::to_vec(&json!({"keys": keys})).unwrap();
        self.0.lock().unwrap().insert(url.to_owned(), document);
    }
}

impl HttpSend for Issuers {
    fn send(&self, request: CarnetRequest) -> BoxFuture<'_, Result<Response, HttpError>> {
        let found = self.0.lock().unwrap().get(request.url.as_str()).cloned();
        Box::pin(async move {
            let body = found.ok_or_else(|| HttpError {
                kind: HttpErrorKind::Connect,
                message: format!("{request:?}"),
                cause: None,
            })?;
            Ok(Response { status: StatusCode::OK, headers: HeaderMap::new(), body: SecretBytes::new(body) })
        })
    }
}

/// Never the same bytes twice, always the same sequence.
#[derive(Debug, Default)]
struct Counter(AtomicU64);

impl Random for Counter {
    fn fill(&self, buffer: &mut [u8]) {
        let count = self.0.fetch_add(1, Ordering::Relaxed);
        for (at, byte) in buffer.iter_mut().enumerate() {
            *byte = sha256(format!("{count} {at}").as_bytes())[0];
        }
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    /// The body of a success.
    #[track_caller]
    pub(crate) fn ok(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }

    /// The message id of a SCIM error of this status, after a look at its form.
    #[track_caller]
    pub(crate) fn scim_error(&self, status: u16) -> &str {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.body["status"], json!(status.to_string()));
        assert_eq!(self.body["schemas"], json!(["urn:ietf:params:scim:api:messages:2.0:Error", SCIM_ERROR]));
        assert!(self.body["detail"].is_string());
        self.body[SCIM_ERROR]["messageId"].as_str().unwrap()
    }

    /// The error of the token endpoint of this status, after a look at its form.
    #[track_caller]
    pub(crate) fn oauth_error(&self, status: u16) -> &str {
        assert_eq!(self.status, status, "{}", self.body);
        assert!(self.body["error_description"].is_string());
        assert_eq!(self.body["ecid"], json!(self.headers["x-oracle-dms-ecid"].to_str().unwrap()));
        assert_eq!(self.headers["cache-control"], "no-store");
        self.body["error"].as_str().unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("{name} is not there")).to_str().unwrap()
    }
}

/// Claims of a token that nobody checked.
pub(crate) fn claims(token: &str) -> Map<String, Value> {
    UnverifiedJwt::parse(token).unwrap().unverified_claims().0.clone()
}

/// An emulated cloud with its clock at [`NOW`].
pub(crate) struct Sandbox {
    pub(crate) emulator: Box<dyn Emulator>,
    pub(crate) world: World,
    pub(crate) issuers: Arc<Issuers>,
    admin_key: OnceLock<SigningKey>,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        let issuers = Arc::new(Issuers::default());
        issuers.publish("https://token.actions.githubusercontent.com/.well-known/jwks", &[&GITHUB_KEY]);
        issuers.publish("https://gitlab.com/oauth/discovery/keys", &[&GITLAB_KEY]);
        let clock = FixedClock::at(Timestamp::from_second(NOW).unwrap());
        let world = World::new(Arc::new(clock), Arc::new(Counter::default()), Arc::clone(&issuers) as _);
        let emulator: Box<dyn Emulator> = Box::new(emulator(world.clone()));
        Self { emulator, world, issuers, admin_key: OnceLock::new() }
    }

    /// The administrator's API key, out of the file that the sandbox gives.
    fn admin_key(&self) -> &SigningKey {
        self.admin_key.get_or_init(|| {
            let files = self.emulator.files(&BTreeMap::new(), Path::new("/sandbox")).unwrap();
            let (_, pem) = files.iter().find(|(path, _)| path.ends_with("admin.pem")).unwrap();
            SigningKey::from_pkcs8(Algorithm::Rs256, &private_key_from_pem(pem, None).unwrap()).unwrap()
        })
    }

    pub(crate) fn now(&self) -> i64 {
        self.world.now("test").as_second()
    }

    /// Sends a request to the domain.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let service = self.emulator.services().into_iter().find(|service| service.name == "oci-domain").unwrap();
        let response = service.router.oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    /// A request of the administrative client, which needs no key but the domain's own.
    pub(crate) async fn admin(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let token = self.admin_token().await;
        self.bearer(&token, method, path, body).await
    }

    /// A request with the administrator's API key.
    pub(crate) async fn signed_admin(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        self.send(self.signed_by_admin(&method, path, "application/json", &body)).await
    }

    pub(crate) fn signed_by_admin(&self, method: &Method, path: &str, media_type: &str, body: &str) -> Request<Body> {
        let key_id = format!("{}/{}/{}", seed::TENANCY, seed::ADMIN_USER, self.admin_key().oci_fingerprint());
        self.signed(method, path, media_type, body, &key_id, self.admin_key())
    }

    /// A request signed as Oracle's Python SDK does.
    pub(crate) fn signed(
        &self,
        method: &Method,
        path: &str,
        media_type: &str,
        body: &str,
        key_id: &str,
        key: &SigningKey,
    ) -> Request<Body> {
        let date = self.world.now("test").strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let with_body = matches!(*method, Method::POST | Method::PUT | Method::PATCH);
        let target = format!("{} {path}", method.as_str().to_lowercase());
        let hash = STANDARD.encode(sha256(body.as_bytes()));
        let length = body.len().to_string();
        let mut lines = vec![("date", date.as_str()), ("(request-target)", &target), ("host", HOST)];
        if with_body {
            lines.extend([
                ("content-length", length.as_str()),
                ("content-type", media_type),
                ("x-content-sha256", &hash),
            ]);
        }
        let text: Vec<String> = lines.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        let signature = STANDARD.encode(key.sign(text.join("\n").as_bytes()).unwrap());
        let names: Vec<&str> = lines.iter().map(|(name, _)| *name).collect();
        let authorization = format!(
            "Signature algorithm=\"rsa-sha256\",headers=\"{}\",keyId=\"{key_id}\",signature=\"{signature}\",version=\"1\"",
            names.join(" ")
        );
        let mut request = Request::builder().method(method).uri(path).header("authorization", authorization);
        for (name, value) in lines.into_iter().filter(|(name, _)| *name != "(request-target)") {
            request = request.header(name, value);
        }
        request.body(Body::from(body.to_owned())).unwrap()
    }

    /// A request with a bearer token.
    pub(crate) async fn bearer(&self, token: &str, method: Method, path: &str, body: Option<Value>) -> Answer {
        let request = Request::builder().method(method).uri(path).header("authorization", format!("Bearer {token}"));
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        self.send(request.header("content-type", "application/json").body(Body::from(body)).unwrap()).await
    }

    /// A request to the token endpoint with Basic authentication.
    pub(crate) async fn token(&self, client: (&str, &str), fields: &[(&str, &str)]) -> Answer {
        self.token_raw(Some(client), &form(fields)).await
    }

    /// The same with the body as it is.
    pub(crate) async fn token_raw(&self, client: Option<(&str, &str)>, body: &str) -> Answer {
        let mut request = Request::post(TOKEN_PATH)
            .header("content-type", "application/x-www-form-urlencoded;charset=UTF-8")
            .header("host", HOST);
        if let Some((id, secret)) = client {
            let basic = STANDARD.encode(format!("{id}:{secret}"));
            request = request.header("authorization", format!("Basic {basic}"));
        }
        self.send(request.body(Body::from(body.to_owned())).unwrap()).await
    }

    /// A request to the token endpoint that is signed by the administrator.
    pub(crate) async fn signed_token(&self, fields: &[(&str, &str)]) -> Answer {
        let media_type = "application/x-www-form-urlencoded";
        self.send(self.signed_by_admin(&Method::POST, TOKEN_PATH, media_type, &form(fields))).await
    }

    /// A bearer token with all rights of the seeded administrative client.
    pub(crate) async fn admin_token(&self) -> String {
        let client = (seed::domain::ADMIN_CLIENT_ID, seed::domain::ADMIN_CLIENT_SECRET);
        let fields = [("grant_type", "client_credentials"), ("scope", "urn:opc:idm:__myscopes__")];
        self.token(client, &fields).await.ok(200)["access_token"].as_str().unwrap().to_owned()
    }

    /// What the operator is told about the last refusal.
    #[track_caller]
    pub(crate) fn last_clause(&self) -> String {
        let decided = self.world.decisions.since(0);
        decided.last().and_then(|decided| decided.decision.refusal()).unwrap().clause.to_owned()
    }
}

pub(crate) fn form(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// `public_key` of [`SESSION_KEY`].
pub(crate) fn public_key() -> String {
    STANDARD.encode(SESSION_KEY.public_spki())
}

/// A token of GitHub for the branch main of the sandbox's repository, with these claims on top.
pub(crate) fn github_token(key: &SigningKey, extra: &Value) -> String {
    let claims = json!({
        "iss": "https://token.actions.githubusercontent.com", "sub": "repo:carnet-sandbox/app:ref:refs/heads/main",
        "aud": seed::DOMAIN_URL, "repository": "carnet-sandbox/app", "repository_owner": "carnet-sandbox",
        "repository_owner_id": "71000000",
        "job_workflow_ref": "carnet-sandbox/app/.github/workflows/ci.yml@refs/heads/main",
        "iat": NOW, "nbf": NOW, "exp": NOW + 300,
    });
    sign(key, claims, extra)
}

/// A token of GitLab for the branch main of the sandbox's project, with these claims on top.
pub(crate) fn gitlab_token(extra: &Value) -> String {
    let claims = json!({
        "iss": "https://gitlab.com", "sub": "project_path:carnet-sandbox/app:ref_type:branch:ref:main",
        "aud": seed::DOMAIN_URL, "namespace_path": "carnet-sandbox", "project_path": "carnet-sandbox/app", "ref": "main",
        "iat": NOW, "nbf": NOW, "exp": NOW + 300,
    });
    sign(&GITLAB_KEY, claims, extra)
}

pub(crate) fn sign(key: &SigningKey, claims: Value, extra: &Value) -> String {
    let (Value::Object(mut claims), Value::Object(extra)) = (claims, extra) else { panic!("two objects") };
    for (name, value) in extra {
        if value.is_null() {
            claims.remove(name);
        } else {
            claims.insert(name.clone(), value.clone());
        }
    }
    encode_jwt(key, &Map::new(), &claims).unwrap().expose().to_owned()
}
