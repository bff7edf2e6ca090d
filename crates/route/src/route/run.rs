//! Running a route: step by step, with a report of every hop.

use std::{collections::BTreeMap, fmt, time::Duration};

use carnet_core::{Context, Credential, Delivered, Error, Exchange, Found, Kind, Release, Want, chain};
use carnet_renew::Expires;
use jiff::Timestamp;
use serde::{Serialize, Serializer};
use tokio::time::{Instant, timeout};

use super::{Route, Start};
use crate::registry::Role;

/// A place in a route, as it is written in the configuration: `source oci-instance`, `through[0] gcp`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// What part it plays.
    pub role: Role,
    /// Its position among its like, from 0.
    pub index: usize,
    /// Its name in configuration.
    pub name: &'static str,
}

impl Step {
    pub(crate) fn source(name: &'static str) -> Self {
        Self { role: Role::Source, index: 0, name }
    }

    pub(crate) fn exchange(index: usize, name: &'static str) -> Self {
        Self { role: Role::Exchange, index, name }
    }

    pub(crate) fn delivery(index: usize, name: &'static str) -> Self {
        Self { role: Role::Delivery, index, name }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { role, index, name } = self;
        match role {
            Role::Source => write!(f, "source {name}"),
            Role::Delivery | Role::Exchange => write!(f, "{}[{index}] {name}", role.field()),
        }
    }
}

/// What one step gave. Safe to show.
#[derive(Clone, Debug, Serialize)]
pub struct Hop {
    /// Which step.
    pub step: Step,
    /// Whether `auto` chose this source.
    pub chosen: bool,
    /// The kind of credential it gave.
    pub kind: Kind,
    /// The audience that the step after it asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audience_wanted: Option<String>,
    /// Facts about the credential: `principal`, `issuer`, `audience` and so on.
    pub facts: BTreeMap<&'static str, String>,
    /// When the credential ends, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// How long the step took, in milliseconds.
    #[serde(rename = "elapsed_ms", serialize_with = "milliseconds")]
    pub elapsed: Duration,
}

/// What a run of a route gave.
#[derive(Clone, Debug)]
pub struct RouteRun {
    /// The last credential.
    pub credential: Credential,
    /// Every hop, in order.
    pub hops: Vec<Hop>,
    /// How long it took.
    pub elapsed: Duration,
}

impl Expires for RouteRun {
    fn expires_at(&self) -> Option<Timestamp> {
        self.credential.expires_at
    }
}

/// A run that ended early.
#[derive(Debug)]
pub struct RouteFailure {
    /// Why. Its `step()` is `step` in words.
    pub error: Error,
    /// The step that failed.
    pub step: Step,
    /// The hops before it.
    pub hops: Vec<Hop>,
}

impl fmt::Display for RouteFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.error, f)
    }
}

impl std::error::Error for RouteFailure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

impl From<Box<RouteFailure>> for Error {
    fn from(failure: Box<RouteFailure>) -> Self {
        failure.error
    }
}

impl Route {
    /// Finds the identity and exchanges it, step by step. Nothing is delivered.
    ///
    /// Each exchange says which audience it needs of the step before it; the last step gets the route's own audience,
    /// if it has one. A credential that has ended by this machine's clock is not sent on.
    ///
    /// # Errors
    /// The error of the step that failed, with the hops before it. The error names the step.
    pub async fn run(&self, context: &Context) -> Result<RouteRun, Box<RouteFailure>> {
        let watch = Stopwatch::start();
        // Slow local work, such as the search for a key, goes on while the source and the steps before wait.
        for exchange in &self.exchanges {
            exchange.prepare();
        }
        let mut hops = Vec::with_capacity(self.exchanges.len() + 1);
        let (hop, mut credential) = self.find(context).await?;
        hops.push(hop);
        for (at, exchange) in self.exchanges.iter().enumerate() {
            let step = Step::exchange(at, exchange.name());
            match self.cross(context, at, exchange.as_ref(), &credential).await {
                Ok((hop, next)) => {
                    hops.push(hop);
                    credential = next;
                }
                Err(error) => return Err(Box::new(failure(error, step, hops))),
            }
        }
        Ok(RouteRun { credential, hops, elapsed: watch.elapsed() })
    }

    /// Writes the credential in every form that the route names, in order. What was written before a failure stays.
    ///
    /// # Errors
    /// The error of the delivery that failed. It names the step.
    pub async fn deliver(&self, context: &Context, credential: &Credential) -> Result<Vec<Delivered>, Error> {
        let mut delivered = Vec::with_capacity(self.deliveries.len());
        for (at, delivery) in self.deliveries.iter().enumerate() {
            let step = Step::delivery(at, delivery.name());
            if !delivery.takes().contains(credential.kind()) {
                let (kind, takes) = (credential.kind(), delivery.takes());
                let error = Error::configuration(format!("write {kind} with {step}, which takes {takes}"));
                return Err(error.at_step(step.to_string()));
            }
            let one = delivery.deliver(context, credential).await;
            if delivery.gives_back() {
                for exchange in &self.exchanges {
                    exchange.forget(credential);
                }
            }
            delivered.push(one.map_err(|error| error.at_step(step.to_string()))?);
        }
        Ok(delivered)
    }

