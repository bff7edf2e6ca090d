//! App registrations.

use axum::response::Response;
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::{Admin, Key};
use crate::{
    directory::{Application, Directory, MAX_CLIENTS, Principal, Registration},
    reply::{Answer, ApiError, empty, guid, json_reply, ok, seconds},
    seed,
};

/// What can be written here.
const FIELDS: [&str; 4] = ["api", "displayName", "identifierUris", "signInAudience"];
/// Longest display name, in characters (application resource type).
const MAX_NAME: usize = 256;
/// Most identifier URIs.
const MAX_URIS: usize = 50;

pub(super) fn all(admin: &Admin<'_>) -> Answer {
    match admin.call.method {
        Method::GET => list(admin),
        Method::POST => create(admin),
        _ => Err(admin.no_segment()),
    }
}

pub(super) fn one(admin: &Admin<'_>, key: &Key) -> Answer {
    match admin.call.method {
        Method::GET => {
            let inner = admin.state.lock();
            let principal = find(&inner.directory, key).ok_or_else(|| admin.not_found(key.value()))?;
            Ok(ok(&admin.entity("applications", form(principal))))
        }
        Method::PATCH => patch(admin, key),
        Method::DELETE => {
            let mut inner = admin.state.lock();
            let client_id = client_id(&inner.directory, key).ok_or_else(|| admin.not_found(key.value()))?;
            inner.directory.remove(&client_id);
            Ok(empty(StatusCode::NO_CONTENT))
        }
        _ => Err(admin.no_segment()),
    }
}

/// The application of this key.
pub(super) fn find<'d>(directory: &'d Directory, key: &Key) -> Option<&'d Principal> {
    let principal = match key {
        Key::Id(id) => directory.application(id),
        Key::Alternate(property, value) if property == "appId" => directory.client(value),
        Key::Alternate(..) => None,
    };
    principal.filter(|principal| principal.application().is_some())
}

/// The client id of the application of this key.
pub(super) fn client_id(directory: &Directory, key: &Key) -> Option<String> {
    find(directory, key).map(|principal| principal.client.client_id.clone())
}

fn list(admin: &Admin<'_>) -> Answer {
    let filter = admin.filter()?;
    let inner = admin.state.lock();
    let chosen: Vec<&Principal> = match filter.as_ref().map(|(property, value)| (property.as_str(), value.as_str())) {
        Some(("appId", value)) => inner.directory.client(value).into_iter().collect(),
        Some(("displayName", value)) => inner.directory.named(value).collect(),
        Some(_) => return Err(admin.bad("Invalid filter clause: filter by appId or displayName.")),
        None => inner.directory.iter().collect(),
    };
    let mut entries: Vec<(&str, &Principal)> =
        chosen.into_iter().filter_map(|own| Some((own.application()?.object_id.as_str(), own))).collect();
    entries.sort_unstable_by_key(|(id, _)| *id);
    Ok(admin.list("applications", entries.into_iter().map(|(_, own)| form(own)).collect()))
}

fn create(admin: &Admin<'_>) -> Answer {
    let body = admin.body()?;
    admin.only(&body, &FIELDS)?;
    let mut application = Application {
        object_id: guid(&admin.state.world),
        token_version: 1,
        created: admin.now,
        ..Application::default()
    };
    let name = body.get("displayName").ok_or_else(|| admin.bad("Property 'displayName' is required."))?;
    let name = display_name(admin, name)?;
    apply(admin, &mut application, &body)?;
    let client_id = guid(&admin.state.world);
    let mut inner = admin.state.lock();
    check_uris(admin, &inner.directory, &application, &client_id)?;
    if inner.directory.len() >= MAX_CLIENTS {
        return Err(admin.full());
    }
    let registration = Registration::Application(application);
    let principal = Principal::new(&client_id, "", &name, registration);
    let answer = created(admin, form(&principal));
    inner.directory.put(principal);
    Ok(answer)
}

fn created(admin: &Admin<'_>, form: Value) -> Response {
    json_reply(StatusCode::CREATED, &admin.entity("applications", form))
}

