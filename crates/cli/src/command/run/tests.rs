use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use carnet_core::{
    AccessToken, BoxFuture, Credential, Delivered, Delivery, Exchange, FixedRandom, Found, Kind, Kinds, MapEnvironment,
    Material, Release, Source, Want, test_context,
};
use carnet_renew::Fetch;
use carnet_route::Start;
use tokio::{
    sync::mpsc::{UnboundedSender, unbounded_channel},
    time::timeout,
};

use super::*;

const ROUTE: &str = "reader";

/// Gives `1`, then `2` and so on.
#[derive(Debug, Default)]
struct Counting(AtomicU32);

impl Fetch<String, RouteRun> for Counting {
    fn fetch<'a>(&'a self, _key: &'a String) -> BoxFuture<'a, Result<RouteRun, Error>> {
        let count = self.0.fetch_add(1, Ordering::SeqCst) + 1;
        let token = AccessToken { token: Secret::new(count.to_string()), token_type: "Bearer".to_owned() };
        let credential = Credential::new(Material::AccessToken(token));
        Box::pin(async move { Ok(RouteRun { credential, hops: Vec::new(), elapsed: Duration::ZERO }) })
    }
}

/// What the route starts with; the worker has its own way to the credential.
#[derive(Debug)]
struct Nothing;

impl Source for Nothing {
    fn name(&self) -> &'static str {
        "nothing"
    }

    fn gives(&self) -> Kinds {
        Kinds::ANY
    }

    fn find<'a>(&'a self, _context: &'a Context, _want: &'a Want) -> BoxFuture<'a, Result<Found, Error>> {
        Box::pin(async { Ok(Found::not_here("it is a test")) })
    }
}

/// Tells what it was given. While it delivers the first one, the second arrives.
#[derive(Debug)]
struct Slow {
    renewer: Renewer<String, RouteRun>,
    told: UnboundedSender<String>,
}

fn token(credential: &Credential) -> String {
    match &credential.material {
        Material::AccessToken(material) => material.token.expose().to_owned(),
        _ => String::new(),
    }
}

impl Delivery for Slow {
    fn name(&self) -> &'static str {
        "slow"
    }

    fn takes(&self) -> Kinds {
        Kinds::of(&[Kind::AccessToken])
    }

    fn deliver<'a>(
        &'a self,
        _context: &'a Context,
        credential: &'a Credential,
    ) -> BoxFuture<'a, Result<Delivered, Error>> {
        Box::pin(async move {
            if token(credential) == "1" {
                let key = ROUTE.to_owned();
                let mut states = self.renewer.watch(&key).await.unwrap();
                self.renewer.renew(&key).await.unwrap();
                let second = states.wait_for(|state| state.value().is_some_and(|run| token(&run.credential) == "2"));
                drop(second.await.unwrap());
            }
            self.told.send(token(credential)).unwrap();
            Ok(Delivered::default())
        })
    }
}

#[tokio::test]
async fn a_renewal_that_arrives_during_the_first_delivery_is_delivered_next_and_once() {
    let context = test_context();
    let (told, mut deliveries) = unbounded_channel();
    let random = Arc::new(FixedRandom::default());
    let renewer =
        Renewer::start(Settings::default(), Arc::clone(&context.clock), random, Arc::new(Counting::default()));
    let slow = Slow { renewer: renewer.clone(), told };
    let route = Route::new(ROUTE, Start::Source(Arc::new(Nothing)), Vec::new(), vec![Arc::new(slow)]).unwrap();
    let mut keepers = JoinSet::new();
    deliver_first(&context, &[route], &renewer, &mut keepers, Terminal::for_programs()).await.unwrap();
    assert_eq!(deliveries.recv().await.unwrap(), "1");
    let second = timeout(Duration::from_secs(5), deliveries.recv()).await;
    assert_eq!(second.expect("the second must be delivered without a third").unwrap(), "2");
    renewer.renew(&ROUTE.to_owned()).await.unwrap();
    assert_eq!(timeout(Duration::from_secs(5), deliveries.recv()).await.unwrap().unwrap(), "3");
    keepers.shutdown().await;
    renewer.shutdown().await;
}

/// Tells what it was handed, and as an exchange what has taken the place of what it gives back, or at the end how much is left in
/// the user's runtime folder. Writes no file, only names one.
#[derive(Debug)]
struct Clerk {
    files: bool,
    told: UnboundedSender<String>,
}

