//! Google's refusals: the code, the clause that failed as far as the text tells, and the fix.
//!
//! The token service has few codes and many causes, so the clause is inferred from the description. The texts are
//! those quoted by users in public issues and on Google's page "Troubleshoot Workload Identity Federation"; a text that is
//! not known still gives code and description. The clauses are those of [`crate::trust`], which decides the same
//! questions; the README's table lists codes and texts with their sources.

mod proof;

use carnet_core::{Error, ErrorKind, Response, Secret, safe_text, without_echo};
use http::StatusCode;
use serde_json::Value;

use crate::resource::ProviderResource;

/// New pools, providers and bindings take this long ("Troubleshoot Workload Identity Federation").
const PROPAGATION: &str = "a new pool, provider or binding takes up to 5 minutes (IAM bindings up to 7): try again before you change anything";

/// What was attempted, for the hints.
pub(crate) struct Attempt<'a> {
    pub(crate) provider: &'a ProviderResource,
    /// `aud` of the subject token, if known.
    pub(crate) audience: Option<&'a str>,
    /// `iss` of the subject token, if known.
    pub(crate) issuer: Option<&'a str>,
    /// `sub` of the subject token, if known.
    pub(crate) subject: Option<&'a str>,
    /// The token that was sent first, so that no answer repeats it.
    pub(crate) subject_token: &'a Secret,
}

/// What Google said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GoogleError {
    /// `invalid_grant` (OAuth) or `PERMISSION_DENIED` (google.rpc.Status).
    pub code: Option<String>,
    /// The description, safe to show.
    pub description: Option<String>,
    /// `reason` of the ErrorInfo, for instance `SERVICE_DISABLED`.
    pub reason: Option<String>,
    /// The permission that is missing, if it says.
    pub permission: Option<String>,
}

/// Reads either form of error body: `{"error":"…","error_description":"…"}` (RFC 6749, 5.2) or
/// `{"error":{"code":…,"message":"…","status":"…","details":[…]}}` (google.rpc.Status). What is not there stays `None`.
pub fn parse_error(body: &[u8]) -> GoogleError {
    parse_error_without(body, &[])
}

/// As [`parse_error`], with these secrets cut out: what was sent may be quoted in the answer.
pub fn parse_error_without(body: &[u8], secrets: &[&Secret]) -> GoogleError {
    let Ok(body) = serde_json::from_slice::<Value>(body) else { return GoogleError::default() };
    let clean = |text: &str| safe_text(&without_echo(text, secrets));
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(clean).filter(|text| !text.is_empty());
    match body.get("error") {
        Some(Value::Object(status)) => {
            let info = status
                .get("details")
                .and_then(Value::as_array)
                .and_then(|details| details.iter().find(|detail| detail.get("reason").is_some()));
            GoogleError {
                code: text(status.get("status")),
                description: text(status.get("message")),
                reason: text(info.and_then(|info| info.get("reason"))),
                permission: text(info.and_then(|info| info.get("metadata")?.get("permission"))),
            }
        }
        error => GoogleError {
            code: text(error),
            description: text(body.get("error_description")),
            ..GoogleError::default()
        },
    }
}

/// A refusal of the token service.
pub(crate) fn token_service(response: &Response, attempt: &Attempt<'_>) -> Error {
    let said = parse_error_without(response.body.expose(), &[attempt.subject_token]);
    if let Some(error) = not_an_answer(response.status, &said, "exchange the subject token at Google's token service") {
        return error;
    }
    if said.reason.as_deref() == Some("SERVICE_DISABLED") {
        return base(ErrorKind::Refused, "exchange the subject token at Google's token service", &said)
            .clause("api")
            .hint("enable it: `gcloud services enable sts.googleapis.com` in the pool's project");
    }
    let known = recognise(&said);
    let mut error =
        base(known.kind, "exchange the subject token at Google's token service", &said).clause(known.clause);
    for hint in hints(known.clause, attempt) {
        error = error.hint(hint);
    }
    error
}

struct Known {
    text: &'static str,
    clause: &'static str,
    kind: ErrorKind,
}

