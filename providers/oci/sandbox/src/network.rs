//! The core service: virtual cloud networks, as much as shows that a credential works.

use axum::response::Response;
use carnet_oci::trust::signature::Options;
use carnet_sandbox_kit::{Host, Service};
use http::Method;
use serde_json::json;

use crate::{
    OciState,
    call::{Call, router},
    reply::{ApiError, page},
    seed,
};

/// The service's name.
pub(crate) const NAME: &str = "oci-core";

pub(crate) fn service(state: &OciState) -> Service {
    Service::new(NAME, [Host::Between("iaas.", ".oraclecloud.com")], router(state, NAME, answer))
        .error_body(crate::reply::error_body)
        .error_body(crate::reply::error_body)
}

fn answer(call: &Call) -> Result<Response, ApiError> {
    let principal = call.authenticate(&Options::API)?;
    match (&call.parts.method, call.segments().as_slice()) {
        (&Method::GET, ["20160918", "vcns"] | ["20160918", "vcns", ""]) => {
            let compartment = call.need("compartmentId")?;
            call.require(&principal, "VCN_READ", &compartment)?;
            let created = call.state.rules().compartments.get(seed::COMPARTMENT).map(|ci| ci.time_created.to_string());
            let vcn = json!({
                "id": seed::VCN,
                "compartmentId": seed::COMPARTMENT,
                "displayName": "ci-network",
                "cidrBlock": "10.0.0.0/16",
                "cidrBlocks": ["10.0.0.0/16"],
                "defaultDhcpOptionsId": null,
                "defaultRouteTableId": null,
                "defaultSecurityListId": null,
                "dnsLabel": "ci",
                "vcnDomainName": "ci.oraclevcn.com",
                "lifecycleState": "AVAILABLE",
                "timeCreated": created,
                "freeformTags": {},
                "definedTags": {},
            });
            let shown = if compartment == seed::COMPARTMENT { vec![vcn] } else { Vec::new() };
            page(shown, call.query("limit").as_deref(), call.query("page").as_deref())
        }
        _ => Err(ApiError::not_found()),
    }
}
