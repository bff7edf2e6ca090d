//! Tokens for who has a credential already: `GenerateUpst`, refresh, scoped tokens.

use axum::response::Response;
use carnet_jose::{Claims, PublicKey, UnverifiedJwt};
use carnet_oci::trust::{
    Principal,
    principal::{PTYPE_USER, Proof},
    signature::{KeyId, Options, SessionVerifier, parse_authorization, parse_http_date},
};
use carnet_trust::Refusal;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{NAME, SessionGrant, session_jwk, session_key, session_key_pem};
use crate::{
    call::Call,
    reply::{ApiError, ok},
};

/// Longest life of a user's session, which refreshing does not extend (oracle/oci-cli issue 970), and the default of
/// `GenerateUpst`.
const SESSION: SignedDuration = SignedDuration::from_mins(60);
/// Shortest session of `GenerateUpst`.
const SHORTEST_MINUTES: i64 = 5;
/// Life of a scoped token: Oracle's Go SDK treats it as stale after 20 minutes.
const SCOPED: SignedDuration = SignedDuration::from_mins(20);
/// Life of a database token.
const DATABASE: SignedDuration = SignedDuration::from_mins(60);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Generate {
    public_key: String,
    session_expiration_in_minutes: Option<Minutes>,
}

/// A number, or a number as text: the CLI passes its argument on as it was typed.
#[derive(Deserialize)]
#[serde(untagged)]
enum Minutes {
    Number(i64),
    Text(String),
}

impl Minutes {
    fn get(&self) -> Option<i64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.parse().ok(),
        }
    }
}

