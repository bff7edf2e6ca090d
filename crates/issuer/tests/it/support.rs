//! Asking and looking at answers.

use axum::body::Body;
use carnet_core::Secret;
use carnet_issuer::Caller;
use carnet_jose::{KeySet, Rules, UnverifiedJwt, VerifiedJwt, verify_jwt};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tower::ServiceExt as _;

use crate::world::{AUTHORITY, World, claims, sign};

pub(crate) const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
pub(crate) const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
pub(crate) const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
pub(crate) const JWT_SVID: &str = "urn:carnet:token-type:jwt-svid";
pub(crate) const X509_SVID: &str = "urn:carnet:token-type:x509-svid";
pub(crate) const BEARER_ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: http::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    pub(crate) fn error(&self) -> String {
        self.json()["error"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn token(&self) -> Secret {
        assert_eq!(self.status, StatusCode::OK, "{}", self.text);
        Secret::new(self.json()["access_token"].as_str().unwrap())
    }
}

pub(crate) fn form(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

impl World {
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status, headers: parts.headers, text: String::from_utf8(bytes.to_vec()).unwrap() }
    }

    pub(crate) async fn post_as(&self, path: &str, body: String, caller: Caller) -> Answer {
        let request = Request::post(path)
            .header("content-type", "application/x-www-form-urlencoded")
            .extension(caller)
            .body(Body::from(body))
            .unwrap();
        self.send(request).await
    }

    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let caller = Caller { request_id: "r-1".to_owned(), ..Caller::at("192.0.2.7:4711") };
        self.post_as(path, form(fields), caller).await
    }

    pub(crate) async fn ask(&self, fields: &[(&str, &str)]) -> Answer {
        self.post("/oauth2/token", fields).await
    }

    /// A token exchange of this token.
    pub(crate) async fn exchange(&self, token: &Secret, more: &[(&str, &str)]) -> Answer {
        let fields = [("grant_type", EXCHANGE), ("subject_token_type", JWT), ("subject_token", token.expose())];
        self.ask(&[&fields, more].concat()).await
    }

    /// An access token as the rule gives it.
    pub(crate) async fn access_token(&self) -> Secret {
        self.exchange(&sign(&claims()), &[("requested_token_type", ACCESS_TOKEN)]).await.token()
    }

    /// Verifies what was issued with the published keys, for this audience.
    pub(crate) fn verify(&self, token: &Secret, audience: &str, typ: &str) -> VerifiedJwt {
        let keys: Vec<_> = self.keys.ring().published().iter().map(|key| key.jwk.clone()).collect();
        let keys = KeySet::from_jwks(&carnet_jose::JwkSet { keys }).unwrap();
        let rules = Rules {
            issuer: Some(AUTHORITY),
            audiences: Some(&[audience]),
            algorithms: &carnet_jose::Algorithm::ALL,
            leeway: SignedDuration::ZERO,
            require_expiry: true,
            max_lifetime: None,
            types: &[typ],
        };
        verify_jwt(&UnverifiedJwt::parse(token.expose()).unwrap(), &keys, &rules, self.now()).unwrap()
    }

    pub(crate) fn now(&self) -> Timestamp {
        carnet_core::Clock::now(&*self.clock)
    }
}
