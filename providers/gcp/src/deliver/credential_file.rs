//! A credential file of type `external_account`, which every Google library and gcloud read.

mod write;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use carnet_core::{Delivery, DeliveryConfig, Kind, Kinds, Mistake, Secret};
use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::write::{CredentialFile, Form};
use super::env::check_project;
use crate::{
    config::{EXECUTABLE_TIMEOUT, check_account, check_lifetime},
    endpoint::Endpoints,
    resource::{DEFAULT_UNIVERSE, ProviderResource},
    wire::SubjectTokenType,
};

/// The member of a JSON subject token file, when the user names none.
const DEFAULT_FIELD: &str = "id_token";

/// A credential file (`external_account`) for Google's libraries, which then exchange the token themselves.
///
/// In the file form (the default) carnet keeps a second file with the subject token fresh; the route must then end with the
/// subject token, that is, before an exchange `gcp`. In the URL and executable form the library gets the subject
/// token by itself, and the route may end with `gcp`, from which provider and service account are taken.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GcpCredentialFile {
    /// The credential file, an absolute path. `GOOGLE_APPLICATION_CREDENTIALS` is set to it.
    pub path: PathBuf,
    /// The full name of the identity provider: `//iam.googleapis.com/projects/PROJECT_NUMBER/locations/global/…`. By default
    /// that of the exchange `gcp` at the end of the route.
    #[serde(default)]
    pub audience: Option<String>,
    /// The service account to impersonate. By default that of the exchange `gcp` at the end of the route.
    #[serde(default)]
    pub service_account: Option<String>,
    /// Life of the impersonated access token, for instance `1h`; from 10 minutes to 12 hours.
    #[serde(default)]
    pub lifetime: Option<String>,
    /// How the subject token is announced: `jwt` (default) or `id-token`.
    #[serde(default)]
    pub subject_token_type: SubjectTokenType,
    /// The project for the client libraries (`GOOGLE_CLOUD_PROJECT`), which spares them a look-up.
    #[serde(default)]
    pub project: Option<String>,
    /// The project whose quota is used.
    #[serde(default)]
    pub quota_project: Option<String>,
    /// The domain of a sovereign cloud. By default `googleapis.com`.
    #[serde(default)]
    pub universe_domain: Option<String>,
    /// The token endpoint. By default as in the exchange `gcp`.
    #[serde(default)]
    pub token_url: Option<String>,
    /// The base of the IAM Service Account Credentials API. By default as in the exchange `gcp`.
    #[serde(default)]
    pub iamcredentials_url: Option<String>,
    /// The library reads the subject token from a file that carnet writes. The default form.
    #[serde(default)]
    pub file: Option<FileForm>,
    /// The library gets the subject token from a URL.
    #[serde(default)]
    pub url: Option<UrlForm>,
    /// The library runs a program for the subject token.
    #[serde(default)]
    pub executable: Option<ExecutableForm>,
}

/// How the subject token lies in a file or an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TokenFormat {
    /// A JSON object with the token as a member.
    Json,
    /// The token alone.
    #[default]
    Text,
}

/// The subject token in a file.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileForm {
    /// The file for the subject token, an absolute path. By default the credential file's with `.token` at its end.
    #[serde(default)]
    pub token_path: Option<PathBuf>,
    /// `text` (default) or `json`.
    #[serde(default)]
    pub format: TokenFormat,
    /// The member that holds the token, for `json`. By default `id_token`.
    #[serde(default)]
    pub field: Option<String>,
}

/// The subject token from a URL.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UrlForm {
    /// The URL that the library gets.
    pub url: String,
    /// Headers that it sends. They are written into the credential file.
    #[serde(default)]
    pub headers: BTreeMap<String, Secret>,
    /// `text` (default) or `json`.
    #[serde(default)]
    pub format: TokenFormat,
    /// The member that holds the token, for `json`. By default `id_token`.
    #[serde(default)]
    pub field: Option<String>,
}

/// The subject token from a program.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExecutableForm {
    /// The program by its absolute path and its arguments in one text, for instance
    /// `/usr/local/bin/carnet get ROUTE --format gcp-executable` with a ROUTE that ends with the subject token. No quotes: libraries differ in how they read them.
    pub command: String,
    /// How long it may take, from `5s` to `2m`. By default `30s`.
    #[serde(default)]
    pub timeout: Option<String>,
    /// A file in which the program keeps its answer, an absolute path; the library reads it before it runs the program.
    #[serde(default)]
    pub output_file: Option<PathBuf>,
}

impl DeliveryConfig for GcpCredentialFile {
    const NAME: &'static str = "gcp-credential-file";
    const ABOUT: &'static str = "a credential file for Google's libraries (external_account)";
    const TAKES: Kinds = Kinds::of(&[Kind::Jwt, Kind::AccessToken]);

