//! An authority without sockets: store, keys, issuer, entries, nodes and the router, on a clock that is moved by hand.

use std::{collections::BTreeSet, net::SocketAddr, path::Path, sync::Arc};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::ConnectInfo,
    http::Request,
};
use carnet_attest::{AttestConfig, Evidence, Kind, Registration, protocol::*};
use carnet_core::{Context, FixedClock, MemoryFiles, SystemRandom, test_context};
use carnet_entries::*;
use carnet_issuer::{Issuer, IssuerParts, IssuerSettings, RuleSet};
use carnet_jose::{Algorithm, SigningKey};
use carnet_keys::{KeyFile, KeyManager, KeyParts, KeySettings, Software};
use carnet_net::PeerCertificates;
use carnet_spiffe::{Bundle, BundleMap, Selector, SpiffeId, TrustDomain};
use carnet_store::{AuditRecord, Options, Store};
use carnet_x509::RequestProfile;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

pub(crate) struct World {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) files: Arc<MemoryFiles>,
    pub(crate) context: Context,
    pub(crate) entries: Arc<Entries>,
    pub(crate) nodes: Arc<Nodes>,
    pub(crate) router: Router,
    pub(crate) shutdown: CancellationToken,
    pub(crate) bundles: watch::Sender<Arc<BundleMap>>,
    pub(crate) issuer: Arc<Issuer>,
    keys: Arc<KeyManager>,
    parts: NodesParts,
}

/// An agent: its key's request, and the chain of its SVID.
#[derive(Clone, Debug)]
pub(crate) struct TestAgent {
    pub(crate) id: SpiffeId,
    pub(crate) chain: Vec<Vec<u8>>,
}

pub(crate) fn domain() -> TrustDomain {
    "example.org".parse().unwrap()
}

pub(crate) fn id(path: &str) -> SpiffeId {
    SpiffeId::new(&domain(), path).unwrap()
}

pub(crate) fn selectors(texts: &[&str]) -> BTreeSet<Selector> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

pub(crate) fn by() -> By {
    By { actor: "tester".to_owned(), peer: None, request_id: "r1".to_owned() }
}

/// A good entry, to be bent.
pub(crate) fn entry(spiffe_id: &str, parent: &SpiffeId, with: &[&str]) -> Registration {
    Registration {
        id: String::new(),
        spiffe_id: format!("spiffe://example.org{spiffe_id}").parse().unwrap(),
        parent_id: parent.clone(),
        selectors: selectors(with),
        x509_ttl: None,
        jwt_ttl: None,
        federates_with: BTreeSet::new(),
        dns_names: Vec::new(),
        hint: String::new(),
        admin: false,
        downstream: false,
        expires_at: None,
        jwt_claims: serde_json::Map::new(),
        include_jti: false,
        created_at: Timestamp::UNIX_EPOCH,
        revision: 0,
    }
}

