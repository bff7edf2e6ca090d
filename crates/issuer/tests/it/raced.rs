//! What happens between looking at a token and counting its use.

use std::sync::{Arc, Mutex};

use carnet_core::{BoxFuture, MemoryFiles};
use carnet_issuer::IssuerSettings;
use carnet_store::{
    AuditFilter, AuditHead, AuditRecord, AuditRow, Commit, Committed, JoinTokenRow, KeyRow, NodeRow, Object,
    ObjectKind, Op, Options, Outcome, Row, Store, StoreClock, StoreError, TokenFilter, TokenRow,
};
use jiff::Timestamp;
use serde_json::json;
use tokio::sync::watch;

use crate::{
    introspection::{assert_inactive, look_up, lookup_rule},
    world::{AUDIENCE, World, rule_with},
};

type Answer<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// A store in which somebody else revokes a token just before its use is counted.
#[derive(Debug)]
struct Raced {
    inner: Arc<dyn Store>,
    armed: Mutex<bool>,
}

impl Store for Raced {
    fn commit(&self, commit: Commit) -> Answer<'_, Committed> {
        Box::pin(async move {
            let used = commit.ops.iter().find_map(|op| match op {
                Op::UseToken { id, now } => Some((id.clone(), *now)),
                _ => None,
            });
            let armed = used.filter(|_| std::mem::take(&mut *self.armed.lock().unwrap()));
            if let Some((id, now)) = armed {
                let ops = vec![Op::RevokeToken { id, now }];
                let audit = AuditRecord::new(now, "token.revoke", Outcome::Allowed);
                let revoked = self.inner.commit(Commit { ops, audit, refused: None }).await?;
                assert!(matches!(revoked, Committed::Done { .. }));
            }
            self.inner.commit(commit).await
        })
    }

    fn entries(&self, after: Option<String>, limit: usize) -> Answer<'_, Vec<Row>> {
        self.inner.entries(after, limit)
    }

    fn entries_since(&self, revision: u64, limit: usize) -> Answer<'_, Vec<Row>> {
        self.inner.entries_since(revision, limit)
    }

    fn entry(&self, id: String) -> Answer<'_, Option<Row>> {
        self.inner.entry(id)
    }

    fn objects(&self, kind: ObjectKind) -> Answer<'_, Vec<Object>> {
        self.inner.objects(kind)
    }

    fn object(&self, kind: ObjectKind, name: String) -> Answer<'_, Option<Object>> {
        self.inner.object(kind, name)
    }

    fn keys(&self) -> Answer<'_, Vec<KeyRow>> {
        self.inner.keys()
    }

    fn nodes(&self, after: Option<String>, limit: usize) -> Answer<'_, Vec<NodeRow>> {
        self.inner.nodes(after, limit)
    }

    fn node(&self, id: String) -> Answer<'_, Option<NodeRow>> {
        self.inner.node(id)
    }

    fn join_tokens(&self, now: Timestamp) -> Answer<'_, Vec<JoinTokenRow>> {
        self.inner.join_tokens(now)
    }

    fn join_token(&self, hash: [u8; 32], now: Timestamp) -> Answer<'_, Option<JoinTokenRow>> {
        self.inner.join_token(hash, now)
    }

    fn token(&self, id: String) -> Answer<'_, Option<TokenRow>> {
        self.inner.token(id)
    }

    fn tokens(&self, filter: TokenFilter, after: Option<String>, limit: usize) -> Answer<'_, Vec<TokenRow>> {
        self.inner.tokens(filter, after, limit)
    }

    fn audit(&self, after: u64, limit: usize, filter: AuditFilter) -> Answer<'_, Vec<AuditRow>> {
        self.inner.audit(after, limit, filter)
    }

    fn audit_newest(&self, before: Option<u64>, limit: usize, filter: AuditFilter) -> Answer<'_, Vec<AuditRow>> {
        self.inner.audit_newest(before, limit, filter)
    }

    fn audit_head(&self) -> Answer<'_, AuditHead> {
        self.inner.audit_head()
    }

    fn prune(&self, now: Timestamp) -> Answer<'_, u64> {
        self.inner.prune(now)
    }

    fn clock(&self) -> Answer<'_, StoreClock> {
        self.inner.clock()
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.inner.changes()
    }

    fn check(&self) -> Answer<'_, ()> {
        self.inner.check()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.inner.close()
    }

    fn transactions(&self) -> u64 {
        self.inner.transactions()
    }
}

#[tokio::test]
async fn a_token_that_was_revoked_before_its_use_was_counted_is_not_called_used_up() {
    let inner = carnet_store::open("sqlite::memory:", Options::default()).await.unwrap();
    let raced = Arc::new(Raced { inner, armed: Mutex::new(false) });
    let rules = vec![rule_with(json!({ "uses": 2 })), lookup_rule(json!([AUDIENCE]))];
    let store = Arc::<Raced>::clone(&raced);
    let world = World::over(store, Arc::<MemoryFiles>::default(), rules, &[], IssuerSettings::default()).await;
    let token = world.access_token().await;
    assert_eq!(look_up(&world, &token, &[]).await.json()["active"], true);
    *raced.armed.lock().unwrap() = true;
    assert_inactive(&world, &token, "revoked").await;
    assert!(!*raced.armed.lock().unwrap(), "nobody was faster");
    assert_inactive(&world, &token, "revoked").await;
}