    fn build(self) -> Result<Arc<dyn Delivery>, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        check_path("path", &self.path, &mut mistakes);
        let endpoints = Endpoints::check(
            self.universe_domain.as_deref(),
            self.token_url.as_deref(),
            self.iamcredentials_url.as_deref(),
            &mut mistakes,
        );
        let universe = self.universe_domain.as_deref().unwrap_or(DEFAULT_UNIVERSE);
        if let Some(audience) = &self.audience {
            mistakes.extend(ProviderResource::parse(audience, universe).err());
        }
        if let Some(account) = &self.service_account {
            mistakes.extend(check_account("service_account", account).err());
        }
        let lifetime = match self.lifetime.as_deref().map(check_lifetime) {
            Some(Ok(seconds)) => Some(seconds),
            Some(Err(mistake)) => {
                mistakes.push(mistake);
                None
            }
            None => None,
        };
        for (field, project) in [("project", &self.project), ("quota_project", &self.quota_project)] {
            if let Some(project) = project {
                mistakes.extend(check_project(field, project).err());
            }
        }
        let form = self.form(&mut mistakes);
        if matches!(form, Form::File { .. }) && self.audience.is_none() {
            mistakes.push(
                Mistake::new("audience", "is missing: in the file form the route ends with the subject token, which does not know the provider")
                    .hint("end the route before `gcp` and set `audience` (and `service_account`) here; or let the library run carnet: `executable = { command = \"/PATH/TO/carnet get ROUTE --format gcp-executable\" }`, with a ROUTE that ends before `gcp`"),
            );
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        Ok(Arc::new(CredentialFile { config: self, endpoints, lifetime, form }))
    }
}

impl GcpCredentialFile {
    fn form(&self, mistakes: &mut Vec<Mistake>) -> Form {
        let given = [self.file.is_some(), self.url.is_some(), self.executable.is_some()];
        if given.iter().filter(|given| **given).count() > 1 {
            mistakes.push(Mistake::new("", "has more than one of `file`, `url` and `executable`").hint("keep one"));
        }
        if let Some(url) = &self.url {
            mistakes.extend(check_subject_url(&url.url).err());
            if url.headers.values().any(|value| !value.expose().chars().all(|c| c == ' ' || c.is_ascii_graphic())) {
                mistakes.push(Mistake::new("url.headers", "has a value that is not one line of visible ASCII"));
            }
            check_field("url.field", url.format, url.field.as_deref(), mistakes);
            return Form::Url(url.clone());
        }
        if let Some(executable) = &self.executable {
            check_command(&executable.command, mistakes);
            if let Some(path) = &executable.output_file {
                check_path("executable.output_file", path, mistakes);
            }
            let timeout_millis = executable.timeout.as_deref().and_then(|text| check_timeout(text, mistakes));
            return Form::Executable {
                command: executable.command.clone(),
                timeout_millis: timeout_millis.unwrap_or(30_000),
                output_file: executable.output_file.clone(),
            };
        }
        let file = self.file.clone().unwrap_or_default();
        check_field("file.field", file.format, file.field.as_deref(), mistakes);
        if let Some(path) = &file.token_path {
            check_path("file.token_path", path, mistakes);
            if *path == self.path {
                mistakes.push(Mistake::new("file.token_path", "is the credential file itself"));
            }
        }
        let token_path = file.token_path.unwrap_or_else(|| {
            let mut name = self.path.clone().into_os_string();
            name.push(".token");
            name.into()
        });
        Form::File { token_path, format: file.format, field: file.field.unwrap_or_else(|| DEFAULT_FIELD.to_owned()) }
    }
}

/// Libraries open the file from whatever folder their program runs in.
fn check_path(field: &str, path: &Path, mistakes: &mut Vec<Mistake>) {
    if !path.is_absolute() || path.file_name().is_none() {
        mistakes.push(Mistake::new(field, "is not an absolute path to a file").hint("start it with `/`"));
    } else if path.to_str().is_none() {
        mistakes.push(Mistake::new(field, "is not UTF-8, so it cannot stand in JSON"));
    }
}

fn check_field(name: &str, format: TokenFormat, field: Option<&str>, mistakes: &mut Vec<Mistake>) {
    match (format, field) {
        (TokenFormat::Text, Some(_)) => {
            mistakes
                .push(Mistake::new(name, "has no meaning for text").hint("set `format = \"json\"`, or leave it out"));
        }
        (TokenFormat::Json, Some("")) => mistakes.push(Mistake::new(name, "is empty")),
        _ => {}
    }
}

/// The URL of an identity on this machine or in this network: plain http is usual there.
fn check_subject_url(text: &str) -> Result<(), Mistake> {
    let url = url::Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    match url {
        Some(url) if url.username().is_empty() && url.password().is_none() => Ok(()),
        Some(_) => Err(Mistake::new("url.url", "carries a user name or password").hint("send them in `headers`")),
        None => Err(Mistake::new("url.url", "is not an http or https URL")),
    }
}

fn check_command(command: &str, mistakes: &mut Vec<Mistake>) {
    if !command.starts_with('/') {
        mistakes.push(
            Mistake::new("executable.command", "does not start with an absolute path")
                .hint("write for instance `/usr/local/bin/carnet get ROUTE --format gcp-executable`"),
        );
    }
    if command.contains(['"', '\'', '\\', '\n', '$']) {
        mistakes.push(
            Mistake::new(
                "executable.command",
                "holds quotes, a backslash, `$` or a newline, which libraries read differently",
            )
            .hint("use a path and arguments without blanks in them"),
        );
    }
}

fn check_timeout(text: &str, mistakes: &mut Vec<Mistake>) -> Option<i64> {
    let millis = text.parse::<SignedDuration>().ok().and_then(|time| i64::try_from(time.as_millis()).ok());
    let fits = millis.filter(|millis| EXECUTABLE_TIMEOUT.contains(millis));
    if fits.is_none() {
        mistakes
            .push(Mistake::new("executable.timeout", "is not a time from 5s to 2m").hint("write for instance `30s`"));
    }
    fits
}

#[cfg(test)]
mod tests;
