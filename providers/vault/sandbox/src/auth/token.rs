//! `auth/token/…`: what a token may do with itself and others.

use std::collections::{BTreeMap, BTreeSet};

use carnet_trust::Refusal;
use carnet_vault::trust::TokenFields;
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::issue;
use crate::{
    access::{self, Caller, Place},
    call::Call,
    duration,
    policy::Operation,
    reply::{Answer, ApiError, Data, Reply, Secret},
    state::{Inner, Method, State},
    tokens::{self, Id, Origin, Token},
};

/// The life of a token when nobody says one.
const SYSTEM_TTL: SignedDuration = carnet_vault::trust::SYSTEM_TTL;

/// Answers a request for what is below `auth/token/`. The caller's policies have let it in.
pub(crate) fn answer(state: &State, call: &Call, _place: &Place, caller: &Caller, rest: &str) -> Answer {
    let now = state.now();
    let own = call.token().unwrap_or_default();
    let mut inner = state.lock();
    match (rest, call.operation) {
        ("lookup-self", Operation::Read | Operation::Update) => {
            // As it is after this use.
            let token = inner.tokens.find(caller.id, now).unwrap_or(&caller.token);
            describe(&inner, token, own, now)
        }
        ("renew-self", Operation::Update) => renew(&mut inner, call, caller.id, own, now),
        ("revoke-self", Operation::Update) => revoke(&mut inner, caller.id, now),
        ("lookup" | "renew" | "revoke" | "revoke-orphan", Operation::Update) => {
            let text = call.text("token");
            let id = tokens::id(text);
            if inner.tokens.find(id, now).is_none() {
                return Err(unknown(rest));
            }
            match rest {
                "lookup" => {
                    let token = inner.tokens.find(id, now).ok_or_else(|| unknown(rest))?;
                    describe(&inner, token, text, now)
                }
                "renew" => renew(&mut inner, call, id, text, now),
                "revoke" => revoke(&mut inner, id, now),
                _ => {
                    inner.tokens.revoke_orphan(id);
                    Ok(Reply::Nothing)
                }
            }
        }
        ("lookup-accessor" | "renew-accessor" | "revoke-accessor", Operation::Update) => {
            let found = inner.tokens.by_accessor(call.text("accessor"));
            let id = found.ok_or_else(|| ApiError::new(StatusCode::FORBIDDEN, ["invalid accessor"]))?;
            match rest {
                "lookup-accessor" => {
                    let token = inner.tokens.find(id, now);
                    let invalid = || ApiError::new(StatusCode::FORBIDDEN, ["invalid accessor"]);
                    describe(&inner, token.ok_or_else(invalid)?, "", now)
                }
                "renew-accessor" => renew(&mut inner, call, id, "", now),
                _ => revoke(&mut inner, id, now),
            }
        }
        ("accessors/", Operation::List) => {
            Data::of([("keys", inner.tokens.accessors(&caller.token.namespace).into())]).answer()
        }
        ("create" | "create-orphan", Operation::Update) => {
            create(state, &mut inner, call, caller, rest == "create-orphan", now)
        }
        _ => Err(ApiError::unsupported()),
    }
}

fn describe(inner: &Inner, token: &Token, id: &str, now: Timestamp) -> Answer {
    Data::from_value(token.describe(id, &access::identity_policies(inner, token), now)).answer()
}

/// `lookup` of what is no token: 403 "bad token".
fn unknown(verb: &str) -> ApiError {
    let refusal = Refusal::new(
        "token",
        "an unknown token",
        "a token of this server",
        "bad token",
        "look at what is sent as `token`",
    );
    let status = if verb == "lookup" { StatusCode::FORBIDDEN } else { StatusCode::BAD_REQUEST };
    let text = if verb == "lookup" { "bad token" } else { "token not found" };
    ApiError { refusal: Some(Box::new(refusal)), ..ApiError::new(status, [text]) }
}

fn revoke(inner: &mut Inner, id: Id, now: Timestamp) -> Answer {
    if inner.tokens.find(id, now).is_some_and(|token| token.batch) {
        return Err(ApiError::bad("batch tokens cannot be revoked"));
    }
    inner.tokens.revoke(id);
    Ok(Reply::Nothing)
}

/// More time for a token: what its role gives now, or what is asked for, up to the end that was set at the login. The JWT is
/// not looked at again, but the role must still be there.
fn renew(inner: &mut Inner, call: &Call, id: Id, text: &str, now: Timestamp) -> Answer {
    let token = inner.tokens.find(id, now).cloned().ok_or_else(|| ApiError::bad("lease is not renewable"))?;
    if token.batch {
        return Err(ApiError::bad("batch tokens cannot be renewed"));
    }
    if !token.renewable {
        return Err(ApiError::bad("lease is not renewable"));
    }
    let asked = match call.body.get("increment") {
        None | Some(Value::Null) => None,
        Some(value) => Some(
            duration::parse(value).ok_or_else(|| ApiError::bad("error converting input for field \"increment\""))?,
        ),
    };
    let (ttl, period, most) = match token.origin.as_ref().filter(|origin| !origin.program) {
        None => (token.ttl, token.period, token.most),
        Some(origin) => {
            let fields = role_fields(inner, &token.namespace, origin);
            let fields =
                fields.ok_or_else(|| ApiError::bad("failed to validate role during renewal: role does not exist"))?;
            let period = SignedDuration::from_secs(fields.token_period);
            (fields.lifetime(), period, issue::most(fields, token.created))
        }
    };
    let more = if period.is_positive() { period } else { asked.filter(SignedDuration::is_positive).unwrap_or(ttl) };
    let wanted = now.saturating_add(more.min(SYSTEM_TTL)).unwrap_or(now);
    let end = most.map_or(wanted, |most| wanted.min(most));
    let mut secret = Secret::default();
    if end < wanted {
        let left = end.duration_since(now).as_secs();
        secret.warnings.push(format!(
            "TTL of \"{}s\" exceeded the effective max_ttl of \"{left}s\"; TTL value is capped accordingly",
            more.as_secs()
        ));
    }
    let identity = access::identity_policies(inner, &token);
    if let Some(kept) = inner.tokens.find_mut(id) {
        kept.expires = Some(end);
        kept.most = most;
        kept.period = period;
        kept.last_renewal = Some(now);
        secret.auth = Some(kept.auth(text, &identity, now));
    }
    Ok(Reply::Secret(Box::new(secret)))
}

