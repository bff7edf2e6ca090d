//! Giving back what a command does not need any more, where the other side takes it back. What fails is told and changes
//! nothing else: the credential then lives until its own end.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use carnet_core::{Context, Error, Release, chain};
use carnet_route::{Route, RouteRun};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};

use crate::output::{Terminal, Warning};

/// How long is waited for an answer: whoever waits for the end of the command waits for this as well.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long after a new credential was delivered the old one is given back: somebody may have read it just before.
const GRACE: Duration = Duration::from_secs(30);

/// Gives back all that the routes obtained, after the last that used it has ended.
pub(super) async fn all(context: &Context, routes: Vec<Route>, terminal: Terminal) {
    // Of a route that was named twice the last one is kept fresh; the other has obtained nothing.
    let routes: BTreeMap<String, Route> = routes.into_iter().map(|route| (route.name().to_owned(), route)).collect();
    let mut releases = JoinSet::new();
    for route in routes.into_values() {
        let context = context.clone();
        releases.spawn(async move { give_back(&context, &route, Release::All, terminal).await });
    }
    while releases.join_next().await.is_some() {}
}

/// Gives back what this run of the route has taken the place of.
pub(super) async fn before(context: &Context, route: &Route, run: &RouteRun, terminal: Terminal) {
    give_back(context, route, Release::Before(&run.credential), terminal).await;
}

async fn give_back(context: &Context, route: &Route, which: Release<'_>, terminal: Terminal) {
    for error in route.release(context, which, PATIENCE).await {
        let message = not_given_back(route.name(), &error);
        terminal.warn(&Warning { message: &message, route: Some(route.name()), step: error.step() });
    }
}

fn not_given_back(route: &str, error: &Error) -> String {
    let why =
        chain(error).into_iter().chain(error.hints().into_iter().map(str::to_owned)).collect::<Vec<_>>().join("; ");
    format!("a credential of {route} was not given back: {why}")
}

/// What has taken the place of something that is given back a while later.
#[derive(Debug)]
pub(super) struct Replaced {
    grace: Duration,
    runs: VecDeque<(Instant, Arc<RouteRun>)>,
}

impl Default for Replaced {
    fn default() -> Self {
        Self::after(GRACE)
    }
}

impl Replaced {
    pub(super) fn after(grace: Duration) -> Self {
        Self { grace, runs: VecDeque::new() }
    }

    /// Notes what was just delivered in the place of another.
    pub(super) fn by(&mut self, run: Arc<RouteRun>) {
        self.runs.push_back((Instant::now() + self.grace, run));
    }

    /// The next that was delivered long enough ago; none comes while there is none. Safe to give up on the way.
    pub(super) async fn due(&mut self) -> Arc<RouteRun> {
        loop {
            match self.runs.front() {
                Some((at, _)) => sleep_until(*at).await,
                None => std::future::pending().await,
            }
            if let Some((_, run)) = self.runs.pop_front() {
                return run;
            }
        }
    }
}

#[cfg(test)]
mod tests;
