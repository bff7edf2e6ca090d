//! Keys of other issuers, fetched from nowhere but where they may be.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use carnet_core::{BoxFuture, Context, Destination, Error, HttpError, HttpErrorKind, HttpSend, Request, Response};
use carnet_jose::{CacheLimits, CachedKeySets, KeySet, KeySource};
use url::Url;

use crate::trusted::{CheckedIssuer, KeysAt, is_safe};

/// Most issuers whose keys are kept. Beyond it all are forgotten, which only costs a fetch for each.
const MAX_ISSUERS: usize = 10_000;
/// Largest document, in bytes: a hundred RSA keys with certificates fit.
const MAX_DOCUMENT: usize = 512 * 1024;

/// The keys of the issuers of the rules.
pub(crate) struct KeySets {
    context: Context,
    timeout: Duration,
    issuers: Mutex<HashMap<String, Arc<OfIssuer>>>,
}

struct OfIssuer {
    of: Arc<CheckedIssuer>,
    source: KeySource,
    kept: CachedKeySets,
}

impl KeySets {
    pub(crate) fn new(context: Context, timeout: Duration) -> Self {
        Self { context, timeout, issuers: Mutex::default() }
    }

    /// The keys of this issuer, for a token that names `kid`: one fetch at a time, and at most one a minute for an unknown `kid`.
    pub(crate) async fn keys(&self, issuer: &Arc<CheckedIssuer>, kid: Option<&str>) -> Result<Arc<KeySet>, Error> {
        if let KeysAt::Pinned(keys) = &issuer.keys {
            return Ok(Arc::clone(keys));
        }
        let of = self.of(issuer);
        of.kept.keys(&issuer.data.issuer, &of.source, kid).await
    }

    /// What is kept for this issuer, anew when its configuration has changed.
    fn of(&self, issuer: &Arc<CheckedIssuer>) -> Arc<OfIssuer> {
        let mut issuers = self.issuers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = issuers.get(&issuer.data.issuer)
            && (Arc::ptr_eq(&known.of, issuer) || known.of.data == issuer.data)
        {
            return Arc::clone(known);
        }
        if issuers.len() >= MAX_ISSUERS {
            issuers.clear();
        }
        let of = Arc::new(self.open(issuer));
        issuers.insert(issuer.data.issuer.clone(), Arc::clone(&of));
        of
    }

    fn open(&self, issuer: &Arc<CheckedIssuer>) -> OfIssuer {
        let source = match &issuer.keys {
            KeysAt::Document(url) => KeySource::Document(url.clone(), Destination::Configured),
            KeysAt::Url(url) => KeySource::Url(url.clone(), Destination::Configured),
            KeysAt::Discovery | KeysAt::Pinned(_) => KeySource::Discovery(Destination::Configured),
        };
        let fenced = Fenced::new(Arc::clone(&self.context.http), issuer, self.timeout);
        let context = Context { http: Arc::new(fenced), ..self.context.clone() };
        let limits = CacheLimits { issuers: 1, ..CacheLimits::default() };
        OfIssuer { of: Arc::clone(issuer), source, kept: CachedKeySets::new(context, limits) }
    }
}

/// A network in which there is nothing but the hosts of one issuer.
struct Fenced {
    inner: Arc<dyn HttpSend>,
    issuer: String,
    hosts: Vec<String>,
    /// Whether even this machine is asked with TLS only: what the configuration names has it.
    https_only: bool,
    ca_pem: Option<Vec<u8>>,
    timeout: Duration,
}

impl Fenced {
    fn new(inner: Arc<dyn HttpSend>, issuer: &CheckedIssuer, timeout: Duration) -> Self {
        let own = Url::parse(&issuer.data.issuer).ok();
        let configured = match &issuer.keys {
            KeysAt::Document(url) | KeysAt::Url(url) => Some(url),
            KeysAt::Discovery | KeysAt::Pinned(_) => None,
        };
        let hosts = own.iter().chain(configured).filter_map(|url| url.host_str().map(str::to_owned));
        Self {
            hosts: hosts.chain(issuer.data.jwks_hosts.iter().map(|host| host.to_ascii_lowercase())).collect(),
            https_only: configured.or(own.as_ref()).is_none_or(|url| url.scheme() == "https"),
            ca_pem: issuer.data.ca_pem.clone().map(String::into_bytes),
            issuer: issuer.data.issuer.clone(),
            inner,
            timeout,
        }
    }

    fn check(&self, url: &Url) -> Result<(), HttpError> {
        let host = url.host_str().unwrap_or_default();
        let blocked = |message: String| Err(HttpError { kind: HttpErrorKind::Blocked, message, cause: None });
        if !self.hosts.iter().any(|known| known == host) {
            let issuer = &self.issuer;
            return blocked(format!(
                "the keys of {issuer} are said to be at the foreign host {host}; add it to jwks_hosts if that is right"
            ));
        }
        if !is_safe(url) || (self.https_only && url.scheme() != "https") {
            return blocked(format!(
                "the keys are said to be at {host} without TLS, where they could be replaced on the way"
            ));
        }
        Ok(())
    }
}

impl HttpSend for Fenced {
    fn send(&self, mut request: Request) -> BoxFuture<'_, Result<Response, HttpError>> {
        Box::pin(async move {
            self.check(&request.url)?;
            request.timeout = self.timeout;
            request.max_response = MAX_DOCUMENT;
            request.ca_pem = self.ca_pem.clone().map(Into::into).or(request.ca_pem);
            let what = format!("{request:?}");
            // Whoever sends keeps to the time, too; a caller that has gone away would leave the fetch half done.
            match tokio::time::timeout(self.timeout, self.inner.send(request)).await {
                Ok(answer) => answer,
                Err(_elapsed) => {
                    let message = format!("{what}: no answer within {} ms", self.timeout.as_millis());
                    Err(HttpError { kind: HttpErrorKind::Timeout, message, cause: None })
                }
            }
        })
    }
}

impl fmt::Debug for Fenced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fenced").field("hosts", &self.hosts).finish_non_exhaustive()
    }
}
