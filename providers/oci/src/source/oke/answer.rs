//! What proxymux answers.
//!
//! A success is base64 of `{"token": "ST$…"}`, written as a JSON string with its quotes; some of Oracle's SDKs take the quotes off, and
//! one observed answer had none. The form of its errors is not published (UNCONFIRMED): that of Oracle's services is read, and
//! nothing depends on it.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use carnet_core::{Error, ErrorKind, Response, Secret, SecretBytes};

use crate::{error::ErrorBody, source::instance::TokenAnswer};

/// The session token in an answer, with its prefix.
///
/// # Errors
/// When proxymux refuses, or the answer is not one of its own.
pub(super) fn read(response: &Response, what: &str, sent: &Secret) -> Result<Secret, Error> {
    if response.status != http::StatusCode::OK {
        return Err(refusal(response, what, sent));
    }
    parse_answer(response.body.expose()).map_err(|wrong| {
        Error::unreachable(format!("{what}: the answer {wrong}"))
            .hint("this is not what proxymux answers: check the address, and what stands between here and there")
    })
}

/// The session token in the body of a success, with its prefix.
///
/// # Errors
/// What is wrong with the body, as the end of a sentence about it; never a part of it.
pub fn parse_answer(body: &[u8]) -> Result<Secret, &'static str> {
    let text = std::str::from_utf8(body).map_err(|_quoting| "is not text")?.trim();
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let json = SecretBytes::new(STANDARD.decode(text).map_err(|_quoting| "is not base64")?);
    let answer: TokenAnswer = serde_json::from_slice(json.expose()).map_err(|_quoting| "holds no token")?;
    Ok(answer.token)
}

fn refusal(response: &Response, what: &str, sent: &Secret) -> Error {
    let status = response.status.as_u16();
    let body = ErrorBody::parse_without(response.body.expose(), &[sent]);
    let (kind, clause, hint) = match status {
        // Oracle's SDKs say so of every 403 here.
        403 => (
            ErrorKind::Policy,
            Some("cluster-type"),
            "workload identity is for enhanced clusters: look at the cluster's type, and upgrade it if it is a basic one",
        ),
        401 => (
            ErrorKind::Refused,
            Some("token"),
            "the cluster does not believe the service account's token: it is of another cluster, for another audience than the API \
             server, or of a pod or account that is gone",
        ),
        300..=399 => {
            (ErrorKind::Unreachable, None, "it redirects elsewhere, which is never followed: this is not proxymux")
        }
        408 | 429 | 500..=599 => {
            (ErrorKind::Unreachable, None, "proxymux is busy or broken; the same request may succeed later")
        }
        _ => (
            ErrorKind::Refused,
            Some("request"),
            "see what proxymux says; Oracle's SDKs send their users to the OKE team",
        ),
    };
    let mut answer = format!("the answer was HTTP {status}");
    if let Some(code) = &body.code {
        answer = format!("{answer} {code}");
    }
    if let Some(message) = &body.message {
        answer = format!("{answer}: {message}");
    }
    let mut error = Error::new(kind, what).hint(hint);
    if let Some(clause) = clause {
        error = error.clause(clause);
    }
    if let Some(code) = body.code {
        error = error.code(code);
    }
    error.because(answer)
}
