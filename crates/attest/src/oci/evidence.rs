//! The agent's half.

use carnet_core::{Context, Error, Response};
use carnet_x509::{Certificate, pem_to_der};
use http::{HeaderValue, header};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::Payload;
use crate::{
    evidence::to_value,
    metadata,
    proof::{Proof, key_of_pem},
    protocol::Base64,
};

/// Where the metadata service is.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OciEvidence {
    /// Base of the metadata service without `/opc/v2`. Default: `http://169.254.169.254`.
    #[serde(default)]
    pub metadata_url: Option<Url>,
    /// The region by its identifier. Default: `instance/canonicalRegionName` of the metadata service.
    #[serde(default)]
    pub region: Option<String>,
}

impl OciEvidence {
    pub(crate) async fn gather(&self, nonce: &[u8], context: &Context) -> Result<Value, Error> {
        let region = if let Some(region) = &self.region {
            region.clone()
        } else {
            let answer = self.get(context, "instance/canonicalRegionName").await?;
            metadata::text(&answer, "instance/canonicalRegionName")?
        };
        // Certificate and key rotate several times a day, and for a moment may not belong together.
        for _ in 0..2 {
            let leaf = self.get(context, "identity/cert.pem").await?;
            let key = self.get(context, "identity/key.pem").await?;
            let intermediate = self.get(context, "identity/intermediate.pem").await?;
            let leaf = Certificate::from_pem(leaf.body.expose())?;
            let key = key_of_pem(key.body.expose())?;
            if leaf.spki() == key.public_spki() {
                let proof = Proof::make(&key, nonce, context)?;
                let others = pem_to_der(intermediate.body.expose())?;
                let certificates = std::iter::once(leaf.der().to_vec()).chain(others).map(Base64).collect();
                return to_value(&Payload { region, certificates, proof });
            }
        }
        Err(Error::unreachable("read the instance's identity: certificate and key do not belong together, twice")
            .hint("they rotate several times a day; try again in a moment"))
    }

    async fn get(&self, context: &Context, path: &str) -> Result<Response, Error> {
        let base = metadata::base(self.metadata_url.as_ref())?;
        let request = metadata::document(&base, &format!("/opc/v2/{path}"))?
            .header(header::AUTHORIZATION, HeaderValue::from_static("Bearer Oracle"));
        metadata::send(context, request, path).await
    }
}
