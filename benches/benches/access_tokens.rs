//! What a use of an access token costs: one that stands by itself (nothing is written), and one whose uses are counted (each is
//! durable before it is told). With the proof of who asks, and alone against the crypto library's own rate.
#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up must stop")]

use std::{hint::black_box, sync::Arc};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ParsedPublicKey};
use carnet_core::{Context, FixedClock, Secret, SystemRandom as Randomness, test_context};
use carnet_issuer::{
    Caller, Issuer, IssuerParts, IssuerSettings, LookupRequest, Rule, RuleSet, ShownToken, SubjectType, TokenRequest,
    TrustedIssuer,
};
use carnet_jose::{Algorithm, SigningKey, encode_jwt};
use carnet_keys::{KeyFile, KeyManager, KeyParts, KeySettings, Software};
use carnet_spiffe::BundleMap;
use carnet_store::{Options, open};
use divan::{Bencher, counter::ItemsCount};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tokio::{runtime::Runtime, sync::watch, task::JoinSet};

const AUTHORITY: &str = "https://authority.example";
const ISSUER: &str = "https://issuer.example";
const AUDIENCE: &str = "https://audience.example";
const NOW: i64 = 1_795_262_400;
/// Clients at once.
const CLIENTS: usize = 32;

fn main() {
    divan::main();
}

struct World {
    runtime: Runtime,
    issuer: Arc<Issuer>,
    key: SigningKey,
    _folder: tempfile::TempDir,
}

impl World {
    /// An authority whose tokens are as these members of the rule say.
    fn new(members: &Value) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let folder = tempfile::tempdir().expect("a folder");
        let key = SigningKey::generate(Algorithm::Es256).expect("a key").with_kid("issuer");
        let mut rule = json!({
            "name": "app", "issuer": ISSUER, "subject": "app", "identity": "/app", "issue": ["access-token"],
            "audiences": [AUDIENCE],
        });
        if let (Some(rule), Some(members)) = (rule.as_object_mut(), members.as_object()) {
            rule.extend(members.clone());
        }
        let lookup = json!({ "name": "lookup", "issuer": ISSUER, "subject": "api", "introspect": [AUDIENCE] });
        let rules: Vec<Rule> = serde_json::from_value(json!([rule, lookup])).expect("rules");
        let jwks = Some(json!({ "keys": [key.public_jwk()] }));
        let trusted = TrustedIssuer { jwks, ..TrustedIssuer::new(ISSUER) };
        let domain = "example.org".parse().expect("a trust domain");
        let rules = RuleSet::load_with(rules, &[trusted], Some(&domain)).expect("rules");
        let clock = FixedClock::at(Timestamp::from_second(NOW).expect("a time"));
        let context = Context { clock: Arc::new(clock), random: Arc::new(Randomness), ..test_context() };
        let issuer = runtime.block_on(async {
            let url = format!("sqlite:{}", folder.path().join("store").display());
            let store = open(&url, Options::default()).await.expect("a store");
            let sealer = KeyFile::new(&context, "/var/lib/carnet/seal.key", true).expect("a sealer");
            let keys = KeyManager::open(KeyParts {
                store: Arc::clone(&store),
                context: context.clone(),
                sealer: Arc::new(sealer),
                backend: Arc::new(Software),
                upstream: None,
                settings: KeySettings::new(domain.clone(), vec![Algorithm::Es256]),
            });
            Issuer::new(IssuerParts {
                issuer_url: AUTHORITY.to_owned(),
                trust_domain: domain,
                keys: keys.await.expect("keys").watch(),
                store,
                rules: watch::channel(Arc::new(rules)).1,
                bundles: watch::channel(Arc::<BundleMap>::default()).1,
                context,
                settings: IssuerSettings::default(),
            })
        });
        Self { runtime, issuer: Arc::new(issuer.expect("an issuer")), key, _folder: folder }
    }

    fn jwt(&self, subject: &str) -> Secret {
        let claims = json!({ "iss": ISSUER, "sub": subject, "aud": AUTHORITY, "iat": NOW - 60, "exp": NOW + 240 });
        encode_jwt(&self.key, &Map::new(), claims.as_object().expect("claims")).expect("a token")
    }

    /// What asks for an access token as the rule gives it.
    fn lookup(&self) -> LookupRequest {
        let request = TokenRequest::exchange(self.jwt("app"), SubjectType::Jwt);
        let answer = self.runtime.block_on(self.issuer.exchange(request, Caller::at("192.0.2.7"))).expect("a token");
        let client = Some(ShownToken { token: Some(self.jwt("api")), kind: SubjectType::Jwt });
        LookupRequest { token: answer.access_token, client, client_address: None }
    }

    /// One look-up by each client at once.
    fn burst(&self, lookup: &LookupRequest) {
        self.runtime.block_on(async {
            let mut tasks = JoinSet::new();
            for _ in 0..CLIENTS {
                let (issuer, lookup) = (Arc::clone(&self.issuer), lookup.clone());
                tasks.spawn(async move { issuer.introspect(lookup, Caller::at("192.0.2.7")).await });
            }
            while let Some(found) = tasks.join_next().await {
                assert!(found.expect("no panic").expect("an answer").is_active());
            }
        });
    }
}

#[divan::bench]
fn stateless(bencher: Bencher<'_, '_>) {
    let world = World::new(&json!({ "stateless": true }));
    let lookup = world.lookup();
    bencher.counter(ItemsCount::new(CLIENTS)).bench_local(|| world.burst(&lookup));
}

#[divan::bench]
fn counted(bencher: Bencher<'_, '_>) {
    let world = World::new(&json!({ "uses": 1_000_000_000_u64 }));
    let lookup = world.lookup();
    bencher.counter(ItemsCount::new(CLIENTS)).bench_local(|| world.burst(&lookup));
}

/// What a look-up cannot do without: the token's signature, and that of who asks.
#[divan::bench]
fn limit_verify_es256_twice(bencher: Bencher<'_, '_>) {
    let key = SigningKey::generate(Algorithm::Es256).expect("a key");
    let message = [7_u8; 400];
    let signature = key.sign(&message).expect("a signature");
    let public = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.public_spki()).expect("a key");
    bencher.counter(ItemsCount::new(1_usize)).bench_local(|| {
        for _ in 0..2 {
            public.verify_sig(black_box(&message), &signature).expect("it verifies");
        }
    });
}
