//! `sys/leases/…`. Nothing here has a lease but tokens: theirs is named after the path that made them.

use serde_json::json;

use crate::{
    access::Place,
    call::Call,
    kv,
    policy::Operation,
    reply::{Answer, ApiError, Data, Reply, seconds_until, time},
    state::State,
};

/// Answers a request: `which` is the part after `leases/`, `below` what follows it.
pub(super) fn answer(state: &State, call: &Call, place: &Place, which: &str, below: &str) -> Answer {
    let now = state.now();
    let mut inner = state.lock();
    let asked = if below.is_empty() { call.text("lease_id") } else { below };
    let writes = matches!(place.operation, Operation::Create | Operation::Update);
    match which {
        "lookup" if place.operation == Operation::List => {
            let leases = inner.tokens.leases(&place.namespace, now);
            kv::list(leases.iter(), below)
        }
        "lookup" if writes => {
            let found = inner.tokens.of_lease(asked, &place.namespace, now);
            let token =
                found.and_then(|id| inner.tokens.find(id, now)).ok_or_else(|| ApiError::bad("invalid lease"))?;
            Data::of([
                ("id", asked.into()),
                ("issue_time", time(token.created).into()),
                ("expire_time", json!(token.expires.map(time))),
                ("last_renewal", json!(token.last_renewal.map(time))),
                ("renewable", token.renewable.into()),
                ("ttl", token.expires.map_or(0, |expires| seconds_until(expires, now)).into()),
            ])
            .answer()
        }
        "renew" if writes => match inner.tokens.of_lease(asked, &place.namespace, now) {
            Some(_) => Err(ApiError::bad("tokens cannot be renewed through this endpoint")),
            None => Err(ApiError::bad("lease not found")),
        },
        // What is not there has ended.
        "revoke" if writes => {
            if let Some(id) = inner.tokens.of_lease(asked, &place.namespace, now) {
                inner.tokens.revoke(id);
            }
            Ok(Reply::Nothing)
        }
        "revoke-prefix" | "revoke-force" if writes && !below.is_empty() => {
            inner.tokens.forget_path(&place.namespace, below);
            Ok(Reply::Nothing)
        }
        "lookup" | "renew" | "revoke" | "revoke-prefix" | "revoke-force" => Err(ApiError::unsupported()),
        _ => Err(ApiError::no_route(&place.path)),
    }
}
