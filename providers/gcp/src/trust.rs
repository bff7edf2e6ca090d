//! Google's federation trust as plain data, and the pure questions: does this token become that principal, may that
//! principal act as this service account, may it use this resource?
//!
//! No I/O and no clock. What has to be fetched ([`Need`]) comes from the caller between [`Question::admit`] and
//! [`Admitted::decide`]. Sources: "Configure Workload Identity Federation with other identity providers", "Exchange a
//! token" (STS v1), "Workload identity pools and providers" (IAM v1), "Troubleshoot Workload Identity Federation".

mod aws;
mod certificate;
mod check;
mod iam;
mod jwt;
mod lint;
mod mapping;
mod member;
mod names;
mod outward;
mod provider;
mod question;

pub use aws::{AWS_DATE_LEEWAY, SignedRequest};
pub use certificate::parse_chain;
pub use check::{CheckedProvider, check_pool};
pub use iam::{Binding, Impersonation, Policies, Policy, permissions_of, use_resource};
pub use lint::{lint_policy, lint_provider};
pub use mapping::{Federated, MAX_ATTRIBUTES, MAX_MAPPED, MAX_SUBJECT};
pub use member::{Caller, Member};
pub use names::{PoolName, ProviderName};
pub use outward::{rpc_error, rpc_status, sts_error};
pub use provider::{Aws, Oidc, Pem, Pool, Provider, State, TrustStore, X509};
pub use question::{Admitted, Allowed, CallerIdentity, Fetched, Need, Question, Subject, evaluate};

use carnet_trust::Refusal;
use jiff::SignedDuration;

/// How far `iat` and `nbf` may lie in the future, and `exp` in the past. UNCONFIRMED: Google does not say. More would
/// accept here what Google refuses; none would refuse tokens of issuers whose clocks are a breath ahead.
pub const CLOCK_SKEW: SignedDuration = SignedDuration::from_secs(60);

/// How old `iat` may be. Google: "The `iat` claim … must be no more than 24 hours in the past".
pub const MAX_AGE: SignedDuration = SignedDuration::from_hours(24);

/// How long a federated access token lives. UNCONFIRMED whether it is cut to what is left of the subject token; here it
/// is not, as nobody has reported that it is.
pub const TOKEN_LIFETIME: SignedDuration = SignedDuration::from_hours(1);

fn refuse(
    clause: &'static str,
    seen: impl Into<String>,
    wanted: impl Into<String>,
    code: impl Into<String>,
    fix: impl Into<String>,
) -> Box<Refusal> {
    Box::new(Refusal::new(clause, seen, wanted, code, fix))
}

#[cfg(test)]
mod tests;
