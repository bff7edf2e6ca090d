//! The numbers of the token service's refusals.

use std::fmt;

/// A code of the token service: `AADSTS` and a number ("Microsoft Entra authentication error codes").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub u32);

impl Code {
    /// No credential fits the token: the old code for issuer, subject and audience alike.
    pub const MISMATCH: Self = Self(70_021);
    /// The scope is not `RESOURCE/.default`.
    pub const SCOPE: Self = Self(70_011);
    /// The client has no federated credential at all. The wording is UNCONFIRMED.
    pub const NO_CREDENTIALS: Self = Self(70_025);
    /// No credential has the token's issuer.
    pub const ISSUER: Self = Self(700_211);
    /// No credential has the token's audience.
    pub const AUDIENCE: Self = Self(700_212);
    /// No credential has the token's subject.
    pub const SUBJECT: Self = Self(700_213);
    /// A credential would fit if upper and lower case were the same.
    pub const CASE: Self = Self(7_002_138);
    /// The tenant's policy demands another enterprise of GitHub.
    pub const ENTERPRISE: Self = Self(7_002_381);
    /// The token was issued by Entra itself.
    pub const OWN_ISSUER: Self = Self(700_222);
    /// The token is over, or not valid yet.
    pub const TIME: Self = Self(700_024);
    /// The issuer's key set has no key with this id.
    pub const KEY: Self = Self(7_000_272);
    /// What was sent is no JWT.
    pub const FORM: Self = Self(50_027);
    /// The header names no key.
    pub const KEY_ID: Self = Self(5_002_723);
    /// The algorithm is not one of RSA.
    pub const ALGORITHM: Self = Self(5_002_738);
    /// Discovery document or key set of the issuer could not be fetched.
    pub const FETCH: Self = Self(50_166);
    /// A claim that must be there is not.
    pub const CLAIM: Self = Self(90_014);
    /// The directory has no application or identity with this id.
    pub const APPLICATION: Self = Self(700_016);
    /// There is no such tenant.
    pub const TENANT: Self = Self(90_002);
    /// What was given for the tenant cannot be one.
    pub const TENANT_FORM: Self = Self(900_023);
    /// The tenant has no such resource.
    pub const RESOURCE: Self = Self(500_011);

    /// Reads `AADSTS700213`.
    pub fn parse(text: &str) -> Option<Self> {
        text.strip_prefix("AADSTS")?.parse().ok().map(Self)
    }

    /// The OAuth error that goes with it (RFC 6749, 5.2), as users quote the answers.
    pub const fn error(self) -> &'static str {
        match self {
            Self::SCOPE => "invalid_scope",
            Self::RESOURCE => "invalid_resource",
            Self::APPLICATION => "unauthorized_client",
            Self::MISMATCH
            | Self::OWN_ISSUER
            | Self::FORM
            | Self::KEY_ID
            | Self::ALGORITHM
            | Self::FETCH
            | Self::CLAIM
            | Self::TENANT
            | Self::TENANT_FORM => "invalid_request",
            _ => "invalid_client",
        }
    }

    /// The HTTP status: 401 for `invalid_client`, 400 for the others.
    pub fn status(self) -> u16 {
        if self.error() == "invalid_client" { 401 } else { 400 }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AADSTS{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_it_is_written() {
        assert_eq!(Code::parse("AADSTS700213"), Some(Code::SUBJECT));
        assert_eq!(Code::SUBJECT.to_string(), "AADSTS700213");
        assert_eq!((Code::parse("700213"), Code::parse("AADSTS-1"), Code::parse("AADSTS")), (None, None, None));
    }

    #[test]
    fn the_status_follows_the_error() {
        for (code, error, status) in [
            (Code::SUBJECT, "invalid_client", 401),
            (Code::TIME, "invalid_client", 401),
            (Code::FORM, "invalid_request", 400),
            (Code::APPLICATION, "unauthorized_client", 400),
            (Code::SCOPE, "invalid_scope", 400),
            (Code::RESOURCE, "invalid_resource", 400),
        ] {
            assert_eq!((code.error(), code.status()), (error, status), "{code}");
        }
    }
}
