//! The admin API: who may use it, what it does, and that it is what its document says.

mod access;
mod audit;
mod contract;
mod dry_run;
mod queries;
mod resources;
mod schema;
mod store;
mod tokens;
mod trust;
mod undo;
mod world;
