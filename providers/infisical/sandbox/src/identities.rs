//! Identities and the configuration of their auth methods.

use carnet_core::{Mistake, Secret};
use carnet_infisical::trust::{ClientSecret, Method};
use carnet_jose::sha256;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use crate::{
    call::Call,
    reply::{Answer, ApiError, time},
    route::no_route,
    state::{Identity, Inner, MAX_ENTRIES, State, StoredSecret},
    tokens::{authenticate, check_admin},
};

/// The methods, and how an answer calls each.
const METHODS: [(&str, &str); 9] = [
    ("aws-auth", "identityAwsAuth"),
    ("azure-auth", "identityAzureAuth"),
    ("gcp-auth", "identityGcpAuth"),
    ("jwt-auth", "identityJwtAuth"),
    ("kubernetes-auth", "identityKubernetesAuth"),
    ("oci-auth", "identityOciAuth"),
    ("oidc-auth", "identityOidcAuth"),
    ("spiffe-auth", "identitySpiffeAuth"),
    ("universal-auth", "identityUniversalAuth"),
];

/// Whether there is an auth method of this name.
pub(crate) fn is_method(name: &str) -> bool {
    METHODS.iter().any(|(known, _)| *known == name)
}

/// `POST identities`.
pub(crate) fn create(state: &State, call: &Call) -> Answer {
    let claims = authenticate(state, call)?;
    let name = call.need("name")?.to_owned();
    let id = state.uuid();
    let mut inner = state.lock();
    check_admin(&inner, &claims, "create", "identity")?;
    if inner.identities.len() >= MAX_ENTRIES {
        return Err(ApiError::bad(format!("the sandbox holds at most {MAX_ENTRIES} identities")));
    }
    let org_id = inner.organization.id.clone();
    inner.identities.insert(id.clone(), Identity { name: name.clone(), ..Identity::default() });
    let now = time(state.now());
    Ok(json!({ "identity": { "id": id, "name": name, "orgId": org_id, "createdAt": now, "updatedAt": now } }))
}

/// `auth/METHOD/identities/ID` and what is below it.
pub(crate) fn configure(state: &State, call: &Call, verb: &str, name: &str, id: &str, rest: &[&str]) -> Answer {
    let claims = authenticate(state, call)?;
    let mut inner = state.lock();
    check_admin(&inner, &claims, if verb == "GET" { "read" } else { "edit" }, "identity")?;
    inner.identity_mut(id)?;
    match (verb, rest) {
        ("POST" | "PATCH", []) => write(state, &mut inner, call, verb, name, id),
        ("GET", []) => {
            let method = found(&mut inner, name, id)?;
            let client_id = inner.identity_mut(id)?.client_id.clone();
            Ok(with_client(shown(name, id, &method), &client_id, name))
        }
        ("DELETE", []) => {
            let method = found(&mut inner, name, id)?;
            inner.identity_mut(id)?.methods.remove(method.name());
            inner.tokens.revoke_scope(id, method.name(), state.now());
            Ok(shown(name, id, &method))
        }
        ("POST", ["client-secrets"]) if name == "universal-auth" => add_secret(state, &mut inner, call, id),
        ("POST", ["client-secrets", secret, "revoke"]) if name == "universal-auth" => {
            let now = state.now();
            let secrets = &mut inner.identity_mut(id)?.client_secrets;
            let at = secrets.iter().position(|stored| stored.id == *secret);
            let at = at.ok_or_else(|| ApiError::not_found(format!("Client secret with ID '{secret}' not found")))?;
            let stored = secrets.remove(at);
            inner.tokens.revoke_scope(id, &stored.id, now);
            Ok(json!({ "clientSecretData": about(&stored, true) }))
        }
        _ => Err(no_route(call)),
    }
}

fn found(inner: &mut Inner, name: &str, id: &str) -> Result<Method, ApiError> {
    let called = name.trim_end_matches("-auth");
    let missing = || ApiError::bad(format!("The identity does not have {called} auth attached"));
    inner.identity_mut(id)?.methods.get(name).cloned().ok_or_else(missing)
}

fn write(state: &State, inner: &mut Inner, call: &Call, verb: &str, name: &str, id: &str) -> Answer {
    let present = inner.identity_mut(id)?.methods.get(name).cloned();
    let fields = match (verb, &present) {
        ("POST", Some(_)) => {
            return Err(ApiError::bad(format!("Failed to add {name} to already configured identity")));
        }
        ("PATCH", None) => return Err(ApiError::bad(format!("Failed to update {name}"))),
        (_, Some(method)) => {
            let mut fields = fields(method);
            fields.extend(call.body.clone());
            // A secret is not among what is read back, so it stays unless it is written anew.
            if let (Method::Kubernetes(auth), false) = (method, fields.contains_key("tokenReviewerJwt")) {
                let kept = auth.token_reviewer_jwt.as_ref().map(|token| Value::from(token.expose()));
                fields.extend(kept.map(|token| ("tokenReviewerJwt".to_owned(), token)));
            }
            fields
        }
        (_, None) => call.body.clone(),
    };
    let method = parse(name, fields)?;
    method.check().map_err(|mistake| refused(&mistake))?;
    let client_id = state.uuid();
    let identity = inner.identity_mut(id)?;
    let name = method.name();
    if name == "universal-auth" && identity.client_id.is_empty() {
        identity.client_id = client_id;
    }
    let answer = shown(name, id, &method);
    identity.methods.insert(name, method);
    Ok(with_client(answer, &identity.client_id, name))
}

