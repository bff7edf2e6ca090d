//! The authority over HTTPS.

use std::{
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use carnet_attest::{
    Evidence,
    protocol::{
        AgentSvid, AttestRequest, BundleAnswer, JwtAnswer, JwtRequest, Refusal, RenewRequest, StartAnswer,
        StartRequest, Updates, UpdatesQuery, X509Answer, X509Request, authority_id, paths,
    },
};
use carnet_core::{BoxFuture, Context, Error, HttpSend, Request, Response, Result, hex};
use carnet_net::{ChainVerifier, Client, ClientTls, TlsCertificate};
use carnet_spiffe::{Bundle, TrustDomain, VerifiedChains};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use url::Url;

use crate::upstream::{AgentIdentity, Upstream, UpstreamError};

/// Largest answer to [`paths::UPDATES`]: some 100,000 entries.
const MAX_UPDATES: usize = 128 << 20;
/// Largest answer to [`paths::X509`] and [`paths::JWT`]: a full batch of long chains, or of tokens with many claims.
const MAX_SVIDS: usize = 16 << 20;
/// Most chains of authorities that are remembered as verified: of several nodes, through a balancer.
const MOST_CHAINS: usize = 16;
/// Longest time for a call that the authority does not hold on purpose.
const TIMEOUT: Duration = Duration::from_secs(30);

/// By what an agent that is nobody yet believes the authority.
#[derive(Clone, Debug)]
pub enum Bootstrap {
    /// A file with the trust domain's bundle, brought by other means.
    File(PathBuf),
    /// An address of the bundle, whose content must have this SHA-256.
    Pinned {
        /// Where it is.
        url: Url,
        /// What it must be.
        sha256: [u8; 32],
    },
    /// What the authority says of itself at the first contact. Whoever answers then is believed for ever.
    Insecure,
}

/// What the connection to the authority is made of.
#[derive(Clone, Debug)]
pub struct HttpsSettings {
    /// Where the authority's listener for nodes is.
    pub address: Url,
    /// Whose authority it must be.
    pub trust_domain: TrustDomain,
    /// How the node proves what it is.
    pub evidence: Evidence,
    /// By what the authority is believed at first.
    pub bootstrap: Bootstrap,
    /// Proxies; trusted roots are not looked at.
    pub net: carnet_net::Settings,
}

/// The authority over HTTPS. Its certificate must be the X509-SVID `spiffe://DOMAIN/carnet/authority` and nothing else; the
/// agent shows its own in turn.
#[derive(Debug)]
pub struct HttpsUpstream {
    settings: HttpsSettings,
    context: Context,
    known: Arc<Known>,
    /// Believes what `known` does, and is nobody.
    anonymous: Client,
    /// The same, as the agent.
    mutual: Client,
}

/// What changes while connections are made.
#[derive(Debug, Default)]
struct Known {
    bundle: RwLock<Option<Arc<Bundle>>>,
    certificate: RwLock<Option<TlsCertificate>>,
}

impl HttpsUpstream {
    /// Nothing is asked yet.
    ///
    /// # Errors
    /// When the address is not `https`, or the name of the domain makes no ID of an authority.
    pub fn new(settings: HttpsSettings, context: Context) -> Result<Self> {
        if settings.address.scheme() != "https" {
            return Err(Error::configuration("connect to the authority: its address does not begin with https://"));
        }
        let known = Arc::new(Known::default());
        let authority = authority_id(&settings.trust_domain)?;
        let (believed, clock) = (Arc::clone(&known), Arc::clone(&context.clock));
        let chains = VerifiedChains::new(MOST_CHAINS);
        let verifier: ChainVerifier = Arc::new(move |chain| {
            let bundle = read(&believed.bundle).ok_or("there is no bundle of the trust domain yet")?;
            let seen = chains.verify(chain, &bundle, clock.now()).map_err(|error| error.to_string())?;
            if seen == authority { Ok(()) } else { Err(format!("{seen} is not {authority}")) }
        });
        let shown = Arc::clone(&known);
        let client = || Client::new(settings.net.clone());
        let anonymous = client().with_tls(ClientTls::new().verifier(Arc::clone(&verifier)));
        let identity = Arc::new(move || read(&shown.certificate));
        let mutual = client().with_tls(ClientTls::new().identity(identity).verifier(verifier));
        Ok(Self { settings, context, known, anonymous, mutual })
    }

    /// Makes sure that there is a bundle to believe the authority by.
    async fn bootstrap(&self) -> Result<()> {
        if read(&self.known.bundle).is_some() {
            return Ok(());
        }
        let bundle = match &self.settings.bootstrap {
            Bootstrap::File(path) => {
                let bytes = self.context.files.read(path, Bundle::MAX_LENGTH)?.ok_or_else(|| {
                    Error::configuration(format!("read the bootstrap bundle {}: it does not exist", path.display()))
                })?;
                self.parse(bytes.expose())?
            }
            Bootstrap::Pinned { url, sha256 } => self.pinned(url, sha256).await?,
            Bootstrap::Insecure => self.first_contact().await?,
        };
        if bundle.x509_authorities.is_empty() {
            return Err(Error::configuration("use the bootstrap bundle: it has no X.509 authority"));
        }
        write(&self.known.bundle, bundle.shared());
        Ok(())
    }

    async fn pinned(&self, url: &Url, wanted: &[u8; 32]) -> Result<Bundle> {
        let request = Request::get(url.clone()).max_response(Bundle::MAX_LENGTH);
        let answer = self.context.http.send(request).await.map_err(Error::from)?;
        if !answer.status.is_success() {
            return Err(Error::unreachable(format!("fetch the bootstrap bundle: HTTP {}", answer.status.as_u16())));
        }
        let seen = carnet_jose::sha256(answer.body.expose());
        if seen != *wanted {
            return Err(Error::refused("use the bootstrap bundle: it is not the one that was pinned")
                .clause("sha256")
                .hint(format!("its SHA-256 is {}; pin that if it is meant", hex(&seen))));
        }
        self.parse(answer.body.expose())
    }

    async fn first_contact(&self) -> Result<Bundle> {
        tracing::warn!(
            authority = %self.settings.address,
            "insecure_bootstrap: whoever answers at the authority's address now is believed from now on"
        );
        let anyone = Client::new(self.settings.net.clone()).with_tls(ClientTls::new().verifier(Arc::new(|_| Ok(()))));
        let request = Request::get(self.url(paths::BUNDLE)?).timeout(TIMEOUT).max_response(Bundle::MAX_LENGTH);
        let answer = anyone.send(request).await.map_err(Error::from)?;
        let answer: BundleAnswer = outcome(&answer, "the bundle").map_err(Error::from)?;
        if answer.trust_domain != self.settings.trust_domain {
            return Err(Error::configuration(format!(
                "the authority is of the trust domain {}, and the agent of {}",
                answer.trust_domain, self.settings.trust_domain
            )));
        }
        self.parse(answer.bundle.to_string().as_bytes())
    }

    fn parse(&self, document: &[u8]) -> Result<Bundle> {
        Bundle::parse(&self.settings.trust_domain, document)
            .map_err(|error| Error::configuration("read the bootstrap bundle").because(error))
    }

    fn url(&self, path: &str) -> Result<Url> {
        let url = format!("{}{path}", self.settings.address.as_str().trim_end_matches('/'));
        Url::parse(&url).map_err(|error| Error::configuration("make an address below the authority's").because(error))
    }

    async fn post<T: DeserializeOwned>(
        &self,
        client: &Client,
        path: &str,
        body: &impl Serialize,
        max: usize,
    ) -> Result<T, UpstreamError> {
        let body: Value =
            serde_json::to_value(body).map_err(|_quoting| Error::internal("write a request to the authority"))?;
        let request = Request::post_json(self.url(path)?, &body).timeout(TIMEOUT).max_response(max);
        outcome(&client.send(request).await.map_err(Error::from)?, "the authority's answer")
    }
}

impl Upstream for HttpsUpstream {
    fn attest(&self, csr: Vec<u8>) -> BoxFuture<'_, Result<AgentSvid, UpstreamError>> {
        Box::pin(async move {
            self.bootstrap().await?;
            let kind = self.settings.evidence.kind();
            let usual = Bundle::MAX_LENGTH;
            let start: StartAnswer =
                self.post(&self.anonymous, paths::ATTEST_START, &StartRequest { kind }, usual).await?;
            let payload = self.settings.evidence.gather(&start.nonce.0, &self.context).await?;
            let request = AttestRequest { attempt: start.attempt, kind, payload, csr: csr.into() };
            self.post(&self.anonymous, paths::ATTEST, &request, usual).await
        })
    }

    fn renew(&self, csr: Vec<u8>) -> BoxFuture<'_, Result<AgentSvid, UpstreamError>> {
        Box::pin(async move {
            let request = RenewRequest { csr: csr.into() };
            self.post(&self.mutual, paths::RENEW, &request, Bundle::MAX_LENGTH).await
        })
    }

    fn updates(&self, query: UpdatesQuery) -> BoxFuture<'_, Result<Updates, UpstreamError>> {
        Box::pin(async move {
            let mut url = self.url(paths::UPDATES)?;
            url.query_pairs_mut()
                .append_pair("revision", &query.revision.to_string())
                .append_pair("wait", &query.wait.to_string());
            let timeout = Duration::from_secs(u64::from(query.wait)) + TIMEOUT;
            let request = Request::get(url).timeout(timeout).max_response(MAX_UPDATES);
            outcome(&self.mutual.send(request).await.map_err(Error::from)?, "what is new")
        })
    }

    fn x509(&self, requests: Vec<X509Request>) -> BoxFuture<'_, Result<Vec<X509Answer>, UpstreamError>> {
        Box::pin(async move { self.post(&self.mutual, paths::X509, &requests, MAX_SVIDS).await })
    }

    fn jwt(&self, requests: Vec<JwtRequest>) -> BoxFuture<'_, Result<Vec<JwtAnswer>, UpstreamError>> {
        Box::pin(async move { self.post(&self.mutual, paths::JWT, &requests, MAX_SVIDS).await })
    }

    fn assume(&self, identity: &AgentIdentity, bundle: &Arc<Bundle>) -> Result<()> {
        let certificate = TlsCertificate::from_der(&identity.chain, &identity.private_key)?;
        write(&self.known.certificate, certificate);
        write(&self.known.bundle, Arc::clone(bundle));
        Ok(())
    }
}

/// An answer, a refusal, or neither.
fn outcome<T: DeserializeOwned>(answer: &Response, what: &str) -> Result<T, UpstreamError> {
    if answer.status.is_success() {
        return answer.json(what).map_err(UpstreamError::from);
    }
    match serde_json::from_slice::<Refusal>(answer.body.expose()) {
        Ok(refusal) => Err(UpstreamError::Refused(refusal.made_safe())),
        Err(_no_refusal) => Err(Error::unreachable(format!(
            "ask the authority: HTTP {} and no reason that can be read",
            answer.status.as_u16()
        ))
        .hint("this is not what an authority answers: check the address, and what stands between here and there")
        .into()),
    }
}

fn read<T: Clone>(cell: &RwLock<Option<T>>) -> Option<T> {
    cell.read().unwrap_or_else(PoisonError::into_inner).clone()
}

fn write<T>(cell: &RwLock<Option<T>>, value: T) {
    *cell.write().unwrap_or_else(PoisonError::into_inner) = Some(value);
}
