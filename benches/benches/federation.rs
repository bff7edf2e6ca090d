//! What it costs to decide on one token by one trust of each service beside its signature, which the crypto library
//! verifies in the same run: the limit is 20 microseconds, and the signature's own time stands beside it.
#![expect(clippy::expect_used, clippy::print_stdout, reason = "a benchmark that cannot be set up must stop")]

use std::{collections::BTreeMap, hint::black_box};

use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256};
use carnet_benches::{median, microseconds};
use carnet_core::Secret;
use carnet_jose::{Algorithm, Claims, KeySet, PublicKey, SigningKey, encode_jwt};
use carnet_oauth::trust::{Check, Manner, Matching};
use carnet_oauth_sandbox::seed::{self, Who};
use divan::Bencher;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

/// 2026-11-21 12:00:00 UTC.
const NOW: i64 = 1_795_262_400;
const ISSUER: &str = "https://token.actions.githubusercontent.com";
const SUBJECT: &str = "repo:carnet-sandbox/app:ref:refs/heads/main";
/// Microseconds that a decision may take beside the signature.
const LIMIT: f64 = 20.0;
/// Decisions of one sample.
const EACH: usize = 100;
const ROUNDS: usize = 60;

fn main() {
    ratios();
    divan::main();
}

/// Asks a question whose answer is yes, and says so.
type Decide = Box<dyn Fn() -> bool>;

/// A token, and what verifies it.
struct Shown {
    token: Secret,
    keys: KeySet,
    bare: ParsedPublicKey,
    message: Vec<u8>,
    signature: Vec<u8>,
}

impl Shown {
    /// The token of a GitHub job, some 1,100 bytes of claims, signed with RS256.
    fn to(audience: &str) -> Self {
        let key = SigningKey::generate(Algorithm::Rs256).expect("a key").with_kid("k");
        let token = encode_jwt(&key, &Map::new(), &claims(audience)).expect("a token");
        let (message, _) = token.expose().rsplit_once('.').expect("a signature");
        Self {
            keys: KeySet::of(PublicKey::from_jwk(&key.public_jwk()).expect("a key")),
            bare: ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_spki()).expect("a key"),
            signature: key.sign(message.as_bytes()).expect("a signature"),
            message: message.as_bytes().to_vec(),
            token: Secret::new(token.expose()),
        }
    }

    /// The signature alone, by the crypto library alone, with a parsed key.
    fn verify(&self) {
        self.bare.verify_sig(black_box(&self.message), &self.signature).expect("it verifies");
    }
}

fn claims(audience: &str) -> Map<String, Value> {
    let claims = json!({
        "iss": ISSUER, "sub": SUBJECT, "aud": audience, "iat": NOW, "nbf": NOW, "exp": NOW + 300,
        "repository": seed::REPOSITORY, "repository_owner_id": seed::OWNER_ID,
        "workflow_ref": "carnet-sandbox/app/.github/workflows/deploy.yml@refs/heads/main",
    });
    let mut claims = claims.as_object().cloned().unwrap_or_default();
    claims.extend((0..24).map(|at| (format!("claim_{at}"), Value::from("a value of the usual length"))));
    claims
}

fn now() -> Timestamp {
    Timestamp::from_second(NOW).expect("a time")
}

/// A role whose trust policy names audience and subject.
fn aws() -> (Decide, Shown) {
    use carnet_aws::trust::{OidcProvider, Question, Role, TrustPolicy, evaluate};
    let shown = Shown::to("sts.amazonaws.com");
    let (token, keys) = (shown.token.clone(), shown.keys.clone());
    let provider = OidcProvider {
        account: "123456789012".to_owned(),
        url: ISSUER.to_owned(),
        client_ids: vec!["sts.amazonaws.com".to_owned()],
        thumbprints: Vec::new(),
    };
    let name = provider.name().to_owned();
    let policy = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": { "Federated": provider.arn() }, "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": { "StringEquals": { format!("{name}:aud"): "sts.amazonaws.com" },
            "StringLike": { format!("{name}:sub"): "repo:carnet-sandbox/app:*" } } }] });
    let trust = TrustPolicy::parse(&policy.to_string()).expect("a policy");
    let role = Role::new("arn:aws:iam::123456789012:role/ci/deploy", trust);
    let decide = move || {
        let question = Question {
            token: &token,
            role: Some(&role),
            provider: Some(&provider),
            session_name: "job",
            duration: None,
            now: now(),
        };
        evaluate(black_box(&question), Some(&keys)).grant().is_some()
    };
    (Box::new(decide), shown)
}

