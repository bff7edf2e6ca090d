//! `carnet authority`, as those who have nothing to do with it see it.

mod administration;
mod exchange;
mod kill;
mod load;
mod logins;
mod operations;
mod rotation;
pub(crate) mod scene;
pub(crate) mod site;
mod two_nodes;
pub(crate) mod verifiers;
pub(crate) mod witness;
