use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use carnet_core::{Error, ErrorKind, Kind, Kinds, Release, Source, SourceConfig, Want, test_context};

use super::*;
use crate::{
    Registry, Role, keep,
    testing::{Behaviour, Fake, IntoArc, registry},
};

const JWT: Kinds = Kinds::of(&[Kind::Jwt]);
const TOKEN: Kinds = Kinds::of(&[Kind::AccessToken]);
const SESSION: Kinds = Kinds::of(&[Kind::OciSession]);

fn source(name: &'static str, behaves: Behaviour) -> Arc<Fake> {
    Arc::new(Fake::new(name, Kinds::ANY, JWT, behaves))
}

fn jwt() -> Arc<Fake> {
    source("badge", Behaviour::Gives(Kind::Jwt, 5))
}

fn bureau() -> Arc<Fake> {
    Arc::new(Fake::new("bureau", JWT, TOKEN, Behaviour::Gives(Kind::AccessToken, 20)).audience("the bureau"))
}

fn ministry() -> Arc<Fake> {
    Arc::new(Fake::new("ministry", TOKEN, SESSION, Behaviour::Gives(Kind::OciSession, 30)).audience("the ministry"))
}

fn route(source: &Arc<Fake>, exchanges: &[&Arc<Fake>]) -> Route {
    let exchanges = exchanges.iter().map(|exchange| Arc::clone(exchange).into_arc()).collect();
    Route::new("test", Start::Source(Arc::clone(source) as _), exchanges, Vec::new()).unwrap()
}

fn auto(sources: &[Arc<Fake>], takes: Kinds) -> Auto {
    Auto::of(sources.iter().map(|source| Arc::clone(source) as Arc<dyn Source>).collect()).only_for(takes)
}

#[tokio::test(start_paused = true)]
async fn audience_flows_backwards_and_the_last_step_gets_the_users() {
    let (badge, bureau, ministry) = (jwt(), bureau(), ministry());
    let route = route(&badge, &[&bureau, &ministry]).audience(Some("the user".to_owned()));
    let run = route.run(&test_context()).await.unwrap();
    assert_eq!(badge.wanted(), [Some("the bureau".to_owned())]);
    assert_eq!(bureau.wanted(), [Some("the ministry".to_owned())]);
    assert_eq!(ministry.wanted(), [Some("the user".to_owned())]);
    assert_eq!(run.credential.kind(), Kind::OciSession);
}

#[tokio::test(start_paused = true)]
async fn slow_local_work_begins_before_the_source_is_asked() {
    let (badge, bureau) = (source("badge", Behaviour::Absent), bureau());
    route(&badge, &[&bureau]).run(&test_context()).await.unwrap_err();
    assert!(bureau.wanted().is_empty(), "the route ended at its source");
    assert!(bureau.prepared.load(std::sync::atomic::Ordering::Relaxed));
}

