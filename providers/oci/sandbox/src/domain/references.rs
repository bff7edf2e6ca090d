//! What each resource type asks of a resource: defaults, allowed values, references to others.

mod app;
mod trust;
mod user;

use serde_json::{Map, Value, json};

use super::{
    access::sub,
    admin_base,
    types::{APP_ROLES, APPS, GROUPS, PLATFORM_APP, SETTINGS, TRUSTS, USERS},
};
use crate::scim::{Resource, ResourceType, ScimError, Stamp, Store, text};

pub(super) use trust::read as read_trust;
pub(super) use user::primary_email;

/// Completes a resource that is to be stored, or refuses it. `old` is what it replaces.
pub(super) fn complete(
    store: &Store,
    kind: &ResourceType,
    resource: &mut Resource,
    old: Option<&Resource>,
) -> Result<(), ScimError> {
    match kind.endpoint {
        "Apps" => app::complete(resource),
        "AppRoles" => complete_role(store, resource),
        "Grants" => complete_grant(store, resource),
        "Groups" => complete_group(store, resource),
        "IdentityPropagationTrusts" => trust::complete(store, resource),
        "Settings" => complete_settings(resource, old),
        "Users" => user::complete(resource, old),
        _ => Ok(()),
    }
}

/// Whether the grant is to, or of, the resource with this id.
pub(super) fn names_grantee(grant: &Resource, id: &str) -> bool {
    sub(grant, "grantee", "value") == Some(id) || sub(grant, "app", "value") == Some(id)
}

/// The OCIDs of a group's members.
pub(super) fn member_ocids(store: &Store, group: &Resource) -> Vec<String> {
    let members = group.get("members").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let ids = members.iter().filter_map(|member| member.get("value")?.as_str());
    ids.filter_map(|id| store.find(&USERS, id)).filter_map(|user| text(user, "ocid").map(str::to_owned)).collect()
}

/// Takes a user out of all groups.
pub(super) fn leave_groups(store: &mut Store, user: &str, stamp: &Stamp<'_>) {
    let groups: Vec<Resource> =
        store.all(&GROUPS).iter().filter(|group| super::access::has_member(group, user)).cloned().collect();
    for mut group in groups {
        if let Some(Value::Array(members)) = group.get_mut("members") {
            members.retain(|member| member.get("value").and_then(Value::as_str) != Some(user));
        }
        // The group is there and its name is its own: this cannot be refused.
        let _ = store.update(&GROUPS, group, stamp);
    }
}

/// Sets an attribute that is not there.
fn default(resource: &mut Resource, name: &str, value: impl Into<Value>) {
    resource.entry(name).or_insert_with(|| value.into());
}

/// A reference as resources carry it.
fn reference(kind: &ResourceType, target: &Resource, display: &str) -> Map<String, Value> {
    let id = text(target, "id").unwrap_or_default();
    let mut members = Map::new();
    members.insert("value".to_owned(), id.into());
    members.insert("display".to_owned(), text(target, display).unwrap_or_default().into());
    members.insert("$ref".to_owned(), format!("{}/{}/{id}", admin_base(), kind.endpoint).into());
    members
}

fn complete_role(store: &Store, role: &mut Resource) -> Result<(), ScimError> {
    let id = sub(role, "app", "value").ok_or_else(|| ScimError::missing(&["app.value"]))?;
    let app = store.find(&APPS, id).ok_or_else(|| ScimError::invalid_reference("App", id))?;
    let unique = format!("{}_{}", text(app, "id").unwrap_or_default(), text(role, "displayName").unwrap_or_default());
    role.insert("app".to_owned(), reference(&APPS, app, "displayName").into());
    role.insert("uniqueName".to_owned(), unique.into());
    for name in ["availableToClients", "availableToUsers", "availableToGroups"] {
        default(role, name, true);
    }
    default(role, "adminRole", false);
    Ok(())
}

