//! Federated identity credentials of an application ("federatedIdentityCredential resource type").

use carnet_azure::trust::{ClientKind, FederatedCredential};
use carnet_core::Mistake;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{Admin, Key, applications};
use crate::{
    directory::Principal,
    reply::{Answer, ApiError, empty, guid, json_reply, ok},
};

const FIELDS: [&str; 6] = ["audiences", "claimsMatchingExpression", "description", "issuer", "name", "subject"];

/// Answers a call about the credentials of one application.
pub(super) fn answer(admin: &Admin<'_>, parent: &Key, key: Option<&Key>) -> Answer {
    match (admin.call.method.as_str(), key) {
        ("GET", None) => list(admin, parent),
        ("POST", None) => create(admin, parent),
        ("GET", Some(key)) => get(admin, parent, key),
        ("PATCH", Some(key)) => patch(admin, parent, key),
        ("DELETE", Some(key)) => delete(admin, parent, key),
        _ => Err(admin.no_segment()),
    }
}

/// The name of the credential that a key means: an id, or a name in either form.
fn name_of(principal: &Principal, key: &Key) -> Option<String> {
    let application = principal.application()?;
    let by_id = || application.credential_ids.iter().find(|(_, id)| *id == key.value()).map(|(name, _)| name.clone());
    let by_name = || principal.client.credentials.get(key.value()).map(|own| own.name.clone());
    match key {
        Key::Id(_) => by_id().or_else(by_name),
        Key::Alternate(property, _) if property == "name" => by_name(),
        Key::Alternate(..) => None,
    }
}

fn list(admin: &Admin<'_>, parent: &Key) -> Answer {
    let filter = admin.filter()?;
    let inner = admin.state.lock();
    let principal = applications::find(&inner.directory, parent).ok_or_else(|| admin.not_found(parent.value()))?;
    let fits = |own: &&FederatedCredential| match &filter {
        Some((property, value)) if property == "name" => own.name == *value,
        Some((property, value)) if property == "subject" => own.subject.as_deref() == Some(value.as_str()),
        Some((property, value)) if property == "issuer" => own.issuer == *value,
        Some(_) => false,
        None => true,
    };
    let entries = principal.client.credentials.iter().filter(fits).map(|own| form(admin, principal, own)).collect();
    Ok(admin.list(&context(principal), entries))
}

fn get(admin: &Admin<'_>, parent: &Key, key: &Key) -> Answer {
    let inner = admin.state.lock();
    let principal = applications::find(&inner.directory, parent).ok_or_else(|| admin.not_found(parent.value()))?;
    let name = name_of(principal, key).ok_or_else(|| admin.not_found(key.value()))?;
    let own = principal.client.credentials.get(&name).ok_or_else(|| admin.not_found(key.value()))?;
    Ok(ok(&admin.entity(&context(principal), form(admin, principal, own))))
}

fn create(admin: &Admin<'_>, parent: &Key) -> Answer {
    let body = admin.body()?;
    admin.only(&body, &FIELDS)?;
    let name = body.get("name").and_then(Value::as_str).unwrap_or_default();
    let mut inner = admin.state.lock();
    let principal = applications::find(&inner.directory, parent).ok_or_else(|| admin.not_found(parent.value()))?;
    if principal.client.credentials.get(name).is_some() {
        let shown = carnet_core::safe_text(name);
        return Err(admin.conflict(format!("FederatedIdentityCredential with name {shown} already exists.")));
    }
    let credential = read(admin, FederatedCredential::default(), &body)?;
    let client_id = principal.client.client_id.clone();
    put(admin, &mut inner, &client_id, credential)
}

/// Changes the one that is there, or creates it where the caller says so (`Prefer: create-if-missing`).
fn patch(admin: &Admin<'_>, parent: &Key, key: &Key) -> Answer {
    let body = admin.body()?;
    admin.only(&body, &FIELDS)?;
    let mut inner = admin.state.lock();
    let principal = applications::find(&inner.directory, parent).ok_or_else(|| admin.not_found(parent.value()))?;
    let client_id = principal.client.client_id.clone();
    let found = name_of(principal, key).and_then(|name| principal.client.credentials.get(&name).cloned());
    let upsert =
        admin.call.header("prefer").is_some_and(|prefer| prefer.split(',').any(|it| it.trim() == "create-if-missing"));
    let (before, new) = match (found, key) {
        (Some(found), _) => (found, false),
        (None, Key::Alternate(property, name)) if upsert && property == "name" => {
            (FederatedCredential { name: name.clone(), ..FederatedCredential::default() }, true)
        }
        _ => return Err(admin.not_found(key.value())),
    };
    let name = before.name.clone();
    let changed = read(admin, before, &body)?;
    if changed.name != name {
        return Err(admin.bad("Property 'name' is immutable and cannot be changed after it is initially set."));
    }
    let answer = put(admin, &mut inner, &client_id, changed)?;
    Ok(if new { answer } else { empty(StatusCode::NO_CONTENT) })
}

