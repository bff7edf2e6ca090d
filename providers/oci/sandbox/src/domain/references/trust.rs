//! Identity propagation trusts.

use carnet_oci::trust::propagation::PropagationTrust;
use serde_json::{Value, json};

use super::default;
use crate::{
    domain::{
        admin_base,
        token::certificate_key,
        types::{APPS, TRUSTS, USERS},
    },
    scim::{Resource, ScimError, Store, text},
};

/// The trust as the trust model reads it.
pub(crate) fn read(resource: &Resource) -> Result<PropagationTrust, ScimError> {
    serde_json::from_value(Value::Object(resource.clone()))
        .map_err(|error| ScimError::invalid_syntax(format!("The trust cannot be read: {error}.")))
}

pub(super) fn complete(store: &Store, resource: &mut Resource) -> Result<(), ScimError> {
    for name in ["clientClaimValues", "oauthClients", "claimPropagations"] {
        // Lists; a single text is one of one.
        if let Some(one @ Value::String(_)) = resource.get(name).cloned() {
            resource.insert(name.to_owned(), Value::Array(vec![one]));
        }
    }
    default(resource, "active", false);
    default(resource, "allowImpersonation", false);
    default(resource, "subjectType", "User");
    if let Some(unknown) = resource.keys().find(|name| !is_attribute(name)) {
        return Err(ScimError::invalid_value(unknown, "there is no such attribute"));
    }
    let trust = read(resource)?;
    let mistakes = trust.mistakes();
    let missing: Vec<&str> =
        mistakes.iter().filter(|mistake| mistake.missing).map(|mistake| mistake.attribute).collect();
    if !missing.is_empty() {
        return Err(ScimError::missing(&missing));
    }
    if let Some(mistake) = mistakes.first() {
        return Err(ScimError::invalid_value(mistake.attribute, &mistake.message));
    }
    if trust.public_certificate.as_deref().is_some_and(|text| certificate_key(text).is_none()) {
        return Err(ScimError::invalid_value("publicCertificate", "it is not a certificate in PEM or base64"));
    }
    for client in &trust.oauth_clients {
        if store.find_by(&APPS, "name", client).is_none() {
            return Err(ScimError::invalid_reference("App", client));
        }
    }
    complete_service_users(store, resource)
}

/// Whether the schema has it. Of some attributes nothing more is known here than that they exist.
fn is_attribute(name: &str) -> bool {
    const OTHERS: [&str; 3] = ["CACertChain", "keytab", "tags"];
    name.starts_with("urn:") || OTHERS.contains(&name) || TRUSTS.attribute(name).is_some()
}

fn complete_service_users(store: &Store, resource: &mut Resource) -> Result<(), ScimError> {
    let Some(Value::Array(entries)) = resource.get_mut("impersonationServiceUsers") else { return Ok(()) };
    for entry in entries {
        let Some(entry) = entry.as_object_mut() else {
            return Err(ScimError::invalid_value("impersonationServiceUsers", "an entry is not an object"));
        };
        let by_id = text(entry, "value").map(str::to_owned);
        let by_ocid = text(entry, "ocid").map(str::to_owned);
        let id = by_id.clone().or_else(|| by_ocid.clone()).unwrap_or_default();
        let user = store.find(&USERS, &id).filter(|user| {
            // Both may be given; they must then be the same user's.
            by_ocid.as_deref().is_none_or(|ocid| text(user, "ocid") == Some(ocid))
        });
        let user = user.ok_or_else(|| ScimError::invalid_reference("User", &id))?;
        let id = text(user, "id").unwrap_or_default();
        entry.insert("value".to_owned(), json!(id));
        entry.insert("ocid".to_owned(), user.get("ocid").cloned().unwrap_or_default());
        entry.insert("$ref".to_owned(), format!("{}/{}/{id}", admin_base(), USERS.endpoint).into());
    }
    Ok(())
}
