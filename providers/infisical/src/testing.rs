//! Credentials and worlds for the tests here.

use std::sync::{Arc, LazyLock};

use carnet_core::{
    AccessToken, AwsKeys, Context, Credential, Delivered, DeliveryConfig, Error, ExchangeConfig, MapEnvironment,
    Material, MemoryFiles, OciApiKey, ScriptedHttp, Secret, Want, test_context,
};
use carnet_jose::{Algorithm, SigningKey};
use futures_util::FutureExt;
use serde_json::{Value, json};

/// The time of [`test_context`].
pub(crate) const NOW: i64 = 1_795_262_400;
pub(crate) const ADDRESS: &str = "https://infisical.example";
pub(crate) const IDENTITY: &str = "6f3c2c3e-0000-4000-8000-000000000001";
pub(crate) const OCI_USER: &str = "ocid1.user.oc1..aaaauser";

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

/// One RSA key for all tests, because they take their time.
pub(crate) fn rsa() -> &'static SigningKey {
    static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(Algorithm::Rs256).unwrap());
    &KEY
}

pub(crate) fn oci_key() -> Credential {
    Credential::new(Material::OciApiKey(OciApiKey {
        tenancy: "ocid1.tenancy.oc1..aaaatenancy".to_owned(),
        user: OCI_USER.to_owned(),
        fingerprint: rsa().oci_fingerprint(),
        private_key: rsa().to_pkcs8().unwrap(),
        region: Some("us-ashburn-1".to_owned()),
    }))
}

pub(crate) fn aws_keys() -> Credential {
    Credential::new(Material::AwsKeys(AwsKeys {
        access_key_id: "ASIAEXAMPLE".to_owned(),
        secret_access_key: Secret::new("secret"),
        session_token: None,
    }))
}

pub(crate) fn jwt() -> Credential {
    Credential::new(Material::Jwt(Secret::new("h.p.s")))
        .fact("issuer", "https://issuer.example")
        .fact("subject", "app")
        .fact("audience", "infisical")
}

pub(crate) fn access_token(text: &str) -> Credential {
    Credential::new(Material::AccessToken(AccessToken { token: Secret::new(text), token_type: "Bearer".to_owned() }))
}

/// A token of Infisical as a login leaves it.
pub(crate) fn token() -> Credential {
    access_token("the-token-of-the-login").fact("address", ADDRESS).fact("principal", IDENTITY)
}

/// The answer of a login.
pub(crate) fn login(token: &str, seconds: i64, most: i64) -> String {
    json!({ "accessToken": token, "expiresIn": seconds, "accessTokenMaxTTL": most, "tokenType": "Bearer" }).to_string()
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
    delivery.deliver(&world.context, credential).now_or_never().expect("nothing here waits")
}
