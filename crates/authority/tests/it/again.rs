//! An authority that starts again over the store of the last time.

use std::{path::Path, sync::Arc};

use carnet_authority::{Authority, DevOptions, open_dev, start_dev_agent};
use carnet_core::{Context, Error, ErrorKind, SystemFiles, SystemRandom, test_context};
use carnet_grpc::WorkloadApi;
use carnet_net::Settings as Network;
use carnet_store::{AuditRecord, Commit, Committed, ObjectKind, Op, Options, Outcome, Store};
use serde_json::json;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

fn context() -> Context {
    Context { random: Arc::new(SystemRandom), files: Arc::new(SystemFiles), ..test_context() }
}

async fn open(folder: &Path, trust_domain: Option<&str>) -> Result<Authority, Error> {
    let trust_domain = trust_domain.map(|name| name.parse().unwrap());
    let options = DevOptions { folder: folder.to_owned(), trust_domain, ..DevOptions::default() };
    open_dev(&options, &context(), &Network::default()).await
}

async fn end(running: Authority) {
    let (stop, (_reload, reload)) = (CancellationToken::new(), watch::channel(0));
    stop.cancel();
    running.run(reload, stop).await.unwrap();
}

/// Starts authority and agent, and ends them. Answers the trust domain, and whose token the workload got.
async fn token(folder: &Path) -> (String, String) {
    let authority = open(folder, None).await.unwrap();
    let domain = authority.trust_domain().to_string();
    let agent = start_dev_agent(&authority, folder, &context(), &Network::default()).await.unwrap();
    let (stop, (_reload, reload)) = (CancellationToken::new(), watch::channel(0));
    let running = tokio::spawn(authority.run(reload, stop.clone()));
    agent.reach(carnet_agent::Phase::Serving).await.unwrap();
    let api = WorkloadApi::connect(&format!("unix://{}", folder.join("agent.sock").display())).await.unwrap();
    let svids = api.fetch_jwt_svid(&["https://api.example"], None).await.unwrap();
    agent.shutdown().await;
    stop.cancel();
    running.await.unwrap().unwrap();
    (domain, svids[0].spiffe_id.clone())
}

/// Does this to the store while nobody else has it.
async fn put(folder: &Path, op: impl AsyncFnOnce(&dyn Store) -> Op) {
    let url = format!("sqlite:{}", folder.join("authority.db").display());
    let store = carnet_store::open(&url, Options::default()).await.unwrap();
    let ops = vec![op(&*store).await];
    let audit = AuditRecord::new(context().now(), "test", Outcome::Allowed);
    let done = store.commit(Commit { ops, audit, refused: None }).await.unwrap();
    assert!(matches!(done, Committed::Done { .. }), "{done:?}");
    store.close().await;
}

#[tokio::test]
async fn a_trial_keeps_its_name_and_gives_a_token_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let first = token(folder.path()).await;
    let uid = rustix::process::getuid().as_raw();
    assert_eq!(first.1, format!("spiffe://{}/user/{uid}", first.0));
    assert_eq!(token(folder.path()).await, first);
}

#[tokio::test]
async fn a_trial_replaces_the_own_users_entry_when_it_gives_another_identity() {
    let folder = tempfile::tempdir().unwrap();
    let first = token(folder.path()).await;
    put(folder.path(), async |store| {
        let mut body = store.entry("dev-user".to_owned()).await.unwrap().unwrap().body;
        let spiffe_id = "spiffe://earlier.test/user/1".to_owned();
        assert_eq!(body["entry"]["spiffe_id"], first.1);
        body["entry"]["spiffe_id"] = json!(spiffe_id);
        let parent_id = body["entry"]["parent_id"].as_str().unwrap().to_owned();
        let id = "dev-user".to_owned();
        Op::UpdateEntry { id, spiffe_id, parent_id, selectors_key: [1; 32], body, expires_at: None, expect: None }
    })
    .await;
    assert_eq!(token(folder.path()).await, first);
}

#[tokio::test]
async fn rejects_a_store_of_another_trust_domain() {
    let folder = tempfile::tempdir().unwrap();
    end(open(folder.path(), Some("one.test")).await.unwrap()).await;
    let refused = async || {
        let error = open(folder.path(), Some("other.test")).await.unwrap_err();
        assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Configuration, Some("trust_domain")));
        assert_eq!(
            error.to_string(),
            "open the store: it is of the trust domain one.test, and this authority of other.test"
        );
        assert!(error.hints()[0].contains("set `trust_domain = \"one.test\"`"), "{:?}", error.hints());
    };
    refused().await;
    // A store from before the name was written down: its keys have certificates with it.
    put(folder.path(), async |_| Op::DeleteObject { kind: ObjectKind::Setting, name: "trust-domain".to_owned() }).await;
    refused().await;
    let again = open(folder.path(), None).await.unwrap();
    assert_eq!(again.trust_domain().as_str(), "one.test");
    end(again).await;
    // It is written down now.
    put(folder.path(), async |_| Op::DeleteObject { kind: ObjectKind::Setting, name: "trust-domain".to_owned() }).await;
}
