//! `identity/…`: entities, external groups, and what logins make of them.

mod paths;
mod store;

pub(crate) use paths::answer;
pub(crate) use store::{Identities, disabled};