pub(crate) fn request_for_certificate() -> Vec<u8> {
    let key = Arc::new(SigningKey::generate(Algorithm::Es256).unwrap());
    RequestProfile::default().sign(&key).unwrap()
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::over(carnet_store::open("sqlite::memory:", Options::default()).await.unwrap()).await
    }

    /// On a store that nothing is in yet.
    pub(crate) async fn over(store: Arc<dyn Store>) -> Self {
        let clock = Arc::new(FixedClock::at(test_context().now()));
        let files = Arc::new(MemoryFiles::default());
        let context = Context {
            clock: Arc::<FixedClock>::clone(&clock),
            random: Arc::new(SystemRandom),
            files: Arc::<MemoryFiles>::clone(&files),
            ..test_context()
        };
        let key_parts = KeyParts {
            store: Arc::clone(&store),
            context: context.clone(),
            sealer: Arc::new(KeyFile::new(&context, Path::new("/new.key"), true).unwrap()),
            backend: Arc::new(Software),
            upstream: None,
            settings: KeySettings::new(domain(), vec![Algorithm::Es256]),
        };
        let keys = KeyManager::open(key_parts).await.unwrap();
        let foreign: TrustDomain = "partner.example".parse().unwrap();
        let known = BundleMap::from_iter([Bundle::empty(foreign).shared()]);
        let bundles = watch::Sender::new(Arc::new(known));
        let issuer = Issuer::new(IssuerParts {
            issuer_url: "https://issuer.example.org".to_owned(),
            trust_domain: domain(),
            keys: keys.watch(),
            store: Arc::clone(&store),
            rules: watch::Sender::new(Arc::new(RuleSet::load(Vec::new()).unwrap())).subscribe(),
            bundles: bundles.subscribe(),
            context: context.clone(),
            settings: IssuerSettings::default(),
        });
        let issuer = Arc::new(issuer.unwrap());
        let mint: Arc<dyn Mint> = Arc::<Issuer>::clone(&issuer);
        let entries = Entries::open(EntriesParts {
            store: Arc::clone(&store),
            context: context.clone(),
            trust_domain: domain(),
            bundles: bundles.subscribe(),
        });
        let entries = entries.await.unwrap();
        let parts = NodesParts {
            store: Arc::clone(&store),
            context: context.clone(),
            trust_domain: domain(),
            mint: Arc::clone(&mint),
            attestors: Arc::new(AttestConfig::default().load(&context).unwrap()),
            agent_ttl: Some(SignedDuration::from_hours(1)),
        };
        let nodes = Nodes::open(parts.clone()).await.unwrap();
        let shutdown = CancellationToken::new();
        let router = node_router(NodeApi {
            entries: Arc::clone(&entries),
            nodes: Arc::clone(&nodes),
            mint,
            keys: keys.watch(),
            bundles: bundles.subscribe(),
            context: context.clone(),
            shutdown: shutdown.clone(),
        });
        Self { store, clock, files, context, entries, nodes, router, shutdown, bundles, issuer, keys, parts }
    }

    /// What another authority on the same store is made of.
    pub(crate) fn nodes_parts(&self) -> NodesParts {
        self.parts.clone()
    }

    pub(crate) fn entries_parts(&self) -> EntriesParts {
        EntriesParts {
            store: Arc::clone(&self.store),
            context: self.context.clone(),
            trust_domain: domain(),
            bundles: self.bundles.subscribe(),
        }
    }

    pub(crate) fn own_bundle(&self) -> Arc<Bundle> {
        self.keys.ring().bundle(&domain()).shared()
    }

    pub(crate) fn own_bundles(&self) -> BundleMap {
        BundleMap::from_iter([self.own_bundle()])
    }

    pub(crate) async fn token(&self, path: Option<&str>, with: &[&str]) -> JoinToken {
        let draft = JoinTokenDraft { agent_path: path.map(str::to_owned), ttl: None, selectors: selectors(with) };
        self.nodes.create_join_token(draft, &by()).await.unwrap()
    }

    /// An attempt with this token.
    pub(crate) async fn attempt(&self, token: &JoinToken) -> AttestRequest {
        let started = self.nodes.start(Kind::JoinToken).unwrap();
        self.files.put("/token", token.token.expose());
        let evidence: Evidence = serde_json::from_value(serde_json::json!({"join-token": {"file": "/token"}})).unwrap();
        let payload = evidence.gather(&started.nonce.0, &self.context).await.unwrap();
        let csr = request_for_certificate().into();
        AttestRequest { attempt: started.attempt, kind: Kind::JoinToken, payload, csr }
    }

    pub(crate) async fn agent(&self, path: &str, with: &[&str]) -> TestAgent {
        let token = self.token(Some(path), with).await;
        let request = self.attempt(&token).await;
        let (minted, _) = self.nodes.finish(request, &by()).await.unwrap();
        TestAgent { id: token.agent, chain: minted.chain }
    }

    pub(crate) async fn create(&self, entry: Registration) -> Arc<Owned> {
        self.entries.create(Draft::api(entry), &by()).await.unwrap()
    }

    /// Sends a request as this agent does, or as a stranger; status and body.
    pub(crate) async fn send(
        &self,
        agent: Option<&TestAgent>,
        method: &str,
        path: &str,
        body: Option<&impl serde::Serialize>,
    ) -> (u16, Value) {
        let body = body.map_or_else(Body::empty, |body| Body::from(serde_json::to_vec(body).unwrap()));
        let mut request = Request::builder().method(method).uri(path).body(body).unwrap();
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 4000))));
        if let Some(agent) = agent {
            request.extensions_mut().insert(PeerCertificates(Arc::new(agent.chain.clone())));
        }
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let bytes = to_bytes(response.into_body(), 16 << 20).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap())
    }

    pub(crate) async fn updates(&self, agent: &TestAgent, revision: u64, wait: u32) -> Updates {
        let path = format!("{}?revision={revision}&wait={wait}", paths::UPDATES);
        let (status, body) = self.send(Some(agent), "GET", &path, None::<&Value>).await;
        assert_eq!(status, 200, "{body}");
        serde_json::from_value(body).unwrap()
    }

    /// Actions in the audit log with their outcomes, the last ones first.
    pub(crate) async fn audit(&self) -> Vec<(String, &'static str)> {
        self.rows().await.into_iter().rev().map(|row| (row.action, row.outcome.as_str())).collect()
    }

    /// The audit log, the first row first.
    pub(crate) async fn rows(&self) -> Vec<AuditRecord> {
        let rows = self.store.audit(0, 10_000, carnet_store::AuditFilter::default()).await.unwrap();
        rows.into_iter().map(|row| row.record).collect()
    }
}

/// The code of a refusal.
pub(crate) fn code(body: &Value) -> &str {
    body.get("code").and_then(Value::as_str).unwrap_or_default()
}
