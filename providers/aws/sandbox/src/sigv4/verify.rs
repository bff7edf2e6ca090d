//! Whether a request was signed by the one whose key it names.

use std::sync::Arc;

use carnet_jose::sha256;
use jiff::{SignedDuration, Timestamp};

use super::{Authorization, Fault, Kind, canonical_request, digest, same, signature, signing_key};
use crate::{
    call::{Call, is_local},
    sessions::Access,
    state::State,
};

/// How far the time of a signature may lie from the service's ("Troubleshoot Signature Version 4 requests").
const WINDOW: SignedDuration = SignedDuration::from_mins(15);
const MISMATCH: &str = "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
                        Access Key and signing method. Consult the service documentation for details.";

/// What stands for the body in the canonical request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Payload<'a> {
    /// Its digest.
    Body,
    /// What the header `X-Amz-Content-SHA256` says, or `UNSIGNED-PAYLOAD` (S3).
    Said(&'a str),
}

/// A request whose signature verifies.
#[derive(Debug)]
pub(crate) struct Verified {
    pub(crate) access: Arc<Access>,
    pub(crate) authorization: Authorization,
    /// The key that signed, for chunks that follow.
    pub(crate) key: [u8; 32],
}

impl Verified {
    /// When the session ends, if it is one.
    pub(crate) fn session_end(&self) -> Option<Timestamp> {
        self.access.temporary.map(|(_, end)| end)
    }
}

/// Verifies a request that `ours` (the name of the emulated service) got and that must be signed for `service`.
/// `region` is the one that the host name says, if it says one.
///
/// # Errors
/// The first thing that is wrong. The order is UNCONFIRMED: form, key, time, scope, signature, session.
pub(crate) fn verify(
    state: &State,
    call: &Call,
    ours: &'static str,
    service: &str,
    region: Option<&str>,
    payload: Payload<'_>,
) -> Result<Verified, Fault> {
    let authorization = Authorization::find(call)?;
    if !authorization.is_hmac() {
        let seen = carnet_core::safe_text(&authorization.algorithm);
        return Err(Fault::new(
            Kind::Incomplete,
            format!("Unsupported AWS 'algorithm': '{seen}'."),
            "algorithm",
            seen,
            super::HMAC,
        ));
    }
    let Some(access) = state.lock().accesses.find(&authorization.key_id) else {
        let seen = carnet_core::safe_text(&authorization.key_id);
        let text = "The security token included in the request is invalid.";
        return Err(Fault::new(Kind::UnknownKey, text, "key", seen, "a key id of this sandbox"));
    };
    let now = state.world.now(ours);
    check_time(&authorization, now)?;
    check_scope(&authorization, service, region)?;
    check_headers(call, &authorization, service)?;
    let said = match payload {
        Payload::Body => digest(&call.body),
        Payload::Said(said) => said.to_owned(),
    };
    let mismatch =
        |seen: String| Fault::new(Kind::Mismatch, MISMATCH, "signature", seen, "the signature of this request");
    let presigned = authorization.presigned.is_some();
    let canonical = canonical_request(call, service, &authorization.signed_headers, &said, presigned)
        .map_err(|name| mismatch(format!("the signed header {} is not there", carnet_core::safe_text(&name))))?;
    let key = signing_key(access.secret.expose(), &authorization);
    let wanted = signature(&key, &authorization.string_to_sign(&canonical));
    if !same(&wanted, &authorization.signature) {
        return Err(mismatch("another signature".to_owned()));
    }
    check_session(call, &access, now)?;
    Ok(Verified { access, authorization, key })
}

fn check_time(authorization: &Authorization, now: Timestamp) -> Result<(), Fault> {
    let early = authorization.time.duration_since(now) > WINDOW;
    let life = authorization.presigned.unwrap_or(WINDOW);
    if early || now.duration_since(authorization.time) > life {
        let text = if authorization.presigned.is_some() {
            "Request has expired.".to_owned()
        } else {
            format!("Request is not within 15 minutes of the current time: {}", crate::reply::seconds(now))
        };
        let wanted = format!("about {now}");
        return Err(Fault::new(Kind::Skewed, text, "date", authorization.time.to_string(), wanted));
    }
    Ok(())
}

