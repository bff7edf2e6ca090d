//! An authority that a test decides about, an agent before it, and clients.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use carnet_agent::{
    Agent, AgentIdentity, AgentParts, Caller, Names, Phase, Processes, Settings, Unix, Upstream, UpstreamError,
    WorkloadAttestor,
};
use carnet_attest::{
    Registration,
    protocol::{
        AgentSvid, Base64, IssuedJwt, IssuedX509, JwtAnswer, JwtRequest, Refusal, RefusalCode, State, Updates,
        UpdatesQuery, X509Answer, X509Request, agent_id,
    },
};
use carnet_core::{BoxFuture, Context, Error, FixedClock, SystemFiles, SystemRandom, test_context};
use carnet_grpc::{SECURITY_HEADER, WorkloadApi, tonic};
use carnet_jose::{Algorithm, SigningKey, encode_jwt};
use carnet_renew::Backoff;
use carnet_spiffe::{Bundle, Selector, SpiffeId, TrustDomain, authority_profile, svid_profile};
use carnet_x509::Authority;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio::sync::{Semaphore, watch};
use tonic::{
    Request,
    metadata::MetadataValue,
    transport::{Channel, Endpoint},
};

use crate::mood::Mood;

pub(crate) fn domain() -> TrustDomain {
    "example.org".parse().unwrap()
}

/// The keys of a trust domain.
#[derive(Debug)]
pub(crate) struct Keys {
    pub(crate) root: Authority,
    pub(crate) jwt: SigningKey,
    pub(crate) bundle: Bundle,
}

impl Keys {
    pub(crate) fn of(domain: &TrustDomain, now: Timestamp) -> Self {
        let key = Arc::new(SigningKey::generate(Algorithm::Es256).unwrap());
        let (from, to) = (now - SignedDuration::from_hours(1), now + SignedDuration::from_hours(999));
        let profile = authority_profile(domain, vec![("O", "Test".into())], None, from, to);
        let root = Authority::self_signed(&profile, key).unwrap();
        let kid = format!("{domain}-1");
        let jwt = SigningKey::generate(Algorithm::Es256).unwrap().with_kid(&kid);
        let bundle = Bundle {
            x509_authorities: vec![root.certificate().to_vec()],
            jwt_authorities: [(kid, jwt.public_key().unwrap())].into_iter().collect(),
            ..Bundle::empty(domain.clone())
        };
        Self { root, jwt, bundle }
    }

    pub(crate) fn token(&self, claims: &Value) -> String {
        let claims = claims.as_object().unwrap().clone();
        encode_jwt(&self.jwt, &Map::new(), &claims).unwrap().expose().to_owned()
    }
}

/// An authority in this process.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) keys: Keys,
    mood: Mutex<Mood>,
    revision: watch::Sender<u64>,
    pub(crate) attested: AtomicUsize,
    pub(crate) renewed: AtomicUsize,
    pub(crate) signed: AtomicUsize,
    pub(crate) jwts: AtomicUsize,
    pub(crate) largest_batch: AtomicUsize,
    pub(crate) largest_jwt_batch: AtomicUsize,
    /// Calls for SVIDs that are answered at once; more wait. They are answered as the mood is then.
    pub(crate) gate: Semaphore,
    number: AtomicUsize,
}

impl Desk {
    pub(crate) fn new() -> Arc<Self> {
        let now = test_context().now();
        let keys = Keys::of(&domain(), now);
        let bundles = [keys.bundle.clone().shared()].into_iter().collect();
        Arc::new(Self {
            clock: Arc::new(FixedClock::at(now)),
            mood: Mutex::new(Mood::new(bundles)),
            keys,
            revision: watch::Sender::new(1),
            attested: AtomicUsize::new(0),
            renewed: AtomicUsize::new(0),
            signed: AtomicUsize::new(0),
            jwts: AtomicUsize::new(0),
            largest_batch: AtomicUsize::new(0),
            largest_jwt_batch: AtomicUsize::new(0),
            gate: Semaphore::new(100),
            number: AtomicUsize::new(0),
        })
    }

