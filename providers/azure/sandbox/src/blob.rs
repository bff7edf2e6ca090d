//! `ACCOUNT.blob.core.windows.net`: containers and block blobs, for access tokens alone ("Blob service REST API").
//!
//! Under its own host name the account is the first label; elsewhere it is the first part of the path, as with
//! Microsoft's own emulator.

mod blobs;
mod containers;
mod list;
mod place;
mod reply;

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use carnet_trust::Refusal;
use http::{HeaderName, StatusCode, header};
use jiff::Timestamp;

use crate::{
    access,
    call::Call,
    reply::{Answer, ApiError, guid, with_header},
    roles::Action,
    seed,
    state::{Inner, State},
    tokens::{Caller, STORAGE},
};

pub(crate) use place::is_container_name;
pub use place::{Place, RangeMistake, parse_range};
use reply::{date, error};

/// The name of the service.
pub(crate) const SERVICE: &str = "azure-blob";
/// What comes after the account in a host name.
pub(crate) const DOMAIN: &str = ".blob.core.windows.net";
/// The first version that takes access tokens ("Versioning for Azure Storage").
const FIRST_WITH_TOKENS: &str = "2017-11-09";
/// The first version that challenges whoever brings none ("Authorize with Microsoft Entra ID", bearer challenge).
const FIRST_WITH_CHALLENGE: &str = "2019-12-12";
/// What is answered with where the caller names no version.
const VERSION: &str = "2026-10-06";
const CONTAINERS: &str = "Microsoft.Storage/storageAccounts/blobServices/containers";

/// Who calls, about what.
struct User<'a> {
    state: &'a State,
    call: &'a Call,
    caller: Caller,
    now: Timestamp,
}

/// Answers a request. Every answer has an id and repeats the version.
pub(crate) fn answer(state: &Arc<State>, call: &Call) -> Response {
    let response = respond(state, call).unwrap_or_else(|error| {
        if let Some(refusal) = &error.refusal {
            state.world.decisions.refused(SERVICE, refusal);
        }
        error.into_response()
    });
    let now = state.world.now(SERVICE);
    let version = call.header("x-ms-version").filter(|version| is_date(version)).unwrap_or(VERSION);
    let response = with_header(response, HeaderName::from_static("x-ms-request-id"), &guid(&state.world));
    let response = with_header(response, HeaderName::from_static("x-ms-version"), version);
    let response = with_header(response, header::SERVER, "Windows-Azure-Blob/1.0 Microsoft-HTTPAPI/2.0");
    let response = with_header(response, header::DATE, &date(now));
    match call.header("x-ms-client-request-id").filter(|id| id.len() <= 1024) {
        Some(id) => with_header(response, HeaderName::from_static("x-ms-client-request-id"), id),
        None => response,
    }
}

fn respond(state: &State, call: &Call) -> Answer {
    let now = state.world.now(SERVICE);
    let caller = authenticate(state, call, now)?;
    let user = User { state, call, caller, now };
    let place = Place::parse(call.host(), &call.raw_path).ok_or_else(|| {
        error(
            now,
            StatusCode::BAD_REQUEST,
            "InvalidUri",
            "The requested URI does not represent any resource on the server.",
        )
    })?;
    let inner = state.lock();
    if !inner.accounts.contains_key(place.account()) {
        // In truth such a name does not resolve.
        return Err(user.fail(StatusCode::NOT_FOUND, "ResourceNotFound", "The specified resource does not exist."));
    }
    if inner.behaviour.firewalled_accounts.iter().any(|account| account == place.account()) {
        return Err(user.firewalled(place.account()));
    }
    drop(inner);
    match &place {
        Place::Service { account } => list::containers(&user, account),
        Place::Container { account, container } => containers::answer(&user, account, container),
        Place::Blob { account, container, blob } => blobs::answer(&user, account, container, blob),
    }
}

