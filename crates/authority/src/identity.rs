//! The authority's own X509-SVID, with which it meets its agents and its peers.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use carnet_core::{Context, Error};
use carnet_issuer::{Caller, Issuer, X509SvidRequest};
use carnet_jose::{Algorithm, SigningKey};
use carnet_keys::KeyRing;
use carnet_net::{CertificateSource, TlsCertificate};
use carnet_ops::Component;
use carnet_spiffe::SpiffeId;
use carnet_x509::RequestProfile;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How often it is looked whether it is time for a new one.
const LOOK: Duration = Duration::from_secs(10);
/// After a failure it is tried again this soon.
const AGAIN: Duration = Duration::from_secs(2);

/// The identity, kept fresh by [`OwnIdentity::run`].
#[derive(Debug)]
pub(crate) struct OwnIdentity {
    id: SpiffeId,
    issuer: Arc<Issuer>,
    context: Context,
    current: Arc<Mutex<Option<TlsCertificate>>>,
    renew_at: Mutex<Timestamp>,
}

impl OwnIdentity {
    /// The first one.
    ///
    /// # Errors
    /// When no certificate authority is active, or the store does not take the audit row.
    pub(crate) async fn open(id: SpiffeId, issuer: Arc<Issuer>, context: Context) -> Result<Self, Error> {
        let renew_at = Mutex::new(Timestamp::MIN);
        let identity = Self { id, issuer, context, current: Arc::default(), renew_at };
        identity.renew().await?;
        Ok(identity)
    }

    /// What a listener shows, at any moment.
    pub(crate) fn source(&self) -> CertificateSource {
        let current = Arc::clone(&self.current);
        Arc::new(move || current.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// Renews it at half of its life, and at once when the authority's own keys change, until `shutdown`.
    pub(crate) async fn run(
        self: Arc<Self>,
        mut keys: watch::Receiver<Arc<KeyRing>>,
        component: Component,
        shutdown: CancellationToken,
    ) {
        component.ready();
        let mut wait = LOOK;
        loop {
            let forced = tokio::select! {
                () = shutdown.cancelled() => return,
                changed = keys.changed() => changed.is_ok(),
                () = tokio::time::sleep(wait) => false,
            };
            let due = self.context.now() >= *self.renew_at.lock().unwrap_or_else(PoisonError::into_inner);
            if !(due || forced) {
                continue;
            }
            let outcome = self.renew().await;
            component.outcome(&outcome);
            wait = if outcome.is_ok() { LOOK } else { AGAIN };
        }
    }

    async fn renew(&self) -> Result<(), Error> {
        let key = Arc::new(SigningKey::generate(Algorithm::Es256)?);
        let csr = RequestProfile { uri: vec![self.id.as_str().to_owned()], ..RequestProfile::default() }.sign(&key)?;
        let issued = self
            .issuer
            .x509_svid(X509SvidRequest {
                spiffe_id: self.id.clone(),
                csr,
                dns_names: Vec::new(),
                ttl: None,
                entry_id: None,
                actor: "authority".to_owned(),
                caller: Caller::at("authority"),
            })
            .await?;
        let certificate = TlsCertificate::from_der(&issued.chain, &key.to_pkcs8()?)?;
        let now = self.context.now();
        let half = issued.expires_at.duration_since(now) / 2;
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(certificate);
        *self.renew_at.lock().unwrap_or_else(PoisonError::into_inner) = now + half;
        Ok(())
    }
}
