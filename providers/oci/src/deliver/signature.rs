//! `oci-signature`: one signed request, so that any tool that can send headers can call OCI.

use std::{path::PathBuf, sync::Arc};

use carnet_core::{
    BoxFuture, Context, Credential, Delivered, Delivery, DeliveryConfig, Error, Kind, Kinds, Mistake, Output, Request,
    SecretBytes, may_carry_tokens,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use crate::{signer::OciSigner, wire::Scope};

/// Largest body that is read from a file, in bytes. It is hashed and handed on whole.
const MAX_BODY: usize = 64 << 20;

/// The headers that make a request a signed one: those given, those that have to be signed, and `authorization`. They hold
/// for five minutes, for exactly this method, URL and body.
///
/// The body of `PUT /n/{namespace}/b/{bucket}/o/{object}` is not signed, as Object Storage wants it.
///
/// # Errors
/// [`carnet_core::ErrorKind::Configuration`] when the key cannot be used or the URL has no host.
pub fn signed_headers(
    credential: &Credential,
    method: Method,
    url: &Url,
    headers: &HeaderMap,
    body: &[u8],
    now: Timestamp,
) -> Result<HeaderMap, Error> {
    let mut request = Request::new(method, url.clone()).body(body.to_vec());
    request.headers = headers.clone();
    let scope = Scope::of(&request);
    OciSigner::new(credential)?.sign(&mut request, scope, now)?;
    Ok(request.headers)
}

/// Those headers as a configuration for `curl --config -`, with method and URL. The body comes from `body_file`, which must
/// hold the bytes that were signed.
///
/// # Errors
/// [`carnet_core::ErrorKind::Configuration`] when a header is not text or a path holds a control character.
pub fn curl_config(
    method: &Method,
    url: &Url,
    headers: &HeaderMap,
    body_file: Option<&str>,
) -> Result<SecretBytes, Error> {
    // What curl would change otherwise: brackets in the URL, `..` in its path.
    let mut text = String::from("globoff\npath-as-is\n");
    if *method == Method::HEAD {
        text.push_str("head\n");
    } else {
        text.push_str(&line("request", method.as_str())?);
    }
    text.push_str(&line("url", url.as_str())?);
    for (name, value) in headers {
        // curl sets it itself from the body, and sends it twice otherwise.
        if name == http::header::CONTENT_LENGTH && body_file.is_some() {
            continue;
        }
        let value = value
            .to_str()
            .map_err(|error| Error::configuration(format!("write the header {name} for curl")).because(error))?;
        text.push_str(&line("header", &format!("{name}: {value}"))?);
    }
    if let Some(file) = body_file {
        if !headers.contains_key(http::header::CONTENT_TYPE) {
            // An object's body is not signed and has no type of its own; curl would call it a form.
            text.push_str(&line("header", "content-type: application/octet-stream")?);
        }
        text.push_str(&line("data-binary", &format!("@{file}"))?);
    }
    Ok(SecretBytes::new(text))
}

/// `name = "value"` with the escapes of curl's manual page.
fn line(name: &str, value: &str) -> Result<String, Error> {
    if value.contains(char::is_control) {
        return Err(Error::configuration(format!("write {name} for curl: it holds a control character")));
    }
    Ok(format!("{name} = \"{}\"\n", value.replace('\\', "\\\\").replace('"', "\\\"")))
}

/// How a signature is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SignatureForm {
    /// For `curl --config -`: method, URL, headers and body.
    #[default]
    Curl,
    /// One `name: value` for each line.
    Headers,
    /// A JSON object: `{"method", "url", "headers": {…}}`.
    Json,
}

/// Signs one request with a session or an API key. Example:
/// `carnet get ROUTE --format oci-signature url=https://objectstorage.us-ashburn-1.oraclecloud.com/n/ | curl -K -`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SignatureConfig {
    /// The URL of the request, as it will be sent.
    pub url: String,
    /// The method. Default: `GET`, or `POST` with a body.
    #[serde(default)]
    pub method: Option<String>,
    /// Headers besides those that are signed, each `name: value`. `content-type` and `x-date` are signed when given.
    #[serde(default)]
    pub headers: Vec<String>,
    /// File with the body.
    #[serde(default)]
    pub body_file: Option<PathBuf>,
    /// `curl` (default), `headers` or `json`.
    #[serde(default)]
    pub form: SignatureForm,
}