#[tokio::test(start_paused = true)]
async fn without_exchanges_the_source_gets_the_users_audience() {
    let badge = jwt();
    route(&badge, &[]).audience(Some("the user".to_owned())).run(&test_context()).await.unwrap();
    assert_eq!(badge.wanted(), [Some("the user".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn every_hop_is_reported_without_a_token() {
    let run = route(&jwt(), &[&bureau(), &ministry()]).run(&test_context()).await.unwrap();
    let elapsed: Vec<Duration> = run.hops.iter().map(|hop| hop.elapsed).collect();
    assert_eq!(elapsed, [5, 20, 30].map(Duration::from_millis));
    assert_eq!(run.elapsed, Duration::from_millis(55));
    let json = serde_json::to_string(&run.hops).unwrap();
    assert!(!json.contains("s3cr3t"), "{json}");
    assert!(!format!("{run:?}").contains("s3cr3t"));
    insta::assert_json_snapshot!(run.hops[1], @r#"
    {
      "step": {
        "role": "exchange",
        "index": 0,
        "name": "bureau"
      },
      "chosen": false,
      "kind": "access-token",
      "audience_wanted": "the ministry",
      "facts": {
        "audience": "the ministry",
        "principal": "robot"
      },
      "expires_at": "2026-11-21T13:00:00Z",
      "elapsed_ms": 20.0
    }
    "#);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_names_its_step_and_keeps_the_hops_before_it() {
    let refusing = Arc::new(Fake::new("bureau", JWT, TOKEN, Behaviour::Absent));
    let failure = route(&jwt(), &[&refusing, &ministry()]).run(&test_context()).await.unwrap_err();
    assert_eq!(failure.hops.len(), 1);
    assert_eq!(failure.step, Step { role: Role::Exchange, index: 0, name: "bureau" });
    let error = Error::from(failure);
    assert_eq!(error.step(), Some("through[0] bureau"));
    assert_eq!((error.kind(), error.provider_code()), (ErrorKind::Refused, Some("invalid_grant")));
}

#[tokio::test(start_paused = true)]
async fn an_absent_identity_is_not_here() {
    let failure = route(&source("badge", Behaviour::Absent), &[]).run(&test_context()).await.unwrap_err();
    assert_eq!(failure.error.kind(), ErrorKind::NotHere);
    assert_eq!(failure.error.to_string(), "find the identity of badge: there is no badge in this place");
}

#[tokio::test(start_paused = true)]
async fn an_expired_credential_is_not_sent_on() {
    let (badge, bureau) = (source("badge", Behaviour::Expired(Kind::Jwt)), bureau());
    let failure = route(&badge, &[&bureau]).run(&test_context()).await.unwrap_err();
    assert_eq!(failure.error.kind(), ErrorKind::Expired);
    assert_eq!(failure.error.failed_clause(), Some("expired"));
    assert!(bureau.wanted().is_empty(), "nothing was sent");
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_only_shows_at_run_time_is_not_sent_on() {
    let surprise = Arc::new(Fake::new("badge", Kinds::ANY, Kinds::ANY, Behaviour::Gives(Kind::OciSession, 1)));
    let bureau = bureau();
    let failure = route(&surprise, &[&bureau]).run(&test_context()).await.unwrap_err();
    assert_eq!(failure.error.to_string(), "hand oci-session to through[0] bureau, which takes jwt");
    assert!(bureau.wanted().is_empty(), "nothing was sent");
}

#[test]
fn all_misfits_are_named_with_both_sides() {
    let paper = Arc::new(Fake::new("paper", JWT, JWT, Behaviour::Absent));
    let exchanges = vec![ministry().into_arc(), bureau().into_arc()];
    let misfits = Route::new("test", Start::Source(jwt()), exchanges, vec![paper.into_arc()]).unwrap_err();
    let messages: Vec<String> = misfits.iter().map(ToString::to_string).collect();
    assert_eq!(
        messages,
        [
            "source badge gives jwt, but through[0] ministry takes access-token",
            "through[0] ministry gives oci-session, but through[1] bureau takes jwt",
            "through[1] bureau gives access-token, but deliver[0] paper takes jwt",
        ]
    );
    let registry = registry();
    let hints: Vec<String> = misfits.iter().map(|misfit| misfit.hint(&registry)).collect();
    assert_eq!(
        hints,
        [
            "put an exchange between them that takes jwt and gives access-token: swap",
            "no exchange takes oci-session and gives jwt: replace one of the two",
            "deliveries that take access-token: note",
        ]
    );
}

#[test]
fn a_delivery_of_a_flag_that_does_not_fit_is_called_by_the_flag() {
    let session = Arc::new(Fake::new("session", Kinds::ANY, SESSION, Behaviour::Gives(Kind::OciSession, 1)));
    let token = Arc::new(Fake::new("token", JWT, JWT, Behaviour::Absent));
    let misfit = route(&session, &[]).deliver_also(token.into_arc()).unwrap_err();
    let error = misfit.to_error("--format", &registry());
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert_eq!(error.to_string(), "source session gives oci-session, but --format token takes jwt");
    assert_eq!(error.hints(), ["deliveries that take oci-session: paper, note"]);
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_fails_names_its_step() {
    let note = Arc::new(Fake::new("note", Kinds::ANY, JWT, Behaviour::Absent));
    let torn = Arc::new(Fake::new("torn", Kinds::ANY, JWT, Behaviour::Broken));
    let context = test_context();
    let route = route(&jwt(), &[]).deliver_also(note.into_arc()).unwrap();
    let run = route.run(&context).await.unwrap();
    let delivered = route.deliver(&context, &run.credential).await.unwrap();
    assert_eq!(delivered[0].environment[0].1.expose(), "jwt");
    let route = route.deliver_also(torn.into_arc()).unwrap();
    let error = route.deliver(&context, &run.credential).await.unwrap_err();
    assert_eq!(error.step(), Some("deliver[1] torn"));
}

#[tokio::test(start_paused = true)]
async fn auto_takes_the_first_in_order_also_when_a_later_one_is_faster() {
    let slow = source("slow", Behaviour::Gives(Kind::Jwt, 500));
    let fast = source("fast", Behaviour::Gives(Kind::Jwt, 1));
    let auto = auto(&[source("absent", Behaviour::Absent), slow, Arc::clone(&fast)], JWT);
    let (name, _) = auto.find(&test_context(), &Want::default()).await.unwrap();
    assert_eq!(name, "slow");
}

#[tokio::test(start_paused = true)]
async fn auto_stops_at_an_identity_that_is_there_but_broken() {
    let later = source("later", Behaviour::Gives(Kind::Jwt, 1));
    let auto = auto(&[source("broken", Behaviour::Broken), later], JWT);
    let (name, error) = auto.find(&test_context(), &Want::default()).await.unwrap_err();
    assert_eq!(name, Some("broken"));
    assert_eq!(error.kind(), ErrorKind::Unreachable);
}

#[tokio::test(start_paused = true)]
async fn auto_does_not_mind_what_is_broken_behind_the_winner() {
    let auto = auto(&[jwt(), source("broken", Behaviour::Broken)], JWT);
    assert_eq!(auto.find(&test_context(), &Want::default()).await.unwrap().0, "badge");
}

#[tokio::test(start_paused = true)]
async fn auto_passes_over_kinds_that_the_next_step_does_not_take() {
    let session = Arc::new(Fake::new("session", Kinds::ANY, SESSION, Behaviour::Gives(Kind::OciSession, 1)));
    let either = Arc::new(Fake::new("either", Kinds::ANY, Kinds::ANY, Behaviour::Gives(Kind::OciSession, 1)));
    let candidates = [Arc::clone(&session), either, jwt()];
    let (name, _) = auto(&candidates, JWT).find(&test_context(), &Want::default()).await.unwrap();
    assert_eq!(name, "badge");
    assert!(session.wanted().is_empty(), "what can never fit is not asked");
}

#[tokio::test(start_paused = true)]
async fn auto_gives_the_reason_for_every_skip() {
    let session = Arc::new(Fake::new("session", Kinds::ANY, SESSION, Behaviour::Gives(Kind::OciSession, 1)));
    let auto = auto(&[session, source("absent", Behaviour::Absent)], JWT);
    let (name, error) = auto.find(&test_context(), &Want::default()).await.unwrap_err();
    assert_eq!((name, error.kind()), (None, ErrorKind::NotHere));
    assert_eq!(
        error.hints()[..2],
        ["session: it gives oci-session, and the next step takes jwt", "absent: there is no absent in this place",]
    );
}

#[test]
fn auto_with_nothing_that_fits_is_found_out_before_anything_is_sent() {
    let exchanges = vec![ministry().into_arc()];
    let misfits = Route::new("test", Start::Auto(auto(&[jwt()], Kinds::ANY)), exchanges, Vec::new()).unwrap_err();
    assert_eq!(
        misfits[0].to_string(),
        "source auto gives nothing that fits, but through[0] ministry takes access-token"
    );
    assert_eq!(misfits[0].hint(&registry()), "put an exchange before it that gives access-token: swap");
}

#[tokio::test(start_paused = true)]
async fn auto_reports_the_source_it_chose() {
    let auto = Start::Auto(Auto::new(&registry()));
    let route = Route::new("test", auto, vec![bureau().into_arc()], Vec::new()).unwrap();
    let run = route.run(&test_context()).await.unwrap();
    assert!(run.hops[0].chosen);
    assert_eq!(run.hops[0].step.name, "robot");
}

#[tokio::test(start_paused = true)]
async fn everybody_is_asked_who_they_are() {
    let found = find_all(&registry(), &test_context(), &Want::default()).await;
    let names: Vec<&str> = found.iter().map(|looked| looked.source).collect();
    assert_eq!(names, ["nowhere", "robot", "keyring"], "a source that needs a field cannot be asked");
    assert!(matches!(&found[0].identity, Identity::NotHere { reason } if reason.contains("nowhere")));
    assert!(matches!(&found[1].identity, Identity::Found { kind: Kind::Jwt, .. }));
    assert!(!serde_json::to_string(&found).unwrap().contains("s3cr3t"));
}

/// What is no identity of a place: a field says where the token is.
const NAMED: [&str; 4] = ["file", "env", "command", "url"];

#[tokio::test(start_paused = true)]
async fn every_source_but_those_that_name_a_place_has_its_row() {
    let registry = Registry::standard();
    let found = find_all(&registry, &test_context(), &Want::default()).await;
    let rows: Vec<&str> = found.iter().map(|looked| looked.source).collect();
    let sources = registry.sources().iter().map(crate::Entry::name).filter(|name| !NAMED.contains(name));
    assert_eq!(rows, sources.collect::<Vec<_>>());
}

#[cfg(feature = "azure")]
#[tokio::test(start_paused = true)]
async fn a_source_that_must_be_told_more_than_its_name_says_so() {
    let mut registry = Registry::empty();
    carnet_core::Register::source::<carnet_azure::AzureIdentity>(&mut registry);
    let found = find_all(&registry, &test_context(), &Want::default()).await;
    let Identity::Skipped { reason } = &found[0].identity else { panic!("{found:?}") };
    assert!(reason.contains("resource is missing") && reason.contains("source = { azure-identity = "), "{reason}");
    assert_eq!(serde_json::to_value(&found).unwrap()[0]["identity"]["state"], "skipped");
    assert!(!found[0].ambient);
    let (_, error) = Auto::new(&registry).find(&test_context(), &Want::default()).await.unwrap_err();
    assert_eq!(error.hints()[0], format!("azure-identity: {reason}"));
}

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
struct PersonalConfig {}

impl SourceConfig for PersonalConfig {
    const NAME: &'static str = "oci-config";
    const ABOUT: &'static str = "Somebody's profile.";

    fn build(self) -> Result<Arc<dyn Source>, Vec<carnet_core::Mistake>> {
        Ok(source("oci-config", Behaviour::Gives(Kind::Jwt, 1)))
    }
}

#[tokio::test(start_paused = true)]
async fn auto_never_takes_what_belongs_to_a_person() {
    let mut registry = Registry::empty();
    carnet_core::Register::source::<PersonalConfig>(&mut registry);
    let (_, error) = Auto::new(&registry).find(&test_context(), &Want::default()).await.unwrap_err();
    assert!(error.hints()[0].starts_with("oci-config: it belongs to a person"), "{:?}", error.hints());
    let found = find_all(&registry, &test_context(), &Want::default()).await;
    assert!(!found[0].ambient && matches!(found[0].identity, Identity::Found { .. }));
}

#[derive(Debug)]
struct Ticking(Mutex<tokio::time::Instant>);

impl carnet_core::Clock for Ticking {
    fn now(&self) -> jiff::Timestamp {
        let elapsed = self.0.lock().unwrap().elapsed();
        jiff::Timestamp::from_second(1_795_262_400).unwrap() + elapsed
    }
}

#[tokio::test(start_paused = true)]
async fn routes_are_kept_fresh_by_name() {
    let badge = jwt();
    let clock = Arc::new(Ticking(Mutex::new(tokio::time::Instant::now())));
    let context = carnet_core::Context { clock, ..test_context() };
    let renewer = keep([route(&badge, &[])], &context, carnet_renew::Settings::default());
    renewer.get(&"test".to_owned()).await.unwrap();
    tokio::time::sleep(Duration::from_mins(31)).await;
    assert_eq!(badge.wanted().len(), 2);
    let error = Error::from(renewer.get(&"other".to_owned()).await.unwrap_err());
    assert_eq!(error.kind(), ErrorKind::Configuration);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_needs_is_given_back_by_every_exchange_and_failures_name_their_steps() {
    let (bureau, ministry) = (bureau(), Arc::new(Fake::new("ministry", TOKEN, SESSION, Behaviour::Broken)));
    let route = route(&jwt(), &[&bureau, &ministry]);
    let credential = carnet_core::Credential::new(carnet_core::Material::Jwt(carnet_core::Secret::new("s3cr3t")));
    for which in [Release::Before(&credential), Release::All] {
        let failed = route.release(&test_context(), which, Duration::from_secs(1)).await;
        let steps: Vec<_> = failed.iter().map(|error| error.step().unwrap()).collect();
        assert_eq!(steps, ["through[1] ministry"]);
    }
    assert_eq!((bureau.returned(), ministry.returned()), (vec!["before", "all"], vec!["before", "all"]));
}

#[tokio::test(start_paused = true)]
async fn an_exchange_that_never_answers_is_not_waited_for_longer_than_wanted() {
    let silent = Arc::new(Fake::new("ministry", TOKEN, SESSION, Behaviour::Absent));
    let (bureau, start) = (bureau(), tokio::time::Instant::now());
    let route = route(&jwt(), &[&bureau, &silent]);
    let failed = route.release(&test_context(), Release::All, Duration::from_secs(5)).await;
    assert_eq!(start.elapsed(), Duration::from_secs(5));
    assert_eq!(
        (failed.len(), failed[0].kind(), failed[0].step()),
        (1, ErrorKind::Unreachable, Some("through[1] ministry"))
    );
    assert_eq!(bureau.returned(), ["all"], "it is told, also when the time is used up");
}

#[tokio::test(start_paused = true)]
async fn a_credential_that_a_delivery_gives_back_is_no_longer_the_exchanges() {
    for behaves in [Behaviour::Gives(Kind::AccessToken, 1), Behaviour::Broken] {
        let (bureau, context) = (bureau(), test_context());
        let pawnbroker = Arc::new(Fake::new("pawnbroker", TOKEN, TOKEN, behaves));
        let note = Arc::new(Fake::new("note", TOKEN, TOKEN, Behaviour::Absent));
        let route = route(&jwt(), &[&bureau]).deliver_also(note.into_arc()).unwrap();
        let run = route.run(&context).await.unwrap();
        route.deliver(&context, &run.credential).await.unwrap();
        assert!(bureau.returned().is_empty());
        let route = route.deliver_also(pawnbroker.into_arc()).unwrap();
        assert_eq!(route.deliver(&context, &run.credential).await.is_ok(), behaves != Behaviour::Broken);
        assert_eq!(bureau.returned(), ["forgotten"], "whatever came of it");
    }
}
