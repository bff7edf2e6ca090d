//! `169.254.169.254/metadata/…` ("How to use managed identities for Azure resources on an Azure VM to acquire an
//! access token", "Azure Instance Metadata Service").

use http::{Method, StatusCode};
use serde_json::json;

use super::{Desk, NoToken, fresh, oauth};
use crate::{
    reply::{Answer, ApiError, ok},
    seed,
};

/// Versions that the token path takes: any date from this on.
const FIRST_VERSION: &str = "2018-02-01";

/// What a proxy says in place of a metadata service that it does not reach. Libraries look for one word of it
/// (`azure/identity/_credentials/imds.py` of azure-sdk-for-python); the others are ours.
const UNREACHABLE: &str = "connecting to 169.254.169.254:80: connect: network is unreachable";

pub(super) fn answer(desk: &Desk<'_>) -> Answer {
    let call = desk.call;
    if desk.state.lock().behaviour.metadata_unreachable {
        return Err(ApiError::text(StatusCode::FORBIDDEN, "text/plain; charset=utf-8", UNREACHABLE.to_owned()));
    }
    if call.header("metadata").is_none_or(|value| !value.eq_ignore_ascii_case("true")) {
        return Err(bad("bad_request_102", "Required metadata header not specified"));
    }
    if call.headers.contains_key("x-forwarded-for") {
        // What went through a proxy may be asked for by a stranger.
        return Err(bad("bad_request_103", "Requests with the header X-Forwarded-For are refused"));
    }
    if call.method != Method::GET {
        return Err(oauth(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "The method is not allowed."));
    }
    match call.parts().as_slice() {
        ["metadata", "identity", "oauth2", "token"] => token(desk),
        ["metadata", "instance"] => instance(desk),
        _ => Err(oauth(StatusCode::NOT_FOUND, "not_found", "The requested resource is not found.")),
    }
}

fn token(desk: &Desk<'_>) -> Answer {
    check_version(desk)?;
    let resource = desk.call.parameter("resource").filter(|resource| !resource.is_empty());
    let resource = resource.ok_or_else(|| bad("invalid_request", "Required query variable 'resource' is missing"))?;
    match desk.issue(resource) {
        Ok(issued) => Ok(fresh(&issued.body(resource, desk.now))),
        Err(NoToken::Identity(refusal)) => Err(bad("invalid_request", "Identity not found").because(refusal)),
        Err(NoToken::Resource(refusal)) => {
            let text = format!(
                "AADSTS500011: The resource principal named {} was not found in the tenant named {}.",
                carnet_core::safe_text(resource),
                seed::DOMAIN
            );
            Err(bad("invalid_resource", &text).because(refusal))
        }
        Err(NoToken::Internal(error)) => Err(oauth(StatusCode::INTERNAL_SERVER_ERROR, "unknown", &error)),
    }
}

/// What there is to know of the machine.
fn instance(desk: &Desk<'_>) -> Answer {
    check_version(desk)?;
    Ok(ok(&json!({
        "compute": {
            "azEnvironment": "AzurePublicCloud",
            "location": seed::LOCATION,
            "name": seed::MACHINE,
            "osType": "Linux",
            "resourceGroupName": seed::GROUP,
            "resourceId": seed::resource(seed::GROUP, &format!("Microsoft.Compute/virtualMachines/{}", seed::MACHINE)),
            "subscriptionId": seed::SUBSCRIPTION,
            "vmId": seed::MACHINE_CLIENT,
        },
        "network": { "interface": [] },
    })))
}

/// Dates compare as texts.
fn check_version(desk: &Desk<'_>) -> Result<(), ApiError> {
    let version = desk.call.parameter("api-version").unwrap_or_default();
    let date = version.len() == FIRST_VERSION.len()
        && version.bytes().zip(FIRST_VERSION.bytes()).all(|(one, other)| match other {
            b'-' => one == b'-',
            _ => one.is_ascii_digit(),
        });
    if date && version >= FIRST_VERSION {
        return Ok(());
    }
    let body = json!({
        "error": "Bad request. api-version is invalid or was not specified in the request.",
        "newest-versions": ["2021-12-13", "2021-11-15", "2021-11-01"],
    });
    Err(ApiError::json(StatusCode::BAD_REQUEST, &body))
}

fn bad(code: &str, description: &str) -> ApiError {
    oauth(StatusCode::BAD_REQUEST, code, description)
}
