//! `vault-secrets`: secrets of KV v1 and v2, in files or variables.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use carnet_core::{
    BoxFuture, Context, Credential, Delivered, Delivery, DeliveryConfig, Error, Kind, Kinds, Mistake, NewFile, Output,
    Secret, is_variable_name,
};
use http::Method as Verb;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::export_lines;
use crate::{
    endpoint::{Connection, Server, check_path, send},
    error,
    exchange::{attempt_with_token, connection_of, revoke, token},
    wire,
};

/// Secrets of the KV engine, read with the token. All are read before the first is written.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VaultSecrets {
    /// The secrets.
    pub secrets: Vec<SecretItem>,
    /// Whether the token is given back after they were read. By default it is not.
    #[serde(default)]
    pub revoke: bool,
    /// A file with the certificates (PEM) of the server's authority. By default from `BAO_CACERT` or `VAULT_CACERT`.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

/// One secret and where it goes. At least one of `file` and `variables`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretItem {
    /// The mount of the engine, for instance `secret`.
    pub mount: String,
    /// The path below it, without `data/`.
    pub path: String,
    /// The version of the engine: 2 (default) or 1.
    #[serde(default = "two")]
    pub engine: u8,
    /// The version of the secret. By default the newest. Engine 2 only.
    #[serde(default)]
    pub version: Option<u32>,
    /// A file of mode 0600: one member as it is when `member` is set, else all of them as one JSON object.
    #[serde(default)]
    pub file: Option<PathBuf>,
    /// The member that goes into `file`.
    #[serde(default)]
    pub member: Option<String>,
    /// Variables, each with the member that goes into it.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
}

fn two() -> u8 {
    2
}

impl DeliveryConfig for VaultSecrets {
    const NAME: &'static str = "vault-secrets";
    const ABOUT: &'static str = "secrets of Vault's KV engine in files or variables";
    const TAKES: Kinds = Kinds::of(&[Kind::AccessToken]);

    fn build(self) -> Result<Arc<dyn Delivery>, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        if self.secrets.is_empty() {
            mistakes.push(Mistake::new("secrets", "is empty"));
        }
        for (at, item) in self.secrets.iter().enumerate() {
            item.check(&format!("secrets.{at}"), &mut mistakes);
        }
        if mistakes.is_empty() { Ok(Arc::new(self)) } else { Err(mistakes) }
    }
}

impl SecretItem {
    fn check(&self, field: &str, mistakes: &mut Vec<Mistake>) {
        mistakes.extend(check_path(&format!("{field}.mount"), &self.mount).err());
        mistakes.extend(check_path(&format!("{field}.path"), &self.path).err());
        if !matches!(self.engine, 1 | 2) {
            mistakes.push(Mistake::new(format!("{field}.engine"), "is neither 1 nor 2"));
        }
        if self.version.is_some() && self.engine == 1 {
            mistakes.push(Mistake::new(format!("{field}.version"), "is only kept by engine 2").hint("leave it out"));
        }
        if self.file.is_none() && self.variables.is_empty() {
            mistakes.push(Mistake::new(field, "goes nowhere").hint("set `file` or `variables`"));
        }
        if self.file.as_ref().is_some_and(|path| path.file_name().is_none()) {
            mistakes.push(Mistake::new(format!("{field}.file"), "names no file"));
        }
        if self.member.is_some() && self.file.is_none() {
            mistakes.push(Mistake::new(format!("{field}.member"), "is for `file`, which is not set"));
        }
        let odd = self.variables.keys().find(|name| !is_variable_name(name));
        mistakes.extend(
            odd.map(|_| Mistake::new(format!("{field}.variables"), "holds what is not the name of a variable")),
        );
    }

    fn url_path(&self) -> String {
        let Self { mount, path, .. } = self;
        if self.engine == 1 { format!("{mount}/{path}") } else { format!("{mount}/data/{path}") }
    }

    async fn read(
        &self,
        context: &Context,
        connection: &Connection,
        credential: &Credential,
    ) -> Result<Map<String, Value>, Error> {
        let what = format!("read the secret {}/{}", self.mount, self.path);
        let mut request = connection.request(Verb::GET, &self.url_path(), Some(token(credential)?), None)?;
        if let Some(version) = self.version {
            request.url.query_pairs_mut().append_pair("version", &version.to_string());
        }
        let response = send(context, request, &what).await?;
        if !response.status.is_success() {
            return Err(error::refusal(&response, &what, &attempt_with_token(connection, token(credential)?)));
        }
        wire::parse_secret(response.body.expose(), self.engine == 2).map_err(|wrong| {
            Error::configuration(format!("{what}: {wrong}")).hint("`engine` is the version of the mount: 1 or 2")
        })
    }

    fn member(&self, members: &Map<String, Value>, name: &str) -> Result<Secret, Error> {
        match members.get(name) {
            Some(Value::String(text)) => Ok(Secret::new(text.as_str())),
            Some(other) => Ok(Secret::new(other.to_string())),
            None => Err(Error::configuration(format!(
                "read the secret {}/{}: it has no member `{name}`",
                self.mount, self.path
            ))
            .hint("correct the name; members are compared with case")),
        }
    }
}

type Read = (Vec<NewFile>, Vec<(String, Secret)>);

impl VaultSecrets {
    /// All secrets, as files and variables.
    async fn read(&self, context: &Context, connection: &Connection, credential: &Credential) -> Result<Read, Error> {
        let mut files = Vec::new();
        let mut environment = Vec::new();
        for item in &self.secrets {
            let members = item.read(context, connection, credential).await?;
            for (name, member) in &item.variables {
                environment.push((name.clone(), item.member(&members, member)?));
            }
            if let Some(path) = &item.file {
                let text = match &item.member {
                    Some(member) => item.member(&members, member)?,
                    None => Secret::new(Value::Object(members).to_string()),
                };
                files.push(NewFile::new(path, text.expose()));
            }
        }
        Ok((files, environment))
    }
}

impl Delivery for VaultSecrets {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn takes(&self) -> Kinds {
        Self::TAKES
    }

    fn output(&self) -> Output {
        let has_variables = self.secrets.iter().any(|item| !item.variables.is_empty());
        if has_variables { Output::Exports } else { Output::Nothing }
    }

    fn gives_back(&self) -> bool {
        self.revoke
    }

    fn deliver<'a>(
        &'a self,
        context: &'a Context,
        credential: &'a Credential,
    ) -> BoxFuture<'a, Result<Delivered, Error>> {
        Box::pin(async move {
            let server = Server { ca_file: self.ca_file.clone(), ..Server::default() };
            let connection = connection_of(credential, &server, context)?;
            let read = self.read(context, &connection, credential).await;
            // Whether or not all were read: after an error nobody else gives the token back.
            let revoked = if self.revoke { revoke(context, &connection, credential, None).await } else { Ok(()) };
            let (files, environment) = match (read, revoked) {
                (Ok(read), Ok(())) => read,
                (Err(error), Ok(())) | (Ok(_), Err(error)) => return Err(error),
                (Err(error), Err(left)) => {
                    return Err(error.hint(format!("the token could not be given back either ({left}): it lives on")));
                }
            };
            context.files.replace(&files)?;
            let files = files.into_iter().map(|file| file.path).collect();
            let output = (!environment.is_empty()).then(|| export_lines(&environment));
            Ok(Delivered { output, environment, files, ..Delivered::default() })
        })
    }
}
