//! What Oracle's services answer when they refuse, and what it means.

use std::fmt;

use carnet_core::{Error, ErrorKind, Response, Secret, safe_text, without_echo};
use jiff::{SignedDuration, Timestamp, fmt::rfc2822::DateTimeParser};
use serde_json::Value;

/// Requests are refused when their date is further away than this (Oracle, "Request Signatures").
const MAX_SKEW: SignedDuration = SignedDuration::from_mins(5);
/// Longest request id that is shown.
const MAX_ID: usize = 128;
/// What is shown instead of a secret.
const REDACTED: &str = "[redacted]";
/// Longest error code that is shown.
const MAX_CODE: usize = 64;

/// An error body, whichever of the three forms it has, made safe to show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorBody {
    /// `code` of a service, `error` of the token endpoint (RFC 6749, 5.2), `messageId` of the admin API.
    pub code: Option<String>,
    /// `message`, `error_description` or `detail`, cut and free of tokens and control characters.
    pub message: Option<String>,
    /// The trace id that some bodies of the token endpoint carry.
    pub ecid: Option<String>,
}

impl ErrorBody {
    /// Reads a body. Anything that is not one of the forms gives an empty one; it never fails.
    pub fn parse(body: &[u8]) -> Self {
        Self::parse_without(body, &[])
    }

    /// As [`Self::parse`], with these secrets cut out, pieces of them too: what was sent may be quoted in the answer.
    pub fn parse_without(body: &[u8], secrets: &[&Secret]) -> Self {
        let Ok(Value::Object(members)) = serde_json::from_slice(body) else { return Self::default() };
        let text = |names: &[&str]| names.iter().find_map(|name| members.get(*name)?.as_str());
        // SCIM: the id of the message stands in an extension whose name is a URN.
        let scim = members
            .iter()
            .find(|(name, _)| name.ends_with(":extension:messages:Error"))
            .and_then(|(_, extension)| extension.get("messageId")?.as_str());
        let clean = |text: &str| safe_text(&without_echo(text, secrets));
        Self {
            code: text(&["code", "error"]).or(scim).and_then(|code| identifier(&clean(code), MAX_CODE)),
            message: text(&["message", "error_description", "detail"]).map(clean).filter(|text| !text.is_empty()),
            ecid: text(&["ecid"]).and_then(|ecid| identifier(&clean(ecid), MAX_ID)),
        }
    }
}

/// Short visible ASCII, or nothing.
fn identifier(text: &str, most: usize) -> Option<String> {
    let good = !text.is_empty() && text.len() <= most && text.bytes().all(|byte| byte.is_ascii_graphic());
    (good && !text.contains(REDACTED)).then(|| text.to_owned())
}

