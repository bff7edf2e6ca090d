//! Version 1: one body for each path.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::MAX_SECRETS;
use crate::{
    call::Call,
    policy::Operation,
    reply::{Answer, ApiError, Data, Reply},
};

/// What a read calls the lifetime: the system's default lease, a hint only.
const LEASE: i64 = 2_764_800;

/// Secrets by path.
#[derive(Clone, Debug, Default)]
pub(crate) struct Store(BTreeMap<String, Map<String, Value>>);

impl Store {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn contains(&self, path: &str) -> bool {
        self.0.contains_key(path)
    }
}

/// Answers a request.
pub(super) fn answer(store: &mut Store, call: &Call, operation: Operation, path: &str) -> Answer {
    match operation {
        Operation::List => super::list(store.0.keys(), path),
        Operation::Read => {
            let secret = store.0.get(path).ok_or_else(ApiError::nothing)?;
            let mut data = Data(secret.clone()).secret();
            data.lease_duration = LEASE;
            Ok(Reply::Secret(Box::new(data)))
        }
        Operation::Create | Operation::Update => {
            if call.body.is_empty() {
                return Err(ApiError::bad("missing data fields"));
            }
            if store.0.len() >= MAX_SECRETS && !store.contains(path) {
                return Err(ApiError::bad(format!("the sandbox holds at most {MAX_SECRETS} secrets in a mount")));
            }
            store.0.insert(path.to_owned(), call.body.clone());
            Ok(Reply::Nothing)
        }
        Operation::Delete => {
            store.0.remove(path);
            Ok(Reply::Nothing)
        }
        _ => Err(ApiError::unsupported()),
    }
}