impl DeliveryConfig for SignatureConfig {
    const NAME: &'static str = "oci-signature";
    const ABOUT: &'static str = "one signed request, for curl or anything that sends headers";
    const TAKES: Kinds = Kinds::of(&[Kind::OciApiKey, Kind::OciSession]);

    fn build(self) -> Result<Arc<dyn Delivery>, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let url = match Url::parse(&self.url) {
            Ok(url) if may_carry_tokens(&url) && url.username().is_empty() => Some(url),
            Ok(_) => {
                mistakes.push(
                    Mistake::new("url", "is not an https URL without a user name, and a signed request goes there")
                        .hint("use https; plain http is only for this machine and the addresses of metadata services"),
                );
                None
            }
            Err(error) => {
                mistakes.push(
                    Mistake::new("url", format!("is not a URL: {error}"))
                        .hint("write it whole, with https:// and the host"),
                );
                None
            }
        };
        let default = if self.body_file.is_some() { "POST" } else { "GET" };
        let method = self.method.as_deref().unwrap_or(default).to_ascii_uppercase();
        let method = match method.as_str() {
            "GET" | "HEAD" | "DELETE" | "POST" | "PUT" | "PATCH" => Method::from_bytes(method.as_bytes()).ok(),
            _ => {
                mistakes.push(Mistake::new("method", "must be GET, HEAD, DELETE, POST, PUT or PATCH"));
                None
            }
        };
        let mut headers = HeaderMap::new();
        for (at, header) in self.headers.iter().enumerate() {
            match header.split_once(':').and_then(|(name, value)| parse_header(name.trim(), value.trim())) {
                Some((name, value)) => drop(headers.append(name, value)),
                None => mistakes.push(Mistake::new(format!("headers.{at}"), "is not `name: value` in visible ASCII")),
            }
        }
        match (url, method) {
            (Some(url), Some(method)) if mistakes.is_empty() => {
                Ok(Arc::new(Signature { url, method, headers, body_file: self.body_file, form: self.form }))
            }
            _ => Err(mistakes),
        }
    }
}

fn parse_header(name: &str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    Some((name.parse().ok()?, HeaderValue::from_str(value).ok().filter(|value| value.to_str().is_ok())?))
}

/// See [`SignatureConfig`].
#[derive(Debug)]
struct Signature {
    url: Url,
    method: Method,
    headers: HeaderMap,
    body_file: Option<PathBuf>,
    form: SignatureForm,
}

impl Delivery for Signature {
    fn name(&self) -> &'static str {
        SignatureConfig::NAME
    }

    fn takes(&self) -> Kinds {
        SignatureConfig::TAKES
    }

    fn output(&self) -> Output {
        Output::Whole
    }

    fn deliver<'a>(
        &'a self,
        context: &'a Context,
        credential: &'a Credential,
    ) -> BoxFuture<'a, Result<Delivered, Error>> {
        Box::pin(async move {
            let output = Some(self.write(context, credential)?);
            Ok(Delivered { output, ..Delivered::default() })
        })
    }
}

impl Signature {
    fn write(&self, context: &Context, credential: &Credential) -> Result<SecretBytes, Error> {
        let body = match &self.body_file {
            Some(path) => context.files.read(path, MAX_BODY)?.ok_or_else(|| {
                Error::configuration(format!("read {}: it does not exist", path.display())).hint("correct body_file")
            })?,
            None => SecretBytes::new(Vec::new()),
        };
        let now = context.now();
        let headers = signed_headers(credential, self.method.clone(), &self.url, &self.headers, body.expose(), now)?;
        let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
        match self.form {
            SignatureForm::Curl => {
                let file = self.body_file.as_ref().map(|path| path.display().to_string());
                curl_config(&self.method, &self.url, &headers, file.as_deref())
            }
            SignatureForm::Headers => {
                let lines: Vec<String> =
                    headers.iter().map(|(name, value)| format!("{name}: {}", text(value))).collect();
                Ok(SecretBytes::new(lines.join("\n") + "\n"))
            }
            SignatureForm::Json => {
                let headers: serde_json::Map<_, _> = headers
                    .iter()
                    .map(|(name, value)| (name.to_string(), serde_json::Value::String(text(value))))
                    .collect();
                let json = serde_json::json!({
                    "method": self.method.as_str(), "url": self.url.as_str(), "headers": headers,
                });
                Ok(SecretBytes::new(format!("{json}\n")))
            }
        }
    }
}

#[cfg(test)]
mod tests;
