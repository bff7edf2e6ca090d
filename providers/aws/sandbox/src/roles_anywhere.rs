//! IAM Roles Anywhere: trust anchors, profiles, and sessions by certificate.

mod certificate;
mod session;
mod set_up;

use std::sync::Arc;

use jiff::Timestamp;

use crate::{
    call::Call,
    policy::PolicyDocument,
    reply::{Answer, ApiError},
    sigv4::region_of,
    state::State,
};

/// The name of the service.
pub(crate) const SERVICE: &str = "aws-roles-anywhere";

/// An authority whose certificates are believed.
#[derive(Clone, Debug)]
pub(crate) struct TrustAnchor {
    pub(crate) id: String,
    pub(crate) arn: String,
    pub(crate) name: String,
    pub(crate) enabled: bool,
    pub(crate) created: Timestamp,
    /// As it was given.
    pub(crate) pem: String,
    /// DER of each certificate.
    pub(crate) roots: Vec<Vec<u8>>,
}

/// Which roles certificates may become, and for how long.
#[derive(Clone, Debug)]
pub(crate) struct Profile {
    pub(crate) id: String,
    pub(crate) arn: String,
    pub(crate) name: String,
    pub(crate) enabled: bool,
    pub(crate) created: Timestamp,
    pub(crate) roles: Vec<String>,
    /// Seconds.
    pub(crate) duration: i64,
    pub(crate) accept_session_name: bool,
    pub(crate) require_instance_properties: bool,
    /// As given and parsed.
    pub(crate) policy: Option<(String, PolicyDocument)>,
}

/// Answers a request.
pub(crate) fn answer(state: &Arc<State>, call: &Call) -> Answer {
    let parts = call.parts();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let region = region_of(&call.host(), None);
    match (call.method.as_str(), parts.as_slice()) {
        ("POST", ["sessions"]) => session::create(state, call, region.as_deref()),
        (method, parts) => set_up::answer(state, call, method, parts, region.as_deref()),
    }
}

/// A parameter that breaks a rule.
fn invalid(text: impl Into<String>) -> ApiError {
    ApiError::new(400, "ValidationException", text)
}

fn not_found(what: &str) -> ApiError {
    ApiError::new(404, "ResourceNotFoundException", format!("{what} not found"))
}
