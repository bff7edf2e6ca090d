//! Fixtures for the tests of this crate.

use std::sync::{Arc, OnceLock};

use carnet_core::{Context, MapEnvironment, MemoryFiles, ScriptedHttp, Secret, test_context};
use carnet_jose::{Algorithm, Claims, KeySet, SigningKey, UnverifiedJwt, encode_jwt};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// The cluster's issuer.
pub(crate) const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";
/// Who the tokens are for.
pub(crate) const AUDIENCE: &str = "https://vault.example";

/// The time of [`test_context`].
pub(crate) fn now() -> Timestamp {
    test_context().now()
}

/// The cluster's key.
pub(crate) fn key() -> Arc<SigningKey> {
    static KEY: OnceLock<Arc<SigningKey>> = OnceLock::new();
    Arc::clone(KEY.get_or_init(|| Arc::new(SigningKey::generate(Algorithm::Es256).unwrap().with_kid("k"))))
}

/// The key of another cluster, under the same name.
pub(crate) fn other_key() -> SigningKey {
    SigningKey::generate(Algorithm::Es256).unwrap().with_kid("k")
}

pub(crate) fn keys() -> KeySet {
    KeySet::of(key().public_key().unwrap())
}

/// A token of the pod `admin-0`, good for an hour.
pub(crate) fn claims() -> Claims {
    let claims = json!({
        "iss": ISSUER, "aud": [AUDIENCE], "sub": "system:serviceaccount:example:admin",
        "iat": now().as_second(), "nbf": now().as_second(), "exp": now().as_second() + 3600,
        "kubernetes.io": {
            "namespace": "example",
            "serviceaccount": {"name": "admin", "uid": "s-1"},
            "pod": {"name": "admin-0", "uid": "p-1"},
            "node": {"name": "worker-1", "uid": "n-1"},
        },
    });
    let Value::Object(claims) = claims else { panic!("an object") };
    Claims(claims)
}

/// [`claims`] changed.
pub(crate) fn bent(bend: impl FnOnce(&mut Value)) -> Claims {
    let mut claims = Value::Object(claims().0);
    bend(&mut claims);
    let Value::Object(claims) = claims else { panic!("an object") };
    Claims(claims)
}

/// Takes the member at a JSON pointer away. A slash in a name is not written here.
pub(crate) fn no_claim(claims: &mut Value, path: &str) {
    let (parent, name) = path.rsplit_once('/').unwrap();
    let parent = claims.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    parent.remove(name).unwrap();
}

pub(crate) fn signed(claims: &Claims, key: &SigningKey) -> Secret {
    encode_jwt(key, &Map::new(), &claims.0).unwrap()
}

pub(crate) fn token(claims: &Claims) -> Secret {
    signed(claims, &key())
}

pub(crate) fn parsed(token: &Secret) -> UnverifiedJwt {
    UnverifiedJwt::parse(token.expose()).unwrap()
}

/// A place with these variables and files, whose network answers by script.
pub(crate) fn place(
    variables: &[(&str, &str)],
    files: &[(&str, &str)],
    http: ScriptedHttp,
) -> (Context, Arc<ScriptedHttp>) {
    let memory = MemoryFiles::default();
    for (path, content) in files {
        memory.put(*path, *content);
    }
    let http = Arc::new(http);
    let context = Context {
        environment: Arc::new(MapEnvironment::of(variables)),
        files: Arc::new(memory),
        http: Arc::<ScriptedHttp>::clone(&http),
        ..test_context()
    };
    (context, http)
}
