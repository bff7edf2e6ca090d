//! Service principals: those of applications, and managed identities.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Admin, Key};
use crate::{
    directory::{Directory, Principal},
    reply::{Answer, empty, guid, json_reply, ok},
    seed,
};

pub(super) fn all(admin: &Admin<'_>) -> Answer {
    match admin.call.method {
        Method::GET => list(admin),
        Method::POST => create(admin),
        _ => Err(admin.no_segment()),
    }
}

pub(super) fn one(admin: &Admin<'_>, key: &Key) -> Answer {
    let mut inner = admin.state.lock();
    let principal = find(&inner.directory, key).ok_or_else(|| admin.not_found(key.value()))?;
    match admin.call.method {
        Method::GET => Ok(ok(&admin.entity("servicePrincipals", form(principal)))),
        Method::DELETE if principal.application().is_some() => {
            let client_id = principal.client.client_id.clone();
            inner.directory.change(&client_id, |own| {
                if let Some(application) = own.application_mut() {
                    application.has_principal = false;
                }
                own.set_object_id("");
            });
            // What was assigned to it stays, to nobody.
            Ok(empty(StatusCode::NO_CONTENT))
        }
        Method::DELETE => Err(admin.bad("The service principal of a managed identity goes with the identity.")),
        _ => Err(admin.no_segment()),
    }
}

fn find<'d>(directory: &'d Directory, key: &Key) -> Option<&'d Principal> {
    let principal = match key {
        Key::Id(id) => directory.principal(id),
        Key::Alternate(property, value) if property == "appId" => directory.client(value),
        Key::Alternate(..) => None,
    };
    principal.filter(|principal| principal.is_usable())
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
    let mut entries: Vec<&Principal> = chosen.into_iter().filter(|own| own.is_usable()).collect();
    entries.sort_unstable_by(|one, other| one.client.object_id.cmp(&other.client.object_id));
    Ok(admin.list("servicePrincipals", entries.into_iter().map(form).collect()))
}

fn create(admin: &Admin<'_>) -> Answer {
    let body = admin.body()?;
    admin.only(&body, &["appId"])?;
    let app_id = body.get("appId").and_then(Value::as_str).unwrap_or_default();
    let object_id = guid(&admin.state.world);
    let mut inner = admin.state.lock();
    let client_id = match inner.directory.client(app_id) {
        Some(own) if own.is_usable() => {
            return Err(admin.conflict(format!(
                "The service principal cannot be created, updated, or restored because the service principal name {} is \
                 already in use.",
                own.client.client_id
            )));
        }
        Some(own) => own.client.client_id.clone(),
        None => {
            let message = "When using this permission, the backing application of the service principal being created must in \
                           the local tenant";
            return Err(admin.bad(message));
        }
    };
    let entity = inner.directory.change(&client_id, |own| {
        if let Some(application) = own.application_mut() {
            application.has_principal = true;
        }
        own.set_object_id(&object_id);
        form(own)
    });
    Ok(json_reply(StatusCode::CREATED, &admin.entity("servicePrincipals", entity.unwrap_or_default())))
}

fn form(principal: &Principal) -> Value {
    let application = principal.application();
    let kind = if application.is_some() { "Application" } else { "ManagedIdentity" };
    let mut names = application.map(|own| own.identifier_uris.clone()).unwrap_or_default();
    names.push(principal.client.client_id.clone());
    json!({
        "id": principal.client.object_id,
        "appId": principal.client.client_id,
        "displayName": principal.display_name,
        "appDisplayName": application.map(|_| &principal.display_name),
        "appOwnerOrganizationId": application.map(|_| seed::TENANT),
        "alternativeNames": principal.identity().map(|own| vec![own.resource_id.clone()]).unwrap_or_default(),
        "accountEnabled": true,
        "servicePrincipalNames": names,
        "servicePrincipalType": kind,
    })
}
