//! The identity propagation trust: may this external JWT become that OCI principal?
//!
//! An identity domain keeps one [`PropagationTrust`] per external issuer. A workload shows a JWT of that issuer at the
//! domain's token endpoint and gets either a UPST (it acts as a user of the domain) or an ephemeral RPST (it acts as a
//! resource that exists only in the token). [`evaluate`] says which, for how long, or which clause fails first.
//!
//! Sources: Oracle Cloud Infrastructure documentation, "Token Exchange Grant Type: Exchanging a JSON Web Token for a
//! UPST" and "… for an ephemeral RPST"; the schema `IdentityPropagationTrust` of the identity domains API; Oracle
//! A-Team, "Workload Identity Federation" and "OCI Workload Identity Federation using Ephemeral RPST". The order of
//! the checks is inferred from them.

mod check;
mod evaluation;
mod lint;
mod model;
mod refusal;
mod rule;

use carnet_jose::{Algorithm, KeySet, UnverifiedJwt};
use carnet_trust::{Decision, Warning};
use jiff::{SignedDuration, Timestamp};

use super::Checked;
use evaluation::Evaluation;

pub use model::{ClaimValidation, DomainUser, PropagationTrust, ServiceUserRule, SubjectType, TrustMistake, TrustType};
pub use rule::{Rule, RuleError, RuleOperator};

/// Signature algorithms that are accepted from an external issuer.
///
/// UNCONFIRMED: Oracle documents none. RS256 is certain, because the walkthroughs use it; an issuer that signs with
/// anything else is refused, so that nobody finds out at the real service only.
pub const EXTERNAL_ALGORITHMS: &[Algorithm] = &[Algorithm::Rs256];

/// Longest life of a UPST ("valid for up to 60 minutes", A-Team, "Workload Identity Federation").
pub const UPST_MAX: SignedDuration = SignedDuration::from_mins(60);

/// Life of an RPST when `rpst_exp` is absent.
///
/// UNCONFIRMED: seen in one published demonstration.
pub const RPST_DEFAULT: SignedDuration = SignedDuration::from_secs(1_200);

/// Longest life of an RPST ("up to 12 hours", A-Team, "… using Ephemeral RPST").
///
/// UNCONFIRMED unit: the same page says `rpst_exp` is in seconds and at most 43200; the Java SDK's documentation says
/// minutes. Seconds is the safe side: a value meant as minutes gives a shorter life.
pub const RPST_MAX: SignedDuration = SignedDuration::from_secs(43_200);

/// The permission that a caller with an OCI signature needs in place of an OAuth client:
/// `Allow dynamic-group … to {GET_RPST} in tenancy`.
///
/// UNCONFIRMED for UPSTs: the documentation names it for RPSTs only. It is asked for in both cases.
pub const SIGNED_CALLER_PERMISSION: &str = "GET_RPST";

/// Tolerance for clocks when the trust says nothing.
///
/// UNCONFIRMED: the documentation's example sets 60 seconds and names no default; none is the safe side.
pub const DEFAULT_CLOCK_SKEW: SignedDuration = SignedDuration::ZERO;

/// Longest tolerance for clocks that a trust may set.
///
/// UNCONFIRMED: no limit is documented. This is how far a signed request's date may be off.
pub const MAX_CLOCK_SKEW: SignedDuration = SignedDuration::from_mins(5);

/// Most claims that a trust may propagate into an RPST (A-Team, "… using Ephemeral RPST").
pub const MAX_PROPAGATED_CLAIMS: usize = 3;

/// What the name of every propagated claim starts with, in the trust and in policies.
pub const PROPAGATED_PREFIX: &str = "ext_";

/// What is asked for at the token endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestedToken {
    /// `urn:oci:token-type:oci-rpst`.
    Rpst,
    /// `urn:oci:token-type:oci-upst`.
    Upst,
}

/// Who asks. It has been authenticated already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller<'a> {
    /// An OAuth client of the domain, by its client id.
    Client(&'a str),
    /// An OCI principal that signed the request.
    Principal {
        /// Its OCID or name, for the answer only.
        id: &'a str,
        /// Whether the tenancy's policies give it [`SIGNED_CALLER_PERMISSION`].
        permitted: bool,
    },
}

/// A request for an exchange.
#[derive(Clone, Copy, Debug)]
pub struct ExchangeRequest<'a> {
    /// Which token.
    pub requested: RequestedToken,
    /// `res_type`, as sent.
    pub resource_type: Option<&'a str>,
    /// `rpst_exp`, as sent.
    pub rpst_exp: Option<&'a str>,
    /// Who asks.
    pub caller: Caller<'a>,
}

/// What the identity domain knows besides the trust.
#[derive(Clone, Copy, Debug)]
pub struct Domain<'a> {
    /// Its users, service users included.
    pub users: &'a [DomainUser],
    /// Its setting for the longest life of a UPST, if it has one.
    pub upst_max: Option<SignedDuration>,
}

/// The trust for the token's issuer. The comparison is byte for byte: a trailing slash makes another issuer.
///
/// # Errors
/// The refusal with clause `issuer` when there is none.
pub fn find_trust<'t>(
    trusts: impl IntoIterator<Item = &'t PropagationTrust>,
    token: &UnverifiedJwt,
) -> Checked<&'t PropagationTrust> {
    let issuer = token.unverified_issuer().unwrap_or_default();
    let mut near = None;
    for trust in trusts {
        if trust.issuer == issuer {
            return Ok(trust);
        }
        if trust.issuer.trim_end_matches('/') == issuer.trim_end_matches('/') {
            near = Some(&trust.issuer);
        }
    }
    Err(refusal::issuer(issuer, near.map(String::as_str)))
}

/// Whether this token becomes a principal of the domain through this trust.
///
/// The clauses in order: `issuer`, `trust`, `client`, `token-type`, `resource`, `form`, `header`, `key`, `signature`,
/// `expired`, `not-yet`, `audience`, `claim-validation`, `subject`, `lifetime`. The principal of a UPST is the user's
/// OCID, that of an RPST the external subject. Attributes: `source_authn_prin` (the external subject, when a service
/// user is impersonated), `user_name`, `rule`, `res_type`, and every propagated claim under its `ext_` name.
pub fn evaluate(
    request: &ExchangeRequest<'_>,
    token: &UnverifiedJwt,
    keys: &KeySet,
    trust: &PropagationTrust,
    domain: &Domain<'_>,
    now: Timestamp,
) -> Decision {
    let mut held = Vec::new();
    let evaluation = Evaluation { request, trust, domain, now };
    match evaluation.run(token, keys, &mut held) {
        Ok(mut grant) => {
            grant.held = held;
            grant.warnings = lint::warnings(trust);
            Decision::Allow(grant)
        }
        Err(mut refusal) => {
            refusal.held = held;
            Decision::Refuse(*refusal)
        }
    }
}

impl PropagationTrust {
    /// What the identity domain refuses when such a trust is created.
    pub fn mistakes(&self) -> Vec<TrustMistake> {
        check::mistakes(self)
    }

    /// What works and should not.
    pub fn lint(&self) -> Vec<Warning> {
        lint::warnings(self)
    }

    /// The tolerance for clocks that disagree.
    pub fn clock_skew(&self) -> SignedDuration {
        self.clock_skew_seconds.map_or(DEFAULT_CLOCK_SKEW, |seconds| SignedDuration::from_secs(i64::from(seconds)))
    }
}

#[cfg(test)]
mod tests;
