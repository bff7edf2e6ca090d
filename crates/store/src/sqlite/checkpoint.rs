//! Moves the log into the file, beside the writer and not in its way.
//!
//! SQLite does that of itself after a commit by which the log has a thousand pages, and whoever waits for that commit, and all behind it,
//! wait for some hundred pages to be written and synced. Here another thread does it meanwhile ("Write-Ahead Logging", 3.3 "Performance
//! Considerations": a checkpoint and a writer may run at once). What was committed in that time the writer itself moves, which is
//! little; only a log that is moved whole is begun anew ("2.1 Checkpointing"), and would otherwise grow without end.

use std::{
    fmt,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread::{self, JoinHandle},
};

use super::connection::Sqlite;
use crate::StoreError;

/// Pages of the log after which it is moved: SQLite's own number. They are estimated and not counted, so that the log may be some times
/// as long before: 3,427 pages were seen.
const PAGES: usize = 1000;
/// Pages that a transaction writes besides those of its rows: the head, and the last page of a table.
const EACH: usize = 2;
/// Rows that fill a page.
const ROWS: usize = 4;

/// The thread that moves the log.
pub(super) struct Checkpointer {
    /// `None` when it is being ended.
    ask: Option<Sender<()>>,
    moved: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    /// How long the log is about, in parts of a page.
    parts: usize,
    asked: bool,
}

impl Checkpointer {
    /// Starts it, with a connection of its own.
    pub(super) fn start(path: &Path) -> Result<Self, StoreError> {
        let connection = Sqlite::open_another(path)?;
        let (ask, asked) = channel();
        let moved = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&moved);
        let thread = thread::Builder::new().name("store-log".to_owned()).spawn(move || run(&connection, &asked, &flag));
        let thread = thread.map_err(|error| StoreError::Unusable {
            what: format!("start the thread that moves the log: {error}"),
            hint: "raise the limit of threads of this user or service".to_owned(),
        })?;
        Ok(Self { ask: Some(ask), moved, thread: Some(thread), parts: 0, asked: false })
    }

    /// The writer has made so many commits durable in one transaction.
    pub(super) fn written(&mut self, commits: usize, writer: &Sqlite) {
        self.parts = self.parts.saturating_add(commits).saturating_add(EACH * ROWS);
        if !self.asked && self.parts >= PAGES * ROWS {
            self.asked = self.ask.as_ref().is_some_and(|ask| ask.send(()).is_ok());
        }
        if self.asked && self.moved.swap(false, Ordering::AcqRel) {
            checkpoint(writer);
            (self.asked, self.parts) = (false, 0);
        }
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.ask = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // It does not panic; if it did, there is nothing to be done about it.
        }
    }
}

impl fmt::Debug for Checkpointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkpointer").field("asked", &self.asked).finish_non_exhaustive()
    }
}

fn run(connection: &Sqlite, asked: &Receiver<()>, moved: &AtomicBool) {
    while asked.recv().is_ok() {
        checkpoint(connection);
        moved.store(true, Ordering::Release);
    }
}

/// Moves what can be moved without waiting for anybody. What is not moved now is in the log, and is next time.
fn checkpoint(connection: &Sqlite) {
    if let Err(error) = connection.run("PRAGMA wal_checkpoint(PASSIVE)", &[]) {
        tracing::warn!(%error, "the store's log could not be moved into its file");
    }
}
