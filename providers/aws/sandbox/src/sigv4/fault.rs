//! Why a signature does not count. Each service has its own words for it.

use carnet_trust::Refusal;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// There is none.
    Missing,
    /// It is malformed.
    Incomplete,
    /// Nobody has this key.
    UnknownKey,
    /// The session token is missing or another's.
    Token,
    /// The session is over.
    ExpiredToken,
    /// Too old, or of the future.
    Skewed,
    /// For another day, region or service.
    Scope,
    /// A header that must be signed is not.
    Unsigned,
    /// It does not verify.
    Mismatch,
    /// The body is not the one that was signed.
    Payload,
}

/// A signature that does not count.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) kind: Kind,
    /// AWS's words.
    pub(crate) message: String,
    /// For the operator.
    pub(crate) refusal: Box<Refusal>,
}

impl Fault {
    pub(crate) fn new(
        kind: Kind,
        message: impl Into<String>,
        clause: &'static str,
        seen: impl Into<String>,
        wanted: impl Into<String>,
    ) -> Self {
        let code = match kind {
            Kind::Missing => "MissingAuthenticationToken",
            Kind::Incomplete => "IncompleteSignature",
            Kind::UnknownKey | Kind::Token => "InvalidClientTokenId",
            Kind::ExpiredToken => "ExpiredToken",
            Kind::Skewed => "RequestExpired",
            Kind::Scope | Kind::Unsigned | Kind::Mismatch | Kind::Payload => "SignatureDoesNotMatch",
        };
        let fix = match kind {
            Kind::Missing | Kind::Incomplete => "sign the request with Signature Version 4",
            Kind::UnknownKey | Kind::Token | Kind::ExpiredToken => {
                "take keys that this sandbox gave out since it started"
            }
            Kind::Skewed => "set this machine's clock, or the sandbox's",
            Kind::Scope => "sign for the region and the service that are asked",
            Kind::Unsigned => "sign the host and every x-amz header",
            Kind::Mismatch | Kind::Payload => "send the request as it was signed, with the secret of this key id",
        };
        let refusal = Box::new(Refusal::new(clause, seen, wanted, code, fix));
        Self { kind, message: message.into(), refusal }
    }

    /// The code and status of the query protocol ("Common errors").
    pub(crate) fn query(&self) -> (u16, &'static str) {
        match self.kind {
            Kind::Missing => (403, "MissingAuthenticationToken"),
            Kind::Incomplete => (400, "IncompleteSignature"),
            Kind::UnknownKey | Kind::Token => (403, "InvalidClientTokenId"),
            Kind::ExpiredToken => (403, "ExpiredToken"),
            Kind::Skewed => (400, "RequestExpired"),
            Kind::Scope | Kind::Unsigned | Kind::Mismatch | Kind::Payload => (403, "SignatureDoesNotMatch"),
        }
    }

    /// The code and status of the JSON services.
    pub(crate) fn json(&self) -> (u16, &'static str) {
        match self.kind {
            Kind::Missing => (403, "MissingAuthenticationTokenException"),
            Kind::Incomplete => (403, "IncompleteSignatureException"),
            Kind::UnknownKey | Kind::Token => (403, "UnrecognizedClientException"),
            Kind::ExpiredToken => (403, "ExpiredTokenException"),
            Kind::Skewed | Kind::Scope | Kind::Unsigned | Kind::Mismatch | Kind::Payload => {
                (403, "InvalidSignatureException")
            }
        }
    }

    /// The code and status of S3 ("Error responses", S3 API reference).
    pub(crate) fn storage(&self) -> (u16, &'static str) {
        match self.kind {
            Kind::Missing | Kind::Unsigned => (403, "AccessDenied"),
            Kind::Incomplete | Kind::Scope => (400, "AuthorizationHeaderMalformed"),
            Kind::UnknownKey => (403, "InvalidAccessKeyId"),
            Kind::Token => (400, "InvalidToken"),
            Kind::ExpiredToken => (400, "ExpiredToken"),
            Kind::Skewed => (403, "RequestTimeTooSkewed"),
            Kind::Mismatch => (403, "SignatureDoesNotMatch"),
            Kind::Payload => (400, "XAmzContentSHA256Mismatch"),
        }
    }
}
