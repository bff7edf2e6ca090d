//! The discovery document and the key set over HTTP.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    extract::{Request, State},
    http::StatusCode,
    response::Response,
    routing::any,
};
use carnet_core::{Clock, chain};
use carnet_spiffe::Bundle;
use serde_json::Value;
use tokio::sync::watch;

use crate::{
    Settings,
    answer::{self, Document},
    documents::{self, CONFIGURATION_PATH, KEYS_PATH},
    host,
};

/// `PREFIX/.well-known/openid-configuration` and `PREFIX/keys` of what `source` has, for whom the settings say. `GET`, `HEAD`
/// and `OPTIONS`; validators for both (`ETag`, `Last-Modified`); any origin; 503 until there is a bundle. A bundle that
/// cannot be published is logged, and the one before stays.
///
/// The host is looked at for the discovery document only: the key set is the same under every name, as in SPIRE. A bundle
/// without JWT authorities is an empty key set and not an error: that is how a relying party learns that everything was revoked.
pub fn router(source: watch::Receiver<Option<Arc<Bundle>>>, settings: Settings, clock: Arc<dyn Clock>) -> Router {
    let prefix = settings.prefix().to_owned();
    let served = Arc::new(Served { source, settings, clock, state: Mutex::default() });
    Router::new()
        .route(&format!("{prefix}{CONFIGURATION_PATH}"), any(configuration))
        .route(&format!("{prefix}{KEYS_PATH}"), any(keys))
        .with_state(served)
}

/// A document at these paths, each of them plain: what `make` gives at the moment, with the same methods, validators and caching as
/// the other documents.
pub fn document_router(
    paths: &[String],
    make: impl Fn() -> Value + Send + Sync + 'static,
    max_age: Duration,
    clock: Arc<dyn Clock>,
) -> Router {
    let last: Mutex<Option<Document>> = Mutex::default();
    let serve = Arc::new(move |request: &Request| {
        answer::respond(request.method(), request.headers(), max_age, || {
            let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
            let document = Document::after(documents::pretty(&make()), last.as_ref(), clock.now());
            Some(last.insert(document).clone())
        })
    });
    let one = || {
        let serve = Arc::clone(&serve);
        any(move |request: Request| async move { serve(&request) })
    };
    paths.iter().fold(Router::new(), |router, path| router.route(path, one()))
}

struct Served {
    source: watch::Receiver<Option<Arc<Bundle>>>,
    settings: Settings,
    clock: Arc<dyn Clock>,
    state: Mutex<Written>,
}

/// What was made of the last bundle.
#[derive(Default)]
struct Written {
    /// The bundle that was looked at last, whether it could be published or not.
    seen: Option<Arc<Bundle>>,
    keys: Option<Document>,
    algorithms: Vec<String>,
    /// The discovery document that was sent last, for its time.
    configuration: Option<Document>,
}

impl Served {
    /// The key set of the moment, or the last one that could be published.
    fn keys(&self) -> Option<Document> {
        self.current().keys.clone()
    }

    fn configuration(&self, place: &documents::Place) -> Option<Document> {
        let mut state = self.current();
        state.keys.as_ref()?;
        let bytes = documents::pretty(&documents::configuration(place, &state.algorithms, &self.settings));
        let document = Document::after(bytes, state.configuration.as_ref(), self.clock.now());
        state.configuration = Some(document.clone());
        Some(document)
    }

    /// Looks at the source again.
    fn current(&self) -> MutexGuard<'_, Written> {
        let bundle = self.source.borrow().clone();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = |bundle: &Arc<Bundle>| state.seen.as_ref().is_some_and(|seen| Arc::ptr_eq(seen, bundle));
        let Some(bundle) = bundle.filter(|bundle| !seen(bundle)) else { return state };
        match documents::key_set(&bundle, &self.settings) {
            Ok(keys) => {
                state.algorithms = documents::algorithms(&keys);
                state.keys = Some(Document::after(documents::pretty(&keys), state.keys.as_ref(), self.clock.now()));
            }
            Err(error) => {
                let error = chain(&error).join(": ");
                tracing::error!(%error, "a bundle is not published; the last good one stays");
            }
        }
        state.seen = Some(bundle);
        state
    }
}

async fn configuration(State(served): State<Arc<Served>>, request: Request) -> Response {
    let (request, _body) = request.into_parts();
    let place = match host::place(&request, &served.settings) {
        Ok(place) => place,
        Err(why) => return answer::text(StatusCode::BAD_REQUEST, why),
    };
    answer::respond(&request.method, &request.headers, served.settings.max_age, || served.configuration(&place))
}

async fn keys(State(served): State<Arc<Served>>, request: Request) -> Response {
    answer::respond(request.method(), request.headers(), served.settings.max_age, || served.keys())
}
