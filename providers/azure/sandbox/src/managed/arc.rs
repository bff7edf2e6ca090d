//! The agent of Azure Arc: whoever asks proves by the content of a file that it may read the agent's folder
//! ("Authenticate against Azure resources with Azure Arc-enabled servers").

use carnet_jose::sha256;
use http::{Method, StatusCode, header};
use serde_json::Value;

use super::{Desk, NoToken, fresh, oauth};
use crate::{
    reply::{Answer, ApiError},
    seed,
    state::State,
};

/// Where clients look for the file, whatever the challenge says.
const FOLDER: &str = "/var/opt/azcmagent/tokens";
/// Versions that clients send.
const VERSIONS: [&str; 4] = ["2019-08-15", "2019-11-01", "2020-06-01", "2021-02-01"];

/// The name of the file. The real agent makes another for each challenge; here one lasts as long as the sandbox, so
/// that it can be put where clients look.
pub(super) fn key_name(state: &State) -> String {
    let hash = carnet_core::hex(&sha256(state.arc_key.expose().as_bytes()));
    format!("{}.key", hash.get(..16).unwrap_or_default())
}

pub(super) fn answer(desk: &Desk<'_>) -> Answer {
    let call = desk.call;
    if call.header("metadata").is_none_or(|value| !value.eq_ignore_ascii_case("true")) {
        return Err(oauth(StatusCode::FORBIDDEN, "forbidden", "Required metadata header not specified"));
    }
    if call.method != Method::GET || call.parts() != ["metadata", "identity", "oauth2", "token"] {
        return Err(oauth(StatusCode::NOT_FOUND, "not_found", "There is nothing here."));
    }
    if call.parameter("api-version").is_none_or(|version| !VERSIONS.contains(&version)) {
        return Err(oauth(StatusCode::BAD_REQUEST, "invalid_request", "api-version is missing or not supported"));
    }
    let resource = call.parameter("resource").filter(|resource| !resource.is_empty());
    let missing = || oauth(StatusCode::BAD_REQUEST, "invalid_request", "Required query variable 'resource' is missing");
    let resource = resource.ok_or_else(missing)?;
    check_key(desk)?;
    match desk.issue(resource) {
        Ok(issued) => {
            let mut body = issued.body(resource, desk.now);
            // Clients that named an identity want to see that it was understood.
            if let (Some((name, value)), Some(members)) = (&issued.selector, body.as_object_mut()) {
                members.insert(name.clone(), Value::from(value.as_str()));
            }
            Ok(fresh(&body))
        }
        Err(NoToken::Identity(refusal)) => {
            Err(oauth(StatusCode::BAD_REQUEST, "invalid_request", "Identity not found").because(refusal))
        }
        Err(NoToken::Resource(refusal)) => {
            let text =
                format!("AADSTS500011: The resource principal was not found in the tenant named {}.", seed::DOMAIN);
            Err(oauth(StatusCode::BAD_REQUEST, "invalid_resource", &text).because(refusal))
        }
        Err(NoToken::Internal(error)) => Err(oauth(StatusCode::INTERNAL_SERVER_ERROR, "unknown", &error)),
    }
}

/// The content of the file as it is, without base64. Hashes are compared, which take the same time whatever part is
/// right.
fn check_key(desk: &Desk<'_>) -> Result<(), ApiError> {
    let sent = desk.call.header(header::AUTHORIZATION.as_str()).and_then(|value| value.strip_prefix("Basic "));
    let wanted = sha256(desk.state.arc_key.expose().as_bytes());
    if sent.is_some_and(|sent| sha256(sent.as_bytes()) == wanted) {
        return Ok(());
    }
    let challenge = format!("Basic realm={FOLDER}/{}", key_name(desk.state));
    let text = "The key file of the challenge has not been shown.";
    Err(oauth(StatusCode::UNAUTHORIZED, "unauthorized", text).header(header::WWW_AUTHENTICATE, challenge))
}