fn check_scope(authorization: &Authorization, service: &str, region: Option<&str>) -> Result<(), Fault> {
    let no = |text: String, seen: &str, wanted: &str| {
        Err(Fault::new(Kind::Scope, text, "scope", carnet_core::safe_text(seen), wanted.to_owned()))
    };
    if authorization.service != service {
        let text = format!("Credential should be scoped to correct service: '{service}'. ");
        return no(text, &authorization.service, service);
    }
    let day = authorization.date_time.get(..8).unwrap_or_default();
    if authorization.date != day {
        let text =
            format!("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: {day}.");
        return no(text, &authorization.date, day);
    }
    match region {
        Some(region) if region != authorization.region => {
            let text = format!(
                "Credential should be scoped to a valid region, not '{}'. ",
                carnet_core::safe_text(&authorization.region)
            );
            no(text, &authorization.region, region)
        }
        None if !is_region(&authorization.region) => {
            let text = "Credential should be scoped to a valid region. ".to_owned();
            no(text, &authorization.region, "a region")
        }
        _ => Ok(()),
    }
}

/// The host must be signed, and at S3 every `x-amz` header ("Signature calculations for the authorization header").
fn check_headers(call: &Call, authorization: &Authorization, service: &str) -> Result<(), Fault> {
    let signed = |name: &str| authorization.signed_headers.iter().any(|own| own == name);
    let missing = if signed("host") {
        let names = call.headers.keys().map(http::HeaderName::as_str);
        names.filter(|_| service == "s3").find(|name| name.starts_with("x-amz-") && !signed(name)).map(str::to_owned)
    } else {
        Some("host".to_owned())
    };
    let Some(name) = missing else { return Ok(()) };
    let text = "There were headers present in the request which were not signed";
    Err(Fault::new(
        Kind::Unsigned,
        text,
        "signed-headers",
        format!("{name} is not signed"),
        "host and every x-amz header",
    ))
}

/// The token of temporary keys, in the header or in the query of a presigned URL.
fn check_session(call: &Call, access: &Access, now: Timestamp) -> Result<(), Fault> {
    let token =
        call.header("x-amz-security-token").map(str::to_owned).or_else(|| call.parameter("X-Amz-Security-Token"));
    let wrong = |seen: &str| {
        Err(Fault::new(
            Kind::Token,
            "The security token included in the request is invalid.",
            "session-token",
            seen,
            "the token of these keys",
        ))
    };
    match (&access.temporary, token) {
        (None, Some(_)) => wrong("a token with keys that have none"),
        (Some(_), None) => wrong("no token"),
        (Some((hash, _)), Some(token)) if sha256(token.as_bytes()) != *hash => wrong("another token"),
        (Some((_, end)), Some(_)) if *end <= now => {
            let text = "The security token included in the request is expired";
            let (seen, wanted) = (format!("a session that ended at {end}"), format!("one that lasts beyond {now}"));
            Err(Fault::new(Kind::ExpiredToken, text, "expired", seen, wanted))
        }
        _ => Ok(()),
    }
}

/// `eu-central-1`, `us-gov-west-1`.
pub(crate) fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let letters = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    match parts.split_last() {
        Some((number, names)) => {
            (2..=4).contains(&names.len())
                && names.iter().all(letters)
                && !number.is_empty()
                && number.bytes().all(|byte| byte.is_ascii_digit())
        }
        None => false,
    }
}

/// The region that a host names as `SERVICE.REGION.…`; none on this machine itself and in names without one.
pub(crate) fn region_of(host: &str, global: Option<&'static str>) -> Option<String> {
    if is_local(host) {
        return None;
    }
    let found = host.split('.').find(|label| is_region(label)).map(str::to_owned);
    found.or_else(|| global.map(str::to_owned))
}
