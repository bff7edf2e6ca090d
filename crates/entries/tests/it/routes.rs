//! The calls of agents.

use std::{sync::Arc, time::Duration};

use carnet_attest::{Kind, Registration, protocol::*};
use carnet_spiffe::{Bundle, BundleMap, verify_jwt_svid, verify_x509_svid};
use carnet_store::Outcome;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::*;

const NOTHING: Option<&Value> = None;

fn wanted(entry_id: &str, with: &[&str]) -> X509Request {
    X509Request { entry_id: entry_id.to_owned(), selectors: selectors(with), csr: request_for_certificate().into() }
}

fn token_wanted(entry_id: &str, audiences: &[&str]) -> JwtRequest {
    let audiences = audiences.iter().map(|&audience| audience.to_owned()).collect();
    JwtRequest { entry_id: entry_id.to_owned(), selectors: selectors(&[]), audiences }
}

async fn with_entry() -> (World, TestAgent, String) {
    let world = World::new().await;
    let agent = world.agent("a", &[]).await;
    let created = world.create(entry("/pay", &agent.id, &["unix:uid:1"])).await;
    (world, agent, created.entry.id.clone())
}

#[tokio::test]
async fn a_node_attests_and_renews_over_http() {
    let world = World::new().await;
    let token = world.token(Some("a"), &[]).await;
    let (status, bundle) = world.send(None, "GET", paths::BUNDLE, NOTHING).await;
    assert_eq!(status, 200);
    let bundle: BundleAnswer = serde_json::from_value(bundle).unwrap();
    let bundle = Bundle::parse(&bundle.trust_domain, bundle.bundle.to_string().as_bytes()).unwrap();
    let map = BundleMap::from_iter([bundle.shared()]);

    let (status, _) =
        world.send(None, "POST", paths::ATTEST_START, Some(&StartRequest { kind: Kind::JoinToken })).await;
    assert_eq!(status, 200);
    let request = world.attempt(&token).await;
    let (status, svid) = world.send(None, "POST", paths::ATTEST, Some(&request)).await;
    assert_eq!(status, 200, "{svid}");
    let svid: AgentSvid = serde_json::from_value(svid).unwrap();
    let chain: Vec<Vec<u8>> = svid.svid.into_iter().map(|Base64(der)| der).collect();
    assert_eq!(verify_x509_svid(&chain, &map, world.context.now()).unwrap(), token.agent);

    let agent = TestAgent { id: token.agent, chain };
    let renew = RenewRequest { csr: request_for_certificate().into() };
    let (status, svid) = world.send(Some(&agent), "POST", paths::RENEW, Some(&renew)).await;
    assert_eq!(status, 200, "{svid}");
}

#[tokio::test]
async fn rejects_calls_of_agents_without_a_certificate() {
    let world = World::new().await;
    for (method, path) in [("POST", paths::RENEW), ("GET", paths::UPDATES), ("POST", paths::X509), ("POST", paths::JWT)]
    {
        let (status, body) = world.send(None, method, path, NOTHING).await;
        assert_eq!((status, code(&body)), (401, "must-attest"), "{path}");
    }
}

#[tokio::test]
async fn rejects_a_workload_that_plays_an_agent() {
    let (world, agent, entry) = with_entry().await;
    let (_, body) = world.send(Some(&agent), "POST", paths::X509, Some(&[wanted(&entry, &[])])).await;
    let answers: Vec<X509Answer> = serde_json::from_value(body).unwrap();
    let X509Answer::Issued(issued) = &answers[0] else { panic!("{answers:?}") };
    let chain = issued.svid.iter().map(|Base64(der)| der.clone()).collect();
    let workload = TestAgent { id: id("/pay"), chain };
    let (status, body) = world.send(Some(&workload), "GET", paths::UPDATES, NOTHING).await;
    assert_eq!((status, code(&body)), (403, "not-authorized"));
}

