//! Where the bundle of an existing SPIFFE installation comes from.

mod health;
mod read;

use std::{path::PathBuf, sync::Arc, time::Duration};

use carnet_core::{Context, chain};
use carnet_net::Settings as Network;
use carnet_spiffe::{Bundle, TrustDomain};
use tokio::sync::{Mutex, Notify, watch};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

pub use health::SourceHealth;

use crate::EndpointProfile;
use read::Reader;

/// A place that has the bundle of a trust domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The Workload API. This process needs an entry of its own, or the agent must serve verifiers without one.
    WorkloadApi {
        /// `unix:///path` or `tcp://IP:PORT`.
        endpoint: String,
        /// Which of the bundles it is.
        trust_domain: TrustDomain,
    },
    /// The local API of a SPIRE server.
    ServerApi {
        /// `unix:///path`.
        endpoint: String,
    },
    /// A SPIFFE bundle document in a file.
    File {
        /// The file.
        path: PathBuf,
        /// Whose bundle it is.
        trust_domain: TrustDomain,
    },
    /// A SPIFFE bundle endpoint.
    Url {
        /// Its address, `https`.
        url: String,
        /// Whose bundle it is.
        trust_domain: TrustDomain,
        /// How it proves who it is.
        profile: EndpointProfile,
        /// What is believed at first, for `https_spiffe`.
        bootstrap: Option<Arc<Bundle>>,
    },
}

/// Reads a [`Source`] again and again. The last good bundle stays while it cannot be read.
#[derive(Debug)]
pub struct Follower {
    /// Held by the one who reads.
    reader: Mutex<Reader>,
    /// Wakes who reads before the time.
    look: Notify,
    every: Duration,
    bundle: watch::Sender<Option<Arc<Bundle>>>,
    health: Arc<SourceHealth>,
}

impl Follower {
    /// Reads nothing yet.
    ///
    /// # Errors
    /// When the URL of a bundle endpoint is none.
    pub fn new(
        source: Source,
        every: Duration,
        context: Context,
        network: &Network,
    ) -> Result<Self, carnet_core::Error> {
        let bundle = watch::Sender::new(None);
        let reader = Reader::new(source, context, network, bundle.subscribe())?;
        let reader = Mutex::new(reader);
        Ok(Self { reader, look: Notify::new(), every, bundle, health: Arc::new(SourceHealth::new(every)) })
    }

    /// The last good bundle, at any moment; `None` until the first.
    pub fn watch(&self) -> watch::Receiver<Option<Arc<Bundle>>> {
        self.bundle.subscribe()
    }

    /// Whether it can be read.
    pub fn health(&self) -> Arc<SourceHealth> {
        Arc::clone(&self.health)
    }

    /// Has it read now, and not only when it is time.
    pub fn look(&self) {
        self.look.notify_one();
    }

    /// Reads it now, once, and says why when that fails. Nothing is logged.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub async fn read(&self) -> Result<Arc<Bundle>, carnet_core::Error> {
        self.reader.lock().await.read().await.map(Bundle::shared)
    }

    /// Reads until `shutdown`. The same failure is logged once.
    pub async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        let mut reader = self.reader.lock().await;
        let mut complained = None;
        loop {
            let reading = reader.read().instrument(tracing::info_span!("read the source"));
            let Some(outcome) = shutdown.run_until_cancelled(reading).await else { return };
            let complaint = outcome.as_ref().err().map(|error| chain(error).join(": "));
            match outcome {
                Ok(bundle) => self.take(bundle),
                Err(_) => self.health.failed(complaint.clone().unwrap_or_default()),
            }
            if let Some(error) = complaint.as_ref().filter(|_| complaint != complained) {
                tracing::warn!(%error, "the bundle was not read; the last good one stays");
            }
            complained = complaint;
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.look.notified() => {}
                () = tokio::time::sleep(self.every) => {}
            }
        }
    }

    fn take(&self, bundle: Bundle) {
        self.health.succeeded();
        self.bundle.send_if_modified(|current| {
            if current.as_deref() == Some(&bundle) {
                return false;
            }
            let (jwt, x509) = (bundle.jwt_authorities.len(), bundle.x509_authorities.len());
            tracing::info!(jwt_authorities = jwt, x509_authorities = x509, "the bundle has changed");
            if jwt == 0 {
                tracing::warn!("the bundle has no JWT authority: the key set is empty, and no token is believed");
            }
            *current = Some(bundle.shared());
            true
        });
    }
}