/// An error of the schema names its field; any other is a text.
fn refused(mistake: &Mistake) -> ApiError {
    if mistake.field.is_empty() {
        return ApiError::bad(mistake.message.clone());
    }
    ApiError::issue(&[mistake.field.as_str()], &mistake.message)
}

fn parse(name: &str, fields: Map<String, Value>) -> Result<Method, ApiError> {
    Ok(match name {
        "aws-auth" => Method::Aws(from(fields)?),
        "azure-auth" => Method::Azure(from(fields)?),
        "gcp-auth" => Method::Gcp(from(fields)?),
        "jwt-auth" => Method::Jwt(from(fields)?),
        "kubernetes-auth" => Method::Kubernetes(from(fields)?),
        "oci-auth" => Method::Oci(from(fields)?),
        "oidc-auth" => Method::Oidc(from(fields)?),
        "spiffe-auth" => Method::Spiffe(from(fields)?),
        _ => Method::Universal(from(fields)?),
    })
}

fn from<T: DeserializeOwned>(fields: Map<String, Value>) -> Result<T, ApiError> {
    serde_json::from_value(Value::Object(fields)).map_err(|error| {
        // What is quoted are names of fields and numbers; secrets are texts, which the message would not hold.
        ApiError::issue(&[], &carnet_core::safe_text(&error.to_string()))
    })
}

fn fields(method: &Method) -> Map<String, Value> {
    let value = match method {
        Method::Aws(auth) => to(auth),
        Method::Azure(auth) => to(auth),
        Method::Gcp(auth) => to(auth),
        Method::Jwt(auth) => to(auth),
        Method::Kubernetes(auth) => to(auth),
        Method::Oci(auth) => to(auth),
        Method::Oidc(auth) => to(auth),
        Method::Spiffe(auth) => to(auth),
        Method::Universal(auth) => to(auth),
    };
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

fn to(auth: &impl Serialize) -> Value {
    serde_json::to_value(auth).unwrap_or_default()
}

fn shown(name: &str, id: &str, method: &Method) -> Value {
    let mut fields = fields(method);
    fields.insert("identityId".to_owned(), id.into());
    let called = METHODS.iter().find(|(known, _)| *known == name).map_or(name, |(_, called)| *called);
    json!({ (called): fields })
}

fn with_client(mut answer: Value, client_id: &str, name: &str) -> Value {
    let universal = answer.get_mut("identityUniversalAuth").filter(|_| name == "universal-auth");
    if let Some(members) = universal.and_then(Value::as_object_mut) {
        members.insert("clientId".to_owned(), client_id.into());
    }
    answer
}

fn add_secret(state: &State, inner: &mut Inner, call: &Call, id: &str) -> Answer {
    found(inner, "universal-auth", id)?;
    let number = |name: &str| match call.body.get(name) {
        None => Ok(0),
        Some(value) => value.as_i64().filter(|n| *n >= 0).ok_or_else(|| ApiError::issue(&[name], "Expected number")),
    };
    let about_it =
        ClientSecret { created: state.now(), ttl: number("ttl")?, uses: 0, uses_limit: number("numUsesLimit")? };
    // Digests of random bytes: as long and as random as those of the product.
    let secret = Secret::new(carnet_core::hex(&sha256(state.world.random_hex::<32>().as_bytes())));
    let stored = StoredSecret::new(state.uuid(), &secret, about_it);
    let secrets = &mut inner.identity_mut(id)?.client_secrets;
    if secrets.len() >= MAX_ENTRIES {
        return Err(ApiError::bad(format!("the sandbox holds at most {MAX_ENTRIES} client secrets of an identity")));
    }
    let data = about(&stored, false);
    secrets.push(stored);
    Ok(json!({ "clientSecret": secret.expose(), "clientSecretData": data }))
}

fn about(stored: &StoredSecret, revoked: bool) -> Value {
    let ClientSecret { created, ttl, uses, uses_limit } = &stored.about;
    json!({
        "id": stored.id,
        "clientSecretTTL": ttl,
        "clientSecretNumUses": uses,
        "clientSecretNumUsesLimit": uses_limit,
        "isClientSecretRevoked": revoked,
        "createdAt": time(*created),
    })
}
