//! Routes kept fresh by the one renewal worker.

use std::{collections::BTreeMap, fmt, sync::Arc};

use carnet_core::{BoxFuture, Context, Error};
use carnet_renew::{Fetch, Renewer, Schedule, Settings};

use crate::{Route, RouteRun};

/// Starts a worker that keeps the credentials of these routes fresh, by name. Each is fetched when it is first asked
/// for. Deliveries stay the caller's: watch a route and call [`Route::deliver`] at every renewal.
pub fn keep(
    routes: impl IntoIterator<Item = Route>,
    context: &Context,
    settings: Settings,
) -> Renewer<String, RouteRun> {
    let routes = routes.into_iter().map(|route| (route.name().to_owned(), route)).collect();
    let runner = Arc::new(Runner { routes, context: context.clone() });
    Renewer::start(settings, Arc::clone(&context.clock), Arc::clone(&context.random), runner)
}

struct Runner {
    routes: BTreeMap<String, Route>,
    context: Context,
}

impl Fetch<String, RouteRun> for Runner {
    fn fetch<'a>(&'a self, name: &'a String) -> BoxFuture<'a, Result<RouteRun, Error>> {
        Box::pin(async move {
            let route = self
                .routes
                .get(name)
                .ok_or_else(|| Error::configuration(format!("keep the route `{name}` fresh: there is none")))?;
            route.run(&self.context).await.map_err(Error::from)
        })
    }

    fn schedule(&self, name: &String) -> Option<Schedule> {
        self.routes.get(name)?.renewal()
    }
}

impl fmt::Debug for Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.routes.keys()).finish()
    }
}
