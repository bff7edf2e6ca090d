//! An authority's parts over a store in memory, and its admin API on a Unix socket.

use std::sync::Arc;

use axum::{Router, body::Body, extract::Request};
use carnet_attest::Attestors;
use carnet_authority::{
    AdminAccess, Rules,
    admin::{AdminParts, router},
};
use carnet_core::{
    BoxFuture, Context, Error, Files, FixedClock, FixedRandom, HttpSend as _, NewFile, Request as Call, Secret,
    SystemFiles, test_context,
};
use carnet_discovery::{Federation, FederationParts};
use carnet_entries::{By, Entries, EntriesParts, Mint, MintJwt, MintX509, Minted, MintedJwt, Nodes, NodesParts};
use carnet_issuer::{Caller, Issuer, IssuerParts, IssuerSettings, JwtSvidRequest, X509SvidRequest};
use carnet_jose::{Algorithm, SigningKey};
use carnet_keys::{KeyFile, KeyManager, KeyParts, KeySettings, Software};
use carnet_net::{Client, Limits, Peer, UnixSocket, serve_unix};
use carnet_ops::Health;
use carnet_spiffe::{BundleMap, TrustDomain};
use carnet_store::{AuditFilter, AuditRecord, AuditRow, NodeRow, Op, Options, Store};
use carnet_x509::RequestProfile;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};
use tower::ServiceExt as _;

pub(crate) const AUTHORITY: &str = "https://authority.example";
pub(crate) const ADMIN_ID: &str = "spiffe://example.org/ops/listed";

/// Nothing is issued for agents here.
#[derive(Debug)]
struct NoMint;

impl Mint for NoMint {
    fn x509(&self, _wanted: Vec<MintX509>, _by: By) -> BoxFuture<'_, Result<Vec<Minted>, Error>> {
        Box::pin(async { Err(Error::refused("nothing is issued here")) })
    }

    fn sign_x509(&self, _wanted: MintX509, _by: By) -> BoxFuture<'_, Result<(Minted, AuditRecord), Error>> {
        Box::pin(async { Err(Error::refused("nothing is issued here")) })
    }

    fn refused(&self, _record: AuditRecord, _ops: Vec<Op>) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }

    fn jwt(&self, wanted: Vec<MintJwt>, _by: By) -> BoxFuture<'_, Vec<Result<MintedJwt, Error>>> {
        Box::pin(async move { wanted.iter().map(|_| Err(Error::refused("nothing is issued here"))).collect() })
    }
}

pub(crate) struct World {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) rules: Arc<Rules>,
    pub(crate) issuer: Issuer,
    pub(crate) health: Health,
    pub(crate) router: Router,
    client: Client,
    folder: tempfile::TempDir,
    _stop: DropGuard,
}

/// An answer: status, body, `ETag`.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) etag: Option<String>,
}

impl Answer {
    /// What went wrong.
    pub(crate) fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }
}

