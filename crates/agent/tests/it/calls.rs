//! The calls of the Workload API.

use std::sync::atomic::Ordering;

use carnet_core::ErrorKind;
use carnet_grpc::{
    SECURITY_HEADER,
    grpc::health::v1::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient},
    spiffe_workload::{
        JwtsvidRequest, ValidateJwtsvidRequest, WitsvidRequest, X509BundlesRequest, X509svidRequest,
        spiffe_workload_api_client::SpiffeWorkloadApiClient,
    },
    tonic::{Code, Request, metadata::MetadataValue},
};
use carnet_jose::UnverifiedJwt;
use carnet_spiffe::verify_x509_svid;
use carnet_x509::{Certificate, split_der};

use crate::support::{Desk, Keys, Node, domain, entry, request, selectors, until};

#[tokio::test]
async fn a_process_gets_its_x509_svid_with_key_and_bundle() {
    let desk = Desk::new();
    desk.change(|mood| mood.entries = vec![entry("api", 0)]);
    let node = Node::serving(&desk).await;
    let context = node.api().await.fetch_x509_svid().await.unwrap();
    let [svid] = context.svids.as_slice() else { panic!("one, not {}", context.svids.len()) };
    assert_eq!(svid.spiffe_id, "spiffe://example.org/api");
    let chain = split_der(&svid.certificates).unwrap();
    let bundles = [desk.keys.bundle.clone().shared()].into_iter().collect();
    assert_eq!(verify_x509_svid(&chain, &bundles, desk.now()).unwrap().as_str(), svid.spiffe_id);
    let key = carnet_jose::SigningKey::from_pkcs8(carnet_jose::Algorithm::Es256, &svid.private_key).unwrap();
    assert_eq!(key.public_spki(), Certificate::from_der(&chain[0]).unwrap().spki());
    assert_eq!(svid.bundle, desk.keys.bundle.x509_der());
    assert!(context.federated_bundles.is_empty());
}

#[tokio::test]
async fn the_oldest_entry_is_the_default_and_a_hint_occurs_once() {
    let desk = Desk::new();
    let hinted = |id: &str, age| carnet_attest::Registration { hint: "main".into(), ..entry(id, age) };
    desk.change(|mood| mood.entries = vec![entry("a", 0), hinted("b", 5), hinted("c", 9), entry("d", 7)]);
    let node = Node::serving(&desk).await;
    let api = node.api().await;
    let ids: Vec<String> = api.fetch_x509_svid().await.unwrap().svids.into_iter().map(|svid| svid.spiffe_id).collect();
    assert_eq!(ids, ["spiffe://example.org/c", "spiffe://example.org/d", "spiffe://example.org/a"]);
    let jwts = api.fetch_jwt_svid(&["x"], None).await.unwrap();
    assert_eq!(jwts.iter().map(|svid| svid.spiffe_id.clone()).collect::<Vec<_>>(), ids);
    assert_eq!(jwts[0].hint.as_deref(), Some("main"));
}

#[tokio::test]
async fn an_identity_is_made_of_the_callers_selectors() {
    let desk = Desk::new();
    let template = carnet_attest::Registration {
        spiffe_id: "spiffe://example.org/app/{told:app}".parse().unwrap(),
        ..entry("template", 0)
    };
    desk.change(|mood| mood.entries = vec![template]);
    let node = Node::serving(&desk).await;
    let svids = node.api().await.fetch_x509_svid().await.unwrap().svids;
    assert_eq!(svids[0].spiffe_id, "spiffe://example.org/app/api");
    let jwts = node.api().await.fetch_jwt_svid(&["x"], None).await.unwrap();
    assert_eq!(jwts[0].spiffe_id, "spiffe://example.org/app/api");
}

#[tokio::test]
async fn a_jwt_svid_has_exactly_the_audiences_in_their_order() {
    let desk = Desk::new();
    desk.change(|mood| mood.entries = vec![entry("api", 0), entry("other", 0)]);
    let node = Node::serving(&desk).await;
    let api = node.api().await;
    let svids = api.fetch_jwt_svid(&["z", "a", "m"], Some("spiffe://example.org/other")).await.unwrap();
    let [svid] = svids.as_slice() else { panic!("one, not {}", svids.len()) };
    assert_eq!(svid.spiffe_id, "spiffe://example.org/other");
    let token = UnverifiedJwt::parse(svid.token.expose()).unwrap();
    assert_eq!(token.unverified_claims().audiences(), ["z", "a", "m"]);
    // Another order is another token.
    let other = api.fetch_jwt_svid(&["a", "z", "m"], Some("spiffe://example.org/other")).await.unwrap();
    assert_ne!(other[0].token.expose(), svid.token.expose());
    let same = api.fetch_jwt_svid(&["z", "a", "m"], Some("spiffe://example.org/other")).await.unwrap();
    assert_eq!(same[0].token.expose(), svid.token.expose());
}

