//! Reading requests whole.

use axum::body::{Body, Bytes};
use http::{HeaderMap, Request, header, request::Parts};
use http_body_util::{BodyExt, Limited};

/// Largest body (identity domains API, "Status Codes": 413 over 1 MiB).
const MAX_BODY: usize = 1 << 20;

/// Why a request could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// The connection broke.
    Broken,
    /// More than [`MAX_BODY`].
    TooLarge,
}

/// A request with its whole body, the head as it came.
pub(super) async fn read(request: Request<Body>) -> Result<(Parts, Bytes), Unreadable> {
    let (parts, body) = request.into_parts();
    match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => Ok((parts, body.to_bytes())),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(Unreadable::TooLarge),
        Err(_) => Err(Unreadable::Broken),
    }
}

/// The parameters of the query part, decoded.
pub(super) fn query(parts: &Parts) -> Vec<(String, String)> {
    url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect()
}

/// The media type of the body in lower case, without parameters.
pub(super) fn media_type(headers: &HeaderMap) -> String {
    let value = text(headers, header::CONTENT_TYPE.as_str()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// A header as text.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The `Authorization` header: its scheme in lower case and the rest.
pub(super) fn authorization(headers: &HeaderMap) -> Option<(String, &str)> {
    let value = text(headers, header::AUTHORIZATION.as_str())?;
    let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
    Some((scheme.to_ascii_lowercase(), rest.trim()))
}