/// What the role of a login says of its tokens now.
fn role_fields<'a>(inner: &'a Inner, namespace: &str, origin: &Origin) -> Option<&'a TokenFields> {
    match &inner.namespaces.get(namespace)?.auths.get(&origin.mount)?.method {
        Method::Jwt(method) => Some(&method.roles.get(&origin.role)?.role().token),
        Method::Aws(method) => method.token_fields(&origin.role),
    }
}

/// A child, or an orphan: its policies are a subset of the caller's, unless the caller is root.
fn create(state: &State, inner: &mut Inner, call: &Call, caller: &Caller, orphan: bool, now: Timestamp) -> Answer {
    if caller.token.batch {
        return Err(ApiError::bad("batch tokens cannot create more tokens"));
    }
    let root = caller.acl.is_root();
    let span = |name: &str| match call.body.get(name) {
        None | Some(Value::Null) => Ok(SignedDuration::ZERO),
        Some(value) => duration::parse(value)
            .filter(|span| !span.is_negative())
            .ok_or_else(|| ApiError::bad(format!("error converting input for field {name:?}"))),
    };
    let set = |name: &str, default: bool| call.body.get(name).and_then(Value::as_bool).unwrap_or(default);
    let mut policies: BTreeSet<String> = match call.body.get("policies") {
        Some(Value::Array(list)) if !list.is_empty() => {
            list.iter().filter_map(Value::as_str).map(str::to_lowercase).collect()
        }
        _ => caller.token.policies.clone(),
    };
    if policies.contains("response-wrapping") {
        return Err(ApiError::bad("cannot assign policy \"response-wrapping\""));
    }
    if !policies.contains("root") && !set("no_default_policy", false) {
        policies.insert("default".to_owned());
    }
    let covered = policies.iter().all(|policy| policy == "default" || caller.token.policies.contains(policy));
    if !root && !covered {
        return Err(ApiError::bad("child policies must be subset of parent"));
    }
    if orphan_asked(call) && !root && !orphan {
        return Err(ApiError::bad("root or sudo privileges required to create orphan token"));
    }
    let (ttl, explicit, period) = (span("ttl")?, span("explicit_max_ttl")?, span("period")?);
    let batch = call.text("type") == "batch";
    if batch && (period.is_positive() || call.body.contains_key("num_uses")) {
        return Err(ApiError::bad("batch tokens cannot be periodic or have limited uses"));
    }
    let forever = policies.contains("root") && ttl.is_zero() && !period.is_positive();
    let wanted = [period, ttl].into_iter().find(SignedDuration::is_positive).unwrap_or(SYSTEM_TTL);
    let ttl = if explicit.is_positive() { wanted.min(explicit) } else { wanted }.min(SYSTEM_TTL);
    let longest = [explicit, if period.is_positive() { SignedDuration::ZERO } else { SYSTEM_TTL }];
    let most = longest.into_iter().filter(SignedDuration::is_positive).min();
    let meta: BTreeMap<String, String> = match call.body.get("meta") {
        Some(Value::Object(meta)) => {
            meta.iter().filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
        }
        _ => BTreeMap::new(),
    };
    let name = call.text("display_name");
    let token = Token {
        policies,
        path: format!("auth/token/create{}", if orphan { "-orphan" } else { "" }),
        display_name: if name.is_empty() { "token".to_owned() } else { format!("token-{name}") },
        meta,
        num_uses: call.body.get("num_uses").and_then(Value::as_i64).unwrap_or(0).max(0),
        ttl: if forever { SignedDuration::ZERO } else { ttl },
        expires: if forever { None } else { now.saturating_add(ttl).ok() },
        most: most.and_then(|most| now.saturating_add(most).ok()),
        explicit_max_ttl: explicit,
        period,
        renewable: set("renewable", true) && !batch && !forever,
        batch,
        entity_id: if orphan { String::new() } else { caller.token.entity_id.clone() },
        namespace: caller.token.namespace.clone(),
        parent: if orphan || orphan_asked(call) { None } else { Some(caller.id) },
        ..Token::root(now)
    };
    let (text, token) = inner.tokens.issue(&state.world, token);
    let identity = access::identity_policies(inner, &token);
    let secret = Secret { auth: Some(token.auth(text.expose(), &identity, now)), ..Secret::default() };
    Ok(Reply::Secret(Box::new(secret)))
}

fn orphan_asked(call: &Call) -> bool {
    call.body.get("no_parent").and_then(Value::as_bool).unwrap_or(false)
}
