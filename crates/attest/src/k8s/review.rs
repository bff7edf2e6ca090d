//! How an API server is asked; what it answers is read by `carnet-kubernetes`.

use std::path::PathBuf;

use carnet_core::{Context, Error, Secret};
use carnet_kubernetes::ApiServer;
use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use super::Bound;

/// How to ask.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReviewConfig {
    /// The API server, `https://HOST:PORT`.
    pub url: Url,
    /// PEM file with the API server's authorities.
    pub ca_file: PathBuf,
    /// File with the token of an account that may create token reviews (role `system:auth-delegator`). It is read anew
    /// each time.
    pub token_file: PathBuf,
}

impl ReviewConfig {
    pub(super) async fn ask(&self, context: &Context, token: &Secret, audience: &str) -> Result<Bound, Error> {
        let server = ApiServer::at(self.url.clone(), Some(self.ca_file.clone()), self.token_file.clone());
        let reviewed = server.review(context, token, &[audience]).await;
        // Whatever keeps the authority from asking says nothing about the node: it may come again.
        let reviewed = reviewed.map_err(|error| Error::unreachable("review the token of a node").because(error))?;
        Bound::of(reviewed.map_err(|refusal| super::not_believed(&refusal))?)
    }
}
