//! What a request says of itself, before anybody has found a key.

use base64::{Engine, engine::general_purpose::STANDARD};
use carnet_jose::Algorithm;
use http::{HeaderMap, HeaderName, Method};
use jiff::Timestamp;

use super::{
    ACCEPT_RSA_PSS_SHA256, Authorization, BodyRule, HostRule, MAX_SKEW, Options, SignedRequest, date,
    parse_authorization, parse_http_date, refuse,
};
use crate::trust::{Checked, show};

/// A request whose form is right and whose date is near. Who signed it is only said.
#[derive(Clone, Debug)]
pub struct Examined<'a> {
    /// The header.
    pub authorization: Authorization<'a>,
    /// What it was signed with.
    pub algorithm: Algorithm,
    /// The signature.
    pub signature: Vec<u8>,
    /// What was signed.
    pub message: Vec<u8>,
    /// The date that was signed.
    pub date: Timestamp,
}

/// Checks all of a request that needs no key: for relying parties that let Oracle verify the rest.
///
/// # Errors
/// The clause that failed first: `authorization`, `algorithm`, `signed-headers`, `host`, `date`.
pub fn examine<'a>(request: &SignedRequest<'a>, options: &Options<'_>, now: Timestamp) -> Checked<Examined<'a>> {
    examine_noting(request, options, now, &mut Vec::new())
}

/// The same; the clauses that held are noted.
pub(super) fn examine_noting<'a>(
    request: &SignedRequest<'a>,
    options: &Options<'_>,
    now: Timestamp,
    held: &mut Vec<&'static str>,
) -> Checked<Examined<'a>> {
    let authorization = authorization_of(request.headers)?;
    let signature = STANDARD.decode(authorization.signature).map_err(|_ignored| {
        refuse("authorization", "a signature that is not base64", "standard base64 with padding", FIX_HEADER)
    })?;
    held.push("authorization");
    let algorithm = match authorization.algorithm {
        "rsa-sha256" => Algorithm::Rs256,
        "rsa-pss-sha256" if ACCEPT_RSA_PSS_SHA256 => Algorithm::Ps256,
        other => return Err(refuse("algorithm", show(other), "rsa-sha256", "sign with RSASSA-PKCS1-v1_5 and SHA-256")),
    };
    held.push("algorithm");
    require_signed(request, options, &authorization)?;
    let message = signing_string(request, &authorization)?;
    held.push("signed-headers");
    require_host(request, options, &authorization)?;
    let date = require_date(request, &authorization, now)?;
    held.push("date");
    Ok(Examined { authorization, algorithm, signature, message, date })
}

const FIX_HEADER: &str =
    "send Authorization: Signature version=\"1\",keyId=\"…\",algorithm=\"rsa-sha256\",headers=\"…\",signature=\"…\"";

fn authorization_of(headers: &HeaderMap) -> Checked<Authorization<'_>> {
    let mut values = headers.get_all(http::header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        let seen = if headers.contains_key(http::header::AUTHORIZATION) { "more than one" } else { "none" };
        return Err(refuse("authorization", seen, "one Authorization header with a signature", FIX_HEADER));
    };
    // A value of a header holds no control character but the tab, so this is what `to_str` looks for, at many bytes a step: a
    // session token is long.
    let text = std::str::from_utf8(value.as_bytes()).ok().filter(|text| text.is_ascii()).ok_or_else(|| {
        refuse("authorization", "a header with bytes that are not visible ASCII", "a signature", FIX_HEADER)
    })?;
    parse_authorization(text)
        .map_err(|error| refuse("authorization", error.to_string(), "Signature version=\"1\",…", FIX_HEADER))
}

/// Whether the method carries a body that must be signed.
fn has_body(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH)
}

