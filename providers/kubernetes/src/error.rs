//! What an API server answers when it refuses, and what it means: an object of the kind `Status` ("Kubernetes API Concepts";
//! `k8s.io/apimachinery/pkg/api/errors`).

use carnet_core::{Error, ErrorKind, HttpError, Response, Secret, safe_text, without_echo};
use serde::Deserialize;

/// Longest reason that is taken for one; there are some twenty, of two or three words.
const MAX_REASON: usize = 64;

/// The clause of a request that the account may not make.
pub(crate) const RBAC: &str = "rbac";

/// The members of a `Status` that are looked at.
#[derive(Debug, Default, Deserialize)]
struct Status {
    #[serde(default)]
    reason: String,
    #[serde(default)]
    message: String,
}

/// The error for an answer that is no success. `what` says what was attempted, `may` what the account that asks must be allowed,
/// `secrets` what must not be quoted.
pub(crate) fn refused(what: &str, response: &Response, may: &str, secrets: &[&Secret]) -> Error {
    let status = response.status.as_u16();
    let body: Status = serde_json::from_slice(response.body.expose()).unwrap_or_default();
    let meaning = Meaning::of(status);
    let mut answer = format!("the answer was HTTP {status}");
    if !body.message.is_empty() {
        answer = format!("{answer}: {}", safe_text(&without_echo(&body.message, secrets)));
    }
    let mut error = Error::new(meaning.kind, what);
    if is_reason(&body.reason) {
        error = error.code(body.reason);
    }
    if let Some(clause) = meaning.clause {
        error = error.clause(clause);
    }
    if let Some(seconds) = response.header("retry-after").and_then(|text| text.parse::<u32>().ok()) {
        error = error.hint(format!("it asks to wait for {seconds} s"));
    }
    let hint = if status == 403 { may } else { meaning.hint };
    error.hint(hint.to_owned()).because(answer)
}

/// The error for no answer.
pub(crate) fn unanswered(what: &str, error: HttpError) -> Error {
    let error = Error::from(error);
    Error::new(error.kind(), what).because(error).hint(
        "the API server's certificate is checked with the cluster's own authority (ca.crt), not with the system's",
    )
}

struct Meaning {
    kind: ErrorKind,
    clause: Option<&'static str>,
    hint: &'static str,
}

impl Meaning {
    fn of(status: u16) -> Self {
        let say = |kind, clause, hint| Self { kind, clause, hint };
        match status {
            300..=399 => say(
                ErrorKind::Unreachable,
                None,
                "what answers redirects elsewhere, which is never followed: it is no API server",
            ),
            401 => say(
                ErrorKind::Refused,
                Some("token"),
                "the API server does not believe the account that asks: its token is of another cluster, for another \
                 audience, or of a pod or account that is gone",
            ),
            403 => say(ErrorKind::Policy, Some(RBAC), ""),
            404 => {
                say(ErrorKind::Refused, Some("not-found"), "there is no such object in this cluster: check the names")
            }
            408 | 410 | 429 | 500..=599 => say(
                ErrorKind::Unreachable,
                None,
                "the API server is busy, restarting or behind; the same request may succeed later",
            ),
            409 => say(
                ErrorKind::Refused,
                Some("conflict"),
                "the pod was replaced by another of the same name: read the token file again",
            ),
            _ => say(ErrorKind::Refused, Some("request"), "see what the API server says about the request"),
        }
    }
}

/// One word in camel case.
fn is_reason(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_REASON && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use carnet_core::{SecretBytes, chain};
    use http::{HeaderMap, StatusCode};
    use serde_json::json;

    use super::*;

    fn answer(status: u16, body: &str) -> Response {
        let status = StatusCode::from_u16(status).unwrap();
        Response { status, headers: HeaderMap::new(), body: SecretBytes::new(body) }
    }

    fn refusal(status: u16, reason: &str) -> Error {
        let body = json!({"kind": "Status", "reason": reason, "message": "m"}).to_string();
        refused("ask", &answer(status, &body), "grant it", &[])
    }

    #[test]
    fn each_status_has_its_meaning() {
        for (status, reason, kind, clause) in [
            (401, "Unauthorized", ErrorKind::Refused, Some("token")),
            (403, "Forbidden", ErrorKind::Policy, Some("rbac")),
            (404, "NotFound", ErrorKind::Refused, Some("not-found")),
            (409, "Conflict", ErrorKind::Refused, Some("conflict")),
            (410, "Expired", ErrorKind::Unreachable, None),
            (422, "Invalid", ErrorKind::Refused, Some("request")),
            (429, "TooManyRequests", ErrorKind::Unreachable, None),
            (503, "ServiceUnavailable", ErrorKind::Unreachable, None),
            (302, "Found", ErrorKind::Unreachable, None),
        ] {
            let error = refusal(status, reason);
            assert_eq!((error.kind(), error.failed_clause()), (kind, clause), "{status}");
            assert_eq!(error.provider_code(), Some(reason));
            assert!(!error.hints().is_empty() && error.hints().iter().all(|hint| !hint.is_empty()), "{status}");
        }
    }

    #[test]
    fn a_denied_account_is_told_what_it_must_be_allowed() {
        assert_eq!(refusal(403, "Forbidden").hints(), ["grant it"]);
    }

    #[test]
    fn the_time_to_wait_is_told() {
        let mut busy = answer(429, "");
        busy.headers.insert("retry-after", "7".parse().unwrap());
        assert_eq!(refused("ask", &busy, "", &[]).hints().first(), Some(&"it asks to wait for 7 s"));
    }

    #[test]
    fn an_answer_never_quotes_what_was_sent_and_no_body_breaks_it() {
        let secret = Secret::new("eyJhbGciOiJub25lIn0.e30.MARKMARKMARK");
        let quoting = json!({"message": format!("invalid bearer token {}", secret.expose())}).to_string();
        for body in [quoting.as_str(), "MARK", "[]", "{\"reason\": \"a b\"}", "", "{\"message\": 7}"] {
            let error = refused("ask", &answer(401, body), "", &[&secret]);
            assert!(!chain(&error).join(" ").contains("MARK"), "{error:?}");
            assert_eq!(error.provider_code(), None);
        }
    }
}
