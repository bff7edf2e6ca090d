//! Entra's federation trust as plain data, and the pure question: does this token make somebody that application or
//! managed identity?
//!
//! No I/O and no clock. Keys have to be fetched from the issuer (nobody can upload any), between [`Question::admit`] and
//! [`Admitted::decide`]. The credentials of one application or identity are at most [`MAX_CREDENTIALS`]; whoever keeps many
//! of them finds the [`Client`] by its id first, so that a lookup costs the same with ten thousand as with one.
//!
//! Sources: "Workload identity federation considerations", "Flexible federated identity credentials (preview)",
//! "Microsoft Entra authentication error codes", federatedIdentityCredential of Microsoft Graph v1.0.

mod client;
mod code;
mod credential;
mod evaluate;
mod expression;
mod lint;
mod outward;
mod own;
mod request;

pub use client::{Client, ClientKind, FederatedCredentials, MAX_CREDENTIALS};
pub use code::Code;
pub use credential::{ClaimsMatching, FederatedCredential};
pub use evaluate::{Admitted, Allowed, Question, TenantPolicy, evaluate};
pub use expression::{Condition, MatchingExpression, Operator};
pub use lint::lint_credential;
pub use outward::{Presented, Stamp, TokenError, old_mismatch, token_error};
pub use own::Home;
#[cfg(feature = "client")]
pub(crate) use request::is_guid;
pub use request::{check_tenant, parse_scope, unknown_application, unknown_resource, unknown_tenant};

use carnet_trust::Refusal;
use jiff::SignedDuration;

/// The audience that Microsoft recommends for the public cloud ("Workload identity federation", `audiences`).
pub const DEFAULT_AUDIENCE: &str = "api://AzureADTokenExchange";

/// How far `nbf` may lie in the future, and `exp` in the past. UNCONFIRMED: Microsoft's middleware takes five minutes by
/// default, and nobody has said what the token service takes. None would refuse tokens of issuers whose clocks are a
/// breath ahead; five minutes would accept here what may be refused there.
pub const CLOCK_SKEW: SignedDuration = SignedDuration::from_secs(60);

/// Shortest life of an access token: Microsoft draws it between 60 and 90 minutes ("Access token lifetime"). `expires_in`
/// is one second less.
pub const TOKEN_LIFETIME: SignedDuration = SignedDuration::from_hours(1);

/// Longest issuer, subject, audience and description, in characters (federatedIdentityCredential of Microsoft Graph).
pub const MAX_TEXT: usize = 600;

/// Most values of `aud` that a token may have. UNCONFIRMED: the credential has exactly one, and no token with several has
/// been reported to work.
pub const MAX_TOKEN_AUDIENCES: usize = 1;

fn refuse(
    clause: &'static str,
    seen: impl Into<String>,
    wanted: impl Into<String>,
    code: Code,
    fix: impl Into<String>,
) -> Box<Refusal> {
    Box::new(Refusal::new(clause, seen, wanted, code.to_string(), fix))
}

#[cfg(test)]
mod tests;
