//! The auth service: it signs and verifies every session token, and gives one for a certificate or a resource's key.

mod session;

pub(crate) use session::{AuthService, SessionGrant};
