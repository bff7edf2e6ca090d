//! Tokens and worlds for the tests here.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use carnet_core::{
    Context, Credential, Error, Found, MapEnvironment, ScriptedCommands, ScriptedHttp, Source, Want, test_context,
};
use futures_util::FutureExt;
use serde_json::{Value, json};

/// The time of [`test_context`].
pub(crate) const NOW: i64 = 1_795_262_400;

/// A token with a signature that nobody here checks.
pub(crate) fn token(claims: &Value) -> String {
    let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    format!("{}.{}.c2ln", part(&json!({"typ": "JWT", "alg": "RS256", "kid": "k"})), part(claims))
}

/// A context with these variables.
pub(crate) fn context(variables: &[(&str, &str)]) -> Context {
    Context { environment: Arc::new(MapEnvironment::of(variables)), ..test_context() }
}

/// The same, with programs that answer by script.
pub(crate) fn with_programs(
    variables: &[(&str, &str)],
    programs: ScriptedCommands,
) -> (Context, Arc<ScriptedCommands>) {
    let commands = Arc::new(programs);
    let seen = Arc::clone(&commands);
    (Context { commands, ..context(variables) }, seen)
}

/// The same, with a network that answers by script.
pub(crate) fn with_network(variables: &[(&str, &str)], http: ScriptedHttp) -> (Context, Arc<ScriptedHttp>) {
    let http = Arc::new(http);
    let seen = Arc::clone(&http);
    (Context { http, ..context(variables) }, seen)
}

/// Asks a source that waits for nothing but scripted answers.
pub(crate) fn find(source: &dyn Source, context: &Context, audience: Option<&str>) -> Result<Found, Error> {
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
