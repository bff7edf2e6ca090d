//! PostgreSQL: one connection that writes, a few that read, one that listens.
//!
//! Any number of nodes share one database. A transaction locks the row `head` first, so that there is one chain of audit rows
//! and one order of revisions, and what a condition has looked at stays true. Uniqueness is the tables' own besides.

mod config;
mod error;
mod listener;
mod readers;
mod session;
mod tls;
mod writer;

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
};
use uuid::Uuid;

use crate::{
    Committed, Options, StoreError,
    apply::{Prepared, Sweep, Swept},
    backend::Backend,
    migrate::{POSTGRES, pending},
    sql::{Columns, Connection as _, Sql, Value},
};
use config::{Role, Settings};
use readers::Readers;
use session::Session;
use writer::{Message, Reply, Shared, Writer};

/// The database and the task that writes it.
#[derive(Debug)]
pub(crate) struct PostgresBackend {
    queue: mpsc::Sender<Message>,
    capacity: usize,
    readers: Arc<Readers>,
    shared: Arc<Shared>,
    listener: JoinHandle<()>,
    closed: AtomicBool,
}

impl Drop for PostgresBackend {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

impl PostgresBackend {
    /// Connects and brings the schema up to date.
    pub(crate) async fn open(url: &str, options: &Options) -> Result<Self, StoreError> {
        let settings = Settings::parse(url, options)?;
        let name = Uuid::new_v4();
        let mut session = Session::open(&settings, Role::Writer, name, 0).await?;
        migrate(&mut session).await?;
        let rows = session.query("SELECT revision FROM head".into(), Vec::new()).await?;
        let revision = rows.into_iter().next().map_or(Ok(0), |mut row| row.count())?;
        let shared = Arc::new(Shared { transactions: AtomicU64::new(0), revision: watch::Sender::new(revision) });
        let capacity = options.queue.max(1);
        let (queue, messages) = mpsc::channel(capacity);
        Writer::start(settings.clone(), name, session, messages, options.group.max(1), Arc::clone(&shared));
        let readers = Arc::new(Readers::new(settings.clone(), options.readers.max(1)));
        let listener = listener::start(settings, Arc::clone(&readers), Arc::clone(&shared));
        Ok(Self { queue, capacity, readers, shared, listener, closed: AtomicBool::new(false) })
    }

    async fn ask<T>(&self, message: impl FnOnce(Reply<T>) -> Message) -> Result<T, StoreError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(StoreError::Closed);
        }
        let (reply, answer) = oneshot::channel();
        self.queue.try_send(message(reply)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => StoreError::Busy { waiting: self.capacity },
            mpsc::error::TrySendError::Closed(_) => StoreError::Closed,
        })?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }
}

/// Brings the schema up to date, all steps in one transaction that no other node is in.
async fn migrate(session: &mut Session) -> Result<(), StoreError> {
    // The number is arbitrary and must never change: it is what nodes of all releases meet at.
    session.batch_execute("BEGIN; SELECT pg_advisory_xact_lock(7165916604736876402)").await?;
    session
        .batch_execute("CREATE TABLE IF NOT EXISTS migrations (version BIGINT PRIMARY KEY, checksum TEXT NOT NULL)")
        .await?;
    let mut taken = Vec::new();
    for mut row in session.query("SELECT version, checksum FROM migrations ORDER BY version".into(), Vec::new()).await?
    {
        taken.push((row.int()?, row.text()?));
    }
    for step in pending(POSTGRES, &taken)? {
        session.batch_execute(step.sql).await?;
        let params = vec![Value::Int(step.version), Value::Text(step.checksum())];
        session.query("INSERT INTO migrations (version, checksum) VALUES ($1, $2)".into(), params).await?;
    }
    session.batch_execute("COMMIT").await
}

impl Backend for PostgresBackend {
    async fn read(&self, sql: Sql, params: Vec<Value>) -> Result<Vec<Columns>, StoreError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(StoreError::Closed);
        }
        self.readers.read(sql, params).await
    }

    async fn write(&self, commit: Prepared) -> Result<Committed, StoreError> {
        self.ask(|reply| Message::Commit(Box::new(commit), reply)).await
    }

    async fn prune(&self, sweep: Sweep) -> Result<Swept, StoreError> {
        self.ask(|reply| Message::Prune(sweep, reply)).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.ask(Message::Check).await
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.shared.revision.subscribe()
    }

    async fn close(&self) {
        if self.closed.swap(true, Ordering::AcqRel) {
            return;
        }
        self.listener.abort();
        let (done, ended) = oneshot::channel();
        if self.queue.send(Message::Close(done)).await.is_ok() {
            let _ = ended.await; // An error says that the task has ended, which is what is wanted.
        }
        self.readers.close().await;
    }

    fn transactions(&self) -> u64 {
        self.shared.transactions.load(Ordering::Relaxed)
    }
}