#[tokio::test]
async fn callers_that_ask_at_the_same_time_share_one_call() {
    let desk = Desk::new();
    desk.change(|mood| mood.entries = vec![entry("api", 0)]);
    let node = Node::serving(&desk).await;
    let api = node.api().await;
    let calls = (0..32).map(|_| {
        let api = api.clone();
        tokio::spawn(async move { api.fetch_jwt_svid(&["x"], None).await.unwrap()[0].token.expose().to_owned() })
    });
    let calls: Vec<_> = calls.collect();
    let mut tokens = std::collections::BTreeSet::new();
    for call in calls {
        tokens.insert(call.await.unwrap());
    }
    assert_eq!((tokens.len(), desk.jwts.load(Ordering::SeqCst)), (1, 1));
}

#[tokio::test]
async fn what_is_wanted_while_calls_are_under_way_goes_together_and_each_gets_its_own() {
    let desk = Desk::new();
    desk.change(|mood| mood.entries = vec![entry("api", 0), entry("gone", 0)]);
    let node = Node::serving(&desk).await;
    let api = node.api().await;
    // The authority takes its time, and knows no more of one entry than it will say.
    let gate = desk.gate.acquire_many(100).await.unwrap();
    desk.quietly(|mood| mood.entries.retain(|entry| entry.id == "api"));
    let ask = |id: &'static str, audience: String| {
        let api = api.clone();
        tokio::spawn(async move { api.fetch_jwt_svid(&[&audience], Some(&format!("spiffe://example.org/{id}"))).await })
    };
    let mut calls = Vec::new();
    for number in 0..100 {
        let id = if number == 50 { "gone" } else { "api" };
        calls.push((number, ask(id, format!("audience-{number}"))));
        let asked = || node.agent.facts().jwt_svids == calls.len();
        until("it is asked", asked).await;
    }
    assert_eq!(desk.jwts.load(Ordering::SeqCst), 2, "two calls are under way, and the others wait");
    drop(gate);
    for (number, call) in calls {
        match call.await.unwrap() {
            Ok(svids) => {
                let token = UnverifiedJwt::parse(svids[0].token.expose()).unwrap();
                assert_eq!(token.unverified_claims().audiences(), [format!("audience-{number}")]);
            }
            Err(error) => assert_eq!((number, error.kind()), (50, ErrorKind::Unreachable)),
        }
    }
    assert_eq!((desk.jwts.load(Ordering::SeqCst), desk.largest_jwt_batch.load(Ordering::SeqCst)), (100, 64));
}

#[tokio::test]
async fn a_call_that_fails_fails_for_all_that_it_was_made_for() {
    let desk = Desk::new();
    desk.change(|mood| mood.entries = vec![entry("api", 0)]);
    let node = Node::serving(&desk).await;
    let api = node.api().await;
    desk.quietly(|mood| mood.refuse = Some(carnet_attest::protocol::RefusalCode::TooMany));
    let audiences: Vec<String> = (0..8).map(|number| number.to_string()).collect();
    let calls = audiences.iter().map(|audience| {
        let api = api.clone();
        async move { api.fetch_jwt_svid(&[audience], None).await.unwrap_err() }
    });
    for error in futures_util::future::join_all(calls).await {
        assert!(carnet_core::chain(&error).join(": ").contains("as the test says"), "{error}");
    }
}

#[tokio::test]
async fn rejects_audiences_that_the_authority_cannot_serve_together_for_good() {
    let desk = Desk::new();
    desk.change(|mood| mood.entries = vec![entry("api", 0)]);
    let node = Node::serving(&desk).await;
    let channel = node.channel().await;
    // Those that share the call are told the same.
    let calls = (0..8).map(|_| {
        let mut client = SpiffeWorkloadApiClient::new(channel.clone());
        let message = JwtsvidRequest { audience: vec!["one".into(), "other".into()], spiffe_id: String::new() };
        async move { client.fetch_jwtsvid(request(message)).await.unwrap_err() }
    });
    for status in futures_util::future::join_all(calls).await {
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        assert!(status.message().contains("take different algorithms"), "{status}");
    }
}

