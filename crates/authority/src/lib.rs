//! The authority as a service: configuration, wiring, listeners, admin API.

mod config;
mod open;

pub use config::{
    AdminAccess, AuthorityConfig, Foreign, KeyPlace, Listen, Profile, PublicTls, Seal, Settings, StorePlace, TokenPlace,
};
