//! A token exchange (RS256 in, a rule with CEL, a durable audit row, a token out) against the crypto library's own rate for
//! what it cannot do without, measured in the same run: verify and sign, or sign alone where that is RSA.
//!
//! The ratio is one of processor time, of all threads together, because the store writes in a thread of its own: what it
//! says holds for one core.
#![expect(clippy::expect_used, clippy::print_stdout, reason = "a benchmark that cannot be set up must stop")]

use std::{hint::black_box, sync::Arc};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256,
        RsaKeyPair,
    },
};
use axum::{Router, body::Body};
use carnet_benches::{median, microseconds};
use carnet_core::{Context, FixedClock, Secret, SystemRandom as Randomness, test_context};
use carnet_issuer::{Caller, Issuer, IssuerParts, IssuerSettings, Rule, RuleSet, TokenRequest, TrustedIssuer};
use carnet_jose::{Algorithm, SigningKey, encode_jwt};
use carnet_keys::{KeyFile, KeyManager, KeyParts, KeySettings, Software};
use carnet_spiffe::BundleMap;
use carnet_store::{Options, open};
use divan::{Bencher, counter::ItemsCount};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tokio::{runtime::Runtime, sync::watch, task::JoinSet};
use tower::ServiceExt as _;

const AUTHORITY: &str = "https://authority.example";
const ISSUER: &str = "https://token.actions.githubusercontent.com";
const NOW: i64 = 1_795_262_400;
/// Callers at once, as many as a busy authority has.
const CALLERS: usize = 64;
const ROUNDS: usize = 60;

fn main() {
    ratios();
    divan::main();
}

/// Claims as GitHub sends them, some 1,100 bytes.
fn claims() -> Map<String, Value> {
    let claims = json!({
        "iss": ISSUER, "aud": AUTHORITY, "sub": "repo:carnet-sandbox/app:ref:refs/heads/main",
        "iat": NOW - 60, "nbf": NOW - 60, "exp": NOW + 240, "jti": "6d9b0c0e-0f4e-4f0e-9c38-3d7a1a4d0a52",
        "ref": "refs/heads/main", "sha": "da39a3ee5e6b4b0d3255bfef95601890afd80709", "repository": "carnet-sandbox/app",
        "repository_owner": "carnet-sandbox", "repository_owner_id": "4242", "repository_id": "123456",
        "repository_visibility": "private", "run_id": "987654321", "run_number": "42", "run_attempt": "1",
        "actor": "somebody", "actor_id": "7", "workflow": "deploy", "event_name": "push", "ref_type": "branch",
        "ref_protected": "true", "head_ref": "", "base_ref": "", "environment": "production",
        "workflow_ref": "carnet-sandbox/app/.github/workflows/deploy.yml@refs/heads/main",
        "job_workflow_ref": "carnet-sandbox/app/.github/workflows/deploy.yml@refs/heads/main",
        "runner_environment": "github-hosted",
    });
    claims.as_object().cloned().unwrap_or_default()
}

struct World {
    runtime: Runtime,
    issuer: Arc<Issuer>,
    router: Router,
    token: Secret,
    _folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        // One thread for everything but the store's writer and readers.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let folder = tempfile::tempdir().expect("a folder");
        let key = SigningKey::generate(Algorithm::Rs256).expect("a key").with_kid("github");
        let token = encode_jwt(&key, &Map::new(), &claims()).expect("a token");
        let rules: Vec<Rule> = serde_json::from_value(json!([{
            "name": "deploy", "issuer": ISSUER, "subject": "repo:carnet-sandbox/app:ref:refs/heads/main",
            "claims": { "repository_owner_id": "4242" },
            "condition": "claims.ref == 'refs/heads/main' && claims.runner_environment == 'github-hosted'",
            "identity": "/ci/{repository_id}", "issue": ["jwt-svid", "access-token"],
            "audiences": ["https://audience.example", "sts.amazonaws.com"],
        }]))
        .expect("a rule");
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
            let settings = KeySettings::new(domain.clone(), vec![Algorithm::Rs256, Algorithm::Es256]);
            let keys = KeyManager::open(KeyParts {
                store: Arc::clone(&store),
                context: context.clone(),
                sealer: Arc::new(sealer),
                backend: Arc::new(Software),
                upstream: None,
                settings,
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
        let issuer = Arc::new(issuer.expect("an issuer"));
        let router = Arc::clone(&issuer).router();
        Self { runtime, issuer, router, token, _folder: folder }
    }

    /// The form as it comes over the wire.
    fn form(&self, kind: &str, audience: &str) -> String {
        url::form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange")
            .append_pair("subject_token_type", "urn:ietf:params:oauth:token-type:jwt")
            .append_pair("requested_token_type", &format!("urn:ietf:params:oauth:token-type:{kind}"))
            .append_pair("audience", audience)
            .append_pair("subject_token", self.token.expose())
            .finish()
    }

    /// As many at once as there are callers, through the router, without sockets.
    fn burst(&self, form: &str) {
        self.runtime.block_on(async {
            let mut tasks = JoinSet::new();
            for _ in 0..CALLERS {
                let request = http::Request::post("/oauth2/token")
                    .header("content-type", "application/x-www-form-urlencoded")
                    .extension(Caller { request_id: "0123456789abcdef".to_owned(), ..Caller::at("192.0.2.7:4711") })
                    .body(Body::from(form.to_owned()))
                    .expect("a request");
                tasks.spawn(self.router.clone().oneshot(request));
            }
            while let Some(answer) = tasks.join_next().await {
                let answer = answer.expect("no panic").expect("the router answers");
                assert_eq!(answer.status(), 200);
            }
        });
    }
}

/// The crypto library alone, with keys that are parsed once.
struct Limit {
    verifying: ParsedPublicKey,
    rsa: RsaKeyPair,
    ecdsa: EcdsaKeyPair,
    message: Vec<u8>,
    /// As long as what is signed in an exchange.
    answer: Vec<u8>,
    signature: Vec<u8>,
}

impl Limit {
    fn new() -> Self {
        let key = SigningKey::generate(Algorithm::Rs256).expect("a key");
        let token = encode_jwt(&key, &Map::new(), &claims()).expect("a token");
        let (message, _) = token.expose().rsplit_once('.').expect("a signature");
        let pkcs8 = key.to_pkcs8().expect("a key");
        let ecdsa = SigningKey::generate(Algorithm::Es256).expect("a key").to_pkcs8().expect("a key");
        Self {
            verifying: ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_spki()).expect("a key"),
            rsa: RsaKeyPair::from_pkcs8(pkcs8.expose()).expect("a key"),
            ecdsa: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, ecdsa.expose()).expect("a key"),
            signature: key.sign(message.as_bytes()).expect("a signature"),
            message: message.as_bytes().to_vec(),
            answer: message.bytes().take(500).collect(),
        }
    }

    fn verify(&self) {
        self.verifying.verify_sig(black_box(&self.message), &self.signature).expect("it verifies");
    }

    fn sign_es256(&self) {
        black_box(self.ecdsa.sign(&SystemRandom::new(), black_box(&self.answer)).expect("it signs"));
    }

    fn sign_rs256(&self) {
        let mut signature = vec![0; self.rsa.public_modulus_len()];
        self.rsa
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), black_box(&self.answer), &mut signature)
            .expect("it signs");
        black_box(signature);
    }
}

