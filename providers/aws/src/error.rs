//! AWS's refusals: the code, the clause that failed as far as the text tells, and the fix.
//!
//! Texts are those of "AssumeRoleWithWebIdentity" (STS API reference) and those that users quote in public issues; the
//! README's table lists them. The clauses are those of [`crate::trust`], which decides the same questions.

mod catalogue;

use carnet_core::{Credential, Error, ErrorKind, Material, Request, Response, Secret, safe_text, without_echo};
use carnet_jose::UnverifiedJwt;
use http::StatusCode;
use jiff::Timestamp;
use serde_json::Value;

use self::catalogue::{CATALOGUE, Known, NOT_YET};
use crate::{trust::CLOCK_SKEW, xml};

/// Longest error code that is shown.
const MAX_CODE: usize = 64;
/// Secrets shorter than this are in every text.
const SHORTEST_SECRET: usize = 4;

/// What AWS said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AwsError {
    /// For instance `AccessDenied`.
    pub code: Option<String>,
    /// The description, safe to show.
    pub message: Option<String>,
}

/// Reads either form of error body: XML of the query protocol, or JSON with `message` (and perhaps `__type` or `code`).
pub fn parse_error(body: &[u8]) -> AwsError {
    parse_without(body, &[])
}

/// Whether a text repeats what was sent, whole or in part.
pub(crate) fn quotes(text: &str, sent: &[&Secret]) -> bool {
    let sent: Vec<&Secret> = sent.iter().copied().filter(|secret| secret.len() >= SHORTEST_SECRET).collect();
    without_echo(text, &sent) != text
}

/// A code as it is shown: one short word without its namespace and address, which quotes nothing.
pub(crate) fn code_of(text: &str, sent: &[&Secret]) -> Option<String> {
    let is_code =
        |code: &String| !code.is_empty() && code.len() <= MAX_CODE && code.bytes().all(|byte| byte.is_ascii_graphic());
    Some(text).filter(|text| !quotes(text, sent)).map(|text| safe_text(bare(text))).filter(is_code)
}

/// As [`parse_error`]. A text that quotes what was sent is not shown at all.
pub(crate) fn parse_without(body: &[u8], sent: &[&Secret]) -> AwsError {
    let safe =
        |text: &str| Some(text).filter(|text| !quotes(text, sent)).map(safe_text).filter(|text| !text.is_empty());
    if let Some(leaves) = std::str::from_utf8(body).ok().and_then(xml::leaves) {
        let leaf = |name: &str| leaves.get(&format!("ErrorResponse/Error/{name}"));
        let code = leaf("Code").and_then(|text| code_of(text, sent));
        return AwsError { code, message: leaf("Message").and_then(|text| safe(text)) };
    }
    let Ok(body) = serde_json::from_slice::<Value>(body) else { return AwsError::default() };
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let code = ["__type", "code", "Code"].into_iter().find_map(|name| code_of(text(name)?, sent));
    AwsError { code, message: ["message", "Message"].into_iter().find_map(|name| safe(text(name)?)) }
}

/// A type may have a namespace before it and an address behind it.
fn bare(code: &str) -> &str {
    let code = code.split(':').next().unwrap_or_default();
    code.rsplit('#').next().unwrap_or_default()
}

/// What a credential holds that no answer may repeat.
fn secrets(credential: &Credential) -> Vec<&Secret> {
    match &credential.material {
        Material::Jwt(token) => vec![token],
        Material::AwsKeys(keys) => keys.session_token.iter().chain([&keys.secret_access_key]).collect(),
        _ => Vec::new(),
    }
}