/// An application with one federated credential.
fn azure() -> (Decide, Shown) {
    use carnet_azure::trust::{
        Client, ClientKind, DEFAULT_AUDIENCE, FederatedCredential, FederatedCredentials, Home, Question, TenantPolicy,
        evaluate,
    };
    let shown = Shown::to(DEFAULT_AUDIENCE);
    let (token, keys) = (shown.token.clone(), shown.keys.clone());
    let mut credentials = FederatedCredentials::default();
    let credential = FederatedCredential {
        name: "main".to_owned(),
        issuer: ISSUER.to_owned(),
        subject: Some(SUBJECT.to_owned()),
        audiences: vec![DEFAULT_AUDIENCE.to_owned()],
        ..FederatedCredential::default()
    };
    credentials.put(ClientKind::Application, credential).expect("a credential");
    let client = Client {
        kind: ClientKind::Application,
        client_id: "11111111-0000-0000-0000-000000000001".to_owned(),
        object_id: "22222222-0000-0000-0000-000000000002".to_owned(),
        credentials,
    };
    let policy = TenantPolicy::default();
    let decide = move || {
        let question = Question { client: &client, token: &token, policy: &policy, home: Home::default(), now: now() };
        evaluate(black_box(&question), Some(&keys)).grant().is_some()
    };
    (Box::new(decide), shown)
}

/// A role that binds audience and two claims, one of them by a pattern.
fn vault() -> (Decide, Shown) {
    use carnet_vault::trust::{CheckedConfig, CheckedRole, MethodConfig, Question, Role, evaluate};
    let shown = Shown::to("vault");
    let (token, keys) = (shown.token.clone(), shown.keys.clone());
    let config = MethodConfig {
        oidc_discovery_url: ISSUER.to_owned(),
        bound_issuer: ISSUER.to_owned(),
        ..MethodConfig::default()
    };
    let config = CheckedConfig::new(config).expect("a configuration");
    let role: Role = serde_json::from_value(json!({
        "role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vault"], "bound_claims_type": "glob",
        "bound_claims": { "repository": seed::REPOSITORY, "sub": "repo:carnet-sandbox/app:*" }, "token_policies": ["app"],
    }))
    .expect("the fields of a role");
    let role = CheckedRole::new("app", role).expect("a role");
    let decide = move || {
        let question = Question {
            config: Some(&config),
            role_name: "app",
            role: Some(&role),
            token: &token,
            peer: None,
            now: now(),
        };
        evaluate(black_box(&question), Some(&keys)).grant().is_some()
    };
    (Box::new(decide), shown)
}

/// A trusted publisher. Whoever asks has verified the token, so there is no signature in it.
fn oauth(matching: Matching) -> Decide {
    use carnet_oauth::trust::{Question, evaluate};
    let claims = Claims(claims("npm:registry.npmjs.org"));
    let members: BTreeMap<String, String> = seed::members("npm", Who::Job);
    let mut trust = seed::trust("npm", Who::Job).expect("npm takes jobs");
    trust.claims.insert("workflow_ref".to_owned(), vec![claims.str("workflow_ref").unwrap_or_default().to_owned()]);
    let manner = Manner {
        matching,
        order: [Check::Audience, Check::Subject, Check::Claims],
        leeway: SignedDuration::from_secs(30),
        expiry_needed: true,
        audience: Some("npm:registry.npmjs.org"),
    };
    Box::new(move || {
        let question = Question { claims: &claims, members: &members, trust: &trust, manner: &manner, now: now() };
        evaluate(black_box(&question)).grant().is_some()
    })
}

fn of(service: &str) -> (Decide, Option<Shown>) {
    let signed = |(decide, shown)| (decide, Some(shown));
    match service {
        "aws" => signed(aws()),
        "azure" => signed(azure()),
        "vault" => signed(vault()),
        "oauth, exact" => (oauth(Matching::Exact), None),
        "oauth, glob" => (oauth(Matching::Glob), None),
        _ => (oauth(Matching::Segments), None),
    }
}

const SERVICES: [&str; 6] = ["aws", "azure", "vault", "oauth, exact", "oauth, glob", "oauth, segments"];

fn ratios() {
    for service in SERVICES {
        let (decide, shown) = of(service);
        assert!(decide(), "it is the accepted case that is measured");
        let each = |work: &dyn Fn()| microseconds(EACH, || (0..EACH).for_each(|_| work()));
        let rows: Vec<(f64, f64)> = (0..ROUNDS)
            .map(|_| {
                let bare = shown.as_ref().map_or(0.0, |shown| each(&|| shown.verify()));
                (
                    each(&|| {
                        black_box(decide());
                    }),
                    bare,
                )
            })
            .collect();
        let all = median(rows.iter().map(|row| row.0).collect());
        let bare = median(rows.iter().map(|row| row.1).collect());
        // Pair by pair, so that both have seen the same machine.
        let beside = median(rows.iter().map(|(all, bare)| all - bare).collect());
        println!(
            "{service}: {beside:.2} µs beside the signature ({all:.2} µs with it, {bare:.2} µs the crypto library alone), \
             {:.2} of the limit of {LIMIT} µs",
            beside / LIMIT
        );
    }
}

/// With the signature, where there is one.
#[divan::bench(args = SERVICES)]
fn decide(bencher: Bencher<'_, '_>, service: &str) {
    let (decide, _) = of(service);
    bencher.bench_local(decide);
}

#[divan::bench]
fn bare_rs256_verify(bencher: Bencher<'_, '_>) {
    let shown = Shown::to("vault");
    bencher.bench_local(|| shown.verify());
}
