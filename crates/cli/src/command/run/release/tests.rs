use carnet_core::{BoxFuture, Credential, Exchange, Found, Kind, Kinds, Material, Secret, Source, Want, test_context};
use carnet_route::Start;
use tokio::{
    sync::mpsc::{UnboundedSender, unbounded_channel},
    time::timeout,
};

use super::*;

/// Where a route starts, and an exchange that tells when it is to give back, and cannot.
#[derive(Debug)]
struct Bank {
    told: UnboundedSender<&'static str>,
    name: &'static str,
}

impl Source for Bank {
    fn name(&self) -> &'static str {
        self.name
    }

    fn gives(&self) -> Kinds {
        Kinds::ANY
    }

    fn find<'a>(&'a self, _context: &'a Context, _want: &'a Want) -> BoxFuture<'a, Result<Found, Error>> {
        Box::pin(async { Ok(Found::not_here("it is a test")) })
    }
}

impl Exchange for Bank {
    fn name(&self) -> &'static str {
        self.name
    }

    fn takes(&self) -> Kinds {
        Kinds::ANY
    }

    fn gives(&self) -> Kinds {
        Kinds::of(&[Kind::Jwt])
    }

    fn exchange<'a>(
        &'a self,
        _context: &'a Context,
        _credential: &'a Credential,
        _want: &'a Want,
    ) -> BoxFuture<'a, Result<Credential, Error>> {
        Box::pin(async { Err(Error::internal("exchange in a test")) })
    }

    fn release<'a>(&'a self, _context: &'a Context, _which: Release<'a>) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async {
            self.told.send(self.name).unwrap();
            Err(Error::unreachable("ask the bank"))
        })
    }
}

fn run() -> Arc<RouteRun> {
    let credential = Credential::new(Material::Jwt(Secret::new("h.p.s")));
    Arc::new(RouteRun { credential, hops: Vec::new(), elapsed: Duration::ZERO })
}

#[tokio::test]
async fn what_was_replaced_is_due_in_order_and_once() {
    let mut replaced = Replaced::after(Duration::ZERO);
    let (first, second) = (run(), run());
    replaced.by(Arc::clone(&first));
    replaced.by(Arc::clone(&second));
    assert!(Arc::ptr_eq(&replaced.due().await, &first));
    assert!(Arc::ptr_eq(&replaced.due().await, &second));
    assert!(timeout(Duration::ZERO, replaced.due()).await.is_err());
}

#[tokio::test]
async fn nothing_is_due_before_its_time() {
    let mut replaced = Replaced::default();
    replaced.by(run());
    assert!(timeout(Duration::ZERO, replaced.due()).await.is_err());
}

#[tokio::test]
async fn every_route_gives_back_at_the_end_and_one_that_was_named_twice_once() {
    let (told, mut heard) = unbounded_channel();
    let route = |route: &str, name| {
        let bank = Arc::new(Bank { told: told.clone(), name });
        Route::new(route, Start::Source(Arc::clone(&bank) as _), vec![bank as _], Vec::new()).unwrap()
    };
    let routes = vec![route("a", "not kept"), route("b", "second"), route("a", "first")];
    all(&test_context(), routes, Terminal::for_programs()).await;
    drop(told);
    let mut names = Vec::new();
    while let Some(name) = heard.recv().await {
        names.push(name);
    }
    names.sort_unstable();
    assert_eq!(names, ["first", "second"], "a failure of one keeps no other from it");
}

#[test]
fn the_warning_says_why_and_what_can_be_done() {
    let error = Error::policy("revoke it").because(Error::policy("permission denied")).hint("grant it");
    assert_eq!(
        not_given_back("app", &error),
        "a credential of app was not given back: revoke it; permission denied; grant it"
    );
}
