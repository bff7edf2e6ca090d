//! Federation with other trust domains.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::Router;
use carnet_core::{BoxFuture, Destination, HttpError, HttpErrorKind, HttpSend, Request, Response, ScriptedHttp};
use carnet_discovery::{
    BundleSettings, EndpointProfile, Federation, FederationParts, Relationship, bundle_router, check_endpoint_svid,
};
use carnet_net::Settings as Network;
use carnet_spiffe::{Bundle, BundleMap, SpiffeId, TrustDomain};
use carnet_x509::Authority;
use jiff::SignedDuration;
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::support::{authority, context, context_with, domain, listen, now, svid, tls, until};

fn endpoint_id() -> SpiffeId {
    "spiffe://example.org/carnet/authority".parse().unwrap()
}

fn numbered(sequence: Option<u64>, authority: &Authority) -> Bundle {
    Bundle { sequence, x509_authorities: vec![authority.certificate().to_vec()], ..Bundle::empty(domain()) }
}

fn document(bundle: &Bundle) -> Vec<u8> {
    bundle.to_json().unwrap().to_string().into_bytes()
}

fn web(bootstrap: Option<Bundle>) -> Relationship {
    Relationship {
        trust_domain: domain(),
        url: "https://bundles.example.org/".to_owned(),
        profile: EndpointProfile::HttpsWeb,
        bootstrap: bootstrap.map(Arc::new),
    }
}

fn parts(relationships: Vec<Relationship>, http: Arc<dyn HttpSend>) -> FederationParts {
    FederationParts {
        context: context_with(http),
        network: Network::default(),
        relationships: watch::Sender::new(Arc::new(relationships)).subscribe(),
        known: BundleMap::default(),
        own: None,
        keep: None,
    }
}

fn held(federation: &Federation) -> Option<Arc<Bundle>> {
    federation.watch().borrow().get(&domain()).cloned()
}

fn words(error: &carnet_core::Error) -> String {
    carnet_core::chain(error).join(": ")
}

/// A bundle endpoint that shows this SVID, and the relationship that leads there.
async fn spiffe_endpoint(
    server: &Authority,
    shows: &SpiffeId,
    gives: Bundle,
    bootstrap: Option<Bundle>,
) -> Relationship {
    let source = watch::Sender::new(Some(gives.shared())).subscribe();
    let router = bundle_router(source, BundleSettings::default(), context().clock);
    let (address, _running) = listen(router, Some(tls(svid(server, shows)))).await;
    Relationship {
        trust_domain: domain(),
        url: format!("https://{address}/"),
        profile: EndpointProfile::HttpsSpiffe { endpoint_spiffe_id: endpoint_id() },
        bootstrap: bootstrap.map(Arc::new),
    }
}

async fn refresh(parts: FederationParts) -> (Arc<Federation>, Result<bool, carnet_core::Error>) {
    let federation = Federation::new(parts);
    let outcome = federation.refresh(&domain()).await;
    (federation, outcome)
}

#[tokio::test]
async fn a_spiffe_endpoint_is_believed_by_the_bundle_that_was_handed_over() {
    let own = authority(&domain());
    let (old, new) = (numbered(Some(1), &own), numbered(Some(2), &own));
    let relationship = spiffe_endpoint(&own, &endpoint_id(), new, Some(old)).await;
    let (federation, outcome) = refresh(parts(vec![relationship], context().http)).await;
    assert!(outcome.unwrap());
    assert_eq!(held(&federation).unwrap().sequence, Some(2));
    assert!(!federation.refresh(&domain()).await.unwrap(), "nothing has changed");
}

#[tokio::test]
async fn rejects_a_spiffe_endpoint_that_is_somebody_else() {
    let (own, stranger) = (authority(&domain()), authority(&domain()));
    let other: SpiffeId = "spiffe://example.org/other".parse().unwrap();
    let bundle = |sequence| numbered(Some(sequence), &own);
    for (server, id, bootstrap, wrong) in [
        (&own, &other, Some(bundle(1)), "another than the bundle endpoint"),
        (&stranger, &endpoint_id(), Some(bundle(1)), ""),
        (&own, &endpoint_id(), None, ""),
    ] {
        let relationship = spiffe_endpoint(server, id, bundle(2), bootstrap.clone()).await;
        let (federation, outcome) = refresh(parts(vec![relationship], context().http)).await;
        let error = outcome.unwrap_err();
        assert!(words(&error).contains(wrong), "{}", words(&error));
        assert_eq!(held(&federation).and_then(|bundle| bundle.sequence), bootstrap.and(Some(1)));
        let status = federation.status().remove(&domain()).unwrap();
        assert!(status.last_error.is_some() && status.failures == 1 && status.last_success.is_none());
    }
}

