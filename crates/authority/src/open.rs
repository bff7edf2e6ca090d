//! From settings to the parts that work.

mod belongs;
mod keys;
mod store;

pub(crate) use belongs::{check_belongs, owner};
pub(crate) use keys::open_keys;
pub(crate) use store::open_store;
