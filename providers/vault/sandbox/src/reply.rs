//! Answers: the envelope and the errors.

use axum::response::{IntoResponse, Response};
use carnet_trust::Refusal;
use http::{HeaderValue, StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

/// What a path answers.
pub(crate) type Answer = Result<Reply, ApiError>;

/// An answer that is no refusal.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// 204.
    Nothing,
    /// The envelope.
    Secret(Box<Secret>),
    /// A body of its own: `sys/health`, `sys/seal-status` and their like.
    Raw(StatusCode, Value),
    /// 307: the same request is to be sent there.
    Elsewhere(String),
}

/// What is in the envelope.
#[derive(Clone, Debug, Default)]
pub(crate) struct Secret {
    pub(crate) data: Option<Map<String, Value>>,
    pub(crate) auth: Option<Value>,
    pub(crate) lease_duration: i64,
    pub(crate) warnings: Vec<String>,
    /// Whether the keys of `data` stand at the top level too, as old clients want of some system paths.
    pub(crate) flat: bool,
}

/// The `data` of an envelope.
#[derive(Clone, Debug, Default)]
pub(crate) struct Data(pub(crate) Map<String, Value>);

impl Data {
    /// These members.
    pub(crate) fn of<const N: usize>(members: [(&str, Value); N]) -> Self {
        Self(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// The members of a JSON object; of anything else none.
    pub(crate) fn from_value(value: Value) -> Self {
        match value {
            Value::Object(members) => Self(members),
            _ => Self::default(),
        }
    }

    /// The answer to a list: the names of what there is, and 404 where there is nothing.
    ///
    /// # Errors
    /// 404.
    pub(crate) fn keys(names: impl IntoIterator<Item: AsRef<str>>) -> Answer {
        let names: Vec<Value> = names.into_iter().map(|name| name.as_ref().into()).collect();
        if names.is_empty() { Err(ApiError::nothing()) } else { Self::of([("keys", names.into())]).answer() }
    }

    /// In an envelope.
    pub(crate) fn secret(self) -> Secret {
        Secret { data: Some(self.0), ..Secret::default() }
    }

    /// As an answer.
    #[expect(clippy::unnecessary_wraps, reason = "paths end in an answer")]
    pub(crate) fn answer(self) -> Answer {
        Ok(Reply::Secret(Box::new(self.secret())))
    }

    /// As the answer of a system path that repeats its data at the top level.
    #[expect(clippy::unnecessary_wraps, reason = "paths end in an answer")]
    pub(crate) fn flat(self) -> Answer {
        Ok(Reply::Secret(Box::new(Secret { flat: true, ..self.secret() })))
    }
}

impl Secret {
    /// The envelope. What is absent is `null`, not missing.
    pub(crate) fn envelope(&self, request_id: &str, wrap_info: &Value) -> Value {
        let mut body = json!({
            "request_id": request_id,
            "lease_id": "",
            "renewable": false,
            "lease_duration": self.lease_duration,
            "data": self.data.clone().map_or(Value::Null, Value::Object),
            "wrap_info": wrap_info,
            "warnings": if self.warnings.is_empty() { Value::Null } else { Value::from(self.warnings.clone()) },
            "auth": self.auth.clone().unwrap_or_default(),
        });
        if let (true, Some(members), Some(data)) = (self.flat, body.as_object_mut(), &self.data) {
            for (name, value) in data {
                // Never over a member of the envelope itself.
                members.entry(name.as_str()).or_insert_with(|| value.clone());
            }
        }
        body
    }
}

/// 204, or 200 when there is something to say.
pub(crate) fn with_warnings(warnings: Vec<String>) -> Reply {
    if warnings.is_empty() {
        return Reply::Nothing;
    }
    Reply::Secret(Box::new(Secret { warnings, ..Secret::default() }))
}

/// [`with_warnings`] of a write that had names that mean nothing.
pub(crate) fn ignoring(unknown: &[String]) -> Reply {
    let ignored = format!("Endpoint ignored these unrecognized parameters: [{}]", unknown.join(" "));
    with_warnings(if unknown.is_empty() { Vec::new() } else { vec![ignored] })
}

/// A refusal on its way out.
#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    pub(crate) errors: Vec<String>,
    /// A 404 may say what was there.
    pub(crate) data: Option<Value>,
    /// What the operator of the sandbox may know.
    pub(crate) refusal: Option<Box<Refusal>>,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, errors: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { status, errors: errors.into_iter().map(Into::into).collect(), data: None, refusal: None }
    }

