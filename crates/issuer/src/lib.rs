//! What the authority issues, to whom, and why: trust rules, inbound proofs, RFC 8693 / 7523 / 7662 / 7009 / 8414, SVIDs.
//!
//! ```text
//! request ─► proof: whose issuer, keys, algorithm, times (inbound) ─► rule: audience, subject, claims, CEL … ─► Decision
//!         ─► sign (KeyRing) ─► one commit: audit row, single use, token row (store) ─► answer
//! ```
//!
//! [`Rule`]s and [`TrustedIssuer`]s are data; [`RuleSet::load`] checks all of them, refuses the dangerous ones, and indexes them by issuer, so that an
//! exchange does not pay for the rules of other issuers. Nothing is allowed that no rule allows. An [`Issuer`] answers; every outcome, a refusal too, is
//! one [`carnet_store::Store::commit`], and nothing leaves before it is durable. What a caller is told of a refused token is that it was refused and the
//! request id; clause, value seen and value wanted are in the audit row.
//!
//! # Endpoints ([`Issuer::router`])
//!
//! | endpoint | what |
//! | --- | --- |
//! | `POST /oauth2/token` | grants `urn:ietf:params:oauth:grant-type:token-exchange` (RFC 8693), `urn:ietf:params:oauth:grant-type:jwt-bearer` and `client_credentials` (RFC 7523) |
//! | `POST /oauth2/introspect` | RFC 7662, for callers whose rule says `introspect` |
//! | `POST /oauth2/revoke` | RFC 7009, for whoever holds the token |
//! | `POST /v1/auth/oci/login`, `POST /v1/auth/aws/login` | a token exchange of a signed request, in JSON |
//!
//! The metadata (RFC 8414) are [`Issuer::metadata`], for [`Issuer::metadata_paths`].
//!
//! Beyond the standards: the subject token types `urn:carnet:token-type:jwt-svid` and `urn:carnet:token-type:x509-svid` (the certificate of the
//! connection; no `subject_token` then), and the parameter `csr` with `requested_token_type=urn:carnet:token-type:x509-svid`: a PKCS#10 request in
//! base64url; the answer's `access_token` is the chain in PEM, leaf first. An introspection request may say with `client_address` where the token came
//! from, for tokens that are bound to networks; without it they are inactive.

mod caller;
mod csr;
mod error;
mod exchange;
mod form;
mod inbound;
mod introspect;
mod issuer;
mod login;
mod metadata;
mod mint;
mod networks;
mod refusals;
mod request;
mod revoke;
mod router;
mod rule;
mod rule_set;
mod settings;
mod signed_issuer;
mod svid;
mod token_type;
mod trusted;

pub use caller::{Caller, counted_address};
pub use error::{OAuthCode, OAuthError};
pub use exchange::TokenResponse;
pub use form::MAX_FORM;
pub use inbound::revocation_mark;
pub use introspect::{Introspection, LookupRequest};
pub use issuer::{ForeignAges, Issuer, IssuerParts};
pub use request::{Grant, ShownToken, TokenRequest};
pub use rule::{ActorRule, Rule};
pub use rule_set::{Actor, Asked, Presented, RuleSet};
pub use settings::IssuerSettings;
pub use svid::{Issued, IssuedCertificate, JwtSvidRequest, MAX_AUDIENCE, MAX_AUDIENCES, X509SvidRequest};
pub use token_type::{IssueType, SubjectType};
pub use trusted::TrustedIssuer;