#[tokio::test]
async fn bundles_are_the_own_and_those_that_the_entries_name() {
    let desk = Desk::new();
    let [one, other] = ["one.org", "other.org"].map(|name| Keys::of(&name.parse().unwrap(), desk.now()));
    let federated = carnet_attest::Registration {
        federates_with: ["one.org".parse().unwrap()].into_iter().collect(),
        ..entry("api", 0)
    };
    desk.change(|mood| {
        mood.entries = vec![federated];
        mood.bundles.insert(one.bundle.clone());
        mood.bundles.insert(other.bundle.clone());
    });
    let node = Node::serving(&desk).await;
    let api = node.api().await;
    let x509 = api.fetch_x509_bundles().await.unwrap().bundles;
    assert_eq!(x509.keys().collect::<Vec<_>>(), ["spiffe://example.org", "spiffe://one.org"]);
    assert_eq!(x509["spiffe://one.org"], one.bundle.x509_der());
    let jwt = api.fetch_jwt_bundles().await.unwrap().bundles;
    assert_eq!(jwt.keys().collect::<Vec<_>>(), ["spiffe://example.org", "spiffe://one.org"]);
    let set: serde_json::Value = serde_json::from_slice(&jwt["spiffe://example.org"]).unwrap();
    assert_eq!(set["keys"][0]["kid"], "example.org-1");
    assert!(set["keys"][0].get("use").is_none() && set["keys"][0].get("alg").is_none(), "{set}");
    let context = api.fetch_x509_svid().await.unwrap();
    assert_eq!(context.federated_bundles.keys().collect::<Vec<_>>(), ["spiffe://one.org"]);
}

#[tokio::test]
async fn whoever_has_no_identity_is_told_so_with_these_words() {
    let desk = Desk::new();
    let node = Node::serving(&desk).await;
    let mut client = SpiffeWorkloadApiClient::new(node.channel().await);
    let x509 = client.fetch_x509svid(request(X509svidRequest {})).await.unwrap().into_inner().message().await;
    let jwt = JwtsvidRequest { audience: vec!["x".into()], spiffe_id: String::new() };
    let jwt = client.fetch_jwtsvid(request(jwt)).await;
    let bundles = client.fetch_x509_bundles(request(X509BundlesRequest {})).await.unwrap().into_inner().message().await;
    for status in [x509.unwrap_err(), jwt.unwrap_err(), bundles.unwrap_err()] {
        assert_eq!((status.code(), status.message()), (Code::PermissionDenied, "no identity issued"));
    }
}

#[tokio::test]
async fn verifiers_without_identity_get_the_own_bundle_where_that_is_allowed() {
    let desk = Desk::new();
    let other = Keys::of(&"other.org".parse().unwrap(), desk.now());
    desk.change(|mood| drop(mood.bundles.insert(other.bundle.clone())));
    let node = Node::start_with(&desk, |settings| settings.allow_unauthenticated_verifiers = true);
    let bundles = node.api().await.fetch_x509_bundles().await.unwrap().bundles;
    assert_eq!(bundles.into_keys().collect::<Vec<_>>(), [domain().id().as_str()]);
    let refused = node.api().await.fetch_x509_svid().await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NotHere);
}

#[tokio::test]
async fn rejects_a_call_without_exactly_one_security_header() {
    let desk = Desk::new();
    desk.change(|mood| mood.entries = vec![entry("api", 0)]);
    let node = Node::serving(&desk).await;
    let mut client = SpiffeWorkloadApiClient::new(node.channel().await);
    for values in [vec![], vec!["True"], vec!["false"], vec![""], vec!["true", "true"], vec!["true,true"]] {
        let bent = || {
            let mut bent = Request::new(X509svidRequest {});
            for value in &values {
                bent.metadata_mut().append(SECURITY_HEADER, MetadataValue::from_static(value));
            }
            bent
        };
        let status = client.fetch_x509svid(bent()).await.unwrap_err();
        let seen = (status.code(), status.message());
        assert_eq!(seen, (Code::InvalidArgument, "security header missing from request"), "{values:?}");
        let status = client.fetch_witsvid(bent().map(|_| WitsvidRequest::default())).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{values:?}");
        let status = client.validate_jwtsvid(bent().map(|_| ValidateJwtsvidRequest::default())).await.unwrap_err();
        assert_eq!(status.message(), "security header missing from request");
    }
}

