//! `auth/MOUNT/config` and `auth/MOUNT/role`.

use carnet_core::Mistake;
use carnet_vault::trust::{CheckedConfig, CheckedRole, KeyOrigin, MethodConfig};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::{
    access::Place,
    call::Call,
    policy::Operation,
    reply::{self, Answer, ApiError, Data, Reply},
    route::no_namespace,
    state::{AuthMount, Inner, JwtMethod, MAX_TRUSTS, State},
};

/// Names that fields had before all auth methods shared them; the new one wins.
const OLD_NAMES: [(&str, &str); 6] = [
    ("policies", "token_policies"),
    ("num_uses", "token_num_uses"),
    ("ttl", "token_ttl"),
    ("max_ttl", "token_max_ttl"),
    ("period", "token_period"),
    ("bound_cidrs", "token_bound_cidrs"),
];

/// Writes the configuration: all of it, and only when the keys can be fetched.
pub(crate) async fn configure(state: &State, call: &Call, place: &Place, mount: &str) -> Answer {
    let config: MethodConfig = from_fields(call.body.clone())?;
    let lenient = config.skip_jwks_validation;
    let checked = CheckedConfig::new(config).map_err(|mistake| invalid(&mistake))?;
    let mut warnings = Vec::new();
    if let Err(error) = state.issuers.keys(&checked, None).await {
        let what = match checked.keys() {
            KeyOrigin::Discovery(_) => "error checking oidc discovery URL",
            _ => "error checking jwks URL",
        };
        let text = format!("{what}: {}", carnet_core::chain(&error).join(": "));
        if !lenient {
            return Err(ApiError::bad(text));
        }
        warnings.push(text);
    }
    let mut inner = state.lock();
    method(&mut inner, place, mount)?.config = Some(checked);
    Ok(reply::with_warnings(warnings))
}

/// Answers the rest of a method's paths.
pub(crate) fn answer(state: &State, call: &Call, place: &Place, mount: &str, rest: &str) -> Answer {
    let mut inner = state.lock();
    let method = method(&mut inner, place, mount)?;
    match (rest, place.operation) {
        ("config", Operation::Read) => {
            let config = method.config.as_ref().ok_or_else(ApiError::nothing)?;
            fields(config.config()).answer()
        }
        ("role/", Operation::List) => Data::keys(method.roles.keys()),
        ("config" | "role/" | "role", _) => Err(ApiError::unsupported()),
        _ => match rest.strip_prefix("role/") {
            Some(name) => role(method, call, place.operation, &name.to_ascii_lowercase()),
            None => Err(ApiError::no_path()),
        },
    }
}

/// The method at this mount.
///
/// # Errors
/// 404.
pub(super) fn method<'i>(inner: &'i mut Inner, place: &Place, mount: &str) -> Result<&'i mut JwtMethod, ApiError> {
    let namespace = inner.namespaces.get_mut(&place.namespace).ok_or_else(no_namespace)?;
    let method = namespace.auths.get_mut(mount).and_then(AuthMount::jwt_mut);
    method.ok_or_else(|| ApiError::no_route(&place.path))
}

fn role(method: &mut JwtMethod, call: &Call, operation: Operation, name: &str) -> Answer {
    match operation {
        Operation::Read => {
            let role = method.roles.get(name).ok_or_else(ApiError::nothing)?;
            fields(role.role()).answer()
        }
        Operation::Create | Operation::Update => {
            if method.roles.len() >= MAX_TRUSTS && !method.roles.contains_key(name) {
                return Err(ApiError::bad(format!("the sandbox holds at most {MAX_TRUSTS} roles in a method")));
            }
            let stored = method.roles.get(name).map(|role| role.role().clone()).unwrap_or_default();
            let Data(mut merged) = fields(&stored);
            let (body, unknown) = known_fields(&call.body, &merged);
            merged.extend(body);
            let role = CheckedRole::new(name, from_fields(merged)?).map_err(|mistake| invalid(&mistake))?;
            method.roles.insert(name.to_owned(), role);
            Ok(reply::ignoring(&unknown))
        }
        Operation::Delete => {
            method.roles.remove(name);
            Ok(Reply::Nothing)
        }
        _ => Err(ApiError::unsupported()),
    }
}

/// The fields of a request under their present names, and the names that mean nothing.
pub(super) fn known_fields(body: &Map<String, Value>, known: &Map<String, Value>) -> (Map<String, Value>, Vec<String>) {
    let (mut fields, mut unknown) = (Map::new(), Vec::new());
    for (name, value) in body {
        let present = OLD_NAMES.iter().find(|(old, _)| old == name).map_or(name.as_str(), |(_, new)| *new);
        if present != name && body.contains_key(present) {
            continue;
        }
        if known.contains_key(present) {
            fields.insert(present.to_owned(), value.clone());
        } else {
            unknown.push(name.clone());
        }
    }
    (fields, unknown)
}

pub(super) fn fields(value: &impl Serialize) -> Data {
    Data::from_value(serde_json::to_value(value).unwrap_or_default())
}

pub(super) fn from_fields<T: DeserializeOwned>(fields: Map<String, Value>) -> Result<T, ApiError> {
    let read = serde_json::from_value(Value::Object(fields));
    read.map_err(|error| ApiError::bad(format!("Field validation failed: {error}")))
}

pub(super) fn invalid(mistake: &Mistake) -> ApiError {
    ApiError::bad(mistake.message.clone())
}
