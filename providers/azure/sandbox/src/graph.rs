//! `graph.microsoft.com`: as much of Microsoft Graph as a set-up script for federation needs.

mod applications;
mod credentials;
mod path;
mod principals;

use std::sync::Arc;

use axum::response::Response;
use carnet_trust::Refusal;
use http::{HeaderName, StatusCode, header};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::{
    access,
    call::Call,
    reply::{Answer, ApiError, guid, ok, seconds},
    seed,
    state::State,
    tokens::{Caller, GRAPH},
};

pub use path::{Key, parse_filter, parse_key};

/// The name of the service.
pub(crate) const SERVICE: &str = "azure-graph";
/// Where the service is.
const ORIGIN: &str = "https://graph.microsoft.com";
/// What lets a caller read and write applications ("Microsoft Graph permissions reference").
const WRITE: &str = "Application.ReadWrite.All";
/// What lets a caller read them.
const READ: &str = "Application.Read.All";
/// Most entries of one page.
const PAGE: usize = 100;

/// A call that is let in.
struct Admin<'a> {
    state: &'a State,
    call: &'a Call,
    /// `v1.0` or `beta`.
    version: &'a str,
    now: Timestamp,
}

/// Answers a request.
pub(crate) fn answer(state: &Arc<State>, call: &Call) -> Answer {
    let parts = call.parts();
    let now = state.world.now(SERVICE);
    let [version @ ("v1.0" | "beta"), rest @ ..] = parts.as_slice() else {
        return Err(error(state, StatusCode::BAD_REQUEST, "BadRequest", "Invalid version."));
    };
    let admin = Admin { state, call, version, now };
    let caller = admin.caller()?;
    admin.permit(&caller)?;
    let Some((collection, key, below)) = parse_key(rest) else { return Err(admin.no_segment()) };
    match (collection, key, below) {
        ("applications", None, []) => applications::all(&admin),
        ("applications", Some(key), []) => applications::one(&admin, &key),
        ("applications", Some(key), below) => match parse_key(below) {
            Some(("federatedIdentityCredentials", inner, [])) => credentials::answer(&admin, &key, inner.as_ref()),
            _ => Err(admin.no_segment()),
        },
        ("servicePrincipals", None, []) => principals::all(&admin),
        ("servicePrincipals", Some(key), []) => principals::one(&admin, &key),
        ("organization", None, []) if call.method == http::Method::GET => Ok(admin.list(
            "organization",
            vec![json!({
                "id": seed::TENANT,
                "displayName": "carnet sandbox",
                "verifiedDomains": [{ "name": seed::DOMAIN, "isDefault": true, "isInitial": true }],
            })],
        )),
        _ => Err(admin.no_segment()),
    }
}

