//! A store over either database: reads are one statement each, writes go to the one writer.

use std::fmt;

use carnet_core::BoxFuture;
use jiff::Timestamp;
use tokio::sync::watch;

use crate::{
    AuditFilter, AuditHead, AuditRow, Commit, Committed, JoinTokenRow, KeyRow, NodeRow, Object, ObjectKind, Row, Store,
    StoreClock, StoreError, TokenFilter, TokenRow,
    apply::{CLOCK, Prepared, Sweep, Swept},
    audit,
    reads::{self, ENTRY, JOIN_TOKEN, KEY, NODE, OBJECT, TOKEN},
    sql::{Columns, Head, Sql, Value, corrupt},
};

/// Most rows of a page.
const MOST: usize = 10_000;

/// What a database does for the store.
pub(crate) trait Backend: Send + Sync + fmt::Debug + 'static {
    /// Reads, on a connection that cannot write.
    fn read(&self, sql: Sql, params: Vec<Value>) -> impl Future<Output = Result<Vec<Columns>, StoreError>> + Send;

    /// Hands a commit to the writer.
    fn write(&self, commit: Prepared) -> impl Future<Output = Result<Committed, StoreError>> + Send;

    /// Prunes one chunk.
    fn prune(&self, sweep: Sweep) -> impl Future<Output = Result<Swept, StoreError>> + Send;

    /// Makes one small change durable.
    fn check(&self) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The revision, as it is seen to change.
    fn changes(&self) -> watch::Receiver<u64>;

    /// Finishes and ends.
    fn close(&self) -> impl Future<Output = ()> + Send;

    /// Durable transactions so far.
    fn transactions(&self) -> u64;
}

/// The store over a database.
#[derive(Debug)]
pub(crate) struct Over<B>(pub(crate) B);

impl<B: Backend> Over<B> {
    async fn all<T>(
        &self,
        sql: Sql,
        params: Vec<Value>,
        mut read: impl FnMut(Columns) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let rows = self.0.read(sql, params).await?;
        rows.into_iter().map(&mut read).collect()
    }

    async fn one<T>(
        &self,
        sql: Sql,
        params: Vec<Value>,
        read: impl FnMut(Columns) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        Ok(self.all(sql, params, read).await?.into_iter().next())
    }

    async fn changed_entries(&self, revision: u64, limit: usize) -> Result<Vec<Row>, StoreError> {
        let sql = format!("SELECT {ENTRY} FROM entries WHERE revision > $1 ORDER BY revision LIMIT $2");
        let rows = self.all(sql.into(), vec![Value::count(revision)?, page(limit)?], reads::entry).await?;
        if revision > 0 {
            // Looked at after the rows: what was pruned before they were read shows here.
            let pruned = self.one("SELECT pruned FROM head".into(), Vec::new(), |mut row| row.count()).await?;
            let oldest = pruned.ok_or_else(|| corrupt("its head is missing"))?;
            if revision < oldest {
                return Err(StoreError::TooOld { asked: revision, oldest });
            }
        }
        Ok(rows)
    }
}

fn page(limit: usize) -> Result<Value, StoreError> {
    Value::count(u64::try_from(limit.min(MOST)).unwrap_or(u64::MAX))
}

type Answer<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

