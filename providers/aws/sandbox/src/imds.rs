//! The instance metadata service, version 2 ("Use the instance metadata service to access instance metadata", EC2 user
//! guide). Version 1 is switched off, as on new instances.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use carnet_jose::sha256;
use http::{HeaderName, Method, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::{
    call::Call,
    container::machine_session,
    reply::{Answer, ApiError, json_reply, seconds, text, with_header},
    seed, sessions,
    state::{MAX_ENTRIES, State},
};

/// The name of the service.
pub(crate) const SERVICE: &str = "aws-imds";
const TTL: &str = "x-aws-ec2-metadata-token-ttl-seconds";
const TOKEN: &str = "x-aws-ec2-metadata-token";
/// Longest life of a session token, in seconds.
const LONGEST: i64 = 21_600;
/// How long credentials of the instance live.
const LIFETIME: SignedDuration = SignedDuration::from_hours(6);
const ROLES: &str = "latest/meta-data/iam/security-credentials";

/// Answers a request.
pub(crate) fn answer(state: &Arc<State>, call: &Call) -> Answer {
    if call.path == "/latest/api/token" {
        return token(state, call);
    }
    if call.method != Method::GET && call.method != Method::HEAD {
        return Err(page(405, "Method Not Allowed"));
    }
    authenticate(state, call)?;
    let path = call.path.trim_matches('/');
    if path == ROLES {
        return Ok(text(role_name()));
    }
    if path.strip_prefix(ROLES).and_then(|rest| rest.strip_prefix('/')) == Some(role_name()) {
        return credentials(state, call);
    }
    if path == "latest/dynamic/instance-identity/signature" {
        return signature(state);
    }
    let body = match path {
        "" => "latest".to_owned(),
        "latest" => "dynamic\nmeta-data".to_owned(),
        "latest/meta-data" => "ami-id\niam/\ninstance-id\ninstance-type\nlocal-ipv4\nplacement/\nservices/".to_owned(),
        "latest/meta-data/iam" => "info\nsecurity-credentials/".to_owned(),
        "latest/meta-data/placement" => "availability-zone\nregion".to_owned(),
        "latest/meta-data/ami-id" => "ami-0ca12e7000000001".to_owned(),
        "latest/meta-data/instance-id" => seed::INSTANCE.to_owned(),
        "latest/meta-data/instance-type" => "t4g.nano".to_owned(),
        "latest/meta-data/local-ipv4" => "192.0.2.7".to_owned(),
        "latest/meta-data/placement/region" => seed::REGION.to_owned(),
        "latest/meta-data/placement/availability-zone" => format!("{}a", seed::REGION),
        "latest/meta-data/services/domain" => "amazonaws.com".to_owned(),
        "latest/meta-data/services/partition" => "aws".to_owned(),
        "latest/meta-data/iam/info" => info(state.world.now(SERVICE)),
        "latest/dynamic" => "instance-identity/".to_owned(),
        "latest/dynamic/instance-identity" => "document\nsignature".to_owned(),
        "latest/dynamic/instance-identity/document" => document(),
        _ => return Err(page(404, "Not Found")),
    };
    Ok(text(body))
}

/// `PUT /latest/api/token`. Whoever forwards requests adds `X-Forwarded-For`, and is not let through.
fn token(state: &State, call: &Call) -> Answer {
    if call.method != Method::PUT {
        return Err(page(405, "Method Not Allowed"));
    }
    if call.headers.contains_key("x-forwarded-for") {
        return Err(page(403, "Forbidden"));
    }
    let ttl = call.header(TTL).and_then(|text| text.trim().parse::<i64>().ok());
    let Some(ttl) = ttl.filter(|ttl| (1..=LONGEST).contains(ttl)) else { return Err(page(400, "Bad Request")) };
    let token = STANDARD.encode(state.world.random_hex::<21>());
    let now = state.world.now(SERVICE);
    let mut inner = state.lock();
    if inner.metadata_tokens.len() >= MAX_ENTRIES {
        inner.metadata_tokens.retain(|_, end| *end > now);
    }
    if inner.metadata_tokens.len() >= MAX_ENTRIES {
        return Err(page(503, "Service Unavailable"));
    }
    let end = now.saturating_add(SignedDuration::from_secs(ttl)).unwrap_or(now);
    inner.metadata_tokens.insert(sha256(token.as_bytes()), end);
    Ok(with_header(text(token), HeaderName::from_static(TTL), &ttl.to_string()))
}

fn authenticate(state: &State, call: &Call) -> Result<(), ApiError> {
    let now = state.world.now(SERVICE);
    let end = call.header(TOKEN).and_then(|token| state.lock().metadata_tokens.get(&sha256(token.as_bytes())).copied());
    let seen = match end {
        Some(end) if end > now => return Ok(()),
        Some(_) => "a session token that is over",
        None if call.headers.contains_key(TOKEN) => "an unknown session token",
        None => "no session token",
    };
    let fix = "ask for one: PUT /latest/api/token";
    let refusal = carnet_trust::Refusal::new("session-token", seen, "a session token of this service", "401", fix);
    Err(page(401, "Unauthorized").because(refusal))
}

fn role_name() -> &'static str {
    seed::MACHINE_ROLE.rsplit('/').next().unwrap_or_default()
}

