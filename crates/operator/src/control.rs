//! What every controller is made of: a cache that follows the API server, a queue without duplicates, a lease, conditions and events.

mod cache;
mod change;
mod condition;
mod event;
mod lease;
mod queue;

pub(crate) use cache::{Cache, Follow};
pub(crate) use change::{change, finalizers};
pub(crate) use condition::{Condition, Status, patch};
pub(crate) use event::{Events, Sort};
pub(crate) use lease::{Leader, LeaseSettings};
pub(crate) use queue::Queue;