#[tokio::test]
async fn an_endpoint_may_be_of_the_own_trust_domain() {
    let own_domain: TrustDomain = "own.example".parse().unwrap();
    let (own, other) = (authority(&own_domain), authority(&domain()));
    let id: SpiffeId = "spiffe://own.example/mirror".parse().unwrap();
    let relationship = Relationship {
        profile: EndpointProfile::HttpsSpiffe { endpoint_spiffe_id: id.clone() },
        ..spiffe_endpoint(&own, &id, numbered(Some(1), &other), None).await
    };
    let own_bundle = Bundle { x509_authorities: vec![own.certificate().to_vec()], ..Bundle::empty(own_domain) };
    let own_bundle = watch::Sender::new(Some(own_bundle.shared())).subscribe();
    let (federation, outcome) =
        refresh(FederationParts { own: Some(own_bundle), ..parts(vec![relationship], context().http) }).await;
    assert!(outcome.unwrap());
    assert_eq!(federation.watch().borrow().0.len(), 1, "the own bundle is not one of the others'");
}

#[test]
fn who_listens_can_see_whether_peers_will_believe_it() {
    let own = authority(&domain());
    let chain: Vec<Vec<u8>> = svid(&own, &endpoint_id()).chain().map(<[u8]>::to_vec).collect();
    let bundles: BundleMap = [numbered(None, &own).shared()].into_iter().collect();
    assert_eq!(check_endpoint_svid(&chain, &endpoint_id(), &bundles, now()), Ok(()));
    let other = "spiffe://example.org/x".parse().unwrap();
    let error = check_endpoint_svid(&chain, &other, &bundles, now()).unwrap_err();
    assert_eq!((error.seen.as_deref(), error.wanted.as_deref()), (Some(endpoint_id().as_str()), Some(other.as_str())));
    assert!(check_endpoint_svid(&chain, &endpoint_id(), &bundles, now() + SignedDuration::from_hours(2)).is_err());
}

#[tokio::test]
async fn rejects_a_bundle_that_is_older_than_the_one_that_is_there() {
    let authority = authority(&domain());
    for (before, then, good) in [
        (Some(7), Some(8), true),
        (Some(7), Some(7), true),
        (Some(7), Some(6), false),
        (Some(7), None, false),
        (None, None, true),
        (None, Some(0), true),
    ] {
        let mut new = numbered(then, &authority);
        new.x509_authorities.push(crate::support::authority(&domain()).certificate().to_vec());
        let http = Arc::new(ScriptedHttp::default().answer(200, document(&new)));
        let (federation, outcome) = refresh(parts(vec![web(Some(numbered(before, &authority)))], http)).await;
        assert_eq!(outcome.is_ok(), good, "{before:?} {then:?}");
        assert_eq!(held(&federation).unwrap().x509_authorities.len(), if good { 2 } else { 1 });
        if let Err(error) = outcome {
            assert_eq!(error.failed_clause(), Some("sequence"));
        }
    }
}

#[tokio::test]
async fn rejects_what_is_no_bundle_and_keeps_the_last_good_one() {
    let before = numbered(Some(1), &authority(&domain()));
    let cases = [
        ScriptedHttp::default().answer(200, "{}"),
        ScriptedHttp::default().answer(200, "<html>"),
        ScriptedHttp::default().answer(404, document(&before)),
        ScriptedHttp::default().answer(500, ""),
        ScriptedHttp::default().fail(HttpErrorKind::TooLarge),
        ScriptedHttp::default().fail(HttpErrorKind::Tls),
    ];
    for http in cases {
        let http = Arc::new(http);
        let (federation, outcome) = refresh(parts(vec![web(Some(before.clone()))], Arc::clone(&http) as Arc<_>)).await;
        assert!(outcome.is_err());
        assert_eq!(held(&federation).as_deref(), Some(&before));
        assert_eq!(http.requests()[0].max_response, Bundle::MAX_LENGTH);
    }
}

