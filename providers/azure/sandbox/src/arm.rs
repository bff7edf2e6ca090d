//! `management.azure.com`: Resource Manager, as far as a set-up of identities, roles and a storage account goes.

mod assignments;
mod containers;
mod credentials;
mod endpoints;
mod groups;
mod identities;
mod operations;
mod storage;
mod target;

use std::sync::Arc;

use axum::response::Response;
use carnet_core::Mistake;
use carnet_trust::Refusal;
use http::{HeaderName, Method, StatusCode, header};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::{
    access,
    call::Call,
    reply::{Answer, ApiError, ok},
    roles::Action,
    seed,
    state::{Inner, State},
    tokens::{ARM, Caller, trace_id},
};

pub use target::{Target, parse_target};

/// The name of the service.
pub(crate) const SERVICE: &str = "azure-arm";
/// Where it is.
const HOST: &str = "management.azure.com";
/// Most entries of one page.
const PAGE: usize = 100;

/// A call that is let in.
struct Admin<'a> {
    state: &'a State,
    call: &'a Call,
    caller: Caller,
    now: Timestamp,
}

/// Answers a request.
pub(crate) fn answer(state: &Arc<State>, call: &Call) -> Answer {
    let parts = call.parts();
    let Some(target) = parse_target(&parts) else {
        let message = format!("The sandbox has no resource of this type: {}", carnet_core::safe_text(&call.raw_path));
        return Err(error(StatusCode::NOT_FOUND, "InvalidResourceType", &message));
    };
    if target == Target::Endpoints {
        return Ok(endpoints::answer(call));
    }
    let now = state.world.now(SERVICE);
    let admin = Admin { state, call, caller: caller(state, call, now)?, now };
    if call.parameter("api-version").is_none_or(str::is_empty) {
        let message = "The api-version query parameter (?api-version=) is required for all requests.";
        return Err(error(StatusCode::BAD_REQUEST, "MissingApiVersionParameter", message));
    }
    if let Some(subscription) = target.subscription()
        && !subscription.eq_ignore_ascii_case(seed::SUBSCRIPTION)
    {
        let shown = carnet_core::safe_text(subscription);
        let message = format!("The subscription '{shown}' could not be found.");
        return Err(error(StatusCode::NOT_FOUND, "SubscriptionNotFound", &message));
    }
    match &target {
        Target::Endpoints => Ok(endpoints::answer(call)),
        Target::Subscriptions | Target::Subscription(_) | Target::Tenants => endpoints::subscriptions(&admin, &target),
        Target::Provider { namespace, register, .. } => endpoints::provider(&admin, namespace, *register),
        Target::Groups { .. } => groups::all(&admin),
        Target::Group { group, .. } => groups::one(&admin, group),
        Target::Identities { group, .. } => identities::all(&admin, group.as_deref()),
        Target::Identity { group, name, .. } => identities::one(&admin, group, name),
        Target::Credentials { group, identity, .. } => credentials::all(&admin, group, identity),
        Target::Credential { group, identity, name, .. } => credentials::one(&admin, group, identity, name),
        Target::Accounts { group, .. } => storage::all(&admin, group.as_deref()),
        Target::Account { group, name, .. } => storage::one(&admin, group, name),
        Target::AccountName { .. } => storage::check_name(&admin),
        Target::Containers { group, account, .. } => containers::all(&admin, group, account),
        Target::Container { group, account, name, .. } => containers::one(&admin, group, account, name),
        Target::Assignments { scope } => assignments::all(&admin, scope),
        Target::Assignment { scope, name } => assignments::one(&admin, scope, name),
        Target::Definitions { scope } => assignments::definitions(&admin, scope),
        Target::Definition { scope, name } => assignments::definition(&admin, scope, name),
        Target::Operation { id, result, .. } => operations::answer(&admin, id, *result),
    }
}

fn caller(state: &State, call: &Call, now: Timestamp) -> Result<Caller, ApiError> {
    let challenge = |code: &str, text: &str| {
        format!(
            "Bearer authorization_uri=\"https://login.microsoftonline.com/{}\", error=\"{code}\", error_description=\"{text}\"",
            seed::TENANT
        )
    };
    let fail = |code: &'static str, text: &str, refusal: Box<Refusal>| {
        let failure = error(StatusCode::UNAUTHORIZED, code, text);
        failure.header(header::WWW_AUTHENTICATE, challenge("invalid_token", text)).because(refusal)
    };
    match access::caller(state, call, &ARM, now, "InvalidAuthenticationToken") {
        Some(Ok(caller)) => Ok(caller),
        Some(Err(refusal)) if refusal.clause == "expired" => {
            Err(fail("ExpiredAuthenticationToken", "The access token expiry is in the past.", refusal))
        }
        Some(Err(refusal)) if refusal.clause == "audience" => {
            let text = "The access token has been obtained for the wrong audience or resource.";
            Err(fail("InvalidAuthenticationTokenAudience", text, refusal))
        }
        Some(Err(refusal)) => Err(fail("InvalidAuthenticationToken", "The access token is invalid.", refusal)),
        None => {
            let fix = "send `Authorization: Bearer TOKEN`";
            let wanted = "an access token for Resource Manager";
            let refusal = Refusal::new("token", "no access token", wanted, "AuthenticationFailed", fix);
            let text = "Authentication failed. The 'Authorization' header is missing.";
            Err(fail("AuthenticationFailed", text, Box::new(refusal)))
        }
    }
}

