//! Tokens and worlds for the tests here.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use carnet_core::{
    Context, Credential, Delivered, DeliveryConfig, Error, ExchangeConfig, MapEnvironment, MemoryFiles, Output,
    Request, ScriptedHttp, Secret, Want, test_context,
};
use carnet_jose::SubjectToken;
use futures_util::FutureExt;
use serde_json::{Value, json};

/// The time of [`test_context`].
pub(crate) const NOW: i64 = 1_795_262_400;
pub(crate) const TENANT: &str = "33333333-0000-0000-0000-000000000003";
pub(crate) const CLIENT: &str = "11111111-0000-0000-0000-000000000001";
pub(crate) const ISSUER: &str = "https://token.actions.githubusercontent.com";
pub(crate) const SUBJECT: &str = "repo:carnet-sandbox/app:ref:refs/heads/main";

/// A good section of the exchange.
pub(crate) fn good() -> Value {
    json!({ "tenant": TENANT, "client_id": CLIENT, "scope": "https://storage.azure.com/.default" })
}

/// A token with a signature that nobody here checks.
pub(crate) fn token(claims: &Value) -> Secret {
    let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    Secret::new(format!("{}.{}.c2ln", part(&json!({"typ": "JWT", "alg": "RS256", "kid": "k"})), part(claims)))
}

/// A subject token as GitHub gives it.
pub(crate) fn subject_token() -> Secret {
    token(&json!({"iss": ISSUER, "sub": SUBJECT,
        "aud": "api://AzureADTokenExchange", "iat": NOW, "exp": NOW + 300}))
}

pub(crate) fn subject() -> Credential {
    SubjectToken::parse(subject_token()).unwrap().into_credential()
}

/// A secret in the forms in which others repeat it: whole, less one character, in pieces of 12, over several lines.
pub(crate) fn forms(secret: &str) -> [String; 4] {
    let pieces = || (0..secret.len()).step_by(12).filter_map(|at| secret.get(at..(at + 12).min(secret.len())));
    let joined = |between: &str| pieces().collect::<Vec<_>>().join(between);
    [secret.to_owned(), secret[1..].to_owned(), joined("\u{200b}"), joined("\n")]
}

/// A world of which the test keeps the edges.
pub(crate) struct World {
    pub(crate) context: Context,
    pub(crate) http: Arc<ScriptedHttp>,
    pub(crate) files: Arc<MemoryFiles>,
}

pub(crate) fn world(http: ScriptedHttp, variables: &[(&str, &str)]) -> World {
    let (http, files) = (Arc::new(http), Arc::new(MemoryFiles::default()));
    let context = Context {
        http: Arc::clone(&http) as _,
        files: Arc::clone(&files) as _,
        environment: Arc::new(MapEnvironment::of(variables)),
        ..test_context()
    };
    World { context, http, files }
}

/// Builds an exchange from its section and makes it.
pub(crate) fn exchange<C: ExchangeConfig>(section: Value, world: &World) -> Result<Credential, Error> {
    let exchange = serde_json::from_value::<C>(section).unwrap().build().unwrap();
    let (subject, want) = (subject(), Want::default());
    let made = exchange.exchange(&world.context, &subject, &want);
    made.now_or_never().expect("nothing here waits")
}

/// Builds a delivery from its section and makes it.
pub(crate) fn deliver<C: DeliveryConfig>(
    section: Value,
    credential: &Credential,
    world: &World,
) -> Result<Delivered, Error> {
    let delivery = serde_json::from_value::<C>(section).unwrap().build().unwrap();
    assert!(delivery.takes().contains(credential.kind()));
    let done = delivery.deliver(&world.context, credential).now_or_never().expect("nothing here waits");
    if let Ok(done) = &done {
        assert_eq!(done.output.is_some(), delivery.output() != Output::Nothing, "it says so before");
    }
    done
}

/// The fields of a form.
pub(crate) fn form(request: &Request) -> Vec<(String, String)> {
    serde_urlencoded::from_bytes(&request.body).unwrap()
}