fn authenticate(state: &State, call: &Call, now: Timestamp) -> Result<Caller, ApiError> {
    let version = call.header("x-ms-version").unwrap_or_default();
    if !version.is_empty() && !is_date(version) {
        let message = "The value for one of the HTTP headers is not in the correct format.";
        return Err(error(now, StatusCode::BAD_REQUEST, "InvalidHeaderValue", message));
    }
    let refusal =
        |seen: &str, code: &str, fix: &str| Refusal::new("token", seen, "an access token for storage", code, fix);
    if !call.headers.contains_key(header::AUTHORIZATION) {
        if version < FIRST_WITH_CHALLENGE {
            let code = "PublicAccessNotPermitted";
            let message = "Public access is not permitted on this storage account.";
            let because = refusal("no access token", code, "send an access token, and `x-ms-version`");
            return Err(error(now, StatusCode::CONFLICT, code, message).because(because));
        }
        let code = "NoAuthenticationInformation";
        let message = "Server failed to authenticate the request. Please refer to the information in the www-authenticate header.";
        let because = refusal("no access token", code, "send `Authorization: Bearer TOKEN`");
        return Err(challenged(now, code, message).because(because));
    }
    if access::bearer(call).is_none() {
        let code = "KeyBasedAuthenticationNotPermitted";
        let message = "Key based authentication is not permitted on this storage account.";
        let because = refusal("another kind of authorization", code, "send `Authorization: Bearer TOKEN`");
        return Err(error(now, StatusCode::FORBIDDEN, code, message).because(because));
    }
    if version < FIRST_WITH_TOKENS {
        let code = "AuthenticationFailed";
        let message =
            "Server failed to authenticate the request. Authentication scheme Bearer is not supported in this version.";
        let because = refusal("an old or no version", code, "send `x-ms-version: 2017-11-09` or a later one");
        return Err(error(now, StatusCode::FORBIDDEN, code, message).because(because));
    }
    // A token may also be for the one account that is asked.
    let own = Place::parse(call.host(), &call.raw_path).map(|place| format!("https://{}{DOMAIN}", place.account()));
    let accepted: Vec<&str> = STORAGE.iter().copied().chain(own.as_deref()).collect();
    match access::caller(state, call, &accepted, now, "InvalidAuthenticationInfo") {
        Some(Ok(caller)) => Ok(caller),
        Some(Err(refusal)) => {
            let detail = match refusal.clause {
                "expired" => "Lifetime validation failed. The token is expired.",
                "audience" => "Audience validation failed. Audience did not match.",
                "issuer" => "Issuer validation failed. Issuer did not match.",
                "not-yet" => "Lifetime validation failed. The token is not yet valid.",
                _ => "Signature validation failed.",
            };
            let message = format!("Server failed to authenticate the request. {detail}");
            Err(challenged(now, "InvalidAuthenticationInfo", &message).because(refusal))
        }
        None => Err(challenged(now, "NoAuthenticationInformation", "Server failed to authenticate the request.")),
    }
}

/// 401 with what a library needs to get a token.
fn challenged(now: Timestamp, code: &str, message: &str) -> ApiError {
    let challenge = format!(
        "Bearer authorization_uri=https://login.microsoftonline.com/{}/oauth2/authorize resource_id=https://storage.azure.com",
        seed::TENANT
    );
    error(now, StatusCode::UNAUTHORIZED, code, message).header(header::WWW_AUTHENTICATE, challenge)
}

/// Whether a text is a date of the form of versions; such dates compare as texts.
fn is_date(text: &str) -> bool {
    text.len() == 10
        && text
            .bytes()
            .enumerate()
            .all(|(at, byte)| if at == 4 || at == 7 { byte == b'-' } else { byte.is_ascii_digit() })
}

impl User<'_> {
    fn fail(&self, status: StatusCode, code: &str, message: &str) -> ApiError {
        error(self.now, status, code, message)
    }

    /// Whether the caller's roles let it do that to the container, or to the whole account.
    fn permit(
        &self,
        inner: &Inner,
        account: &str,
        container: Option<&str>,
        action: Action<'_>,
    ) -> Result<(), ApiError> {
        const CODE: &str = "AuthorizationPermissionMismatch";
        let Some(account) = inner.accounts.get(account) else { return Err(self.no_container()) };
        let scope = container.map_or_else(|| account.id(), |container| account.container_id(container));
        access::permit(self.state, SERVICE, inner, &self.caller, action, &scope, CODE).map_err(|refusal| {
            let message = "This request is not authorized to perform this operation using this permission.";
            self.fail(StatusCode::FORBIDDEN, CODE, message).because(refusal)
        })
    }

    /// "Common REST API error codes". UNCONFIRMED that the token is looked at first.
    fn firewalled(&self, account: &str) -> ApiError {
        const CODE: &str = "AuthorizationFailure";
        let seen = format!("the firewall of {account} lets nobody in");
        let fix = "add the network of the caller to the networking rules of the storage account";
        let refusal = Refusal::new("network", seen, "a network that the account lets in", CODE, fix);
        let message = "This request is not authorized to perform this operation.";
        self.fail(StatusCode::FORBIDDEN, CODE, message).because(refusal)
    }

    fn no_container(&self) -> ApiError {
        self.fail(StatusCode::NOT_FOUND, "ContainerNotFound", "The specified container does not exist.")
    }

    fn no_method(&self) -> ApiError {
        let message = "The resource doesn't support specified Http Verb.";
        self.fail(StatusCode::METHOD_NOT_ALLOWED, "UnsupportedHttpVerb", message)
    }

    fn not_emulated(&self) -> ApiError {
        self.fail(StatusCode::NOT_IMPLEMENTED, "NotImplemented", "This operation is not emulated by the sandbox.")
    }
}

/// How storage words the errors of faults.
pub(crate) fn error_body(status: StatusCode) -> (&'static str, String) {
    let (code, message) = match status {
        StatusCode::TOO_MANY_REQUESTS => ("TooManyRequests", "The request is being throttled."),
        _ => ("ServerBusy", "The server is currently unable to receive requests. Please retry your request."),
    };
    (reply::XML, reply::error_xml(code, message))
}
