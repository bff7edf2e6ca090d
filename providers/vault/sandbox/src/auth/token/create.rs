//! `auth/token/create` and `auth/token/create-orphan`: tokens made by tokens.

use std::collections::{BTreeMap, BTreeSet};

use carnet_core::Secret;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{
    super::lifetime::{Life, Spans},
    TokenRole,
};
use crate::{
    access::{self, Caller, Place},
    call::Call,
    fields,
    reply::{self, Answer, ApiError, Reply},
    route::no_namespace,
    state::{Inner, State},
    tokens::{self, Token},
};

/// Which path makes a token.
#[derive(Debug)]
pub(super) enum How {
    /// `create`
    Child,
    /// `create-orphan`
    Orphan,
    /// `create/ROLE`
    Role(Box<TokenRole>),
}

impl How {
    fn role(&self) -> Option<&TokenRole> {
        if let Self::Role(role) = self { Some(role) } else { None }
    }

    fn path(&self) -> String {
        match self {
            Self::Child => "auth/token/create".to_owned(),
            Self::Orphan => "auth/token/create-orphan".to_owned(),
            Self::Role(role) => role.path(),
        }
    }
}

/// A child, or an orphan.
pub(super) fn create(
    state: &State,
    inner: &mut Inner,
    (call, place, caller): (&Call, &Place, &Caller),
    how: &How,
    now: Timestamp,
) -> Answer {
    if caller.token.batch {
        return Err(ApiError::bad("batch tokens cannot create more tokens"));
    }
    // Its children would not be counted.
    if caller.token.num_uses > 0 {
        return Err(ApiError::bad("restricted use token cannot generate child tokens"));
    }
    let namespace = inner.namespaces.get(&place.namespace).ok_or_else(no_namespace)?;
    let role = how.role();
    let policies = policies(call, place, caller, role)?;
    let no_parent = fields::flag(&call.body, "no_parent", false)?;
    if no_parent && matches!(how, How::Child) && !caller.sudo {
        return Err(ApiError::bad("root or sudo privileges required to create orphan token"));
    }
    let orphan = match how {
        How::Child => no_parent,
        How::Orphan => true,
        How::Role(role) => role.orphan,
    };
    let span = |field: &str| fields::span(&call.body, field);
    let (ttl, explicit, period) = (span("ttl")?, span("explicit_max_ttl")?, span("period")?);
    if period.is_positive() && !caller.sudo {
        return Err(ApiError::bad("root or sudo privileges required to create periodic token"));
    }
    let num_uses = fields::whole(&call.body, "num_uses")?;
    if num_uses < 0 {
        return Err(ApiError::bad("number of uses cannot be negative"));
    }
    // Of role and request the lesser that is set.
    let lesser = |asked: SignedDuration, of: fn(&TokenRole) -> SignedDuration| {
        [Some(asked), role.map(of)].into_iter().flatten().filter(SignedDuration::is_positive).min().unwrap_or_default()
    };
    let (period, explicit) = (lesser(period, |role| role.period), lesser(explicit, |role| role.explicit_max_ttl));
    let uses = [num_uses, role.map_or(0, |role| role.num_uses)];
    let num_uses = uses.into_iter().filter(|uses| *uses > 0).min().unwrap_or(0);
    let asked = fields::text(&call.body, "type")?;
    if !matches!(asked, "" | "service" | "batch") {
        return Err(ApiError::bad("invalid 'token_type' value"));
    }
    let batch = role.map_or(asked == "batch", |role| role.is_batch(asked));
    // No role allows any alias here.
    if !fields::text(&call.body, "entity_alias")?.is_empty() {
        let alone = "'entity_alias' is only allowed in combination with token role";
        return Err(ApiError::bad(if role.is_none() { alone } else { "invalid 'entity_alias' value" }));
    }
    let chosen = chosen(inner, call, place, caller, batch)?;
    if batch && (period.is_positive() || num_uses > 0) {
        return Err(ApiError::bad("batch tokens cannot be periodic or have limited uses"));
    }
    // It would never end, and nobody could revoke it.
    if batch && policies.contains("root") {
        return Err(ApiError::bad("batch tokens cannot be root tokens"));
    }
    let forever = policies.contains("root") && ttl.is_zero() && !period.is_positive();
    if forever && caller.token.expires.is_some() {
        return Err(ApiError::bad("expiring root tokens cannot create non-expiring root tokens"));
    }
    let spans = Spans { ttl, max: SignedDuration::ZERO, explicit, period };
    let Life { ttl, warning } = spans.life(&namespace.token.tuning, now, now);
    let name = call.text("display_name");
    let token = Token {
        policies,
        path: how.path(),
        display_name: if name.is_empty() { "token".to_owned() } else { format!("token-{name}") },
        meta: meta(call)?,
        num_uses,
        ttl: if forever { SignedDuration::ZERO } else { ttl },
        expires: if forever { None } else { now.saturating_add(ttl).ok() },
        explicit_max_ttl: explicit,
        period,
        renewable: fields::flag(&call.body, "renewable", true)?
            && !batch
            && !forever
            && role.is_none_or(|role| !role.fixed),
        batch,
        entity_id: if orphan { String::new() } else { caller.token.entity_id.clone() },
        namespace: place.namespace.clone(),
        namespace_id: namespace.id.clone(),
        parent: if orphan { None } else { Some(caller.id) },
        bound: role.map(|role| role.bound.clone()).unwrap_or_default(),
        ..Token::root(now)
    };
    let (text, token) = match chosen {
        Some(text) => {
            let token = inner.tokens.insert(&state.world, &text, token);
            (text, token)
        }
        None => inner.tokens.issue(&state.world, token),
    };
    let identity = access::identity_policies(inner, &token);
    let warnings = warning.filter(|_| !forever).into_iter().collect();
    let auth = Some(token.auth(text.expose(), &identity, now));
    let secret = reply::Secret { auth, warnings, ..reply::Secret::default() };
    Ok(Reply::Secret(Box::new(secret)))
}

