//! Deliveries that came with a flag, and are called by it where they fail.

use std::sync::Arc;

use carnet_core::{BoxFuture, Context, Credential, Delivered, Delivery, Error, Kinds, Output};
use carnet_route::{Registry, Route};

/// Adds the delivery that came with this flag.
///
/// # Errors
/// When it can take nothing of what the last step may give. It is called by its flag, as in every error of its own:
/// nobody who has written no file knows what `deliver[0]` is.
pub(super) fn deliver_also(
    route: Route,
    flag: &str,
    delivery: Arc<dyn Delivery>,
    registry: &Registry,
) -> Result<Route, Error> {
    let to_error = |misfit: carnet_route::Misfit| misfit.to_error(flag, registry);
    route.clone().deliver_also(Arc::clone(&delivery)).map_err(to_error)?;
    route.deliver_also(Arc::new(Flagged { flag: flag.to_owned(), delivery })).map_err(to_error)
}

#[derive(Debug)]
struct Flagged {
    flag: String,
    delivery: Arc<dyn Delivery>,
}

impl Delivery for Flagged {
    fn name(&self) -> &'static str {
        self.delivery.name()
    }

    /// Whatever comes: a route that takes several kinds finds out only when it runs, and would use its own words then.
    fn takes(&self) -> Kinds {
        Kinds::ANY
    }

    fn output(&self) -> Output {
        self.delivery.output()
    }

    fn deliver<'a>(
        &'a self,
        context: &'a Context,
        credential: &'a Credential,
    ) -> BoxFuture<'a, Result<Delivered, Error>> {
        Box::pin(async move {
            let step = format!("{} {}", self.flag, self.delivery.name());
            let (kind, takes) = (credential.kind(), self.delivery.takes());
            if !takes.contains(kind) {
                return Err(Error::configuration(format!("write {kind} with {step}, which takes {takes}"))
                    .hint("choose another form, or add an exchange that gives what this one takes")
                    .at_step(step));
            }
            self.delivery.deliver(context, credential).await.map_err(|error| error.at_step(step))
        })
    }
}
