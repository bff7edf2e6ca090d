//! The Security Token Service.

mod assume_role;
pub(crate) mod parameters;
pub(crate) mod session_policy;
mod token;
mod web_identity;
mod words;

use std::sync::Arc;

use serde_json::json;

use crate::{
    call::{Call, is_local},
    reply::{Answer, ApiError, STS_NAMESPACE, json_reply, query_ok},
    sigv4::{Fault, Payload, Verified, region_of, verify},
    state::State,
    xml,
};
use parameters::Parameters;

/// The name of the service.
pub(crate) const SERVICE: &str = "aws-sts";
const VERSION: &str = "2011-06-15";
/// The region of the global address.
const GLOBAL: &str = "us-east-1";

/// Answers a request.
pub(crate) async fn answer(state: &Arc<State>, call: &Call) -> Answer {
    let parameters = Parameters::read(call)?;
    let action = parameters.action(VERSION)?;
    check_region(state, call)?;
    match action.as_str() {
        "AssumeRoleWithWebIdentity" => web_identity::answer(state, call, &parameters).await,
        "AssumeRole" => assume_role::answer(state, call, &parameters),
        "GetCallerIdentity" => caller_identity(state, call),
        "GetWebIdentityToken" => token::answer(state, call, &parameters),
        "AssumeRoleWithSAML"
        | "AssumeRoot"
        | "DecodeAuthorizationMessage"
        | "GetAccessKeyInfo"
        | "GetDelegatedAccessToken"
        | "GetFederationToken"
        | "GetSessionToken" => Err(ApiError::not_emulated(&format!("The action {action}"))),
        _ => Err(parameters::unknown_action(&action, VERSION)),
    }
}

/// The region that is asked: that of the host's name, none on this machine itself.
pub(crate) fn region(call: &Call) -> Option<String> {
    region_of(&call.host(), Some(GLOBAL))
}

/// Whether the global address is asked.
fn is_global(call: &Call) -> bool {
    let host = call.host();
    !is_local(&host) && region_of(&host, None).is_none()
}

/// Regions that have to be switched on.
fn check_region(state: &State, call: &Call) -> Result<(), ApiError> {
    let Some(region) = region(call).filter(|region| state.lock().disabled_regions.contains(region)) else {
        return Ok(());
    };
    let text = format!(
        "STS is not activated in this region for account:{}. Your account administrator can activate STS in this region \
         using the IAM Console.",
        crate::seed::ACCOUNT
    );
    let fix = "activate STS for this region in the account, or use another region";
    let refusal = carnet_trust::Refusal::new("region", region, "an active region", "RegionDisabledException", fix);
    Err(ApiError::new(403, "RegionDisabledException", text).because(refusal))
}

/// Who signed.
pub(crate) fn authenticate(state: &State, call: &Call) -> Result<Verified, ApiError> {
    verify(state, call, SERVICE, "sts", region(call).as_deref(), Payload::Body).map_err(refused)
}

/// A signature that does not count, in the words of the query protocol.
pub(crate) fn refused(fault: Fault) -> ApiError {
    let (status, code) = fault.query();
    ApiError::new(status, code, fault.message).because(fault.refusal)
}

/// `GetCallerIdentity`. Nobody needs a permission for it, and no policy can forbid it.
fn caller_identity(state: &State, call: &Call) -> Answer {
    let verified = authenticate(state, call)?;
    let who = &verified.access.principal;
    let grant = carnet_trust::Grant { principal: who.arn(), held: vec!["signature"], ..Default::default() };
    state.world.decisions.allowed(SERVICE, &grant);
    // Verifiers of the signed proof ask for JSON (Google's exchange).
    if call.header("accept").is_some_and(|accept| accept.contains("application/json")) {
        let result = json!({ "Account": crate::seed::ACCOUNT, "Arn": who.arn(), "UserId": who.user_id() });
        let body = json!({ "GetCallerIdentityResponse": {
            "GetCallerIdentityResult": result, "ResponseMetadata": { "RequestId": call.id } } });
        return Ok(json_reply(http::StatusCode::OK, &body));
    }
    let result =
        [xml::leaf("Arn", &who.arn()), xml::leaf("UserId", &who.user_id()), xml::leaf("Account", crate::seed::ACCOUNT)];
    Ok(query_ok(STS_NAMESPACE, "GetCallerIdentity", Some(&result.concat()), &call.id))
}
