//! Tokens and worlds for the tests here.

use std::sync::Arc;

use carnet_core::{
    AccessToken, Context, Credential, Delivered, DeliveryConfig, Error, ExchangeConfig, MapEnvironment, Material,
    MemoryFiles, Output, ScriptedHttp, Secret, Want, test_context,
};
use futures_util::FutureExt;
use serde_json::{Value, json};

/// The time of [`test_context`].
pub(crate) const NOW: i64 = 1_795_262_400;
pub(crate) const ADDRESS: &str = "https://vault.example:8200";

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

pub(crate) fn jwt() -> Credential {
    Credential::new(Material::Jwt(Secret::new("h.p.s")))
        .fact("issuer", "https://issuer.example")
        .fact("subject", "app")
        .fact("audience", "vault")
}

/// A Vault token as a login leaves it.
pub(crate) fn token() -> Credential {
    let access = AccessToken { token: Secret::new("hvs.it's"), token_type: "Bearer".to_owned() };
    Credential::new(Material::AccessToken(access)).fact("address", ADDRESS).fact("namespace", "team")
}

/// The answer of a login.
pub(crate) fn login(token: &str, seconds: i64, renewable: bool) -> String {
    json!({ "auth": { "client_token": token, "accessor": "acc", "policies": ["app-read", "default"], "metadata": { "role": "app" },
        "lease_duration": seconds, "renewable": renewable, "entity_id": "e", "token_type": "service" } })
    .to_string()
}

/// Builds an exchange from its section and makes it as often as there are subjects.
pub(crate) fn exchange<C: ExchangeConfig>(
    section: Value,
    subjects: &[Credential],
    world: &World,
) -> Vec<Result<Credential, Error>> {
    let exchange = serde_json::from_value::<C>(section).unwrap().build().unwrap();
    let want = Want::default();
    let make = |subject| exchange.exchange(&world.context, subject, &want).now_or_never().expect("nothing here waits");
    subjects.iter().map(make).collect()
}

/// Builds a delivery from its section and makes it.
pub(crate) fn deliver<C: DeliveryConfig>(
    section: Value,
    credential: &Credential,
    world: &World,
) -> Result<Delivered, Error> {
    let delivery = serde_json::from_value::<C>(section).unwrap().build().unwrap();
    let done = delivery.deliver(&world.context, credential).now_or_never().expect("nothing here waits");
    if let Ok(done) = &done {
        assert_eq!(done.output.is_some(), delivery.output() != Output::Nothing, "it says so before");
    }
    done
}
