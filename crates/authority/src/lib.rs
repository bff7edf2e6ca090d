//! The authority as a service: configuration, wiring, listeners, admin API.

pub mod admin;
mod bundle;
mod config;
mod dev;
mod doors;
mod files;
mod identity;
mod keepers;
mod metered;
mod neighbours;
mod open;
mod parts;
mod public;
mod rules;
mod running;
mod store_clock;

pub use config::{AdminAccess, AuthorityConfig, Foreign, KeyPlace, Listen, Seal, Settings, StorePlace, TokenPlace};
pub use dev::{DevOptions, open_dev, start_dev_agent};
pub use files::FromFiles;
pub use neighbours::StoredForeign;
pub use rules::{Ground, Rules};
pub use running::{Addresses, Authority};