/// A refusal of `what`, which was asked for at `now`. `subject` is the credential that was shown, for its facts.
pub(crate) fn refusal(what: &str, response: &Response, subject: Option<&Credential>, now: Timestamp) -> Error {
    let sent = subject.map(secrets).unwrap_or_default();
    let mut said = parse_without(response.body.expose(), &sent);
    if said.code.is_none() {
        // JSON services say the type in a header.
        said.code = response.header("x-amzn-errortype").and_then(|code| code_of(code, &sent));
    }
    let status = response.status;
    let Some(code) = said.code else {
        let error = Error::unreachable(format!("{what}: HTTP {} without an error code", status.as_u16()));
        return error.hint("this is not how AWS answers: check the address, and whether a proxy stands in between");
    };
    let text = said.message.unwrap_or_else(|| "no description".to_owned());
    // Some codes are written with and without `Exception`.
    let same = |entry: &&Known| code == entry.code || code.strip_suffix("Exception") == Some(entry.code);
    let found = CATALOGUE.iter().filter(same).find(|entry| text.contains(entry.text));
    let is_early = text.contains("not valid yet")
        || subject.and_then(counts_from).is_some_and(|at| at.duration_since(now) > CLOCK_SKEW);
    let is_early = is_early && found.is_some_and(|entry| entry.code == NOT_YET.code && entry.text.is_empty());
    let found = if is_early { Some(&NOT_YET) } else { found };
    let busy = status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error();
    let kind = if busy { ErrorKind::Unreachable } else { found.map_or(ErrorKind::Refused, |entry| entry.kind) };
    let mut error = Error::new(kind, what).because(Error::new(kind, format!("{code}: {text}"))).code(code);
    error = match found {
        Some(entry) => error.clause(entry.clause).hint(entry.fix),
        None => error.clause("request").hint("look the code up in the API reference of the service"),
    };
    // AWS never says which claim failed, so the reader gets all that can be shown.
    match subject.map(shown).filter(|facts| !facts.is_empty()) {
        Some(facts) => error.hint(format!("what was shown has {facts}")),
        None => error,
    }
}

/// From when a token counts: the later of `iat` and `nbf`.
fn counts_from(subject: &Credential) -> Option<Timestamp> {
    let Material::Jwt(token) = &subject.material else { return None };
    let jwt = UnverifiedJwt::parse(token.expose()).ok()?;
    let claims = jwt.unverified_claims();
    claims.time("iat").max(claims.time("nbf"))
}

fn shown(subject: &Credential) -> String {
    let facts = ["issuer", "audience", "subject", "principal"];
    let facts = facts.iter().filter_map(|name| Some(format!("{name} {}", subject.facts.get(name)?)));
    facts.collect::<Vec<_>>().join(", ")
}

/// Sends it; a request without an answer is told as what it was for.
pub(crate) async fn send(context: &carnet_core::Context, request: Request, what: &str) -> Result<Response, Error> {
    let host = request.url.host_str().unwrap_or_default().to_owned();
    context.http.send(request).await.map_err(|error| {
        let error = Error::from(error);
        Error::new(error.kind(), format!("{what} ({host})")).because(error)
    })
}

/// An answer that is not what AWS answers.
pub(crate) fn malformed(what: &str, response: &Response, wrong: &'static str) -> Error {
    let (status, length) = (response.status.as_u16(), response.body.len());
    Error::unreachable(format!("{what}: read the answer (HTTP {status}, {length} bytes): {wrong}"))
}

#[cfg(test)]
mod tests {
    use carnet_core::SecretBytes;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::testing;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn answer(status: u16, body: &str) -> Response {
        Response {
            status: StatusCode::from_u16(status).unwrap(),
            headers: http::HeaderMap::new(),
            body: SecretBytes::new(body),
        }
    }

