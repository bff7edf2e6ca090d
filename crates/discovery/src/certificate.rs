//! The certificate of a listener: from files, or by ACME.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{Router, extract::Request};
use carnet_core::{Context, Error};
use carnet_net::{CertificateFiles, ChallengeSource, ClientCertificates, TlsCertificate, TlsServerConfig, listen};
use carnet_x509::Certificate as Leaf;
use jiff::Timestamp;
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::acme::{Acme, AcmeChallenge, AcmeSettings};

/// Where a listener's certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificatePlan {
    /// By ACME.
    Acme(AcmeSettings),
    /// From files that somebody else replaces.
    Files(FilesPlan),
}

/// A certificate in files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilesPlan {
    /// PEM certificates, leaf first.
    pub certificate: PathBuf,
    /// The leaf's key, PEM.
    pub private_key: PathBuf,
    /// How often the files are looked at.
    pub reload: Duration,
}

impl CertificatePlan {
    /// Whether a listener for this one can go on with the other: the same way to get it, and the same sockets.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Files(_), Self::Files(_)) => true,
            (Self::Acme(one), Self::Acme(other)) => one.challenge == other.challenge,
            _ => false,
        }
    }
}

/// The certificate of a listener, open: what it shows, and what keeps that fresh. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct ServedCertificate {
    context: Context,
    keeper: watch::Sender<Keeper>,
    /// For the proofs of `http-01`, until [`ServedCertificate::run`] serves it.
    challenges: Arc<Mutex<Option<TcpListener>>>,
}

/// A certificate that is to take the place of the one that is served.
#[derive(Debug)]
pub(crate) struct Change(Option<Keeper>);

#[derive(Clone, Debug)]
enum Keeper {
    Files(CertificateFiles, FilesPlan),
    /// With what is shown until the first certificate is had.
    Acme(Arc<Acme>, AcmeSettings, Option<TlsCertificate>),
}

impl ServedCertificate {
    /// Reads the files, or the cache and opens the listener for the authority's questions. Asks nobody yet.
    ///
    /// # Errors
    /// When files or cache cannot be read, or the address for the questions is taken.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn open(plan: &CertificatePlan, context: &Context) -> Result<Self, Error> {
        let keeper = Keeper::open(plan, context, None)?;
        let challenges = match plan {
            CertificatePlan::Acme(AcmeSettings { challenge: AcmeChallenge::Http01(address), .. }) => {
                Some(listen("the proofs of ACME", *address)?)
            }
            _ => None,
        };
        let challenges = Arc::new(Mutex::new(challenges));
        Ok(Self { context: context.clone(), keeper: watch::Sender::new(keeper), challenges })
    }

    /// TLS with it, and with the proofs of `tls-alpn-01`.
    ///
    /// # Errors
    /// See [`TlsServerConfig::new`].
    pub fn tls(&self, clients: ClientCertificates) -> Result<Arc<TlsServerConfig>, Error> {
        let keeper = self.keeper.subscribe();
        let config = TlsServerConfig::new(Arc::new(move || keeper.borrow().current()), clients)?;
        let keeper = self.keeper.subscribe();
        let has_proofs = keeper.borrow().has_proofs_by_name();
        let proofs: ChallengeSource = Arc::new(move |name| keeper.borrow().proof(name));
        Ok(Arc::new(if has_proofs { config.with_challenges(proofs) } else { config }))
    }

    /// Looks at the files now. True when there was something new. What is had by ACME is looked at by itself.
    ///
    /// # Errors
    /// When they cannot be read, or do not belong together. The last good pair stays.
    pub fn reload(&self) -> Result<bool, Error> {
        match &*self.keeper.borrow() {
            Keeper::Files(files, _) => files.reload(),
            Keeper::Acme(..) => Ok(false),
        }
    }

    /// Until when what is shown is good; `None` while there is nothing to show.
    pub fn expires_at(&self) -> Option<Timestamp> {
        let current = self.keeper.borrow().current()?;
        let leaf = current.chain().next().and_then(|der| Leaf::from_der(der).ok());
        leaf.map(|leaf| leaf.not_after())
    }

    /// Keeps it fresh until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut tasks = JoinSet::new();
        let routers = watch::Sender::new(Router::new());
        let listener = self.challenges.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(listener) = listener {
            let router = router_of_the_moment(routers.subscribe());
            tasks.spawn(carnet_net::serve(listener, router, None, shutdown.clone()));
        }
        let mut keepers = self.keeper.subscribe();
        while !shutdown.is_cancelled() {
            let keeper = keepers.borrow_and_update().clone();
            let stop = shutdown.child_token();
            match keeper {
                Keeper::Files(files, plan) => {
                    let stop = stop.clone();
                    tasks.spawn(async move { files.watch(plan.reload, stop).await });
                }
                Keeper::Acme(acme, ..) => {
                    drop(routers.send_replace(acme.challenge_router()));
                    tasks.spawn(acme.run(stop.clone()));
                }
            }
            // The sender is held here, so it ends by a change or by `shutdown`.
            let _changed = shutdown.run_until_cancelled(keepers.changed()).await;
            stop.cancel();
        }
        while tasks.join_next().await.is_some() {}
    }

    /// Reads what another plan says, or the same one again.
    pub(crate) fn prepare(&self, plan: &CertificatePlan) -> Result<Change, Error> {
        if self.keeper.borrow().is_of(plan) {
            return self.reload().map(|_changed| Change(None));
        }
        let shown = self.keeper.borrow().current();
        Keeper::open(plan, &self.context, shown).map(|keeper| Change(Some(keeper)))
    }

    /// Shows it from now on.
    pub(crate) fn take(&self, change: Change) {
        if let Some(keeper) = change.0 {
            self.keeper.send_replace(keeper);
        }
    }
}

impl Keeper {
    fn open(plan: &CertificatePlan, context: &Context, shown: Option<TlsCertificate>) -> Result<Self, Error> {
        match plan {
            CertificatePlan::Files(plan) => {
                let (chain, key) = (plan.certificate.clone(), plan.private_key.clone());
                Ok(Self::Files(CertificateFiles::open(Arc::clone(&context.files), chain, key)?, plan.clone()))
            }
            CertificatePlan::Acme(settings) => {
                Ok(Self::Acme(Acme::new(settings.clone(), context.clone())?, settings.clone(), shown))
            }
        }
    }

    fn is_of(&self, plan: &CertificatePlan) -> bool {
        match (self, plan) {
            (Self::Files(_, own), CertificatePlan::Files(plan)) => own == plan,
            (Self::Acme(_, own, _), CertificatePlan::Acme(plan)) => own == plan,
            _ => false,
        }
    }

    fn current(&self) -> Option<TlsCertificate> {
        match self {
            Self::Files(files, _) => Some(files.current()),
            Self::Acme(acme, _, before) => acme.current().or_else(|| before.clone()),
        }
    }

    fn has_proofs_by_name(&self) -> bool {
        matches!(self, Self::Acme(_, AcmeSettings { challenge: AcmeChallenge::TlsAlpn01, .. }, _))
    }

    fn proof(&self, name: &str) -> Option<TlsCertificate> {
        match self {
            Self::Files(..) => None,
            Self::Acme(acme, ..) => acme.proof_of(name),
        }
    }
}

/// A router that is another one from one request to the next.
pub(crate) fn router_of_the_moment(current: watch::Receiver<Router>) -> Router {
    Router::new().fallback(move |request: Request| {
        let router = current.borrow().clone();
        async move { router.oneshot(request).await }
    })
}
