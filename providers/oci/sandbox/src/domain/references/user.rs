//! Users and service users.

use std::collections::BTreeMap;

use carnet_oci::trust::propagation::DomainUser;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::default;
use crate::{
    domain::types::{USER_CAPABILITIES, USER_EXTENSION, USER_STATE},
    scim::{Resource, ScimError, add_schema, text},
};

pub(super) fn complete(user: &mut Resource, old: Option<&Resource>) -> Result<(), ScimError> {
    let service = is_service_user(user);
    if old.is_some_and(|old| is_service_user(old) != service) {
        return Err(ScimError::mutability(&format!("{USER_EXTENSION}:serviceUser")));
    }
    if service {
        // Service users have no password (documentation, "Service Users").
        if user.contains_key("password") {
            return Err(ScimError::invalid_value("password", "a service user has none"));
        }
    } else {
        if primary_email(user).is_none() {
            return Err(ScimError::new(
                StatusCode::BAD_REQUEST,
                "error.identity.user.primaryEmailNotSpecified",
                "A primary email must be specified.",
            ));
        }
        if user.get("name").and_then(|name| name.get("familyName")).and_then(Value::as_str).is_none() {
            return Err(ScimError::missing(&["name.familyName"]));
        }
    }
    // It is set and never shown; nobody signs in with it here.
    user.remove("password");
    default(user, "active", true);
    let display = text(user, "userName").unwrap_or_default().to_owned();
    default(user, "displayName", display);
    let extension = user.entry(USER_EXTENSION).or_insert_with(|| Value::Object(Map::new()));
    if let Some(extension) = extension.as_object_mut() {
        extension.insert("serviceUser".to_owned(), service.into());
        extension.entry("isFederatedUser").or_insert(Value::Bool(false));
    }
    user.insert(
        USER_CAPABILITIES.to_owned(),
        json!({
            "canUseApiKeys": !service, "canUseAuthTokens": !service, "canUseConsolePassword": !service,
            "canUseCustomerSecretKeys": !service, "canUseOAuth2ClientCredentials": !service, "canUseSmtpCredentials": !service,
        }),
    );
    user.insert(USER_STATE.to_owned(), json!({"locked": {"on": false}}));
    for schema in [USER_EXTENSION, USER_CAPABILITIES, USER_STATE] {
        add_schema(user, schema);
    }
    Ok(())
}

/// The user as the trust model reads it.
pub(super) fn read(user: &Resource) -> DomainUser {
    let own = |name: &str| text(user, name).unwrap_or_default().to_owned();
    let mut attributes = BTreeMap::new();
    for name in ["externalId", "displayName"] {
        if let Some(value) = text(user, name) {
            attributes.insert(name.to_owned(), value.to_owned());
        }
    }
    if let Some(email) = primary_email(user) {
        for name in ["emails", "emails.value", "emails.primary.value"] {
            attributes.insert(name.to_owned(), email.to_owned());
        }
    }
    DomainUser {
        id: own("id"),
        ocid: own("ocid"),
        name: own("userName"),
        active: user.get("active") == Some(&Value::Bool(true)),
        service_user: is_service_user(user),
        attributes,
    }
}

/// The address that is marked as primary.
pub(crate) fn primary_email(user: &Resource) -> Option<&str> {
    let emails = user.get("emails")?.as_array()?;
    let primary = emails.iter().find(|email| email.get("primary").and_then(Value::as_bool) == Some(true))?;
    primary.get("value")?.as_str()
}

fn is_service_user(user: &Resource) -> bool {
    user.get(USER_EXTENSION).and_then(|extension| extension.get("serviceUser")).and_then(Value::as_bool) == Some(true)
}