#[tokio::test]
async fn rejects_what_is_not_the_json_expected_and_quotes_nothing() {
    let (world, agent, _) = with_entry().await;
    for (path, body) in [
        (paths::ATTEST, json!({"attempt": "a", "kind": "join-token", "payload": "s3cr3t", "csr": 7})),
        (paths::ATTEST_START, json!({"kind": "s3cr3t"})),
        (paths::X509, json!([{"entry_id": "s3cr3t", "csr": "*"}])),
        (paths::JWT, json!([{"entry_id": "a", "audiences": ["b"], "s3cr3t": 1}])),
    ] {
        let (status, answer) = world.send(Some(&agent), "POST", path, Some(&body)).await;
        assert_eq!((status, code(&answer)), (400, "invalid"), "{path}");
        assert!(!answer.to_string().contains("s3cr3t"), "{answer}");
    }
    let (status, answer) = world.send(Some(&agent), "GET", "/v1/node/updates?revision=x", NOTHING).await;
    assert_eq!((status, code(&answer)), (400, "invalid"));
    let (status, answer) = world.send(None, "GET", "/v1/node/other", NOTHING).await;
    assert_eq!((status, code(&answer)), (404, "not-found"));
}

#[tokio::test]
async fn rejects_a_request_that_is_too_large_like_any_other() {
    let world = World::new().await;
    let large = "x".repeat(MAX_REQUEST);
    let (status, body) = world.send(None, "POST", paths::ATTEST, Some(&large)).await;
    assert_eq!((status, code(&body)), (400, "invalid"));
}

#[tokio::test]
async fn who_waits_is_told_of_its_ban_at_once() {
    let (world, agent, _) = with_entry().await;
    let world = Arc::new(world);
    let revision = world.updates(&agent, 0, 0).await.revision;
    let waiting = tokio::spawn({
        let (world, agent) = (Arc::clone(&world), agent.clone());
        let path = format!("{}?revision={revision}&wait=60", paths::UPDATES);
        async move { world.send(Some(&agent), "GET", &path, NOTHING).await }
    });
    tokio::task::yield_now().await;
    world.nodes.ban(agent.id.as_str(), &by()).await.unwrap();
    let (status, body) = tokio::time::timeout(Duration::from_secs(20), waiting).await.unwrap().unwrap();
    assert_eq!((status, code(&body)), (403, "banned"));
}

#[tokio::test]
async fn updates_hold_entries_and_bundles_and_come_at_once_when_they_are_newer() {
    let (world, agent, entry) = with_entry().await;
    let updates = world.updates(&agent, 0, 60).await;
    let state = updates.state.unwrap();
    assert_eq!(state.entries.iter().map(|found| &found.id).collect::<Vec<_>>(), [&entry]);
    let bundles = BundleMap::parse(state.bundles.to_string().as_bytes()).unwrap();
    assert_eq!(bundles.0.keys().collect::<Vec<_>>(), [&domain()]);
    let same = world.updates(&agent, updates.revision, 0).await;
    assert_eq!((same.revision, same.state), (updates.revision, None));
}

#[tokio::test]
async fn a_change_is_told_to_who_waits_and_before_the_time_is_over() {
    let (world, agent, _) = with_entry().await;
    let world = Arc::new(world);
    let revision = world.updates(&agent, 0, 0).await.revision;
    let waiting = tokio::spawn({
        let (world, agent) = (Arc::clone(&world), agent.clone());
        async move { world.updates(&agent, revision, 60).await }
    });
    let second = world.create(entry("/second", &agent.id, &["unix:uid:2"])).await;
    let updates = tokio::time::timeout(Duration::from_secs(20), waiting).await.unwrap().unwrap();
    assert_ne!(updates.revision, revision);
    assert!(updates.state.unwrap().entries.iter().any(|entry| entry.id == second.entry.id));
    // What concerns another agent only is no news.
    let now = world.updates(&agent, 0, 0).await.revision;
    world.create(entry("/third", &id("/carnet/agent/join-token/other"), &["unix:uid:3"])).await;
    assert_eq!(world.updates(&agent, now, 0).await.state, None);
}