impl Admin<'_> {
    /// Whether the caller's roles let it do that there.
    fn permit(&self, inner: &Inner, action: &str, scope: &str) -> Result<(), ApiError> {
        let code = "AuthorizationFailed";
        let action = Action::Control(action);
        access::permit(self.state, SERVICE, inner, &self.caller, action, scope, code).map_err(|refusal| {
            let (client, object) = (&self.caller.client_id, &self.caller.object_id);
            let message = format!(
                "The client '{client}' with object id '{object}' does not have authorization to perform action '{}' over \
                 scope '{}' or the scope is invalid. If access was recently granted, please refresh your credentials.",
                action.name(),
                carnet_core::safe_text(scope)
            );
            error(StatusCode::FORBIDDEN, code, &message).because(refusal)
        })
    }

    fn method(&self) -> &Method {
        &self.call.method
    }

    fn body(&self) -> Result<Map<String, Value>, ApiError> {
        let message = "The request content was invalid and could not be deserialized.";
        self.call.json().ok_or_else(|| error(StatusCode::BAD_REQUEST, "InvalidRequestContent", message))
    }

    /// The name of a resource as the caller writes it: the last part of the path.
    fn written(&self) -> String {
        self.call.path.last().cloned().unwrap_or_default()
    }

    fn method_not_allowed(&self) -> ApiError {
        let message = format!("The requested resource does not support http method '{}'.", self.call.method);
        error(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", &message)
    }

    /// One page of a list. `$top` and `$skiptoken` are understood; the token is the number of entries before the page.
    fn list(&self, mut entries: Vec<Value>) -> Response {
        let number = |name: &str| self.call.parameter(name).and_then(|text| text.parse::<usize>().ok());
        let size = number("$top").filter(|size| *size > 0).unwrap_or(PAGE);
        let from = number("$skiptoken").unwrap_or_default().min(entries.len());
        let mut page = entries.split_off(from);
        let more = page.len() > size;
        page.truncate(size);
        let mut body = json!({ "value": page });
        if let (true, Some(members)) = (more, body.as_object_mut()) {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            for (name, value) in self.call.query.iter().filter(|(name, _)| *name != "$skiptoken") {
                query.append_pair(name, value);
            }
            let query = query.append_pair("$skiptoken", &from.saturating_add(size).to_string()).finish();
            let next = format!("{}{}?{query}", self.call.origin(HOST), self.call.raw_path);
            members.insert("nextLink".to_owned(), next.into());
        }
        ok(&body)
    }

    /// A 404 for a resource in a group.
    fn not_found(&self, kind: &str, group: &str, name: &str) -> ApiError {
        let (name, group) = (carnet_core::safe_text(name), carnet_core::safe_text(group));
        let message = format!(
            "The Resource '{kind}/{name}' under resource group '{group}' was not found. For more details please go to \
             https://aka.ms/ARMResourceNotFoundFix"
        );
        error(StatusCode::NOT_FOUND, "ResourceNotFound", &message)
            .header(HeaderName::from_static("x-ms-failure-cause"), "gateway")
            .header(HeaderName::from_static("x-ms-request-id"), trace_id(self.state))
    }
}

/// The region that the body names, in the form without blanks.
fn location(body: &Map<String, Value>) -> Result<String, ApiError> {
    let location = body.get("location").and_then(Value::as_str).unwrap_or_default();
    let location: String = location.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_lowercase();
    if location.is_empty() || !location.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        let message = "The location property is required for this definition.";
        return Err(error(StatusCode::BAD_REQUEST, "LocationRequired", message));
    }
    Ok(location)
}

/// The group of this name, as it is written.
fn group_name(inner: &Inner, group: &str) -> Result<String, ApiError> {
    let found = inner.groups.get(&group.to_ascii_lowercase()).map(|group| group.name.clone());
    found.ok_or_else(|| {
        let message = format!("Resource group '{}' could not be found.", carnet_core::safe_text(group));
        error(StatusCode::NOT_FOUND, "ResourceGroupNotFound", &message)
    })
}

/// No more of these.
fn full() -> ApiError {
    error(StatusCode::CONFLICT, "QuotaExceeded", "The sandbox holds no more of these.")
}

/// What creation refuses, in the words of Resource Manager.
fn refused(mistakes: &[Mistake]) -> ApiError {
    let Some(Mistake { field, message, .. }) = mistakes.first() else {
        return error(StatusCode::BAD_REQUEST, "BadRequest", "The request format was unexpected.");
    };
    // UNCONFIRMED: 400 has been seen as well.
    let conflict = message.contains("already exists");
    let status = if conflict { StatusCode::CONFLICT } else { StatusCode::BAD_REQUEST };
    let message = if conflict || field == "audiences" || field.is_empty() {
        message.clone()
    } else {
        format!("The request format was unexpected: {field}: {message}")
    };
    error(status, if conflict { "Conflict" } else { "BadRequest" }, &message)
}

/// An error in the form of Resource Manager ("Common error details").
fn error(status: StatusCode, code: &str, message: &str) -> ApiError {
    ApiError::json(status, &json!({ "error": { "code": code, "message": message } }))
}

/// How Resource Manager words the errors of faults.
pub(crate) fn error_body(status: StatusCode) -> (&'static str, String) {
    let (code, message) = match status {
        StatusCode::TOO_MANY_REQUESTS => ("TooManyRequests", "The request is being throttled."),
        _ => ("ServerTimeout", "The request timed out. Please try again."),
    };
    ("application/json", json!({ "error": { "code": code, "message": message } }).to_string())
}
