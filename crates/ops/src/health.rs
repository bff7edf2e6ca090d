//! What the parts of a service say of themselves.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// The health of a service: alive until it says otherwise, ready when each of its components is.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    components: Mutex<BTreeMap<&'static str, State>>,
    stopping: AtomicBool,
}

/// What a component said last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It has not started to work.
    Starting,
    /// It works.
    Ready,
    /// It works, but not as it should, and why: work may be sent here, and somebody should look. Safe to show.
    Degraded(String),
    /// It does not work, and why. Safe to show.
    Failing(String),
}

impl State {
    /// Whether work may be sent here.
    pub const fn is_ready(&self) -> bool {
        matches!(self, Self::Ready | Self::Degraded(_))
    }
}

/// What a probe is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Whether work may be sent here.
    pub ready: bool,
    /// Whether it is about to end.
    pub stopping: bool,
    /// Each component, in the order of their names.
    pub components: Vec<(&'static str, State)>,
}

/// The end at which one component reports.
#[derive(Clone, Debug)]
pub struct Component {
    name: &'static str,
    health: Health,
}

impl Health {
    /// Nothing registered yet, which counts as ready.
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers a component. It counts as starting until it reports.
    pub fn component(&self, name: &'static str) -> Component {
        self.components().entry(name).or_insert(State::Starting);
        Component { name, health: self.clone() }
    }

    /// From now on nothing is ready: work goes elsewhere while what runs comes to its end.
    pub fn stopping(&self) {
        self.0.stopping.store(true, Ordering::Release);
    }

    /// What all components said last.
    pub fn report(&self) -> Report {
        let stopping = self.0.stopping.load(Ordering::Acquire);
        let components: Vec<_> = self.components().iter().map(|(name, state)| (*name, state.clone())).collect();
        let ready = !stopping && components.iter().all(|(_, state)| state.is_ready());
        Report { ready, stopping, components }
    }

    /// What this component said last. `None` when there is none of this name.
    pub fn of(&self, name: &str) -> Option<State> {
        self.components().get(name).cloned()
    }

    fn components(&self) -> MutexGuard<'_, BTreeMap<&'static str, State>> {
        self.0.components.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Component {
    /// It works.
    pub fn ready(&self) {
        self.report(&State::Ready);
    }

    /// It works, but not as it should. The reason is shown to whoever may ask; it must not hold a secret.
    pub fn degraded(&self, why: impl Into<String>) {
        self.report(&State::Degraded(why.into()));
    }

    /// It does not work. The reason is shown to whoever may ask; it must not hold a secret.
    pub fn failing(&self, why: impl Into<String>) {
        self.report(&State::Failing(why.into()));
    }

    /// [`Self::ready`] or [`Self::failing`], as the outcome says.
    pub fn outcome<T, E: std::fmt::Display>(&self, outcome: &Result<T, E>) {
        match outcome {
            Ok(_) => self.ready(),
            Err(error) => self.failing(error.to_string()),
        }
    }

    fn report(&self, state: &State) {
        let before = self.health.components().insert(self.name, state.clone());
        if before.as_ref() == Some(state) {
            return;
        }
        match state {
            State::Failing(why) => tracing::warn!(component = self.name, why, "not ready"),
            State::Degraded(why) => tracing::warn!(component = self.name, why, "degraded"),
            State::Ready => tracing::info!(component = self.name, "ready"),
            State::Starting => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_component_that_fails_makes_the_whole_not_ready() {
        let health = Health::new();
        let (store, keys) = (health.component("store"), health.component("keys"));
        store.ready();
        assert!(!health.report().ready, "keys have not reported");
        keys.ready();
        assert!(health.report().ready);
        keys.failing("no key is active");
        let report = health.report();
        assert!(!report.ready && !report.stopping);
        assert_eq!(report.components[0], ("keys", State::Failing("no key is active".to_owned())));
        keys.outcome::<(), String>(&Ok(()));
        assert!(health.report().ready);
    }

    #[test]
    fn what_is_degraded_still_takes_work() {
        let health = Health::new();
        health.component("rules").degraded("a file cannot be read; the last good rules count");
        let report = health.report();
        assert!(report.ready);
        assert!(matches!(&report.components[0].1, State::Degraded(why) if why.contains("last good")));
    }

    #[test]
    fn what_stops_is_not_ready() {
        let health = Health::new();
        assert!(health.report().ready);
        health.stopping();
        assert!(!health.report().ready && health.report().stopping);
    }

    #[test]
    fn registering_again_forgets_nothing() {
        let health = Health::new();
        health.component("store").failing("full");
        health.component("store");
        assert_eq!(health.of("store"), Some(State::Failing("full".to_owned())));
        assert_eq!(health.of("stoer"), None);
    }
}