impl<B: Backend> Store for Over<B> {
    fn commit(&self, commit: Commit) -> Answer<'_, Committed> {
        Box::pin(async move { self.0.write(Prepared::new(commit)?).await })
    }

    fn entries(&self, after: Option<String>, limit: usize) -> Answer<'_, Vec<Row>> {
        let sql = format!("SELECT {ENTRY} FROM entries WHERE id > $1 AND deleted_at IS NULL ORDER BY id LIMIT $2");
        Box::pin(async move {
            let params = vec![Value::Text(after.unwrap_or_default()), page(limit)?];
            self.all(sql.into(), params, reads::entry).await
        })
    }

    fn entries_since(&self, revision: u64, limit: usize) -> Answer<'_, Vec<Row>> {
        Box::pin(self.changed_entries(revision, limit))
    }

    fn entry(&self, id: String) -> Answer<'_, Option<Row>> {
        let sql = format!("SELECT {ENTRY} FROM entries WHERE id = $1 AND deleted_at IS NULL");
        Box::pin(self.one(sql.into(), vec![Value::Text(id)], reads::entry))
    }

    fn objects(&self, kind: ObjectKind) -> Answer<'_, Vec<Object>> {
        let sql = format!("SELECT {OBJECT} FROM objects WHERE kind = $1 ORDER BY name");
        Box::pin(self.all(sql.into(), vec![kind.as_str().into()], move |row| reads::object(kind, row)))
    }

    fn object(&self, kind: ObjectKind, name: String) -> Answer<'_, Option<Object>> {
        let sql = format!("SELECT {OBJECT} FROM objects WHERE kind = $1 AND name = $2");
        let params = vec![kind.as_str().into(), Value::Text(name)];
        Box::pin(self.one(sql.into(), params, move |row| reads::object(kind, row)))
    }

    fn keys(&self) -> Answer<'_, Vec<KeyRow>> {
        let sql = format!("SELECT {KEY} FROM keys ORDER BY created_at, kid");
        Box::pin(self.all(sql.into(), Vec::new(), reads::key))
    }

    fn nodes(&self, after: Option<String>, limit: usize) -> Answer<'_, Vec<NodeRow>> {
        let sql = format!("SELECT {NODE} FROM nodes WHERE id > $1 ORDER BY id LIMIT $2");
        Box::pin(async move {
            let params = vec![Value::Text(after.unwrap_or_default()), page(limit)?];
            self.all(sql.into(), params, reads::node).await
        })
    }

    fn node(&self, id: String) -> Answer<'_, Option<NodeRow>> {
        let sql = format!("SELECT {NODE} FROM nodes WHERE id = $1");
        Box::pin(self.one(sql.into(), vec![Value::Text(id)], reads::node))
    }

    fn join_tokens(&self, now: Timestamp) -> Answer<'_, Vec<JoinTokenRow>> {
        let sql =
            format!("SELECT {JOIN_TOKEN} FROM join_tokens WHERE expires_at > $1 ORDER BY expires_at, hash LIMIT $2");
        Box::pin(async move { self.all(sql.into(), vec![Value::time(now), page(MOST)?], reads::join_token).await })
    }

    fn join_token(&self, hash: [u8; 32], now: Timestamp) -> Answer<'_, Option<JoinTokenRow>> {
        let sql = format!("SELECT {JOIN_TOKEN} FROM join_tokens WHERE hash = $1 AND expires_at > $2");
        Box::pin(self.one(sql.into(), vec![(&hash).into(), Value::time(now)], reads::join_token))
    }

    fn token(&self, id: String) -> Answer<'_, Option<TokenRow>> {
        let sql = format!("SELECT {TOKEN} FROM tokens WHERE id = $1");
        Box::pin(self.one(sql.into(), vec![Value::Text(id)], reads::token))
    }

    fn tokens(&self, filter: TokenFilter, after: Option<String>, limit: usize) -> Answer<'_, Vec<TokenRow>> {
        Box::pin(async move {
            let (sql, params) = reads::token_page(after.unwrap_or_default(), page(limit)?, filter);
            self.all(sql, params, reads::token).await
        })
    }

    fn audit(&self, after: u64, limit: usize, filter: AuditFilter) -> Answer<'_, Vec<AuditRow>> {
        Box::pin(async move {
            let (sql, params) = reads::audit_page(reads::From::After(after), page(limit)?, &filter)?;
            self.all(sql, params, audit::read).await
        })
    }

    fn audit_newest(&self, before: Option<u64>, limit: usize, filter: AuditFilter) -> Answer<'_, Vec<AuditRow>> {
        Box::pin(async move {
            let (sql, params) = reads::audit_page(reads::From::Before(before), page(limit)?, &filter)?;
            self.all(sql, params, audit::read).await
        })
    }

    fn audit_head(&self) -> Answer<'_, AuditHead> {
        Box::pin(async move {
            let sql = format!("SELECT {} FROM head", Head::COLUMNS);
            let Head { seq, hash, .. } = Head::read(self.0.read(sql.into(), Vec::new()).await?)?;
            Ok(AuditHead { seq, hash })
        })
    }

    fn prune(&self, now: Timestamp) -> Answer<'_, u64> {
        Box::pin(async move {
            let (mut pruned, mut next) = (0_u64, Some(Sweep::begin(now)));
            while let Some(sweep) = next {
                let Swept { rows, more } = self.0.prune(sweep).await?;
                pruned = pruned.saturating_add(rows);
                next = more;
            }
            Ok(pruned)
        })
    }

    fn clock(&self) -> Answer<'_, StoreClock> {
        Box::pin(async move {
            let clock = self.one(CLOCK.into(), Vec::new(), reads::clock).await?;
            clock.ok_or_else(|| corrupt("its head is missing"))
        })
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes()
    }

    fn check(&self) -> Answer<'_, ()> {
        Box::pin(self.0.check())
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.0.close())
    }

    fn transactions(&self) -> u64 {
        self.0.transactions()
    }
}