#[tokio::test]
async fn bundles_of_federated_domains_are_told_and_those_of_others_not() {
    let (world, agent, _) = with_entry().await;
    let before = world.updates(&agent, 0, 0).await.revision;
    let partner = "partner.example".parse().unwrap();
    let federated = Registration { federates_with: [partner].into(), ..entry("/f", &agent.id, &["unix:uid:9"]) };
    world.create(federated).await;
    let updates = world.updates(&agent, before, 0).await;
    let bundles = updates.state.unwrap().bundles.to_string();
    assert!(bundles.contains("partner.example"), "{bundles}");
    world.bundles.send_replace(Arc::new(BundleMap::default()));
    let updates = world.updates(&agent, updates.revision, 0).await;
    assert!(!updates.state.unwrap().bundles.to_string().contains("partner.example"));
}

#[tokio::test]
async fn who_waits_is_let_go_when_the_server_stops_and_refused_when_it_was_banned() {
    let (world, agent, _) = with_entry().await;
    let world = Arc::new(world);
    let revision = world.updates(&agent, 0, 0).await.revision;
    world.shutdown.cancel();
    assert_eq!(world.updates(&agent, revision, 60).await.state, None);
    world.nodes.ban(agent.id.as_str(), &by()).await.unwrap();
    let (status, body) = world.send(Some(&agent), "GET", paths::UPDATES, NOTHING).await;
    assert_eq!((status, code(&body)), (403, "banned"));
}

#[tokio::test]
async fn an_agent_gets_svids_for_its_entries_with_an_audit_row() {
    let (world, agent, entry) = with_entry().await;
    let (status, body) = world.send(Some(&agent), "POST", paths::X509, Some(&[wanted(&entry, &[])])).await;
    assert_eq!(status, 200);
    let answers: Vec<X509Answer> = serde_json::from_value(body).unwrap();
    let X509Answer::Issued(issued) = &answers[0] else { panic!("{answers:?}") };
    let chain: Vec<Vec<u8>> = issued.svid.iter().map(|Base64(der)| der.clone()).collect();
    assert_eq!(verify_x509_svid(&chain, &world.own_bundles(), world.context.now()).unwrap(), id("/pay"));
    assert_eq!(world.audit().await.first(), Some(&("svid.x509".to_owned(), "allowed")));

    let requests = ["there", "elsewhere"].map(|audience| token_wanted(&entry, &[audience]));
    let (status, body) = world.send(Some(&agent), "POST", paths::JWT, Some(&requests)).await;
    assert_eq!(status, 200, "{body}");
    let answers: Vec<JwtAnswer> = serde_json::from_value(body).unwrap();
    for (answer, audience) in answers.iter().zip(["there", "elsewhere"]) {
        let JwtAnswer::Issued(issued) = answer else { panic!("{answer:?}") };
        let (bundles, now, leeway) = (world.own_bundles(), world.context.now(), SignedDuration::ZERO);
        verify_jwt_svid(issued.token.expose(), &[audience], &bundles, now, leeway).unwrap();
    }
    let audit = world.audit().await;
    assert!(audit[..2].iter().all(|row| *row == ("svid.jwt".to_owned(), "allowed")), "{audit:?}");
    assert_eq!(audit[2].0, "svid.x509");
}

