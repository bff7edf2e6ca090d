//! What is asked for: bodies, queries, and the revision that is expected.

use std::time::Duration;

use axum::{
    extract::{FromRequest, FromRequestParts, Path, Request},
    http::{HeaderMap, StatusCode, header, request::Parts},
};
use serde::{Deserialize, Deserializer, de::DeserializeOwned, de::Error as _};
use serde_json::{Map, Value};

use super::answer::{ErrorCode, Failure};

/// Largest body, in bytes. A rule with a long condition, or a bundle of a large trust domain, has some ten thousand.
pub(crate) const MAX_BODY: usize = 1 << 20;

/// Longest time for a body to come. Whoever sends slower holds a connection that others need.
const BODY_TIME: Duration = Duration::from_secs(10);

/// A body in JSON. It must say so: a browser sends no such request to another origin without asking first.
#[derive(Debug)]
pub(crate) struct Body<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Failure> {
        let kind =
            request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let essence = kind.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/json") {
            let (status, code) = (StatusCode::UNSUPPORTED_MEDIA_TYPE, ErrorCode::UnsupportedMediaType);
            return Err(Failure::new(status, code, "the body must be application/json"));
        }
        let body = axum::body::to_bytes(request.into_body(), MAX_BODY);
        let body = tokio::time::timeout(BODY_TIME, body).await.map_err(|_elapsed| {
            let message = format!("the body did not come within {} seconds", BODY_TIME.as_secs());
            Failure::new(StatusCode::REQUEST_TIMEOUT, ErrorCode::TooLarge, message)
        })?;
        let bytes = body.map_err(|_too_large_or_cut| {
            let message = format!("the body did not come whole, or is larger than {MAX_BODY} bytes");
            Failure::new(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::TooLarge, message)
        })?;
        serde_json::from_slice(&bytes).map(Self).map_err(|error| Failure::invalid(format!("the body: {error}")))
    }
}

/// The members of the query. A member that comes several times is a list.
#[derive(Debug)]
pub(crate) struct Query<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Failure> {
        let mut members = Map::new();
        for (name, value) in url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()) {
            let value = Value::String(value.into_owned());
            match members.get_mut(&*name) {
                None => drop(members.insert(name.into_owned(), value)),
                Some(Value::Array(values)) => values.push(value),
                Some(first) => *first = Value::Array(vec![first.take(), value]),
            }
        }
        serde_json::from_value(Value::Object(members))
            .map(Self)
            .map_err(|error| Failure::invalid(format!("the query: {error}")))
    }
}

/// The one variable segment of the path, decoded.
#[derive(Debug)]
pub(crate) struct Name(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(name)) => Ok(Self(name)),
            Err(_) => Err(Failure::invalid("the path is not UTF-8")),
        }
    }
}

/// What must be there for a change to be made (RFC 9110, 13.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Precondition {
    /// Nothing was said.
    None,
    /// `If-Match: *`.
    Any,
    /// `If-Match: "REVISION"`.
    Revision(u64),
    /// `If-None-Match: *`.
    Absent,
}

impl<S: Send + Sync> FromRequestParts<S> for Precondition {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Failure> {
        let matching = one(&parts.headers, &header::IF_MATCH)?;
        let none = one(&parts.headers, &header::IF_NONE_MATCH)?;
        match (matching, none) {
            (None, None) => Ok(Self::None),
            (Some("*"), None) => Ok(Self::Any),
            (None, Some("*")) => Ok(Self::Absent),
            (Some(tag), None) => {
                let revision =
                    tag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).and_then(|tag| tag.parse().ok());
                revision.map(Self::Revision).ok_or_else(|| {
                    Failure::invalid("If-Match must be the revision in quotes, for instance \"12\", or *")
                        .field("If-Match")
                })
            }
            _ => Err(Failure::invalid("give one of `If-Match: \"REVISION\"` and `If-None-Match: *`").field("If-Match")),
        }
    }
}

impl Precondition {
    /// Whether it holds for what is there.
    pub(crate) fn check(self, there: Option<u64>) -> Result<(), Failure> {
        match (self, there) {
            (Self::None, _) | (Self::Any, Some(_)) | (Self::Absent, None) => Ok(()),
            (Self::Absent, Some(_)) => Err(Failure::exists("there is one of this name already")),
            (Self::Any | Self::Revision(_), None) => Err(Failure::not_found("there is none of this name")),
            (Self::Revision(wanted), Some(revision)) if wanted == revision => Ok(()),
            (Self::Revision(_), Some(_)) => Err(Failure::stale()),
        }
    }
}

fn one<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Result<Option<&'a str>, Failure> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(Failure::invalid("the header comes twice").field(name.as_str()));
    }
    first
        .map(|value| value.to_str().map_err(|_unprintable| Failure::invalid("it is not ASCII").field(name.as_str())))
        .transpose()
}

/// A number in a query, where everything is text.
pub(crate) fn number<'de, D: Deserializer<'de>, T: std::str::FromStr>(deserializer: D) -> Result<Option<T>, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse()
        .map(Some)
        .map_err(|_not_one| D::Error::custom(format!("{:?} is not a number", carnet_core::safe_text(&text))))
}

/// `true` or `false` in a query.
pub(crate) fn boolean<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    match String::deserialize(deserializer)?.as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(D::Error::custom("it is neither true nor false")),
    }
}

/// A list in a query, or a single value of it.
pub(crate) fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    Ok(match OneOrMany::deserialize(deserializer)? {
        OneOrMany::One(value) => vec![value],
        OneOrMany::Many(values) => values,
    })
}
