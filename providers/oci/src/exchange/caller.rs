//! Who asks the token endpoint: an OAuth client with a secret or a key, or an OCI principal that signs the request.
//!
//! Oracle, "Client Assertion", "Token Exchange Grant Type: Workload Identity Federation" (docs.oracle.com,
//! Identity/api-getstarted).

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use carnet_core::{Context, Error, Found, Mistake, Request, Secret, Source, SourceConfig, Want};
use carnet_jose::{Algorithm, SigningKey, encode_jwt, private_key_from_pem};
use http::{HeaderValue, header};
use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, json};

use crate::{
    client::{OPC_REQUEST_ID, request_id},
    domain_url::DomainUrl,
    error::Asked,
    signer::OciSigner,
    source::{instance::InstanceConfig, profile::ProfileConfig, resource::ResourceConfig},
    token::MAX_KEY,
    wire::Scope,
};

/// The variable with the client secret when the configuration names neither file nor variable: the one of Oracle's
/// Terraform provider.
const SECRET_VARIABLE: &str = "OCI_TOKEN_EXCHANGE_CLIENT_SECRET";
/// Largest secret file that is read, in bytes.
const MAX_SECRET: usize = 4096;
/// How long a client assertion is good. It is used at once; a longer life only helps whoever steals it.
const ASSERTION_LIFETIME: SignedDuration = SignedDuration::from_mins(5);
/// RFC 7523, 2.2.
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// An OCI principal that signs the request, so that no client secret is needed. Its dynamic group needs
/// `Allow dynamic-group … to {GET_RPST} in tenancy`, and the trust leaves `oauthClients` out.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CallerConfig {
    /// A profile of `~/.oci/config`.
    OciConfig(ProfileConfig),
    /// The compute instance that carnet runs on.
    OciInstance(InstanceConfig),
    /// The function, container instance or other resource that carnet runs in.
    OciResource(ResourceConfig),
}

/// The fields of an exchange that say who asks.
#[derive(Debug, Default)]
pub(crate) struct CallerFields {
    pub(crate) client_id: Option<String>,
    pub(crate) client_secret_file: Option<PathBuf>,
    pub(crate) client_secret_env: Option<String>,
    pub(crate) client_key_file: Option<PathBuf>,
    pub(crate) client_key_id: Option<String>,
    pub(crate) caller: Option<CallerConfig>,
}

/// Who asks, checked.
#[derive(Debug)]
pub(crate) enum Caller {
    Assertion { client_id: String, key_file: PathBuf, key_id: String },
    Secret { client_id: String, place: SecretPlace },
    Signed(Arc<dyn Source>),
}

/// Where a client secret is read from, anew at each use.
#[derive(Debug)]
pub(crate) enum SecretPlace {
    File(PathBuf),
    Variable(String),
}

