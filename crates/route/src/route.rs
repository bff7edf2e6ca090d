//! A route: one source, then exchanges, then deliveries. Checked when it is built, run as often as wanted.

mod auto;
mod misfit;
mod run;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use carnet_core::{Delivery, Exchange, Kinds, Source};
use carnet_renew::Schedule;

pub use auto::{Auto, Identity, Looked, find_all};
pub use misfit::Misfit;
pub use run::{Hop, RouteFailure, RouteRun, Step};

/// Exchanges in one route. Two or three are usual; more than this is a mistake in a generated file.
pub(crate) const MAX_EXCHANGES: usize = 16;

/// Where a route starts.
#[derive(Clone, Debug)]
pub enum Start {
    /// The first identity found in this place.
    Auto(Auto),
    /// One source.
    Source(Arc<dyn Source>),
}

impl Start {
    /// Its name in configuration.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Auto(_) => Auto::NAME,
            Self::Source(source) => source.name(),
        }
    }
}

/// One source, then exchanges, then deliveries, whose kinds fit.
#[derive(Clone, Debug)]
pub struct Route {
    name: String,
    start: Start,
    exchanges: Vec<Arc<dyn Exchange>>,
    deliveries: Vec<Arc<dyn Delivery>>,
    audience: Option<String>,
    schedule: Option<Schedule>,
}

impl Route {
    /// Puts a route together and checks that every step takes what the step before it gives.
    ///
    /// # Errors
    /// Every place where the kinds do not fit.
    pub fn new(
        name: impl Into<String>,
        start: Start,
        exchanges: Vec<Arc<dyn Exchange>>,
        deliveries: Vec<Arc<dyn Delivery>>,
    ) -> Result<Self, Vec<Misfit>> {
        let next = exchanges.first().map(|exchange| exchange.takes());
        let start = match start {
            Start::Auto(auto) => Start::Auto(auto.only_for(next.unwrap_or(Kinds::ANY))),
            source @ Start::Source(_) => source,
        };
        let misfits = misfits(&start, &exchanges, &deliveries);
        if !misfits.is_empty() {
            return Err(misfits);
        }
        Ok(Self { name: name.into(), start, exchanges, deliveries, audience: None, schedule: None })
    }

    /// Sets the audience that the last credential must name. Exchanges that know the audience of their target set it
    /// for the step before them; only the last step has nobody after it.
    #[must_use]
    pub fn audience(mut self, audience: Option<String>) -> Self {
        self.audience = audience.or(self.audience);
        self
    }

    /// Sets when its credential is renewed.
    #[must_use]
    pub fn schedule(mut self, schedule: Schedule) -> Self {
        self.schedule = Some(schedule);
        self
    }

    /// Adds a delivery after those of the configuration.
    ///
    /// # Errors
    /// When it does not take what the last step gives.
    pub fn deliver_also(mut self, delivery: Arc<dyn Delivery>) -> Result<Self, Misfit> {
        self.deliveries.push(delivery);
        match misfits(&self.start, &self.exchanges, &self.deliveries).pop() {
            None => Ok(self),
            Some(misfit) => Err(misfit),
        }
    }

    /// Its name in configuration.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it starts.
    pub fn start(&self) -> &Start {
        &self.start
    }

    /// Its exchanges, in order.
    pub fn exchanges(&self) -> &[Arc<dyn Exchange>] {
        &self.exchanges
    }

    /// Its deliveries, in order.
    pub fn deliveries(&self) -> &[Arc<dyn Delivery>] {
        &self.deliveries
    }

    /// When its credential is renewed, if the route says so itself.
    pub fn renewal(&self) -> Option<Schedule> {
        self.schedule
    }

    /// The kinds that its last step may give.
    pub fn gives(&self) -> Kinds {
        match (self.exchanges.last(), &self.start) {
            (Some(exchange), _) => exchange.gives(),
            (None, Start::Source(source)) => source.gives(),
            (None, Start::Auto(_)) => Kinds::ANY,
        }
    }

    /// Its steps, in order, deliveries last: what `--dry-run` shows.
    pub fn steps(&self) -> Vec<Step> {
        let start = Step::source(self.start.name());
        let exchanges = self.exchanges.iter().enumerate().map(|(at, exchange)| Step::exchange(at, exchange.name()));
        let deliveries = self.deliveries.iter().enumerate().map(|(at, delivery)| Step::delivery(at, delivery.name()));
        std::iter::once(start).chain(exchanges).chain(deliveries).collect()
    }
}

fn misfits(start: &Start, exchanges: &[Arc<dyn Exchange>], deliveries: &[Arc<dyn Delivery>]) -> Vec<Misfit> {
    let mut found = Vec::new();
    let mut before = match start {
        Start::Source(source) => Some((Step::source(source.name()), source.gives())),
        Start::Auto(auto) => {
            if let (true, Some(first)) = (auto.is_empty(), exchanges.first()) {
                found.push(Misfit {
                    from: Step::source(Auto::NAME),
                    gives: None,
                    to: Step::exchange(0, first.name()),
                    takes: first.takes(),
                });
            }
            None
        }
    };
    let mut check = |before: &Option<(Step, Kinds)>, to: Step, takes: Kinds| {
        if let Some((from, gives)) = before.as_ref().filter(|(_, gives)| !gives.meets(takes)) {
            found.push(Misfit { from: from.clone(), gives: Some(*gives), to, takes });
        }
    };
    for (at, exchange) in exchanges.iter().enumerate() {
        let step = Step::exchange(at, exchange.name());
        check(&before, step.clone(), exchange.takes());
        before = Some((step, exchange.gives()));
    }
    for (at, delivery) in deliveries.iter().enumerate() {
        check(&before, Step::delivery(at, delivery.name()), delivery.takes());
    }
    found
}
