//! What the token service tells the caller of a refusal.
//!
//! The texts are those that users quote in public issues and Microsoft's page of error codes lists. Those marked
//! UNCONFIRMED are ours.

use carnet_trust::Refusal;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::Code;

const LEARN: &str = "https://learn.microsoft.com/entra/workload-id/workload-identity-federation";
const CHECK: &str =
    "Check your federated identity credential Subject, Audience and Issuer against the presented assertion.";

/// What every answer carries.
#[derive(Clone, Debug)]
pub struct Stamp {
    /// A GUID that the service makes.
    pub trace_id: String,
    /// The header `client-request-id` of the request, else a GUID that the service makes.
    pub correlation_id: String,
    /// When.
    pub now: Timestamp,
    /// `https://login.microsoftonline.com`, for `error_uri`.
    pub authority: String,
}

/// An answer that refuses.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenError {
    /// 400 or 401.
    pub status: u16,
    /// The JSON.
    pub body: Value,
}

/// The three claims that the old code quotes.
#[derive(Clone, Copy, Debug)]
pub struct Presented<'a> {
    /// `iss`.
    pub issuer: &'a str,
    /// `sub`.
    pub subject: &'a str,
    /// `aud`.
    pub audience: &'a str,
}

/// The answer to a refused request. Its code is that of the refusal; one that is not known is answered as a malformed token.
pub fn token_error(refusal: &Refusal, stamp: &Stamp) -> TokenError {
    let code = Code::parse(&refusal.code).unwrap_or(Code::FORM);
    answer(code, &text(code, refusal, stamp), stamp)
}

/// The answer that the service gave for issuer, subject and audience alike, and still gives at times (AADSTS70021).
pub fn old_mismatch(presented: Presented<'_>, stamp: &Stamp) -> TokenError {
    let Presented { issuer, subject, audience } = presented;
    let text = format!(
        "No matching federated identity record found for presented assertion. Assertion Issuer: '{issuer}'. Assertion \
         Subject: '{subject}'. Assertion Audience: '{audience}'. {LEARN}"
    );
    answer(Code::MISMATCH, &text, stamp)
}

fn answer(code: Code, text: &str, stamp: &Stamp) -> TokenError {
    let Stamp { trace_id, correlation_id, now, authority } = stamp;
    let time = now.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
    let description = format!("{code}: {text} Trace ID: {trace_id} Correlation ID: {correlation_id} Timestamp: {time}");
    let body = json!({
        "error": code.error(),
        "error_description": description,
        "error_codes": [code.0],
        "timestamp": time,
        "trace_id": trace_id,
        "correlation_id": correlation_id,
        "error_uri": format!("{}/error?code={}", authority.trim_end_matches('/'), code.0),
    });
    TokenError { status: code.status(), body }
}

fn text(code: Code, refusal: &Refusal, stamp: &Stamp) -> String {
    let Refusal { seen, wanted, clause, .. } = refusal;
    let mismatch = |what: &str| {
        format!("No matching federated identity record found for presented assertion {what} '{seen}'. {CHECK} {LEARN}")
    };
    match code {
        Code::ISSUER => mismatch("issuer"),
        Code::SUBJECT => mismatch("subject"),
        Code::AUDIENCE => mismatch("audience"),
        // UNCONFIRMED wording.
        Code::CASE => format!(
            "No matching federated identity record found for presented assertion {clause} '{seen}'. A record matches only \
             when case is ignored; matching is case-sensitive. {LEARN}"
        ),
        Code::ENTERPRISE => format!(
            "Federated identity credentials issued by 'https://token.actions.githubusercontent.com' for applications or \
             managed identities registered in this tenant must contain the enterprise claim with value '{wanted}' but \
             actual value is '{seen}'."
        ),
        // UNCONFIRMED wording.
        Code::OWN_ISSUER => {
            format!(
                "AAD-issued tokens may not be used for federated identity flows. Assertion issuer: '{seen}'. {LEARN}"
            )
        }
        // UNCONFIRMED wording.
        Code::NO_CREDENTIALS => format!("The client has no configured federated identity credentials. {LEARN}"),
        Code::TIME => {
            let (from, until) = seen.split_once(' ').unwrap_or((seen.as_str(), ""));
            format!(
                "Client assertion is not within its valid time range. Current time: {}, assertion valid from {from}, expiry \
                 time of assertion {until}. Review the documentation at \
                 https://learn.microsoft.com/entra/identity-platform/certificate-credentials .",
                stamp.now
            )
        }
        Code::KEY => {
            let last = |text: &str| text.rsplit(' ').next().unwrap_or_default().to_owned();
            let (kid, issuer) = (last(seen), last(wanted));
            format!(
                "The certificate with identifier '{kid}' used to sign the federated credential could not be found in the \
                 metadata of identity provider '{issuer}'. {LEARN}"
            )
        }
        Code::KEY_ID => "The JWT header contains no thumbprint or key identifier.".to_owned(),
        Code::ALGORITHM => format!(
            "Invalid JWT token. '{seen}' is not a supported signature algorithm. Supported signing algorithms are: '{wanted}'."
        ),
        Code::FETCH => "Request to External OIDC endpoint failed.".to_owned(),
        Code::CLAIM => format!(
            "The required field '{}' is missing from the credential. Ensure that you have all the necessary parameters for \
             the login request.",
            wanted.trim_matches('`')
        ),
        Code::APPLICATION => format!(
            "Application with identifier '{seen}' was not found in the directory '{}'. This can happen if the application has \
             not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have \
             sent your authentication request to the wrong tenant.",
            wanted.rsplit(' ').next().unwrap_or_default()
        ),
        Code::TENANT => format!(
            "Tenant '{seen}' not found. Check to make sure you have the correct tenant ID and are signing into the correct \
             cloud."
        ),
        Code::TENANT_FORM => {
            format!("Specified tenant identifier '{seen}' is neither a valid DNS name, nor a valid external domain.")
        }
        Code::RESOURCE => format!(
            "The resource principal named {seen} was not found in the tenant named {}.",
            wanted.rsplit(' ').next().unwrap_or_default()
        ),
        Code::SCOPE => format!(
            "The provided request must include a 'scope' input parameter. The provided value for the input parameter 'scope' \
             is not valid. The scope {seen} is not valid."
        ),
        _ => "JWT token is invalid or malformed.".to_owned(),
    }
}