impl Admin<'_> {
    fn caller(&self) -> Result<Caller, ApiError> {
        const CODE: &str = "InvalidAuthenticationToken";
        let fail = |message: &str, refusal: Box<Refusal>| {
            let challenge = format!(
                "Bearer realm=\"\", authorization_uri=\"https://login.microsoftonline.com/common/oauth2/authorize\", \
                 client_id=\"{}\"",
                GRAPH.last().copied().unwrap_or_default()
            );
            let failure = error(self.state, StatusCode::UNAUTHORIZED, CODE, message);
            failure.header(header::WWW_AUTHENTICATE, challenge).because(refusal)
        };
        match access::caller(self.state, self.call, &GRAPH, self.now, CODE) {
            Some(Ok(caller)) => Ok(caller),
            Some(Err(refusal)) => {
                let message = match refusal.clause {
                    "expired" => "Lifetime validation failed, the token is expired.",
                    "audience" => "Access token validation failure. Invalid audience.",
                    _ => "Access token validation failure.",
                };
                Err(fail(message, refusal))
            }
            None => {
                let fix = "send `Authorization: Bearer TOKEN`";
                let refusal =
                    Refusal::new("token", "no access token", "an access token for Microsoft Graph", CODE, fix);
                Err(fail("Access token is empty.", Box::new(refusal)))
            }
        }
    }

    fn permit(&self, caller: &Caller) -> Result<(), ApiError> {
        const CODE: &str = "Authorization_RequestDenied";
        let reads = self.call.method == http::Method::GET;
        if caller.roles.iter().any(|role| role == WRITE || (reads && role == READ)) {
            return Ok(());
        }
        let seen =
            if caller.roles.is_empty() { "no application permission".to_owned() } else { caller.roles.join(", ") };
        let refusal =
            Refusal::new("permission", seen, WRITE, CODE, "grant the application permission and consent to it");
        let message = "Insufficient privileges to complete the operation.";
        Err(error(self.state, StatusCode::FORBIDDEN, CODE, message).because(refusal))
    }

    fn bad(&self, message: impl Into<String>) -> ApiError {
        error(self.state, StatusCode::BAD_REQUEST, "Request_BadRequest", &message.into())
    }

    fn conflict(&self, message: impl Into<String>) -> ApiError {
        error(self.state, StatusCode::CONFLICT, "Request_MultipleObjectsWithSameKeyValue", &message.into())
    }

    fn not_found(&self, id: &str) -> ApiError {
        let shown = carnet_core::safe_text(id);
        let message = format!(
            "Resource '{shown}' does not exist or one of its queried reference-property objects are not present."
        );
        error(self.state, StatusCode::NOT_FOUND, "Request_ResourceNotFound", &message)
    }

    fn no_segment(&self) -> ApiError {
        let message = "Resource not found for the segment: the sandbox does not emulate this path or method.";
        error(self.state, StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    fn full(&self) -> ApiError {
        let message = "The directory object quota limit for the tenant has been exceeded.";
        error(self.state, StatusCode::FORBIDDEN, "Directory_QuotaExceeded", message)
    }

    fn body(&self) -> Result<Map<String, Value>, ApiError> {
        let wrong = || {
            let message = "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of \
                           valid JSON format.";
            error(self.state, StatusCode::BAD_REQUEST, "BadRequest", message)
        };
        self.call.json().ok_or_else(wrong)
    }

    /// Refuses members that an entity does not have, or that cannot be written.
    fn only(&self, body: &Map<String, Value>, known: &[&str]) -> Result<(), ApiError> {
        match body.keys().find(|name| !known.contains(&name.as_str()) && !name.starts_with('@')) {
            Some(name) => Err(self.bad(format!(
                "Property '{}' is not known, is read-only, or is not emulated by the sandbox.",
                carnet_core::safe_text(name)
            ))),
            None => Ok(()),
        }
    }

    fn context(&self, what: &str) -> String {
        format!("{ORIGIN}/{}/$metadata#{what}", self.version)
    }

    /// An entity with its context.
    fn entity(&self, what: &str, mut entity: Value) -> Value {
        if let Some(members) = entity.as_object_mut() {
            members.insert("@odata.context".to_owned(), self.context(&format!("{what}/$entity")).into());
        }
        entity
    }

    /// One page. `$top` and `$skiptoken` are understood; the token is the number of entries before the page.
    fn list(&self, what: &str, mut entries: Vec<Value>) -> Response {
        let number = |name: &str| self.call.parameter(name).and_then(|text| text.parse::<usize>().ok());
        let size = number("$top").filter(|size| (1..=999).contains(size)).unwrap_or(PAGE);
        let from = number("$skiptoken").unwrap_or_default().min(entries.len());
        let mut page = entries.split_off(from);
        let more = page.len() > size;
        page.truncate(size);
        let mut body = json!({ "@odata.context": self.context(what), "value": page });
        if let (true, Some(members)) = (more, body.as_object_mut()) {
            let path = &self.call.raw_path;
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            for (name, value) in self.call.query.iter().filter(|(name, _)| *name != "$skiptoken") {
                query.append_pair(name, value);
            }
            let query = query.append_pair("$skiptoken", &from.saturating_add(size).to_string()).finish();
            let next = format!("{}{path}?{query}", self.call.origin("graph.microsoft.com"));
            members.insert("@odata.nextLink".to_owned(), next.into());
        }
        ok(&body)
    }

    /// The one comparison of `$filter`.
    ///
    /// # Errors
    /// A filter that is not emulated, said openly.
    fn filter(&self) -> Result<Option<(String, String)>, ApiError> {
        match self.call.parameter("$filter") {
            None => Ok(None),
            Some(text) => parse_filter(text)
                .map(Some)
                .ok_or_else(|| self.bad("Invalid filter clause: the sandbox emulates PROPERTY eq 'VALUE' alone.")),
        }
    }
}

/// An error in Graph's form ("Microsoft Graph error responses").
fn error(state: &State, status: StatusCode, code: &str, message: &str) -> ApiError {
    let id = guid(&state.world);
    let inner = json!({
        "date": seconds(state.world.now(SERVICE)).trim_end_matches('Z'),
        "request-id": id,
        "client-request-id": id,
    });
    let body = json!({ "error": { "code": code, "message": message, "innerError": inner } });
    ApiError::json(status, &body).header(HeaderName::from_static("request-id"), id)
}

/// How Graph words the errors of faults.
pub(crate) fn error_body(status: StatusCode) -> (&'static str, String) {
    let (code, message) = match status {
        StatusCode::TOO_MANY_REQUESTS => ("TooManyRequests", "Too many requests."),
        _ => ("serviceNotAvailable", "The service is currently unavailable."),
    };
    ("application/json", json!({ "error": { "code": code, "message": message } }).to_string())
}
