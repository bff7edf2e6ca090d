//! The admin API: who may use it, what it does, and that it is what its document says.

mod access;
mod contract;
mod resources;
mod schema;
mod trust;
mod world;
