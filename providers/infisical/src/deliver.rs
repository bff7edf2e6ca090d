//! `infisical-secrets`: secrets of projects, in files or variables.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    path::PathBuf,
    sync::Arc,
};

use carnet_core::{
    BoxFuture, Context, Credential, Delivered, Delivery, DeliveryConfig, Error, Kind, Kinds, Mistake, NewFile, Request,
    Secret, SecretBytes, is_variable_name,
};
use http::Method as Verb;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    endpoint::{Connection, Server, send},
    error::{self, Attempt},
    exchange::{connection_of, revoke, token, unreadable},
    wire::{self, Listed, RawSecret},
};

/// Everything but the unreserved characters of RFC 3986, 2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The API of secrets that every server and every SDK has. Its flags have other defaults than those of `v4`, so all are sent.
const SECRETS: &str = "v3/secrets/raw";

/// Secrets of Infisical, read with the token. All are read before the first is written.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InfisicalSecrets {
    /// The secrets.
    pub secrets: Vec<SecretItem>,
    /// Whether the token is given back after they were read. By default it is not.
    #[serde(default)]
    pub revoke: bool,
    /// A file with the certificates (PEM) of the server's authority. By default the system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

/// One secret, or those of one folder, and where they go. At least one of `file`, `variables` and `export`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the section, with a name of its own")]
pub struct SecretItem {
    /// The id of the project.
    pub project_id: String,
    /// The slug of the environment, for instance `prod`.
    pub environment: String,
    /// The folder. By default `/`.
    #[serde(default = "root")]
    pub path: String,
    /// One secret of the folder. By default all of them.
    #[serde(default)]
    pub name: Option<String>,
    /// Whether secrets of folders below are read too. By default they are not. Two of the same name are an error.
    #[serde(default)]
    pub recursive: bool,
    /// Whether what is imported into the folder is read too. By default it is. The folder's own secrets go first, then later
    /// imports before earlier ones.
    #[serde(default = "yes")]
    pub imports: bool,
    /// Whether references such as `${env.folder.NAME}` in values are replaced by the server. By default they are.
    #[serde(default = "yes")]
    pub expand_references: bool,
    /// A file of mode 0600: the value as it is when `name` is set, else all secrets as one JSON object.
    #[serde(default)]
    pub file: Option<PathBuf>,
    /// Variables, each with the name of the secret that goes into it.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// Whether every secret becomes a variable of its own name. By default none does.
    #[serde(default)]
    pub export: bool,
}

fn root() -> String {
    "/".to_owned()
}

fn yes() -> bool {
    true
}

impl DeliveryConfig for InfisicalSecrets {
    const NAME: &'static str = "infisical-secrets";
    const ABOUT: &'static str = "secrets of Infisical in files or variables";
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

/// The secrets of one item by name.
type Values = BTreeMap<String, Secret>;

impl SecretItem {
    fn check(&self, field: &str, mistakes: &mut Vec<Mistake>) {
        let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        for (name, value) in [("project_id", &self.project_id), ("environment", &self.environment)] {
            if value.is_empty() || !value.chars().all(word) {
                mistakes
                    .push(Mistake::new(format!("{field}.{name}"), "is not one word of letters, digits, `-` and `_`"));
            }
        }
        let segments = self.path.strip_prefix('/').map(|path| path.strip_suffix('/').unwrap_or(path));
        let plain =
            |path: &str| path.is_empty() || path.split('/').all(|part| !part.is_empty() && part.chars().all(word));
        if !segments.is_some_and(plain) {
            let mistake = Mistake::new(format!("{field}.path"), "is not the path of a folder");
            mistakes.push(mistake.hint("it begins with `/`, for instance `/api/db`"));
        }
        let name = self.name.as_deref();
        if name.is_some_and(|name| matches!(name, "" | "." | "..") || name.contains(char::is_control)) {
            mistakes.push(Mistake::new(format!("{field}.name"), "is not the name of a secret"));
        }
        if name.is_some() && self.recursive {
            mistakes
                .push(Mistake::new(format!("{field}.recursive"), "does not apply to one secret").hint("leave it out"));
        }
        if self.file.is_none() && self.variables.is_empty() && !self.export {
            mistakes.push(Mistake::new(field, "goes nowhere").hint("set `file`, `variables` or `export`"));
        }
        if self.file.as_ref().is_some_and(|path| path.file_name().is_none()) {
            mistakes.push(Mistake::new(format!("{field}.file"), "names no file"));
        }
        if self.variables.keys().any(|name| !is_variable_name(name)) {
            mistakes.push(Mistake::new(format!("{field}.variables"), "holds what is not the name of a variable"));
        }
    }

    async fn read(&self, context: &Context, connection: &Connection, credential: &Credential) -> Result<Values, Error> {
        let place = format!("{} of {} in {}", self.path, self.environment, self.project_id);
        let what = match &self.name {
            Some(name) => format!("read the secret {} in {place}", carnet_core::safe_text(name)),
            None => format!("read the secrets in {place}"),
        };
        let response = send(context, self.request(connection, credential)?, &what).await?;
        if !response.status.is_success() {
            return Err(error::refusal(&response, &what, &Attempt::with_token(credential)));
        }
        let body = response.body.expose();
        let parsed = match &self.name {
            Some(_) => wire::parse_one(body).map(|one| Listed { secrets: vec![one], imports: Vec::new() }),
            None => wire::parse_list(body),
        };
        merge(parsed.map_err(|wrong| unreadable(&response, &what, wrong))?, &what)
    }