impl Delivery for Clerk {
    fn name(&self) -> &'static str {
        "clerk"
    }

    fn takes(&self) -> Kinds {
        Kinds::of(&[Kind::AccessToken])
    }

    fn deliver<'a>(
        &'a self,
        _context: &'a Context,
        credential: &'a Credential,
    ) -> BoxFuture<'a, Result<Delivered, Error>> {
        self.told.send(token(credential)).unwrap();
        let files = if self.files { vec!["/run/token".into()] } else { Vec::new() };
        Box::pin(async move { Ok(Delivered { files, ..Delivered::default() }) })
    }
}

impl Exchange for Clerk {
    fn name(&self) -> &'static str {
        "clerk"
    }

    fn takes(&self) -> Kinds {
        Kinds::ANY
    }

    fn gives(&self) -> Kinds {
        Kinds::of(&[Kind::AccessToken])
    }

    fn exchange<'a>(
        &'a self,
        _context: &'a Context,
        _credential: &'a Credential,
        _want: &'a Want,
    ) -> BoxFuture<'a, Result<Credential, Error>> {
        Box::pin(async { Err(Error::internal("the worker has its own way to the credential")) })
    }

    fn release<'a>(&'a self, context: &'a Context, which: Release<'a>) -> BoxFuture<'a, Result<(), Error>> {
        self.told
            .send(match which {
                Release::Before(credential) => format!("before {}", token(credential)),
                Release::All => {
                    let left = std::fs::read_dir(context.env("XDG_RUNTIME_DIR").expect("the route has not ended"));
                    format!("all, {} left", left.unwrap().count())
                }
            })
            .unwrap();
        Box::pin(async { Ok(()) })
    }
}

/// What is told when a credential is renewed twice; the next time only after so many words of the last.
async fn told_of_renewals(files: bool, words: usize) -> Vec<String> {
    let context = test_context();
    let (told, mut heard) = unbounded_channel();
    let clerk = Arc::new(Clerk { files, told });
    let route = Route::new(ROUTE, Start::Source(Arc::new(Nothing)), vec![Arc::clone(&clerk) as _], vec![clerk as _]);
    let random = Arc::new(FixedRandom::default());
    let renewer =
        Renewer::start(Settings::default(), Arc::clone(&context.clock), random, Arc::new(Counting::default()));
    let key = ROUTE.to_owned();
    let (states, first) = (renewer.watch(&key).await.unwrap(), renewer.get(&key).await.unwrap());
    let keeper = tokio::spawn(async move {
        let replaced = Replaced::after(Duration::ZERO);
        keep_delivered(&context, &route.unwrap(), states, first, replaced, Terminal::for_programs()).await;
    });
    let mut said = Vec::new();
    for _ in 0..2 {
        renewer.renew(&key).await.unwrap();
        for _ in 0..words {
            said.push(timeout(Duration::from_secs(5), heard.recv()).await.unwrap().unwrap());
        }
    }
    renewer.shutdown().await;
    keeper.abort();
    said
}

#[tokio::test]
async fn what_a_new_file_has_replaced_is_given_back() {
    assert_eq!(told_of_renewals(true, 2).await, ["2", "before 2", "3", "before 3"]);
}

#[tokio::test]
async fn what_a_command_has_in_its_variables_is_not_given_back() {
    assert_eq!(told_of_renewals(false, 1).await, ["2", "3"]);
}

#[tokio::test]
async fn the_folder_of_a_run_is_gone_before_anything_is_given_back() {
    let parent = tempfile::tempdir().unwrap();
    let environment = MapEnvironment::of(&[("XDG_RUNTIME_DIR", parent.path().to_str().unwrap())]);
    let context = Context { environment: Arc::new(environment), ..test_context() };
    let folder = default_delivery::PrivateFolder::new(&context);
    std::fs::create_dir(parent.path().join(format!("carnet-{}", test_context().random_hex::<16>()))).unwrap();
    let (told, mut heard) = unbounded_channel();
    let clerk = Arc::new(Clerk { files: true, told });
    let route = Route::new(ROUTE, Start::Source(Arc::new(Nothing)), vec![clerk], Vec::new()).unwrap();
    close(folder, &context, vec![route], Terminal::for_programs()).await;
    assert_eq!(heard.recv().await.unwrap(), "all, 0 left");
}
