//! What an API server says when it does not do it.

use std::{fmt, time::Duration};

use carnet_core::{Error, HttpError, Response, chain, safe_text};
use serde::Deserialize;

/// How long a busy server is left alone that does not say.
const USUAL_WAIT: Duration = Duration::from_secs(1);

/// Why something was not done.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// It answered, and this is the object `Status` that it answered.
    Status { code: u16, reason: String, message: String, wait: Option<Duration> },
    /// It did not answer.
    Unanswered(HttpError),
    /// It was not asked, or what it answered cannot be read.
    Local(Error),
}

#[derive(Debug, Default, Deserialize)]
struct Status {
    #[serde(default)]
    code: u16,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    message: String,
}

impl ApiError {
    /// Of an answer that is no success.
    pub(crate) fn of(answer: &Response) -> Self {
        let status: Status = serde_json::from_slice(answer.body.expose()).unwrap_or_default();
        let wait = answer.header("retry-after").and_then(|text| text.parse().ok()).map(Duration::from_secs);
        Self::Status {
            code: answer.status.as_u16(),
            reason: safe_text(&status.reason),
            message: safe_text(&status.message),
            wait,
        }
    }

    /// Of the object in an event of the kind `ERROR`.
    pub(crate) fn of_event(object: &serde_json::Value) -> Self {
        let status = Status::deserialize(object).unwrap_or_default();
        let (reason, message) = (safe_text(&status.reason), safe_text(&status.message));
        Self::Status { code: status.code, reason, message, wait: None }
    }

    pub(crate) fn unanswered(error: HttpError) -> Self {
        Self::Unanswered(error)
    }

    /// 404: neither the object nor, perhaps, its kind.
    pub(crate) fn is_not_found(&self) -> bool {
        self.code() == Some(404)
    }

    /// 409: it has changed, or is there already.
    pub(crate) fn is_conflict(&self) -> bool {
        self.code() == Some(409)
    }

    /// 410: what was asked for is older than what is remembered.
    pub(crate) fn is_gone(&self) -> bool {
        self.code() == Some(410)
    }

    /// 403: the account may not.
    pub(crate) fn is_forbidden(&self) -> bool {
        self.code() == Some(403)
    }

    /// How long to wait, where it was too busy to look at the request.
    pub(crate) fn busy(&self) -> Option<Duration> {
        match self {
            Self::Status { code: 429, wait, .. } => Some(wait.unwrap_or(USUAL_WAIT)),
            Self::Status { code: 503, wait: Some(wait), .. } => Some(*wait),
            _ => None,
        }
    }

    fn code(&self) -> Option<u16> {
        match self {
            Self::Status { code, .. } => Some(*code),
            _ => None,
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status { code, reason, message, .. } => {
                write!(f, "the API server answered HTTP {code}")?;
                if !reason.is_empty() {
                    write!(f, " {reason}")?;
                }
                if message.is_empty() { Ok(()) } else { write!(f, ": {message}") }
            }
            Self::Unanswered(error) => write!(f, "the API server does not answer: {}", chain(error).join(": ")),
            Self::Local(error) => f.write_str(&chain(error).join(": ")),
        }
    }
}

impl std::error::Error for ApiError {}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    fn answer(status: u16, wait: Option<&'static str>, body: &str) -> ApiError {
        let mut headers = HeaderMap::new();
        headers.extend(wait.map(|wait| (http::header::RETRY_AFTER, wait.parse().unwrap())));
        let status = http::StatusCode::from_u16(status).unwrap();
        ApiError::of(&Response { status, headers, body: carnet_core::SecretBytes::new(body) })
    }

    #[test]
    fn a_busy_server_says_how_long_to_wait() {
        assert_eq!(answer(429, Some("7"), "").busy(), Some(Duration::from_secs(7)));
        assert_eq!(answer(429, None, "").busy(), Some(USUAL_WAIT));
        assert_eq!(answer(429, Some("soon"), "").busy(), Some(USUAL_WAIT));
        assert_eq!(answer(503, None, "").busy(), None);
        assert_eq!(answer(500, Some("7"), "").busy(), None);
    }

    #[test]
    fn the_words_of_the_server_are_made_safe() {
        let error = answer(422, None, "{\"reason\": \"Invalid\", \"message\": \"bad\\u001b[2J\"}").to_string();
        assert!(error.contains("HTTP 422 Invalid: bad") && !error.contains('\u{1b}'), "{error}");
        assert!(answer(502, None, "<html>").to_string().contains("HTTP 502"));
    }
}
