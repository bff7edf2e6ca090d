//! Certificates for TLS by ACME (RFC 8555), proved by `http-01` or `tls-alpn-01` (RFC 8737).

mod cache;
mod external;
mod http;
mod names;
mod order;
mod proofs;

use std::{
    fmt,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use carnet_core::{Context, Error, chain};
use carnet_net::TlsCertificate;
use carnet_x509::Certificate;
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use proofs::Proofs;

use crate::settings::normal_domain;

pub use external::ExternalAccount;
pub use names::{check_email, check_names};

/// The directory of Let's Encrypt.
pub const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// A certificate is renewed when this part of its lifetime is left, as authorities advise.
const RENEW_AT: i32 = 3;
/// How often the date is looked at. A clock may be set, and a machine may sleep.
const LOOK_EVERY: Duration = Duration::from_hours(1);
/// First pause after a failure, doubled each time. Let's Encrypt allows five failures an hour for a name.
const FIRST_RETRY: Duration = Duration::from_mins(5);
/// Longest pause after failures.
const LAST_RETRY: Duration = Duration::from_hours(1);

/// How names are proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum ChallengeType {
    /// The authority fetches a file from port 80 of each name (RFC 8555, 8.3).
    #[serde(rename = "http-01")]
    Http01,
    /// The authority looks at a certificate on port 443 of each name (RFC 8737): no further listener, and nothing before it may end TLS.
    #[serde(rename = "tls-alpn-01")]
    TlsAlpn01,
}

/// How names are proved, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcmeChallenge {
    /// `http-01`, on a listener of its own at this address.
    Http01(SocketAddr),
    /// `tls-alpn-01`, on the listener that the certificate is for.
    TlsAlpn01,
}

impl AcmeChallenge {
    /// Its name (RFC 8555, 9.7.8).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http01(_) => "http-01",
            Self::TlsAlpn01 => "tls-alpn-01",
        }
    }
}

/// What is wanted of an authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcmeSettings {
    /// Its directory, `https`.
    pub directory_url: String,
    /// Whom it writes to.
    pub email: String,
    /// The names of the certificate, as [`check_names`] gives them. Each must lead to this process.
    pub domains: Vec<String>,
    /// How they are proved.
    pub challenge: AcmeChallenge,
    /// The account at the authority that the ACME account is bound to.
    pub external_account: Option<ExternalAccount>,
    /// The folder for account and certificate. Files have mode 0600.
    pub cache_dir: PathBuf,
    /// PEM certificates that the authority's own server is trusted by, in place of the system's.
    pub ca_file: Option<PathBuf>,
}

/// Has a certificate and keeps it fresh. Whoever calls this has agreed to the authority's terms of service.
pub struct Acme {
    settings: AcmeSettings,
    context: Context,
    current: Mutex<Option<Held>>,
    /// What the authority may look at now.
    proofs: Mutex<Proofs>,
}

/// A certificate that is shown.
#[derive(Clone)]
struct Held {
    certificate: TlsCertificate,
    not_before: Timestamp,
    not_after: Timestamp,
}

impl Acme {
    /// Takes the certificate of an earlier process from the cache, if it is still good. Asks nobody yet.
    ///
    /// # Errors
    /// When the cache cannot be read.
    pub fn new(mut settings: AcmeSettings, context: Context) -> Result<Arc<Self>, Error> {
        // The cache is found by the names, however they were written.
        for name in &mut settings.domains {
            *name = normal_domain(name).unwrap_or_else(|| name.clone());
        }
        let acme = Self { settings, context, current: Mutex::default(), proofs: Mutex::default() };
        if let Some(pem) = acme.read_certificate()? {
            match acme.take(pem.expose()) {
                Ok(held) if held.not_after > acme.context.now() => *acme.lock_current() = Some(held),
                Ok(_) => tracing::info!("the certificate in the cache has expired"),
                Err(error) => {
                    tracing::warn!(error = %chain(&error).join(": "), "the certificate in the cache is not used");
                }
            }
        }
        Ok(Arc::new(acme))
    }

