//! From settings to the parts that work.

mod keys;
mod store;

pub(crate) use keys::open_keys;
pub(crate) use store::open_store;
