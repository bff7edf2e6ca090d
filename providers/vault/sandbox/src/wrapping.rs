//! Answers that are handed over in a wrapper that opens once.

use std::collections::BTreeMap;

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::{
    access::{self, Place},
    call::Call,
    kv::{MAX_STORED, weight_of},
    policy::Operation,
    reply::{Answer, ApiError, Data, Reply, Secret, time},
    state::State,
    tokens::{self, Id, Token},
};

/// Most wrappers that are kept.
const MAX_WRAPPED: usize = 1000;
const BAD: &str = "wrapping token is not valid or does not exist";

/// What is wrapped, by the hash of the wrapping token.
#[derive(Debug, Default)]
pub(crate) struct Wrapped(BTreeMap<Id, Entry>);

#[derive(Clone, Debug)]
struct Entry {
    secret: Secret,
    created: Timestamp,
    ttl: SignedDuration,
    path: String,
    /// What the answer takes, in bytes.
    weight: usize,
}

impl Wrapped {
    /// Whether there is room for one more of this weight.
    fn has_room(&self, weight: usize) -> bool {
        let taken = self.0.values().map(|entry| entry.weight).fold(weight, usize::saturating_add);
        self.0.len() < MAX_WRAPPED && taken <= MAX_STORED
    }

    fn live(&self, id: Id, now: Timestamp) -> Option<&Entry> {
        self.0.get(&id).filter(|entry| entry.created.saturating_add(entry.ttl).is_ok_and(|end| end > now))
    }
}

/// The body of an answer: wrapped, if the request asks for it and there is something in it.
pub(crate) fn envelope(state: &State, call: &Call, secret: &Secret) -> Value {
    let wrap = call.wrap_ttl.filter(|_| secret.data.is_some() || secret.auth.is_some());
    let Some(ttl) = wrap else { return secret.envelope(&state.uuid(), &Value::Null) };
    let info = wrap_up(state, secret.clone(), ttl, &call.path);
    Secret::default().envelope(&state.uuid(), &info)
}

fn wrap_up(state: &State, secret: Secret, ttl: SignedDuration, path: &str) -> Value {
    let now = state.now();
    let wrapped_accessor = secret.auth.as_ref().and_then(|auth| auth.get("accessor")).cloned();
    let mut inner = state.lock();
    let (text, token) = inner.tokens.issue(
        &state.world,
        Token {
            policies: ["response-wrapping".to_owned()].into(),
            path: path.to_owned(),
            display_name: String::new(),
            ttl,
            expires: now.saturating_add(ttl).ok(),
            ..Token::root(now)
        },
    );
    let weight = secret.data.as_ref().map_or(0, weight_of);
    if !inner.wrapped.has_room(weight) {
        inner.wrapped.0.retain(|_, entry| entry.created.saturating_add(entry.ttl).is_ok_and(|end| end > now));
    }
    while !inner.wrapped.has_room(weight) && inner.wrapped.0.pop_first().is_some() {}
    let entry = Entry { secret, created: now, ttl, path: path.to_owned(), weight };
    inner.wrapped.0.insert(tokens::id(text.expose()), entry);
    let mut info = json!({
        "token": text.expose(),
        "accessor": token.accessor,
        "ttl": ttl.as_secs(),
        "creation_time": time(now),
        "creation_path": path,
    });
    if let (Some(accessor), Some(members)) = (wrapped_accessor, info.as_object_mut()) {
        members.insert("wrapped_accessor".to_owned(), accessor);
    }
    info
}

/// Answers what lies below `sys/wrapping/` and is about a wrapping token. A caller that shows it as its own token needs no other
/// right; whoever names it in the body is a caller like any other, except that anybody may look it up.
pub(crate) fn answer(state: &State, call: &Call, place: &Place) -> Option<Answer> {
    let writes = matches!(place.operation, Operation::Update | Operation::Create);
    let asked = match call.text("token") {
        "" => call.token().unwrap_or_default(),
        token => token,
    };
    let which = place.path.strip_prefix("sys/wrapping/")?;
    if matches!(which, "unwrap" | "rewrap")
        && writes
        && call.token() != Some(asked)
        && let Err(denied) = access::authorize(state, call, place)
    {
        return Some(Err(denied));
    }
    match which {
        "unwrap" if writes => Some(unwrap(state, asked).map(|entry| Reply::Secret(Box::new(entry.secret)))),
        "lookup" if writes || place.operation == Operation::Read => Some(lookup(state, asked)),
        "rewrap" if writes => Some(unwrap(state, asked).map(|entry| {
            let info = wrap_up(state, entry.secret, entry.ttl, &entry.path);
            Reply::Raw(StatusCode::OK, Secret::default().envelope(&state.uuid(), &info))
        })),
        _ => None,
    }
}

/// Takes what is wrapped; the second time there is nothing.
fn unwrap(state: &State, token: &str) -> Result<Entry, ApiError> {
    let id = tokens::id(token);
    let mut inner = state.lock();
    let good = inner.wrapped.live(id, state.now()).is_some();
    inner.tokens.revoke_wrapping(id);
    inner.wrapped.0.remove(&id).filter(|_| good).ok_or_else(|| ApiError::bad(BAD))
}

fn lookup(state: &State, token: &str) -> Answer {
    let inner = state.lock();
    let entry = inner.wrapped.live(tokens::id(token), state.now()).ok_or_else(|| ApiError::bad(BAD))?;
    Data::of([
        ("creation_time", time(entry.created).into()),
        ("creation_ttl", entry.ttl.as_secs().into()),
        ("creation_path", entry.path.as_str().into()),
    ])
    .flat()
}
