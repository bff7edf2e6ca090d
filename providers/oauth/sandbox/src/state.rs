//! All that the emulated parties know.

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use carnet_sandbox_kit::World;

use crate::{
    index::Index,
    issuers::IssuerKeys,
    seed,
    tokens::{Tokens, Used},
    trusts::Trusts,
};

/// The world and what is in it.
pub(crate) struct State {
    pub(crate) world: World,
    pub(crate) issuers: IssuerKeys,
    inner: Mutex<Inner>,
}

/// What is behind the lock.
#[derive(Default)]
pub(crate) struct Inner {
    pub(crate) trusts: Trusts,
    pub(crate) tokens: Tokens,
    pub(crate) used: Used,
    pub(crate) index: Index,
}

impl State {
    /// The world of the documents.
    pub(crate) fn seeded(world: World) -> Self {
        let mut inner = Inner::default();
        seed::fill(&mut inner.trusts);
        Self { issuers: IssuerKeys::new(&world), inner: Mutex::new(inner), world }
    }

    /// What is behind the lock. Never held across an await.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("State")
    }
}
