//! What Oracle's services answer when they refuse, and what it means.

use std::fmt;

use carnet_core::{Error, ErrorKind, Response, Secret, safe_text};
use jiff::{SignedDuration, Timestamp, fmt::rfc2822::DateTimeParser};
use serde_json::Value;

/// Requests are refused when their date is further away than this (Oracle, "Request Signatures").
const MAX_SKEW: SignedDuration = SignedDuration::from_mins(5);
/// Longest request id that is shown.
const MAX_ID: usize = 128;
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

    /// As [`Self::parse`], with these secrets cut out: what was sent may be quoted in the answer.
    pub fn parse_without(body: &[u8], secrets: &[&Secret]) -> Self {
        let Ok(Value::Object(members)) = serde_json::from_slice(body) else { return Self::default() };
        let text = |names: &[&str]| names.iter().find_map(|name| members.get(*name)?.as_str());
        // SCIM: the id of the message stands in an extension whose name is a URN.
        let scim = members
            .iter()
            .find(|(name, _)| name.ends_with(":extension:messages:Error"))
            .and_then(|(_, extension)| extension.get("messageId")?.as_str());
        let clean = |text: &str| {
            let mut text = text.to_owned();
            for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
                text = text.replace(secret.expose(), "[redacted]");
            }
            safe_text(&text)
        };
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
    (good && !text.contains("[redacted]")).then(|| text.to_owned())
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

