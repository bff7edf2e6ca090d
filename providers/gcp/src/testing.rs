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
pub(crate) const PROVIDER: &str =
    "//iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/github/providers/github";
pub(crate) const READER: &str = "reader@carnet-sandbox.iam.gserviceaccount.com";
pub(crate) const SUBJECT: &str = "repo:carnet-sandbox/app:ref:refs/heads/main";

/// A token with a signature that nobody here checks.
pub(crate) fn token(claims: &Value) -> Secret {
    let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    Secret::new(format!("{}.{}.c2ln", part(&json!({"typ": "JWT", "alg": "RS256", "kid": "k"})), part(claims)))
}

/// A subject token as GitHub gives it.
pub(crate) fn subject_token() -> Secret {
    token(&json!({"iss": "https://token.actions.githubusercontent.com", "sub": SUBJECT,
        "aud": format!("https:{PROVIDER}"), "iat": NOW, "exp": NOW + 300}))
}

pub(crate) fn subject() -> Credential {
    SubjectToken::parse(subject_token()).unwrap().into_credential()
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
    exchange_of::<C>(section, &subject(), world)
}

/// Builds an exchange from its section and makes it of this credential.
pub(crate) fn exchange_of<C: ExchangeConfig>(
    section: Value,
    subject: &Credential,
    world: &World,
) -> Result<Credential, Error> {
    let exchange = serde_json::from_value::<C>(section).unwrap().build().unwrap();
    assert!(exchange.takes().contains(subject.kind()));
    let want = Want::default();
    let made = exchange.exchange(&world.context, subject, &want);
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
