//! Writing the credential file and the subject token.

use std::{collections::BTreeMap, path::PathBuf};

use carnet_core::{
    BoxFuture, Context, Credential, Delivered, Delivery, DeliveryConfig, Error, Kinds, Material, NewFile, Secret,
};
use serde_json::{Map, Value, json};

use super::{DEFAULT_FIELD, GcpCredentialFile, TokenFormat, UrlForm};
use crate::endpoint::Endpoints;

/// Where the library finds the subject token.
#[derive(Debug)]
pub(super) enum Form {
    Executable { command: String, timeout_millis: i64, output_file: Option<PathBuf> },
    File { token_path: PathBuf, format: TokenFormat, field: String },
    Url(UrlForm),
}

#[derive(Debug)]
pub(super) struct CredentialFile {
    pub(super) config: GcpCredentialFile,
    pub(super) endpoints: Endpoints,
    pub(super) lifetime: Option<i64>,
    pub(super) form: Form,
}

impl Delivery for CredentialFile {
    fn name(&self) -> &'static str {
        GcpCredentialFile::NAME
    }

    fn takes(&self) -> Kinds {
        GcpCredentialFile::TAKES
    }

    fn deliver<'a>(
        &'a self,
        context: &'a Context,
        credential: &'a Credential,
    ) -> BoxFuture<'a, Result<Delivered, Error>> {
        Box::pin(async move {
            let document = self.document(context, credential)?;
            let json = serde_json::to_vec_pretty(&document)
                .map_err(|error| Error::internal("write the credential file").because(error))?;
            // The token first, so that the credential file never names a file that is not there yet.
            let mut files: Vec<NewFile> = self.token_file(credential)?.into_iter().collect();
            files.push(NewFile::new(&self.config.path, json));
            context.files.replace(&files)?;
            let files = files.into_iter().map(|file| file.path).collect();
            Ok(Delivered { environment: self.environment(), files, ..Delivered::default() })
        })
    }
}

impl CredentialFile {
    fn token_file(&self, credential: &Credential) -> Result<Option<NewFile>, Error> {
        let Form::File { token_path, format, field } = &self.form else { return Ok(None) };
        let Material::Jwt(token) = &credential.material else {
            return Err(Error::configuration(
                "write a credential file in the file form: the route ends with an access token, and the library needs the subject token",
            )
            .hint("end the route before `gcp`: the library makes that exchange itself")
            .hint("or let the library run carnet: `executable = { command = \"/PATH/TO/carnet get ROUTE --format gcp-executable\" }`, with a ROUTE that ends before `gcp`"));
        };
        let content = match format {
            // Libraries send a text as it is, so a newline at the end would become part of the token.
            TokenFormat::Text => token.expose().to_owned(),
            TokenFormat::Json => json!({ field.as_str(): token.expose() }).to_string(),
        };
        Ok(Some(NewFile::new(token_path, content)))
    }

    fn document(&self, context: &Context, credential: &Credential) -> Result<Value, Error> {
        let of_exchange = |name: &str| match credential.material {
            Material::AccessToken(_) => credential.facts.get(name).cloned(),
            _ => None,
        };
        let audience = self.config.audience.clone().or_else(|| of_exchange("provider")).ok_or_else(|| {
            Error::configuration("write a credential file: the provider is not known")
                .hint("set `audience` to the provider's full name")
        })?;
        // A service account has an `@`; the principal of direct access is a URL.
        let account =
            self.config.service_account.clone().or_else(|| of_exchange("principal").filter(|name| !name.contains('/')));
        let token_url = self.endpoints.token(context, false)?.to_string();
        let mut document = Map::new();
        let mut set = |name: &str, value: Value| document.insert(name.to_owned(), value);
        set("type", json!("external_account"));
        set("audience", json!(audience));
        set("subject_token_type", json!(self.config.subject_token_type.urn()));
        if let Some(base) = token_url.strip_suffix("/token") {
            set("token_info_url", json!(format!("{base}/introspect")));
        }
        set("token_url", json!(token_url));
        set("universe_domain", json!(self.endpoints.universe));
        if let Some(account) = account {
            let url = self.endpoints.service_account(context, &account, "generateAccessToken", false)?;
            set("service_account_impersonation_url", json!(url.as_str()));
            if let Some(seconds) = self.lifetime {
                set("service_account_impersonation", json!({ "token_lifetime_seconds": seconds }));
            }
        }
        if let Some(project) = self.config.quota_project.clone().or_else(|| of_exchange("quota_project")) {
            set("quota_project_id", json!(project));
        }
        set("credential_source", self.credential_source());
        Ok(Value::Object(document))
    }

    fn credential_source(&self) -> Value {
        let format = |format: TokenFormat, field: &str| match format {
            TokenFormat::Json => json!({ "type": "json", "subject_token_field_name": field }),
            TokenFormat::Text => json!({ "type": "text" }),
        };
        match &self.form {
            Form::Executable { command, timeout_millis, output_file } => {
                let mut executable = json!({ "command": command, "timeout_millis": timeout_millis });
                if let (Some(path), Some(members)) = (output_file, executable.as_object_mut()) {
                    members.insert("output_file".to_owned(), json!(path));
                }
                json!({ "executable": executable })
            }
            Form::File { token_path, format: kind, field } => {
                json!({ "file": token_path, "format": format(*kind, field) })
            }
            Form::Url(url) => {
                let headers: BTreeMap<&str, &str> =
                    url.headers.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
                let field = url.field.as_deref().unwrap_or(DEFAULT_FIELD);
                json!({ "url": url.url, "headers": headers, "format": format(url.format, field) })
            }
        }
    }

    fn environment(&self) -> Vec<(String, Secret)> {
        let mut environment =
            vec![("GOOGLE_APPLICATION_CREDENTIALS".to_owned(), Secret::new(self.config.path.to_string_lossy()))];
        if let Some(project) = &self.config.project {
            environment.push(("GOOGLE_CLOUD_PROJECT".to_owned(), Secret::new(project.as_str())));
        }
        if matches!(self.form, Form::Executable { .. }) {
            // Without it, libraries refuse to run anything.
            environment.push(("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES".to_owned(), Secret::new("1")));
        }
        environment
    }
}