fn require_signed(
    request: &SignedRequest<'_>,
    options: &Options<'_>,
    authorization: &Authorization<'_>,
) -> Checked<()> {
    let lacks = |name: &str| !authorization.signs(name);
    let mut missing = Vec::new();
    if lacks("date") && lacks("x-date") {
        missing.push("date");
    }
    if lacks("(request-target)") {
        missing.push("(request-target)");
    }
    if options.host != HostRule::Optional && lacks("host") {
        missing.push("host");
    }
    if options.body == BodyRule::Signed && has_body(request.method) {
        missing.extend(["content-length", "content-type", "x-content-sha256"].into_iter().filter(|name| lacks(name)));
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(refuse(
        "signed-headers",
        show(&authorization.headers.join(" ")),
        format!("{} among the signed headers", missing.join(" ")),
        "sign date, (request-target) and host, and for POST, PUT and PATCH content-length, content-type and \
         x-content-sha256 too",
    ))
}

/// The lines that were signed, in the order of the header; no newline at the end.
fn signing_string(request: &SignedRequest<'_>, authorization: &Authorization<'_>) -> Checked<Vec<u8>> {
    let mut message = Vec::with_capacity(256_usize.saturating_add(request.target.len()));
    for (at, name) in authorization.headers.iter().enumerate() {
        if at > 0 {
            message.push(b'\n');
        }
        let start = message.len();
        message.extend_from_slice(name.as_bytes());
        message.iter_mut().skip(start).for_each(u8::make_ascii_lowercase);
        message.extend_from_slice(b": ");
        if name.eq_ignore_ascii_case("(request-target)") {
            message.extend(request.method.as_str().bytes().map(|byte| byte.to_ascii_lowercase()));
            message.push(b' ');
            message.extend_from_slice(request.target.as_bytes());
            continue;
        }
        // A header that is sent several times is joined (draft-cavage-http-signatures-08, 2.3).
        let mut values = 0_usize;
        for value in &request.headers.get_all(*name) {
            if values > 0 {
                message.extend_from_slice(b", ");
            }
            message.extend_from_slice(value.as_bytes());
            values = values.saturating_add(1);
        }
        if values == 0 {
            return Err(refuse(
                "signed-headers",
                format!("{} is in the list and not in the request", show(name)),
                "every header of the list in the request",
                "send every header that is signed; look for a proxy that takes headers away",
            ));
        }
    }
    Ok(message)
}

fn require_host(request: &SignedRequest<'_>, options: &Options<'_>, authorization: &Authorization<'_>) -> Checked<()> {
    if !authorization.signs("host") {
        return Ok(());
    }
    let host = single(request.headers, &http::header::HOST)?;
    match options.host {
        HostRule::OneOf(hosts) if !hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(host)) => Err(refuse(
            "host",
            show(host),
            hosts.join(" or "),
            "sign the request for this host; one that was signed for another is not accepted here",
        )),
        _ => Ok(()),
    }
}

/// The dates that were signed, each within the window; the last of them.
fn require_date(request: &SignedRequest<'_>, authorization: &Authorization<'_>, now: Timestamp) -> Checked<Timestamp> {
    let mut signed = now;
    for name in [http::header::DATE, HeaderName::from_static("x-date")] {
        if !authorization.signs(name.as_str()) {
            continue;
        }
        let text = single(request.headers, &name)?;
        let date = parse_http_date(text).ok_or_else(|| {
            refuse(
                "date",
                show(text),
                "a date such as Tue, 21 Jul 2026 10:00:00 GMT",
                "send the date as RFC 7231 wants it",
            )
        })?;
        let skew = date.duration_since(now);
        if skew.abs() > MAX_SKEW {
            let (by, way) = (skew.abs().as_secs(), if skew.is_negative() { "behind" } else { "ahead" });
            return Err(refuse(
                "date",
                format!("{text}, {by} s {way}"),
                format!("{} s from {}", MAX_SKEW.as_secs(), date::format_http_date(now)),
                "set the clock, and sign each request anew: a signature counts for five minutes",
            ));
        }
        signed = date;
    }
    Ok(signed)
}

/// A header that counts only when it is sent once: two values would be signed joined and read one by one.
pub(super) fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Checked<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next().and_then(|value| value.to_str().ok()), values.next()) {
        (Some(text), None) => Ok(text),
        _ => Err(refuse(
            "signed-headers",
            format!("{name} is sent more than once or is not visible ASCII"),
            format!("one {name}"),
            "send every signed header once",
        )),
    }
}
