//! Tokens and ways to ask, for the tests here.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use carnet_core::{Context, Credential, Delivered, DeliveryConfig, Error, Found, Output, SourceConfig, Want};
use futures_util::FutureExt;
use serde_json::{Value, json};

/// The time of [`carnet_core::test_context`].
pub(crate) const NOW: i64 = 1_795_262_400;

/// A token with a signature that nobody here checks.
pub(crate) fn jwt(claims: &Value) -> String {
    let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    format!("{}.{}.c2ln", part(&json!({"typ": "JWT", "alg": "RS256", "kid": "k"})), part(claims))
}

/// A good token for the audience `https://a`.
pub(crate) fn good() -> String {
    jwt(&json!({"iss": "https://issuer.example", "sub": "s", "aud": "https://a", "iat": NOW, "exp": NOW + 600}))
}

/// Builds a source from its section and asks it.
pub(crate) fn find<C: SourceConfig>(section: Value, context: &Context, audience: Option<&str>) -> Result<Found, Error> {
    let source = serde_json::from_value::<C>(section).unwrap().build().unwrap();
    let want = Want { audience: audience.map(ToOwned::to_owned) };
    source.find(context, &want).now_or_never().expect("nothing here waits")
}

/// The credential that must be there.
pub(crate) fn credential(found: Result<Found, Error>) -> Credential {
    match found.unwrap() {
        Found::Credential(credential) => *credential,
        Found::NotHere(reason) => panic!("not here: {reason}"),
    }
}

/// The reason why it is not there.
pub(crate) fn reason(found: Result<Found, Error>) -> String {
    match found.unwrap() {
        Found::NotHere(reason) => reason,
        Found::Credential(_) => panic!("there is a credential"),
    }
}

/// Builds a delivery from its section and makes it.
pub(crate) fn deliver<C: DeliveryConfig>(section: Value, credential: &Credential, context: &Context) -> Delivered {
    try_deliver::<C>(section, credential, context).unwrap()
}

/// The same where it may fail.
pub(crate) fn try_deliver<C: DeliveryConfig>(
    section: Value,
    credential: &Credential,
    context: &Context,
) -> Result<Delivered, Error> {
    let delivery = serde_json::from_value::<C>(section).unwrap().build().unwrap();
    assert!(delivery.takes().contains(credential.kind()));
    let done = delivery.deliver(context, credential).now_or_never().expect("nothing here waits");
    if let Ok(done) = &done {
        assert_eq!(done.output.is_some(), delivery.output() != Output::Nothing, "it says so before");
    }
    done
}

/// The mistakes of a section, by field.
pub(crate) fn mistakes<C: SourceConfig>(section: Value) -> Vec<String> {
    let mistakes = serde_json::from_value::<C>(section).unwrap().build().unwrap_err();
    mistakes.into_iter().map(|mistake| mistake.field).collect()
}
