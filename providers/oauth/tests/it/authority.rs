//! An authority on loopback: store in memory, keys of its own, one trusted issuer whose keys are pinned.

use std::{sync::Arc, time::Duration};

use carnet_core::{Context, Credential, MemoryFiles, SystemRandom, test_context};
use carnet_issuer::{Issuer, IssuerParts, IssuerSettings, Rule, RuleSet, TrustedIssuer};
use carnet_jose::{Algorithm, KeySet, Rules, SigningKey, SubjectToken, UnverifiedJwt, encode_jwt, verify_jwt};
use carnet_keys::{KeyFile, KeyManager, KeyParts, KeySettings, Software};
use carnet_net::{Client, Settings};
use carnet_spiffe::{BundleMap, TrustDomain};
use carnet_store::Options;
use jiff::SignedDuration;
use serde_json::{Map, Value, json};
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::{CancellationToken, DropGuard};

pub(crate) const AUDIENCE: &str = "https://audience.example";
pub(crate) const ID: &str = "spiffe://example.org/ci/app";
const ISSUER: &str = "https://issuer.example";

pub(crate) struct Authority {
    pub(crate) url: String,
    /// What the exchanges see of the world: the clock of the authority, and a client that follows nothing.
    pub(crate) context: Context,
    keys: Arc<KeyManager>,
    issuer_key: SigningKey,
    _rules: watch::Sender<Arc<RuleSet>>,
    _bundles: watch::Sender<Arc<BundleMap>>,
    _shutdown: DropGuard,
}

impl Authority {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let domain: TrustDomain = "example.org".parse().unwrap();
        let context = Context {
            http: Arc::new(Client::new(Settings::default())),
            files: Arc::new(MemoryFiles::default()),
            random: Arc::new(SystemRandom),
            ..test_context()
        };
        let store = carnet_store::open("sqlite::memory:", Options::default()).await.unwrap();
        let keys = KeyManager::open(KeyParts {
            store: Arc::clone(&store),
            context: context.clone(),
            sealer: Arc::new(KeyFile::new(&context, "/seal.key", true).unwrap()),
            backend: Arc::new(Software),
            upstream: None,
            settings: KeySettings::new(domain.clone(), vec![Algorithm::Es256]),
        })
        .await
        .unwrap();
        let issuer_key = SigningKey::generate(Algorithm::Es256).unwrap().with_kid("issuer-1");
        let rules = RuleSet::load_with(rules(&url), &[trusted(&issuer_key)], Some(&domain)).unwrap();
        let rules = watch::Sender::new(Arc::new(rules));
        let bundles = watch::Sender::new(Arc::new(BundleMap::default()));
        let issuer = Issuer::new(IssuerParts {
            issuer_url: url.clone(),
            trust_domain: domain,
            keys: keys.watch(),
            store,
            rules: rules.subscribe(),
            bundles: bundles.subscribe(),
            context: context.clone(),
            settings: IssuerSettings::default(),
        });
        let shutdown = CancellationToken::new();
        let issuer = Arc::new(issuer.unwrap());
        let (paths, own, clock) = (issuer.metadata_paths(), Arc::clone(&issuer), Arc::clone(&context.clock));
        let metadata = carnet_discovery::document_router(&paths, move || own.metadata(), Duration::from_mins(1), clock);
        let router = metadata.merge(issuer.router());
        tokio::spawn(carnet_net::serve(listener, router, None, shutdown.clone()));
        Self { url, context, keys, issuer_key, _rules: rules, _bundles: bundles, _shutdown: shutdown.drop_guard() }
    }

    /// A token of the trusted issuer for this authority.
    pub(crate) fn subject(&self, branch: &str) -> Credential {
        let now = self.context.now().as_second();
        let claims = json!({"iss": ISSUER, "sub": format!("repo:org/app:{branch}"), "aud": self.url, "iat": now,
            "exp": now + 300, "jti": branch});
        let token = encode_jwt(&self.issuer_key, &Map::new(), claims.as_object().unwrap()).unwrap();
        SubjectToken::parse(token).unwrap().into_credential()
    }

    /// Whether this authority has signed the token, for this audience.
    pub(crate) fn verifies(&self, token: &str, audience: &str) -> bool {
        let keys = self.keys.ring().published().iter().map(|key| json!(key.jwk)).collect::<Vec<Value>>();
        let keys = KeySet::from_json(json!({ "keys": keys }).to_string().as_bytes()).unwrap();
        let rules = Rules {
            issuer: Some(&self.url),
            audiences: Some(&[audience]),
            algorithms: &[Algorithm::Es256],
            leeway: SignedDuration::ZERO,
            require_expiry: true,
            max_lifetime: None,
            types: &["JWT", "at+jwt"],
        };
        let token = UnverifiedJwt::parse(token).unwrap();
        verify_jwt(&token, &keys, &rules, self.context.now()).is_ok()
    }

    /// The certificates that what it signs leads to.
    pub(crate) fn roots(&self) -> Vec<Vec<u8>> {
        self.keys.ring().x509_roots().to_vec()
    }
}

fn trusted(key: &SigningKey) -> TrustedIssuer {
    TrustedIssuer {
        issuer: ISSUER.to_owned(),
        jwks: Some(json!({"keys": [key.public_jwk()]})),
        ..TrustedIssuer::default()
    }
}

fn rules(url: &str) -> Vec<Rule> {
    let rules = json!([
        {"name": "ci", "issuer": ISSUER, "subject": "repo:org/app:main", "identity": "/ci/app",
            "issue": ["access-token", "jwt-svid", "x509-svid"], "audiences": [AUDIENCE, url], "scopes": ["read", "write"]},
        {"name": "svid", "issuer": "spiffe://example.org", "subject": ID, "identity": "{sub}",
            "issue": ["jwt-svid"], "audiences": [AUDIENCE]},
    ]);
    serde_json::from_value(rules).unwrap()
}