fn delete(admin: &Admin<'_>, parent: &Key, key: &Key) -> Answer {
    let mut inner = admin.state.lock();
    let principal = applications::find(&inner.directory, parent).ok_or_else(|| admin.not_found(parent.value()))?;
    let name = name_of(principal, key).ok_or_else(|| admin.not_found(key.value()))?;
    let client_id = principal.client.client_id.clone();
    inner.directory.change(&client_id, |own| {
        let removed: Result<bool, ()> = own.change(admin.now, |credentials| Ok(credentials.remove(&name)));
        if let (Ok(true), Some(application)) = (removed, own.application_mut()) {
            application.credential_ids.remove(&name);
        }
    });
    Ok(empty(StatusCode::NO_CONTENT))
}

fn put(admin: &Admin<'_>, inner: &mut crate::state::Inner, client_id: &str, credential: FederatedCredential) -> Answer {
    let (name, id) = (credential.name.clone(), guid(&admin.state.world));
    let changed = inner.directory.change(client_id, |own| {
        own.change(admin.now, |credentials| credentials.put(ClientKind::Application, credential))?;
        if let Some(application) = own.application_mut() {
            application.credential_ids.entry(name.clone()).or_insert(id);
        }
        let entity = own.client.credentials.get(&name).map(|made| form(admin, own, made));
        Ok::<_, Vec<Mistake>>((context(own), entity.unwrap_or_default()))
    });
    match changed {
        Some(Ok((context, entity))) => Ok(json_reply(StatusCode::CREATED, &admin.entity(&context, entity))),
        Some(Err(mistakes)) => Err(refused(admin, &mistakes)),
        None => Err(admin.not_found(client_id)),
    }
}

/// What creation refuses, in Graph's words. UNCONFIRMED: 409 for issuer and subject that another has.
fn refused(admin: &Admin<'_>, mistakes: &[Mistake]) -> ApiError {
    let Some(Mistake { field, message, .. }) = mistakes.first() else { return admin.bad("Invalid request.") };
    if message.contains("already exists") {
        let message = "FederatedIdentityCredential with the same issuer and subject already exists on the application.";
        return admin.conflict(message);
    }
    if field.is_empty() {
        return admin.bad(format!("The application cannot have more federated identity credentials: {message}."));
    }
    admin.bad(format!("Invalid value specified for property '{field}': {message}"))
}

/// The credential with what the body changes. `null` takes a member away.
fn read(
    admin: &Admin<'_>,
    mut credential: FederatedCredential,
    body: &Map<String, Value>,
) -> Result<FederatedCredential, ApiError> {
    let wrong = |name: &str| admin.bad(format!("Invalid value specified for property '{name}' of resource."));
    for (name, value) in body.iter().filter(|(name, _)| !name.starts_with('@')) {
        let text = || value.as_str().map(ToOwned::to_owned).ok_or_else(|| wrong(name));
        let optional = || if value.is_null() { Ok(None) } else { text().map(Some) };
        match name.as_str() {
            "name" => credential.name = text()?,
            "issuer" => credential.issuer = text()?,
            "subject" => credential.subject = optional()?,
            "description" => credential.description = optional()?,
            "audiences" => {
                credential.audiences = serde_json::from_value(value.clone()).map_err(|_form| wrong(name))?;
            }
            // Preview: only the beta endpoint has it.
            _ if admin.version != "beta" => return Err(wrong(name)),
            _ => {
                credential.claims_matching_expression =
                    serde_json::from_value(value.clone()).map_err(|_form| wrong(name))?;
            }
        }
    }
    Ok(credential)
}

fn context(principal: &Principal) -> String {
    let id = principal.application().map(|own| own.object_id.as_str()).unwrap_or_default();
    format!("applications('{id}')/federatedIdentityCredentials")
}

fn form(admin: &Admin<'_>, principal: &Principal, credential: &FederatedCredential) -> Value {
    let id = principal.application().and_then(|own| own.credential_ids.get(&credential.name));
    let mut entity = json!({
        "id": id,
        "name": credential.name,
        "issuer": credential.issuer,
        "subject": credential.subject,
        "audiences": credential.audiences,
        "description": credential.description,
    });
    if let (true, Some(members)) = (admin.version == "beta", entity.as_object_mut()) {
        let expression = serde_json::to_value(&credential.claims_matching_expression).unwrap_or_default();
        members.insert("claimsMatchingExpression".to_owned(), expression);
    }
    entity
}
