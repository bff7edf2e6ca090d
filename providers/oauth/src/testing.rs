//! Tokens and worlds for the tests here.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use carnet_core::{
    AccessToken, Context, Credential, Error, ExchangeConfig, Material, MemoryFiles, Mistake, Request, ScriptedHttp,
    Secret, Want, test_context,
};
use carnet_jose::SubjectToken;
use futures_util::FutureExt;
use serde_json::{Value, json};

/// The time of [`test_context`].
pub(crate) const NOW: i64 = 1_795_262_400;
pub(crate) const TOKEN_URL: &str = "https://sts.example/token";
pub(crate) const ISSUER: &str = "https://sts.example/tenant";
pub(crate) const SUBJECT: &str = "repo:carnet-sandbox/app:ref:refs/heads/main";

/// A token with a signature that nobody here checks.
pub(crate) fn token(claims: &Value) -> Secret {
    let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    Secret::new(format!("{}.{}.c2ln", part(&json!({"typ": "JWT", "alg": "RS256", "kid": "k"})), part(claims)))
}

pub(crate) fn subject_token() -> Secret {
    token(
        &json!({"iss": "https://issuer.example", "sub": SUBJECT, "aud": "https://sts.example", "iat": NOW, "exp": NOW + 300}),
    )
}

pub(crate) fn subject() -> Credential {
    SubjectToken::parse(subject_token()).unwrap().into_credential()
}

/// A token that only its audience reads.
pub(crate) fn opaque(token: &str) -> Credential {
    let token = Secret::new(token);
    Credential::new(Material::AccessToken(AccessToken { token, token_type: "Bearer".to_owned() }))
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

pub(crate) fn world(http: ScriptedHttp) -> World {
    let (http, files) = (Arc::new(http), Arc::new(MemoryFiles::default()));
    let context = Context { http: Arc::clone(&http) as _, files: Arc::clone(&files) as _, ..test_context() };
    World { context, http, files }
}

/// Builds an exchange from its section and makes it.
pub(crate) fn exchange<C: ExchangeConfig>(section: &Value, world: &World) -> Result<Credential, Error> {
    exchange_for::<C>(section, world, &subject(), None)
}

/// As [`exchange`], of this credential, for a step that needs this audience.
pub(crate) fn exchange_for<C: ExchangeConfig>(
    section: &Value,
    world: &World,
    credential: &Credential,
    audience: Option<&str>,
) -> Result<Credential, Error> {
    let exchange = serde_json::from_value::<C>(section.clone()).unwrap().build().unwrap();
    let want = Want { audience: audience.map(str::to_owned) };
    let made = exchange.exchange(&world.context, credential, &want).now_or_never().expect("nothing here waits");
    if let Ok(made) = &made {
        assert!(exchange.gives().contains(made.kind()), "it gives what it says");
    }
    made
}

/// The mistakes of a section.
pub(crate) fn mistakes<C: ExchangeConfig>(section: &Value) -> Vec<Mistake> {
    serde_json::from_value::<C>(section.clone()).unwrap().build().unwrap_err()
}

/// A section with one more field.
pub(crate) fn with(mut section: Value, name: &str, value: impl Into<Value>) -> Value {
    section[name] = value.into();
    section
}

/// The fields of a form.
pub(crate) fn form(request: &Request) -> Vec<(String, String)> {
    serde_urlencoded::from_bytes(&request.body).unwrap()
}

/// The value of the field that stands in a form once.
pub(crate) fn field(request: &Request, name: &str) -> Option<String> {
    let mut found = form(request).into_iter().filter(|(field, _)| field == name).map(|(_, value)| value);
    let value = found.next();
    assert_eq!(found.next(), None, "{name} stands there twice");
    value
}

/// The token in a credential.
pub(crate) fn secret(credential: &Credential) -> &str {
    match &credential.material {
        Material::AccessToken(access) => access.token.expose(),
        Material::Jwt(token) => token.expose(),
        other => panic!("{other:?}"),
    }
}
