//! HTTP request signatures, version 1: the verifying side.
//!
//! <https://docs.oracle.com/en-us/iaas/Content/API/Concepts/signingrequests.htm>, which builds on
//! draft-cavage-http-signatures-08.

/// What a place asks of a signature beyond the rules that hold everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options<'a> {
    /// Whether `host` must be signed, and what it must say.
    pub host: HostRule<'a>,
    /// Whether the body of a POST, PUT or PATCH must be signed.
    pub body: BodyRule,
    /// Whether a signature counts once only. [`evaluate`] has no memory and does not look at it; whoever keeps a replay
    /// cache does.
    pub single_use: bool,
}

/// The rule for the `host` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostRule<'a> {
    /// It must be signed and be one of these. For relying parties, which must not accept a request made for another.
    OneOf(&'a [&'a str]),
    /// It may be left out: the auth service's federation endpoints (the Go and Python SDKs do not sign it there).
    Optional,
    /// It must be signed.
    Signed,
}

/// The rule for the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyRule {
    /// Its headers may be left out: PutObject and UploadPart.
    Optional,
    /// `content-length`, `content-type` and `x-content-sha256` must be signed.
    Signed,
}

impl Options<'static> {
    /// Every service API.
    pub const API: Self = Self { host: HostRule::Signed, body: BodyRule::Signed, single_use: false };
    /// The auth service, whose callers may leave `host` out.
    pub const AUTH_SERVICE: Self = Self { host: HostRule::Optional, body: BodyRule::Signed, single_use: false };
    /// PutObject and UploadPart.
    pub const UPLOAD: Self = Self { host: HostRule::Signed, body: BodyRule::Optional, single_use: false };
    /// Places that give a new credential for a signature: it counts once.
    pub const TOKEN_ENDPOINT: Self = Self { host: HostRule::Signed, body: BodyRule::Signed, single_use: true };
}

/// Verifies session tokens and remembers those that are good.
#[derive(Debug, Default)]
pub struct SessionVerifier {}

impl SessionVerifier {
    /// `iss` of every session token: a bare name, not a URL.
    pub const ISSUER: &'static str = "authService.oracle.com";
    /// `aud` of session tokens.
    pub const AUDIENCE: &'static str = "oci";

    /// Forgets what it remembers, for when the keys of the issuer change.
    pub fn forget(&self) {}
}
