//! A sandbox whose clock stands still, issuers that answer from memory, and a signer of its own.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{Router, body::Body};
use bytes::Bytes;
use carnet_aws_sandbox::seed;
use carnet_core::{BoxFuture, FixedClock, HttpError, HttpErrorKind, HttpSend, SecretBytes, SystemRandom, hex};
use carnet_jose::{Algorithm, SigningKey, encode_jwt, hmac_sha256, sha256};
use carnet_sandbox_kit::{Emulator, World};
use http::{HeaderMap, Request, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use tower::ServiceExt;

/// 2026-11-21 12:00:00 UTC.
pub(crate) const NOW: i64 = 1_795_262_400;
pub(crate) const DATE: &str = "20261121T120000Z";

/// Documents by URL.
#[derive(Debug, Default)]
pub(crate) struct Documents(Mutex<BTreeMap<String, Value>>);

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
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.text()))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The text of the first element of this name.
    pub(crate) fn xml(&self, name: &str) -> String {
        let text = self.text();
        let after = text.split_once(&format!("<{name}>")).unwrap_or_else(|| panic!("no {name}: {text}")).1;
        after.split_once(&format!("</{name}>")).unwrap().0.to_owned()
    }

    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert!(self.status.is_success(), "{} {}", self.status, self.text());
        self
    }

    /// Status, code and a part of the text of an XML error, and that no token is in it.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str, part: &str) {
        let text = self.text();
        assert_eq!((self.status.as_u16(), self.xml("Code").as_str()), (status, code), "{text}");
        assert!(self.xml("Message").replace("&quot;", "\"").contains(part), "{text}");
        assert!(!text.contains("eyJ"), "{text}");
    }

    /// Status and code of a JSON error.
    #[track_caller]
    pub(crate) fn refused_json(&self, status: u16, code: &str) {
        let text = self.text();
        assert_eq!((self.status.as_u16(), self.header("x-amzn-errortype")), (status, code), "{text}");
        assert!(self.json()["message"].is_string() && !text.contains("eyJ"), "{text}");
    }

    /// Keys of an STS answer.
    pub(crate) fn keys(&self) -> Keys {
        let (id, secret) = (self.xml("AccessKeyId"), self.xml("SecretAccessKey"));
        Keys { id, secret, token: Some(self.xml("SessionToken")) }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Keys {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) token: Option<String>,
}

/// The keys of the user that sets things up.
pub(crate) fn builder() -> Keys {
    Keys { id: seed::ACCESS_KEY_ID.to_owned(), secret: seed::SECRET_ACCESS_KEY.to_owned(), token: None }
}

/// A request before it is signed. Path and query must be in canonical form.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) service: &'static str,
    pub(crate) signed_for: &'static str,
    pub(crate) region: &'static str,
    pub(crate) method: &'static str,
    pub(crate) uri: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    /// What stands for the body in the signature, if not its digest.
    pub(crate) payload: Option<&'static str>,
    pub(crate) date: &'static str,
}

impl Call {
    pub(crate) fn new(service: &'static str, signed_for: &'static str, method: &'static str, uri: &str) -> Self {
        Self {
            service,
            signed_for,
            region: seed::REGION,
            method,
            uri: uri.to_owned(),
            headers: vec![("host", "127.0.0.1:7000".to_owned())],
            body: Vec::new(),
            payload: None,
            date: DATE,
        }
    }

