//! The instance metadata service, version 2.
//!
//! <https://docs.oracle.com/en-us/iaas/Content/Compute/Tasks/gettingmetadata.htm>

use axum::response::{IntoResponse, Response};
use carnet_sandbox_kit::{Host, Service};
use http::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::{
    OciState,
    call::{Call, router},
    reply::{ApiError, ok},
    seed,
};

/// The service's name.
pub(crate) const NAME: &str = "oci-imds";

/// Headers that a forwarded request carries; the service is for the instance alone.
const FORWARDED: [&str; 3] = ["forwarded", "x-forwarded-for", "x-forwarded-host"];

pub(crate) fn service(state: &OciState) -> Service {
    Service::new(NAME, [Host::Exact("169.254.169.254"), Host::Exact("fd00:c1::a9fe:a9fe")], router(state, NAME, answer))
        .error_body(crate::reply::error_body)
}

fn answer(call: &Call) -> Result<Response, ApiError> {
    let path = call.parts.uri.path().trim_matches('/');
    // Version 1 is disabled on the instance: 404 with or without a header.
    let path = path.strip_prefix("opc/v2").filter(|rest| rest.is_empty() || rest.starts_with('/'));
    let Some(path) = path else { return Err(absent()) };
    let authorized = call.header("authorization").is_some_and(|value| value == "Bearer Oracle");
    if !authorized || FORWARDED.iter().any(|name| call.parts.headers.contains_key(*name)) {
        return Err(ApiError::new(StatusCode::FORBIDDEN, "NotAuthorized", "Not Authorized"));
    }
    if call.parts.method != Method::GET {
        return Err(ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", "Only GET is supported."));
    }
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    match segments.as_slice() {
        ["instance"] => Ok(ok(&instance(call))),
        ["instance", field] => match instance(call).get(*field) {
            Some(Value::String(value)) => Ok(text("text/plain", value.clone())),
            Some(value) => Ok(ok(value)),
            None => Err(absent()),
        },
        ["instance", "metadata", field] => match instance(call).pointer(&format!("/metadata/{field}")) {
            Some(Value::String(value)) => Ok(text("text/plain", value.clone())),
            _ => Err(absent()),
        },
        ["vnics"] => Ok(ok(&vnics())),
        ["vnics", "0"] => vnics().get(0).map(ok).ok_or_else(absent),
        ["identity", "cert.pem"] => {
            let leaf = call.state.compute().leaf().map_err(|error| ApiError::internal(&error))?;
            Ok(text("application/x-pem-file", leaf.certificate.to_pem()))
        }
        ["identity", "key.pem"] => {
            let leaf = call.state.compute().leaf().map_err(|error| ApiError::internal(&error))?;
            Ok(text("application/x-pem-file", leaf.key_pem.expose().to_owned()))
        }
        ["identity", "intermediate.pem"] => {
            let authorities = call.state.compute().authorities().map_err(|error| ApiError::internal(&error))?;
            Ok(text("application/x-pem-file", authorities.intermediate_pem()))
        }
        _ => Err(absent()),
    }
}

fn instance(call: &Call) -> Value {
    let created = call.state.rules().compartments.get(seed::COMPARTMENT).map(|ci| ci.time_created.as_millisecond());
    json!({
        "availabilityDomain": seed::AVAILABILITY_DOMAINS[0],
        "faultDomain": "FAULT-DOMAIN-1",
        "compartmentId": seed::COMPARTMENT,
        "displayName": "runner",
        "hostname": "runner",
        "id": seed::INSTANCE,
        "image": "ocid1.image.oc1.iad.aaaaaaaacarnetsandboximage000000000000000000000000000000000001",
        "metadata": { "ssh_authorized_keys": "" },
        // The two oldest regions still go by their short names here.
        "region": seed::REGION_KEY.to_ascii_lowercase(),
        "canonicalRegionName": seed::REGION,
        "ociAdName": "iad-ad-1",
        "regionInfo": {
            "realmKey": seed::REALM,
            "realmDomainComponent": "oraclecloud.com",
            "regionKey": seed::REGION_KEY,
            "regionIdentifier": seed::REGION,
        },
        "shape": "VM.Standard.E5.Flex",
        "shapeConfig": { "ocpus": 1.0, "memoryInGBs": 8.0 },
        "state": "Running",
        "tenantId": seed::TENANCY,
        "timeCreated": created,
        "agentConfig": { "monitoringDisabled": false, "managementDisabled": false },
        "freeformTags": {},
        "definedTags": {},
    })
}

fn vnics() -> Value {
    json!([{
        "vnicId": "ocid1.vnic.oc1.iad.abuwcljtcarnetsandboxvnic000000000000000000000000000000001",
        "privateIp": "10.0.0.2",
        "vlanTag": 1,
        "macAddr": "02:00:17:00:00:01",
        "virtualRouterIp": "10.0.0.1",
        "subnetCidrBlock": "10.0.0.0/24",
    }])
}

fn text(content_type: &'static str, body: String) -> Response {
    ([(header::CONTENT_TYPE, content_type)], body).into_response()
}

fn absent() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "NotFound", "Not Found")
}
