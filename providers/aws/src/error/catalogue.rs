//! What AWS answers, what it means and what to do.

use carnet_core::ErrorKind;

/// A refusal that is known.
pub(super) struct Known {
    pub(super) code: &'static str,
    /// A part of the text; empty for any.
    pub(super) text: &'static str,
    pub(super) clause: &'static str,
    pub(super) kind: ErrorKind,
    pub(super) fix: &'static str,
}

const fn known(
    code: &'static str,
    text: &'static str,
    clause: &'static str,
    kind: ErrorKind,
    fix: &'static str,
) -> Known {
    Known { code, text, clause, kind, fix }
}

/// The first entry that fits counts.
pub(super) const CATALOGUE: [Known; 31] = [
    known(
        "InvalidIdentityToken",
        "No OpenIDConnect provider",
        "issuer",
        ErrorKind::Refused,
        "create an OpenID Connect provider for exactly this issuer in the account of the role",
    ),
    known(
        "InvalidIdentityToken",
        "audience",
        "audience",
        ErrorKind::Refused,
        "add the token's audience to the provider's client ids, or set `audience` to one that is there; `azp` counts before `aud`",
    ),
    known(
        "InvalidIdentityToken",
        "thumbprint",
        "keys",
        ErrorKind::Refused,
        "put the SHA-1 of the last certificate of the chain that the issuer's key host serves into the provider's thumbprints",
    ),
    known(
        "InvalidIdentityToken",
        "verification key",
        "keys",
        ErrorKind::Refused,
        "make the issuer's discovery document and key set readable from the internet, with the key that signed",
    ),
    known(
        "InvalidIdentityToken",
        "not a valid JWT",
        "form",
        ErrorKind::Refused,
        "send an ID token; an access token is none",
    ),
    known(
        "InvalidIdentityToken",
        "",
        "signature",
        ErrorKind::Refused,
        "look at the token with `carnet inspect`: signature, whole numbers in iat, exp and nbf, session tags",
    ),
    known("ExpiredTokenException", "", "expired", ErrorKind::Expired, "get a new token just before the exchange"),
    known("ExpiredToken", "", "expired", ErrorKind::Expired, "get new keys: those that signed the request are over"),
    known(
        "RequestExpired",
        "",
        "date",
        ErrorKind::Expired,
        "set this machine's clock: a signature counts for 15 minutes",
    ),
    known(
        "IDPCommunicationError",
        "",
        "keys",
        ErrorKind::Unreachable,
        "AWS could not reach the issuer; the same request may succeed later",
    ),
    known(
        "IDPRejectedClaim",
        "",
        "claims",
        ErrorKind::Refused,
        "the issuer says that the token is invalid or revoked: get a new one",
    ),
    known(
        "AccessDenied",
        "Untrusted certificate",
        "chain",
        ErrorKind::Refused,
        "the certificate must lead to the trust anchor, be one for end entities with digitalSignature, and not be over",
    ),
    known(
        "AccessDenied",
        "Untrusted signature",
        "signature",
        ErrorKind::Refused,
        "the key must be that of the certificate, and this machine's clock right: a signature counts for 15 minutes",
    ),
    known(
        "AccessDenied",
        "",
        "policy",
        ErrorKind::Policy,
        "the role does not exist, or its trust policy does not allow this: compare each condition with the claims, upper and lower case too; tags need sts:TagSession, a source identity sts:SetSourceIdentity",
    ),
    known(
        "ValidationError",
        "DurationSeconds",
        "duration",
        ErrorKind::Configuration,
        "ask for a shorter `lifetime`, or raise the role's MaxSessionDuration; behind another role it is one hour",
    ),
    known("ValidationError", "", "request", ErrorKind::Configuration, "correct the parameter that the text names"),
    known("MalformedPolicyDocument", "", "policy-document", ErrorKind::Configuration, "correct `policy`"),
    known("PackedPolicyTooLarge", "", "policy-document", ErrorKind::Configuration, "shorten session policies and tags"),
    known(
        "RegionDisabledException",
        "",
        "region",
        ErrorKind::Refused,
        "activate STS for this region in the account, or use another region",
    ),
    known(
        "OutboundWebIdentityFederationDisabledException",
        "",
        "issuer",
        ErrorKind::Refused,
        "switch it on: `aws iam enable-outbound-web-identity-federation`",
    ),
    known(
        "SessionDurationEscalationException",
        "",
        "duration",
        ErrorKind::Configuration,
        "ask for a `lifetime` that ends before the session of the caller",
    ),
    known("JWTPayloadSizeExceededException", "", "request", ErrorKind::Configuration, "send fewer or shorter tags"),
    known(
        "InvalidClientTokenId",
        "",
        "key",
        ErrorKind::Refused,
        "the keys are unknown to AWS: other account partition, or deleted",
    ),
    known(
        "SignatureDoesNotMatch",
        "",
        "signature",
        ErrorKind::Refused,
        "the secret does not belong to the key id, or something on the way changed the request",
    ),
    known(
        "MissingAuthenticationToken",
        "",
        "signature",
        ErrorKind::Refused,
        "the request came without its signature: look for a proxy in between that takes headers away",
    ),
    known(
        "IncompleteSignature",
        "",
        "signature",
        ErrorKind::Refused,
        "the signature came in parts: look for a proxy in between that changes headers",
    ),
    known(
        "InvalidAction",
        "",
        "region",
        ErrorKind::Refused,
        "this address does not have the action: set `region`, since GetWebIdentityToken is at regional addresses only",
    ),
    known("Throttling", "", "busy", ErrorKind::Unreachable, "too many requests: the same one may succeed later"),
    known("ServiceUnavailable", "", "busy", ErrorKind::Unreachable, "the same request may succeed later"),
    known(
        "ResourceNotFoundException",
        "",
        "request",
        ErrorKind::Refused,
        "trust anchor, profile and address must be of one region",
    ),
    known("ValidationException", "", "request", ErrorKind::Configuration, "correct what the text names"),
];

/// AWS says no more than that the token is invalid of one that does not count yet.
pub(super) const NOT_YET: Known = known(
    "InvalidIdentityToken",
    "",
    "not-yet",
    ErrorKind::Expired,
    "the token counts from a time in the future: compare the clocks of the issuer and of this machine with the real time",
);