    /// 400.
    pub(crate) fn bad(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, [text.into()])
    }

    /// 404 without a text: nothing is there.
    pub(crate) fn nothing() -> Self {
        Self::new(StatusCode::NOT_FOUND, Vec::<String>::new())
    }

    /// 404: no mount has this path.
    pub(crate) fn no_route(path: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, [format!("no handler for route {path:?}. route entry not found.")])
    }

    /// 404: the mount has no such path.
    pub(crate) fn no_path() -> Self {
        Self::new(StatusCode::NOT_FOUND, ["1 error occurred:\n\t* unsupported path\n\n"])
    }

    /// 405.
    pub(crate) fn unsupported() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, ["1 error occurred:\n\t* unsupported operation\n\n"])
    }

    /// 403, with the reason for the operator.
    pub(crate) fn denied(refusal: Refusal) -> Self {
        let error = Self::new(StatusCode::FORBIDDEN, ["1 error occurred:\n\t* permission denied\n\n"]);
        Self { refusal: Some(Box::new(refusal)), ..error }
    }

    /// 503.
    pub(crate) fn sealed() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, ["Vault is sealed"])
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut body = json!({ "errors": self.errors });
        if let (Some(data), Some(members)) = (self.data, body.as_object_mut()) {
            // Clients take a 404 with data for a secret; then there is the whole envelope and no list of errors.
            members.clear();
            let data = Secret { data: data.as_object().cloned(), ..Secret::default() };
            body = data.envelope("", &Value::Null);
        }
        json_reply(self.status, &body)
    }
}

/// JSON with a status. The type has no charset: hvac compares the whole value.
pub(crate) fn json_reply(status: StatusCode, body: &Value) -> Response {
    let kind = HeaderValue::from_static("application/json");
    let cache = HeaderValue::from_static("no-store");
    (status, [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, cache)], body.to_string()).into_response()
}

/// 307 without a body.
pub(crate) fn elsewhere(url: &str) -> Response {
    let answer = |url| (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, url)]).into_response();
    let unsendable = |_| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, ["internal error"]).into_response();
    HeaderValue::from_str(url).map_or_else(unsendable, answer)
}

/// 204.
pub(crate) fn no_content() -> Response {
    (StatusCode::NO_CONTENT, [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))]).into_response()
}

/// A time with nanoseconds.
pub(crate) fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%9fZ").to_string()
}

/// How long until then, in whole seconds; never negative.
pub(crate) fn seconds_until(then: Timestamp, now: Timestamp) -> i64 {
    then.duration_since(now).max(SignedDuration::ZERO).as_secs()
}

/// How Vault words the errors of faults.
pub(crate) fn error_body(status: StatusCode) -> (&'static str, String) {
    let text = match status {
        StatusCode::TOO_MANY_REQUESTS => "request path rate limit quota exceeded",
        StatusCode::SERVICE_UNAVAILABLE => "Vault is sealed",
        _ => "internal error",
    };
    ("application/json", json!({ "errors": [text] }).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_absent_is_null() {
        let body = Secret::default().envelope("id", &Value::Null);
        for name in ["data", "wrap_info", "warnings", "auth"] {
            assert_eq!(body.get(name), Some(&Value::Null), "{name}");
        }
        assert_eq!(body["lease_id"], "");
    }

    #[test]
    fn flat_data_never_replace_a_member_of_the_envelope() {
        let data = Data::of([("secret/", json!(1)), ("lease_id", json!("x"))]);
        let body = Secret { flat: true, ..data.secret() }.envelope("id", &Value::Null);
        assert_eq!(
            (&body["secret/"], &body["lease_id"], &body["data"]["lease_id"]),
            (&json!(1), &json!(""), &json!("x"))
        );
    }

    #[test]
    fn times_are_written_with_nanoseconds() {
        assert_eq!(time(Timestamp::from_second(1_795_262_400).unwrap()), "2026-11-21T12:00:00.000000000Z");
    }
}
