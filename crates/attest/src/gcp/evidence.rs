//! The agent's half.

use carnet_core::{Context, Error, Secret};
use http::{HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use url::{Url, form_urlencoded};

use super::{Payload, audience};
use crate::{evidence::to_value, metadata};

/// Whom the token is for.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GcpEvidence {
    /// The audience that the authority is configured with.
    pub audience: String,
    /// The service account of the instance.
    #[serde(default = "service_account")]
    pub service_account: String,
    /// Base of the metadata service. Default: `http://169.254.169.254`.
    #[serde(default)]
    pub metadata_url: Option<Url>,
}

fn service_account() -> String {
    "default".to_owned()
}

impl GcpEvidence {
    pub(crate) async fn gather(&self, nonce: &[u8], context: &Context) -> Result<Value, Error> {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("audience", &audience(&self.audience, nonce))
            .append_pair("format", "full")
            .finish();
        let account: String = form_urlencoded::byte_serialize(self.service_account.as_bytes()).collect();
        let path = format!("/computeMetadata/v1/instance/service-accounts/{account}/identity?{query}");
        let request = metadata::document(&metadata::base(self.metadata_url.as_ref())?, &path)?
            .header(HeaderName::from_static("metadata-flavor"), HeaderValue::from_static("Google"));
        let response = metadata::send(context, request, "the instance's identity token").await?;
        let token = Secret::new(metadata::text(&response, "the instance's identity token")?);
        to_value(&Payload { token })
    }
}
