//! The key-value engine, versions 1 and 2.

mod store;
mod v1;
mod v2;
mod weight;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    access::Caller,
    call::Call,
    policy::Operation,
    reply::{Answer, ApiError, Data},
    state::State,
    tokens::Id,
};
use store::Engine;

pub(crate) use weight::{MAX_STORED, of_data as weight_of};

/// Most secrets of one mount, and versions of one secret.
pub(crate) const MAX_SECRETS: usize = 1000;

/// What tokens keep for themselves, by token. It ends with the token, as nobody else can ask for it.
#[derive(Debug, Default)]
pub(crate) struct Cubbyholes(BTreeMap<Id, v1::Store>);

impl Cubbyholes {
    /// How much they take, in bytes.
    pub(crate) fn weight(&self) -> usize {
        self.0.values().map(v1::Store::weight).fold(0, usize::saturating_add)
    }

    /// Answers a request for what is below `cubbyhole/`. `room` is how much more may be stored.
    pub(crate) fn answer(
        &mut self,
        caller: &Caller,
        call: &Call,
        operation: Operation,
        path: &str,
        room: usize,
    ) -> Answer {
        if caller.token.batch {
            return Err(ApiError::bad("cubbyhole operations are only supported by \"service\" type tokens"));
        }
        if self.0.len() >= MAX_SECRETS && !self.0.contains_key(&caller.id) {
            self.0.pop_first();
        }
        let mut store = self.0.remove(&caller.id).unwrap_or_default();
        let answer = v1::answer(&mut store, call, operation, path, room);
        if !store.is_empty() {
            self.0.insert(caller.id, store);
        }
        answer
    }
}

/// Which version of the engine a mount has.
#[derive(Clone, Debug)]
pub(crate) enum Kv {
    /// Version 1.
    One(v1::Store),
    /// Version 2.
    Two(Engine),
}

impl Kv {
    /// An empty engine of this version (`options.version` of the mount).
    pub(crate) fn new(version: &str) -> Option<Self> {
        match version {
            "" | "1" => Some(Self::One(v1::Store::default())),
            "2" => Some(Self::Two(Engine::default())),
            _ => None,
        }
    }

    /// `1` or `2`.
    pub(crate) const fn version(&self) -> &'static str {
        match self {
            Self::One(_) => "1",
            Self::Two(_) => "2",
        }
    }

    /// Whether there is something at a path below the mount, which makes a write an update and not a creation.
    pub(crate) fn exists(&self, path: &str) -> bool {
        match self {
            Self::One(store) => store.contains(path),
            Self::Two(engine) => {
                let below = path.strip_prefix("data/").or_else(|| path.strip_prefix("metadata/"));
                // The other paths (config, delete, undelete, destroy) are always updates.
                below.is_none_or(|path| engine.secret(path).is_some())
            }
        }
    }

    /// How much is in it, in bytes.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Self::One(store) => store.weight(),
            Self::Two(engine) => engine.weight(),
        }
    }

    /// Answers a request for what is below the mount. `room` is how much more may be stored.
    pub(crate) fn answer(
        &mut self,
        state: &State,
        call: &Call,
        operation: Operation,
        path: &str,
        room: usize,
    ) -> Answer {
        match self {
            Self::One(store) => v1::answer(store, call, operation, path, room),
            Self::Two(engine) => v2::answer(engine, state, call, operation, path, room),
        }
    }
}

/// The names right below a folder: those of folders with a slash at the end.
///
/// # Errors
/// 404 without a text, when there is none.
pub(crate) fn list<'a>(paths: impl Iterator<Item = &'a String>, folder: &str) -> Answer {
    let mut keys: Vec<String> = paths
        .filter_map(|path| path.strip_prefix(folder))
        .map(|rest| match rest.split_once('/') {
            Some((name, _)) => format!("{name}/"),
            None => rest.to_owned(),
        })
        .collect();
    keys.sort_unstable();
    keys.dedup();
    if keys.is_empty() {
        return Err(ApiError::nothing());
    }
    Data::of([("keys", Value::from(keys))]).answer()
}