pub(crate) fn domain() -> TrustDomain {
    "example.org".parse().unwrap()
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with_rules("# nothing is allowed\n").await
    }

    /// With these rules in a file of the authority.
    pub(crate) async fn with_rules(text: &str) -> Self {
        Self::with_files(text, Arc::new(SystemFiles)).await
    }

    /// With these rules in a file of the authority, which it reads through these files.
    pub(crate) async fn with_files(text: &str, files: Arc<dyn Files>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let rule_file = folder.path().join("rules.toml");
        carnet_core::replace_files(&[NewFile::new(&rule_file, text)]).unwrap();
        let clock = Arc::new(FixedClock::at(Timestamp::from_second(1_795_262_400).unwrap()));
        let random = Arc::new(FixedRandom::default());
        let context = Context { clock: Arc::<FixedClock>::clone(&clock), random, files, ..test_context() };
        let store = carnet_store::open("sqlite::memory:", Options::default()).await.unwrap();
        let keys = KeyManager::open(KeyParts {
            store: Arc::clone(&store),
            context: context.clone(),
            sealer: Arc::new(KeyFile::new(&context, folder.path().join("seal.key"), true).unwrap()),
            backend: Arc::new(Software),
            upstream: None,
            settings: KeySettings::new(domain(), vec![Algorithm::Es256]),
        })
        .await
        .unwrap();
        let rules = Rules::open(vec![rule_file], Arc::clone(&store), context.clone(), domain()).await.unwrap();
        let (_, relationships) = watch::channel(Arc::new(Vec::new()));
        let federation = Federation::new(FederationParts {
            context: context.clone(),
            network: carnet_net::Settings::default(),
            relationships,
            known: BundleMap::default(),
            own: None,
            keep: None,
        });
        let issuer = Issuer::new(IssuerParts {
            issuer_url: AUTHORITY.to_owned(),
            trust_domain: domain(),
            keys: keys.watch(),
            store: Arc::clone(&store),
            rules: rules.watch(),
            bundles: federation.watch(),
            context: context.clone(),
            settings: IssuerSettings::default(),
        })
        .unwrap();
        let entries = Entries::open(EntriesParts {
            store: Arc::clone(&store),
            context: context.clone(),
            trust_domain: domain(),
            bundles: federation.watch(),
        })
        .await
        .unwrap();
        let attestors: Attestors = carnet_attest::AttestConfig::default().load(&context).unwrap();
        let nodes = Nodes::open(NodesParts {
            store: Arc::clone(&store),
            context: context.clone(),
            trust_domain: domain(),
            mint: Arc::new(NoMint),
            attestors: Arc::new(attestors),
            agent_ttl: None,
        })
        .await
        .unwrap();
        let socket = folder.path().join("admin.sock");
        let health = Health::new();
        let router = router(AdminParts {
            store: Arc::clone(&store),
            store_kind: "sqlite".to_owned(),
            keys,
            entries,
            nodes,
            rules: Arc::clone(&rules),
            federation,
            trust_domain: domain(),
            issuer_url: AUTHORITY.to_owned(),
            access: AdminAccess { socket: socket.clone(), uids: vec![4711], ids: vec![ADMIN_ID.parse().unwrap()] },
            own_uid: rustix::process::geteuid().as_raw(),
            context,
            health: health.clone(),
        });
        let shutdown = CancellationToken::new();
        let listener = UnixSocket::bind(&socket, 0o600).unwrap();
        tokio::spawn(serve_unix(listener, router.clone(), Limits::default(), shutdown.clone()));
        let (following, component) = (Arc::clone(&rules), health.component("rules"));
        let stop = shutdown.clone();
        tokio::spawn(async move { following.run(component, stop).await });
        let client = Client::unix(&socket);
        Self { store, clock, rules, issuer, health, router, client, folder, _stop: shutdown.drop_guard() }
    }

    /// A path in the folder of this world.
    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Over the socket, as the user of the tests.
    pub(crate) async fn call(&self, method: &str, path: &str, body: Option<Value>, headers: &[(&str, &str)]) -> Answer {
        let mut request = Call::new(method.parse().unwrap(), format!("http://localhost{path}").parse().unwrap());
        if let Some(body) = body {
            request = request.header(http::header::CONTENT_TYPE, "application/json".parse().unwrap());
            request = request.body(body.to_string());
        }
        for (name, value) in headers {
            request = request.header(name.parse().unwrap(), value.parse().unwrap());
        }
        let response = self.client.send(request).await.unwrap();
        let body = serde_json::from_slice(response.body.expose()).unwrap_or_else(|_| json!(response.text()));
        let etag = response.header("etag").map(ToOwned::to_owned);
        Answer { status: response.status.as_u16(), body, etag }
    }

    /// How many lines an export has, and from where it says to go on.
    pub(crate) async fn export(&self, query: &str) -> (usize, Option<String>) {
        let url = format!("http://localhost/v1/audit/export?{query}").parse().unwrap();
        let request = Call::new(http::Method::GET, url).max_response(64 << 20);
        let response = self.client.send(request).await.unwrap();
        assert_eq!(response.status, 200);
        let next = response.header("carnet-next-after").map(ToOwned::to_owned);
        (response.text().unwrap().lines().count(), next)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, None, &[]).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.call("POST", path, Some(body), &[]).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.call("PUT", path, Some(body), &[]).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.call("DELETE", path, None, &[]).await
    }

    /// `GET /v1/info` with these extensions and headers, past the socket: for callers that the tests cannot be.
    pub(crate) async fn as_caller(&self, prepare: impl FnOnce(&mut Request)) -> Answer {
        let mut request = Request::get("/v1/info").body(Body::empty()).unwrap();
        prepare(&mut request);
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        Answer { status, body: serde_json::from_slice(&bytes).unwrap(), etag: None }
    }

    pub(crate) async fn as_user(&self, uid: u32) -> Answer {
        let peer = Peer { pid: Some(7), uid, gid: uid, pidfd: None, pidfd_is_peer: false };
        self.as_caller(|request| drop(request.extensions_mut().insert(peer))).await
    }

    pub(crate) async fn with_token(&self, token: &str) -> Answer {
        let value = format!("Bearer {token}").parse().unwrap();
        self.as_caller(|request| drop(request.headers_mut().insert("authorization", value))).await
    }

    /// All rows of the audit log.
    pub(crate) async fn audit(&self) -> Vec<AuditRow> {
        self.store.audit(0, 1000, AuditFilter::default()).await.unwrap()
    }

    /// The last row.
    pub(crate) async fn last(&self) -> AuditRow {
        self.audit().await.pop().unwrap()
    }

    /// An X509-SVID with its key.
    pub(crate) async fn svid(&self, id: &str) -> (Vec<Vec<u8>>, Arc<SigningKey>) {
        let key = Arc::new(SigningKey::generate(Algorithm::Es256).unwrap());
        let csr = RequestProfile { uri: vec![id.to_owned()], ..RequestProfile::default() }.sign(&key).unwrap();
        let request = X509SvidRequest {
            spiffe_id: id.parse().unwrap(),
            csr,
            dns_names: Vec::new(),
            ttl: None,
            entry_id: None,
            actor: "test".to_owned(),
            caller: Caller::at("test"),
        };
        (self.issuer.x509_svid(request).await.unwrap().chain, key)
    }

    /// A JWT-SVID for the authority.
    pub(crate) async fn jwt_svid(&self, id: &str) -> Secret {
        let request = JwtSvidRequest {
            spiffe_id: id.parse().unwrap(),
            audiences: vec![AUTHORITY.to_owned()],
            ttl: None,
            claims: serde_json::Map::new(),
            include_jti: true,
            entry_id: None,
            actor: "test".to_owned(),
            caller: Caller::at("test"),
        };
        self.issuer.jwt_svid(request).await.unwrap().token
    }

    /// Puts a rule and waits until it counts.
    pub(crate) async fn rule(&self, rule: Value) {
        let mut counts = self.rules.watch();
        counts.mark_unchanged();
        let name = rule["name"].as_str().unwrap().to_owned();
        let answer = self.put(&format!("/v1/rules/{name}"), rule).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        counts.changed().await.unwrap();
    }

    /// A node that was attested some time ago.
    pub(crate) async fn node(&self, id: &str) {
        let now = Timestamp::from_second(1_795_262_400).unwrap();
        let row = NodeRow {
            id: id.to_owned(),
            kind: "join-token".to_owned(),
            selectors: vec!["join-token:name:web".to_owned()],
            serial: "01".to_owned(),
            expires_at: now,
            banned: false,
            reattestable: false,
            attested_at: now,
            revision: 0,
        };
        let audit = AuditRecord::new(now, "node.attest", carnet_store::Outcome::Allowed);
        let commit = carnet_store::Commit { ops: vec![Op::PutNode(row)], audit, refused: None };
        let done = self.store.commit(commit).await.unwrap();
        assert!(matches!(done, carnet_store::Committed::Done { .. }));
    }
}

/// A name as one segment of a path.
pub(crate) fn segment(name: &str) -> String {
    let mut url: url::Url = "http://localhost/".parse().unwrap();
    url.path_segments_mut().unwrap().pop_if_empty().push(name);
    url.path().trim_start_matches('/').to_owned()
}

/// An entry as it is asked for.
pub(crate) fn entry(path: &str) -> Value {
    json!({
        "spiffe_id": format!("spiffe://example.org{path}"),
        "parent_id": "spiffe://example.org/carnet/agent/join-token/web",
        "selectors": ["unix:uid:1000"],
    })
}

/// A rule that lets one workload of the own trust domain administer.
pub(crate) fn admin_rule() -> Value {
    json!({
        "name": "operators",
        "issuer": "spiffe://example.org",
        "subject": "spiffe://example.org/ops/alice",
        "identity": "{sub}",
        "issue": ["access-token"],
        "audiences": [AUTHORITY],
        "scopes": ["carnet:admin", "other"],
    })
}
