//! The JWT auth method of Vault and OpenBao as plain data, and the pure question: does this token log in by that role?
//!
//! No I/O and no clock. Keys that have to be fetched come from the caller between [`Question::admit`] and
//! [`Admitted::decide`]. What is decided is what the products decide, also where it is lax; what they should not allow is
//! a warning of the grant and of [`lint_role`]. Sources: OpenBao 2.6 (`builtin/credential/jwt`), `vault-plugin-auth-jwt`
//! and `hashicorp/cap` (2026-07), "JWT/OIDC auth method (API)".

mod aws;
mod cel;
mod claims;
mod config;
mod identity;
mod lint;
mod login;
mod printed;
mod proof;
mod role;
mod template;
mod times;
mod token_fields;
mod wire_types;

pub use aws::{
    AwsCaller, AwsClientConfig, AwsIdentityConfig, AwsLogin, AwsPrincipal, AwsProof, AwsQuestion, AwsRole,
    CheckedAwsRole, SERVER_ID, lint_aws,
};
pub use cel::{
    Alias, CelAdmitted, CelAuth, CelLogin, CelProgram, CelQuestion, CelRole, CelVariable, CheckedCelRole, evaluate_cel,
};
pub use claims::{Looked, look_up};
pub use config::{CheckedConfig, JwksPair, KeyOrigin, MethodConfig};
pub use identity::Identity;
pub use lint::{lint_cel_role, lint_config, lint_role};
pub use login::{Admitted, Login, Question, evaluate, role_name, status};
pub use role::{CheckedRole, Role};
pub use times::Leeways;
pub use token_fields::TokenFields;
pub use wire_types::parse_seconds;

use carnet_trust::Refusal;
use jiff::SignedDuration;

/// The life of a token when neither role nor mount says one: 768 hours ("default_lease_ttl", "max_lease_ttl").
pub const SYSTEM_TTL: SignedDuration = SignedDuration::from_hours(768);

fn refuse(
    clause: &'static str,
    seen: impl Into<String>,
    wanted: impl Into<String>,
    text: impl Into<String>,
    fix: impl Into<String>,
) -> Box<Refusal> {
    Box::new(Refusal::new(clause, seen, wanted, text, fix))
}

#[cfg(test)]
mod tests;