    /// Gives back what its exchanges gave and are configured to give back, the last exchange first. For when nobody uses it any
    /// more: [`Release::All`] at the end, [`Release::Before`] after a new credential was delivered. An answer that is not there
    /// `within` this time is not waited for.
    ///
    /// What could not be given back lives until its own end; each error names its step.
    pub async fn release(&self, context: &Context, which: Release<'_>, within: Duration) -> Vec<Error> {
        let watch = Stopwatch::start();
        let mut failed = Vec::new();
        for (at, exchange) in self.exchanges.iter().enumerate().rev() {
            let step = Step::exchange(at, exchange.name()).to_string();
            let left = within.saturating_sub(watch.elapsed());
            let outcome = timeout(left, exchange.release(context, which)).await.unwrap_or_else(|_elapsed| {
                Err(Error::unreachable(format!("give back what {step} gave: there was no answer in time")))
            });
            failed.extend(outcome.err().map(|error| error.at_step(step)));
        }
        failed
    }

    /// What the step before the exchange `next` must give; past the last exchange, what the user wants.
    fn want(&self, next: usize) -> Want {
        let audience = match self.exchanges.get(next) {
            Some(exchange) => exchange.audience(),
            None => self.audience.clone(),
        };
        Want { audience }
    }

    async fn find(&self, context: &Context) -> Result<(Hop, Credential), Box<RouteFailure>> {
        let watch = Stopwatch::start();
        let want = self.want(0);
        let (step, found) = match &self.start {
            Start::Auto(auto) => match auto.find(context, &want).await {
                Ok((name, credential)) => (Step::source(name), Ok(credential)),
                Err((name, error)) => (Step::source(name.unwrap_or(super::Auto::NAME)), Err(error)),
            },
            Start::Source(source) => {
                let found = source.find(context, &want).await.and_then(|found| match found {
                    Found::Credential(credential) => Ok(*credential),
                    Found::NotHere(reason) => {
                        let name = source.name();
                        Err(Error::not_here(format!("find the identity of {name}: {reason}"))
                            .hint("`carnet whoami` shows every identity of this place"))
                    }
                });
                (Step::source(source.name()), found)
            }
        };
        let chosen = matches!(self.start, Start::Auto(_));
        found
            .and_then(|credential| self.hop(context, &step, chosen, want, credential, watch))
            .map_err(|error| Box::new(failure(error, step, Vec::new())))
    }

    async fn cross(
        &self,
        context: &Context,
        at: usize,
        exchange: &dyn Exchange,
        credential: &Credential,
    ) -> Result<(Hop, Credential), Error> {
        let watch = Stopwatch::start();
        let step = Step::exchange(at, exchange.name());
        let want = self.want(at + 1);
        // The kinds were checked when the route was built, as far as they were known; a step may give several.
        if !exchange.takes().contains(credential.kind()) {
            let (kind, takes) = (credential.kind(), exchange.takes());
            return Err(Error::configuration(format!("hand {kind} to {step}, which takes {takes}"))
                .hint("choose another source, or an exchange that takes this kind"));
        }
        let next = exchange.exchange(context, credential, &want).await?;
        self.hop(context, &step, false, want, next, watch)
    }

    fn hop(
        &self,
        context: &Context,
        step: &Step,
        chosen: bool,
        want: Want,
        credential: Credential,
        watch: Stopwatch,
    ) -> Result<(Hop, Credential), Error> {
        let now = context.now();
        if let Some(end) = credential.expires_at.filter(|end| *end <= now) {
            return Err(Error::expired(format!("use what {step} gave: it expired at {end:.0}, and now is {now:.0}"))
                .clause("expired")
                .hint("compare this machine's clock with the issuer's, or refresh the file that the source reads"));
        }
        let elapsed = watch.elapsed();
        tracing::debug!(
            route.name = self.name,
            route.step = %step,
            credential.kind = %credential.kind(),
            elapsed_ms = elapsed.as_millis(),
            "a step of the route gave a credential"
        );
        let hop = Hop {
            step: step.clone(),
            chosen,
            kind: credential.kind(),
            audience_wanted: want.audience,
            facts: credential.facts.clone(),
            expires_at: credential.expires_at,
            elapsed,
        };
        Ok((hop, credential))
    }
}

fn failure(error: Error, step: Step, hops: Vec<Hop>) -> RouteFailure {
    tracing::debug!(route.step = %step, error = chain(&error).join(": "), "a step of the route failed");
    RouteFailure { error: error.at_step(step.to_string()), step, hops }
}

/// Measures on the runtime's clock, so that tests with paused time are exact.
#[derive(Clone, Copy)]
struct Stopwatch(Instant);

impl Stopwatch {
    fn start() -> Self {
        Self(Instant::now())
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

fn milliseconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    // A tenth of a millisecond is as fine as a person wants it.
    serializer.serialize_f64((duration.as_secs_f64() * 1e4).round() / 10.0)
}
