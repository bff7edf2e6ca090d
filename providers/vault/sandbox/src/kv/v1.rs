//! Version 1: one body for each path.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{MAX_SECRETS, weight};
use crate::{
    call::Call,
    policy::Operation,
    reply::{Answer, ApiError, Data, Reply},
};

/// What a read calls the lifetime: the system's default lease, a hint only.
const LEASE: i64 = 2_764_800;

/// Secrets by path.
#[derive(Clone, Debug, Default)]
pub(crate) struct Store(BTreeMap<String, Entry>);

#[derive(Clone, Debug)]
struct Entry {
    data: Map<String, Value>,
    /// With its name.
    weight: usize,
}

impl Store {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How much is in it, in bytes.
    pub(super) fn weight(&self) -> usize {
        self.0.values().map(|entry| entry.weight).fold(0, usize::saturating_add)
    }

    pub(super) fn contains(&self, path: &str) -> bool {
        self.0.contains_key(path)
    }
}

/// Answers a request.
pub(super) fn answer(store: &mut Store, call: &Call, operation: Operation, path: &str, room: usize) -> Answer {
    match operation {
        Operation::List => super::list(store.0.keys(), path),
        Operation::Read => {
            let secret = store.0.get(path).ok_or_else(ApiError::nothing)?;
            let mut data = Data(secret.data.clone()).secret();
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
            let weight = weight::of_entry(path).saturating_add(weight::of_data(&call.body));
            weight::check(weight, room)?;
            store.0.insert(path.to_owned(), Entry { data: call.body.clone(), weight });
            Ok(Reply::Nothing)
        }
        Operation::Delete => {
            store.0.remove(path);
            Ok(Reply::Nothing)
        }
        _ => Err(ApiError::unsupported()),
    }
}