    fn request(&self, connection: &Connection, credential: &Credential) -> Result<Request, Error> {
        let name = self.name.as_deref().map(|name| format!("/{}", utf8_percent_encode(name, RESERVED)));
        let path = format!("{SECRETS}{}", name.unwrap_or_default());
        let mut request = connection.request(Verb::GET, &path, Some(token(credential)?), None)?;
        let flag = |on: bool| if on { "true" } else { "false" };
        let folder = match self.path.trim_end_matches('/') {
            "" => "/",
            path => path,
        };
        request.url.query_pairs_mut().extend_pairs([
            ("workspaceId", self.project_id.as_str()),
            ("environment", self.environment.as_str()),
            ("secretPath", folder),
            ("viewSecretValue", "true"),
            ("expandSecretReferences", flag(self.expand_references)),
            ("include_imports", flag(self.imports)),
        ]);
        if self.name.is_none() {
            request.url.query_pairs_mut().append_pair("recursive", flag(self.recursive));
        }
        Ok(request)
    }

    fn one<'v>(&self, values: &'v Values, name: &str) -> Result<&'v Secret, Error> {
        values.get(name).ok_or_else(|| {
            let name = carnet_core::safe_text(name);
            Error::configuration(format!("read the secrets in {}: there is no `{name}`", self.path))
                .hint("correct the name, which is compared with case, or the folder")
        })
    }
}

/// The folder's own secrets, then those of imports, the last import first.
fn merge(listed: Listed, what: &str) -> Result<Values, Error> {
    let mut values = Values::new();
    for secret in listed.secrets {
        let (name, value) = visible(secret, what)?;
        match values.entry(name) {
            Entry::Vacant(place) => {
                place.insert(value);
            }
            Entry::Occupied(place) => {
                let name = carnet_core::safe_text(place.key());
                return Err(Error::configuration(format!("{what}: two folders have a secret `{name}`"))
                    .hint("read the folders one by one, each into its own file or variables"));
            }
        }
    }
    for import in listed.imports.into_iter().rev() {
        for secret in import.secrets {
            let (name, value) = visible(secret, what)?;
            values.entry(name).or_insert(value);
        }
    }
    Ok(values)
}

/// A value that the identity may see. A masked one must not be taken for it.
fn visible(secret: RawSecret, what: &str) -> Result<(String, Secret), Error> {
    if secret.secret_value_hidden {
        let name = carnet_core::safe_text(&secret.secret_key);
        return Err(Error::policy(format!("{what}: the value of `{name}` is hidden from the identity"))
            .clause("permission")
            .hint("give the identity a role in the project that may read values of secrets"));
    }
    Ok((secret.secret_key, secret.secret_value))
}

impl Delivery for InfisicalSecrets {
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
            let server = Server { ca_file: self.ca_file.clone(), ..Server::default() };
            let connection = connection_of(credential, &server, context)?;
            let mut files = Vec::new();
            let mut environment = Vec::new();
            for item in &self.secrets {
                let values = item.read(context, &connection, credential).await?;
                for (variable, name) in &item.variables {
                    environment.push((variable.clone(), item.one(&values, name)?.clone()));
                }
                if item.export {
                    environment.extend(exported(&values)?);
                }
                if let Some(path) = &item.file {
                    files.push(match &item.name {
                        Some(name) => NewFile::new(path, item.one(&values, name)?.expose()),
                        None => NewFile::new(path, whole(&values).expose()),
                    });
                }
            }
            if self.revoke {
                revoke(context, &connection, credential).await?;
            }
            context.files.replace(&files)?;
            let files = files.into_iter().map(|file| file.path).collect();
            let output = (!environment.is_empty()).then(|| export_lines(&environment));
            Ok(Delivered { output, environment, files, ..Delivered::default() })
        })
    }
}

/// Every secret as a variable of its own name.
fn exported(values: &Values) -> Result<Vec<(String, Secret)>, Error> {
    if let Some(odd) = values.keys().find(|name| !is_variable_name(name)) {
        let odd = carnet_core::safe_text(odd);
        return Err(Error::configuration(format!("export the secrets: `{odd}` is not the name of a variable"))
            .hint("name those that are wanted in `variables`"));
    }
    Ok(values.iter().map(|(name, value)| (name.clone(), value.clone())).collect())
}

/// All of them as one JSON object.
fn whole(values: &Values) -> Secret {
    let members = values.iter().map(|(name, value)| (name.clone(), Value::from(value.expose())));
    Secret::new(Value::Object(members.collect::<Map<_, _>>()).to_string())
}

/// `export NAME='VALUE'` lines. In single quotes only the quote itself is special (POSIX, 2.2.2).
fn export_lines(variables: &[(String, Secret)]) -> SecretBytes {
    let mut lines = String::new();
    for (name, value) in variables {
        let value = Secret::new(value.expose().replace('\'', r"'\''"));
        lines.extend(["export ", name, "='", value.expose(), "'\n"]);
    }
    SecretBytes::new(lines)
}

#[cfg(test)]
mod tests;
