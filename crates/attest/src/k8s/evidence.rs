//! The agent's half.

use std::path::PathBuf;

use carnet_core::{Context, Error, Secret};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::Payload;
use crate::{evidence::to_value, load};

/// Where the token is.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct K8sEvidence {
    /// The cluster by the name that the authority has for it.
    pub cluster: String,
    /// A projected service account token for the authority's audience. It is read anew each time.
    #[serde(default = "token_file")]
    pub token_file: PathBuf,
}

fn token_file() -> PathBuf {
    "/var/run/secrets/tokens/carnet-agent".into()
}

impl K8sEvidence {
    pub(crate) fn gather(&self, context: &Context) -> Result<Value, Error> {
        let bytes = load::file(context, &self.token_file)?;
        let what = || format!("read the service account token in {}", self.token_file.display());
        let token = std::str::from_utf8(&bytes).map_err(|_quoting| Error::configuration(what()))?.trim();
        to_value(&Payload { cluster: self.cluster.clone(), token: Secret::new(token) })
    }
}
