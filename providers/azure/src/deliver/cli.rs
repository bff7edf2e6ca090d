//! `az login` with the subject token.

use std::{path::PathBuf, sync::Arc, time::Duration};

use carnet_core::{
    BoxFuture, Command, Context, Credential, Delivered, Delivery, DeliveryConfig, Error, Kind, Kinds, Material,
    Mistake, NewFile, Secret,
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::error::{Attempt, EntraError, code_in, refusal};

/// `az` is a Python program that starts slowly and asks Entra and Resource Manager.
const TIMEOUT: Duration = Duration::from_mins(2);
const MAX_OUTPUT: usize = 256 * 1024;

/// Signs the Azure CLI in with the subject token, and again at each renewal: `az` keeps the token it was given and cannot renew it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AzureCli {
    /// The tenant.
    pub tenant: String,
    /// The client id.
    pub client_id: String,
    /// A file of mode 0600 for the token, so that it does not stand among the arguments, where every user of the machine can read
    /// it (`--federated-token @FILE`).
    pub token_file: PathBuf,
    /// The folder where `az` keeps its state (`AZURE_CONFIG_DIR`). By default its own, `~/.azure`.
    #[serde(default)]
    pub config_dir: Option<PathBuf>,
}

impl DeliveryConfig for AzureCli {
    const NAME: &'static str = "azure-cli";
    const ABOUT: &'static str = "az login with the subject token, at each renewal";
    const TAKES: Kinds = Kinds::of(&[Kind::Jwt]);

    fn build(self) -> Result<Arc<dyn Delivery>, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        super::check_who(&self.tenant, &self.client_id, &mut mistakes);
        if !self.token_file.is_absolute() || self.token_file.file_name().is_none() || self.token_file.to_str().is_none()
        {
            mistakes.push(Mistake::new("token_file", "is not the absolute path of a file"));
        }
        if mistakes.is_empty() { Ok(Arc::new(self)) } else { Err(mistakes) }
    }
}

impl Delivery for AzureCli {
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
            let Material::Jwt(token) = &credential.material else {
                return Err(Error::internal(format!("sign in with a credential of kind {}", credential.kind())));
            };
            context.files.replace(&[NewFile::new(&self.token_file, token.expose())])?;
            let environment = self.environment();
            let done = context.commands.run(self.command(environment.clone())).await?;
            if done.status != Some(0) {
                return Err(self.failed(credential, context.now(), done.stderr.expose()));
            }
            Ok(Delivered { environment, files: vec![self.token_file.clone()], ..Delivered::default() })
        })
    }
}

impl AzureCli {
    fn environment(&self) -> Vec<(String, Secret)> {
        let folder = self.config_dir.as_ref().map(|folder| Secret::new(folder.to_string_lossy()));
        folder.into_iter().map(|folder| ("AZURE_CONFIG_DIR".to_owned(), folder)).collect()
    }

    fn command(&self, environment: Vec<(String, Secret)>) -> Command {
        let file = format!("@{}", self.token_file.to_string_lossy());
        let argv = [
            "az",
            "login",
            "--service-principal",
            "--username",
            &self.client_id,
            "--tenant",
            &self.tenant,
            "--federated-token",
            &file,
            "--allow-no-subscriptions",
            "--output",
            "none",
        ]
        .map(ToOwned::to_owned);
        Command { argv: argv.into(), environment, timeout: TIMEOUT, max_output: MAX_OUTPUT }
    }

    /// What `az` printed may quote the token, so only the code is taken from it.
    fn failed(&self, credential: &Credential, now: Timestamp, stderr: &[u8]) -> Error {
        const WHAT: &str = "sign the Azure CLI in";
        match code_in(&String::from_utf8_lossy(stderr)) {
            Some(code) => {
                let attempt = Attempt::of(credential, now, &self.tenant, &self.client_id, "that az asks for");
                refusal(WHAT, &EntraError { code: Some(code), ..EntraError::default() }, &attempt)
            }
            None => Error::refused(format!("{WHAT}: az failed"))
                .hint("run `az login` by hand with the same tenant and client id to see what it says"),
        }
    }
}