#[expect(clippy::unnecessary_wraps, reason = "paths end in an answer")]
fn credentials(state: &State, call: &Call) -> Answer {
    let now = state.world.now(SERVICE);
    let Some(session) = machine_session(state, "ec2.amazonaws.com", seed::INSTANCE) else {
        // The real one answers 200 with a code that says what is wrong with the role.
        let body = json!({ "Code": "AssumeRoleUnauthorizedAccess", "LastUpdated": seconds(now),
            "Message": "EC2 cannot assume the role. Please see documentation." });
        return Ok(json_reply(StatusCode::OK, &body));
    };
    let issued = sessions::issue(state, SERVICE, &call.path, session, LIFETIME);
    let body = json!({
        "Code": "Success",
        "LastUpdated": seconds(now),
        "Type": "AWS-HMAC",
        "AccessKeyId": issued.key_id,
        "SecretAccessKey": issued.secret.expose(),
        "Token": issued.token.expose(),
        "Expiration": seconds(issued.expires),
    });
    Ok(json_reply(StatusCode::OK, &body))
}

fn info(now: Timestamp) -> String {
    let profile = format!("arn:aws:iam::{}:instance-profile/{}", seed::ACCOUNT, role_name());
    pretty(&json!({ "Code": "Success", "LastUpdated": seconds(now), "InstanceProfileArn": profile,
        "InstanceProfileId": "AIPACARNETSANDBOX2345" }))
}

/// The identity document. Its bytes are signed, so they are always the same.
fn document() -> String {
    pretty(&json!({
        "accountId": seed::ACCOUNT,
        "architecture": "arm64",
        "availabilityZone": format!("{}a", seed::REGION),
        "imageId": "ami-0ca12e7000000001",
        "instanceId": seed::INSTANCE,
        "instanceType": "t4g.nano",
        "pendingTime": "2026-11-01T00:00:00Z",
        "privateIp": "192.0.2.7",
        "region": seed::REGION,
        "version": "2017-09-30",
    }))
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// The signature of the document: PKCS #1 v1.5 over SHA-256, base64. The key is the sandbox's; its public half is a
/// file.
fn signature(state: &State) -> Answer {
    let key = state.keys.document().map_err(|error| ApiError::internal(&error))?;
    let signature = key.sign(document().as_bytes()).map_err(|error| ApiError::internal(&error))?;
    Ok(text(STANDARD.encode(signature)))
}

fn page(status: u16, title: &str) -> ApiError {
    ApiError::new(status, status.to_string(), format!("{status} - {title}"))
}
