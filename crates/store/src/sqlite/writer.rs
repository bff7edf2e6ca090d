//! The one thread that writes: what waits goes into one transaction.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use tokio::sync::{oneshot, watch};

use super::{
    connection::{Sqlite, ready},
    witness::Witness,
};
use crate::{
    Committed, StoreError,
    apply::{Prepared, apply},
    group::{NAP, Window},
};

/// How often to look whether another process has changed something, when there is nothing to do.
const LOOK: Duration = Duration::from_secs(1);

type Reply = oneshot::Sender<Result<Committed, StoreError>>;

/// What the thread is asked to do.
pub(super) enum Message {
    Commit(Box<Prepared>, Reply),
    Job(Box<dyn FnOnce(&mut Sqlite) + Send>),
    Check(oneshot::Sender<Result<(), StoreError>>),
    Close(oneshot::Sender<()>),
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Commit(..) => "Commit",
            Self::Job(_) => "Job",
            Self::Check(_) => "Check",
            Self::Close(_) => "Close",
        })
    }
}

/// What others may see of the thread.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) transactions: AtomicU64,
    pub(super) revision: watch::Sender<u64>,
}

/// The thread's own.
pub(super) struct Writer {
    /// `None` in memory. Before the connection, so that it is closed first: only one that writes moves the log into the file.
    witness: Option<Witness>,
    connection: Sqlite,
    messages: Receiver<Message>,
    most: usize,
    shared: Arc<Shared>,
    window: Window,
    /// Set when a sync has failed or the file is damaged: what the disk holds is not known, and no commit can be promised any more.
    failed: Option<StoreError>,
}

impl Writer {
    pub(super) fn start(
        connection: Sqlite,
        witness: Option<Witness>,
        messages: Receiver<Message>,
        most: usize,
        shared: Arc<Shared>,
    ) -> Result<(), StoreError> {
        let writer = Self { witness, connection, messages, most, shared, window: Window::default(), failed: None };
        let started = thread::Builder::new().name("store".to_owned()).spawn(move || writer.run());
        started.map(drop).map_err(|error| StoreError::Unusable {
            what: format!("start the thread that writes: {error}"),
            hint: "raise the limit of threads of this user or service".to_owned(),
        })
    }

    fn run(mut self) {
        let done = self.until_closed();
        // Closed before it is said: the last connection moves the log into the file and removes it.
        drop(self);
        if let Some(done) = done {
            let _ = done.send(()); // Whoever closes may have gone.
        }
    }

    /// Answers whom to tell that it is over; `None` when the store was dropped.
    fn until_closed(&mut self) -> Option<oneshot::Sender<()>> {
        loop {
            let next = match self.messages.recv_timeout(LOOK) {
                Ok(Message::Commit(commit, reply)) => self.group(commit, reply),
                Ok(other) => Some(other),
                Err(RecvTimeoutError::Timeout) => {
                    self.look();
                    None
                }
                Err(RecvTimeoutError::Disconnected) => return None,
            };
            match next {
                None => {}
                Some(Message::Commit(commit, reply)) => self.write(vec![(commit, reply)]),
                Some(Message::Job(job)) => job(&mut self.connection),
                Some(Message::Check(reply)) => {
                    let _ = reply.send(self.check());
                }
                Some(Message::Close(done)) => return Some(done),
            }
        }
    }

    /// One small change, made durable where the next one who opens the file finds it.
    fn check(&mut self) -> Result<(), StoreError> {
        self.may_write()?;
        let checked = self.connection.run("UPDATE head SET checks = checks + 1", &[]).map(drop);
        self.settle(checked)
    }

    /// Whether a commit can be promised at all.
    fn may_write(&self) -> Result<(), StoreError> {
        match (&self.failed, &self.witness) {
            (Some(failed), _) => Err(failed.clone()),
            (None, Some(witness)) => witness.in_place(),
            (None, None) => Ok(()),
        }
    }

    /// Makes sure that what was written can be read, and remembers what no later commit could make good.
    fn settle<T>(&mut self, written: Result<T, StoreError>) -> Result<T, StoreError> {
        let settled = written.and_then(|done| match &self.witness {
            Some(witness) => witness.agrees(&self.connection).map(|()| done),
            None => Ok(done),
        });
        if let Err(error @ (StoreError::Unknown { .. } | StoreError::Corrupt { .. })) = &settled {
            self.failed = Some(error.clone());
        }
        settled
    }

    /// Takes what waits with the first, and writes it. Answers the message that ended the group, if it was not a commit.
    fn group(&mut self, commit: Box<Prepared>, reply: Reply) -> Option<Message> {
        let mut group = vec![(commit, reply)];
        let mut next = None;
        let mut wait = self.window.begin();
        while group.len() < self.most {
            let message = match self.messages.try_recv() {
                Ok(message) => message,
                Err(_nothing) if wait.again(group.len()) => {
                    nap();
                    continue;
                }
                Err(_nothing) => break,
            };
            match message {
                Message::Commit(commit, reply) => group.push((commit, reply)),
                other => {
                    next = Some(other);
                    break;
                }
            }
        }
        self.window.end(&wait, group.len());
        self.write(group);
        next
    }

    fn write(&mut self, group: Vec<(Box<Prepared>, Reply)>) {
        let commits: Vec<&Prepared> = group.iter().map(|(commit, _)| commit.as_ref()).collect();
        let written = self
            .may_write()
            .and_then(|()| ready(apply(&mut self.connection, &commits)).map_err(|failure| failure.error));
        match self.settle(written) {
            Ok(done) => {
                self.shared.transactions.fetch_add(1, Ordering::Relaxed);
                for ((_, reply), outcome) in group.into_iter().zip(done.outcomes) {
                    let _ = reply.send(Ok(outcome)); // A caller that has gone has still committed.
                }
                self.tell(done.revision);
            }
            // One of them cannot be stored; the others are not to suffer for it.
            Err(StoreError::Invalid(_)) if group.len() > 1 => {
                for one in group {
                    self.write(vec![one]);
                }
            }
            Err(error) => {
                tracing::error!(%error, commits = group.len(), "commits were not stored");
                for (_, reply) in group {
                    let _ = reply.send(Err(error.clone()));
                }
            }
        }
    }

    fn tell(&self, revision: u64) {
        self.shared.revision.send_if_modified(|known| {
            let changed = *known != revision;
            *known = revision;
            changed
        });
    }

    fn look(&self) {
        match self.connection.revision() {
            Ok(revision) => self.tell(revision),
            Err(error) => tracing::warn!(%error, "the store's revision could not be read"),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this thread does nothing else")]
fn nap() {
    thread::sleep(NAP);
}
