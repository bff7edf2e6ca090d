//! Fixtures for the tests of this crate: a scripted other side, a key, tokens.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, OnceLock},
};

use carnet_core::{
    BoxFuture, Context, Credential, HttpError, HttpErrorKind, HttpSend, MapEnvironment, Material, MemoryFiles,
    OciApiKey, OciSession, Request, Response, Secret, SecretBytes, test_context,
};
use carnet_jose::{Algorithm, SigningKey, encode_jwt};
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

pub(crate) const TENANCY: &str = "ocid1.tenancy.oc1..aaaatenancy";
pub(crate) const USER: &str = "ocid1.user.oc1..aaaauser";

/// The time of [`test_context`].
pub(crate) fn now() -> Timestamp {
    test_context().now()
}

/// One key for all tests; making one takes a tenth of a second.
pub(crate) fn key() -> Arc<SigningKey> {
    static KEY: OnceLock<Arc<SigningKey>> = OnceLock::new();
    Arc::clone(KEY.get_or_init(|| Arc::new(SigningKey::generate(Algorithm::Rs256).unwrap())))
}

/// Another key, as PEM.
pub(crate) fn other_key() -> Arc<SigningKey> {
    static KEY: OnceLock<Arc<SigningKey>> = OnceLock::new();
    Arc::clone(KEY.get_or_init(|| Arc::new(SigningKey::generate(Algorithm::Rs256).unwrap())))
}

pub(crate) fn pem(key: &SigningKey) -> String {
    key.to_pkcs8_pem().unwrap().expose().to_owned()
}

/// A token that is good for 20 minutes and bound to [`key`], with these claims on top; `null` removes one.
pub(crate) fn session_token(extra: Value) -> Secret {
    token_of(
        json!({
            "sub": USER, "tenant": TENANCY, "iss": "authService.oracle.com", "aud": "oci", "ptype": "user",
            "iat": now().as_second(), "exp": now().as_second() + 1200,
            "jwk": serde_json::to_string(&key().public_jwk()).unwrap(),
        }),
        extra,
    )
}

/// A token of some other issuer, good for five minutes.
pub(crate) fn subject_token(extra: Value) -> Secret {
    token_of(
        json!({
            "iss": "https://issuer.example", "sub": "repo:org/app:ref:refs/heads/main", "aud": "https://github.com/org",
            "iat": now().as_second(), "exp": now().as_second() + 300,
        }),
        extra,
    )
}

/// An access token of an identity domain, good for an hour.
pub(crate) fn domain_token(extra: Value) -> Secret {
    token_of(
        json!({
            "iss": "https://identity.oraclecloud.com/", "sub": "ocid1.instance.oc1.iad.aaaa",
            "aud": "https://idcs-0.identity.oraclecloud.com", "tenant": "idcs-0",
            "iat": now().as_second(), "exp": now().as_second() + 3600,
        }),
        extra,
    )
}

fn token_of(claims: Value, extra: Value) -> Secret {
    let (Value::Object(mut claims), Value::Object(extra)) = (claims, extra) else { panic!("claims are objects") };
    claims.extend(extra);
    claims.retain(|_, value| !value.is_null());
    encode_jwt(&key(), &Map::new(), &claims).unwrap()
}

pub(crate) fn session() -> Credential {
    let now = now();
    Credential::new(Material::OciSession(OciSession {
        token: session_token(json!({})),
        private_key: key().to_pkcs8().unwrap(),
        region: Some("us-ashburn-1".to_owned()),
        tenancy: Some(TENANCY.to_owned()),
    }))
    .issued_at(now)
    .expires_at(now + jiff::SignedDuration::from_mins(20))
}

pub(crate) fn api_key() -> Credential {
    Credential::new(Material::OciApiKey(OciApiKey {
        tenancy: TENANCY.to_owned(),
        user: USER.to_owned(),
        fingerprint: key().oci_fingerprint(),
        private_key: key().to_pkcs8().unwrap(),
        region: Some("us-ashburn-1".to_owned()),
    }))
}

/// What the other side answers next.
pub(crate) enum Step {
    Answer(Response),
    Fail(HttpErrorKind),
}

pub(crate) fn answer(status: u16, body: &str) -> Step {
    answer_with(status, body, &[])
}

pub(crate) fn answer_with(status: u16, body: &str, headers: &[(&'static str, &str)]) -> Step {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, value.parse().unwrap());
    }
    let status = StatusCode::from_u16(status).unwrap();
    Step::Answer(Response { status, headers: map, body: SecretBytes::new(body.as_bytes().to_vec()) })
}

/// Another side that answers by path, or in order when no path is named, and remembers what it was asked.
#[derive(Clone, Default)]
pub(crate) struct Script(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    steps: VecDeque<(Option<String>, Step)>,
    requests: Vec<Request>,
}

impl Script {
    /// These answers in this order.
    pub(crate) fn of(steps: impl IntoIterator<Item = Step>) -> Self {
        let script = Self::default();
        script.0.lock().unwrap().steps.extend(steps.into_iter().map(|step| (None, step)));
        script
    }

    /// The next answer to a request whose path ends so.
    pub(crate) fn on(self, path: &str, step: Step) -> Self {
        self.0.lock().unwrap().steps.push_back((Some(path.to_owned()), step));
        self
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.0.lock().unwrap().requests.clone()
    }

    /// The paths asked for, in order.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.requests().iter().map(|request| request.url.path().to_owned()).collect()
    }

    /// The one request to a path that ends so.
    pub(crate) fn request(&self, path: &str) -> Request {
        self.requests().into_iter().find(|request| request.url.path().ends_with(path)).unwrap()
    }

    pub(crate) fn body(&self, path: &str) -> String {
        String::from_utf8(self.request(path).body.to_vec()).unwrap()
    }

    pub(crate) fn context(&self) -> Context {
        Context { http: Arc::new(self.clone()), ..test_context() }
    }
}

impl std::fmt::Debug for Script {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Script")
    }
}

impl HttpSend for Script {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, HttpError>> {
        let mut state = self.0.lock().unwrap();
        let path = request.url.path().to_owned();
        let message = format!("{request:?}");
        state.requests.push(request);
        let at = state.steps.iter().position(|(wanted, _)| wanted.as_ref().is_none_or(|end| path.ends_with(end)));
        let step = at.and_then(|at| state.steps.remove(at)).map(|(_, step)| step);
        Box::pin(async move {
            match step {
                Some(Step::Answer(response)) => Ok(response),
                Some(Step::Fail(kind)) => Err(HttpError { kind, message, cause: None }),
                None => panic!("nothing is scripted for {message}"),
            }
        })
    }
}

/// A context with these variables and files.
pub(crate) fn with(context: Context, variables: &[(&str, &str)], files: &[(&str, &str)]) -> Context {
    let memory = MemoryFiles::default();
    for (path, content) in files {
        memory.put(path, *content);
    }
    Context { environment: Arc::new(MapEnvironment::of(variables)), files: Arc::new(memory), ..context }
}
