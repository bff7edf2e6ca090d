//! `auth/token/…`: what a token may do with itself and others.

mod create;
mod roles;

use carnet_trust::Refusal;
use carnet_vault::trust::TokenFields;
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

pub(crate) use roles::TokenRole;

use self::create::How;
use super::issue;
use crate::{
    access::{self, Caller, Place},
    call::Call,
    duration,
    policy::Operation,
    reply::{Answer, ApiError, Data, Reply, Secret},
    route::no_namespace,
    state::{Inner, Method, State},
    tokens::{self, Id, Origin, Token},
};

/// The life of a token when nobody says one.
const SYSTEM_TTL: SignedDuration = carnet_vault::trust::SYSTEM_TTL;

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
    check_certificate(inner, call, &token)?;
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

/// What the role of a login says of its tokens now.
fn role_fields<'a>(inner: &'a Inner, namespace: &str, origin: &Origin) -> Option<&'a TokenFields> {
    inner.namespaces.get(namespace)?.auths.get(&origin.mount)?.method.token_fields(&origin.role)
}
