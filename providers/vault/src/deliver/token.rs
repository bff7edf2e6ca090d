//! The token in its file, in variables, and as the answer of a token helper.

use std::{path::PathBuf, sync::Arc};

use carnet_core::{
    BoxFuture, Context, Credential, Delivered, Delivery, DeliveryConfig, Error, Kind, Kinds, Mistake, NewFile, Output,
    Secret, SecretBytes,
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::export_lines;
use crate::exchange::{fact, token};

/// Where Vault's and OpenBao's clients look, below the home folder.
const USUAL_FILE: &str = ".vault-token";

/// The token in a file of mode 0600, without a newline.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VaultTokenFile {
    /// The file. By default `.vault-token` in the home folder, which Vault's own clients read.
    #[serde(default)]
    pub path: Option<PathBuf>,
}

/// The token, the address and the namespace in the variables that Vault's clients read; as `export` lines on standard output.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VaultEnv {
    /// Whether OpenBao's variables (`BAO_…`) are set as well. By default they are not.
    #[serde(default)]
    pub openbao: bool,
}

/// The answer of a token helper to `get`: the token on standard output, without a newline.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VaultTokenHelper {}

impl DeliveryConfig for VaultTokenFile {
    const NAME: &'static str = "vault-token-file";
    const ABOUT: &'static str = "the token in the file that Vault's clients read";
    const TAKES: Kinds = Kinds::of(&[Kind::AccessToken]);

    fn build(self) -> Result<Arc<dyn Delivery>, Vec<Mistake>> {
        match &self.path {
            Some(path) if path.file_name().is_none() => Err(vec![Mistake::new("path", "names no file")]),
            _ => Ok(Arc::new(self)),
        }
    }
}

impl Delivery for VaultTokenFile {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn takes(&self) -> Kinds {
        Self::TAKES
    }

    fn deliver<'a>(
        &'a self,
        context: &'a Context,
        credential: &'a Credential,
    ) -> BoxFuture<'a, Result<Delivered, Error>> {
        Box::pin(async move {
            let path = match &self.path {
                Some(path) => path.clone(),
                None => context.files.home().map(|home| home.join(USUAL_FILE)).ok_or_else(|| {
                    Error::configuration("find ~/.vault-token: there is no home folder").hint("set `path`")
                })?,
            };
            context.files.replace(&[NewFile::new(&path, token(credential)?.expose())])?;
            Ok(Delivered { files: vec![path], ..Delivered::default() })
        })
    }
}

impl DeliveryConfig for VaultEnv {
    const NAME: &'static str = "vault-env";
    const ABOUT: &'static str = "token, address and namespace in the variables that Vault's clients read";
    const TAKES: Kinds = Kinds::of(&[Kind::AccessToken]);

    fn build(self) -> Result<Arc<dyn Delivery>, Vec<Mistake>> {
        Ok(Arc::new(self))
    }
}

impl Delivery for VaultEnv {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn takes(&self) -> Kinds {
        Self::TAKES
    }

    fn output(&self) -> Output {
        Output::Exports
    }

    fn deliver<'a>(
        &'a self,
        _context: &'a Context,
        credential: &'a Credential,
    ) -> BoxFuture<'a, Result<Delivered, Error>> {
        Box::pin(async move {
            let shown = |name: &str| credential.facts.get(name).map(|value| Secret::new(value.as_str()));
            let values = [
                ("TOKEN", Some(token(credential)?.clone())),
                ("ADDR", shown(fact::ADDRESS)),
                ("NAMESPACE", shown(fact::NAMESPACE)),
            ];
            let prefixes = if self.openbao { ["VAULT", "BAO"].as_slice() } else { ["VAULT"].as_slice() };
            let mut environment = Vec::new();
            for prefix in prefixes {
                for (name, value) in &values {
                    environment.extend(value.clone().map(|value| (format!("{prefix}_{name}"), value)));
                }
            }
            Ok(Delivered { output: Some(export_lines(&environment)), environment, ..Delivered::default() })
        })
    }
}

impl DeliveryConfig for VaultTokenHelper {
    const NAME: &'static str = "vault-token-helper";
    const ABOUT: &'static str = "the answer of a token helper of Vault's client";
    const TAKES: Kinds = Kinds::of(&[Kind::AccessToken]);

    fn build(self) -> Result<Arc<dyn Delivery>, Vec<Mistake>> {
        Ok(Arc::new(self))
    }
}

impl Delivery for VaultTokenHelper {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn takes(&self) -> Kinds {
        Self::TAKES
    }

    fn output(&self) -> Output {
        Output::Whole
    }

    fn deliver<'a>(
        &'a self,
        _context: &'a Context,
        credential: &'a Credential,
    ) -> BoxFuture<'a, Result<Delivered, Error>> {
        Box::pin(async move {
            Ok(Delivered { output: Some(SecretBytes::new(token(credential)?.expose())), ..Delivered::default() })
        })
    }
}
