//! SQLite: one writer thread, a few connections for reading.
//!
//! Two processes may open one file. SQLite itself keeps their transactions apart (`BEGIN IMMEDIATE` and the locks of the
//! write-ahead log), and nothing of the head is kept in memory between two transactions. What the other process has changed
//! is noticed within a second. All of them must be on one machine: the log's index is shared memory.

mod connection;
mod file;
mod readers;
mod witness;
mod writer;

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
    mpsc::{SyncSender, TrySendError, sync_channel},
};

use tokio::sync::{oneshot, watch};

use crate::{
    Committed, Options, StoreError,
    apply::{Prepared, Sweep, Swept, prune},
    backend::Backend,
    sql::{Columns, Sql, Value},
};
use connection::{Sqlite, ready};
pub(crate) use file::Place;
use readers::Readers;
use witness::Witness;
use writer::{Message, Shared, Writer};

/// The database and the thread that writes it.
#[derive(Debug)]
pub(crate) struct SqliteBackend {
    queue: SyncSender<Message>,
    capacity: usize,
    /// `None` in memory, where the one connection does everything.
    readers: Option<Readers>,
    shared: Arc<Shared>,
    closed: AtomicBool,
}

impl SqliteBackend {
    /// Opens the database, checks it and brings its schema up to date.
    pub(crate) async fn open(place: Place, options: &Options) -> Result<Self, StoreError> {
        let wanted = options.readers.max(1);
        let opening = tokio::task::spawn_blocking(move || open_all(&place, wanted));
        let (connection, witness, readers) = opening.await.map_err(|_error| StoreError::Closed)??;
        let revision = connection.revision()?;
        let capacity = options.queue.max(1);
        let (queue, messages) = sync_channel(capacity);
        let shared = Arc::new(Shared { transactions: AtomicU64::new(0), revision: watch::Sender::new(revision) });
        Writer::start(connection, witness, messages, options.group.max(1), Arc::clone(&shared))?;
        Ok(Self { queue, capacity, readers, shared, closed: AtomicBool::new(false) })
    }

    fn send(&self, message: Message) -> Result<(), StoreError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(StoreError::Closed);
        }
        self.queue.try_send(message).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Busy { waiting: self.capacity },
            TrySendError::Disconnected(_) => StoreError::Closed,
        })
    }

    /// Has the writer do something between two transactions.
    async fn on_writer<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Sqlite) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.send(Message::Job(Box::new(move |connection| {
            let _ = reply.send(job(connection)); // Nobody may be waiting any more.
        })))?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }
}

fn open_all(place: &Place, readers: usize) -> Result<(Sqlite, Option<Witness>, Option<Readers>), StoreError> {
    let connection = Sqlite::open(place)?;
    let Place::File(path) = place else { return Ok((connection, None, None)) };
    // Reading opens the log, so that it is there to be remembered.
    connection.revision()?;
    let witness = Witness::open(path)?;
    Ok((connection, Some(witness), Some(Readers::open(path, readers)?)))
}

impl Backend for SqliteBackend {
    async fn read(&self, sql: Sql, params: Vec<Value>) -> Result<Vec<Columns>, StoreError> {
        match &self.readers {
            Some(_) if self.closed.load(Ordering::Acquire) => Err(StoreError::Closed),
            Some(readers) => readers.read(sql, params).await,
            None => self.on_writer(move |connection| connection.run(&sql, &params)).await,
        }
    }

    async fn write(&self, commit: Prepared) -> Result<Committed, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.send(Message::Commit(Box::new(commit), reply))?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    async fn prune(&self, sweep: Sweep) -> Result<Swept, StoreError> {
        self.on_writer(move |connection| ready(prune(connection, sweep))).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        let (reply, answer) = oneshot::channel();
        self.send(Message::Check(reply))?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.shared.revision.subscribe()
    }

    async fn close(&self) {
        if self.closed.swap(true, Ordering::AcqRel) {
            return;
        }
        // First, so that the writer's connection is the last.
        if let Some(readers) = &self.readers {
            readers.close();
        }
        let (done, ended) = oneshot::channel();
        let queue = self.queue.clone();
        // The queue may be full, and the writer is not to be waited for on the runtime's thread.
        let sent = tokio::task::spawn_blocking(move || queue.send(Message::Close(done)).is_ok());
        if sent.await.unwrap_or(false) {
            let _ = ended.await; // An error says that the thread has ended, which is what is wanted.
        }
    }

    fn transactions(&self) -> u64 {
        self.shared.transactions.load(Ordering::Relaxed)
    }
}
