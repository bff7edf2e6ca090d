//! The agent's half.

use carnet_core::{Context, Error};
use http::{HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::{Payload, nonce_text};
use crate::{evidence::to_value, metadata};

/// Version of the metadata service.
const API_VERSION: &str = "2020-09-01";

/// Where the metadata service is.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AzureEvidence {
    /// Base of the metadata service. Default: `http://169.254.169.254`.
    #[serde(default)]
    pub metadata_url: Option<Url>,
}

impl AzureEvidence {
    pub(crate) async fn gather(&self, nonce: &[u8], context: &Context) -> Result<Value, Error> {
        let base = metadata::base(self.metadata_url.as_ref())?;
        let path = format!("/metadata/attested/document?api-version={API_VERSION}&nonce={}", nonce_text(nonce));
        let request = metadata::document(&base, &path)?
            .header(HeaderName::from_static("metadata"), HeaderValue::from_static("true"));
        let response = metadata::send(context, request, "the attested document").await?;
        to_value(&response.json::<Payload>("the attested document")?)
    }
}
