//! One authority: store, clock, keys, rules, and an issuer that it trusts.

use std::sync::{Arc, LazyLock, Mutex};

use axum::Router;
use carnet_core::{Context, FixedClock, FixedRandom, MemoryFiles, Random, Secret, SecretBytes, test_context};
use carnet_issuer::{Issuer, IssuerParts, IssuerSettings, Rule, RuleSet, TrustedIssuer};
use carnet_jose::{Algorithm, SigningKey, encode_jwt};
use carnet_keys::{KeyFile, KeyManager, KeyParts, KeySettings, Software};
use carnet_spiffe::{BundleMap, TrustDomain};
use carnet_store::{AuditFilter, AuditRow, Options, Store};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use crate::network::Network;

pub(crate) const AUTHORITY: &str = "https://authority.example";
pub(crate) const ISSUER: &str = "https://issuer.example";
pub(crate) const AUDIENCE: &str = "https://audience.example";
pub(crate) const NOW: i64 = 1_795_262_400;

pub(crate) fn domain() -> TrustDomain {
    "example.org".parse().unwrap()
}

/// The key of the trusted issuer; RSA as the large ones have it, made once.
pub(crate) fn issuer_key() -> &'static SigningKey {
    static KEY: LazyLock<SigningKey> =
        LazyLock::new(|| SigningKey::generate_rsa_racing(Algorithm::Rs256).unwrap().with_kid("issuer-1"));
    &KEY
}

/// The RSA key of the authority, made once and loaded under another name each time.
fn authority_rsa() -> SecretBytes {
    static KEY: LazyLock<SecretBytes> =
        LazyLock::new(|| SigningKey::generate_rsa_racing(Algorithm::Rs256).unwrap().to_pkcs8().unwrap());
    KEY.clone()
}

/// Software keys, but RSA ones are not searched for anew.
#[derive(Debug)]
struct Ready;

impl carnet_keys::Backend for Ready {
    fn name(&self) -> &'static str {
        "software"
    }

    fn generate<'a>(
        &'a self,
        kid: &'a str,
        algorithm: Algorithm,
    ) -> carnet_core::BoxFuture<'a, Result<carnet_keys::Generated, carnet_core::Error>> {
        if algorithm != Algorithm::Rs256 {
            return Software.generate(kid, algorithm);
        }
        Box::pin(async move {
            let material = authority_rsa();
            Ok(carnet_keys::Generated { key: SigningKey::from_pkcs8(algorithm, &material)?, material })
        })
    }

    fn load<'a>(
        &'a self,
        kid: &'a str,
        algorithm: Algorithm,
        material: &'a SecretBytes,
    ) -> carnet_core::BoxFuture<'a, Result<SigningKey, carnet_core::Error>> {
        Software.load(kid, algorithm, material)
    }

    fn destroy<'a>(&'a self, kid: &'a str) -> carnet_core::BoxFuture<'a, Result<(), carnet_core::Error>> {
        Software.destroy(kid)
    }
}

/// Randomness that somebody else is faster than: what waits here is done when the next bytes are asked for.
#[derive(Default)]
pub(crate) struct Meanwhile {
    inner: FixedRandom,
    waiting: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Meanwhile {
    pub(crate) fn first(&self, other: impl FnOnce() + Send + 'static) {
        *self.waiting.lock().unwrap() = Some(Box::new(other));
    }
}

impl std::fmt::Debug for Meanwhile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Meanwhile")
    }
}

impl Random for Meanwhile {
    fn fill(&self, buffer: &mut [u8]) {
        let waiting = self.waiting.lock().unwrap().take();
        if let Some(other) = waiting {
            other();
        }
        self.inner.fill(buffer);
    }
}

pub(crate) struct World {
    pub(crate) random: Arc<Meanwhile>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) network: Arc<Network>,
    pub(crate) keys: Arc<KeyManager>,
    pub(crate) rules: watch::Sender<Arc<RuleSet>>,
    pub(crate) bundles: watch::Sender<Arc<BundleMap>>,
    pub(crate) context: Context,
    pub(crate) issuer: Arc<Issuer>,
    pub(crate) router: Router,
}

impl World {
    /// An authority with these rules. The issuer [`ISSUER`] is to be found where its discovery document is.
    pub(crate) async fn new(rules: Vec<Rule>) -> Self {
        Self::with(rules, &[], IssuerSettings::default()).await
    }

    pub(crate) async fn with(rules: Vec<Rule>, issuers: &[TrustedIssuer], settings: IssuerSettings) -> Self {
        let store = carnet_store::open("sqlite::memory:", Options::default()).await.unwrap();
        Self::over(store, Arc::default(), rules, issuers, settings).await
    }

