//! What an authority may look at to see that names are ours.

use std::{collections::HashMap, sync::Arc};

use carnet_core::Error;
use carnet_jose::{Algorithm, SigningKey};
use carnet_net::TlsCertificate;
use carnet_x509::acme_certificate;
use instant_acme::KeyAuthorization;
use jiff::{SignedDuration, Timestamp};

/// How long a certificate that proves a name is valid, around now: the clock of whoever looks may be another.
const AROUND: SignedDuration = SignedDuration::from_hours(24);

/// The proofs of the moment.
#[derive(Default)]
pub(super) struct Proofs {
    /// Key authorizations by token (RFC 8555, 8.3).
    by_token: HashMap<String, String>,
    /// Certificates by name, lower-case (RFC 8737, 3).
    by_name: HashMap<String, TlsCertificate>,
}

/// A proof that is in place.
pub(super) enum Placed {
    Token(String),
    Name(String),
}

impl Proofs {
    pub(super) fn of_token(&self, token: &str) -> Option<String> {
        self.by_token.get(token).cloned()
    }

    pub(super) fn of_name(&self, name: &str) -> Option<TlsCertificate> {
        self.by_name.get(name).cloned()
    }

    pub(super) fn place_token(&mut self, token: &str, authorization: &KeyAuthorization) -> Placed {
        self.by_token.insert(token.to_owned(), authorization.as_str().to_owned());
        Placed::Token(token.to_owned())
    }

    pub(super) fn place_name(&mut self, name: &str, proof: TlsCertificate) -> Placed {
        let name = name.to_ascii_lowercase();
        self.by_name.insert(name.clone(), proof);
        Placed::Name(name)
    }

    pub(super) fn withdraw(&mut self, placed: &Placed) {
        match placed {
            Placed::Token(token) => drop(self.by_token.remove(token)),
            Placed::Name(name) => drop(self.by_name.remove(name)),
        }
    }
}

/// The certificate that proves this name, with a key of its own.
pub(super) fn certificate(
    name: &str,
    authorization: &KeyAuthorization,
    now: Timestamp,
) -> Result<TlsCertificate, Error> {
    let wrong = |error: String| Error::internal("make the certificate of a proof").because(Error::internal(error));
    let digest = authorization.digest();
    let digest: &[u8; 32] =
        digest.as_ref().try_into().map_err(|_length| wrong("the digest is no SHA-256".to_owned()))?;
    let key = Arc::new(SigningKey::generate(Algorithm::Es256).map_err(|error| wrong(error.0))?);
    let der = acme_certificate(name, digest, Arc::clone(&key), now - AROUND, now + AROUND);
    let pkcs8 = key.to_pkcs8().map_err(|error| wrong(error.0))?;
    TlsCertificate::acme_proof(der.map_err(|error| wrong(error.0))?, &pkcs8)
}
