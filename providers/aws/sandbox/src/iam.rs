//! Identity and Access Management: OpenID Connect providers, roles, their policies, and the switch of the account's
//! issuer.

mod outbound;
mod providers;
mod roles;
mod shared_issuers;

use std::sync::Arc;

use axum::response::Response;
use carnet_aws::trust::Context;

use crate::{
    access,
    call::Call,
    reply::{Answer, ApiError, IAM_NAMESPACE, query_ok},
    seed,
    sessions::Access,
    sigv4::{Payload, region_of, verify},
    state::State,
    sts::{self, parameters::Parameters},
};

/// The name of the service.
pub(crate) const SERVICE: &str = "aws-iam";
const VERSION: &str = "2010-05-08";

/// One request of somebody who signed it.
struct Ask<'a> {
    state: &'a State,
    call: &'a Call,
    parameters: Parameters,
    action: String,
    access: Arc<Access>,
}

/// Answers a request.
pub(crate) fn answer(state: &Arc<State>, call: &Call) -> Answer {
    let parameters = Parameters::read(call)?;
    let action = parameters.action(VERSION)?;
    // The service is global and signed for one region; an endpoint on this machine may be asked for any.
    let region = region_of(&call.host(), Some("us-east-1"));
    let verified = verify(state, call, SERVICE, "iam", region.as_deref(), Payload::Body).map_err(sts::refused)?;
    let ask = Ask { state, call, parameters, action, access: verified.access };
    match ask.action.as_str() {
        "CreateOpenIDConnectProvider" => providers::create(&ask),
        "GetOpenIDConnectProvider" => providers::get(&ask),
        "ListOpenIDConnectProviders" => providers::list(&ask),
        "DeleteOpenIDConnectProvider" => providers::delete(&ask),
        "AddClientIDToOpenIDConnectProvider"
        | "RemoveClientIDFromOpenIDConnectProvider"
        | "UpdateOpenIDConnectProviderThumbprint" => providers::change(&ask),
        "CreateRole" => roles::create(&ask),
        "GetRole" => roles::get(&ask),
        "ListRoles" => roles::list(&ask),
        "UpdateRole" => roles::update(&ask),
        "UpdateAssumeRolePolicy" => roles::update_trust(&ask),
        "DeleteRole" => roles::delete(&ask),
        "PutRolePolicy" => roles::put_policy(&ask),
        "GetRolePolicy" => roles::get_policy(&ask),
        "ListRolePolicies" => roles::list_policies(&ask),
        "DeleteRolePolicy" => roles::delete_policy(&ask),
        "EnableOutboundWebIdentityFederation"
        | "DisableOutboundWebIdentityFederation"
        | "GetOutboundWebIdentityFederationInfo" => outbound::answer(&ask),
        action => Err(sts::parameters::unknown_action(action, VERSION)),
    }
}

impl Ask<'_> {
    /// Whether the caller may do what it asks for on this resource.
    fn permit(&self, resource: &str) -> Result<(), ApiError> {
        let action = format!("iam:{}", self.action);
        // IAM is in one region, whichever is asked for.
        let asked = |context: Context| context.with_request(&self.call.facts("us-east-1"));
        access::permit(self.state, SERVICE, &self.access, &action, resource, asked).map_err(|refusal| {
            let who = self.access.principal.arn();
            let resource = carnet_core::safe_text(resource);
            let text = format!(
                "User: {who} is not authorized to perform: {action} on resource: {resource} because no identity-based policy \
                 allows the {action} action"
            );
            ApiError::new(403, "AccessDenied", text).because(refusal)
        })
    }

    /// A success with what it gives.
    fn ok(&self, result: &str) -> Response {
        query_ok(IAM_NAMESPACE, &self.action, Some(result), &self.call.id)
    }

    /// A success that gives nothing.
    fn done(&self) -> Response {
        query_ok(IAM_NAMESPACE, &self.action, None, &self.call.id)
    }
}

/// The ARN of everything of a kind, to ask for a permission on it.
fn any(kind: &str) -> String {
    format!("arn:aws:iam::{}:{kind}/*", seed::ACCOUNT)
}

fn no_such(what: &str) -> ApiError {
    ApiError::new(404, "NoSuchEntity", format!("{what} cannot be found."))
}

fn exists(what: &str) -> ApiError {
    ApiError::new(409, "EntityAlreadyExists", format!("{what} already exists."))
}

fn limit(what: &str, most: usize) -> ApiError {
    ApiError::new(409, "LimitExceeded", format!("Cannot exceed quota for {what}: {most}"))
}