    fn xml(code: &str, message: &str) -> String {
        format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error><RequestId>r</RequestId></ErrorResponse>"
        )
    }

    #[test]
    fn every_known_refusal_has_its_clause_kind_and_fix() {
        for entry in &CATALOGUE {
            let error = refusal("x", &answer(400, &xml(entry.code, entry.text)), None, NOW);
            assert_eq!(
                (error.failed_clause(), error.kind(), error.provider_code()),
                (Some(entry.clause), entry.kind, Some(entry.code))
            );
            assert_eq!(error.hints(), [entry.fix]);
        }
    }

    #[test]
    fn a_denial_shows_the_claims_and_no_token() {
        let subject = Credential::new(Material::Jwt(Secret::new("eyJ.x.y")))
            .fact("issuer", "https://i.example")
            .fact("subject", "s");
        let body = xml("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity eyJhbGci");
        let error = refusal("x", &answer(403, &body), Some(&subject), NOW);
        assert_eq!(error.kind(), ErrorKind::Policy);
        assert_eq!(error.hints()[1], "what was shown has issuer https://i.example, subject s");
        assert!(!format!("{error:?}").contains("eyJ"));
    }

    #[test]
    fn a_token_of_the_future_is_not_called_forged() {
        let now = Timestamp::from_second(testing::NOW).unwrap();
        let invalid = |text: &str| answer(400, &xml("InvalidIdentityToken", text));
        let told = |text: &str, times: Value| {
            let subject = Credential::new(Material::Jwt(testing::token(&times)));
            let error = refusal("x", &invalid(text), Some(&subject), now);
            (error.failed_clause().unwrap().to_owned(), error.kind())
        };
        let (not_yet, signature) =
            (("not-yet".to_owned(), ErrorKind::Expired), ("signature".to_owned(), ErrorKind::Refused));
        let at = |seconds: i64| testing::NOW + seconds;
        for (times, expected) in [
            (json!({ "iat": at(301) }), &not_yet),
            (json!({ "iat": at(0), "nbf": at(301) }), &not_yet),
            (json!({ "nbf": at(301) }), &not_yet),
            (json!({ "iat": at(301), "nbf": at(0) }), &not_yet),
            (json!({ "iat": at(300) }), &signature),
            (json!({ "iat": at(60) }), &signature),
            (json!({}), &signature),
        ] {
            assert_eq!(&told("The ID Token provided is not valid", times.clone()), expected, "{times}");
        }
        assert_eq!(told("The token is not valid yet", json!({ "iat": at(60) })), not_yet);
        assert_eq!(told("Incorrect token audience", json!({ "iat": at(301) })).0, "audience");
    }

    #[test]
    fn no_error_quotes_the_token_in_any_form() {
        let token = "opaque-0123456789abcdefghijklmnopqrstuvwxyz-token";
        let subject = Credential::new(Material::Jwt(Secret::new(token)));
        for form in testing::forms(token) {
            let json = |field: &str| json!({ field: form }).to_string();
            let mut bodies = ["__type", "code", "Code", "message", "Message"].map(json).to_vec();
            bodies.extend([xml(&form, "m"), xml("AccessDenied", &form)]);
            let header = http::HeaderValue::from_bytes(form.replace('\n', " ").as_bytes()).unwrap();
            for body in bodies {
                let mut response = answer(400, &body);
                response.headers.insert("x-amzn-errortype", header.clone());
                let error = refusal("x", &response, Some(&subject), NOW);
                let told = format!("{error:?} {:?}", error.provider_code());
                assert!(!told.contains("6789abcdef") && !told.contains("mnopqr"), "{told}");
            }
        }
    }

    #[test]
    fn a_code_that_does_not_look_like_one_is_not_shown() {
        for code in ["two words".to_owned(), "x".repeat(65)] {
            for body in [xml(&code, "m"), json!({ "code": code }).to_string()] {
                assert_eq!(refusal("x", &answer(400, &body), None, NOW).provider_code(), None);
            }
        }
    }

    #[test]
    fn json_services_are_read_too() {
        let error = refusal("x", &answer(404, r#"{"__type":"a#ResourceNotFoundException","message":"m"}"#), None, NOW);
        assert_eq!(error.provider_code(), Some("ResourceNotFoundException"));
    }

    #[test]
    fn somebody_else_is_not_taken_for_aws() {
        assert_eq!(refusal("x", &answer(403, "<html>"), None, NOW).kind(), ErrorKind::Unreachable);
        assert_eq!(refusal("x", &answer(503, &xml("AccessDenied", "")), None, NOW).kind(), ErrorKind::Unreachable);
    }

    proptest! {
        #[test]
        fn never_panics_and_shows_no_control_character(
            body in proptest::collection::vec(any::<u8>(), 0..200), code in "\\PC{0,20}", message in "[ -~\\x00-\\x1f]{0,60}",
        ) {
            drop(parse_error(&body));
            let json = json!({ "__type": code, "message": message }).to_string();
            for body in [xml(&code, &message), json] {
                let said = parse_error(body.as_bytes());
                let shown = said.code.iter().chain(&said.message);
                prop_assert!(shown.clone().all(|text| !text.chars().any(char::is_control)), "{:?}", said);
            }
        }
    }
}
