//! User-assigned managed identities ("Managed Identity", REST API 2024-11-30).

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Admin, error, groups};
use crate::{
    directory::{Identity, MAX_CLIENTS, Principal, Registration},
    reply::{Answer, ApiError, empty, guid, json_reply, ok},
    seed,
    state::Inner,
};

pub(super) const KIND: &str = "Microsoft.ManagedIdentity/userAssignedIdentities";

pub(super) fn all(admin: &Admin<'_>, group: Option<&str>) -> Answer {
    if *admin.method() != Method::GET {
        return Err(admin.method_not_allowed());
    }
    let inner = admin.state.lock();
    let scope = match group {
        Some(group) => groups::id(&super::group_name(&inner, group)?),
        None => format!("/subscriptions/{}", seed::SUBSCRIPTION),
    };
    admin.permit(&inner, &format!("{KIND}/read"), &scope)?;
    let start = format!("{scope}/").to_ascii_lowercase();
    Ok(admin.list(inner.directory.resources(&start).filter_map(form).collect()))
}

pub(super) fn one(admin: &Admin<'_>, group: &str, name: &str) -> Answer {
    let inner = admin.state.lock();
    match *admin.method() {
        Method::GET => {
            admin.permit(&inner, &format!("{KIND}/read"), &id(group, name))?;
            let found = find(admin, &inner, group, name)?;
            Ok(ok(&form(found).unwrap_or_default()))
        }
        Method::PUT | Method::PATCH => {
            drop(inner);
            put(admin, group, name)
        }
        Method::DELETE => {
            drop(inner);
            delete(admin, group, name)
        }
        _ => Err(admin.method_not_allowed()),
    }
}

/// Resource Manager's id of an identity.
pub(super) fn id(group: &str, name: &str) -> String {
    seed::resource(group, &format!("{KIND}/{name}"))
}

/// The identity of this name.
///
/// # Errors
/// 404 for the group or the identity.
pub(super) fn find<'i>(
    admin: &Admin<'_>,
    inner: &'i Inner,
    group: &str,
    name: &str,
) -> Result<&'i Principal, ApiError> {
    let group = super::group_name(inner, group)?;
    inner.directory.resource(&id(&group, name)).ok_or_else(|| admin.not_found(KIND, &group, name))
}

fn put(admin: &Admin<'_>, group: &str, name: &str) -> Answer {
    let body = admin.body()?;
    let mut inner = admin.state.lock();
    admin.permit(&inner, &format!("{KIND}/write"), &id(group, name))?;
    let group = super::group_name(&inner, group)?;
    let written = admin.written();
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !(3..=128).contains(&written.len()) || !written.chars().all(fits) || written.starts_with(['-', '_']) {
        let message = "The request format was unexpected: the name of an identity has 3 to 128 letters, digits, dashes and \
                       underscores, the first a letter or digit";
        return Err(error(StatusCode::BAD_REQUEST, "BadRequest", message));
    }
    let tags = groups::tags(&body)?;
    let found = inner.directory.resource(&id(&group, name)).map(|own| own.client.client_id.clone());
    if let Some(client_id) = found {
        let form = inner.directory.change(&client_id, |own| {
            if let (true, Some(identity)) = (body.contains_key("tags"), own.identity_mut()) {
                identity.tags = tags;
            }
            form(own)
        });
        return Ok(ok(&form.flatten().unwrap_or_default()));
    }
    if *admin.method() == Method::PATCH {
        return Err(admin.not_found(KIND, &group, name));
    }
    let location = super::location(&body)?;
    if inner.directory.len() >= MAX_CLIENTS {
        return Err(super::full());
    }
    let world = &admin.state.world;
    let identity = Identity { resource_id: id(&group, &written), user_assigned: true, location, tags };
    let registration = Registration::Identity(identity);
    let principal = Principal::new(&guid(world), &guid(world), &written, registration);
    let answer = json_reply(StatusCode::CREATED, &form(&principal).unwrap_or_default());
    inner.directory.put(principal);
    Ok(answer)
}

fn delete(admin: &Admin<'_>, group: &str, name: &str) -> Answer {
    let mut inner = admin.state.lock();
    admin.permit(&inner, &format!("{KIND}/delete"), &id(group, name))?;
    let group = super::group_name(&inner, group)?;
    let found = inner.directory.resource(&id(&group, name)).map(|own| own.client.client_id.clone());
    let Some(client_id) = found else { return Ok(empty(StatusCode::NO_CONTENT)) };
    inner.directory.remove(&client_id);
    inner.attached.retain(|own| *own != client_id);
    Ok(empty(StatusCode::OK))
}

/// Only identities that are resources of their own; that of a machine is part of the machine.
fn form(principal: &Principal) -> Option<Value> {
    let identity = principal.identity().filter(|identity| identity.user_assigned)?;
    Some(json!({
        "id": identity.resource_id,
        "name": principal.display_name,
        "type": KIND,
        "location": identity.location,
        "tags": identity.tags,
        "properties": {
            "tenantId": seed::TENANT,
            "principalId": principal.client.object_id,
            "clientId": principal.client.client_id,
            "isolationScope": "None",
        },
    }))
}