/// The answer as the cause of an error: status, code, text, and the ids that Oracle's support asks for.
#[derive(Debug)]
struct Answer {
    status: u16,
    body: ErrorBody,
    request_id: Option<String>,
    ecid: Option<String>,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the answer was HTTP {}", self.status)?;
        if let Some(code) = &self.body.code {
            write!(f, " {code}")?;
        }
        if let Some(message) = &self.body.message {
            write!(f, ": {message}")?;
        }
        if let Some(id) = &self.request_id {
            write!(f, " (opc-request-id {id})")?;
        }
        if let Some(id) = &self.ecid {
            write!(f, " (ECID {id})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Answer {}

/// How far this machine's clock is ahead of the clock that wrote the `Date` header. Negative when it is behind.
pub fn clock_skew(response: &Response, now: Timestamp) -> Option<SignedDuration> {
    let date = DateTimeParser::new().parse_timestamp(response.header("date")?).ok()?;
    Some(now.duration_since(date))
}

/// How the request that was refused proved who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// An OAuth client with its id, and a secret or an assertion; nothing was signed in OCI's way.
    AsClient,
    /// The request carries OCI's signature.
    Signed,
}

/// The error for an answer that is not a success. `what` says what was attempted, `secrets` what must not be quoted.
pub(crate) fn refusal(what: &str, asked: Asked, response: &Response, now: Timestamp, secrets: &[&Secret]) -> Error {
    let body = ErrorBody::parse_without(response.body.expose(), secrets);
    let header = |name: &str| {
        response.header(name).and_then(|value| identifier(&safe_text(&without_echo(value, secrets)), MAX_ID))
    };
    let status = response.status.as_u16();
    let skew = clock_skew(response, now).filter(|skew| skew.abs() > MAX_SKEW);
    let reason = Reason::of(status, asked, &body, skew.is_some());
    let mut error = Error::new(reason.kind, what);
    if let Some(code) = &body.code {
        error = error.code(code.clone());
    }
    if let Some(clause) = reason.clause {
        error = error.clause(clause);
    }
    if let (401, Some(skew)) = (status, skew) {
        let side = if skew.is_positive() { "ahead of" } else { "behind" };
        error = error.hint(format!(
            "this machine's clock is {} s {side} the service's; requests more than 300 s off are refused: set the clock",
            skew.as_secs().unsigned_abs()
        ));
    }
    if let Some(hint) = reason.hint {
        error = error.hint(hint);
    }
    let ecid = header("x-oracle-dms-ecid").or_else(|| body.ecid.clone());
    error.because(Answer { status, body, request_id: header("opc-request-id"), ecid })
}

/// What an answer means.
struct Reason {
    kind: ErrorKind,
    /// The clause of the trust or signature that failed. Oracle rarely says which; this is the best inference.
    clause: Option<&'static str>,
    hint: Option<&'static str>,
}

impl Reason {
    fn of(status: u16, asked: Asked, body: &ErrorBody, skewed: bool) -> Self {
        let say = |kind, clause, hint| Self { kind, clause: Some(clause), hint: Some(hint) };
        let code = body.code.as_deref().unwrap_or_default();
        match (status, code) {
            (300..=399, _) => Self {
                kind: ErrorKind::Unreachable,
                clause: None,
                hint: Some("the endpoint redirects elsewhere, which is never followed; check its URL"),
            },
            (408 | 429 | 500..=599, _) => Self {
                kind: ErrorKind::Unreachable,
                clause: None,
                hint: Some("the service is busy or broken; the same request may succeed later"),
            },
            (401, _) if skewed => Self { kind: ErrorKind::Expired, clause: Some("date"), hint: None },
            (_, "invalid_client") => say(
                ErrorKind::Refused,
                "client",
                "check client id (the App's name, not its id or OCID) and secret; the App must be active, and a new one \
                 takes 10 to 20 s to work",
            ),
            (_, "unauthorized_client") => say(
                ErrorKind::Refused,
                "client",
                "list the client id in oauthClients of the trust; for a signed request leave oauthClients out and grant \
                 the caller's dynamic group {GET_RPST}",
            ),
            (_, "invalid_scope") => say(
                ErrorKind::Refused,
                "scope",
                "ask for a scope that the App of that resource defines, or for urn:opc:idm:__myscopes__",
            ),
            (_, "unsupported_grant_type") => say(
                ErrorKind::Refused,
                "grant-type",
                "the URL is not that of an identity domain with token exchange; check it",
            ),
            (_, "access_denied") | (403, _) => say(
                ErrorKind::Policy,
                "policy",
                "the caller is known but may not do this; IAM objects are changed in the home region only",
            ),
            (_, "invalid_grant" | "invalid_request") => Self::of_exchange(body),
            (_, "NotAuthorizedOrNotFound") => say(
                ErrorKind::Policy,
                "policy",
                "either no policy allows it or it does not exist, Oracle does not say which; a new policy takes up to a \
                 minute to work",
            ),
            (_, "NotAuthenticated") | (401, _) if asked == Asked::AsClient => Self {
                kind: ErrorKind::Refused,
                clause: None,
                hint: Some(
                    "check client id (the App's name, not its id or OCID) and secret or key, and that the URL is that of \
                     the identity domain; the service did not say more",
                ),
            },
            (_, "NotAuthenticated") | (401, _) => say(
                ErrorKind::Refused,
                "signature",
                "Oracle gives this one answer for a wrong key, an expired token, a clock that is off, and a region that \
                 the tenancy has not subscribed to",
            ),
            _ => Self { kind: ErrorKind::Refused, clause: None, hint: None },
        }
    }

    /// Which clause of the trust refused the subject token, read from the description as far as it tells. Oracle
    /// publishes none of these texts (UNCONFIRMED), so a text that fits two clauses, or names alternatives, tells none.
    fn of_exchange(body: &ErrorBody) -> Self {
        let text = body.message.as_deref().unwrap_or_default().to_ascii_lowercase();
        let mut fitting = CLAUSES.iter().filter(|clause| clause.words.iter().any(|word| text.contains(word)));
        match (fitting.next(), fitting.next()) {
            (Some(one), None) if !text.contains(" or ") => {
                Self { kind: one.kind, clause: Some(one.name), hint: Some(one.hint) }
            }
            _ => Self {
                kind: ErrorKind::Refused,
                clause: None,
                hint: Some(
                    "turn on Settings, Diagnostics in the identity domain to see which check failed; the usual ones: \
                     issuer with or without a slash, client id not in oauthClients, an expired token, no rule that \
                     matches",
                ),
            },
        }
    }
}

/// A clause of the trust that the text of a refusal may be about.
struct Clause {
    name: &'static str,
    /// Any of these in the text, in lower case.
    words: &'static [&'static str],
    kind: ErrorKind,
    hint: &'static str,
}

const CLAUSES: &[Clause] = &[
    Clause {
        name: "expired",
        words: &["expired"],
        kind: ErrorKind::Expired,
        hint: "the subject token died on its way (GitHub's live five minutes): ask for a new one and exchange it at once",
    },
    Clause {
        name: "public-key",
        words: &["public_key", "public key"],
        kind: ErrorKind::Refused,
        hint: "the domain could not read the session key; it takes RSA keys of 2048 bits and more",
    },
    Clause {
        name: "lifetime",
        words: &["rpst_exp", "lifetime"],
        kind: ErrorKind::Refused,
        hint: "ask for a shorter life, at most 12 hours",
    },
    Clause {
        name: "resource",
        words: &["res_type", "resource type", "impersonatingresource"],
        kind: ErrorKind::Refused,
        hint: "res_type must be exactly impersonatingResource of the trust",
    },
    Clause {
        name: "issuer",
        words: &["issuer", "trust not found", "no trust"],
        kind: ErrorKind::Refused,
        hint: "a trust of this domain must be active and name the issuer exactly as iss does, to the trailing slash",
    },
    Clause {
        name: "trust",
        words: &["not active", "inactive"],
        kind: ErrorKind::Refused,
        hint: "set active to true in the trust",
    },
    Clause {
        name: "audience",
        words: &["audience", "clientclaim", "client claim"],
        kind: ErrorKind::Refused,
        hint: "the token's aud must be one of clientClaimValues of the trust; ask the issuer for that audience",
    },
    Clause {
        name: "signature",
        words: &["signature", "key id", "jwks"],
        kind: ErrorKind::Refused,
        hint: "publicKeyEndpoint of the trust must be the issuer's key set and be reachable from Oracle",
    },
    Clause {
        name: "claim-validation",
        words: &["claimvalidation", "claim validation", "claim value"],
        kind: ErrorKind::Policy,
        hint: "compare claimValidations of the trust with the claims of the token",
    },
    Clause {
        name: "subject",
        words: &["no rule", "rule match", "impersonation", "user not found", "no user", "subject mapping"],
        kind: ErrorKind::Policy,
        hint: "no rule of impersonationServiceUsers matches the token, or no user carries the mapped name",
    },
];

#[cfg(test)]
mod tests;
