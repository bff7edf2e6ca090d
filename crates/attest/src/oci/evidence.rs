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

/// The variable that Oracle's Go and Python SDKs read for another place; the source `oci-instance` reads it too.
const BASE_VARIABLE: &str = "OCI_METADATA_BASE_URL";
/// Path of the version that is spoken.
const VERSION: &str = "/opc/v2";

/// Where the metadata service is.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OciEvidence {
    /// Base of the metadata service, with or without `/opc/v2`. Default: `OCI_METADATA_BASE_URL`, else
    /// `http://169.254.169.254/opc/v2`.
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

    /// Where the service is, without its version, however it was written.
    fn base(&self, context: &Context) -> Result<Url, Error> {
        let mut base = match (&self.metadata_url, context.env(BASE_VARIABLE)) {
            (Some(url), _) => url.clone(),
            (None, Some(text)) => Url::parse(text.trim()).map_err(|error| {
                Error::configuration(format!("use the environment variable {BASE_VARIABLE}: it is not a URL"))
                    .because(error)
                    .hint("write the whole base, such as http://169.254.169.254/opc/v2, or unset it")
            })?,
            (None, None) => metadata::base(None)?,
        };
        let path = base.path().trim_end_matches('/');
        let path = path.strip_suffix(VERSION).unwrap_or(path).to_owned();
        base.set_path(&path);
        Ok(base)
    }

    async fn get(&self, context: &Context, path: &str) -> Result<Response, Error> {
        let request = metadata::document(&self.base(context)?, &format!("{VERSION}/{path}"))?
            .header(header::AUTHORIZATION, HeaderValue::from_static("Bearer Oracle"));
        metadata::send(context, request, path).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use carnet_core::{MapEnvironment, test_context};

    use super::*;

    #[test]
    fn the_metadata_service_is_found_with_its_version_and_without() {
        let named = |url: &str| OciEvidence { metadata_url: Some(url.parse().unwrap()), region: None };
        for url in ["http://127.0.0.1:9", "http://127.0.0.1:9/opc/v2", "http://127.0.0.1:9/opc/v2/"] {
            assert_eq!(named(url).base(&test_context()).unwrap().as_str(), "http://127.0.0.1:9/", "{url}");
        }
        let below = named("http://127.0.0.1:9/imds/opc/v2").base(&test_context()).unwrap();
        assert_eq!(below.as_str(), "http://127.0.0.1:9/imds");
        assert_eq!(OciEvidence::default().base(&test_context()).unwrap().as_str(), "http://169.254.169.254/");
    }

    #[test]
    fn the_metadata_service_is_where_the_variable_says_unless_the_configuration_names_it() {
        let context = |text: &str| Context {
            environment: Arc::new(MapEnvironment::of(&[(BASE_VARIABLE, text)])),
            ..test_context()
        };
        let said = context("http://127.0.0.1:9/opc/v2");
        assert_eq!(OciEvidence::default().base(&said).unwrap().as_str(), "http://127.0.0.1:9/");
        let named = OciEvidence { metadata_url: Some("http://127.0.0.1:8".parse().unwrap()), region: None };
        assert_eq!(named.base(&said).unwrap().as_str(), "http://127.0.0.1:8/");
        let error = OciEvidence::default().base(&context("opc")).unwrap_err();
        assert!(error.to_string().contains(BASE_VARIABLE), "{error}");
    }
}
