//! Where in the text the steps of a route stand.

use std::ops::Range;

use crate::{Role, route::Step};

/// The places of the names of the steps of a route, for what is found out about two of them.
#[derive(Default)]
pub(crate) struct Anchors {
    pub(crate) source: Range<usize>,
    pub(crate) through: Vec<Range<usize>>,
    pub(crate) deliver: Vec<Range<usize>>,
}

impl Anchors {
    pub(crate) fn of(&self, step: &Step) -> Range<usize> {
        let found = match step.role {
            Role::Source => Some(&self.source),
            Role::Exchange => self.through.get(step.index),
            Role::Delivery => self.deliver.get(step.index),
        };
        found.cloned().unwrap_or_default()
    }
}
