//! A TLS certificate in files that somebody else replaces.

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use carnet_core::{Error, Files, SecretBytes, chain};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::certificate::{CertificateSource, TlsCertificate};

/// Largest file that is read, in bytes. A chain of five certificates with 4096-bit keys has some twelve thousand.
const MAX_FILE: usize = 256 << 10;

/// A certificate chain and a key in PEM files that somebody else manages: cert-manager and the kubelet, an ACME client,
/// an administrator. Cheap to clone; all clones are one.
///
/// What is in the files is compared, and neither times nor inodes, because a Kubernetes secret is replaced by moving a
/// symbolic link two folders up, and other writers keep the time of the original. Somebody who replaces the two files
/// one after the other leaves a key that is of another certificate for a moment: such a pair is kept out, and the last
/// good one stays until both have come.
#[derive(Clone)]
pub struct CertificateFiles(Arc<Inner>);

struct Inner {
    files: Arc<dyn Files>,
    chain: PathBuf,
    private_key: PathBuf,
    state: Mutex<State>,
}

struct State {
    current: TlsCertificate,
    seen: Pair,
}

/// What the two files hold.
struct Pair {
    chain: SecretBytes,
    private_key: SecretBytes,
}

impl Pair {
    fn is(&self, other: &Self) -> bool {
        self.chain.expose() == other.chain.expose() && self.private_key.expose() == other.private_key.expose()
    }
}

impl CertificateFiles {
    /// Reads both files for the first time: certificates in PEM, leaf first, and the leaf's key in PEM (PKCS#8, PKCS#1
    /// or SEC 1, not encrypted).
    ///
    /// # Errors
    /// When one is missing or cannot be read, or when they do not belong together.
    pub fn open(files: Arc<dyn Files>, chain: PathBuf, private_key: PathBuf) -> Result<Self, Error> {
        let read = || Pair::read(&*files, &chain, &private_key);
        let (current, seen) = load(read()?, read)?;
        Ok(Self(Arc::new(Inner { files, chain, private_key, state: Mutex::new(State { current, seen }) })))
    }

    /// Reads both files again. True when a new pair was taken; false when they hold what they held.
    ///
    /// # Errors
    /// As [`CertificateFiles::open`]. The last good pair stays.
    pub fn reload(&self) -> Result<bool, Error> {
        let Inner { files, chain, private_key, state } = &*self.0;
        let read = || Pair::read(&**files, chain, private_key);
        let now = read()?;
        if state.lock().unwrap_or_else(PoisonError::into_inner).seen.is(&now) {
            return Ok(false);
        }
        let (current, seen) = load(now, read)?;
        *state.lock().unwrap_or_else(PoisonError::into_inner) = State { current, seen };
        tracing::info!(path = %chain.display(), "a new TLS certificate was read");
        Ok(true)
    }

    /// Reads the files again every so often, until `shutdown`. What is wrong with them is logged once, and again when
    /// it is something else.
    pub async fn watch(&self, every: Duration, shutdown: CancellationToken) {
        let mut complained = None;
        while shutdown.run_until_cancelled(sleep(every)).await.is_some() {
            let own = self.clone();
            // The files may be on a file system that makes one wait.
            let Ok(outcome) = tokio::task::spawn_blocking(move || own.reload()).await else { return };
            let complaint = outcome.err().map(|error| chain(&error).join(": "));
            if let Some(error) = complaint.as_ref().filter(|_| complaint != complained) {
                let path = self.0.chain.display();
                tracing::warn!(%path, %error, "a TLS certificate was not taken; the last good one stays");
            }
            complained = complaint;
        }
    }

    /// The last good pair.
    pub fn current(&self) -> TlsCertificate {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner).current.clone()
    }

    /// The last good pair of each moment, for a listener or a client.
    pub fn source(&self) -> CertificateSource {
        let own = self.clone();
        Arc::new(move || Some(own.current()))
    }
}

impl Pair {
    fn read(files: &dyn Files, chain: &PathBuf, private_key: &PathBuf) -> Result<Self, Error> {
        let one = |what: &str, path: &PathBuf| {
            let failed =
                || Error::configuration(format!("read the {what} of a TLS certificate from {}", path.display()));
            let found = files.read(path, MAX_FILE).map_err(|error| failed().because(error))?;
            found.ok_or_else(|| failed().hint("the file does not exist"))
        };
        Ok(Self { chain: one("chain", chain)?, private_key: one("private key", private_key)? })
    }
}

/// Parses a pair. One that does not belong together is read once more: it may have been replaced between the two files.
fn load(pair: Pair, read: impl Fn() -> Result<Pair, Error>) -> Result<(TlsCertificate, Pair), Error> {
    let parse = |pair: Pair| {
        TlsCertificate::from_pem(pair.chain.expose(), pair.private_key.expose()).map(|certificate| (certificate, pair))
    };
    parse(pair).or_else(|_replaced_meanwhile| parse(read()?))
}

impl fmt::Debug for CertificateFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateFiles")
            .field("chain", &self.0.chain)
            .field("private_key", &self.0.private_key)
            .finish_non_exhaustive()
    }
}
