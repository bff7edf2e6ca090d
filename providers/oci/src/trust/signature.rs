//! HTTP request signatures, version 1: the verifying side.
//!
//! <https://docs.oracle.com/en-us/iaas/Content/API/Concepts/signingrequests.htm>, which builds on
//! draft-cavage-http-signatures-08. The checks run in the order of that page: the header, the signed headers, the date,
//! the key, the signature, the body.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use carnet_jose::{PublicKey, sha256};
use carnet_trust::{Decision, Grant, Refusal};
use http::{HeaderMap, HeaderName, Method};
use jiff::{SignedDuration, Timestamp};

use super::{Checked, Principal, principal::NOT_AUTHENTICATED, show};
use examine::{examine_noting, single};

mod date;
mod examine;
mod header;
mod replay;
mod session;

pub use date::parse_http_date;
pub use examine::{Examined, examine};
pub use header::{Authorization, HeaderError, KeyId, ResourceVersion, X509Digest, parse_authorization};
pub use replay::{Counted, ReplayCache};
pub(crate) use session::Said;
pub use session::{SeenTokens, SessionVerifier};

/// How far the signed date may lie from the verifier's clock, either way. Oracle answers 401 beyond five minutes
/// ("Request Signatures", "Maximum allowed client clock skew"). A replay cache must remember a signature for twice as
/// long, because a date five minutes ahead stays good for ten.
pub const MAX_SKEW: SignedDuration = SignedDuration::from_mins(5);

/// Whether `algorithm="rsa-pss-sha256"` is accepted. UNCONFIRMED: the Audit API reference shows one such request from an
/// internal region, the public page names `rsa-sha256` alone. The safe side is to refuse it.
pub const ACCEPT_RSA_PSS_SHA256: bool = false;

/// Whether a service API refuses a signature that it has seen before. UNCONFIRMED: Oracle documents only the date
/// window, and relying parties that replay a signed read depend on a second use within it, so services accept it; only
/// places that give a credential for a signature ([`Options::TOKEN_ENDPOINT`]) ask for a single use.
pub const API_SINGLE_USE: bool = false;

/// A request as it was received. Nothing of it may have been decoded or normalised.
#[derive(Clone, Copy, Debug)]
pub struct SignedRequest<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Path and query of the request line, byte for byte.
    pub target: &'a str,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// The raw body; `None` when the verifier was shown only the headers, whose body headers are then taken on trust.
    pub body: Option<&'a [u8]>,
}

/// What a place asks of a signature beyond the rules that hold everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options<'a> {
    /// Whether `host` must be signed, and what it must say.
    pub host: HostRule<'a>,
    /// Whether the body of a POST, PUT or PATCH must be signed.
    pub body: BodyRule,
    /// Whether a signature counts once only. [`evaluate`] has no memory and does not look at it; whoever keeps a
    /// [`ReplayCache`] does.
    pub single_use: bool,
}

/// The rule for the `host` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostRule<'a> {
    /// It must be signed and be one of these, compared without case. For relying parties, which must not accept a
    /// request that was made for another.
    OneOf(&'a [&'a str]),
    /// It may be left out: the auth service's federation endpoints (the Go and Python SDKs do not sign it there).
    Optional,
    /// It must be signed.
    Signed,
}

/// The rule for the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyRule {
    /// Its headers may be left out: PutObject and UploadPart. Those that are signed are still checked.
    Optional,
    /// `content-length`, `content-type` and `x-content-sha256` must be signed.
    Signed,
}

impl Options<'static> {
    /// Every service API.
    pub const API: Self = Self { host: HostRule::Signed, body: BodyRule::Signed, single_use: API_SINGLE_USE };
    /// The auth service, whose callers may leave `host` out.
    pub const AUTH_SERVICE: Self =
        Self { host: HostRule::Optional, body: BodyRule::Signed, single_use: API_SINGLE_USE };
    /// PutObject and UploadPart.
    pub const UPLOAD: Self = Self { host: HostRule::Signed, body: BodyRule::Optional, single_use: API_SINGLE_USE };
    /// Places that give a new credential for a signature: it counts once.
    pub const TOKEN_ENDPOINT: Self = Self { host: HostRule::Signed, body: BodyRule::Signed, single_use: true };
}

/// Whose key it is, and the key.
#[derive(Clone, Debug)]
pub struct Signer {
    /// Who signs with it.
    pub principal: Arc<Principal>,
    /// The parsed public key.
    pub key: Arc<PublicKey>,
}

