//! The authority as a service: configuration, wiring, listeners, admin API.

mod bundle;
mod config;
mod files;
mod identity;
mod listeners;
mod mint;
mod neighbours;
mod open;
mod parts;
mod public;
mod rules;
mod running;

pub use config::{
    AdminAccess, AuthorityConfig, Foreign, KeyPlace, Listen, Profile, PublicTls, Seal, Settings, StorePlace, TokenPlace,
};
pub use neighbours::StoredForeign;
pub use rules::Rules;
pub use running::{Addresses, Authority};
