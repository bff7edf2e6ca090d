//! `sys/policies/acl` and the old `sys/policy`.

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{
    access::Place,
    call::Call,
    policy::{Operation, parse_policy},
    reply::{Answer, ApiError, Data, Reply},
    route::no_namespace,
    state::{MAX_ENTRIES, PolicyEntry, State},
};

/// Answers a request.
pub(super) fn answer(state: &State, call: &Call, place: &Place, rest: &str) -> Answer {
    let (old, below) = match rest.strip_prefix("policies/acl") {
        Some(below) => (false, below),
        None => (true, rest.strip_prefix("policy").ok_or_else(|| ApiError::no_route(&place.path))?),
    };
    let name = match below.strip_prefix('/') {
        Some(name) => name.to_lowercase(),
        None if below.is_empty() => String::new(),
        None => return Err(ApiError::no_route(&place.path)),
    };
    let mut inner = state.lock();
    let policies = &mut inner.namespaces.get_mut(&place.namespace).ok_or_else(no_namespace)?.policies;
    match place.operation {
        Operation::List | Operation::Read if name.is_empty() => {
            let mut names: Vec<String> = policies.keys().cloned().collect();
            if place.namespace.is_empty() {
                names.push("root".to_owned());
            }
            let mut data = Data::of([("keys", names.clone().into())]);
            if old {
                data.0.insert("policies".to_owned(), names.into());
            }
            data.flat()
        }
        _ if name.is_empty() => Err(ApiError::unsupported()),
        Operation::Read => {
            let text = match policies.get(&name) {
                Some(entry) => entry.text.clone(),
                None if name == "root" => String::new(),
                None => return Err(ApiError::new(http::StatusCode::NOT_FOUND, [format!("No policy named: {name}")])),
            };
            let field = if old { "rules" } else { "policy" };
            Data::of([("name", name.into()), (field, text.into())]).flat()
        }
        Operation::Create | Operation::Update => {
            if matches!(name.as_str(), "root" | "response-wrapping") {
                return Err(ApiError::bad(format!("cannot update {name:?} policy")));
            }
            let sent = [call.text("policy"), call.text("rules")].into_iter().find(|text| !text.is_empty());
            let sent = sent.ok_or_else(|| ApiError::bad("'policy' parameter not supplied or empty"))?;
            let decoded = STANDARD.decode(sent.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let text = decoded.unwrap_or_else(|| sent.to_owned());
            let policy = parse_policy(&text)
                .map_err(|mistake| ApiError::bad(format!("failed to parse policy: {}", mistake.0)))?;
            if policies.len() >= MAX_ENTRIES && !policies.contains_key(&name) {
                return Err(ApiError::bad(format!("the sandbox holds at most {MAX_ENTRIES} policies in a namespace")));
            }
            policies.insert(name, PolicyEntry { text, policy });
            Ok(Reply::Nothing)
        }
        Operation::Delete => {
            if matches!(name.as_str(), "root" | "default" | "response-wrapping") {
                return Err(ApiError::bad(format!("cannot delete {name:?} policy")));
            }
            policies.remove(&name);
            Ok(Reply::Nothing)
        }
        _ => Err(ApiError::unsupported()),
    }
}