/// The error for an answer that is not a success. `what` says what was attempted, `secrets` what must not be quoted.
pub(crate) fn refusal(what: &str, response: &Response, now: Timestamp, secrets: &[&Secret]) -> Error {
    let body = ErrorBody::parse_without(response.body.expose(), secrets);
    let header = |name: &str| response.header(name).and_then(|value| identifier(&safe_text(value), MAX_ID));
    let status = response.status.as_u16();
    let skew = clock_skew(response, now).filter(|skew| skew.abs() > MAX_SKEW);
    let reason = Reason::of(status, &body, skew.is_some());
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
    fn of(status: u16, body: &ErrorBody, skewed: bool) -> Self {
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
mod tests {
    use carnet_core::{SecretBytes, chain};
    use http::{HeaderMap, HeaderValue, StatusCode};
    use proptest::prelude::*;

    use super::*;

    fn now() -> Timestamp {
        "2026-11-21T12:00:00Z".parse().unwrap()
    }

    fn response(status: u16, body: &str) -> Response {
        Response {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: SecretBytes::new(body.as_bytes().to_vec()),
        }
    }

    fn refused(status: u16, body: &str) -> Error {
        refusal("exchange the token", &response(status, body), now(), &[])
    }

    #[test]
    fn the_three_forms_of_error_bodies_are_read() {
        let service = ErrorBody::parse(br#"{"code":"NotAuthenticated","message":"The required information"}"#);
        assert_eq!(service.code.as_deref(), Some("NotAuthenticated"));
        let oauth = ErrorBody::parse(
            br#"{"error":"invalid_client","error_description":"Client authentication failed.","ecid":"a1"}"#,
        );
        assert_eq!(
            (oauth.code.as_deref(), oauth.message.as_deref(), oauth.ecid.as_deref()),
            (Some("invalid_client"), Some("Client authentication failed."), Some("a1"))
        );
        let scim = ErrorBody::parse(
            br#"{"detail":"Missing required attribute(s): issuer.","status":"400","urn:ietf:params:scim:api:oracle:idcs:extension:messages:Error":{"messageId":"error.common.validation.missingReqAttributes"}}"#,
        );
        assert_eq!(scim.code.as_deref(), Some("error.common.validation.missingReqAttributes"));
        assert_eq!(ErrorBody::parse(b"<html>"), ErrorBody::default());
    }

    #[test]
    fn each_code_has_its_kind_and_clause() {
        for (status, body, kind, clause) in [
            (401, r#"{"error":"invalid_client"}"#, ErrorKind::Refused, Some("client")),
            (400, r#"{"error":"unauthorized_client"}"#, ErrorKind::Refused, Some("client")),
            (400, r#"{"error":"invalid_scope"}"#, ErrorKind::Refused, Some("scope")),
            (400, r#"{"error":"unsupported_grant_type"}"#, ErrorKind::Refused, Some("grant-type")),
            (403, r#"{"code":"NotAllowed"}"#, ErrorKind::Policy, Some("policy")),
            (404, r#"{"code":"NotAuthorizedOrNotFound"}"#, ErrorKind::Policy, Some("policy")),
            (401, r#"{"code":"NotAuthenticated"}"#, ErrorKind::Refused, Some("signature")),
            (429, "{}", ErrorKind::Unreachable, None),
            (503, "", ErrorKind::Unreachable, None),
            (302, "", ErrorKind::Unreachable, None),
            (409, r#"{"code":"BucketAlreadyExists"}"#, ErrorKind::Refused, None),
        ] {
            let error = refused(status, body);
            assert_eq!((error.kind(), error.failed_clause()), (kind, clause), "{status} {body}");
        }
    }

    #[test]
    fn the_description_of_a_refused_exchange_tells_the_clause() {
        for (text, kind, clause) in [
            ("The token has expired.", ErrorKind::Expired, Some("expired")),
            ("No trust found for issuer https://a/", ErrorKind::Refused, Some("issuer")),
            ("Invalid public_key.", ErrorKind::Refused, Some("public-key")),
            ("res_type does not match", ErrorKind::Refused, Some("resource")),
            ("The audience is not allowed", ErrorKind::Refused, Some("audience")),
            ("Signature validation failed", ErrorKind::Refused, Some("signature")),
            ("No rule matches the token", ErrorKind::Policy, Some("subject")),
            ("Claim validation failed for repository", ErrorKind::Policy, Some("claim-validation")),
            ("The trust is not active", ErrorKind::Refused, Some("trust")),
            ("The subject token is invalid, expired or not trusted.", ErrorKind::Refused, None),
            ("The signature cannot be checked: no trust", ErrorKind::Refused, None),
            ("Invalid subject token", ErrorKind::Refused, None),
            ("rpst_exp is too long", ErrorKind::Refused, Some("lifetime")),
            ("Something else", ErrorKind::Refused, None),
        ] {
            let body = serde_json::json!({"error": "invalid_grant", "error_description": text}).to_string();
            let error = refused(400, &body);
            assert_eq!((error.kind(), error.failed_clause()), (kind, clause), "{text}");
            assert!(!error.hints().is_empty());
        }
    }

    #[test]
    fn a_401_with_a_date_far_away_is_a_matter_of_clocks() {
        for (date, words) in
            [("Sat, 21 Nov 2026 11:50:00 GMT", "600 s ahead of"), ("Sat, 21 Nov 2026 12:10:00 GMT", "600 s behind")]
        {
            let mut response = response(401, r#"{"code":"NotAuthenticated","message":"x"}"#);
            response.headers.insert("date", HeaderValue::from_static(date));
            let error = refusal("list buckets", &response, now(), &[]);
            assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Expired, Some("date")));
            assert!(error.hints()[0].contains(words), "{:?}", error.hints());
        }
        let mut near = response(401, r#"{"code":"NotAuthenticated"}"#);
        near.headers.insert("date", HeaderValue::from_static("Sat, 21 Nov 2026 11:56:00 GMT"));
        assert_eq!(refusal("x", &near, now(), &[]).failed_clause(), Some("signature"));
    }

    #[test]
    fn the_ids_that_support_asks_for_are_in_the_cause() {
        let mut response = response(404, r#"{"code":"NotAuthorizedOrNotFound","message":"Authorization failed."}"#);
        response.headers.insert("opc-request-id", HeaderValue::from_static("iad-1:abc"));
        response.headers.insert("x-oracle-dms-ecid", HeaderValue::from_static("e1"));
        assert_eq!(
            chain(&refusal("list buckets", &response, now(), &[])),
            [
                "list buckets",
                "the answer was HTTP 404 NotAuthorizedOrNotFound: Authorization failed. (opc-request-id iad-1:abc) (ECID e1)"
            ]
        );
    }

    #[test]
    fn nothing_secret_that_the_other_side_quotes_is_shown() {
        let secret = Secret::new("MARK-client-secret");
        let body =
            r#"{"error":"eyJMARK.a.b","error_description":"bad MARK-client-secret and eyJMARK.x.y","ecid":"eyJMARK"}"#;
        let mut response = response(401, body);
        response.headers.insert("opc-request-id", HeaderValue::from_static("eyJMARK.q"));
        let error = refusal("exchange", &response, now(), &[&secret]);
        let shown = format!("{error:?} {error} {:?} {:?}", error.hints(), error.provider_code());
        assert!(!shown.contains("MARK"), "{shown}");
    }

    proptest! {
        #[test]
        fn any_body_is_read_without_panic_and_shows_no_control_characters(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let parsed = ErrorBody::parse(&body);
            prop_assert!(parsed.message.is_none_or(|text| !text.chars().any(char::is_control)));
        }

        #[test]
        fn codes_and_messages_of_any_text_stay_within_their_bounds(code in "\\PC{0,200}", message in ".{0,500}") {
            let body = serde_json::json!({"code": code, "message": message}).to_string();
            let parsed = ErrorBody::parse(body.as_bytes());
            prop_assert!(parsed.code.is_none_or(|code| code.len() <= MAX_CODE && code.is_ascii()));
            prop_assert!(parsed.message.is_none_or(|text| text.chars().count() <= 310));
        }
    }
}
