//! Federated credentials of user-assigned identities.

use carnet_azure::trust::{ClientKind, FederatedCredential};
use carnet_core::Mistake;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Admin, error, identities, refused};
use crate::reply::{Answer, ApiError, empty, json_reply, ok};

const KIND: &str = "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials";
/// Regions where identities have no federated credentials ("Important considerations and restrictions for federated
/// identity credentials"). The list has changed often; one is enough to try it out.
const WITHOUT: [&str; 1] = ["malaysiasouth"];

pub(super) fn all(admin: &Admin<'_>, group: &str, identity: &str) -> Answer {
    if *admin.method() != Method::GET {
        return Err(admin.method_not_allowed());
    }
    let inner = admin.state.lock();
    let parent = identities::id(group, identity);
    admin.permit(&inner, &format!("{KIND}/read"), &parent)?;
    let found = identities::find(admin, &inner, group, identity)?;
    let parent = found.identity().map(|own| own.resource_id.clone()).unwrap_or_default();
    Ok(admin.list(found.client.credentials.iter().map(|own| form(&parent, own)).collect()))
}

pub(super) fn one(admin: &Admin<'_>, group: &str, identity: &str, name: &str) -> Answer {
    match *admin.method() {
        Method::GET => get(admin, group, identity, name),
        Method::PUT => put(admin, group, identity),
        Method::DELETE => delete(admin, group, identity, name),
        _ => Err(admin.method_not_allowed()),
    }
}

/// Names of credentials keep their case and are found without it, as everything of Resource Manager.
fn written<'c>(
    credentials: impl IntoIterator<Item = &'c FederatedCredential>,
    name: &str,
) -> Option<&'c FederatedCredential> {
    credentials.into_iter().find(|own| own.name.eq_ignore_ascii_case(name))
}

fn get(admin: &Admin<'_>, group: &str, identity: &str, name: &str) -> Answer {
    let inner = admin.state.lock();
    admin.permit(&inner, &format!("{KIND}/read"), &identities::id(group, identity))?;
    let found = identities::find(admin, &inner, group, identity)?;
    let parent = found.identity().map(|own| own.resource_id.clone()).unwrap_or_default();
    let own = written(found.client.credentials.iter(), name);
    own.map(|own| ok(&form(&parent, own))).ok_or_else(|| no_credential(name))
}

fn put(admin: &Admin<'_>, group: &str, identity: &str) -> Answer {
    let body = admin.body()?;
    let mut inner = admin.state.lock();
    admin.permit(&inner, &format!("{KIND}/write"), &identities::id(group, identity))?;
    let found = identities::find(admin, &inner, group, identity)?;
    let (client_id, parent) = (found.client.client_id.clone(), found.identity().cloned().unwrap_or_default());
    if WITHOUT.contains(&parent.location.as_str()) {
        let message = "The request format was unexpected: Support for federated identity credentials not enabled.";
        return Err(error(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message));
    }
    let name = admin.written();
    let name = written(found.client.credentials.iter(), &name).map_or(name, |own| own.name.clone());
    let properties = body.get("properties").filter(|properties| properties.is_object());
    let properties = properties.ok_or_else(|| {
        error(StatusCode::BAD_REQUEST, "BadRequest", "The request format was unexpected: properties cannot be empty.")
    })?;
    let credential = read(name.clone(), properties)?;
    let changed = inner.directory.change(&client_id, |own| {
        let new = own.change(admin.now, |credentials| credentials.put(ClientKind::ManagedIdentity, credential))?;
        let entity = own.client.credentials.get(&name).map(|made| form(&parent.resource_id, made));
        Ok::<_, Vec<Mistake>>((new, entity.unwrap_or_default()))
    });
    match changed {
        Some(Ok((new, entity))) => Ok(json_reply(if new { StatusCode::CREATED } else { StatusCode::OK }, &entity)),
        Some(Err(mistakes)) => Err(refused(&mistakes)),
        None => Err(no_credential(&name)),
    }
}

fn delete(admin: &Admin<'_>, group: &str, identity: &str, name: &str) -> Answer {
    let mut inner = admin.state.lock();
    admin.permit(&inner, &format!("{KIND}/delete"), &identities::id(group, identity))?;
    let found = identities::find(admin, &inner, group, identity)?;
    let client_id = found.client.client_id.clone();
    let Some(name) = written(found.client.credentials.iter(), name).map(|own| own.name.clone()) else {
        return Ok(empty(StatusCode::NO_CONTENT));
    };
    inner.directory.change(&client_id, |own| {
        let removed: Result<bool, ()> = own.change(admin.now, |credentials| Ok(credentials.remove(&name)));
        removed.is_ok()
    });
    Ok(empty(StatusCode::OK))
}

fn read(name: String, properties: &Value) -> Result<FederatedCredential, ApiError> {
    let wrong = |field: &str| {
        let message = format!("The request format was unexpected: {field} is not of its type.");
        error(StatusCode::BAD_REQUEST, "BadRequest", &message)
    };
    let text = |field: &str| match properties.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(wrong(field)),
    };
    let audiences = match properties.get("audiences") {
        None | Some(Value::Null) => Vec::new(),
        Some(audiences) => serde_json::from_value(audiences.clone()).map_err(|_form| wrong("audiences"))?,
    };
    let expression = properties.get("claimsMatchingExpression").filter(|value| !value.is_null());
    let claims_matching_expression = match expression {
        None => None,
        Some(value) => Some(serde_json::from_value(value.clone()).map_err(|_form| wrong("claimsMatchingExpression"))?),
    };
    Ok(FederatedCredential {
        name,
        issuer: text("issuer")?.unwrap_or_default(),
        subject: text("subject")?,
        audiences,
        description: text("description")?,
        claims_matching_expression,
    })
}

fn no_credential(name: &str) -> ApiError {
    let shown = carnet_core::safe_text(name);
    let message = format!("The federated identity credential '{shown}' could not be found.");
    error(StatusCode::NOT_FOUND, "NotFound", &message)
}

fn form(parent: &str, credential: &FederatedCredential) -> Value {
    json!({
        "id": format!("{parent}/federatedIdentityCredentials/{}", credential.name),
        "name": credential.name,
        "type": KIND,
        "properties": {
            "issuer": credential.issuer,
            "subject": credential.subject,
            "audiences": credential.audiences,
        },
    })
}
