//! SQLite: one writer thread, a few connections for reading.
//!
//! Two processes may open one file. SQLite itself keeps their transactions apart (`BEGIN IMMEDIATE` and the locks of the
//! write-ahead log), and nothing of the head is kept in memory between two transactions. What the other process has changed
//! is noticed within a second. All of them must be on one machine: the log's index is shared memory.

mod checkpoint;
mod connection;
mod file;
mod gather;
mod readers;
mod witness;
mod writer;

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    mpsc::{Sender, channel},
};

use tokio::sync::{oneshot, watch};

use crate::{
    Committed, Options, StoreError,
    apply::{Prepared, Sweep, Swept, prune},
    backend::Backend,
    sql::{Columns, Sql, Value},
};
use checkpoint::Checkpointer;
use connection::{Sqlite, ready};
pub(crate) use file::Place;
use gather::{Gathering, Joined, Waiting};
use readers::Readers;
use witness::Witness;
use writer::{Beside, Message, Shared, Writer};

/// The database and the thread that writes it.
#[derive(Debug)]
pub(crate) struct SqliteBackend {
    queue: Sender<Message>,
    capacity: usize,
    gathering: Gathering,
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
        let (connection, beside, readers) = opening.await.map_err(|_error| StoreError::Closed)??;
        let revision = connection.revision()?;
        let (capacity, most) = (options.queue.max(1), options.group.max(1));
        let (queue, messages) = channel();
        let shared = Arc::new(Shared {
            transactions: AtomicU64::new(0),
            revision: watch::Sender::new(revision),
            waiting: AtomicUsize::new(0),
        });
        Writer::start(connection, beside, messages, most, Arc::clone(&shared))?;
        let gathering = Gathering::new(most);
        Ok(Self { queue, capacity, gathering, readers, shared, closed: AtomicBool::new(false) })
    }

    /// Whether one more may wait. The writer takes it off again when its turn comes.
    fn admit(&self) -> Result<(), StoreError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(StoreError::Closed);
        }
        if self.shared.waiting.fetch_add(1, Ordering::Relaxed) >= self.capacity {
            self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(StoreError::Busy { waiting: self.capacity });
        }
        Ok(())
    }

    /// Sends a message after all that was said before it.
    fn send(&self, message: Message) -> Result<(), StoreError> {
        self.admit()?;
        self.dispatch(None);
        self.queue.send(message).map_err(|_ended| StoreError::Closed)
    }

    /// Sends off the commits of this group, or of whichever is open.
    fn dispatch(&self, number: Option<u64>) {
        if let Some(group) = self.gathering.take(number) {
            self.hand_over(group);
        }
    }

    fn hand_over(&self, group: Vec<Waiting>) {
        // A writer that has ended drops the ends of who waits, which says so.
        drop(self.queue.send(Message::Commits(group)));
    }

    /// Waits as long as it brings company. A caller that goes away meanwhile still sends off the others.
    async fn gather(&self, number: u64) {
        let _dispatched = Dispatch { backend: self, number };
        let mut size = Some(1);
        loop {
            tokio::task::yield_now().await;
            let grown = self.gathering.size(number);
            if grown.is_none() || grown == size {
                return;
            }
            size = grown;
        }
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

/// Sees that a group is sent off.
struct Dispatch<'a> {
    backend: &'a SqliteBackend,
    number: u64,
}

impl Drop for Dispatch<'_> {
    fn drop(&mut self) {
        self.backend.dispatch(Some(self.number));
    }
}

fn open_all(place: &Place, readers: usize) -> Result<(Sqlite, Beside, Option<Readers>), StoreError> {
    let connection = Sqlite::open(place)?;
    let Place::File(path) = place else { return Ok((connection, Beside::default(), None)) };
    // Reading opens the log, so that it is there to be remembered.
    connection.revision()?;
    let beside = Beside { witness: Some(Witness::open(path)?), checkpointer: Some(Checkpointer::start(path)?) };
    Ok((connection, beside, Some(Readers::open(path, readers)?)))
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
        self.admit()?;
        match self.gathering.join((Box::new(commit), reply)) {
            Joined::First(number) => self.gather(number).await,
            Joined::Another => {}
            Joined::Complete(group) => self.hand_over(group),
        }
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
        self.dispatch(None);
        if self.queue.send(Message::Close(done)).is_ok() {
            let _ = ended.await; // An error says that the thread has ended, which is what is wanted.
        }
    }

    fn transactions(&self) -> u64 {
        self.shared.transactions.load(Ordering::Relaxed)
    }
}