/// What the caller adds to the request.
pub(crate) enum Proof {
    /// Form fields.
    Form(Vec<(&'static str, Secret)>),
    /// The header `Authorization: Basic`, and the secret in it, plain and encoded, so that no error quotes it.
    Basic(HeaderValue, [Secret; 2]),
    /// The request is signed.
    Signed(OciSigner),
}

impl CallerFields {
    pub(crate) fn build(self, mistakes: &mut Vec<Mistake>) -> Option<Caller> {
        let client_id = match (self.client_id, self.caller) {
            (Some(_), Some(_)) => {
                mistakes.push(
                    Mistake::new("caller", "stands beside client_id")
                        .hint("either an OAuth client asks (client_id) or an OCI principal signs (caller)"),
                );
                return None;
            }
            (None, None) => {
                mistakes.push(
                    Mistake::new("", "says neither client_id nor caller, so nobody asks")
                        .hint("an OAuth client: client_id and client_secret_file; without a secret: caller = { oci-instance = {} }"),
                );
                return None;
            }
            (None, Some(caller)) => {
                let given = [
                    ("client_secret_file", self.client_secret_file.is_some()),
                    ("client_secret_env", self.client_secret_env.is_some()),
                    ("client_key_file", self.client_key_file.is_some()),
                    ("client_key_id", self.client_key_id.is_some()),
                ];
                for (field, _) in given.into_iter().filter(|(_, given)| *given) {
                    mistakes.push(Mistake::new(field, "has no meaning beside caller, which signs the request"));
                }
                return caller.build(mistakes).map(Caller::Signed);
            }
            (Some(client_id), None) => client_id,
        };
        // The secret travels behind a colon (RFC 7617, 2).
        if client_id.is_empty() || !client_id.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':') {
            mistakes.push(
                Mistake::new("client_id", "is not a client id")
                    .hint("the App's name attribute, 32 hexadecimal digits; not its id or OCID"),
            );
            return None;
        }
        match (self.client_secret_file, self.client_secret_env, self.client_key_file, self.client_key_id) {
            (Some(file), None, None, None) => Some(Caller::Secret { client_id, place: SecretPlace::File(file) }),
            (None, variable, None, None) => {
                let name = variable.unwrap_or_else(|| SECRET_VARIABLE.to_owned());
                Some(Caller::Secret { client_id, place: SecretPlace::Variable(name) })
            }
            (None, None, Some(key_file), Some(key_id)) => Some(Caller::Assertion { client_id, key_file, key_id }),
            (None, None, Some(_), None) => {
                mistakes.push(
                    Mistake::new("client_key_id", "is missing beside client_key_file")
                        .hint("the alias of the certificate that was imported for the App"),
                );
                None
            }
            (None, None, None, Some(_)) => {
                mistakes.push(Mistake::new("client_key_file", "is missing beside client_key_id"));
                None
            }
            _ => {
                mistakes.push(
                    Mistake::new("client_id", "has more than one proof")
                        .hint("keep one of client_secret_file, client_secret_env and client_key_file"),
                );
                None
            }
        }
    }
}

impl CallerConfig {
    fn build(self, mistakes: &mut Vec<Mistake>) -> Option<Arc<dyn Source>> {
        let (name, built) = match self {
            Self::OciConfig(config) => (ProfileConfig::NAME, config.build()),
            Self::OciInstance(config) => (InstanceConfig::NAME, config.build()),
            Self::OciResource(config) => (ResourceConfig::NAME, config.build()),
        };
        built
            .map_err(|found| {
                mistakes.extend(found.into_iter().map(|mut mistake| {
                    let parts = ["caller", name, mistake.field.as_str()];
                    mistake.field = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(".");
                    mistake
                }));
            })
            .ok()
    }
}

impl Caller {
    /// What this caller adds to a request. May ask the network who it is.
    pub(crate) async fn proof(&self, context: &Context, domain: &DomainUrl) -> Result<Proof, Error> {
        match self {
            Self::Assertion { client_id, key_file, key_id } => {
                let assertion = assertion(context, domain, client_id, key_file, key_id)?;
                Ok(Proof::Form(vec![
                    ("client_assertion_type", Secret::new(ASSERTION_TYPE)),
                    ("client_assertion", assertion),
                    ("client_id", Secret::new(client_id.as_str())),
                ]))
            }
            Self::Secret { client_id, place } => {
                let secret = place.read(context)?;
                // As Oracle's SDKs write it: without the form encoding of RFC 6749, 2.3.1.
                let pair = Secret::new(format!("{client_id}:{}", secret.expose()));
                let encoded = Secret::new(STANDARD.encode(pair.expose()));
                let text = Secret::new(format!("Basic {}", encoded.expose()));
                let mut value = HeaderValue::from_str(text.expose())
                    .map_err(|error| Error::internal("write base64 into a header").because(error))?;
                value.set_sensitive(true);
                Ok(Proof::Basic(value, [secret, encoded]))
            }
            Self::Signed(source) => match source.find(context, &Want::default()).await? {
                Found::Credential(credential) => Ok(Proof::Signed(OciSigner::new(&credential)?)),
                Found::NotHere(reason) => {
                    let name = source.name();
                    Err(Error::not_here(format!("ask the identity domain as {name}: {reason}"))
                        .hint("caller must be an identity that this place has; elsewhere use client_id"))
                }
            },
        }
    }
}

impl Proof {
    /// Applies it to a request whose body is complete but for [`Proof::Form`]'s fields.
    pub(crate) fn apply(&self, mut request: Request, context: &Context) -> Result<Request, Error> {
        match self {
            Self::Form(_) => {}
            Self::Basic(value, _) => drop(request.headers.insert(header::AUTHORIZATION, value.clone())),
            Self::Signed(signer) => {
                request.headers.insert(OPC_REQUEST_ID, request_id(context));
                signer.sign(&mut request, Scope::Once, context.now())?;
            }
        }
        Ok(request)
    }