/// `POST /v1/token/upst/actions/GenerateUpst`: a session for a user with an API key.
pub(super) fn generate(call: &Call) -> Result<Response, ApiError> {
    let body: Generate = call.json()?;
    let principal = call.authenticate(&Options::AUTH_SERVICE)?;
    if principal.proof != Proof::ApiKey {
        return Err(ApiError::not_authenticated(Box::new(Refusal::new(
            "key",
            principal.to_string(),
            "a user who signs with an API key",
            "NotAuthenticated",
            "sign with the API key of the profile",
        ))));
    }
    let most = SESSION.as_mins();
    let minutes = body
        .session_expiration_in_minutes
        .map_or(Some(most), |minutes| minutes.get())
        .filter(|minutes| (SHORTEST_MINUTES..=most).contains(minutes))
        .ok_or_else(|| {
            ApiError::invalid(format!("sessionExpirationInMinutes must be between {SHORTEST_MINUTES} and {most}"))
        })?;
    let key = session_key_pem("publicKey", &body.public_key)?;
    let lifetime = SignedDuration::from_mins(minutes);
    let now = call.state.world().now(NAME);
    let ends = now.saturating_add(lifetime).unwrap_or(now);
    let claims = Map::from_iter([
        ("sub".to_owned(), Value::from(principal.id.as_str())),
        ("ptype".to_owned(), PTYPE_USER.into()),
        ("ttype".to_owned(), "login".into()),
        ("tenant".to_owned(), principal.tenancy.as_str().into()),
        ("userName".to_owned(), principal.name.as_deref().unwrap_or_default().into()),
        ("sess_exp".to_owned(), session_end(ends).into()),
    ]);
    session(call, claims, &key, lifetime)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Refresh {
    current_token: String,
    new_public_key: Option<String>,
}

/// `POST /v1/authentication/refresh`: a later token for the same session. A token that was not made by `GenerateUpst`
/// has no session behind it and cannot be refreshed. For federated tokens that is UNCONFIRMED; the safe side is to make
/// clients exchange again.
pub(super) fn refresh(call: &Call) -> Result<Response, ApiError> {
    let body: Refresh = call.json()?;
    call.authenticate(&Options::AUTH_SERVICE)?;
    let signed_with = call
        .header("authorization")
        .and_then(|header| parse_authorization(header).ok())
        .is_some_and(|authorization| authorization.key_id == KeyId::Session(&body.current_token));
    let now = call.state.world().now(NAME);
    let claims = call
        .state
        .auth()
        .verify_token(&body.current_token, SessionVerifier::AUDIENCE, now)
        .map_err(ApiError::not_authenticated)?;
    let end = claims.str("sess_exp").and_then(parse_http_date).filter(|end| *end > now);
    let (Some(end), true) = (end, signed_with) else {
        return Err(ApiError::not_authenticated(Box::new(Refusal::new(
            "session",
            if signed_with {
                "a token without a session that goes on"
            } else {
                "another token than the one that signed"
            },
            "the token of a session that goes on, signed with itself",
            "NotAuthenticated",
            "authenticate anew, or exchange the external token again",
        ))));
    };
    let key = match &body.new_public_key {
        Some(text) => session_key("newPublicKey", text)?,
        None => key_of(&claims)?,
    };
    let lifetime = end.duration_since(now).min(SESSION);
    let Claims(mut claims) = claims;
    for name in ["iss", "aud", "iat", "exp", "jti", "jwk"] {
        claims.remove(name);
    }
    session(call, claims, &key, lifetime)
}

#[derive(Deserialize)]
struct Scoped {
    scope: String,
    public_key: String,
    target_compartment: Option<String>,
}

/// What a token carries in `ttype` that was cut down to a scope.
const SCOPED_ACCESS: &str = "scoped_access";

/// `POST /v1/oauth2/scoped`.
pub(super) fn scoped(call: &Call) -> Result<Response, ApiError> {
    let body: Scoped = call.json()?;
    let principal = call.authenticate(&Options::AUTH_SERVICE)?;
    let lifetime = lifetime_below(call, &principal, SCOPED)?;
    let key = session_key("public_key", &body.public_key)?;
    let mut claims: Map<String, Value> =
        principal.claims.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
    for name in ["iss", "aud"] {
        claims.remove(name);
    }
    claims.insert("sub".to_owned(), principal.id.as_str().into());
    claims.insert("tenant".to_owned(), principal.tenancy.as_str().into());
    claims.insert("ttype".to_owned(), SCOPED_ACCESS.into());
    claims.insert("scope".to_owned(), body.scope.into());
    if let Some(compartment) = body.target_compartment {
        claims.insert("target_compartment".to_owned(), compartment.into());
    }
    session(call, claims, &key, lifetime)
}

/// How long a token may live that is given for another one: at most `usual`, and not beyond the one that signs.
///
/// UNCONFIRMED: Oracle says neither whether a scoped token outlives what it was asked for with, nor whether it can ask
/// for another. It does not, so that nothing that was cut down or is about to end becomes more again.
fn lifetime_below(call: &Call, principal: &Principal, usual: SignedDuration) -> Result<SignedDuration, ApiError> {
    if principal.claims.get("ttype").is_some_and(|kind| kind == SCOPED_ACCESS) {
        return Err(ApiError::not_authenticated(Box::new(Refusal::new(
            "token",
            "a token of type scoped_access",
            "the session that it was made with",
            "NotAuthenticated",
            "sign with the session or the API key itself",
        ))));
    }
    let authorization = call.header("authorization").and_then(|header| parse_authorization(header).ok());
    let end = authorization.and_then(|authorization| match authorization.key_id {
        KeyId::Session(token) => UnverifiedJwt::parse(token).ok()?.unverified_expiry(),
        _ => None,
    });
    let left = end.map_or(usual, |end| end.duration_since(call.state.world().now(NAME)));
    Ok(usual.min(left))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Database {
    scope: String,
    public_key: String,
}

/// `POST /v1/actions/generateScopedAccessToken`: a token for a database, in the form of the one public sample.
pub(super) fn database(call: &Call) -> Result<Response, ApiError> {
    let body: Database = call.json()?;
    let principal = call.authenticate(&Options::AUTH_SERVICE)?;
    if !body.scope.starts_with("urn:oracle:db::id::") {
        return Err(ApiError::invalid("scope must start with urn:oracle:db::id::"));
    }
    let lifetime = lifetime_below(call, &principal, DATABASE)?;
    let key = session_key_pem("publicKey", &body.public_key)?;
    let now = call.state.world().now(NAME);
    let name = principal.name.as_deref().unwrap_or_default();
    let claims = Map::from_iter([
        ("sub".to_owned(), Value::from(principal.id.as_str())),
        ("aud".to_owned(), format!("urn:oracle:db:{}", principal.tenancy).into()),
        ("ttype".to_owned(), SCOPED_ACCESS.into()),
        ("ptype".to_owned(), principal.kind.as_str().into()),
        ("pstype".to_owned(), "natv".into()),
        ("tenant".to_owned(), principal.tenancy.as_str().into()),
        ("scope".to_owned(), body.scope.into()),
        ("userName".to_owned(), name.into()),
        ("dbUserName".to_owned(), name.into()),
        ("domain_name".to_owned(), "Default".into()),
        ("sess_exp".to_owned(), session_end(now.saturating_add(lifetime).unwrap_or(now)).into()),
    ]);
    session(call, claims, &key, lifetime)
}

fn session(
    call: &Call,
    claims: Map<String, Value>,
    key: &PublicKey,
    lifetime: SignedDuration,
) -> Result<Response, ApiError> {
    let key = session_jwk(key, None);
    let grant = SessionGrant { service: NAME, claims, key: &key, lifetime };
    let token = call.state.auth().mint_session(grant).map_err(|error| ApiError::internal(&error))?;
    Ok(ok(&json!({ "token": token.expose() })))
}

fn key_of(claims: &Claims) -> Result<PublicKey, ApiError> {
    claims
        .str("jwk")
        .and_then(|text| serde_json::from_str(text).ok())
        .and_then(|jwk| PublicKey::from_jwk(&jwk).ok())
        .ok_or_else(|| ApiError::invalid("currentToken names no key"))
}

/// `Sat, 08 Nov 2025 17:19:55 UTC`, as in public samples.
fn session_end(at: Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S UTC").to_string()
}
