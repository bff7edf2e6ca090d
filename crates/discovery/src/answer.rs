//! Answers with a document: validators, caching, other origins, methods.

use std::time::Duration;

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::Response,
};
use bytes::Bytes;
use carnet_core::hex;
use carnet_jose::sha256;
use jiff::{Timestamp, fmt::rfc2822};

use crate::documents::CONTENT_TYPE;

/// What may be done with a document.
const METHODS: &str = "GET, HEAD, OPTIONS";
/// How long a browser may remember that, in seconds.
const PREFLIGHT_AGE: &str = "86400";
/// When to come back for what is not there yet, in seconds.
const RETRY_AFTER: &str = "5";

/// Bytes with what tells them from other bytes.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    pub(crate) bytes: Bytes,
    /// A strong validator: the same for the same bytes, whoever serves them (RFC 9110, 8.8.3).
    pub(crate) tag: HeaderValue,
    /// When they became what they are, as far as this process knows.
    pub(crate) modified: Timestamp,
}

impl Document {
    pub(crate) fn new(bytes: Bytes, modified: Timestamp) -> Self {
        let digest = sha256(&bytes);
        let tag = format!("\"{}\"", hex(digest.get(..16).unwrap_or(&digest)));
        let tag = HeaderValue::from_str(&tag).unwrap_or(HeaderValue::from_static("\"\""));
        Self { bytes, tag, modified }
    }

    /// The same bytes keep the time of the earlier ones.
    pub(crate) fn after(bytes: Bytes, earlier: Option<&Self>, now: Timestamp) -> Self {
        match earlier.filter(|earlier| earlier.bytes == bytes) {
            Some(same) => same.clone(),
            None => Self::new(bytes, now),
        }
    }
}

/// Answers a request for a document: `GET` and `HEAD` get it (HTTP leaves the body out by itself), `OPTIONS` is told what
/// may be done, everything else is refused. 503 while there is none.
pub(crate) fn respond(
    method: &Method,
    headers: &HeaderMap,
    max_age: Duration,
    document: impl FnOnce() -> Option<Document>,
) -> Response {
    match *method {
        Method::GET | Method::HEAD => match document() {
            Some(document) => answer(&document, headers, max_age),
            None => not_yet(),
        },
        Method::OPTIONS => preflight(),
        _ => {
            let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "this document can only be read\n");
            answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static(METHODS));
            answer
        }
    }
}

fn preflight() -> Response {
    let mut answer = empty(StatusCode::NO_CONTENT);
    let headers = answer.headers_mut();
    headers.insert(header::ALLOW, HeaderValue::from_static(METHODS));
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(PREFLIGHT_AGE));
    answer
}

/// The document, or 304 for who has it already (RFC 9110, 13.2.2).
fn answer(document: &Document, request: &HeaderMap, max_age: Duration) -> Response {
    let mut answer = if is_known(document, request) {
        empty(StatusCode::NOT_MODIFIED)
    } else {
        let mut answer = Response::new(Body::from(document.bytes.clone()));
        answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
        allow_all_origins(answer.headers_mut());
        answer
    };
    let headers = answer.headers_mut();
    headers.insert(header::ETAG, document.tag.clone());
    if let Some(date) = http_date(document.modified) {
        headers.insert(header::LAST_MODIFIED, date);
    }
    let caching = format!("public, max-age={}", max_age.as_secs());
    headers
        .insert(header::CACHE_CONTROL, HeaderValue::from_str(&caching).unwrap_or(HeaderValue::from_static("no-cache")));
    answer
}

/// There is no document yet. Not 404, which a reader may remember.
fn not_yet() -> Response {
    let mut answer = text(StatusCode::SERVICE_UNAVAILABLE, "the document is not available yet\n");
    answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
    answer
}

/// Words for whoever looks.
pub(crate) fn text(status: StatusCode, words: &str) -> Response {
    let mut answer = Response::new(Body::from(words.to_owned()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    allow_all_origins(headers);
    answer
}

fn empty(status: StatusCode) -> Response {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = status;
    allow_all_origins(answer.headers_mut());
    answer
}

/// What is public may be read by the scripts of every page.
fn allow_all_origins(headers: &mut HeaderMap) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
}

/// `If-None-Match` decides where it is there; only without it `If-Modified-Since` does (RFC 9110, 13.1.3).
fn is_known(document: &Document, request: &HeaderMap) -> bool {
    let mut tags = request.get_all(header::IF_NONE_MATCH).iter().peekable();
    if tags.peek().is_some() {
        return tags.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).any(|tag| {
            let tag = tag.trim();
            // Compared weakly (RFC 9110, 13.1.2).
            tag == "*" || tag.strip_prefix("W/").unwrap_or(tag).as_bytes() == document.tag.as_bytes()
        });
    }
    let since = request.get(header::IF_MODIFIED_SINCE).and_then(|value| value.to_str().ok());
    let since = since.and_then(|text| rfc2822::DateTimeParser::new().parse_timestamp(text).ok());
    since.is_some_and(|since| document.modified.as_second() <= since.as_second())
}

fn http_date(at: Timestamp) -> Option<HeaderValue> {
    let date = rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at).ok()?;
    HeaderValue::from_str(&date).ok()
}
