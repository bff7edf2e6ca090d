//! Who asks the token endpoint (RFC 6749, 2.3; RFC 7523, 2.2).

use std::path::{Path, PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use carnet_core::{Context, Error, Mistake, Secret, safe_text};
use http::HeaderValue;
use schemars::JsonSchema;
use serde::Deserialize;

/// RFC 7523, 2.2.
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Largest file with a secret or a token that is read, in bytes.
const MAX_FILE: usize = 64 * 1024;

/// How the client proves itself, by the names of RFC 7591, 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuthMethod {
    /// Not at all. With `client_id` it says who it is.
    None,
    /// With its secret in the header `authorization`.
    ClientSecretBasic,
    /// With its secret in the form.
    ClientSecretPost,
    /// With the credential itself, a JWT, as the client's assertion: no secret is needed.
    PrivateKeyJwt,
}

/// The fields of an exchange that say who asks.
#[derive(Debug, Default)]
pub(crate) struct ClientFields {
    pub(crate) method: Option<ClientAuthMethod>,
    pub(crate) client_id: Option<String>,
    pub(crate) client_secret: Option<Secret>,
    pub(crate) client_secret_file: Option<PathBuf>,
}

/// Who asks, checked.
#[derive(Debug)]
pub(crate) enum Client {
    Public(Option<String>),
    Secret { client_id: String, place: SecretPlace, in_form: bool },
    Assertion(Option<String>),
}

/// Where a client secret is. A file is read anew at each use.
#[derive(Debug)]
pub(crate) enum SecretPlace {
    Given(Secret),
    File(PathBuf),
}

/// What the client adds to a request.
#[derive(Default)]
pub(crate) struct Proof {
    pub(crate) fields: Vec<(&'static str, Secret)>,
    pub(crate) header: Option<HeaderValue>,
    /// What no error may quote. As it is in a form is known to who looks for it.
    pub(crate) secrets: Vec<Secret>,
}

impl ClientFields {
    /// Checks the fields. `default` is the method when none of them says one.
    pub(crate) fn check(self, default: ClientAuthMethod, mistakes: &mut Vec<Mistake>) -> Option<Client> {
        use ClientAuthMethod::{ClientSecretBasic, ClientSecretPost, None as Nobody, PrivateKeyJwt};
        let found = mistakes.len();
        if self.client_id.as_deref().is_some_and(|id| id.is_empty() || id.chars().any(char::is_control)) {
            mistakes.push(Mistake::new("client_id", "is empty or has control characters"));
        }
        let place = match (self.client_secret, self.client_secret_file) {
            (Some(_), Some(_)) => {
                let both = Mistake::new("client_secret_file", "stands beside client_secret");
                mistakes.push(both.hint("keep one of them"));
                None
            }
            (Some(secret), None) => Some(SecretPlace::Given(secret)),
            (None, file) => file.map(SecretPlace::File),
        };
        let default = if place.is_some() { ClientSecretBasic } else { default };
        let method = self.method.unwrap_or(default);
        if place.is_some() && matches!(method, Nobody | PrivateKeyJwt) {
            let unused = Mistake::new("client_auth", "uses no client secret, and there is one");
            mistakes.push(unused.hint("set `client_secret_basic` or `client_secret_post`, or leave the secret out"));
        }
        let client = match (method, place, self.client_id) {
            (Nobody, _, id) => Client::Public(id),
            (PrivateKeyJwt, _, id) => Client::Assertion(id),
            (ClientSecretBasic | ClientSecretPost, Some(place), Some(client_id)) => {
                Client::Secret { client_id, place, in_form: method == ClientSecretPost }
            }
            (ClientSecretBasic | ClientSecretPost, place, id) => {
                if id.is_none() {
                    mistakes.push(Mistake::new("client_id", "is missing beside the client secret"));
                }
                // Two secrets have been told of already.
                if place.is_none() && mistakes.len() == found {
                    mistakes.push(
                        Mistake::new("client_auth", "needs a client secret, and there is none")
                            .hint("name a file in `client_secret_file`, or a variable: client_secret = \"${NAME}\""),
                    );
                }
                return None;
            }
        };
        (mistakes.len() == found).then_some(client)
    }
}

impl Client {
    /// Whether the credential itself is the client's assertion.
    pub(crate) fn is_assertion(&self) -> bool {
        matches!(self, Self::Assertion(_))
    }

    /// What this client adds to a request in which `shown` is shown.
    pub(crate) fn proof(&self, context: &Context, shown: &Secret) -> Result<Proof, Error> {
        let mut proof = Proof { secrets: vec![shown.clone()], ..Proof::default() };
        match self {
            Self::Public(id) => proof.fields.extend(id_field(id.as_deref())),
            Self::Assertion(id) => {
                proof.fields.push(("client_assertion_type", Secret::new(ASSERTION_TYPE)));
                proof.fields.push(("client_assertion", shown.clone()));
                proof.fields.extend(id_field(id.as_deref()));
            }
            Self::Secret { client_id, place, in_form } => {
                let secret = place.read(context)?;
                if *in_form {
                    proof.fields.extend(id_field(Some(client_id)));
                    proof.fields.push(("client_secret", secret.clone()));
                } else {
                    // Both halves are form-encoded first (RFC 6749, 2.3.1).
                    let pair = format!("{}:{}", encoded(client_id).expose(), encoded(secret.expose()).expose());
                    let pair = Secret::new(STANDARD.encode(Secret::new(pair).expose()));
                    let text = Secret::new(format!("Basic {}", pair.expose()));
                    let mut value = HeaderValue::from_str(text.expose())
                        .map_err(|error| Error::internal("write base64 into a header").because(error))?;
                    value.set_sensitive(true);
                    proof.header = Some(value);
                    proof.secrets.push(pair);
                }
                proof.secrets.push(secret);
            }
        }
        Ok(proof)
    }
}

fn id_field(id: Option<&str>) -> Option<(&'static str, Secret)> {
    id.map(|id| ("client_id", Secret::new(id)))
}

fn encoded(text: &str) -> Secret {
    Secret::new(url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>())
}

impl SecretPlace {
    fn read(&self, context: &Context) -> Result<Secret, Error> {
        match self {
            Self::Given(secret) => one_line(secret.expose()).ok_or_else(|| {
                Error::configuration("use the client secret: it is not one line of text").clause("client")
            }),
            Self::File(path) => read_line(context, path, "the client secret"),
        }
    }
}

/// The one line of a file, without blanks around it.
pub(crate) fn read_line(context: &Context, path: &Path, what: &str) -> Result<Secret, Error> {
    let place = safe_text(&path.display().to_string());
    let bytes = context
        .files
        .read(path, MAX_FILE)?
        .ok_or_else(|| Error::configuration(format!("read {what} in {place}: the file does not exist")))?;
    std::str::from_utf8(bytes.expose())
        .ok()
        .and_then(one_line)
        .ok_or_else(|| Error::configuration(format!("read {what} in {place}: it is not one line of text")))
}

fn one_line(text: &str) -> Option<Secret> {
    let text = text.trim();
    (!text.is_empty() && !text.contains(char::is_control)).then(|| Secret::new(text))
}

#[cfg(test)]
mod tests;