#[tokio::test]
async fn rejects_what_is_no_request() {
    let desk = Desk::new();
    desk.change(|mood| mood.entries = vec![entry("api", 0)]);
    let node = Node::serving(&desk).await;
    let mut client = SpiffeWorkloadApiClient::new(node.channel().await);
    let many = |count: u8| (0..count).map(|number| number.to_string()).collect::<Vec<_>>();
    for (audience, id, code, text) in [
        (vec![], "", Code::InvalidArgument, "audience must be specified"),
        (vec![String::new()], "", Code::InvalidArgument, "audience must be specified"),
        (many(17), "", Code::InvalidArgument, "at most 16 audiences"),
        (vec!["x".repeat(601)], "", Code::InvalidArgument, "at most 16 audiences of 600 bytes"),
        (vec!["x".into()], "http://x", Code::InvalidArgument, "invalid requested SPIFFE ID: "),
        (vec!["x".into()], "spiffe://example.org/other", Code::PermissionDenied, "no identity issued"),
    ] {
        let message = JwtsvidRequest { audience, spiffe_id: id.into() };
        let status = client.fetch_jwtsvid(request(message)).await.unwrap_err();
        assert_eq!(status.code(), code);
        assert!(status.message().starts_with(text), "{}", status.message());
    }
    assert_eq!(desk.jwts.load(Ordering::SeqCst), 0, "no call was spent");
    for audience in [many(16), vec!["x".repeat(600)]] {
        let message = JwtsvidRequest { audience, spiffe_id: String::new() };
        assert_eq!(client.fetch_jwtsvid(request(message)).await.unwrap().into_inner().svids.len(), 1);
    }
    let status = client.fetch_witsvid(request(WitsvidRequest::default())).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
}

#[tokio::test]
async fn health_needs_no_header_and_says_whether_there_is_anything_to_serve() {
    let desk = Desk::new();
    desk.quietly(|mood| mood.away = true);
    let node = Node::start_with(&desk, |settings| settings.patience = std::time::Duration::ZERO);
    let mut client = HealthClient::new(node.channel().await);
    let ask = |service: &str| HealthCheckRequest { service: service.into() };
    let status = client.check(ask("")).await.unwrap().into_inner().status();
    assert_eq!(status, ServingStatus::NotServing);
    let mut watch = client.watch(ask("SpiffeWorkloadAPI")).await.unwrap().into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    let refused = node.api().await.fetch_x509_svid().await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unreachable);
    desk.quietly(|mood| mood.away = false);
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
    assert_eq!(client.check(ask("nothing")).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn an_entry_needs_all_its_selectors() {
    let desk = Desk::new();
    let mut own = entry("own", 0);
    let uid = rustix::process::geteuid().as_raw();
    own.selectors = selectors(&[&format!("unix:uid:{uid}"), "told:app:api"]).into_iter().collect();
    let mut foreign = entry("foreign", 0);
    foreign.selectors = selectors(&["unix:uid:4242", "told:app:api"]).into_iter().collect();
    desk.change(|mood| mood.entries = vec![own, foreign]);
    let node = Node::serving(&desk).await;
    let svids = node.api().await.fetch_x509_svid().await.unwrap().svids;
    assert_eq!(svids.iter().map(|svid| svid.spiffe_id.as_str()).collect::<Vec<_>>(), ["spiffe://example.org/own"]);
    node.told.0.lock().unwrap().clear();
    assert_eq!(node.api().await.fetch_x509_svid().await.unwrap_err().kind(), ErrorKind::NotHere);
}

#[tokio::test]
async fn svids_are_signed_in_batches_and_ready_before_anybody_asks() {
    let desk = Desk::new();
    desk.change(|mood| mood.entries = (0..700).map(|number| entry(&format!("e{number}"), 0)).collect());
    let node = Node::start_with(&desk, |settings| settings.prefetched = 600);
    until("600 are ready", || node.agent.facts().x509_svids == 600).await;
    assert_eq!(desk.largest_batch.load(Ordering::SeqCst), 500);
    // The others are signed for whoever asks for them.
    let svids = node.api().await.fetch_x509_svid().await.unwrap().svids;
    assert_eq!(svids.len(), 700);
}