    /// Changes what the agent is told, and tells it.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Mood)) {
        self.quietly(change);
        self.revision.send_modify(|revision| *revision += 1);
    }

    /// Changes how calls are answered, which nobody is told.
    pub(crate) fn quietly(&self, change: impl FnOnce(&mut Mood)) {
        change(&mut self.mood.lock().unwrap());
    }

    pub(crate) fn now(&self) -> Timestamp {
        carnet_core::Clock::now(self.clock.as_ref())
    }

    fn admit(&self) -> Result<(), UpstreamError> {
        let mood = self.mood.lock().unwrap();
        match mood.refuse {
            _ if mood.away => Err(Error::unreachable("connect to the authority: as the test says").into()),
            Some(code) => Err(UpstreamError::Refused(Refusal::new(code, "as the test says"))),
            None => Ok(()),
        }
    }

    fn certificate(&self, id: &SpiffeId, dns: &[String], csr: &[u8]) -> (Vec<Base64>, Timestamp) {
        let (life, other, now) = {
            let mood = self.mood.lock().unwrap();
            (mood.x509_life, mood.root.clone(), self.now() + mood.ahead)
        };
        let end = now + life;
        let leaf = other.as_deref().unwrap_or(&self.keys.root).sign_csr(csr, &svid_profile(id, dns, now, end)).unwrap();
        (vec![leaf.into()], end)
    }

    fn agent(&self, csr: &[u8]) -> AgentSvid {
        let id = agent_id(&domain(), "join-token/web-1").unwrap();
        let (svid, expires_at) = self.certificate(&id, &[], csr);
        let mood = self.mood.lock().unwrap();
        let bundle = mood.bundles.get(&domain()).unwrap().to_json().unwrap();
        AgentSvid { svid, expires_at, reattestable: mood.reattestable, bundle }
    }

    /// As this authority knows it.
    fn entry(&self, id: &str) -> Option<Registration> {
        let mood = self.mood.lock().unwrap();
        let entry = mood.entries.iter().find(|entry| entry.id == id)?;
        Some(Registration { revision: entry.revision - u64::from(mood.lags), ..entry.clone() })
    }

    fn token(&self, request: &JwtRequest) -> JwtAnswer {
        let Some(entry) = self.entry(&request.entry_id).and_then(|entry| entry.resolve(&request.selectors).ok()) else {
            return JwtAnswer::Refused(Refusal::new(RefusalCode::NotAuthorized, "no such entry"));
        };
        if ["one", "other"].iter().all(|kind| request.audiences.iter().any(|audience| audience == kind)) {
            let message = "the audiences \"one\" and \"other\" take different algorithms";
            return JwtAnswer::Refused(Refusal::new(RefusalCode::Invalid, message));
        }
        let (life, ahead, none) = {
            let mood = self.mood.lock().unwrap();
            (mood.jwt_life, mood.ahead, mood.none)
        };
        if let Some(code) = none {
            return JwtAnswer::Refused(Refusal::new(code, "as the test says"));
        }
        let (now, number) = (self.now() + ahead, self.number.fetch_add(1, Ordering::SeqCst));
        let (sub, exp) = (entry.spiffe_id, (now + life).as_second());
        let claims =
            json!({ "sub": sub, "aud": request.audiences, "exp": exp, "iat": now.as_second(), "number": number });
        let token = self.keys.token(&claims).into();
        JwtAnswer::Issued(IssuedJwt { token, issued_at: now, expires_at: now + life, revision: entry.revision })
    }

    fn mint(&self, request: &X509Request) -> X509Answer {
        let Some(entry) = self.entry(&request.entry_id).and_then(|entry| entry.resolve(&request.selectors).ok()) else {
            return X509Answer::Refused(Refusal::new(RefusalCode::NotAuthorized, "no such entry"));
        };
        let none = self.mood.lock().unwrap().none;
        if let Some(code) = none {
            return X509Answer::Refused(Refusal::new(code, "as the test says"));
        }
        let (svid, expires_at) = self.certificate(&entry.spiffe_id, &entry.dns_names, &request.csr.0);
        X509Answer::Issued(IssuedX509 { svid, expires_at, revision: entry.revision })
    }
}

impl Upstream for Desk {
    fn attest(&self, csr: Vec<u8>) -> BoxFuture<'_, Result<AgentSvid, UpstreamError>> {
        Box::pin(async move {
            self.admit()?;
            self.attested.fetch_add(1, Ordering::SeqCst);
            Ok(self.agent(&csr))
        })
    }

    fn renew(&self, csr: Vec<u8>) -> BoxFuture<'_, Result<AgentSvid, UpstreamError>> {
        Box::pin(async move {
            self.admit()?;
            self.renewed.fetch_add(1, Ordering::SeqCst);
            Ok(self.agent(&csr))
        })
    }

    fn updates(&self, query: UpdatesQuery) -> BoxFuture<'_, Result<Updates, UpstreamError>> {
        Box::pin(async move {
            self.admit()?;
            let mut revisions = self.revision.subscribe();
            let revision = *revisions.wait_for(|revision| *revision != query.revision).await.unwrap();
            self.admit()?;
            let mood = self.mood.lock().unwrap();
            let state = State {
                entries: mood.entries.clone(),
                bundles: mood.bundles.to_json().unwrap(),
                tainted: mood.tainted.clone(),
            };
            Ok(Updates { revision, state: Some(state) })
        })
    }

    fn x509(&self, requests: Vec<X509Request>) -> BoxFuture<'_, Result<Vec<X509Answer>, UpstreamError>> {
        Box::pin(async move {
            self.admit()?;
            if std::mem::take(&mut self.mood.lock().unwrap().stale) {
                return Err(UpstreamError::Refused(Refusal::new(RefusalCode::MustAttest, "it has been replaced")));
            }
            self.signed.fetch_add(requests.len(), Ordering::SeqCst);
            self.largest_batch.fetch_max(requests.len(), Ordering::SeqCst);
            let _open = self.gate.acquire().await.unwrap();
            Ok(requests.iter().map(|request| self.mint(request)).collect())
        })
    }

    fn jwt(&self, requests: Vec<JwtRequest>) -> BoxFuture<'_, Result<Vec<JwtAnswer>, UpstreamError>> {
        Box::pin(async move {
            self.admit()?;
            self.jwts.fetch_add(requests.len(), Ordering::SeqCst);
            self.largest_jwt_batch.fetch_max(requests.len(), Ordering::SeqCst);
            // Others that ask for the same meanwhile find it under way.
            tokio::task::yield_now().await;
            let _open = self.gate.acquire().await.unwrap();
            Ok(requests.iter().map(|request| self.token(request)).collect())
        })
    }

    fn assume(&self, _: &AgentIdentity, _: &Arc<Bundle>) -> Result<(), Error> {
        Ok(())
    }
}