/// A request whose signature was verified.
#[derive(Clone, Debug)]
pub struct Verified {
    /// Who signed it.
    pub principal: Arc<Principal>,
    /// The signature: what a [`ReplayCache`] remembers, by its digest.
    pub signature: Vec<u8>,
    /// The clauses that held, in order.
    pub held: Vec<&'static str>,
}

/// Whether this request was signed by a principal. `resolve` finds the key that `keyId` names, or says why there is
/// none.
pub fn evaluate(
    request: &SignedRequest<'_>,
    options: &Options<'_>,
    now: Timestamp,
    resolve: impl FnOnce(&KeyId<'_>) -> Checked<Signer>,
) -> Decision {
    match verify(request, options, now, resolve) {
        Ok(verified) => {
            let mut grant = Grant { principal: verified.principal.id.clone(), held: verified.held, ..Grant::default() };
            grant.attributes.insert("type".to_owned(), verified.principal.kind.clone());
            grant.attributes.insert("tenancy".to_owned(), verified.principal.tenancy.clone());
            Decision::Allow(grant)
        }
        Err(refusal) => Decision::Refuse(*refusal),
    }
}

/// As [`evaluate`], for callers that need the principal whole.
///
/// # Errors
/// The clause that failed first: `authorization`, `algorithm`, `signed-headers`, `host`, `date`, what `resolve` says
/// (`key`, `token`, `expired` …), `signature`, `body-hash`, `content-length`.
pub fn verify(
    request: &SignedRequest<'_>,
    options: &Options<'_>,
    now: Timestamp,
    resolve: impl FnOnce(&KeyId<'_>) -> Checked<Signer>,
) -> Checked<Verified> {
    let mut held = Vec::with_capacity(8);
    match check(request, options, now, resolve, &mut held) {
        Ok((principal, signature)) => Ok(Verified { principal, signature, held }),
        Err(mut refusal) => {
            refusal.held = held;
            Err(refusal)
        }
    }
}

fn check(
    request: &SignedRequest<'_>,
    options: &Options<'_>,
    now: Timestamp,
    resolve: impl FnOnce(&KeyId<'_>) -> Checked<Signer>,
    held: &mut Vec<&'static str>,
) -> Checked<(Arc<Principal>, Vec<u8>)> {
    let Examined { authorization, algorithm, signature, message, .. } = examine_noting(request, options, now, held)?;
    let signer = resolve(&authorization.key_id)?;
    held.push("key");
    if !signer.key.verify(algorithm, &message, &signature) {
        return Err(refuse(
            "signature",
            format!("a signature over {} that does not verify", authorization.headers.join(" ")),
            format!("a signature by the key of {}", signer.principal),
            "sign exactly the headers that are sent, with the private key that belongs to keyId; the value signed must equal \
             the value sent byte for byte, the query included",
        ));
    }
    held.push("signature");
    if let Some(body) = request.body {
        require_body(request.headers, &authorization, body)?;
        held.push("body-hash");
    }
    Ok((signer.principal, signature))
}

fn require_body(headers: &HeaderMap, authorization: &Authorization<'_>, body: &[u8]) -> Checked<()> {
    if authorization.signs("x-content-sha256") {
        let sent = single(headers, &HeaderName::from_static("x-content-sha256"))?;
        let actual = STANDARD.encode(sha256(body));
        if sent != actual {
            return Err(refuse(
                "body-hash",
                show(sent),
                format!("{actual}, the SHA-256 of the {} bytes received", body.len()),
                "hash the body as it is sent; something changed it after it was signed",
            ));
        }
    }
    if authorization.signs("content-length") {
        let sent = single(headers, &http::header::CONTENT_LENGTH)?;
        if sent.parse() != Ok(body.len()) {
            return Err(refuse(
                "content-length",
                show(sent),
                body.len().to_string(),
                "sign the length of the body as it is sent",
            ));
        }
    }
    Ok(())
}

/// A refusal of the caller's identity; every one of them is answered with 401 `NotAuthenticated`.
pub(crate) fn refuse(
    clause: &'static str,
    seen: impl Into<String>,
    wanted: impl Into<String>,
    fix: impl Into<String>,
) -> Box<Refusal> {
    Box::new(Refusal::new(clause, seen, wanted, NOT_AUTHENTICATED, fix))
}

#[cfg(test)]
mod tests;
