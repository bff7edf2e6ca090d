//! The agent's half.

use std::path::PathBuf;

use carnet_core::{Context, Error};
use carnet_x509::{Certificate, pem_to_der};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::Payload;
use crate::{
    evidence::to_value,
    load,
    proof::{Proof, key_of_pem},
    protocol::Base64,
};

/// Where the certificate and its key are.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct X509popEvidence {
    /// PEM certificates, leaf first, then those between it and the root.
    pub certificate_file: PathBuf,
    /// The leaf's key in PEM, not encrypted.
    pub key_file: PathBuf,
}

impl X509popEvidence {
    pub(crate) fn gather(&self, nonce: &[u8], context: &Context) -> Result<Value, Error> {
        let chain = pem_to_der(&load::file(context, &self.certificate_file)?)?;
        let key = key_of_pem(&load::file(context, &self.key_file)?)?;
        let leaf = Certificate::from_der(chain.first().map(Vec::as_slice).unwrap_or_default())?;
        if leaf.spki() != key.public_spki() {
            return Err(Error::configuration(format!(
                "use {} with {}: the key is not the certificate's",
                self.key_file.display(),
                self.certificate_file.display()
            )));
        }
        let proof = Proof::make(&key, nonce, context)?;
        to_value(&Payload { certificates: chain.into_iter().map(Base64).collect(), proof })
    }
}