/// Descriptions by a part that does not vary, most telling first.
const CATALOGUE: [Known; 28] = [
    Known { text: "AWS request has invalid format", clause: "aws-request", kind: ErrorKind::Refused },
    Known { text: "Invalid format of AWS credentials", clause: "aws-request", kind: ErrorKind::Refused },
    Known { text: "AWS request is not meant for", clause: "aws-target", kind: ErrorKind::Refused },
    Known { text: "AWS request has expired", clause: "date", kind: ErrorKind::Expired },
    Known { text: "AWS did not confirm", clause: "caller-identity", kind: ErrorKind::Refused },
    Known { text: "AWS account", clause: "account", kind: ErrorKind::Refused },
    Known { text: "subject_token_type", clause: "token-type", kind: ErrorKind::Refused },
    Known { text: "parse the certificate chain", clause: "certificate", kind: ErrorKind::Refused },
    Known { text: "client certificate of the mTLS", clause: "certificate-shown", kind: ErrorKind::Refused },
    Known { text: "certificate chain has a key", clause: "certificate-key", kind: ErrorKind::Refused },
    Known { text: "certificate chain has expired", clause: "certificate-dates", kind: ErrorKind::Expired },
    Known { text: "does not lead to a trust anchor", clause: "certificate-chain", kind: ErrorKind::Refused },
    Known { text: "certificate chain is too long", clause: "certificate-depth", kind: ErrorKind::Refused },
    Known { text: "lifetime of the leaf certificate", clause: "certificate-lifetime", kind: ErrorKind::Refused },
    Known { text: "is stale to sign-in", clause: "expired", kind: ErrorKind::Expired },
    Known { text: "not yet valid", clause: "not-yet", kind: ErrorKind::Expired },
    Known { text: "audience in ID Token", clause: "audience", kind: ErrorKind::Refused },
    Known { text: "issuer in ID Token", clause: "issuer", kind: ErrorKind::Refused },
    Known { text: "connecting to the given credential's issuer", clause: "keys", kind: ErrorKind::Refused },
    Known { text: "rejected by the attribute condition", clause: "condition", kind: ErrorKind::Policy },
    Known { text: "must be of type", clause: "mapping-type", kind: ErrorKind::Refused },
    Known { text: "size of", clause: "mapping-size", kind: ErrorKind::Refused },
    Known { text: "Could not obtain a value for", clause: "mapping", kind: ErrorKind::Refused },
    Known { text: "full resource name of the Identity Provider", clause: "request", kind: ErrorKind::Refused },
    Known { text: "The target service indicated by", clause: "target", kind: ErrorKind::Refused },
    Known { text: "signature", clause: "signature", kind: ErrorKind::Refused },
    Known { text: "expired", clause: "expired", kind: ErrorKind::Expired },
    Known { text: "algorithm", clause: "algorithm", kind: ErrorKind::Refused },
];

fn recognise(said: &GoogleError) -> &'static Known {
    const TARGET: Known = Known { text: "", clause: "target", kind: ErrorKind::Refused };
    const CONDITION: Known = Known { text: "", clause: "condition", kind: ErrorKind::Policy };
    const TOKEN: Known = Known { text: "", clause: "subject-token", kind: ErrorKind::Refused };
    let description = said.description.as_deref().unwrap_or_default().to_ascii_lowercase();
    let by_text = CATALOGUE.iter().find(|known| description.contains(&known.text.to_ascii_lowercase()));
    by_text.unwrap_or(match said.code.as_deref() {
        Some("invalid_target") => &TARGET,
        Some("unauthorized_client") => &CONDITION,
        _ => &TOKEN,
    })
}

fn hints(clause: &str, attempt: &Attempt<'_>) -> Vec<String> {
    let Attempt { provider, audience, issuer, subject, .. } = attempt;
    let describe = "`gcloud iam workload-identity-pools providers describe` shows it";
    match clause {
        "audience" => {
            let seen = audience.unwrap_or("not known");
            let mut hints = vec![format!(
                "the subject token's audience is {seen}: add it to the provider's allowed audiences, or name in `subject_audience` one that is allowed ({describe})"
            )];
            if let Some(default) = provider.default_subject_audience() {
                hints.push(format!("a provider that lists no audiences accepts only {default}"));
            }
            hints
        }
        "issuer" => vec![format!(
            "the subject token's issuer is {}: the provider's issuer must be the same, character by character; a slash at the end counts ({describe})",
            issuer.unwrap_or("not known")
        )],
        "keys" => vec![
            format!("Google must be able to read {}/.well-known/openid-configuration over https with a public certificate", issuer.unwrap_or("ISSUER").trim_end_matches('/')),
            "for a private issuer, upload its keys to the provider (`--jwk-json-path`)".to_owned(),
        ],
        "not-yet" => vec!["the token counts from a time in the future: compare the clock of the issuer with the real time".to_owned()],
        "expired" => vec![
            "get a new subject token just before the exchange; the token service wants one issued within the last 24 hours".to_owned(),
            "compare the clock of the issuer with the real time".to_owned(),
        ],
        "condition" => vec![format!(
            "the provider's attribute condition is false for this token (subject {}): compare it with the token's claims (`carnet inspect`)",
            subject.unwrap_or("not known")
        )],
        "mapping" => vec![
            "the provider's attribute mapping names a claim that the token does not have (`carnet inspect` shows its claims)".to_owned(),
        ],
        "mapping-type" | "mapping-size" => vec![
            "google.subject must be mapped to a text of at most 127 bytes; map a shorter claim, or cut it with `extract`".to_owned(),
            "a mapping that compares (`assertion.sub == 'x'`) gives true or false: comparisons belong in the condition".to_owned(),
        ],
        "request" | "target" => vec![
            format!("check that {provider} exists, is enabled and not deleted, and that the project is named by its number"),
            PROPAGATION.to_owned(),
        ],
        "signature" => vec![
            "the token's key is not among the keys that Google has for this issuer: if keys were uploaded to the provider, upload the current ones".to_owned(),
        ],
        "algorithm" => vec!["the token service takes RS256 and ES256 only: set the issuer's key type accordingly".to_owned()],
        _ => match proof::hint(clause) {
            Some(hint) => vec![hint.to_owned()],
            None => vec![
            "the token must be signed with RS256 or ES256, carry `kid`, and have iss, sub, aud, iat and exp (`carnet inspect` shows them)".to_owned(),
            ],
        },
    }
}

