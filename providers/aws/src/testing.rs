//! Tokens and worlds for the tests here.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use carnet_core::{
    AwsKeys, Context, Credential, Delivered, DeliveryConfig, Error, ExchangeConfig, MapEnvironment, Material,
    MemoryFiles, Output, Request, ScriptedHttp, Secret, Want, test_context,
};
use carnet_jose::SubjectToken;
use futures_util::FutureExt as _;
use serde_json::{Value, json};

/// The time of [`test_context`].
pub(crate) const NOW: i64 = 1_795_262_400;
pub(crate) const ROLE: &str = "arn:aws:iam::123456789012:role/R";
pub(crate) const REGION: (&str, &str) = ("AWS_REGION", "eu-central-1");

/// A token with a signature that nobody here checks.
pub(crate) fn token_for(audience: &str) -> Secret {
    token(&json!({"iss": "https://issuer.example", "sub": "s", "aud": audience, "iat": NOW, "exp": NOW + 300}))
}

/// As [`token_for`], with these claims.
pub(crate) fn token(claims: &Value) -> Secret {
    let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    Secret::new(format!("{}.{}.c2ln", part(&json!({"alg": "RS256", "kid": "k"})), part(claims)))
}

pub(crate) fn jwt() -> Credential {
    SubjectToken::parse(token_for("sts.amazonaws.com")).unwrap().into_credential()
}

pub(crate) fn keys() -> Credential {
    Credential::new(Material::AwsKeys(AwsKeys {
        access_key_id: "ASIAX".to_owned(),
        secret_access_key: Secret::new("secret/1"),
        session_token: Some(Secret::new("session=")),
    }))
    .expires_at(jiff::Timestamp::from_second(NOW + 3600).unwrap())
    .fact("account", "123456789012")
    .fact("region", "eu-central-1")
}

pub(crate) fn session_answer(action: &str) -> String {
    format!(
        "<{action}Response><{action}Result><AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/R/s</Arn></AssumedRoleUser><Credentials><AccessKeyId>ASIAX</AccessKeyId><SecretAccessKey>x</SecretAccessKey><SessionToken>y</SessionToken><Expiration>2026-11-21T13:00:00Z</Expiration></Credentials></{action}Result></{action}Response>"
    )
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
pub(crate) fn exchange<C: ExchangeConfig>(
    section: Value,
    subject: &Credential,
    world: &World,
) -> Result<Credential, Error> {
    let exchange = serde_json::from_value::<C>(section).unwrap().build().unwrap();
    let want = Want::default();
    exchange.exchange(&world.context, subject, &want).now_or_never().expect("nothing here waits")
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
pub(crate) fn form_of(request: &Request) -> Vec<(String, String)> {
    serde_urlencoded::from_bytes(&request.body).unwrap()
}
