//! Roles of the methods that are decided here: written, read, listed and taken away alike.

use std::collections::BTreeMap;

use carnet_vault::trust::TokenFields;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;

use super::jwt::{fields as shown, from_fields, known_fields};
use crate::{
    call::Call,
    fields,
    policy::Operation,
    reply::{Answer, ApiError, Data, Reply},
    state::MAX_ENTRIES,
};

/// What a role of a method says.
pub(super) trait Role: Clone + Default + Serialize + DeserializeOwned {
    /// Fields that are lists, and may be sent as one text.
    const LISTS: &'static [&'static str];

    /// What a write refuses.
    ///
    /// # Errors
    /// 400.
    fn check(&self) -> Result<(), ApiError>;

    /// What its tokens become.
    fn token(&self) -> &TokenFields;
}

/// Answers a request for the role of this name, for the list of all where there is none.
pub(super) fn answer<R: Role>(
    roles: &mut BTreeMap<String, R>,
    call: &Call,
    operation: Operation,
    name: &str,
) -> Answer {
    let name = name.to_ascii_lowercase();
    match operation {
        Operation::List if name.is_empty() => Data::keys(roles.keys()),
        _ if name.is_empty() || name.contains('/') => Err(ApiError::unsupported()),
        Operation::Read => shown(roles.get(&name).ok_or_else(ApiError::nothing)?).answer(),
        Operation::Create | Operation::Update => {
            if roles.len() >= MAX_ENTRIES && !roles.contains_key(&name) {
                return Err(ApiError::bad(format!("the sandbox holds at most {MAX_ENTRIES} roles in a method")));
            }
            let Data(mut merged) = shown(&roles.get(&name).cloned().unwrap_or_default());
            let (mut body, _unknown) = known_fields(&call.body, &merged);
            for list in R::LISTS.iter().filter(|list| call.body.contains_key(**list)) {
                body.insert((*list).to_owned(), json!(fields::names(&call.body, list)?));
            }
            merged.extend(body);
            let role: R = from_fields(merged)?;
            role.check()?;
            roles.insert(name, role);
            Ok(Reply::Nothing)
        }
        Operation::Delete => {
            roles.remove(&name);
            Ok(Reply::Nothing)
        }
        _ => Err(ApiError::unsupported()),
    }
}
