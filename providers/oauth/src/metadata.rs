//! The token endpoint out of an issuer's metadata (RFC 8414; OpenID Connect Discovery 1.0).

use carnet_core::{Context, Error, ErrorKind, Request, Response, safe_text};
use http::{HeaderValue, StatusCode, header};
use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use crate::{
    call::send,
    endpoint::{Issuer, fault},
};

/// Largest document that is read, in bytes. The longest ones have some ten kilobytes.
const MAX_DOCUMENT: usize = 256 * 1024;

/// Which document of an issuer names its token endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MetadataForm {
    /// `/.well-known/oauth-authorization-server` between the host and the path of the issuer (RFC 8414, 3.1).
    OauthAuthorizationServer,
    /// `/.well-known/openid-configuration` behind the issuer (OpenID Connect Discovery 1.0, 4).
    OpenidConfiguration,
}

impl MetadataForm {
    /// The address of the document.
    fn url(self, issuer: &Url) -> Url {
        let path = issuer.path().trim_end_matches('/');
        let path = match self {
            Self::OauthAuthorizationServer => format!("/.well-known/oauth-authorization-server{path}"),
            Self::OpenidConfiguration => format!("{path}/.well-known/openid-configuration"),
        };
        let mut url = issuer.clone();
        url.set_path(&path);
        url
    }
}

/// Reads a metadata document of `issuer` and returns the token endpoint that it names.
///
/// # Errors
/// What is wrong with it, safe to show. [`ErrorKind::Refused`] with the clause `issuer` when it is the document of
/// another issuer, by a single character (RFC 8414, 3.3); [`ErrorKind::Unreachable`] when it is no such document.
pub fn parse_metadata(body: &[u8], issuer: &str) -> Result<Url, Error> {
    #[derive(Deserialize)]
    struct Raw {
        issuer: String,
        #[serde(default)]
        token_endpoint: Option<String>,
    }
    let raw: Raw = serde_json::from_slice(body)
        .map_err(|_quoting| Error::unreachable("the document is not JSON with `issuer`, once"))?;
    if raw.issuer != issuer {
        return Err(Error::refused(format!("the document is of issuer {}", safe_text(&raw.issuer)))
            .clause("issuer")
            .hint("write the issuer exactly as its document does; a slash at the end counts"));
    }
    let endpoint = raw.token_endpoint.ok_or_else(|| {
        Error::unreachable("the document names no `token_endpoint`").hint("name it yourself in `token_url`")
    })?;
    Url::parse(&endpoint).map_err(|_quoting| Error::unreachable("its `token_endpoint` is not an absolute URL"))
}

/// Asks the issuer for its token endpoint. Nothing secret is sent; redirects are not followed.
pub(crate) async fn discover(context: &Context, issuer: &Issuer) -> Result<Url, Error> {
    let forms = match issuer.form {
        Some(form) => vec![form],
        None => vec![MetadataForm::OauthAuthorizationServer, MetadataForm::OpenidConfiguration],
    };
    let what = format!("find the token endpoint of issuer {}", safe_text(&issuer.identifier));
    let mut answered = Vec::new();
    for form in forms {
        let url = form.url(&issuer.url);
        let request = Request::get(url.clone())
            .header(header::ACCEPT, HeaderValue::from_static("application/json"))
            .max_response(MAX_DOCUMENT);
        let response = send(context, request, &what).await?;
        if response.status == StatusCode::OK {
            let read = parse_metadata(response.body.expose(), &issuer.identifier);
            let endpoint = read.and_then(|endpoint| check_place(endpoint, issuer));
            return endpoint.map_err(|error| {
                let what = format!("{what} in {url}");
                Error::new(error.kind(), what).because(error)
            });
        }
        // Only a document that is not there leads to the other one: whatever else it is might be a fault of the moment.
        if response.status != StatusCode::NOT_FOUND {
            return Err(no_document(&what, &url, &response));
        }
        answered.push(url.to_string());
    }
    Err(Error::refused(what)
        .because(Error::refused(format!("there is no document at {} (HTTP 404)", answered.join(" nor at "))))
        .clause("issuer")
        .hint("check the issuer, or name the token endpoint itself in `token_url`"))
}

fn no_document(what: &str, url: &Url, response: &Response) -> Error {
    let status = response.status;
    let kind = match status.as_u16() {
        401 | 403 | 410 => ErrorKind::Refused,
        _ => ErrorKind::Unreachable,
    };
    let error = Error::new(kind, what).because(Error::new(kind, format!("{url} answered HTTP {}", status.as_u16())));
    match status.as_u16() {
        300..=399 => error.hint("redirects are not followed; configure the issuer that it leads to"),
        401 | 403 => error.hint("the document must be readable without signing in"),
        _ => error,
    }
}

/// The token endpoint is where the issuer is, or where the configuration says: else one document could send every token to
/// somebody else.
fn check_place(endpoint: Url, issuer: &Issuer) -> Result<Url, Error> {
    if let Some((fault, hint)) = fault(&endpoint) {
        return Err(Error::refused(format!("its `token_endpoint` {fault}")).clause("token-endpoint").hint(hint));
    }
    let allowed = [Some(&issuer.url), issuer.token_origin.as_ref()];
    if allowed.into_iter().flatten().any(|allowed| allowed.origin() == endpoint.origin()) {
        return Ok(endpoint);
    }
    let origin = safe_text(&endpoint.origin().ascii_serialization());
    Err(Error::refused(format!("its `token_endpoint` is at {origin}, not where the issuer is"))
        .clause("token-endpoint")
        .hint(format!("if it is right there, set `token_origin = \"{origin}\"`")))
}

#[cfg(test)]
mod tests;
