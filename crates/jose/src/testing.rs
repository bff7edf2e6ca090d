//! What the tests of this crate share.

use std::sync::{
    LazyLock, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use carnet_core::{BoxFuture, HttpError, HttpErrorKind, HttpSend, Request, Response, SecretBytes};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use crate::{Algorithm, KeySet, Rules, SigningKey, encode_jwt};

pub(crate) const ISSUER: &str = "https://issuer.example";
pub(crate) const AUDIENCE: &str = "https://audience.example";
pub(crate) const NOW: i64 = 1_795_262_400;

pub(crate) fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

/// One key per algorithm, made once because RSA keys take their time.
pub(crate) fn key(algorithm: Algorithm) -> &'static SigningKey {
    static KEYS: LazyLock<Vec<SigningKey>> = LazyLock::new(|| {
        let rsa = SigningKey::generate(Algorithm::Rs256).unwrap().to_pkcs8().unwrap();
        let make = |algorithm: Algorithm| match algorithm.key_type() {
            crate::algorithm::KeyType::Rsa => SigningKey::from_pkcs8(algorithm, &rsa),
            _ => SigningKey::generate(algorithm),
        };
        Algorithm::ALL.into_iter().map(|algorithm| make(algorithm).unwrap().with_kid(algorithm.name())).collect()
    });
    KEYS.iter().find(|key| key.algorithm() == algorithm).unwrap()
}

pub(crate) fn keys(algorithm: Algorithm) -> KeySet {
    KeySet::of(key(algorithm).public_key().unwrap())
}

pub(crate) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("{other} is no object"),
    }
}

pub(crate) fn claims() -> Map<String, Value> {
    object(json!({
        "iss": ISSUER, "sub": "workload", "aud": AUDIENCE, "iat": NOW - 60, "nbf": NOW - 60, "exp": NOW + 240,
    }))
}

pub(crate) fn sign(header: Value, claims: &Map<String, Value>) -> String {
    encode_jwt(key(Algorithm::Es256), &object(header), claims).unwrap().expose().to_owned()
}

pub(crate) fn rules() -> Rules<'static> {
    Rules {
        issuer: Some(ISSUER),
        audiences: Some(&[AUDIENCE]),
        algorithms: &[Algorithm::Es256, Algorithm::Rs256],
        leeway: SignedDuration::from_secs(30),
        require_expiry: true,
        max_lifetime: Some(SignedDuration::from_mins(10)),
        types: &["JWT"],
    }
}

/// A network that answers with what it was told, and counts.
#[derive(Debug, Default)]
pub(crate) struct FakeHttp {
    pub(crate) answers: Mutex<Vec<(String, u16, &'static str, String)>>,
    pub(crate) requests: AtomicUsize,
    pub(crate) gate: tokio::sync::Notify,
    pub(crate) gated: std::sync::atomic::AtomicBool,
}

impl FakeHttp {
    pub(crate) fn answer(&self, url: &str, status: u16, content_type: &'static str, body: impl Into<String>) {
        let mut answers = self.answers.lock().unwrap();
        answers.retain(|(known, ..)| known != url);
        answers.push((url.to_owned(), status, content_type, body.into()));
    }

    pub(crate) fn count(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

impl HttpSend for FakeHttp {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, HttpError>> {
        Box::pin(async move {
            self.requests.fetch_add(1, Ordering::SeqCst);
            if self.gated.load(Ordering::SeqCst) {
                self.gate.notified().await;
            }
            let answers = self.answers.lock().unwrap();
            let found = answers.iter().find(|(url, ..)| url == request.url.as_str());
            let Some((_, status, content_type, body)) = found else {
                let message = format!("{request:?}: nobody is there");
                return Err(HttpError { kind: HttpErrorKind::Connect, message, cause: None });
            };
            let mut headers = http::HeaderMap::new();
            headers.insert("content-type", content_type.parse().unwrap());
            let status = http::StatusCode::from_u16(*status).unwrap();
            Ok(Response { status, headers, body: SecretBytes::new(body.clone()) })
        })
    }
}