#[tokio::test]
async fn temporary_redirects_are_followed_over_tls_to_public_addresses() {
    let new = document(&numbered(Some(2), &authority(&domain())));
    for status in [302, 303, 307] {
        let http = ScriptedHttp::default()
            .answer_with(status, &[("location", "/other")], "")
            .answer_with(status, &[("location", "https://mirror.example/b")], "")
            .answer(200, new.clone());
        let http = Arc::new(http);
        let (_, outcome) = refresh(parts(vec![web(None)], Arc::clone(&http) as Arc<_>)).await;
        assert!(outcome.unwrap());
        let asked: Vec<_> = http.requests().iter().map(|one| (one.url.to_string(), one.destination)).collect();
        let wanted = [
            ("https://bundles.example.org/", Destination::Configured),
            ("https://bundles.example.org/other", Destination::Configured),
            ("https://mirror.example/b", Destination::Untrusted),
        ];
        assert_eq!(asked, wanted.map(|(url, destination)| (url.to_owned(), destination)));
    }
}

#[tokio::test]
async fn rejects_other_redirects() {
    let to = |status, location| ScriptedHttp::default().answer_with(status, &[("location", location)], "");
    let endless = (0..4).fold(ScriptedHttp::default(), |http, _| http.answer_with(302, &[("location", "/again")], ""));
    for (http, requests) in [
        (to(301, "/moved"), 1),
        (to(308, "/moved"), 1),
        (to(302, "http://bundles.example.org/"), 1),
        (to(302, "https://user@bundles.example.org/"), 1),
        (ScriptedHttp::default().answer(302, ""), 1),
        (endless, 4),
    ] {
        let http = Arc::new(http);
        let (_, outcome) = refresh(parts(vec![web(None)], Arc::clone(&http) as Arc<_>)).await;
        assert!(outcome.is_err());
        assert_eq!(http.requests().len(), requests);
    }
}

#[tokio::test]
async fn rejects_urls_that_are_no_bundle_endpoints() {
    for url in ["http://a.example/", "https://u@a.example/", "https://a.example/#f", "a.example", "file:///a"] {
        let relationship = Relationship { url: url.to_owned(), ..web(None) };
        assert_eq!(relationship.check().unwrap_err()[0].field, "url", "{url}");
        let (_, outcome) = refresh(parts(vec![relationship], Arc::new(ScriptedHttp::default()))).await;
        assert!(outcome.is_err(), "{url}");
    }
    let of_another = Bundle::empty("other.example".parse().unwrap());
    assert_eq!(web(Some(of_another)).check().unwrap_err()[0].field, "bootstrap");
    assert_eq!(web(None).check(), Ok(()));
}

/// Answers the same always, and writes down when it was asked.
#[derive(Debug)]
struct Diary {
    answer: Option<Vec<u8>>,
    start: Instant,
    asked: Mutex<Vec<u64>>,
}

impl Diary {
    fn new(answer: Option<Vec<u8>>) -> Arc<Self> {
        Arc::new(Self { answer, start: Instant::now(), asked: Mutex::default() })
    }
}

impl HttpSend for Diary {
    fn send(&self, _request: Request) -> BoxFuture<'_, Result<Response, HttpError>> {
        self.asked.lock().unwrap().push(self.start.elapsed().as_secs());
        let answer = match &self.answer {
            Some(body) => Ok(Response {
                status: http::StatusCode::OK,
                headers: http::HeaderMap::new(),
                body: body.clone().into(),
            }),
            None => Err(HttpError { kind: HttpErrorKind::Connect, message: "away".to_owned(), cause: None }),
        };
        Box::pin(async move { answer })
    }
}

/// When an endpoint is asked within so many seconds.
async fn asked_within(seconds: u64, answer: Option<Vec<u8>>) -> Vec<u64> {
    let diary = Diary::new(answer);
    let shutdown = CancellationToken::new();
    let running =
        tokio::spawn(Federation::new(parts(vec![web(None)], Arc::clone(&diary) as Arc<_>)).run(shutdown.clone()));
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    shutdown.cancel();
    running.await.unwrap();
    diary.asked.lock().unwrap().clone()
}

#[tokio::test(start_paused = true)]
async fn endpoints_are_asked_at_a_quarter_of_the_hint() {
    let hinted = |seconds| {
        let hint = Some(SignedDuration::from_secs(seconds));
        Some(document(&Bundle { refresh_hint: hint, ..numbered(Some(1), &authority(&domain())) }))
    };
    assert_eq!(asked_within(200, hinted(300)).await, [0, 75, 150]);
    assert_eq!(asked_within(50, hinted(1)).await, [0, 15, 30, 45], "never more often than for a hint of a minute");
}