    /// The certificate of the moment; `None` until there is one.
    pub fn current(&self) -> Option<TlsCertificate> {
        self.lock_current().as_ref().map(|held| held.certificate.clone())
    }

    /// The certificate that proves this name, lower-case, to the authority, while that may look for it (`tls-alpn-01`).
    pub fn proof_of(&self, name: &str) -> Option<TlsCertificate> {
        self.lock_proofs().of_name(name)
    }

    /// Answers the authority's questions, `/.well-known/acme-challenge/TOKEN`, and nothing else. For port 80.
    pub fn challenge_router(self: &Arc<Self>) -> Router {
        Router::new().route("/.well-known/acme-challenge/{token}", get(proof)).with_state(Arc::clone(self))
    }

    /// Has a certificate when there is none or a third of its lifetime is left, until `shutdown`. The one that is there is shown
    /// for as long as it is good.
    pub async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        let mut retry = FIRST_RETRY;
        loop {
            let mut pause = LOOK_EVERY;
            if self.is_due() {
                match shutdown.run_until_cancelled(self.obtain()).await {
                    None => return,
                    Some(Ok(())) => retry = FIRST_RETRY,
                    Some(Err(error)) => {
                        let error = chain(&error).join(": ");
                        tracing::error!(%error, retry_seconds = retry.as_secs(), "no certificate was had by ACME");
                        pause = retry;
                        retry = retry.saturating_mul(2).min(LAST_RETRY);
                    }
                }
            }
            if shutdown.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                return;
            }
        }
    }

    /// Has a new certificate now, keeps it and shows it.
    ///
    /// # Errors
    /// When the authority refuses or cannot be reached, or the cache cannot be written.
    pub async fn obtain(&self) -> Result<(), Error> {
        let pem = order::certificate(self).await?;
        let held = self.take(pem.expose().as_bytes())?;
        self.write_certificate(pem.expose())?;
        tracing::info!(names = ?self.settings.domains, until = %held.not_after, "a certificate was had by ACME");
        *self.lock_current() = Some(held);
        Ok(())
    }

    /// Until when the certificate that is shown is good.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.lock_current().as_ref().map(|held| held.not_after)
    }

    fn is_due(&self) -> bool {
        self.lock_current().as_ref().is_none_or(|held| {
            let lifetime = held.not_after.duration_since(held.not_before).max(SignedDuration::ZERO);
            held.not_after.duration_since(self.context.now()) <= lifetime / RENEW_AT
        })
    }

    /// A chain and its key in one PEM text, if it is for all the names.
    fn take(&self, pem: &[u8]) -> Result<Held, Error> {
        let certificate = TlsCertificate::from_pem(pem, pem)?;
        let leaf = certificate.chain().next().unwrap_or_default();
        let leaf = Certificate::from_der(leaf).map_err(|error| {
            Error::unreachable("read the certificate of the authority").because(Error::internal(error.0))
        })?;
        // Names are the same in either case (RFC 4343).
        let names: Vec<_> = leaf.dns_names().iter().map(|name| normal_domain(name)).collect();
        let is_missing = |name: &&String| normal_domain(name).is_none_or(|name| !names.contains(&Some(name)));
        if let Some(missing) = self.settings.domains.iter().find(is_missing) {
            return Err(Error::unreachable(format!("use the certificate: it is not for {missing}")));
        }
        Ok(Held { certificate, not_before: leaf.not_before(), not_after: leaf.not_after() })
    }

    fn lock_current(&self) -> MutexGuard<'_, Option<Held>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_proofs(&self) -> MutexGuard<'_, Proofs> {
        self.proofs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn proof(State(acme): State<Arc<Acme>>, Path(token): Path<String>) -> Response {
    let proof = acme.lock_proofs().of_token(&token);
    match proof {
        Some(proof) => ([(header::CONTENT_TYPE, "application/octet-stream")], proof).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

impl fmt::Debug for Acme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acme").field("settings", &self.settings).finish_non_exhaustive()
    }
}