fn ratios() {
    let (world, limit) = (World::new(), Limit::new());
    let forms = [
        ("RS256 in, JWT-SVID ES256 out", world.form("jwt", "https://audience.example"), true),
        (
            "RS256 in, access token ES256 out (its row, too)",
            world.form("access_token", "https://audience.example"),
            true,
        ),
        ("RS256 in, JWT-SVID RS256 out", world.form("jwt", "sts.amazonaws.com"), false),
    ];
    let mut limits = [Vec::new(), Vec::new(), Vec::new()];
    let mut exchanges = [Vec::new(), Vec::new(), Vec::new()];
    let each = |work: &dyn Fn()| microseconds(CALLERS, || (0..CALLERS).for_each(|_| work()));
    for _ in 0..ROUNDS {
        let works = [&(|| limit.verify()) as &dyn Fn(), &|| limit.sign_es256(), &|| limit.sign_rs256()];
        for (samples, work) in limits.iter_mut().zip(works) {
            samples.push(each(work));
        }
        for (samples, (_, form, _)) in exchanges.iter_mut().zip(&forms) {
            samples.push(microseconds(CALLERS, || world.burst(form)));
        }
    }
    let [verify, es256, rs256] = limits.map(median);
    println!("processor time: verify RS256 {verify:.1} µs, sign ES256 {es256:.1} µs, sign RS256 {rs256:.1} µs");
    for ((name, _, to_ecdsa), samples) in forms.iter().zip(exchanges) {
        let (spent, wanted) = (median(samples), if *to_ecdsa { verify + es256 } else { rs256 });
        println!(
            "{name}: {spent:.1} µs, {:.0} a second and core, {:.0} % of the limit",
            1e6 / spent,
            wanted / spent * 100.0
        );
    }
}

#[divan::bench(args = ["jwt", "access_token"])]
fn exchange_es256(bencher: Bencher<'_, '_>, kind: &str) {
    let world = World::new();
    let form = world.form(kind, "https://audience.example");
    bencher.counter(ItemsCount::new(CALLERS)).bench_local(|| world.burst(&form));
}

#[divan::bench]
fn exchange_rs256(bencher: Bencher<'_, '_>) {
    let world = World::new();
    let form = world.form("jwt", "sts.amazonaws.com");
    bencher.counter(ItemsCount::new(CALLERS)).bench_local(|| world.burst(&form));
}

/// One caller: the wait for the store is in it.
#[divan::bench]
fn exchange_alone(bencher: Bencher<'_, '_>) {
    let world = World::new();
    let form = world.form("jwt", "https://audience.example");
    bencher.bench_local(|| {
        let request = TokenRequest::from_form(form.as_bytes()).expect("a form");
        world.runtime.block_on(world.issuer.exchange(request, Caller::at("192.0.2.7:4711"))).expect("a token")
    });
}

#[divan::bench]
fn limit_verify_and_sign_es256(bencher: Bencher<'_, '_>) {
    let limit = Limit::new();
    bencher.counter(ItemsCount::new(1_usize)).bench_local(|| {
        limit.verify();
        limit.sign_es256();
    });
}

#[divan::bench]
fn limit_sign_rs256(bencher: Bencher<'_, '_>) {
    let limit = Limit::new();
    bencher.counter(ItemsCount::new(1_usize)).bench_local(|| limit.sign_rs256());
}
