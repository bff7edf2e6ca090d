//! Several authorities on one store, each with a handle of its own, and agents that do two things at once.

use std::{
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use carnet_attest::{Registration, protocol::*};
use carnet_core::{BoxFuture, Error};
use carnet_entries::*;
use carnet_store::{AuditRecord, Op, Options, testing::TestPostgres};
use serde_json::Value;

use crate::support::*;

#[tokio::test]
async fn a_ban_at_another_authority_ends_held_calls_and_all_others() {
    let folder = tempfile::tempdir().unwrap();
    let file = format!("sqlite:{}", folder.path().join("store.db").display());
    for url in [file, TestPostgres::shared().unwrap().database().unwrap()] {
        let world = Arc::new(World::over(carnet_store::open(&url, Options::default()).await.unwrap()).await);
        let other = carnet_store::open(&url, Options::default()).await.unwrap();
        let other = Nodes::open(NodesParts { store: other, ..world.nodes_parts() }).await.unwrap();
        let (agent, innocent) = (world.agent("a", &[]).await, world.agent("b", &[]).await);
        let waiting = [&agent, &innocent].map(|agent| {
            let (world, agent) = (Arc::clone(&world), agent.clone());
            async move {
                let revision = world.updates(&agent, 0, 0).await.revision;
                let path = format!("{}?revision={revision}&wait=60", paths::UPDATES);
                world.send(Some(&agent), "GET", &path, None::<&Value>).await
            }
        });
        let [held, unharmed] = waiting.map(tokio::spawn);
        other.ban(agent.id.as_str(), &by()).await.unwrap();
        let (status, body) = tokio::time::timeout(Duration::from_secs(20), held).await.unwrap().unwrap();
        assert_eq!((status, code(&body)), (403, "banned"), "{url}");
        // What this authority remembers of the node counts no more, for any call.
        let (status, body) = world.send(Some(&agent), "POST", paths::JWT, Some(&Vec::<JwtRequest>::new())).await;
        assert_eq!((status, code(&body)), (403, "banned"), "{url}");
        let (status, _) = world.send(Some(&innocent), "POST", paths::JWT, Some(&Vec::<JwtRequest>::new())).await;
        assert_eq!(status, 200, "{url}");
        assert!(!unharmed.is_finished(), "the other one waits on");
        unharmed.abort();
    }
}

/// Issues, and before that does something else.
struct Meanwhile {
    inner: Arc<dyn Mint>,
    doing: Mutex<Option<BoxFuture<'static, ()>>>,
}

impl fmt::Debug for Meanwhile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl Mint for Meanwhile {
    fn x509(&self, wanted: Vec<MintX509>, by: By) -> BoxFuture<'_, Result<Vec<Minted>, Error>> {
        self.inner.x509(wanted, by)
    }

    fn sign_x509(&self, wanted: MintX509, by: By) -> BoxFuture<'_, Result<(Minted, AuditRecord), Error>> {
        let doing = self.doing.lock().unwrap().take();
        Box::pin(async move {
            if let Some(doing) = doing {
                doing.await;
            }
            self.inner.sign_x509(wanted, by).await
        })
    }

    fn refused(&self, record: AuditRecord, ops: Vec<Op>) -> BoxFuture<'_, ()> {
        self.inner.refused(record, ops)
    }

    fn jwt(&self, wanted: Vec<MintJwt>, by: By) -> BoxFuture<'_, Vec<Result<MintedJwt, Error>>> {
        self.inner.jwt(wanted, by)
    }
}

/// What a renewal comes to when this happens between its look at the agent and its commit.
async fn renewed_while(
    world: &Arc<World>,
    agent: &TestAgent,
    doing: impl Future<Output = ()> + Send + 'static,
) -> Refusal {
    let parts = world.nodes_parts();
    let mint = Meanwhile { inner: Arc::clone(&parts.mint), doing: Mutex::new(Some(Box::pin(doing))) };
    let nodes = Nodes::open(NodesParts { mint: Arc::new(mint), ..parts }).await.unwrap();
    let shown = nodes.authenticate(&agent.chain, &world.own_bundle()).await.unwrap();
    nodes.renew(&shown, request_for_certificate(), &by()).await.unwrap_err()
}

#[tokio::test]
async fn a_renewal_does_not_undo_an_attestation_that_came_in_between() {
    let world = Arc::new(World::new().await);
    let agent = world.agent("a", &[]).await;
    let again = world.token(Some("a"), &["rack:8"]).await;
    let request = world.attempt(&again).await;
    let refused = renewed_while(&world, &agent, {
        let world = Arc::clone(&world);
        async move { drop(world.nodes.finish(request, &by()).await.unwrap()) }
    });
    assert_eq!(refused.await.code, RefusalCode::Unavailable);
    let node = world.nodes.get(agent.id.as_str()).await.unwrap().unwrap();
    assert_eq!(node.selectors, ["rack:8"]);
    let refused = world.nodes.authenticate(&agent.chain, &world.own_bundle()).await.unwrap_err();
    assert_eq!(refused.code, RefusalCode::MustAttest, "the SVID of before was replaced, and is not good again");
}

