//! The endpoint of App Service, Functions and Container Apps ("How to use managed identities for App Service and Azure
//! Functions", REST endpoint reference). The older form (2017-09-01, header `secret`) is not there.

use http::{Method, StatusCode};
use serde_json::json;

use super::{Desk, NoToken, fresh};
use crate::{
    reply::{Answer, ApiError},
    seed,
};

/// The one version that clients use.
const VERSION: &str = "2019-08-01";
const NO_IDENTITY: &str =
    "No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId.";

pub(super) fn answer(desk: &Desk<'_>) -> Answer {
    let call = desk.call;
    if !matches!(call.parts().as_slice(), ["msi", "token"] | ["msi", "token", ""]) {
        return Err(refuse(StatusCode::NOT_FOUND, "There is nothing here."));
    }
    // UNCONFIRMED status.
    if call.header("x-identity-header") != Some(seed::IDENTITY_HEADER) {
        return Err(refuse(StatusCode::UNAUTHORIZED, "The header X-IDENTITY-HEADER is missing or wrong."));
    }
    if call.method != Method::GET {
        return Err(refuse(StatusCode::METHOD_NOT_ALLOWED, "The method is not allowed."));
    }
    if call.parameter("api-version") != Some(VERSION) {
        return Err(refuse(StatusCode::BAD_REQUEST, "The parameter api-version is missing or not supported."));
    }
    let resource = call.parameter("resource").filter(|resource| !resource.is_empty());
    let resource = resource.ok_or_else(|| refuse(StatusCode::BAD_REQUEST, "The parameter resource is missing."))?;
    match desk.issue(resource) {
        Ok(issued) => Ok(fresh(&json!({
            "access_token": issued.token.expose(),
            "expires_on": desk.now.as_second().saturating_add(issued.lifetime.as_secs()).to_string(),
            "resource": resource,
            "token_type": "Bearer",
            "client_id": issued.client.client_id,
        }))),
        Err(NoToken::Identity(refusal)) => Err(refuse(StatusCode::BAD_REQUEST, NO_IDENTITY).because(refusal)),
        Err(NoToken::Resource(refusal)) => {
            let text = "ExceptionMessage: AADSTS500011: The resource principal was not found in the tenant.";
            Err(refuse(StatusCode::BAD_REQUEST, text).because(refusal))
        }
        Err(NoToken::Internal(error)) => Err(refuse(StatusCode::INTERNAL_SERVER_ERROR, &error)),
    }
}

fn refuse(status: StatusCode, message: &str) -> ApiError {
    ApiError::json(status, &json!({ "statusCode": status.as_u16(), "message": message }))
}

/// How the endpoint words the errors of faults.
pub(crate) fn error_body(status: StatusCode) -> (&'static str, String) {
    let message = status.canonical_reason().unwrap_or_default();
    ("application/json", json!({ "statusCode": status.as_u16(), "message": message }).to_string())
}
