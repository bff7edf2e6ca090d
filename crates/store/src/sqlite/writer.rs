//! The one thread that writes: what waits goes into one transaction.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc::{Receiver, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use tokio::sync::{oneshot, watch};

use super::{
    checkpoint::Checkpointer,
    connection::{Sqlite, ready},
    gather::Waiting,
    witness::Witness,
};
use crate::{
    StoreError,
    apply::{Prepared, apply, trial},
    sql::Head,
};

/// How often to look whether another process has changed something, when there is nothing to do.
const LOOK: Duration = Duration::from_secs(1);

/// What the thread is asked to do.
pub(super) enum Message {
    Commits(Vec<Waiting>),
    Job(Box<dyn FnOnce(&mut Sqlite) + Send>),
    Check(oneshot::Sender<Result<(), StoreError>>),
    Close(oneshot::Sender<()>),
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Commits(_) => "Commits",
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
    /// Commits and jobs whose turn has not come.
    pub(super) waiting: AtomicUsize,
}

/// What a file has besides the connection that writes it.
#[derive(Debug, Default)]
pub(super) struct Beside {
    pub(super) witness: Option<Witness>,
    pub(super) checkpointer: Option<Checkpointer>,
}

/// The thread's own.
pub(super) struct Writer {
    // Both are `None` in memory, and stand before the connection, so that they are closed first: the last one removes the log.
    witness: Option<Witness>,
    checkpointer: Option<Checkpointer>,
    connection: Sqlite,
    messages: Receiver<Message>,
    most: usize,
    shared: Arc<Shared>,
    /// Set when a sync has failed or the file is damaged: what the disk holds is not known, and no commit can be promised any more.
    failed: Option<StoreError>,
    /// Set when a commit was not stored, until a check has written as much as one.
    in_doubt: bool,
}

impl Writer {
    pub(super) fn start(
        connection: Sqlite,
        beside: Beside,
        messages: Receiver<Message>,
        most: usize,
        shared: Arc<Shared>,
    ) -> Result<(), StoreError> {
        let Beside { witness, checkpointer } = beside;
        let writer = Self { witness, checkpointer, connection, messages, most, shared, failed: None, in_doubt: false };
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
                Ok(Message::Commits(group)) => self.group(group),
                Ok(other) => Some(other),
                Err(RecvTimeoutError::Timeout) => {
                    self.look();
                    None
                }
                Err(RecvTimeoutError::Disconnected) => return None,
            };
            match next {
                None => {}
                Some(Message::Commits(group)) => self.write_all(group),
                Some(Message::Job(job)) => {
                    self.taken(1);
                    job(&mut self.connection);
                }
                Some(Message::Check(reply)) => {
                    self.taken(1);
                    let _ = reply.send(self.check());
                }
                Some(Message::Close(done)) => return Some(done),
            }
        }
    }

    /// The turn of so many has come.
    fn taken(&self, count: usize) {
        self.shared.waiting.fetch_sub(count, Ordering::Relaxed);
    }

    /// One small change, made durable where the next one who opens the file finds it; as much as a commit when one was not stored.
    fn check(&mut self) -> Result<(), StoreError> {
        self.may_write()?;
        let checked = if self.in_doubt {
            ready(trial(&mut self.connection))
        } else {
            self.connection.run("UPDATE head SET checks = checks + 1", &[]).and_then(|_| self.connection.head())
        };
        self.settle(checked, |head| head)?;
        self.in_doubt = false;
        Ok(())
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
    fn settle<T>(&mut self, written: Result<T, StoreError>, head: fn(&T) -> &Head) -> Result<T, StoreError> {
        if let Err(error @ (StoreError::Unknown { .. } | StoreError::Corrupt { .. })) = &written {
            self.failed = Some(error.clone());
        }
        let done = written?;
        let agreed = self.witness.as_ref().map_or(Ok(()), |witness| witness.agrees(head(&done)));
        // A read that failed is no reason: whether the next one agrees is looked at after the next commit.
        if let Err(error @ StoreError::Corrupt { .. }) = &agreed {
            self.failed = Some(error.clone());
        }
        agreed.map(|()| done)
    }

    /// Takes what has come since, and writes it all. Answers the message that ended the group, if it was none of commits.
    fn group(&mut self, mut group: Vec<Waiting>) -> Option<Message> {
        let mut next = None;
        while group.len() < self.most && next.is_none() {
            match self.messages.try_recv() {
                Ok(Message::Commits(more)) => group.extend(more),
                Ok(other) => next = Some(other),
                Err(_nothing) => break,
            }
        }
        self.write_all(group);
        next
    }

    /// In transactions that are not too large.
    fn write_all(&mut self, mut group: Vec<Waiting>) {
        self.taken(group.len());
        while !group.is_empty() {
            let rest = group.split_off(group.len().min(self.most));
            self.write(group);
            group = rest;
        }
    }

    fn write(&mut self, group: Vec<Waiting>) {
        let commits: Vec<&Prepared> = group.iter().map(|(commit, _)| commit.as_ref()).collect();
        let written = self
            .may_write()
            .and_then(|()| ready(apply(&mut self.connection, &commits)).map_err(|failure| failure.error));
        match self.settle(written, |done| &done.head) {
            Ok(done) => {
                self.shared.transactions.fetch_add(1, Ordering::Relaxed);
                let commits = group.len();
                for ((_, reply), outcome) in group.into_iter().zip(done.outcomes) {
                    let _ = reply.send(Ok(outcome)); // A caller that has gone has still committed.
                }
                self.tell(done.head.revision);
                if let Some(checkpointer) = &mut self.checkpointer {
                    checkpointer.written(commits, &self.connection);
                }
            }
            // One of them cannot be stored; the others are not to suffer for it.
            Err(StoreError::Invalid(_)) if group.len() > 1 => {
                for one in group {
                    self.write(vec![one]);
                }
            }
            Err(error) => {
                tracing::error!(%error, commits = group.len(), "commits were not stored");
                self.in_doubt |= !matches!(error, StoreError::Invalid(_));
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

#[cfg(test)]
mod tests;
