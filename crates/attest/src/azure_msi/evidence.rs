//! The agent's half.

use carnet_core::{Context, Error, Secret};
use http::{HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use url::{Url, form_urlencoded};

use super::Payload;
use crate::{evidence::to_value, metadata};

/// Version of the metadata service.
const API_VERSION: &str = "2018-02-01";

/// Whom the token is for.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AzureMsiEvidence {
    /// What the token is asked for, the authority's `audience`: the URI of an application that is registered in the tenant, for
    /// instance `api://carnet`. Azure gives none for a resource that it does not know.
    pub resource: String,
    /// Base of the metadata service. Default: `http://169.254.169.254`.
    #[serde(default)]
    pub metadata_url: Option<Url>,
}

/// Of the metadata service's answer only the token is wanted.
#[derive(Deserialize)]
struct Answer {
    access_token: Secret,
}

impl AzureMsiEvidence {
    pub(crate) async fn gather(&self, context: &Context) -> Result<Value, Error> {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("api-version", API_VERSION)
            .append_pair("resource", &self.resource)
            .finish();
        let path = format!("/metadata/identity/oauth2/token?{query}");
        let request = metadata::document(&metadata::base(self.metadata_url.as_ref())?, &path)?
            .header(HeaderName::from_static("metadata"), HeaderValue::from_static("true"));
        let response = metadata::send(context, request, "the managed identity's token").await?;
        let Answer { access_token } = response.json("the managed identity's token")?;
        to_value(&Payload { token: access_token })
    }
}
