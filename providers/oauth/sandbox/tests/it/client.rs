//! The client's exchange `relying-party` against each face, under the real host names. They share no wire data, so each
//! reads the pages for itself.

mod refused;

use std::{collections::BTreeMap, sync::Arc};

use axum::body::Body;
use carnet_core::{
    BoxFuture, Context, Credential, Error, ErrorKind, ExchangeConfig, HttpError, HttpErrorKind, HttpSend, Material,
    Secret, SecretBytes, Want,
};
use carnet_jose::SubjectToken;
use carnet_oauth::RelyingParty;
use carnet_oauth_sandbox::{
    OauthEmulator,
    seed::{self, Who},
};
use carnet_sandbox_kit::{Emulator, Service};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::{
    support::{Asked, Sandbox, opened},
    wire::WIRES,
};

/// The services of the emulator by their real names.
#[derive(Debug)]
struct Net(Vec<Service>);

impl Net {
    fn of(emulator: &OauthEmulator) -> Arc<Self> {
        Arc::new(Self(emulator.services()))
    }
}

impl HttpSend for Net {
    fn send(&self, request: carnet_core::Request) -> BoxFuture<'_, Result<carnet_core::Response, HttpError>> {
        Box::pin(async move {
            let host = request.url.host_str().unwrap();
            assert_eq!(request.url.scheme(), "https");
            let service = self.0.iter().find(|service| service.hosts.iter().any(|known| known.matches(host)));
            let Some(service) = service else {
                let message = format!("nobody answers for {host}");
                return Err(HttpError { kind: HttpErrorKind::Connect, message, cause: None });
            };
            let mut message = http::Request::new(Body::from(request.body.clone()));
            *message.method_mut() = request.method.clone();
            *message.uri_mut() = request.url[url::Position::BeforePath..url::Position::AfterQuery].parse().unwrap();
            *message.headers_mut() = request.headers.clone();
            let (head, body) = service.router.clone().oneshot(message).await.unwrap().into_parts();
            let body = axum::body::to_bytes(body, request.max_response).await.unwrap();
            let body = SecretBytes::new(body.to_vec());
            Ok(carnet_core::Response { status: head.status, headers: head.headers, body })
        })
    }
}

/// The section of a configuration that asks for this.
fn section(asked: &Asked) -> Value {
    let party = asked.wire.party;
    // What is always the same is not configured, but for a scope.
    let configured = |name: &str| name == "scope" || !asked.wire.always.iter().any(|(always, _)| *always == name);
    let settings: BTreeMap<&str, &str> = asked
        .members
        .iter()
        .filter(|(name, _)| configured(name))
        .map(|(name, value)| (if name == "identityId" { "identity_id" } else { name.as_str() }, value.as_str()))
        .collect();
    let mut section =
        json!({ "name": party, "settings": settings, "subject_audience": seed::audience(party, Who::Job) });
    match party {
        "databricks" => section["origin"] = "https://dbc-1.cloud.databricks.com".into(),
        "databricks-account" => section["origin"] = "https://accounts.cloud.databricks.com".into(),
        _ => {}
    }
    section
}

async fn exchange(sandbox: &Sandbox, asked: &Asked) -> Result<Credential, Error> {
    let section = serde_json::from_value::<RelyingParty>(section(asked)).unwrap();
    let exchange = section.build().unwrap_or_else(|mistakes| panic!("{}: {mistakes:?}", asked.wire.party));
    let context = Context { http: Net::of(&sandbox.emulator), ..sandbox.world.context() };
    let shown = SubjectToken::parse(Secret::new(sandbox.token(asked))).unwrap().into_credential();
    exchange.exchange(&context, &shown, &Want::default()).await
}

fn given(credential: &Credential) -> &str {
    match &credential.material {
        Material::AccessToken(access) => access.token.expose(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_client_gets_what_the_resource_takes() {
    let sandbox = Sandbox::new();
    for wire in WIRES {
        let asked = sandbox.good(wire.party);
        let made = exchange(&sandbox, &asked).await.unwrap_or_else(|error| panic!("{}: {error:?}", wire.party));
        assert!(made.expires_at.is_some_and(|end| end > sandbox.world.now("tests")), "{}", wire.party);
        if wire.resource.is_some() {
            let reply = sandbox.visit(wire.party, given(&made)).await;
            opened(wire.party, &reply);
            continue;
        }
        let principal = seed::trust(wire.party, Who::Job).unwrap().principal;
        // Snowflake is shown the token itself, with the header that the credential tells.
        let header = made.facts["header"].split_once(": ").unwrap();
        let headers = BTreeMap::from([
            ("authorization", format!("Bearer {}", given(&made))),
            ("content-type", "application/json".to_owned()),
            ("x-snowflake-authorization-token-type", header.1.to_owned()),
        ]);
        let body = json!({ "statement": "select current_user()" }).to_string();
        let reply = sandbox.send(wire.service, wire.method, wire.path, &headers, body).await;
        assert_eq!((reply.status, &reply.json()["data"][0][0]), (200, &json!(principal)), "{}", reply.text);
    }
}

#[tokio::test]
async fn the_client_tells_each_partys_refusal_apart() {
    use ErrorKind::{Policy, Refused};
    for (party, kind, clause) in [
        ("claude", Refused, "subject-token"),
        ("crates-io", Refused, "policy"),
        ("databricks", Refused, "subject-token"),
        ("databricks-account", Refused, "subject-token"),
        ("hcp", Policy, "policy"),
        ("infisical", Refused, "subject-token"),
        ("npm", Refused, "policy"),
        ("octo-sts", Policy, "policy"),
        ("openai", Refused, "subject-token"),
        ("openrouter", Refused, "subject-token"),
        ("pypi", Refused, "policy"),
        ("tailscale", Refused, "subject-token"),
    ] {
        let sandbox = Sandbox::new();
        let mut asked = sandbox.good(party);
        asked.claim("sub", "somebody-else");
        asked.claim("repository", "else/where");
        let error = exchange(&sandbox, &asked).await.unwrap_err();
        assert_eq!((error.kind(), error.failed_clause()), (kind, Some(clause)), "{party}: {error:?}");
        assert!(!error.hints().is_empty(), "{party}");
    }
}

#[tokio::test]
async fn the_client_tells_what_a_token_was_used_for_before() {
    for party in ["crates-io", "pypi"] {
        let sandbox = Sandbox::new();
        let asked = sandbox.good(party);
        exchange(&sandbox, &asked).await.unwrap();
        let error = exchange(&sandbox, &asked).await.unwrap_err();
        assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Refused, Some("replay")), "{party}");
    }
}

#[tokio::test]
async fn the_client_takes_an_issuer_out_of_reach_for_no_refusal() {
    let sandbox = Sandbox::new();
    sandbox.unpublish();
    let error = exchange(&sandbox, &sandbox.good("openrouter")).await.unwrap_err();
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Unreachable, Some("issuer")));
}