#[tokio::test]
async fn rejects_the_entry_of_another_agent_and_serves_the_rest_of_the_batch() {
    let (world, agent, mine) = with_entry().await;
    let theirs = world.create(entry("/other", &id("/carnet/agent/join-token/b"), &["unix:uid:1"])).await;
    let mut broken = wanted(&mine, &[]);
    broken.csr.0.truncate(10);
    let batch = [wanted(&theirs.entry.id, &[]), wanted(&mine, &[]), broken, wanted("none", &[])];
    let (status, body) = world.send(Some(&agent), "POST", paths::X509, Some(&batch)).await;
    assert_eq!(status, 200);
    let answers: Vec<X509Answer> = serde_json::from_value(body).unwrap();
    let codes: Vec<Option<RefusalCode>> = answers
        .iter()
        .map(|answer| match answer {
            X509Answer::Issued(_) => None,
            X509Answer::Refused(refusal) => Some(refusal.code),
        })
        .collect();
    let no = Some(RefusalCode::NotAuthorized);
    assert_eq!(codes, [no, None, Some(RefusalCode::Invalid), no]);
    assert_eq!(
        refused_rows(&world, "svid.x509", &agent).await,
        [("entry", theirs.entry.id.as_str()), ("csr", mine.as_str()), ("entry", "none")].map(owned)
    );
    let batch = [
        token_wanted(&theirs.entry.id, &["a"]),
        token_wanted(&mine, &["a"]),
        token_wanted(&mine, &[]),
        token_wanted(&mine, &[""]),
    ];
    let (status, body) = world.send(Some(&agent), "POST", paths::JWT, Some(&batch)).await;
    assert_eq!(status, 200);
    let answers: Vec<JwtAnswer> = serde_json::from_value(body).unwrap();
    let codes: Vec<Option<RefusalCode>> = answers
        .iter()
        .map(|answer| match answer {
            JwtAnswer::Issued(_) => None,
            JwtAnswer::Refused(refusal) => Some(refusal.code),
        })
        .collect();
    assert_eq!(codes, [no, None, Some(RefusalCode::Invalid), Some(RefusalCode::Invalid)]);
    assert_eq!(
        refused_rows(&world, "svid.jwt", &agent).await,
        [("entry", theirs.entry.id.as_str()), ("audience", mine.as_str()), ("audience", mine.as_str())].map(owned)
    );
}

fn owned((clause, entry): (&str, &str)) -> (String, String) {
    (clause.to_owned(), entry.to_owned())
}

/// Clauses and entries of what this agent was refused.
async fn refused_rows(world: &World, action: &str, agent: &TestAgent) -> Vec<(String, String)> {
    let rows = world.rows().await.into_iter();
    let rows = rows.filter(|row| row.action == action && row.outcome == Outcome::Refused);
    let told = rows.map(|row| {
        assert_eq!(row.actor, agent.id.as_str());
        let entry = row.details.get("entry").and_then(Value::as_str).unwrap_or_default();
        (row.clause.unwrap_or_default(), entry.to_owned())
    });
    told.collect()
}

#[tokio::test]
async fn rejects_audiences_that_take_different_algorithms_as_no_request() {
    let (world, agent, mine) = with_entry().await;
    let batch = [token_wanted(&mine, &["sts.amazonaws.com", "a"])];
    let (_, body) = world.send(Some(&agent), "POST", paths::JWT, Some(&batch)).await;
    let answers: Vec<JwtAnswer> = serde_json::from_value(body).unwrap();
    let [JwtAnswer::Refused(refusal)] = answers.as_slice() else { panic!("{answers:?}") };
    assert_eq!((refusal.code, refusal.hint.as_deref()), (RefusalCode::Invalid, Some("ask for a token for each")));
    assert_eq!(refused_rows(&world, "svid.jwt", &agent).await, [owned(("audience", mine.as_str()))]);
}

#[tokio::test]
async fn an_agent_does_not_fill_the_audit_with_refusals() {
    let (world, agent, mine) = with_entry().await;
    let batch = vec![token_wanted("none", &["a"]); 200];
    let (status, _) = world.send(Some(&agent), "POST", paths::JWT, Some(&batch)).await;
    assert_eq!(status, 200);
    assert_eq!(refused_rows(&world, "svid.jwt", &agent).await.len(), 50);
    // What is allowed has its row all the same.
    let before = world.rows().await.len();
    world.send(Some(&agent), "POST", paths::JWT, Some(&[token_wanted(&mine, &["a"])])).await;
    assert_eq!(world.rows().await.len(), before + 1);
}

#[tokio::test]
async fn a_stranger_does_not_fill_the_audit() {
    let world = World::new().await;
    let token = world.token(None, &[]).await;
    let before = world.rows().await.len();
    let bad = |request: AttestRequest| AttestRequest { payload: serde_json::json!({ "token": "none" }), ..request };
    // With a new attempt each time, and with one over and over.
    let same = bad(world.attempt(&token).await);
    for number in 0..95 {
        let request = if number % 2 == 0 { bad(world.attempt(&token).await) } else { same.clone() };
        let (status, body) = world.send(None, "POST", paths::ATTEST, Some(&request)).await;
        assert_eq!((status, code(&body)), (403, "not-attested"), "{body}");
    }
    assert_eq!(world.rows().await.len() - before, 50);
    assert_eq!(world.issuer.flush_refusals().await.unwrap(), 45);
    assert_eq!(world.rows().await.pop().unwrap().action, "refusals.suppressed");
    // Whoever is believed comes in all the same, and has its rows.
    let good = world.attempt(&token).await;
    assert_eq!(world.send(None, "POST", paths::ATTEST, Some(&good)).await.0, 200);
    assert_eq!(world.audit().await[0].0, "node.attest");
}

