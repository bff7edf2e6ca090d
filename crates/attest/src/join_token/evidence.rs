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
pub struct JoinTokenEvidence {
    /// A file with the token. It is read when the agent attests, and needed once only.
    pub file: PathBuf,
}

impl JoinTokenEvidence {
    pub(crate) fn gather(&self, context: &Context) -> Result<Value, Error> {
        let what = || format!("read the join token in {}", self.file.display());
        let bytes = load::file(context, &self.file)
            .map_err(|error| error.hint("put a join token there: `carnet authority join-token create` makes one"))?;
        let text = std::str::from_utf8(&bytes).map_err(|_quoting| Error::configuration(what()))?.trim();
        if text.is_empty() {
            return Err(Error::configuration(what()).hint("the file is empty"));
        }
        to_value(&Payload { token: Secret::new(text) })
    }
}
