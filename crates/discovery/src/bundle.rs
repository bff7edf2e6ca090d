//! SPIFFE bundle endpoints: the server's half, and who such a server must be.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    extract::{Request, State},
    response::Response,
    routing::any,
};
use carnet_core::{Clock, Mistake, chain};
use carnet_net::ChainVerifier;
use carnet_spiffe::{Bundle, BundleMap, SpiffeId, SvidClause, SvidError, verify_x509_svid};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use crate::{
    answer::{self, Document},
    documents,
    settings::check_path,
};

/// Longest that a reader may keep a bundle. Peers ask again at a quarter of the refresh hint, and a cache on the way must not
/// give them an old one.
pub(crate) const MAX_AGE: Duration = Duration::from_secs(30);

/// How a bundle endpoint is served.
#[derive(Clone, Debug)]
pub struct BundleSettings {
    /// Where the bundle is: `/`, as SPIRE has it, or another path.
    pub path: String,
    /// How often peers should ask again, where the bundle does not say.
    pub refresh_hint: SignedDuration,
}

impl BundleSettings {
    /// Looks at everything.
    ///
    /// # Errors
    /// All mistakes at once.
    pub fn check(&self) -> Result<(), Vec<Mistake>> {
        let mut mistakes: Vec<Mistake> = check_path("path", &self.path).err().into_iter().collect();
        if self.refresh_hint < SignedDuration::from_secs(10) || self.refresh_hint > SignedDuration::from_hours(24) {
            mistakes.push(Mistake::new("refresh_hint", "it is between 10 seconds and a day"));
        }
        if mistakes.is_empty() { Ok(()) } else { Err(mistakes) }
    }
}

impl Default for BundleSettings {
    fn default() -> Self {
        Self { path: "/".to_owned(), refresh_hint: Bundle::DEFAULT_REFRESH }
    }
}

/// The bundle endpoint of what `source` has (SPIFFE Federation, 5). The same for `https_web` and `https_spiffe`: they differ
/// in the certificate that the listener shows, of which [`check_endpoint_svid`] says whether peers will believe it. `GET`,
/// `HEAD` and `OPTIONS`; 503 until there is a bundle.
pub fn bundle_router(
    source: watch::Receiver<Option<Arc<Bundle>>>,
    settings: BundleSettings,
    clock: Arc<dyn Clock>,
) -> Router {
    let path = settings.path.clone();
    let served = Arc::new(Served { source, settings, clock, state: Mutex::default() });
    Router::new().route(&path, any(bundle)).with_state(served)
}

struct Served {
    source: watch::Receiver<Option<Arc<Bundle>>>,
    settings: BundleSettings,
    clock: Arc<dyn Clock>,
    state: Mutex<Written>,
}

/// What was made of the last bundle.
#[derive(Default)]
struct Written {
    /// The bundle that was looked at last, whether it could be published or not.
    seen: Option<Arc<Bundle>>,
    document: Option<Document>,
}

impl Served {
    fn document(&self) -> Option<Document> {
        let bundle = self.source.borrow().clone();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = |bundle: &Arc<Bundle>| state.seen.as_ref().is_some_and(|seen| Arc::ptr_eq(seen, bundle));
        let Some(bundle) = bundle.filter(|bundle| !seen(bundle)) else { return state.document.clone() };
        match hinted(&bundle, self.settings.refresh_hint).to_json() {
            Ok(json) => {
                let document = Document::after(documents::pretty(&json), state.document.as_ref(), self.clock.now());
                state.document = Some(document);
            }
            Err(error) => {
                let error = chain(&error).join(": ");
                tracing::error!(%error, "a bundle is not published; the last good one stays");
            }
        }
        state.seen = Some(bundle);
        state.document.clone()
    }
}

/// The bundle with a refresh hint in any case: peers of SPIRE that find none guess from the lifetime of authorities.
pub(crate) fn hinted(bundle: &Bundle, hint: SignedDuration) -> Bundle {
    Bundle { refresh_hint: Some(bundle.refresh_hint.unwrap_or(hint)), ..bundle.clone() }
}

async fn bundle(State(served): State<Arc<Served>>, request: Request) -> Response {
    answer::respond(request.method(), request.headers(), MAX_AGE, || served.document())
}

/// Whether a server that shows this chain (DER, leaf first) is the bundle endpoint with this SPIFFE ID (SPIFFE Federation,
/// 5.2.2): an X509-SVID that leads to an authority in the bundle of the trust domain of that ID, and names exactly that ID. For
/// the client in the handshake, and for whoever listens, before peers find out.
///
/// # Errors
/// The first check that failed.
pub fn check_endpoint_svid(
    chain: &[Vec<u8>],
    endpoint: &SpiffeId,
    bundles: &BundleMap,
    now: Timestamp,
) -> Result<(), SvidError> {
    let seen = verify_x509_svid(chain, bundles, now)?;
    if seen == *endpoint {
        return Ok(());
    }
    let error = SvidError::new(SvidClause::Subject, "the server is another than the bundle endpoint");
    Err(error.seen(seen.as_str()).wanted(endpoint.as_str()))
}

/// [`check_endpoint_svid`] for a client's handshakes, with the bundles of the moment.
pub fn endpoint_verifier(
    endpoint: SpiffeId,
    bundles: impl Fn() -> Arc<BundleMap> + Send + Sync + 'static,
    clock: Arc<dyn Clock>,
) -> ChainVerifier {
    Arc::new(move |chain| {
        check_endpoint_svid(chain, &endpoint, &bundles(), clock.now()).map_err(|error| error.to_string())
    })
}