#[tokio::test]
async fn rejects_an_attempt_whose_refusal_was_not_written() {
    let world = World::new().await;
    let token = world.token(None, &[]).await;
    let bad = |request: AttestRequest| AttestRequest { payload: serde_json::json!({ "token": "none" }), ..request };
    for _ in 0..60 {
        world.send(None, "POST", paths::ATTEST, Some(&bad(world.attempt(&token).await))).await;
    }
    let good = world.attempt(&token).await;
    world.send(None, "POST", paths::ATTEST, Some(&bad(good.clone()))).await;
    let (status, body) = world.send(None, "POST", paths::ATTEST, Some(&good)).await;
    assert_eq!((status, body["message"].as_str()), (403, Some("this attempt was used")), "{body}");
}

#[tokio::test]
async fn a_template_is_filled_from_the_workloads_selectors_and_from_one_value_only() {
    let world = World::new().await;
    let agent = world.agent("a", &[]).await;
    let created = world.create(entry("/ns/{k8s:ns}/sa/{k8s:sa}", &agent.id, &["k8s:cluster:c"])).await;
    let batch = [
        wanted(&created.entry.id, &["k8s:ns:pay", "k8s:sa:api"]),
        wanted(&created.entry.id, &["k8s:ns:pay"]),
        wanted(&created.entry.id, &["k8s:ns:pay", "k8s:ns:other", "k8s:sa:api"]),
        wanted(&created.entry.id, &["k8s:ns:..", "k8s:sa:api"]),
    ];
    let (_, body) = world.send(Some(&agent), "POST", paths::X509, Some(&batch)).await;
    let answers: Vec<X509Answer> = serde_json::from_value(body).unwrap();
    let X509Answer::Issued(issued) = &answers[0] else { panic!("{answers:?}") };
    let chain: Vec<Vec<u8>> = issued.svid.iter().map(|Base64(der)| der.clone()).collect();
    let found = verify_x509_svid(&chain, &world.own_bundles(), world.context.now()).unwrap();
    assert_eq!(found, id("/ns/pay/sa/api"));
    assert!(answers[1..].iter().all(|answer| matches!(answer, X509Answer::Refused(_))), "{answers:?}");
}

#[tokio::test]
async fn rejects_a_batch_of_more_than_500() {
    let (world, agent, entry) = with_entry().await;
    let one = wanted(&entry, &[]);
    let batch = vec![one; MAX_BATCH + 1];
    let (status, body) = world.send(Some(&agent), "POST", paths::X509, Some(&batch)).await;
    assert_eq!((status, code(&body)), (400, "invalid"));
    let batch = vec![token_wanted(&entry, &["a"]); MAX_BATCH + 1];
    let (status, body) = world.send(Some(&agent), "POST", paths::JWT, Some(&batch)).await;
    assert_eq!((status, code(&body)), (400, "invalid"));
}

#[tokio::test]
async fn a_stranger_who_asks_too_often_is_told_to_wait_a_second() {
    let world = World::new().await;
    let start = StartRequest { kind: Kind::JoinToken };
    for _ in 0..100 {
        assert_eq!(world.send(None, "POST", paths::ATTEST_START, Some(&start)).await.0, 200);
    }
    let (status, body) = world.send(None, "POST", paths::ATTEST_START, Some(&start)).await;
    assert_eq!((status, code(&body)), (429, "too-many"));
    world.clock.advance(SignedDuration::from_secs(1));
    assert_eq!(world.send(None, "POST", paths::ATTEST_START, Some(&start)).await.0, 200);
}
