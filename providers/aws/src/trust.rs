//! AWS's federation trust as plain data, and the pure question: does this token become a session of that role?
//!
//! No I/O and no clock. Keys that have to be fetched come from the caller between [`Question::admit`] and
//! [`Admitted::decide`]. Sources: "AssumeRoleWithWebIdentity" (STS API reference), "CreateOpenIDConnectProvider" (IAM API
//! reference), "IAM JSON policy elements: Condition operators", "Creating a condition with multiple keys or values",
//! "Available keys for AWS OIDC federation", "Pass session tags in AWS STS" (IAM user guide).

mod condition;
mod document;
mod evaluate;
mod lint;
pub mod login;
mod pattern;
mod policy;
mod provider;
mod request;
mod session;

pub use condition::{Condition, Context};
pub use document::{Document, DocumentError};
pub use evaluate::{Admitted, Question, evaluate};
pub use lint::lint_role;
pub use policy::{Denied, PolicyError, Statement, TrustPolicy};
pub use provider::{OidcProvider, Providers, Role};
pub use request::RequestFacts;
pub use session::{Session, is_tag_character};

use carnet_trust::Refusal;
use jiff::SignedDuration;

/// Shortest session, and what a session lasts when nothing is asked ("AssumeRoleWithWebIdentity", DurationSeconds).
pub const SHORTEST_SESSION: SignedDuration = SignedDuration::from_secs(900);
/// See [`SHORTEST_SESSION`].
pub const DEFAULT_SESSION: SignedDuration = SignedDuration::from_secs(3600);
/// Longest session that a role can allow.
pub const LONGEST_SESSION: SignedDuration = SignedDuration::from_secs(43_200);
/// How far `iat` and `nbf` may lie in the future. UNCONFIRMED: AWS does not say. `exp` has no tolerance, as the text of
/// its refusal says ("current date/time must be before the expiration date/time").
pub const CLOCK_SKEW: SignedDuration = SignedDuration::from_secs(300);

/// What `RoleSessionName` and `SourceIdentity` must be, for people.
pub(crate) const SESSION_NAME: &str = "2 to 64 of letters, digits and _+=,.@-";

/// Whether a text can be the name of a session, or a source identity ("AssumeRole").
pub fn is_session_name(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    (2..=64).contains(&text.len()) && text.chars().all(fits)
}

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
