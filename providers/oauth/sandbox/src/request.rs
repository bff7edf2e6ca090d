//! What a request says: its members and its token.

use std::collections::BTreeMap;

use carnet_core::Secret;
use http::header;
use serde_json::Value;

use crate::{
    call::Call,
    face::{Body, Entrance, Reason, Shown},
    reply::Failure,
};

/// What a request says beside the token, by name.
pub(crate) type Members = BTreeMap<String, String>;

/// What a request says, and the token that it shows.
///
/// # Errors
/// The first thing that is wrong with it.
pub(crate) fn read(entrance: &Entrance, call: &Call, from_path: Members) -> Result<(Members, Secret), Failure> {
    let mut members = members(entrance, call)?;
    members.extend(from_path);
    for fixed in entrance.fixed {
        let wanted = fixed.values.join(" or ");
        match members.get(fixed.name) {
            Some(value) if fixed.values.contains(&value.as_str()) => {}
            Some(_) => return Err(Failure::new(fixed.otherwise, format!("another `{}`", fixed.name), wanted)),
            None if fixed.required => return Err(missing(fixed.name)),
            None => {}
        }
    }
    let token = token(entrance, call, &mut members)?;
    if let Some(name) = entrance.required.iter().find(|name| !members.contains_key(**name)) {
        return Err(missing(name));
    }
    if token.len() > entrance.most.1 {
        let (seen, most) = (format!("a token of {} bytes", token.len()), entrance.most.1);
        return Err(Failure::new(Reason::TooLarge, seen, format!("at most {most} bytes")));
    }
    Ok((members, token))
}

fn members(entrance: &Entrance, call: &Call) -> Result<Members, Failure> {
    let own = |body| entrance.bodies.contains(&body);
    if own(Body::Nothing) {
        return Ok(Members::new());
    }
    if own(Body::Query) {
        return once(url::form_urlencoded::parse(call.query.as_bytes()).into_owned());
    }
    let kind = call.header(header::CONTENT_TYPE.as_str()).unwrap_or_default();
    match kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "application/x-www-form-urlencoded" if own(Body::Form) => {
            once(url::form_urlencoded::parse(&call.body).into_owned())
        }
        "application/json" if own(Body::Json) => from_json(&call.body),
        _ => Err(Failure::new(Reason::Body, "another content type", format!("{:?}", entrance.bodies))),
    }
}

/// A member that is there twice is refused (RFC 6749, 3.2); one without a value counts as missing.
fn once(pairs: impl Iterator<Item = (String, String)>) -> Result<Members, Failure> {
    let mut members = Members::new();
    for (name, value) in pairs {
        if members.contains_key(&name) {
            return Err(Failure::new(Reason::Value, "a member that is there twice", "each member once"));
        }
        members.insert(name, value);
    }
    members.retain(|_, value| !value.is_empty());
    Ok(members)
}

fn from_json(body: &[u8]) -> Result<Members, Failure> {
    let Ok(Value::Object(object)) = serde_json::from_slice(body) else {
        return Err(Failure::new(Reason::Body, "a body that is not a JSON object", "a JSON object"));
    };
    let mut members = Members::new();
    for (name, value) in object {
        match value {
            Value::String(text) if !text.is_empty() => drop(members.insert(name, text)),
            Value::String(_) | Value::Null => {}
            _ => return Err(Failure::new(Reason::Value, "a member that is not a text", "texts only")),
        }
    }
    Ok(members)
}

fn token(entrance: &Entrance, call: &Call, members: &mut Members) -> Result<Secret, Failure> {
    let bearer = || {
        let token = call.bearer().filter(|token| !token.is_empty());
        token.ok_or_else(|| Failure::new(Reason::NoToken, "no bearer token", "`authorization: Bearer TOKEN`, once"))
    };
    match entrance.token {
        Shown::Member(name) => members.remove(name).map(Secret::new).ok_or_else(|| missing(name)),
        Shown::Bearer => Ok(Secret::new(bearer()?)),
        Shown::Prefixed(prefix, (name, value)) => {
            if call.header(name) != Some(value) {
                return Err(Failure::new(Reason::Value, format!("no header `{name}`"), value));
            }
            let token = bearer()?.strip_prefix(prefix);
            token.map(Secret::new).ok_or_else(|| Failure::new(Reason::Form, "a token without its prefix", prefix))
        }
    }
}

fn missing(name: &str) -> Failure {
    Failure::new(Reason::Missing, format!("no `{name}`"), name)
}