fn patch(admin: &Admin<'_>, key: &Key) -> Answer {
    let body = admin.body()?;
    admin.only(&body, &FIELDS)?;
    let mut inner = admin.state.lock();
    let principal = find(&inner.directory, key).ok_or_else(|| admin.not_found(key.value()))?;
    let client_id = principal.client.client_id.clone();
    let Some(mut application) = principal.application().cloned() else { return Err(admin.not_found(key.value())) };
    let name = body.get("displayName").map(|name| display_name(admin, name)).transpose()?;
    apply(admin, &mut application, &body)?;
    check_uris(admin, &inner.directory, &application, &client_id)?;
    inner.directory.change(&client_id, |own| {
        own.display_name = name.unwrap_or_else(|| own.display_name.clone());
        own.registration = Registration::Application(application);
    });
    Ok(empty(StatusCode::NO_CONTENT))
}

fn display_name(admin: &Admin<'_>, value: &Value) -> Result<String, ApiError> {
    let name = value.as_str().filter(|name| !name.is_empty() && name.chars().count() <= MAX_NAME);
    name.map(ToOwned::to_owned).ok_or_else(|| admin.bad("Invalid value specified for property 'displayName'."))
}

/// Takes over what the body has.
fn apply(admin: &Admin<'_>, application: &mut Application, body: &Map<String, Value>) -> Result<(), ApiError> {
    if let Some(audience) = body.get("signInAudience")
        && audience != "AzureADMyOrg"
    {
        return Err(admin.bad("The sandbox has one tenant: 'signInAudience' must be AzureADMyOrg."));
    }
    if let Some(uris) = body.get("identifierUris") {
        let text = |uri: &Value| uri.as_str().map(ToOwned::to_owned);
        let uris: Option<Vec<String>> = uris.as_array().and_then(|uris| uris.iter().map(text).collect());
        let fits = |uris: &Vec<String>| uris.len() <= MAX_URIS && uris.iter().all(|uri| is_identifier_uri(uri));
        application.identifier_uris =
            uris.filter(fits).ok_or_else(|| admin.bad("Invalid value specified for property 'identifierUris'."))?;
    }
    if let Some(version) = body.get("api").and_then(|api| api.get("requestedAccessTokenVersion")) {
        application.token_version = match version {
            Value::Null => 1,
            version if version.as_u64() == Some(1) => 1,
            version if version.as_u64() == Some(2) => 2,
            _ => return Err(admin.bad("Invalid value specified for property 'requestedAccessTokenVersion'.")),
        };
    }
    Ok(())
}

/// `api://…` or `https://…`, no slash at the end ("Restrictions on identifier URIs").
fn is_identifier_uri(uri: &str) -> bool {
    let rest = uri.strip_prefix("api://").or_else(|| uri.strip_prefix("https://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.ends_with('/')) && uri.len() <= 255 && uri.is_ascii()
}

fn check_uris(
    admin: &Admin<'_>,
    directory: &Directory,
    application: &Application,
    client_id: &str,
) -> Result<(), ApiError> {
    let taken = |uri: &String| directory.uri(uri).is_some_and(|own| own.client.client_id != client_id);
    match application.identifier_uris.iter().find(|uri| taken(uri)) {
        Some(_) => {
            Err(admin.conflict("Another object with the same value for property identifierUris already exists."))
        }
        None => Ok(()),
    }
}

fn form(principal: &Principal) -> Value {
    let Some(application) = principal.application() else { return Value::Null };
    let version = (application.token_version == 2).then_some(2);
    json!({
        "id": application.object_id,
        "appId": principal.client.client_id,
        "displayName": principal.display_name,
        "identifierUris": application.identifier_uris,
        "signInAudience": "AzureADMyOrg",
        "publisherDomain": seed::DOMAIN,
        "createdDateTime": seconds(application.created),
        "api": { "requestedAccessTokenVersion": version },
        "keyCredentials": [],
        "passwordCredentials": [],
        "requiredResourceAccess": [],
    })
}
