//! `auth/token/create` and `auth/token/create-orphan`: tokens made by tokens.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::SYSTEM_TTL;
use crate::{
    access::{self, Caller},
    call::Call,
    fields,
    reply::{Answer, ApiError, Reply, Secret},
    state::{Inner, State},
    tokens::Token,
};

/// A child, or an orphan.
pub(super) fn create(
    state: &State,
    inner: &mut Inner,
    call: &Call,
    caller: &Caller,
    orphan: bool,
    now: Timestamp,
) -> Answer {
    if caller.token.batch {
        return Err(ApiError::bad("batch tokens cannot create more tokens"));
    }
    let policies = policies(call, caller)?;
    let no_parent = fields::flag(&call.body, "no_parent", false)?;
    if no_parent && !orphan && !caller.acl.is_root() {
        return Err(ApiError::bad("root or sudo privileges required to create orphan token"));
    }
    let span = |field: &str| fields::span(&call.body, field);
    let (ttl, explicit, period) = (span("ttl")?, span("explicit_max_ttl")?, span("period")?);
    let num_uses = fields::whole(&call.body, "num_uses")?;
    if num_uses < 0 {
        return Err(ApiError::bad("number of uses cannot be negative"));
    }
    let batch = call.text("type") == "batch";
    if batch && (period.is_positive() || num_uses > 0) {
        return Err(ApiError::bad("batch tokens cannot be periodic or have limited uses"));
    }
    let forever = policies.contains("root") && ttl.is_zero() && !period.is_positive();
    let wanted = [period, ttl].into_iter().find(SignedDuration::is_positive).unwrap_or(SYSTEM_TTL);
    let ttl = if explicit.is_positive() { wanted.min(explicit) } else { wanted }.min(SYSTEM_TTL);
    let longest = [explicit, if period.is_positive() { SignedDuration::ZERO } else { SYSTEM_TTL }];
    let most = longest.into_iter().filter(SignedDuration::is_positive).min();
    let name = call.text("display_name");
    let token = Token {
        policies,
        path: format!("auth/token/create{}", if orphan { "-orphan" } else { "" }),
        display_name: if name.is_empty() { "token".to_owned() } else { format!("token-{name}") },
        meta: meta(call)?,
        num_uses,
        ttl: if forever { SignedDuration::ZERO } else { ttl },
        expires: if forever { None } else { now.saturating_add(ttl).ok() },
        most: most.and_then(|most| now.saturating_add(most).ok()),
        explicit_max_ttl: explicit,
        period,
        renewable: fields::flag(&call.body, "renewable", true)? && !batch && !forever,
        batch,
        entity_id: if orphan { String::new() } else { caller.token.entity_id.clone() },
        namespace: caller.token.namespace.clone(),
        namespace_id: caller.token.namespace_id.clone(),
        parent: if orphan || no_parent { None } else { Some(caller.id) },
        ..Token::root(now)
    };
    let (text, token) = inner.tokens.issue(&state.world, token);
    let identity = access::identity_policies(inner, &token);
    let secret = Secret { auth: Some(token.auth(text.expose(), &identity, now)), ..Secret::default() };
    Ok(Reply::Secret(Box::new(secret)))
}

/// The policies of the new token: a subset of the caller's, unless the caller is root. Where none are asked for, the caller's.
fn policies(call: &Call, caller: &Caller) -> Result<BTreeSet<String>, ApiError> {
    let parent = &caller.token.policies;
    let asked = fields::names(&call.body, "policies")?;
    let mut policies: BTreeSet<String> = asked.iter().map(|policy| policy.to_lowercase()).collect();
    if policies.is_empty() {
        policies.clone_from(parent);
    }
    if policies.contains("response-wrapping") {
        return Err(ApiError::bad("cannot assign policy \"response-wrapping\""));
    }
    if !policies.contains("root") && !fields::flag(&call.body, "no_default_policy", false)? {
        policies.insert("default".to_owned());
    }
    let covered = policies.iter().all(|policy| policy == "default" || parent.contains(policy));
    if !caller.acl.is_root() && !covered {
        return Err(ApiError::bad("child policies must be subset of parent"));
    }
    Ok(policies)
}

fn meta(call: &Call) -> Result<BTreeMap<String, String>, ApiError> {
    let texts: Option<BTreeMap<String, String>> = match call.body.get("meta") {
        None | Some(Value::Null) => Some(BTreeMap::new()),
        Some(Value::Object(meta)) => {
            meta.iter().map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
        }
        Some(_) => None,
    };
    texts.ok_or_else(|| ApiError::bad("error converting input for field \"meta\""))
}
