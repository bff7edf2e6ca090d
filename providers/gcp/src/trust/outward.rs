//! What Google tells the caller of a refusal: less than the refusal says.
//!
//! The texts are those that users quote in public issues and that Google's troubleshooting page lists. Those marked
//! UNCONFIRMED are ours.

use carnet_trust::Refusal;
use serde_json::{Value, json};

/// UNCONFIRMED: the wording for a token that is no JWT or lacks what a JWT needs.
const MALFORMED: &str = "Unable to parse the ID Token.";
/// UNCONFIRMED: the wording for a bad signature or an unknown `kid`.
const SIGNATURE: &str = "The ID Token is not signed by the expected issuer, or its signature is invalid.";
/// UNCONFIRMED: the wording for `iat` or `nbf` in the future.
const NOT_YET: &str = "ID Token is not yet valid.";
/// UNCONFIRMED: the wording for a token of another kind than the provider's.
const TOKEN_TYPE: &str = "Invalid value for \"subject_token_type\".";
/// What users are told of any signed request that is not as it must be
/// (<https://discuss.google.dev/t/244519>); the code is UNCONFIRMED.
const AWS_FORM: &str = "AWS request has invalid format.";
/// UNCONFIRMED: the wordings for what else AWS requests are refused for.
const AWS_TARGET: &str = "The AWS request is not meant for the expected audience.";
const AWS_DATE: &str = "The AWS request has expired or is not yet valid.";
const AWS_ANSWER: &str = "AWS did not confirm the caller identity of the AWS request.";
/// UNCONFIRMED: the wordings for certificates.
const CERTIFICATE: &str = "Unable to parse the certificate chain.";
const CERTIFICATE_SHOWN: &str = "The leaf certificate is not the client certificate of the mTLS connection.";
const CERTIFICATE_KEY: &str = "The certificate chain has a key of an unsupported type or size.";
const CERTIFICATE_DATES: &str = "The certificate chain has expired or is not yet valid.";
const CERTIFICATE_CHAIN: &str = "The certificate chain does not lead to a trust anchor of the provider.";
const CERTIFICATE_DEPTH: &str = "The certificate chain is too long.";
const CERTIFICATE_LIFETIME: &str = "The lifetime of the leaf certificate exceeds 390 days.";

/// The body of a refused exchange; the status is 400 (RFC 6749, 5.2; RFC 8693, 2.2.2).
pub fn sts_error(refusal: &Refusal) -> Value {
    json!({ "error": refusal.code, "error_description": description(refusal) })
}

fn description(refusal: &Refusal) -> String {
    let Refusal { seen, wanted, .. } = refusal;
    match refusal.clause {
        "request" => "Invalid value for \"audience\". This value should be the full resource name of the Identity Provider. \
                      See https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token for the list of possible \
                      formats."
            .to_owned(),
        "target" => "The target service indicated by the \"audience\" parameters is invalid. This might either be because \
                     the pool or provider is disabled or deleted or because it doesn't exist."
            .to_owned(),
        "issuer" => format!("The issuer in ID Token {seen} does not match the expected ones: {wanted}"),
        "audience" => format!("The audience in ID Token [{seen}] does not match the expected audience {wanted}."),
        "expired" => {
            let issued = seen.rsplit(' ').next().unwrap_or_default();
            format!("ID Token issued at {issued} is stale to sign-in.")
        }
        "not-yet" => NOT_YET.to_owned(),
        "keys" => "Error connecting to the given credential's issuer.".to_owned(),
        "key" | "signature" => SIGNATURE.to_owned(),
        "mapping" => {
            let key = seen.split([':', ' ']).find(|word| word.contains('.')).unwrap_or("google.subject");
            format!("Could not obtain a value for {key} from the given credential.")
        }
        "mapping-type" => {
            let key = seen.split(' ').next().unwrap_or_default();
            format!("The mapped attribute '{key}' must be of type {wanted}.")
        }
        "mapping-size" if wanted.contains("127") => "The size of mapped attribute google.subject exceeds the 127 bytes \
             limit. Either modify your attribute mapping or the incoming assertion to produce a mapped attribute that is \
             less than 127 bytes."
            .to_owned(),
        "mapping-size" => "The size of all mapped attributes exceeds the 8 KB limit.".to_owned(),
        "account" => format!("The AWS account {seen} does not match the expected account {wanted}."),
        "token-type" => TOKEN_TYPE.to_owned(),
        "aws-request" => AWS_FORM.to_owned(),
        "aws-target" => AWS_TARGET.to_owned(),
        "date" => AWS_DATE.to_owned(),
        "caller-identity" => AWS_ANSWER.to_owned(),
        "certificate" => CERTIFICATE.to_owned(),
        "certificate-shown" => CERTIFICATE_SHOWN.to_owned(),
        "certificate-key" => CERTIFICATE_KEY.to_owned(),
        "certificate-dates" => CERTIFICATE_DATES.to_owned(),
        "certificate-chain" => CERTIFICATE_CHAIN.to_owned(),
        "certificate-depth" => CERTIFICATE_DEPTH.to_owned(),
        "certificate-lifetime" => CERTIFICATE_LIFETIME.to_owned(),
        "condition" => "The given credential is rejected by the attribute condition.".to_owned(),
        _ => MALFORMED.to_owned(),
    }
}

/// The HTTP status of a `google.rpc.Code` name.
pub fn rpc_status(code: &str) -> u16 {
    match code {
        "INVALID_ARGUMENT" | "FAILED_PRECONDITION" => 400,
        "UNAUTHENTICATED" => 401,
        "PERMISSION_DENIED" => 403,
        "NOT_FOUND" => 404,
        "ABORTED" | "ALREADY_EXISTS" => 409,
        "RESOURCE_EXHAUSTED" => 429,
        "UNAVAILABLE" => 503,
        _ => 500,
    }
}

/// The body of a refusal by a Google API (`google.rpc.Status`).
pub fn rpc_error(refusal: &Refusal) -> Value {
    let status = rpc_status(&refusal.code);
    if refusal.code == "UNAUTHENTICATED" {
        let message = "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other \
                       valid authentication credential. See \
                       https://developers.google.com/identity/sign-in/web/devconsole-project.";
        return json!({ "error": { "code": status, "message": message, "status": refusal.code } });
    }
    let permission = &refusal.wanted;
    let reason = if refusal.clause == "scope" { "ACCESS_TOKEN_SCOPE_INSUFFICIENT" } else { "IAM_PERMISSION_DENIED" };
    let message = if refusal.clause == "scope" {
        "Request had insufficient authentication scopes.".to_owned()
    } else {
        format!("Permission '{permission}' denied on resource (or it may not exist).")
    };
    json!({ "error": {
        "code": status,
        "message": message,
        "status": refusal.code,
        "details": [{
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": reason,
            "domain": "iam.googleapis.com",
            "metadata": { "permission": permission },
        }],
    } })
}
