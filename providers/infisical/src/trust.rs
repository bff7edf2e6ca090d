//! The auth methods of Infisical's machine identities as plain data, and the pure question: does this proof log in?
//!
//! No I/O and no clock: keys, answers of clouds and of clusters come from the caller. What is decided is what the product
//! decides, also where it is lax; what it should not allow is a warning of the grant and of [`Method::lint`]. Sources:
//! Infisical/infisical, `backend/src/services/identity-*-auth` (2025 to 2026-09), and infisical.com/docs, "Machine
//! identities".

mod aws;
mod azure;
mod claims;
mod gcp;
mod jwt;
mod kubernetes;
mod method;
mod networks;
mod oci;
mod oidc;
mod pattern;
mod refused;
mod settings;
mod spiffe;
mod token;
mod universal;

pub use aws::{AwsAuth, Caller, signed_region};
pub use azure::AzureAuth;
pub use gcp::{GcpAuth, GcpType};
pub use jwt::{JwtAuth, JwtConfiguration};
pub use kubernetes::{KubernetesAuth, Review, ReviewMode, ReviewUser};
pub use method::{Method, Proof, evaluate};
pub use networks::{EVERYWHERE, TrustedIp, allows};
pub use oci::{BIND_SIGNER, OciAuth, SignedHeaders, User};
pub use oidc::OidcAuth;
pub use pattern::Pattern;
pub use refused::{Checked, Refused};
pub use settings::{MAX_TOKEN_AGE, TokenSettings};
pub use spiffe::{SpiffeAuth, TrustBundle};
pub use universal::{ClientSecret, Lockout, UniversalAuth};

use std::collections::BTreeMap;

use carnet_trust::Warning;

/// A proof that was believed.
#[derive(Clone, Debug, Default)]
pub struct Proven {
    /// Who proved it, in the notation of the method: a subject, an ARN, an e-mail address, the name of a user.
    pub principal: String,
    /// What was learnt and goes into the token (`identityAuth`). Safe to show.
    pub attributes: BTreeMap<String, String>,
    /// The clauses that held, in order.
    pub held: Vec<&'static str>,
    /// What was allowed and should not be.
    pub warnings: Vec<Warning>,
}

/// The entries of a text with commas between them, as the product cuts it.
fn listed(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim)
}

fn warning(clause: &'static str, message: impl Into<String>, fix: &str) -> Warning {
    Warning { clause, message: message.into(), fix: fix.to_owned() }
}

/// Text from outside as an operator may see it.
fn shown(text: Option<&str>) -> String {
    carnet_core::safe_text(text.unwrap_or("none"))
}

#[cfg(test)]
mod tests;
