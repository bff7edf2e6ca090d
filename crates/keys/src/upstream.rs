//! An authority above ours, from files.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use carnet_core::{Context, Error, SecretBytes};
use carnet_jose::{Algorithm, SigningKey, private_key_from_pem, sha256};
use carnet_x509::{Authority, Certificate, pem_to_der};
use jiff::Timestamp;

/// Largest file that is looked at, in bytes.
const MAX_LENGTH: usize = 256 * 1024;
/// Most certificates in a chain.
const MAX_CHAIN: usize = 8;

/// An authority above ours: it issues our authorities' certificates, and its root is what consumers get. The files are read
/// again with every key, and when they have changed.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// PEM: the issuing certificate, then those above it, the root last unless it is in `roots`.
    pub certificate: PathBuf,
    /// PEM: its private key, PKCS#8, PKCS#1 or SEC 1, not encrypted.
    pub key: PathBuf,
    /// PEM: the root, when `certificate` does not end with it.
    pub root: Option<PathBuf>,
}

/// It, read and looked at.
#[derive(Debug)]
pub(crate) struct Issuing {
    pub(crate) authority: Authority,
    /// The issuing certificate first, the root last.
    pub(crate) chain: Vec<Vec<u8>>,
    pub(crate) not_before: Timestamp,
    /// When the first of the chain expires.
    pub(crate) not_after: Timestamp,
}

impl Issuing {
    /// Tells chains apart.
    pub(crate) fn digest(&self) -> [u8; 32] {
        digest_of(&self.chain)
    }
}

/// Tells chains apart.
pub(crate) fn digest_of(chain: &[Vec<u8>]) -> [u8; 32] {
    let digests: Vec<u8> = chain.iter().flat_map(|certificate| sha256(certificate)).collect();
    sha256(&digests)
}

impl Upstream {
    /// Reads the files.
    ///
    /// # Errors
    /// [`carnet_core::ErrorKind::Configuration`] when one is missing or cannot be read, others may read the key, key and
    /// certificate do not belong together, the certificate is not that of an authority that may certify another, one has
    /// expired, or the chain does not end in a root.
    pub(crate) fn read(&self, context: &Context) -> Result<Issuing, Error> {
        let path = self.certificate.display();
        let mut chain = Self::certificates(context, &self.certificate)?;
        if let Some(root) = &self.root {
            let roots = Self::certificates(context, root)?;
            let [root] = roots.as_slice() else {
                return Err(Error::configuration(format!(
                    "{} has {} certificates, and one root is wanted",
                    root.display(),
                    roots.len()
                )));
            };
            if chain.last() != Some(root) {
                chain.push(root.clone());
            }
        }
        let read = chain.iter().map(|der| Certificate::from_der(der)).collect::<Result<Vec<_>, _>>()?;
        let (Some(first), Some(last)) = (read.first(), read.last()) else {
            return Err(Error::configuration(format!("{path} has no certificate")));
        };
        if read.len() > MAX_CHAIN {
            return Err(Error::configuration(format!("{path} has {} certificates, more than {MAX_CHAIN}", read.len())));
        }
        if last.subject() != last.issuer() {
            return Err(Error::configuration(format!("the chain in {path} does not end in a root"))
                .hint("append the root's certificate, or name its file"));
        }
        if first.path_length() == Some(0) {
            return Err(Error::configuration(format!(
                "the authority in {path} may not certify another (its path length is 0)"
            ))
            .hint(
                "carnet makes its own authorities and has them certified; ask for one with a path length of at least 1",
            ));
        }
        let not_after = read.iter().map(Certificate::not_after).min().unwrap_or(Timestamp::MIN);
        let not_before = read.iter().map(Certificate::not_before).max().unwrap_or(Timestamp::MAX);
        let now = context.now();
        if now < not_before || now >= not_after {
            return Err(Error::expired(format!("the chain in {path} is valid from {not_before} to {not_after} only"))
                .hint("bring a new one, or look at the clock"));
        }
        let algorithm = algorithm_of(first)
            .ok_or_else(|| Error::configuration(format!("the key of {path} is not one of RSA, P-256 or P-384")))?;
        let key = self.private_key(context)?;
        let cannot = |cause: String| {
            Error::configuration(format!("use {path} with the key {}: {cause}", self.key.display()))
                .hint("certificate and key must belong together; both are read again within seconds")
        };
        let key = SigningKey::from_pkcs8(algorithm, &key).map_err(|error| cannot(error.to_string()))?;
        let authority = Authority::from_key(first.der(), Arc::new(key)).map_err(|error| cannot(error.to_string()))?;
        Ok(Issuing { authority, chain, not_before, not_after })
    }

    fn certificates(context: &Context, path: &Path) -> Result<Vec<Vec<u8>>, Error> {
        let bytes = file(context, path)?;
        pem_to_der(bytes.expose())
            .map_err(|error| Error::configuration(format!("read {}", path.display())).because(error))
    }

    fn private_key(&self, context: &Context) -> Result<SecretBytes, Error> {
        let path = self.key.display();
        let bytes = file(context, &self.key)?;
        if context.files.others_may_read(&self.key) {
            return Err(Error::configuration(format!("read the key {path}: other users may read it"))
                .hint(format!("chmod 600 {path}")));
        }
        private_key_from_pem(bytes.expose(), None)
            .map_err(|error| Error::configuration(format!("read the key {path}")).because(error))
    }
}

fn file(context: &Context, path: &Path) -> Result<SecretBytes, Error> {
    context
        .files
        .read(path, MAX_LENGTH)?
        .ok_or_else(|| Error::configuration(format!("the file {} is missing", path.display())))
}

fn algorithm_of(certificate: &Certificate) -> Option<Algorithm> {
    let key = certificate.public_key().ok()?;
    [Algorithm::Es256, Algorithm::Es384, Algorithm::Rs256].into_iter().find(|algorithm| key.allows(*algorithm))
}