    pub(crate) fn form(service: &'static str, signed_for: &'static str, fields: &[(&str, &str)]) -> Self {
        let mut call = Self::new(service, signed_for, "POST", "/");
        call.body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish().into_bytes();
        call.header("content-type", "application/x-www-form-urlencoded; charset=utf-8")
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.retain(|(own, _)| *own != name);
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    fn said(&self) -> String {
        self.payload.map_or_else(|| hex(&sha256(&self.body)), str::to_owned)
    }

    pub(crate) fn scope(&self) -> String {
        format!("{}/{}/{}/aws4_request", &self.date[..8], self.region, self.signed_for)
    }

    pub(crate) fn key(&self, keys: &Keys) -> [u8; 32] {
        let first = hmac_sha256(format!("AWS4{}", keys.secret).as_bytes(), &self.date.as_bytes()[..8]);
        [self.region, self.signed_for, "aws4_request"]
            .iter()
            .fold(first, |key, part| hmac_sha256(&key, part.as_bytes()))
    }

    /// Signs every header that is there.
    pub(crate) fn sign(mut self, keys: &Keys) -> Self {
        let date = self.date;
        self = self.header("x-amz-date", date);
        if self.signed_for == "s3" {
            let said = self.said();
            self = self.header("x-amz-content-sha256", &said);
        }
        if let Some(token) = &keys.token {
            self = self.header("x-amz-security-token", token);
        }
        self.headers.sort();
        let (path, query) = self.uri.split_once('?').unwrap_or((&self.uri, ""));
        let lines = self.headers.iter().flat_map(|(name, value)| [*name, ":", value, "\n"]).collect::<String>();
        let names = self.headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
        let canonical = format!("{}\n{path}\n{query}\n{lines}\n{names}\n{}", self.method, self.said());
        let digest = hex(&sha256(canonical.as_bytes()));
        let text = format!("AWS4-HMAC-SHA256\n{}\n{}\n{digest}", self.date, self.scope());
        let signature = hex(&hmac_sha256(&self.key(keys), text.as_bytes()));
        let value = format!(
            "AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={names}, Signature={signature}",
            keys.id,
            self.scope()
        );
        self.header("authorization", &value)
    }
}

/// The emulator, its clock and the issuers it can reach.
pub(crate) struct Sandbox {
    routers: BTreeMap<&'static str, Router>,
    pub(crate) emulator: Box<dyn Emulator>,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) world: World,
    documents: Arc<Documents>,
    pub(crate) github: SigningKey,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(FixedClock::at(Timestamp::from_second(NOW).unwrap()));
        let documents = Arc::new(Documents::default());
        let world = World::new(Arc::clone(&clock) as _, Arc::new(SystemRandom), Arc::clone(&documents) as _);
        let emulator = carnet_aws_sandbox::emulator(world.clone());
        let routers = emulator.services().into_iter().map(|service| (service.name, service.router)).collect();
        let github = SigningKey::generate(Algorithm::Es256).unwrap().with_kid("github-1");
        let sandbox = Self { routers, emulator: Box::new(emulator), clock, world, documents, github };
        sandbox.publish(seed::GITHUB_ISSUER, &[&sandbox.github]);
        sandbox
    }

    /// Puts an issuer's documents on the network.
    pub(crate) fn publish(&self, issuer: &str, keys: &[&SigningKey]) {
        let keys: Vec<_> = keys.iter().map(|key| key.public_jwk()).collect();
        let mut answers = self.documents.0.lock().unwrap();
        let jwks_uri = format!("{issuer}/keys");
        let discovery = json!({ "issuer": issuer, "jwks_uri": jwks_uri });
        answers.insert(format!("{issuer}/.well-known/openid-configuration"), discovery);
        answers.insert(jwks_uri, json!({ "keys": keys }));
    }

    /// Lets the discovery document that is published at this address name another issuer.
    pub(crate) fn name_issuer(&self, at: &str, issuer: &str) {
        let mut answers = self.documents.0.lock().unwrap();
        answers.get_mut(&format!("{at}/.well-known/openid-configuration")).unwrap()["issuer"] = json!(issuer);
    }

    /// Puts the cluster's documents on the network, as the emulator answers them.
    pub(crate) async fn publish_cluster(&self) {
        for path in ["/.well-known/openid-configuration", "/keys"] {
            let url = format!("{}{path}", seed::CLUSTER_ISSUER);
            let host = url.split('/').nth(2).unwrap().to_owned();
            let path = url.split_once(&host).unwrap().1.to_owned();
            let reply = self.send(Call::new("aws-issuer", "", "GET", &path).header("host", &host)).await.ok();
            self.documents.0.lock().unwrap().insert(url, reply.json());
        }
    }

    pub(crate) fn unpublish(&self) {
        self.documents.0.lock().unwrap().clear();
    }

    pub(crate) fn advance(&self, by: SignedDuration) {
        self.clock.advance(by);
    }

    pub(crate) async fn send(&self, call: Call) -> Reply {
        let mut request = Request::builder().method(call.method).uri(&call.uri);
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        let request = request.body(Body::from(call.body)).unwrap();
        self.send_raw(call.service, request).await
    }

    pub(crate) async fn send_raw(&self, service: &str, request: Request<Body>) -> Reply {
        let response = self.routers[service].clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        Reply { status: parts.status, headers: parts.headers, body }
    }

    /// A call of STS or IAM by the query protocol, signed.
    pub(crate) async fn query(&self, keys: &Keys, service: &'static str, fields: &[(&str, &str)]) -> Reply {
        let signed_for = if service == "aws-iam" { "iam" } else { "sts" };
        self.send(Call::form(service, signed_for, fields).sign(keys)).await
    }

    pub(crate) async fn iam(&self, fields: &[(&str, &str)]) -> Reply {
        self.query(&builder(), "aws-iam", fields).await
    }

    /// A token of a job in the repository, with these changes.
    #[expect(clippy::needless_pass_by_value, reason = "callers write the changes in place")]
    pub(crate) fn job(&self, changes: Value) -> String {
        let mut claims = json!({
            "iss": seed::GITHUB_ISSUER,
            "sub": "repo:carnet-sandbox/app:ref:refs/heads/main",
            "aud": seed::AUDIENCE,
            "iat": NOW,
            "exp": NOW + 300,
        });
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        sign(&self.github, &claims)
    }

    pub(crate) async fn web_identity(&self, token: &str, more: &[(&str, &str)]) -> Reply {
        let mut fields = vec![
            ("Action", "AssumeRoleWithWebIdentity"),
            ("Version", "2011-06-15"),
            ("RoleArn", seed::ROLE),
            ("RoleSessionName", "job"),
            ("WebIdentityToken", token),
        ];
        for &(name, value) in more {
            fields.retain(|(own, _)| *own != name);
            fields.push((name, value));
        }
        self.send(Call::form("aws-sts", "sts", &fields)).await
    }

    /// Keys of a job in the repository.
    pub(crate) async fn reader(&self) -> Keys {
        self.web_identity(&self.job(json!({})), &[]).await.ok().keys()
    }
}

pub(crate) fn sign(key: &SigningKey, claims: &Value) -> String {
    encode_jwt(key, &Map::new(), claims.as_object().unwrap()).unwrap().expose().to_owned()
}