#[tokio::test(start_paused = true)]
async fn endpoints_that_are_away_are_asked_again_sooner_and_then_later() {
    assert_eq!(asked_within(500, None).await, [0, 15, 45, 105, 225, 465]);
}

#[tokio::test(start_paused = true)]
async fn relationships_come_and_go_with_their_bundles() {
    let one = numbered(Some(1), &authority(&domain()));
    let diary = Diary::new(Some(document(&one)));
    let (sender, relationships) = watch::channel(Arc::new(Vec::new()));
    let federation =
        Federation::new(FederationParts { relationships, ..parts(Vec::new(), Arc::clone(&diary) as Arc<_>) });
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(Arc::clone(&federation).run(shutdown.clone()));
    let mut bundles = federation.watch();
    assert!(bundles.borrow().0.is_empty());

    sender.send_replace(Arc::new(vec![web(None)]));
    // Of the paused clock, so that a bundle that never comes or goes ends the test.
    let day = Duration::from_hours(24);
    let comes = bundles.wait_for(|bundles| bundles.get(&domain()).is_some());
    drop(tokio::time::timeout(day, comes).await.expect("it comes").unwrap());
    sender.send_replace(Arc::new(Vec::new()));
    let goes = bundles.wait_for(|bundles| bundles.0.is_empty());
    drop(tokio::time::timeout(day, goes).await.expect("it goes").unwrap());
    let asked = diary.asked.lock().unwrap().len();
    tokio::time::sleep(Duration::from_hours(1)).await;
    assert_eq!(diary.asked.lock().unwrap().len(), asked, "nobody asks for what ended");
    assert!(federation.status().is_empty());

    shutdown.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn what_changed_is_kept_and_what_was_kept_is_believed_at_the_start() {
    let kept: Arc<Mutex<Vec<Option<u64>>>> = Arc::default();
    let writes = Arc::clone(&kept);
    let keep = move |bundle: Arc<Bundle>| -> BoxFuture<'static, carnet_core::Result<()>> {
        writes.lock().unwrap().push(bundle.sequence);
        Box::pin(async { Err(carnet_core::Error::internal("the disk is full")) })
    };
    let authority = authority(&domain());
    let two = numbered(Some(2), &authority);
    let http = ScriptedHttp::default().answer(200, document(&two)).answer(200, document(&two));
    let known: BundleMap =
        [numbered(Some(1), &authority).shared(), Bundle::empty("stranger.example".parse().unwrap()).shared()]
            .into_iter()
            .collect();
    let federation = Federation::new(FederationParts {
        known,
        keep: Some(Arc::new(keep)),
        ..parts(vec![web(None)], Arc::new(http))
    });
    assert_eq!(held(&federation).unwrap().sequence, Some(1));
    assert_eq!(federation.watch().borrow().0.len(), 1, "there is no federation with strangers");
    assert!(federation.refresh(&domain()).await.unwrap());
    assert!(!federation.refresh(&domain()).await.unwrap());
    assert_eq!(*kept.lock().unwrap(), [Some(2)]);
    assert_eq!(held(&federation).unwrap().sequence, Some(2), "it is believed although it could not be kept");
}

#[tokio::test]
async fn a_federation_follows_a_real_endpoint_whose_keys_change() {
    let own = authority(&domain());
    let sender = watch::Sender::new(Some(numbered(Some(1), &own).shared()));
    let router: Router = bundle_router(sender.subscribe(), BundleSettings::default(), context().clock);
    let (address, _running) = listen(router, Some(tls(svid(&own, &endpoint_id())))).await;
    let relationship = Relationship {
        url: format!("https://{address}/"),
        profile: EndpointProfile::HttpsSpiffe { endpoint_spiffe_id: endpoint_id() },
        ..web(Some(numbered(Some(1), &own)))
    };
    let federation = Federation::new(parts(vec![relationship], context().http));
    let shutdown = CancellationToken::new();
    tokio::spawn(Arc::clone(&federation).run(shutdown.clone()));
    until(async || federation.status().get(&domain())?.last_success).await;
    sender.send_replace(Some(numbered(Some(2), &own).shared()));
    assert!(federation.refresh(&domain()).await.unwrap());
    // An authority that the bundle no longer has is not believed at the next request, even on a connection that was kept.
    sender.send_replace(Some(numbered(Some(3), &authority(&domain())).shared()));
    assert!(federation.refresh(&domain()).await.unwrap());
    assert!(federation.refresh(&domain()).await.is_err());
    assert_eq!(held(&federation).unwrap().sequence, Some(3));
    shutdown.cancel();
}
