//! A sandbox whose clock stands still, an issuer that answers from memory, and one good request for each party.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{Router, body::Body};
use carnet_core::{BoxFuture, FixedClock, HttpError, HttpErrorKind, HttpSend, SecretBytes, SystemRandom};
use carnet_jose::{Algorithm, SigningKey, encode_jwt};
use carnet_oauth::trust::Trust;
use carnet_oauth_sandbox::{
    OauthEmulator,
    seed::{self, Who},
};
use carnet_sandbox_kit::{Emulator, World};
use http::{HeaderMap, Request, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use tower::ServiceExt;

use crate::wire::{Resource, Takes, Wire, wire};

/// 2026-11-21 12:00:00 UTC.
pub(crate) const NOW: i64 = 1_795_262_400;

/// Documents by URL.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    answers: Mutex<BTreeMap<String, Value>>,
    pub(crate) asked: AtomicUsize,
}

impl HttpSend for Documents {
    fn send(&self, request: carnet_core::Request) -> BoxFuture<'_, Result<carnet_core::Response, HttpError>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let found = self.answers.lock().unwrap().get(request.url.as_str()).cloned();
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

/// What a party answered.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }
}

/// How a token is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signed {
    Well,
    /// By the right key, which is not named.
    WithoutKeyId,
    /// By a key that is not published.
    ByAStranger,
    /// With the signature of another token.
    Forged,
    /// By a published key of an algorithm that no party takes.
    EdDsa,
}

/// One request, good until it is bent.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) wire: Wire,
    pub(crate) members: BTreeMap<String, String>,
    pub(crate) claims: Value,
    pub(crate) signed: Signed,
    /// Another token than the one that is made.
    pub(crate) token: Option<String>,
    /// Headers instead of the usual ones; without a value they are left out.
    pub(crate) headers: Vec<(&'static str, Option<String>)>,
    /// Another body than the one that is made.
    pub(crate) body: Option<String>,
}

impl Asked {
    pub(crate) fn claim(&mut self, name: &str, value: impl Into<Value>) {
        self.claims[name] = value.into();
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.members.insert(name.to_owned(), value.to_owned());
    }

    pub(crate) fn without(&mut self, name: &str) {
        assert!(self.members.remove(name).is_some(), "{name} was not there");
    }
}