#[tokio::test]
async fn a_renewal_does_not_undo_a_ban_that_came_in_between() {
    let world = Arc::new(World::new().await);
    let agent = world.agent("a", &[]).await;
    let refused = renewed_while(&world, &agent, {
        let (world, id) = (Arc::clone(&world), agent.id.clone());
        async move { world.nodes.ban(id.as_str(), &by()).await.unwrap() }
    });
    assert_eq!(refused.await.code, RefusalCode::Banned);
    assert!(world.nodes.get(agent.id.as_str()).await.unwrap().unwrap().banned);
}

#[tokio::test]
async fn who_loses_a_token_while_its_svid_is_signed_gets_nothing() {
    let world = Arc::new(World::new().await);
    let token = world.token(None, &[]).await;
    let (one, other) = (world.attempt(&token).await, world.attempt(&token).await);
    let faster = {
        let world = Arc::clone(&world);
        async move { drop(world.nodes.finish(other, &by()).await.unwrap()) }
    };
    let parts = world.nodes_parts();
    let mint = Meanwhile { inner: Arc::clone(&parts.mint), doing: Mutex::new(Some(Box::pin(faster))) };
    let nodes = Nodes::open(NodesParts { mint: Arc::new(mint), ..parts }).await.unwrap();
    let refused = nodes.finish(one, &by()).await.unwrap_err();
    assert!(refused.message.contains("no such join token"), "{refused}");
    let rows = world.rows().await;
    let count = |action, outcome| {
        rows.iter().filter(|row| (row.action.as_str(), row.outcome.as_str()) == (action, outcome)).count()
    };
    assert_eq!([count("svid.x509", "allowed"), count("join-token.use", "allowed")], [1, 1]);
    let last = rows.last().unwrap();
    assert_eq!((last.action.as_str(), last.outcome.as_str(), &last.token_id), ("node.attest", "refused", &None));
}

#[tokio::test]
async fn a_commit_that_a_ban_comes_before_does_not_take_the_token() {
    let world = Arc::new(World::new().await);
    let agent = world.agent("a", &[]).await;
    let token = world.token(Some("a"), &[]).await;
    let request = world.attempt(&token).await;
    let ban = {
        let (world, id) = (Arc::clone(&world), agent.id.clone());
        async move { world.nodes.ban(id.as_str(), &by()).await.unwrap() }
    };
    let parts = world.nodes_parts();
    let mint = Meanwhile { inner: Arc::clone(&parts.mint), doing: Mutex::new(Some(Box::pin(ban))) };
    let nodes = Nodes::open(NodesParts { mint: Arc::new(mint), ..parts }).await.unwrap();
    assert_eq!(nodes.finish(request, &by()).await.unwrap_err().code, RefusalCode::Banned);
    world.nodes.delete(agent.id.as_str(), &by()).await.unwrap();
    drop(world.nodes.finish(world.attempt(&token).await, &by()).await.unwrap());
}

#[tokio::test]
async fn of_two_renewals_at_once_one_is_told_to_ask_again() {
    let world = Arc::new(World::new().await);
    let agent = world.agent("a", &[]).await;
    let refused = renewed_while(&world, &agent, {
        let (world, agent) = (Arc::clone(&world), agent.clone());
        async move {
            let shown = world.nodes.authenticate(&agent.chain, &world.own_bundle()).await.unwrap();
            drop(world.nodes.renew(&shown, request_for_certificate(), &by()).await.unwrap());
        }
    });
    assert_eq!(refused.await.code, RefusalCode::Unavailable);
    // The SVID that it has is still good, and so it does.
    let shown = world.nodes.authenticate(&agent.chain, &world.own_bundle()).await.unwrap();
    drop(world.nodes.renew(&shown, request_for_certificate(), &by()).await.unwrap());
}

#[tokio::test]
async fn an_authority_that_has_not_heard_of_a_change_says_what_it_goes_by() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("store.db").display());
    let world = World::over(carnet_store::open(&url, Options::default()).await.unwrap()).await;
    let agent = world.agent("a", &[]).await;
    let created = world.create(entry("/pay", &agent.id, &["unix:uid:1"])).await;
    let other = carnet_store::open(&url, Options::default()).await.unwrap();
    let other = Entries::open(EntriesParts { store: other, ..world.entries_parts() }).await.unwrap();
    let changed = Registration { hint: "new".to_owned(), ..created.entry.as_ref().clone() };
    let changed = other.update(changed, None, &by()).await.unwrap();
    let issued = async || {
        let csr = request_for_certificate().into();
        let wanted = X509Request { entry_id: created.entry.id.clone(), selectors: selectors(&[]), csr };
        let (_, body) = world.send(Some(&agent), "POST", paths::X509, Some(&[wanted])).await;
        let answers: Vec<X509Answer> = serde_json::from_value(body).unwrap();
        let X509Answer::Issued(issued) = &answers[0] else { panic!("{answers:?}") };
        issued.revision
    };
    assert_eq!(issued().await, created.entry.revision);
    world.entries.sync().await.unwrap();
    assert_eq!(issued().await, changed.entry.revision);
    assert!(changed.entry.revision > created.entry.revision);
}