    /// How the request is proved, for the meaning of a refusal.
    pub(crate) fn asked(&self) -> Asked {
        match self {
            Self::Form(_) | Self::Basic(..) => Asked::AsClient,
            Self::Signed(_) => Asked::Signed,
        }
    }

    /// What it holds that must not be quoted.
    pub(crate) fn secrets(&self) -> Vec<&Secret> {
        match self {
            Self::Form(fields) => {
                fields.iter().filter(|(name, _)| *name == "client_assertion").map(|(_, secret)| secret).collect()
            }
            Self::Basic(_, secrets) => secrets.iter().collect(),
            Self::Signed(signer) => signer.secrets(),
        }
    }
}

impl SecretPlace {
    fn read(&self, context: &Context) -> Result<Secret, Error> {
        let (text, place) = match self {
            Self::File(path) => {
                let place = path.display().to_string();
                let bytes = context.files.read(path, MAX_SECRET)?.ok_or_else(|| {
                    Error::configuration(format!("read the client secret in {place}: the file does not exist"))
                        .hint("correct client_secret_file, or name a variable in client_secret_env")
                })?;
                let text = std::str::from_utf8(bytes.expose()).map(|text| Secret::new(text.trim())).ok();
                (text, place)
            }
            Self::Variable(name) => {
                let secret = context.environment.secret(name).ok_or_else(|| {
                    let garbled = context.environment.is_garbled(name);
                    let what = if garbled { "is not UTF-8 text" } else { "is not set" };
                    Error::configuration(format!("read the client secret: the variable {name} {what}"))
                        .hint("name a file in client_secret_file, or a variable in client_secret_env")
                })?;
                (Some(Secret::new(secret.expose().trim())), name.clone())
            }
        };
        text.filter(|secret| !secret.is_empty() && !secret.expose().contains(char::is_control)).ok_or_else(|| {
            Error::configuration(format!("read the client secret in {place}: it is not one line of text"))
                .hint("put the secret there as the console shows it, and nothing else")
        })
    }
}

/// Oracle, "Client Assertion": `iss` and `sub` are the client, `aud` the domain with a slash, `kid` the certificate.
fn assertion(
    context: &Context,
    domain: &DomainUrl,
    client_id: &str,
    key_file: &Path,
    key_id: &str,
) -> Result<Secret, Error> {
    let what = format!("use the client key {}", key_file.display());
    let pem = context
        .files
        .read(key_file, MAX_KEY)?
        .ok_or_else(|| Error::configuration(format!("{what}: the file does not exist")))?;
    let der = private_key_from_pem(pem.expose(), None).map_err(|error| Error::configuration(&what).because(error))?;
    let key = SigningKey::from_pkcs8(Algorithm::Rs256, &der)
        .map_err(|error| Error::configuration(&what).because(error))?
        .with_kid(key_id);
    let now = context.now().as_second();
    let claims = json!({
        "iss": client_id, "sub": client_id, "aud": [format!("{domain}/")],
        "iat": now, "exp": now.saturating_add(ASSERTION_LIFETIME.as_secs()), "jti": context.random_hex::<16>(),
    });
    let claims = claims.as_object().cloned().unwrap_or_default();
    Ok(encode_jwt(&key, &Map::new(), &claims)?)
}