/// The policies of the new token. Without `sudo` on the path they are a subset of the caller's; where none are asked for they
/// are the caller's. In a namespace below the caller's the same names mean other policies: there it takes `sudo`, and nothing
/// is inherited (`OpenBao` 2.7, `resolveTokenPolicies`). A role may have rules of its own in place of the caller's policies.
fn policies(
    call: &Call,
    place: &Place,
    caller: &Caller,
    role: Option<&TokenRole>,
) -> Result<BTreeSet<String>, ApiError> {
    let parent = &caller.token.policies;
    let asked = fields::names(&call.body, "policies")?;
    let mut policies: BTreeSet<String> = asked.iter().map(|policy| policy.to_lowercase()).collect();
    let elsewhere = place.namespace != caller.token.namespace;
    let nothing = BTreeSet::new();
    let inherited = if elsewhere { &nothing } else { parent };
    let by_role = role.map_or(Ok(None), |role| role.policies(&policies, inherited))?;
    let with_default = if elsewhere {
        if !caller.sudo {
            let text = "root or sudo privileges required to directly generate a token in a child namespace";
            return Err(ApiError::bad(text));
        }
        policies = by_role.unwrap_or(policies);
        if policies.contains("root") {
            return Err(ApiError::bad("root tokens may not be created from a parent namespace"));
        }
        true
    } else if let Some(by_role) = by_role {
        policies = by_role;
        true
    } else if policies.is_empty() {
        policies.clone_from(parent);
        false
    } else if caller.sudo {
        true
    } else if policies.is_subset(parent) {
        parent.contains("default")
    } else {
        return Err(ApiError::bad("child policies must be subset of parent"));
    };
    if policies.contains("root") && !parent.contains("root") {
        return Err(ApiError::bad("root tokens may not be created without parent token being root"));
    }
    if policies.contains("response-wrapping") {
        return Err(ApiError::bad("cannot assign policy \"response-wrapping\""));
    }
    if policies.contains("root") {
        return Ok(["root".to_owned()].into());
    }
    if fields::flag(&call.body, "no_default_policy", false)? || role.is_some_and(|role| role.no_default) {
        policies.remove("default");
    } else if with_default {
        policies.insert("default".to_owned());
    }
    Ok(policies)
}

/// The token itself, where the caller chooses it, which takes `sudo` (`OpenBao` 2.7, `handleCreateCommon` and `create`).
fn chosen(inner: &Inner, call: &Call, place: &Place, caller: &Caller, batch: bool) -> Result<Option<Secret>, ApiError> {
    let id = fields::text(&call.body, "id")?;
    let wrong = if id.is_empty() {
        return Ok(None);
    } else if !caller.sudo {
        "root or sudo privileges required to specify token id"
    } else if !place.namespace.is_empty() {
        "token IDs can only be manually specified in the root namespace"
    } else if batch {
        "batch tokens cannot have a chosen ID"
    } else if id.starts_with("hvs.") {
        "custom token ID cannot have the 'hvs.' prefix"
    } else if id.starts_with("s.") {
        "custom token ID cannot have the 's.' prefix"
    } else if id.contains('.') {
        "custom token ID cannot contain the '.' character"
    } else if inner.tokens.is_taken(tokens::id(id)) {
        "cannot create a token with a duplicate ID"
    } else {
        return Ok(Some(Secret::new(id)));
    };
    Err(ApiError::bad(wrong))
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