pub(crate) struct Sandbox {
    pub(crate) emulator: OauthEmulator,
    routers: BTreeMap<&'static str, Router>,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) world: World,
    pub(crate) documents: Arc<Documents>,
    key: SigningKey,
    unnamed: SigningKey,
    stranger: SigningKey,
    other_kind: SigningKey,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(FixedClock::at(Timestamp::from_second(NOW).unwrap()));
        let documents = Arc::new(Documents::default());
        let world = World::new(Arc::clone(&clock) as _, Arc::new(SystemRandom), Arc::clone(&documents) as _);
        let emulator = carnet_oauth_sandbox::emulator(world.clone());
        let routers = emulator.services().into_iter().map(|service| (service.name, service.router)).collect();
        let key = SigningKey::generate(Algorithm::Es256).unwrap().with_kid("key-1");
        let unnamed = SigningKey::from_pkcs8(Algorithm::Es256, &key.to_pkcs8().unwrap()).unwrap();
        let stranger = SigningKey::generate(Algorithm::Es256).unwrap().with_kid("stranger");
        let other_kind = SigningKey::generate(Algorithm::EdDsa).unwrap().with_kid("key-2");
        let sandbox = Self { emulator, routers, clock, world, documents, key, unnamed, stranger, other_kind };
        for who in Who::ALL {
            sandbox.publish(who.issuer());
        }
        sandbox
    }

    /// Puts an issuer's documents on the network.
    pub(crate) fn publish(&self, issuer: &str) {
        let mut answers = self.documents.answers.lock().unwrap();
        let jwks_uri = format!("{issuer}/keys");
        let discovery = json!({ "issuer": issuer, "jwks_uri": jwks_uri });
        answers.insert(format!("{issuer}/.well-known/openid-configuration"), discovery);
        answers.insert(jwks_uri, json!({ "keys": [self.key.public_jwk(), self.other_kind.public_jwk()] }));
    }

    pub(crate) fn unpublish(&self) {
        self.documents.answers.lock().unwrap().clear();
    }

    pub(crate) fn advance(&self, seconds: i64) {
        self.clock.advance(SignedDuration::from_secs(seconds));
    }

    /// A good request of the job.
    pub(crate) fn good(&self, party: &str) -> Asked {
        self.good_of(party, Who::Job)
    }

    pub(crate) fn good_of(&self, party: &str, who: Who) -> Asked {
        let wire = wire(party);
        let always = wire.always.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let now = self.world.now("tests").as_second();
        let mut claims = json!({
            "iss": who.issuer(), "sub": who.subject(), "aud": seed::audience(party, who).unwrap(),
            "iat": now, "nbf": now, "exp": now + 300, "jti": "first",
        });
        if who == Who::Job {
            let workflow = format!("{}/.github/workflows/deploy.yml@refs/heads/main", seed::REPOSITORY);
            claims["repository"] = seed::REPOSITORY.into();
            claims["repository_owner_id"] = seed::OWNER_ID.into();
            claims["workflow_ref"] = workflow.into();
        }
        Asked {
            wire,
            members: seed::members(party, who).into_iter().chain(always).collect(),
            claims,
            signed: Signed::Well,
            token: None,
            headers: Vec::new(),
            body: None,
        }
    }

    /// The token of a request. A claim that is `null` is left out.
    pub(crate) fn token(&self, asked: &Asked) -> String {
        let mut claims = asked.claims.as_object().unwrap().clone();
        claims.retain(|_, value| !value.is_null());
        let by = |key: &SigningKey, claims: &Map<String, Value>| {
            encode_jwt(key, &Map::new(), claims).unwrap().expose().to_owned()
        };
        match asked.signed {
            Signed::Well => by(&self.key, &claims),
            Signed::WithoutKeyId => by(&self.unnamed, &claims),
            Signed::ByAStranger => by(&self.stranger, &claims),
            Signed::EdDsa => by(&self.other_kind, &claims),
            Signed::Forged => {
                let good = by(&self.key, &claims);
                claims.insert("other".to_owned(), true.into());
                let other = by(&self.key, &claims);
                format!("{}.{}", good.rsplit_once('.').unwrap().0, other.rsplit_once('.').unwrap().1)
            }
        }
    }

    pub(crate) async fn ask(&self, asked: &Asked) -> Reply {
        let wire = asked.wire;
        let token = asked.token.clone().unwrap_or_else(|| self.token(asked));
        let (path, mut fields) = wire.target(&asked.members);
        let mut headers: BTreeMap<&str, String> =
            wire.headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        match wire.token {
            Some(name) => fields.push((name.to_owned(), token)),
            None => drop(headers.insert("authorization", format!("Bearer {}{token}", wire.prefix))),
        }
        let (query, kind, body) = wire.encode(&fields);
        headers.extend(kind.map(|kind| ("content-type", kind.to_owned())));
        for (name, value) in &asked.headers {
            match value {
                Some(value) => drop(headers.insert(*name, value.clone())),
                None => drop(headers.remove(name)),
            }
        }
        let body = asked.body.clone().unwrap_or(body);
        self.send(wire.service, wire.method, &format!("{path}{query}"), &headers, body).await
    }

    pub(crate) async fn send(
        &self,
        service: &str,
        method: &str,
        uri: &str,
        headers: &BTreeMap<&str, String>,
        body: String,
    ) -> Reply {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let request = request.body(Body::from(body)).unwrap();
        let response = self.routers[service].clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        Reply { status: parts.status.as_u16(), headers: parts.headers, text }
    }

    /// What the party gave for a good request.
    pub(crate) async fn given(&self, party: &str) -> String {
        let asked = self.good(party);
        let reply = self.ask(&asked).await;
        assert_eq!(reply.status, asked.wire.status, "{party}: {}", reply.text);
        reply.json().pointer(asked.wire.given).unwrap().as_str().unwrap().to_owned()
    }

    /// Shows a token to the resource of a party.
    pub(crate) async fn visit(&self, party: &str, token: &str) -> Reply {
        self.visit_at(wire(party).service, wire(party).resource.unwrap(), token).await
    }

    /// Shows a token to this resource.
    pub(crate) async fn visit_at(&self, service: &str, resource: Resource, token: &str) -> Reply {
        let value = match resource.takes {
            Takes::Bearer => format!("Bearer {token}"),
            Takes::Bare => token.to_owned(),
            Takes::Password => {
                use base64::{Engine, engine::general_purpose::STANDARD};
                format!("Basic {}", STANDARD.encode(format!("__token__:{token}")))
            }
        };
        let mut headers = BTreeMap::from([("authorization", value)]);
        let sends = resource.sends.map(|(kind, body)| (kind.to_owned(), body(resource.names)));
        let (kind, body) = sends.unwrap_or_default();
        headers.insert("content-type", kind);
        self.send(service, resource.method, resource.path, &headers, body).await
    }

    /// Adds a trust like the seeded one of the job, under other members.
    pub(crate) fn trust(&self, party: &str, members: &[(&str, &[&str])], change: impl FnOnce(&mut Trust)) {
        let mut trust = seed::trust(party, Who::Job).unwrap();
        for (name, values) in members {
            let values = values.iter().map(|value| (*value).to_owned()).collect();
            trust.members.insert((*name).to_owned(), values);
        }
        change(&mut trust);
        self.emulator.add_trust(party, trust).unwrap();
    }
}

/// The resource of a party has let the job in.
pub(crate) fn opened(party: &str, reply: &Reply) {
    assert_eq!(reply.status, 200, "{party}: {}", reply.text);
    let Some((place, says)) = wire(party).resource.unwrap().says else { return };
    let principal = seed::trust(party, Who::Job).unwrap().principal;
    let expected = if says.is_empty() { principal.as_str() } else { says };
    assert_eq!(reply.json().pointer(place).unwrap(), expected, "{party}");
}
