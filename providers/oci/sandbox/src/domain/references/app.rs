//! Applications.

use serde_json::Value;

use super::{default, template};
use crate::{
    domain::access::sub,
    scim::{Resource, ScimError, text},
};

/// Templates that an app can be made from, and the type of client that each makes.
const TEMPLATES: [(&str, &str); 4] = [
    ("CustomBrowserMobileTemplateId", "public"),
    ("CustomServiceTemplateId", "confidential"),
    ("CustomWebAppTemplateId", "confidential"),
    ("OracleIDCSAppTemplateId", "confidential"),
];

const CLIENT_TYPES: [&str; 3] = ["confidential", "public", "trusted"];

pub(super) fn complete(app: &mut Resource) -> Result<(), ScimError> {
    let id = sub(app, "basedOnTemplate", "value").ok_or_else(|| ScimError::missing(&["basedOnTemplate.value"]))?;
    let Some((id, client_type)) = TEMPLATES.into_iter().find(|(known, _)| *known == id) else {
        return Err(ScimError::invalid_reference("AppTemplate", id));
    };
    app.insert("basedOnTemplate".to_owned(), template(id));
    default(app, "clientType", client_type);
    for name in ["active", "isOAuthClient", "isOAuthResource"] {
        default(app, name, false);
    }
    if !text(app, "clientType").is_some_and(|client_type| CLIENT_TYPES.contains(&client_type)) {
        return Err(ScimError::invalid_value("clientType", "it is none of confidential, public, trusted"));
    }
    // `allowedGrants` is a list; a single text is one of one.
    if let Some(grant @ Value::String(_)) = app.get("allowedGrants").cloned() {
        app.insert("allowedGrants".to_owned(), Value::Array(vec![grant]));
    }
    complete_scopes(app)
}

/// A scope's full name is the app's audience followed by its value (documentation, "Scopes").
fn complete_scopes(app: &mut Resource) -> Result<(), ScimError> {
    let audience = text(app, "audience").unwrap_or_default().to_owned();
    let is_resource = app.get("isOAuthResource") == Some(&Value::Bool(true));
    if is_resource && audience.is_empty() {
        return Err(ScimError::missing(&["audience"]));
    }
    let Some(Value::Array(scopes)) = app.get_mut("scopes") else { return Ok(()) };
    for scope in scopes {
        let Some(scope) = scope.as_object_mut() else {
            return Err(ScimError::invalid_value("scopes", "a scope is not an object"));
        };
        let Some(value) = scope.get("value").and_then(Value::as_str) else {
            return Err(ScimError::missing(&["scopes.value"]));
        };
        let full = format!("{audience}{value}");
        scope.insert("fqs".to_owned(), full.into());
    }
    Ok(())
}
