//! The domain's signing key and its certificate.

use std::sync::{Arc, Mutex, PoisonError};

use base64::{Engine as _, engine::general_purpose::STANDARD, engine::general_purpose::URL_SAFE_NO_PAD};
use carnet_jose::{Algorithm, KeyError, SigningKey};
use carnet_sandbox_kit::LazyKey;
use carnet_x509::{Authority, Certificate, LeafProfile, X509Error};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// `kid` of every identity domain's signing key.
const KID: &str = "SIGNING_KEY";

/// How long the certificate is valid. Nobody checks it; it is there to be named by `x5t`.
const CERTIFICATE_LIFE: SignedDuration = SignedDuration::from_hours(10 * 365 * 24);

/// The key that signs access tokens, with the certificate that names it.
#[derive(Debug)]
pub(crate) struct SigningCert {
    key: LazyKey,
    certificate: Mutex<Option<Arc<Signer>>>,
}

/// A key and its certificate, which belong together.
#[derive(Debug)]
pub(crate) struct Signer {
    pub(crate) key: Arc<SigningKey>,
    certificate: Certificate,
}

impl SigningCert {
    pub(crate) fn new() -> Self {
        Self { key: LazyKey::new(Algorithm::Rs256, KID), certificate: Mutex::default() }
    }

    /// The key and its certificate, made at the first use.
    ///
    /// # Errors
    /// When they cannot be made.
    pub(crate) fn get(&self, now: Timestamp) -> Result<Arc<Signer>, KeyError> {
        let key = self.key.get()?;
        let mut kept = self.certificate.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(signer) = kept.as_ref().filter(|signer| Arc::ptr_eq(&signer.key, &key)) {
            return Ok(Arc::clone(signer));
        }
        let certificate = certify(&key, now).map_err(|error| KeyError(error.to_string()))?;
        let signer = Arc::new(Signer { key, certificate });
        *kept = Some(Arc::clone(&signer));
        Ok(signer)
    }

    /// Replaces the key: tokens signed by the old one no longer verify.
    pub(crate) fn rotate(&self) {
        self.key.rotate();
    }
}

impl Signer {
    /// `x5t#S256` (RFC 7515, 4.1.8).
    pub(crate) fn thumbprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.certificate.sha256())
    }

    /// The public key as the JWKS shows it.
    ///
    /// UNCONFIRMED: members beyond `kty`, `kid`, `n` and `e`.
    pub(crate) fn jwk(&self) -> Value {
        let jwk = self.key.public_jwk();
        json!({
            "kty": jwk.kty, "kid": jwk.kid, "use": "sig", "alg": Algorithm::Rs256.name(), "n": jwk.n, "e": jwk.e,
            "x5t": URL_SAFE_NO_PAD.encode(self.certificate.sha1()), "x5t#S256": self.thumbprint(),
            "x5c": [STANDARD.encode(self.certificate.der())], "key_ops": ["verify", "wrapKey", "encrypt"],
        })
    }
}

fn certify(key: &SigningKey, now: Timestamp) -> Result<Certificate, X509Error> {
    let not_before = now.saturating_sub(SignedDuration::from_hours(24)).unwrap_or(now);
    let not_after = now.saturating_add(CERTIFICATE_LIFE).unwrap_or(Timestamp::MAX);
    let authority = Authority::root("carnet sandbox identity domain", Algorithm::Es256, not_before, not_after)?;
    let profile = LeafProfile {
        subject: vec![("CN", "idcs-c0ffee00c0ffee00c0ffee00c0ffee00".to_owned()), ("CN", "sslDomains".to_owned())],
        dns: Vec::new(),
        ip: Vec::new(),
        uri: Vec::new(),
        server: false,
        client: false,
        not_before,
        not_after,
        key: Algorithm::Rs256,
    };
    Certificate::from_der(&authority.issue_for_key(&profile, &key.public_spki())?)
}
