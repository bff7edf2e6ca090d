//! Why an SVID is refused.

use carnet_core::{Error, ErrorKind};
use carnet_trust::Refusal;

/// The check that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SvidClause {
    /// Compact JWS, or X.509 in DER, within the size limits.
    Form,
    /// `alg` is not one of the nine that a JWT-SVID may have (JWT-SVID, 2.1).
    Algorithm,
    /// `typ` is neither `JWT` nor `JOSE`, or a header member stands there that may not (JWT-SVID, 2).
    Header,
    /// The header has no `kid`.
    KeyId,
    /// `sub` is missing, or the SPIFFE ID in it or in the certificate is none, or is one that no workload has.
    Subject,
    /// A certificate has no URI in its subject alternative name, or more than one (X509-SVID, 2).
    UriSan,
    /// There is no bundle of the trust domain of the SPIFFE ID.
    TrustDomain,
    /// The bundle of that trust domain has no key that fits.
    Key,
    /// A signature does not verify.
    Signature,
    /// No path leads to an authority of the trust domain (RFC 5280, 6).
    Chain,
    /// Too late.
    Expired,
    /// Too early.
    NotYet,
    /// It lives longer than allowed.
    Lifetime,
    /// A claim that must be there is not, or is of another type.
    Claim,
    /// `aud` does not name this verifier.
    Audience,
    /// The leaf is an authority's (X509-SVID, 5.2).
    Authority,
    /// `keyUsage` of the leaf or of an issuer is not as it must be (X509-SVID, 4.3).
    KeyUsage,
    /// `extKeyUsage` of the leaf has not both server and client authentication (X509-SVID, 4.4).
    ExtendedKeyUsage,
}

impl SvidClause {
    /// Its name in output, for instance `audience`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Form => "form",
            Self::Algorithm => "algorithm",
            Self::Header => "header",
            Self::KeyId => "key-id",
            Self::Subject => "subject",
            Self::UriSan => "uri-san",
            Self::TrustDomain => "trust-domain",
            Self::Key => "key",
            Self::Signature => "signature",
            Self::Chain => "chain",
            Self::Expired => "expired",
            Self::NotYet => "not-yet",
            Self::Lifetime => "lifetime",
            Self::Claim => "claim",
            Self::Audience => "audience",
            Self::Authority => "authority",
            Self::KeyUsage => "key-usage",
            Self::ExtendedKeyUsage => "extended-key-usage",
        }
    }

    /// What to change, and where.
    pub const fn fix(self) -> &'static str {
        match self {
            Self::Form => {
                "send the SVID as its issuer gave it: a token of three parts, or DER certificates, leaf first"
            }
            Self::Algorithm => {
                "let the issuer sign with RS, ES or PS 256, 384 or 512; other algorithms make no JWT-SVID"
            }
            Self::Header => "let the issuer write alg, kid and typ (JWT or JOSE) only",
            Self::KeyId => "let the issuer write the id of its key into the header (kid)",
            Self::Subject => "let the issuer name the workload by a SPIFFE ID with a path, spiffe://DOMAIN/PATH",
            Self::UriSan => "let the issuer write exactly one URI into the subject alternative name, the SPIFFE ID",
            Self::TrustDomain => "federate with this trust domain, or send an SVID of one that is known here",
            Self::Key => "refresh the bundle of the trust domain; a key must be published before it signs",
            Self::Signature => "get a new SVID; if it is refused too, compare the bundle with the issuer's",
            Self::Chain => "send the intermediate certificates too, and refresh the bundle of the trust domain",
            Self::Expired => "get a new SVID, and compare this machine's clock with the issuer's",
            Self::NotYet => "compare this machine's clock with the issuer's",
            Self::Lifetime => "let the issuer write iat and give shorter lives, or raise max_age of its domain here",
            Self::Claim => "let the issuer write sub, aud and exp as JWT-SVID, 3 has them",
            Self::Audience => "ask the Workload API for a token whose audience is this verifier's name",
            Self::Authority => "send the workload's own certificate first, not its issuer's",
            Self::KeyUsage => {
                "let the issuer set digitalSignature on leaves and keyCertSign on authorities, and never the reverse"
            }
            Self::ExtendedKeyUsage => "let the issuer set both serverAuth and clientAuth, or no extended key usage",
        }
    }
}

/// An SVID that is refused: the clause, what was seen, what was wanted. Never holds the token or its signature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SvidError {
    /// The check that failed.
    pub clause: SvidClause,
    /// What is wrong, safe to show.
    pub message: String,
    /// The value seen, if there is one; made safe to show.
    pub seen: Option<String>,
    /// The value wanted.
    pub wanted: Option<String>,
}

impl SvidError {
    /// An error at this check.
    pub fn new(clause: SvidClause, message: impl Into<String>) -> Self {
        Self { clause, message: message.into(), seen: None, wanted: None }
    }

    /// Sets the value seen.
    #[must_use]
    pub fn seen(mut self, seen: &str) -> Self {
        self.seen = Some(carnet_core::safe_text(seen));
        self
    }

    /// Sets the value wanted.
    #[must_use]
    pub fn wanted(mut self, wanted: impl Into<String>) -> Self {
        self.wanted = Some(wanted.into());
        self
    }

    /// What sort of failure it is.
    pub const fn kind(&self) -> ErrorKind {
        match self.clause {
            SvidClause::Expired | SvidClause::NotYet => ErrorKind::Expired,
            _ => ErrorKind::Refused,
        }
    }
}

impl From<SvidError> for Error {
    fn from(error: SvidError) -> Self {
        Self::new(error.kind(), "verify the SVID").clause(error.clause.name()).hint(error.clause.fix()).because(error)
    }
}

impl From<SvidError> for Refusal {
    /// SPIFFE names no error codes. What the Workload API answers to an SVID that fails for any reason is
    /// `InvalidArgument`, and that is the code here.
    fn from(error: SvidError) -> Self {
        let seen = error.seen.unwrap_or(error.message);
        Self::new(
            error.clause.name(),
            seen,
            error.wanted.unwrap_or_default(),
            crate::trust::REFUSED_CODE,
            error.clause.fix(),
        )
    }
}
