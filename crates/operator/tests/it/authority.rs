//! The admin API of a real authority over a store in memory, on a Unix socket.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use carnet_authority::{
    AdminAccess, Rules,
    admin::{AdminParts, router},
};
use carnet_core::{BoxFuture, Context, Error, NewFile, SystemClock, SystemFiles, SystemRandom, test_context};
use carnet_discovery::{Federation, FederationParts};
use carnet_entries::{By, Draft, Entries, EntriesParts, Mint, MintJwt, MintX509, Minted, MintedJwt, Nodes, NodesParts};
use carnet_jose::Algorithm;
use carnet_keys::{KeyFile, KeyManager, KeyParts, KeySettings, Software};
use carnet_net::{Limits, UnixSocket, serve_unix};
use carnet_ops::Health;
use carnet_spiffe::{BundleMap, TrustDomain};
use carnet_store::{AuditRecord, ObjectKind, Op, Options, Store};
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

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

/// The authority: what it keeps stays while its socket comes and goes.
pub(crate) struct Registry {
    pub(crate) entries: Arc<Entries>,
    store: Arc<dyn Store>,
    parts: AdminParts,
    socket: PathBuf,
    serving: std::sync::Mutex<Option<(CancellationToken, JoinHandle<()>)>>,
    told: watch::Sender<u64>,
}

impl Registry {
    /// The authority of a trust domain, with a folder of its own.
    pub(crate) async fn start(folder: &Path, domain: &str) -> Self {
        let domain: TrustDomain = domain.parse().unwrap();
        let rule_file = folder.join("rules.toml");
        carnet_core::replace_files(&[NewFile::new(&rule_file, "# nothing is allowed\n".to_owned())]).unwrap();
        let context = Context {
            files: Arc::new(SystemFiles),
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
            ..test_context()
        };
        let store = carnet_store::open("sqlite::memory:", Options::default()).await.unwrap();
        let keys = KeyManager::open(KeyParts {
            store: Arc::clone(&store),
            context: context.clone(),
            sealer: Arc::new(KeyFile::new(&context, folder.join("seal.key"), true).unwrap()),
            backend: Arc::new(Software),
            upstream: None,
            settings: KeySettings::new(domain.clone(), vec![Algorithm::Es256]),
        })
        .await
        .unwrap();
        let rules = Rules::open(vec![rule_file], Arc::clone(&store), context.clone(), domain.clone()).await.unwrap();
        let (_, relationships) = watch::channel(Arc::new(Vec::new()));
        let federation = Federation::new(FederationParts {
            context: context.clone(),
            network: carnet_net::Settings::default(),
            relationships,
            known: BundleMap::default(),
            own: None,
            keep: None,
        });
        let entries = Entries::open(EntriesParts {
            store: Arc::clone(&store),
            context: context.clone(),
            trust_domain: domain.clone(),
            bundles: federation.watch(),
        })
        .await
        .unwrap();
        let nodes = Nodes::open(NodesParts {
            store: Arc::clone(&store),
            context: context.clone(),
            trust_domain: domain.clone(),
            mint: Arc::new(NoMint),
            attestors: Arc::new(carnet_attest::AttestConfig::default().load(&context).unwrap()),
            agent_ttl: None,
        })
        .await
        .unwrap();
        let socket = folder.join("admin.sock");
        let parts = AdminParts {
            store: Arc::clone(&store),
            store_kind: "sqlite".to_owned(),
            keys,
            entries: Arc::clone(&entries),
            nodes,
            rules,
            federation,
            trust_domain: domain.clone(),
            issuer_url: "https://authority.example".to_owned(),
            access: AdminAccess { socket: socket.clone(), uids: Vec::new(), ids: Vec::new() },
            own_uid: rustix::process::geteuid().as_raw(),
            context,
            health: Health::new(),
        };
        let told = watch::Sender::new(0);
        let registry = Self { entries, store, parts, socket, serving: std::sync::Mutex::default(), told };
        registry.follow();
        registry.serve();
        registry
    }

    /// Tells of whatever changes.
    fn follow(&self) {
        let (mut changes, told) = (self.store.changes(), self.told.clone());
        tokio::spawn(async move {
            while changes.changed().await.is_ok() {
                told.send_modify(|count| *count += 1);
            }
        });
    }

    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.told.subscribe()
    }

    /// Listens.
    pub(crate) fn serve(&self) {
        let stop = CancellationToken::new();
        let listener = UnixSocket::bind(&self.socket, 0o600).unwrap();
        let task = tokio::spawn(serve_unix(listener, router(self.parts.clone()), Limits::default(), stop.clone()));
        *self.serving.lock().unwrap() = Some((stop, task));
    }

    /// Goes away.
    pub(crate) async fn leave(&self) {
        let serving = self.serving.lock().unwrap().take();
        let (stop, task) = serving.unwrap();
        stop.cancel();
        task.await.unwrap();
    }

    /// The identities of all entries that there are.
    pub(crate) fn ids(&self) -> Vec<String> {
        let all = self.entries.list(&carnet_entries::Filter::default(), None, 1000);
        let mut ids: Vec<String> = all.iter().map(|owned| owned.entry.spiffe_id.to_string()).collect();
        ids.sort();
        ids
    }

    /// Makes an entry as somebody else would.
    pub(crate) async fn put(&self, entry: serde_json::Value) {
        let entry: carnet_entries::FileEntry = serde_json::from_value(entry).unwrap();
        self.entries.create(Draft::api(entry.into()), &By::itself("test")).await.unwrap();
    }

    /// The keys of all entries that there are.
    pub(crate) fn keys(&self) -> Vec<String> {
        let all = self.entries.list(&carnet_entries::Filter::default(), None, 1000);
        all.iter().map(|owned| owned.entry.id.clone()).collect()
    }

    /// The names of all rules of the store.
    pub(crate) async fn rules(&self) -> Vec<String> {
        let all = self.store.objects(ObjectKind::Rule).await.unwrap();
        all.into_iter().map(|object| object.name).collect()
    }
}