fn complete_grant(store: &Store, grant: &mut Resource) -> Result<(), ScimError> {
    let mechanism = text(grant, "grantMechanism").unwrap_or_default();
    let wanted = match mechanism {
        "ADMINISTRATOR_TO_APP" => &APPS,
        "ADMINISTRATOR_TO_GROUP" => &GROUPS,
        "ADMINISTRATOR_TO_USER" => &USERS,
        _ => return Err(ScimError::invalid_value("grantMechanism", "it is none that this domain knows")),
    };
    let kind = sub(grant, "grantee", "type").ok_or_else(|| ScimError::missing(&["grantee.type"]))?;
    if kind != wanted.name {
        return Err(ScimError::invalid_value(
            "grantee.type",
            format!("{mechanism} is for a grantee of type {}", wanted.name),
        ));
    }
    let id = sub(grant, "grantee", "value").ok_or_else(|| ScimError::missing(&["grantee.value"]))?;
    let grantee = store.find(wanted, id).ok_or_else(|| ScimError::invalid_reference(kind, id))?;
    let display = if wanted.endpoint == USERS.endpoint { "userName" } else { "displayName" };
    let mut grantee = reference(wanted, grantee, display);
    grantee.insert("type".to_owned(), kind.into());

    let app_id = sub(grant, "app", "value").unwrap_or(PLATFORM_APP);
    let app = store.find(&APPS, app_id).ok_or_else(|| ScimError::invalid_reference("App", app_id))?;
    let app_id = text(app, "id").unwrap_or_default().to_owned();
    let app = reference(&APPS, app, "displayName");

    let mut key = format!("{app_id}:{}:{id}", wanted.name);
    if let Some(entitlement) = grant.get("entitlement") {
        let attribute = entitlement.get("attributeName").and_then(Value::as_str);
        let value = entitlement.get("attributeValue").and_then(Value::as_str);
        let (Some("appRoles"), Some(role_id)) = (attribute, value) else {
            return Err(ScimError::invalid_value(
                "entitlement",
                "it must name an attributeValue of attributeName appRoles",
            ));
        };
        let role = store.find(&APP_ROLES, role_id).filter(|role| sub(role, "app", "value") == Some(app_id.as_str()));
        if role.is_none() {
            return Err(ScimError::invalid_reference("AppRole", role_id));
        }
        key = format!("{key}:{role_id}");
    }
    grant.insert("grantee".to_owned(), grantee.into());
    grant.insert("app".to_owned(), app.into());
    grant.insert("compositeKey".to_owned(), key.into());
    default(grant, "isFulfilled", true);
    Ok(())
}

fn complete_group(store: &Store, group: &mut Resource) -> Result<(), ScimError> {
    let Some(members) = group.get("members") else { return Ok(()) };
    let members = members.as_array().ok_or_else(|| ScimError::invalid_value("members", "it is not a list"))?;
    let mut completed: Vec<Value> = Vec::new();
    for member in members {
        let id = member.get("value").and_then(Value::as_str).ok_or_else(|| ScimError::missing(&["members.value"]))?;
        let user = store.find(&USERS, id).ok_or_else(|| ScimError::invalid_reference("User", id))?;
        let mut member = reference(&USERS, user, "userName");
        member.insert("type".to_owned(), "User".into());
        member.insert("ocid".to_owned(), user.get("ocid").cloned().unwrap_or_default());
        let member = Value::Object(member);
        if !completed.contains(&member) {
            completed.push(member);
        }
    }
    group.insert("members".to_owned(), completed.into());
    Ok(())
}

/// Longest session that `iamUpstSessionExpiry` can ask for.
///
/// UNCONFIRMED unit: the schema says "maximum duration" and no more. Minutes, as in every other setting of session lengths
/// and as in `sessionExpirationInMinutes` (5 to 60) of the identity data plane.
const UPST_MINUTES: std::ops::RangeInclusive<u64> = 1..=60;

fn complete_settings(settings: &mut Resource, old: Option<&Resource>) -> Result<(), ScimError> {
    let issuer = settings.get("issuer").cloned();
    if issuer.as_ref().and_then(Value::as_str).is_some_and(|issuer| !issuer.starts_with("https://")) {
        return Err(ScimError::invalid_value("issuer", "it is not an https URL"));
    }
    let minutes = settings.get("iamUpstSessionExpiry");
    if minutes.is_some_and(|minutes| !minutes.as_u64().is_some_and(|minutes| UPST_MINUTES.contains(&minutes))) {
        return Err(ScimError::invalid_value("iamUpstSessionExpiry", "it is not from 1 to 60"));
    }
    if settings.get("diagnosticLevel").is_some_and(|level| !matches!(level.as_u64(), Some(0 | 1))) {
        return Err(ScimError::invalid_value("diagnosticLevel", "it is neither 0 nor 1"));
    }
    // Only one value is remembered (documentation, "Updating OAuth Settings").
    let before = old.and_then(|old| old.get("issuer")).cloned();
    if let Some(before) = before.filter(|before| Some(before) != issuer.as_ref()) {
        settings.insert("prevIssuer".to_owned(), before);
    }
    Ok(())
}

/// The trusts as the trust model reads them.
pub(super) fn trusts(store: &Store) -> Vec<carnet_oci::trust::propagation::PropagationTrust> {
    store.all(&TRUSTS).iter().filter_map(|resource| read_trust(resource).ok()).collect()
}

/// The largest life of a UPST by the settings, in minutes.
pub(super) fn upst_minutes(store: &Store) -> Option<i64> {
    store.find(&SETTINGS, SETTINGS.name)?.get("iamUpstSessionExpiry")?.as_i64()
}

/// The users as the trust model reads them.
pub(super) fn users(store: &Store) -> Vec<carnet_oci::trust::propagation::DomainUser> {
    store.all(&USERS).iter().map(user::read).collect()
}

/// `json!` for a template reference, shared by the types.
fn template(id: &str) -> Value {
    json!({"value": id, "$ref": format!("{}/AppTemplates/{id}", admin_base())})
}
