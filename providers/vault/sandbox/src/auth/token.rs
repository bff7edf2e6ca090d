//! `auth/token/…`: what a token may do with itself and others.

mod create;
mod roles;

use carnet_trust::Refusal;
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

pub(crate) use roles::TokenRole;

use self::create::How;
use super::lifetime::Spans;
use crate::{
    access::{self, Caller, Place},
    call::Call,
    duration,
    policy::Operation,
    reply::{Answer, ApiError, Data, Reply, Secret},
    route::no_namespace,
    state::{Inner, Method, State},
    tokens::{self, Id, Token},
};

/// Answers a request for what is below `auth/token/`. The caller's policies have let it in.
pub(crate) fn answer(state: &State, call: &Call, place: &Place, caller: &Caller, rest: &str) -> Answer {
    let now = state.now();
    let own = call.token().unwrap_or_default();
    let mut inner = state.lock();
    if let Some(name) = rest.strip_prefix("roles/") {
        let namespace = inner.namespaces.get_mut(&place.namespace).ok_or_else(no_namespace)?;
        return roles::answer(namespace, call, place.operation, name);
    }
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
            let token = inner.tokens.find_within(id, &place.namespace, now).ok_or_else(|| unknown(rest))?;
            match rest {
                "lookup" => describe(&inner, token, text, now),
                "renew" => renew(&mut inner, call, id, text, now),
                "revoke" => revoke(&mut inner, id, now),
                _ => {
                    inner.tokens.revoke_orphan(id);
                    Ok(Reply::Nothing)
                }
            }
        }
        ("lookup-accessor" | "renew-accessor" | "revoke-accessor", Operation::Update) => {
            let invalid = || ApiError::new(StatusCode::FORBIDDEN, ["invalid accessor"]);
            let found = inner.tokens.by_accessor(call.text("accessor"), &place.namespace, now);
            let id = found.ok_or_else(invalid)?;
            match rest {
                "lookup-accessor" => describe(&inner, inner.tokens.find(id, now).ok_or_else(invalid)?, "", now),
                "renew-accessor" => renew(&mut inner, call, id, "", now),
                _ => revoke(&mut inner, id, now),
            }
        }
        ("accessors/", Operation::List) => {
            Data::of([("keys", inner.tokens.accessors(&place.namespace).into())]).answer()
        }
        ("create" | "create-orphan", Operation::Update) => {
            let how = if rest == "create" { How::Child } else { How::Orphan };
            create::create(state, &mut inner, (call, place, caller), &how, now)
        }
        (_, Operation::Update) if rest.starts_with("create/") => {
            let name = rest.strip_prefix("create/").unwrap_or_default();
            let namespace = inner.namespaces.get(&place.namespace).ok_or_else(no_namespace)?;
            let role = namespace.token_roles.get(name).cloned();
            let how = How::Role(Box::new(role.ok_or_else(|| ApiError::bad(format!("unknown role {name}")))?));
            create::create(state, &mut inner, (call, place, caller), &how, now)
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

/// More time for a token: what its role gives now, or what is asked for, up to the end of role and mount. The JWT is
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
    check_certificate(inner, call, &token)?;
    let gone = || ApiError::bad("failed to validate role during renewal: role does not exist");
    let namespace = inner.namespaces.get(&token.namespace).ok_or_else(gone)?;
    let own = Spans::of_token(&token);
    let (spans, tuning) = match &token.origin {
        None => (own, &namespace.token.tuning),
        Some(origin) => {
            let mount = namespace.auths.get(&origin.mount).ok_or_else(gone)?;
            let spans = if origin.program {
                own
            } else {
                let role = Spans::of_role(mount.method.token_fields(&origin.role).ok_or_else(gone)?);
                Spans { explicit: own.explicit, ..role }
            };
            (spans, &mount.about.tuning)
        }
    };
    let ttl = asked.filter(SignedDuration::is_positive).unwrap_or(spans.ttl);
    let life = Spans { ttl, ..spans }.life(tuning, token.created, now);
    let mut secret = Secret { warnings: life.warning.into_iter().collect(), ..Secret::default() };
    let identity = access::identity_policies(inner, &token);
    if let Some(kept) = inner.tokens.find_mut(id) {
        kept.expires = now.saturating_add(life.ttl).ok();
        kept.max_ttl = spans.max;
        kept.period = spans.period;
        kept.last_renewal = Some(now);
        secret.auth = Some(kept.auth(text, &identity, now));
    }
    Ok(Reply::Secret(Box::new(secret)))
}

/// A login by certificate is renewed with that certificate.
fn check_certificate(inner: &Inner, call: &Call, token: &Token) -> Result<(), ApiError> {
    let Some(origin) = &token.origin else { return Ok(()) };
    let Some(certificate) = origin.certificate else { return Ok(()) };
    let mount = inner.namespaces.get(&token.namespace).and_then(|namespace| namespace.auths.get(&origin.mount));
    match mount.map(|mount| &mount.method) {
        Some(Method::Cert(method)) => method.check_renewal(certificate, call),
        _ => Err(ApiError::bad("failed to validate role during renewal: role does not exist")),
    }
}
