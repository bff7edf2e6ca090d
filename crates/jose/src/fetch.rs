//! Key sets from the network.

use carnet_core::{Context, Destination, Error, ErrorKind, Request, Response};
use http::{HeaderValue, StatusCode, header::ACCEPT};
use serde_json::Value;
use url::Url;

use crate::{KeySet, strict};

/// The path of the discovery document below the issuer (OpenID Connect Discovery 1.0, 4).
const WELL_KNOWN: &str = "/.well-known/openid-configuration";

/// Fetches and parses the JWKS at `url`.
///
/// # Errors
/// [`ErrorKind::Unreachable`] when nobody answers, the server is in trouble or the answer is not a key set;
/// [`ErrorKind::Refused`] when it says no; [`ErrorKind::Configuration`] when the address is not allowed.
pub async fn fetch_key_set(context: &Context, url: &Url, destination: Destination) -> Result<KeySet, Error> {
    let what = format!("fetch the key set at {}", plain(url));
    let response = get(context, url, destination, &what).await?;
    let keys = KeySet::from_json(response.body.expose())
        .map_err(|error| with_content_hint(Error::unreachable(&what).because(error), &response))?;
    if keys.is_empty() {
        return Err(Error::unreachable(&what)
            .because(crate::KeyError("the key set has no key for a signature algorithm known here".to_owned()))
            .hint("look at the document: the issuer may publish its keys elsewhere"));
    }
    Ok(keys)
}

/// Fetches `issuer/.well-known/openid-configuration` and returns its `jwks_uri`; refuses a document whose `issuer`
/// differs from the one asked for by a single character (OpenID Connect Discovery 1.0, 4.3).
///
/// # Errors
/// As [`fetch_key_set`]; [`ErrorKind::Configuration`] when the issuer is no URL, or not `https` although nobody
/// configured it.
pub async fn discover(context: &Context, issuer: &str, destination: Destination) -> Result<Url, Error> {
    let url = Url::parse(&format!("{}{WELL_KNOWN}", issuer.strip_suffix('/').unwrap_or(issuer)));
    let url = url
        .ok()
        .filter(|url| matches!(url.scheme(), "https" | "http") && url.query().is_none() && url.fragment().is_none());
    let url = url.ok_or_else(|| {
        Error::configuration(format!("discover the keys of issuer {issuer:?}"))
            .because(crate::KeyError("an issuer is an https URL without query and fragment".to_owned()))
    })?;
    discover_at(context, &url, issuer, destination).await
}

/// [`discover`] with a document that is not below its issuer: it must name the issuer all the same.
///
/// # Errors
/// As [`discover`].
pub async fn discover_at(context: &Context, url: &Url, issuer: &str, destination: Destination) -> Result<Url, Error> {
    let what = format!("discover the keys of issuer {issuer:?}");
    https_unless_configured(url, destination, &what)?;
    let response = get(context, url, destination, &what).await?;
    let document = strict::parse_object(response.body.expose()).map_err(|place| {
        let cause = crate::KeyError(format!("the discovery document is not one JSON object: {place}"));
        with_content_hint(Error::unreachable(&what).because(cause), &response)
    })?;
    let text = |name: &str| document.get(name).and_then(Value::as_str);
    let named = text("issuer");
    if named != Some(issuer) {
        let cause = match named {
            Some(other) => format!("the document is of issuer {other:?}"),
            None => "the document names no issuer".to_owned(),
        };
        return Err(Error::refused(&what).clause("issuer").because(crate::KeyError(cause)).hint(
            "write the issuer exactly as its tokens and its discovery document do, with or without the slash at the end",
        ));
    }
    let uri = text("jwks_uri").and_then(|uri| Url::parse(uri).ok()).ok_or_else(|| {
        Error::unreachable(&what).because(crate::KeyError("the document has no \"jwks_uri\" that is a URL".to_owned()))
    })?;
    https_unless_configured(&uri, destination, &what)?;
    Ok(uri)
}

fn https_unless_configured(url: &Url, destination: Destination, what: &str) -> Result<(), Error> {
    if url.scheme() == "https" || (url.scheme() == "http" && destination == Destination::Configured) {
        return Ok(());
    }
    let cause = crate::KeyError(format!("{} is not an https URL", plain(url)));
    Err(Error::configuration(what).because(cause).hint("keys that come over plain HTTP can be replaced on the way"))
}

async fn get(context: &Context, url: &Url, destination: Destination, what: &str) -> Result<Response, Error> {
    let request = Request::get(url.clone())
        .header(ACCEPT, HeaderValue::from_static("application/json, application/jwk-set+json"))
        .destination(destination);
    let response = context.http.send(request).await.map_err(|error| {
        let inner = Error::from(error);
        Error::new(inner.kind(), what).because(inner)
    })?;
    let status = response.status;
    if status == StatusCode::OK {
        return Ok(response);
    }
    let kind = match status.as_u16() {
        401 | 403 | 404 | 410 => ErrorKind::Refused,
        _ => ErrorKind::Unreachable,
    };
    let error = Error::new(kind, what).because(crate::KeyError(format!("{} answered {status}", plain(url))));
    Err(match status.as_u16() {
        401 | 403 => error.hint("the document must be readable without signing in; open public access to it"),
        404 | 410 => error.hint("check the address: there is no such document"),
        301 | 302 | 303 | 307 | 308 => error.hint("redirects are not followed; configure the address that it leads to"),
        _ => error,
    })
}

fn with_content_hint(error: Error, response: &Response) -> Error {
    match response.header("content-type") {
        Some(kind) if kind.starts_with("text/html") => {
            error.hint("the answer is a web page: the address may be that of a sign-in page or of a proxy")
        }
        _ => error,
    }
}

/// The URL without what may be secret in it.
fn plain(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

#[cfg(test)]
mod tests;