/// A refusal of the service-account credentials API, which was asked with the federated token.
pub(crate) fn impersonation(response: &Response, account: &str, federated: &Secret, attempt: &Attempt<'_>) -> Error {
    let said = parse_error_without(response.body.expose(), &[attempt.subject_token, federated]);
    let what = format!("impersonate {account}");
    if let Some(error) = not_an_answer(response.status, &said, &what) {
        return error;
    }
    let lifetime = said.description.as_deref().is_some_and(|text| text.contains("lifetime"));
    match (response.status, said.reason.as_deref()) {
        (_, Some("SERVICE_DISABLED")) => base(ErrorKind::Refused, &what, &said)
            .clause("api")
            .hint("enable it: `gcloud services enable iamcredentials.googleapis.com` in the service account's project"),
        (StatusCode::FORBIDDEN, _) => base(ErrorKind::Refused, &what, &said)
            .clause("permission")
            .hint(format!(
                "on the service account {account}, grant roles/iam.workloadIdentityUser to {} (if the provider maps google.subject from `sub`)",
                attempt.provider.principal(attempt.subject.unwrap_or("SUBJECT"))
            ))
            .hint(format!("check the spelling of {account}: an account that does not exist gives the same answer"))
            .hint(PROPAGATION),
        (StatusCode::UNAUTHORIZED, _) => base(ErrorKind::Refused, &what, &said)
            .clause("federated-token")
            .hint("the token from the token service was not accepted: the pool may have been disabled or deleted since"),
        (StatusCode::BAD_REQUEST, _) if lifetime => base(ErrorKind::Configuration, &what, &said)
            .clause("lifetime")
            .hint("over 3600 seconds needs the organisation policy constraints/iam.allowServiceAccountCredentialLifetimeExtension for this account"),
        (StatusCode::NOT_FOUND, _) => base(ErrorKind::Refused, &what, &said)
            .clause("service-account")
            .hint("check the service account's e-mail, and the endpoint if you set one"),
        _ => base(ErrorKind::Refused, &what, &said).clause("request"),
    }
}

/// What is not Google's refusal: overload, an outage, or somebody else who answers.
fn not_an_answer(status: StatusCode, said: &GoogleError, what: &str) -> Option<Error> {
    if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
        let error = base(ErrorKind::Unreachable, &format!("{what}: HTTP {}", status.as_u16()), said);
        return Some(match status {
            StatusCode::TOO_MANY_REQUESTS => {
                error.hint("the project's quota is used up (6,000 exchanges a minute): share the token among callers")
            }
            _ => error.hint("the service is busy or broken; the same request may succeed later"),
        });
    }
    if said.code.is_some() {
        return None;
    }
    Some(
        Error::unreachable(format!("{what}: HTTP {} without an error code", status.as_u16()))
            .hint("this is not how Google answers: check the endpoint, and whether a proxy stands in between"),
    )
}

fn base(kind: ErrorKind, what: &str, said: &GoogleError) -> Error {
    let error = Error::new(kind, what);
    let code = said.code.clone().unwrap_or_default();
    let description = said.description.as_deref().unwrap_or("no description");
    let error = error.because(Error::new(
        kind,
        if code.is_empty() { description.to_owned() } else { format!("{code}: {description}") },
    ));
    if code.is_empty() { error } else { error.code(code) }
}

#[cfg(test)]
mod tests;
