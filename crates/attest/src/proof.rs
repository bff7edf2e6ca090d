//! Proof of possession of a private key.

use std::{collections::BTreeMap, sync::Arc};

use carnet_core::{Context, Error, SecretBytes};
use carnet_jose::{Algorithm, PublicKey, SigningKey, private_key_from_pem, sha256};
use carnet_x509::{Certificate, KeyUsage};
use serde::{Deserialize, Serialize};

use crate::{
    Kind,
    attested::refused,
    protocol::{Base64, NONCE_LENGTH},
};

/// The answer to a nonce: SHA-256 of the authority's nonce and the node's own, signed with the key of a certificate. The
/// node's own nonce keeps an authority from choosing what is signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// The node's own nonce, [`NONCE_LENGTH`] bytes.
    pub nonce: Base64,
    /// RSA-PSS (PS256), ECDSA (`R || S`, with the hash of the curve's size) or Ed25519 over the digest.
    pub signature: Base64,
}

/// What each type of key signs with: one algorithm per key, chosen by neither side.
const ALGORITHMS: [Algorithm; 5] =
    [Algorithm::Ps256, Algorithm::Es256, Algorithm::Es384, Algorithm::Es512, Algorithm::EdDsa];

impl Proof {
    pub(crate) fn make(key: &SigningKey, challenge: &[u8], context: &Context) -> Result<Self, Error> {
        let mut nonce = [0; NONCE_LENGTH];
        context.random.fill(&mut nonce);
        let signature = key
            .sign(&digest(challenge, &nonce))
            .map_err(|error| Error::configuration("sign the authority's nonce").because(error))?;
        Ok(Self { nonce: nonce.to_vec().into(), signature: signature.into() })
    }

    /// Whether it answers this nonce and was made with the certificate's key, which must be one for signatures.
    pub(crate) fn verify(&self, kind: Kind, leaf: &Certificate, challenge: &[u8]) -> Result<(), Error> {
        if leaf.key_usage().is_some_and(|usage| !usage.contains(KeyUsage::DIGITAL_SIGNATURE)) {
            return Err(refused(kind, "key-usage", "the certificate's key is not for signatures"));
        }
        if self.nonce.0.len() != NONCE_LENGTH || challenge.len() != NONCE_LENGTH {
            return Err(refused(kind, "nonce", format!("the nonce does not have {NONCE_LENGTH} bytes")));
        }
        let key: PublicKey = leaf
            .public_key()
            .map_err(|error| refused(kind, "key", "the certificate's key cannot be used").because(error))?;
        let algorithm = ALGORITHMS
            .into_iter()
            .find(|algorithm| key.allows(*algorithm))
            .ok_or_else(|| refused(kind, "key", "the certificate's key is of a type that is not supported"))?;
        if key.verify(algorithm, &digest(challenge, &self.nonce.0), &self.signature.0) {
            return Ok(());
        }
        Err(refused(kind, "signature", "the answer to the nonce was not signed with the certificate's key"))
    }
}

fn digest(challenge: &[u8], response: &[u8]) -> [u8; 32] {
    sha256(&[challenge, response].concat())
}

/// The private key in a PEM text, for the algorithm of its type.
pub(crate) fn key_of_pem(pem: &[u8]) -> Result<Arc<SigningKey>, Error> {
    let failed = || Error::configuration("read the private key");
    let der: SecretBytes = private_key_from_pem(pem, None).map_err(|error| failed().because(error))?;
    let mut reasons = BTreeMap::new();
    for algorithm in ALGORITHMS {
        match SigningKey::from_pkcs8(algorithm, &der) {
            Ok(key) => return Ok(Arc::new(key)),
            Err(error) => drop(reasons.insert(algorithm.name(), error)),
        }
    }
    Err(failed().hint("RSA from 2048 bits, P-256, P-384, P-521 and Ed25519 are known"))
}
