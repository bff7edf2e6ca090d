//! The agent's half.

use carnet_core::{Context, Error};
use http::{HeaderName, HeaderValue, Method};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::Payload;
use crate::{evidence::to_value, metadata};

/// Where the metadata service is.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AwsEvidence {
    /// Base of the metadata service. Default: `http://169.254.169.254`.
    #[serde(default)]
    pub metadata_url: Option<Url>,
}

impl AwsEvidence {
    pub(crate) async fn gather(&self, context: &Context) -> Result<Value, Error> {
        let base = metadata::base(self.metadata_url.as_ref())?;
        let mut request = metadata::document(&base, "/latest/api/token")?
            .header(HeaderName::from_static("x-aws-ec2-metadata-token-ttl-seconds"), HeaderValue::from_static("60"));
        request.method = Method::PUT;
        let session = metadata::send(context, request, "a session token").await?;
        let mut session = HeaderValue::from_str(&metadata::text(&session, "the session token")?)
            .map_err(|_unprintable| Error::unreachable("read the session token: it is not one line of text"))?;
        session.set_sensitive(true);
        let request = metadata::document(&base, "/latest/dynamic/instance-identity/rsa2048")?
            .header(HeaderName::from_static("x-aws-ec2-metadata-token"), session);
        let response = metadata::send(context, request, "the instance identity document").await?;
        to_value(&Payload { rsa2048: metadata::text(&response, "the instance identity document")? })
    }
}
