//! For relying parties that ask who signed a request: `authenticateClient` and `filterGroupMembership`.
//!
//! The relying party itself must check that the signed request was made for it.

use std::collections::BTreeMap;

use axum::response::Response;
use carnet_oci::trust::{
    Principal,
    signature::{Options, SignedRequest, parse_authorization},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::NAME;
use crate::{
    call::Call,
    reply::{ApiError, ok},
    seed,
};

/// What a caller of these needs in the tenancy: `inspect authentication in tenancy`.
const PERMISSION: &str = "AUTHENTICATION_INSPECT";

/// Issuer of the claims that come from the token or the key.
const CLAIM_ISSUER: &str = "authService.oracle.com";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AuthenticateClient {
    request_headers: BTreeMap<String, Vec<String>>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
struct Claim {
    key: String,
    value: String,
    issuer: String,
}

/// `POST /v1/authentication/authenticateClient`. A request that does not verify is answered with `success: false`, not
/// with an error status: UNCONFIRMED, but the field exists for it.
pub(super) fn authenticate(call: &Call) -> Result<Response, ApiError> {
    let body: AuthenticateClient = call.json()?;
    let principal = call.authenticate(&Options::AUTH_SERVICE)?;
    call.require(&principal, PERMISSION, seed::TENANCY)?;
    let (method, target) = match body.request_headers.get("(request-target)").map(Vec::as_slice) {
        Some([one]) => one.split_once(' '),
        // The relying party would read one of them and this service another.
        Some([_, _, ..]) => return Err(ApiError::invalid("requestHeaders.(request-target) is there more than once")),
        _ => None,
    }
    .ok_or_else(|| ApiError::missing("requestHeaders.(request-target)"))?;
    let method = Method::from_bytes(method.to_ascii_uppercase().as_bytes())
        .map_err(|_ignored| ApiError::invalid("requestHeaders.(request-target) names no method"))?;
    let headers = headers(&body.request_headers)?;
    let now = call.state.world().now(NAME);
    let request = SignedRequest { method: &method, target, headers: &headers, body: None };
    match call.state.verify(&request, &Options::API, now, |key_id, now| call.state.resolve(key_id, now)) {
        Ok(found) => Ok(ok(&json!({
            "success": true,
            "errorMessage": null,
            "principal": {
                "tenantId": found.tenancy,
                "subjectId": found.id,
                "claims": claims(&found, &headers),
            },
        }))),
        Err(refusal) => Ok(ok(&json!({
            "success": false,
            "errorMessage": format!("The request could not be authenticated: {}.", refusal.clause),
            "principal": null,
        }))),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FilterGroups {
    principal: Value,
    group_ids: Vec<String>,
}

/// `POST /v1/filterGroupMembership`: those of the groups that the principal is in.
pub(super) fn filter_groups(call: &Call) -> Result<Response, ApiError> {
    let body: FilterGroups = call.json()?;
    let principal = call.authenticate(&Options::AUTH_SERVICE)?;
    call.require(&principal, PERMISSION, seed::TENANCY)?;
    let asked = subject(&body.principal).ok_or_else(|| ApiError::missing("principal.subjectId"))?;
    let member = call.state.memberships(&asked);
    let group_ids: Vec<&String> =
        body.group_ids.iter().filter(|id| member.iter().any(|group| group.id == **id)).collect();
    Ok(ok(&json!({ "principal": body.principal, "groupIds": group_ids })))
}

/// The principal as it was given out above.
fn subject(value: &Value) -> Option<Principal> {
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    let claims: Vec<Claim> = serde_json::from_value(value.get("claims")?.clone()).ok()?;
    let claim = |name: &str| {
        claims.iter().find(|claim| claim.key == name && claim.issuer == CLAIM_ISSUER).map(|claim| claim.value.clone())
    };
    let mut principal = Principal::user(text("subjectId")?, text("tenantId")?, "");
    principal.kind = match claim("ptype")?.as_str() {
        "resource" => claim("res_type").unwrap_or_else(|| "resource".to_owned()),
        other => other.to_owned(),
    };
    principal.compartment = claim("opc-compartment").or_else(|| claim("res_compartment"));
    Some(principal)
}

fn claims(principal: &Principal, headers: &HeaderMap) -> Vec<Claim> {
    let own = principal.claims.iter().map(|(key, value)| Claim {
        key: key.clone(),
        value: value.clone(),
        issuer: CLAIM_ISSUER.to_owned(),
    });
    let authorization = headers
        .get("authorization")
        .and_then(|value| value.to_str().ok())
        .and_then(|text| parse_authorization(text).ok());
    let signed = authorization.into_iter().flat_map(|authorization| authorization.headers).filter_map(|name| {
        let name = name.to_ascii_lowercase();
        let value = headers.get(&name)?.to_str().ok()?.to_owned();
        Some(Claim { key: format!("h_{name}"), value, issuer: "h".to_owned() })
    });
    own.chain(signed).collect()
}

fn headers(given: &BTreeMap<String, Vec<String>>) -> Result<HeaderMap, ApiError> {
    let mut headers = HeaderMap::new();
    for (name, values) in given.iter().filter(|(name, _)| *name != "(request-target)") {
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_ignored| ApiError::invalid("requestHeaders has a name that is no header's"))?;
        for value in values {
            let value = HeaderValue::from_str(value)
                .map_err(|_ignored| ApiError::invalid(format!("requestHeaders.{name} is no header's value")))?;
            headers.append(name.clone(), value);
        }
    }
    Ok(headers)
}