/// An attestor that says what a test has told it.
#[derive(Debug, Default)]
pub(crate) struct Told(pub(crate) Mutex<Vec<Selector>>);

impl WorkloadAttestor for Told {
    fn name(&self) -> &'static str {
        "told"
    }

    fn attest<'a>(&'a self, _: &'a Caller) -> BoxFuture<'a, Result<Vec<Selector>, Error>> {
        let told = self.0.lock().unwrap().clone();
        Box::pin(async move { Ok(told) })
    }
}

/// An agent on a socket in a folder of its own.
pub(crate) struct Node {
    pub(crate) agent: Agent,
    pub(crate) folder: TempDir,
    pub(crate) told: Arc<Told>,
}

pub(crate) fn context(desk: &Desk) -> Context {
    let clock = Arc::clone(&desk.clock);
    Context { clock, random: Arc::new(SystemRandom), files: Arc::new(SystemFiles), ..test_context() }
}

pub(crate) fn settings(folder: &std::path::Path) -> Settings {
    let quick = Backoff { first: Duration::from_millis(1), cap: Duration::from_millis(5) };
    Settings {
        state_directory: Some(folder.to_owned()),
        backoff: quick,
        ..Settings::new(domain(), folder.join("api.sock"))
    }
}

impl Node {
    pub(crate) fn start(desk: &Arc<Desk>) -> Self {
        Self::start_with(desk, |_| ())
    }

    pub(crate) fn start_with(desk: &Arc<Desk>, change: impl FnOnce(&mut Settings)) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), desk, change)
    }

    pub(crate) fn start_in(folder: TempDir, desk: &Arc<Desk>, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = settings(folder.path());
        change(&mut settings);
        let told = Arc::new(Told(Mutex::new(selectors(&["told:app:api"]))));
        let unix = Unix::new(Names::of_this_machine(), carnet_agent::Executables::Path);
        let attestors: Vec<Arc<dyn WorkloadAttestor>> = vec![Arc::new(unix), Arc::clone(&told) as _];
        let agent = Agent::start(AgentParts {
            upstream: Arc::clone(desk) as _,
            attestors,
            processes: Processes::of_this_machine(),
            context: context(desk),
            settings,
        });
        Self { agent: agent.unwrap(), folder, told }
    }

    pub(crate) async fn serving(desk: &Arc<Desk>) -> Self {
        let node = Self::start(desk);
        node.agent.reach(Phase::Serving).await.unwrap();
        node
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("api.sock")
    }

    pub(crate) async fn api(&self) -> WorkloadApi {
        WorkloadApi::connect(&format!("unix://{}", self.path().display())).await.unwrap()
    }

    /// A connection without anything that a client of the Workload API does.
    pub(crate) async fn channel(&self) -> Channel {
        let endpoint = Endpoint::from_shared(format!("unix://{}", self.path().display())).unwrap();
        endpoint.connect().await.unwrap()
    }
}

/// Waits until something is so, and fails when it never is.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait).await.unwrap_or_else(|_| panic!("never: {what}"));
}

pub(crate) fn request<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert(SECURITY_HEADER, MetadataValue::from_static("true"));
    request
}

pub(crate) fn selectors(texts: &[&str]) -> Vec<Selector> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// An entry of this age in seconds for processes that the test tells are `told:app:api`.
pub(crate) fn entry(id: &str, age: i64) -> Registration {
    Registration {
        id: id.into(),
        spiffe_id: format!("spiffe://example.org/{id}").parse().unwrap(),
        parent_id: agent_id(&domain(), "join-token/web-1").unwrap(),
        selectors: selectors(&["told:app:api"]).into_iter().collect(),
        x509_ttl: None,
        jwt_ttl: None,
        federates_with: BTreeSet::new(),
        dns_names: Vec::new(),
        hint: String::new(),
        admin: false,
        downstream: false,
        expires_at: None,
        jwt_claims: Map::new(),
        include_jti: false,
        created_at: test_context().now() - SignedDuration::from_secs(age),
        revision: 1,
    }
}