    /// A node of an authority: all nodes have one store, and the file of the key that seals what is in it.
    pub(crate) async fn over(
        store: Arc<dyn Store>,
        files: Arc<MemoryFiles>,
        rules: Vec<Rule>,
        issuers: &[TrustedIssuer],
        settings: IssuerSettings,
    ) -> Self {
        let clock = Arc::new(FixedClock::at(Timestamp::from_second(NOW).unwrap()));
        let random = Arc::<Meanwhile>::default();
        let network = Arc::new(Network::default());
        publish(&network, &[issuer_key()]);
        let context = Context {
            clock: Arc::<FixedClock>::clone(&clock),
            random: Arc::<Meanwhile>::clone(&random),
            http: Arc::<Network>::clone(&network),
            files,
            ..test_context()
        };
        let algorithms = [Algorithm::Rs256, Algorithm::Es256, Algorithm::Es384, Algorithm::EdDsa].to_vec();
        let keys = KeyManager::open(KeyParts {
            store: Arc::clone(&store),
            context: context.clone(),
            sealer: Arc::new(KeyFile::new(&context, "/var/lib/carnet/seal.key", true).unwrap()),
            backend: Arc::new(Ready),
            upstream: None,
            settings: KeySettings::new(domain(), algorithms),
        })
        .await
        .unwrap();
        let rules = RuleSet::load_with(rules, issuers, Some(&domain())).unwrap();
        let rules = watch::Sender::new(Arc::new(rules));
        let bundles = watch::Sender::new(Arc::new(BundleMap::default()));
        let issuer = Issuer::new(IssuerParts {
            issuer_url: AUTHORITY.to_owned(),
            trust_domain: domain(),
            keys: keys.watch(),
            store: Arc::clone(&store),
            rules: rules.subscribe(),
            bundles: bundles.subscribe(),
            context: context.clone(),
            settings,
        })
        .unwrap();
        let issuer = Arc::new(issuer);
        let router = Arc::clone(&issuer).router();
        Self { random, store, clock, network, keys, rules, bundles, context, issuer, router }
    }

    /// What another issuer on the same store is made of.
    pub(crate) fn parts(&self) -> IssuerParts {
        IssuerParts {
            issuer_url: AUTHORITY.to_owned(),
            trust_domain: domain(),
            keys: self.keys.watch(),
            store: Arc::clone(&self.store),
            rules: self.rules.subscribe(),
            bundles: self.bundles.subscribe(),
            context: self.context.clone(),
            settings: IssuerSettings::default(),
        }
    }

    /// The outcomes so far; what the key manager did is left out.
    pub(crate) async fn audit(&self) -> Vec<AuditRow> {
        let rows = self.store.audit(0, 10_000, AuditFilter::default()).await.unwrap();
        rows.into_iter().filter(|row| !row.record.action.starts_with("key")).collect()
    }

    /// The last outcome.
    pub(crate) async fn last(&self) -> carnet_store::AuditRecord {
        self.audit().await.pop().expect("there is an audit row").record
    }

    /// The clause of the last outcome.
    pub(crate) async fn clause(&self) -> String {
        self.last().await.clause.unwrap_or_default()
    }
}

/// Puts discovery document and keys of [`ISSUER`] there.
pub(crate) fn publish(network: &Network, keys: &[&SigningKey]) {
    network.answer(
        &format!("{ISSUER}/.well-known/openid-configuration"),
        json!({ "issuer": ISSUER, "jwks_uri": format!("{ISSUER}/jwks") }).to_string(),
    );
    let keys: Vec<_> = keys.iter().map(|key| key.public_jwk()).collect();
    network.answer(&format!("{ISSUER}/jwks"), json!({ "keys": keys }).to_string());
}

/// A rule that allows [`claims`] a JWT-SVID and an access token for [`AUDIENCE`].
pub(crate) fn rule() -> Rule {
    serde_json::from_value(json!({
        "name": "ci",
        "issuer": ISSUER,
        "subject": "repo:org/app:*",
        "claims": { "owner_id": "42" },
        "condition": "claims.ref == 'main'",
        "identity": "/ci/{owner_id}/{app}",
        "issue": ["jwt-svid", "access-token", "x509-svid"],
        "audiences": [AUDIENCE],
        "networks": [],
    }))
    .unwrap()
}

/// [`rule`] with members changed or added.
pub(crate) fn rule_with(members: Value) -> Rule {
    let mut rule = serde_json::to_value(rule()).unwrap();
    for (name, value) in members.as_object().unwrap() {
        rule[name] = value.clone();
    }
    serde_json::from_value(rule).unwrap()
}

pub(crate) fn object(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

/// Claims that [`rule`] allows.
pub(crate) fn claims() -> Map<String, Value> {
    object(json!({
        "iss": ISSUER, "sub": "repo:org/app:main", "aud": AUTHORITY, "iat": NOW - 60, "nbf": NOW - 60, "exp": NOW + 240,
        "jti": "token-1", "owner_id": "42", "ref": "main", "app": "web",
    }))
}

/// [`claims`] with members changed; `null` takes one away.
pub(crate) fn claims_with(members: Value) -> Map<String, Value> {
    let mut claims = claims();
    for (name, value) in object(members) {
        if value.is_null() {
            claims.remove(&name);
        } else {
            claims.insert(name, value);
        }
    }
    claims
}

pub(crate) fn sign(claims: &Map<String, Value>) -> Secret {
    encode_jwt(issuer_key(), &Map::new(), claims).unwrap()
}
