//! The one task that writes: what waits goes into one transaction.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};
use uuid::Uuid;

use super::{
    config::{Role, Settings},
    error,
    session::Session,
};
use crate::{
    Committed, StoreError,
    apply::{Failure, Group, Prepared, Sweep, Swept, apply, prune, trial},
    sql::Connection as _,
};

/// Shortest and longest pause between two attempts to connect. Meanwhile commits are refused at once.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// How long to ask what became of a commit whose answer was lost.
const RESOLVE: Duration = Duration::from_secs(10);

pub(super) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// What the task is asked to do.
#[derive(Debug)]
pub(super) enum Message {
    Commit(Box<Prepared>, Reply<Committed>),
    Prune(Sweep, Reply<Swept>),
    Check(Reply<()>),
    Close(oneshot::Sender<()>),
}

/// What others may see of the task.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) transactions: AtomicU64,
    pub(super) revision: watch::Sender<u64>,
}

impl Shared {
    /// A revision was seen. Notices may overtake each other; the revision never goes back.
    pub(super) fn tell(&self, revision: u64) {
        self.revision.send_if_modified(|known| {
            let newer = revision > *known;
            if newer {
                *known = revision;
            }
            newer
        });
    }
}

/// The task's own.
pub(super) struct Writer {
    settings: Settings,
    name: Uuid,
    batch: i64,
    session: Option<Session>,
    messages: mpsc::Receiver<Message>,
    most: usize,
    shared: Arc<Shared>,
    pause: Duration,
    not_before: Option<Instant>,
    /// Set when a commit was not stored, until a check has written as much as one.
    in_doubt: bool,
}

impl Writer {
    pub(super) fn start(
        settings: Settings,
        name: Uuid,
        session: Session,
        messages: mpsc::Receiver<Message>,
        most: usize,
        shared: Arc<Shared>,
    ) {
        let batch = session.batch();
        let writer = Self {
            settings,
            name,
            batch,
            session: Some(session),
            messages,
            most,
            shared,
            pause: PAUSE.0,
            not_before: None,
            in_doubt: false,
        };
        tokio::spawn(writer.run());
    }

    async fn run(mut self) {
        let mut next = None;
        loop {
            let message = match next.take() {
                Some(message) => message,
                None => match self.messages.recv().await {
                    Some(message) => message,
                    None => return,
                },
            };
            match message {
                Message::Commit(commit, reply) => {
                    let mut group = vec![(commit, reply)];
                    while group.len() < self.most {
                        match self.messages.try_recv() {
                            Ok(Message::Commit(commit, reply)) => group.push((commit, reply)),
                            Ok(other) => {
                                next = Some(other);
                                break;
                            }
                            Err(_nothing) => break,
                        }
                    }
                    self.write(group).await;
                }
                Message::Prune(sweep, reply) => {
                    let _ = reply.send(self.prune(sweep).await);
                }
                Message::Check(reply) => {
                    let _ = reply.send(self.check().await);
                }
                Message::Close(done) => {
                    self.session = None;
                    let _ = done.send(());
                    return;
                }
            }
        }
    }

    async fn write(&mut self, group: Vec<(Box<Prepared>, Reply<Committed>)>) {
        let commits: Vec<&Prepared> = group.iter().map(|(commit, _)| commit.as_ref()).collect();
        match self.make_durable(&commits).await {
            Ok(done) => {
                self.shared.transactions.fetch_add(1, Ordering::Relaxed);
                for ((_, reply), outcome) in group.into_iter().zip(done.outcomes) {
                    let _ = reply.send(Ok(outcome)); // A caller that has gone has still committed.
                }
                self.shared.tell(done.head.revision);
            }
            // One of them cannot be stored; the others are not to suffer for it.
            Err(StoreError::Invalid(_)) if group.len() > 1 => {
                for one in group {
                    Box::pin(self.write(vec![one])).await;
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

    /// Tries a second time when the connection turns out to be lost before anything was committed.
    async fn make_durable(&mut self, commits: &[&Prepared]) -> Result<Group, StoreError> {
        match self.attempt(commits).await {
            Err(Failure { error: StoreError::Unavailable { .. }, .. }) if self.session.is_none() => {
                self.attempt(commits).await.map_err(|failure| failure.error)
            }
            done => done.map_err(|failure| failure.error),
        }
    }

    async fn attempt(&mut self, commits: &[&Prepared]) -> Result<Group, Failure> {
        let session = self.connected().await.map_err(Failure::certain)?;
        let done = apply(session, commits).await;
        let (batch, uncertain, lost) = (session.batch(), session.is_uncertain(), session.is_lost());
        self.batch = batch;
        if lost {
            self.session = None;
        }
        match done {
            Err(Failure { group: Some(group), error }) if uncertain => {
                self.resolve(batch, group, &error).await.map_err(Failure::certain)
            }
            done => done,
        }
    }

    /// Asks the server whether the batch whose answer was lost has happened.
    async fn resolve(&mut self, batch: i64, group: Group, cause: &StoreError) -> Result<Group, StoreError> {
        let asking = async {
            loop {
                self.not_before = None;
                if let Ok(session) = self.connected().await
                    && let Ok(happened) = session.has_happened(batch).await
                {
                    return happened;
                }
                self.session = None;
                tokio::time::sleep(self.pause).await;
            }
        };
        match tokio::time::timeout(RESOLVE, asking).await {
            Ok(true) => Ok(group),
            // Not Unavailable as such: it is not tried again behind the caller's back.
            Ok(false) => Err(StoreError::Unavailable {
                what: format!("a commit was lost with its connection, and has not happened: {cause}"),
                hint: "try again".to_owned(),
            }),
            Err(_elapsed) => {
                self.session = None;
                Err(error::unknown(&cause.to_string()))
            }
        }
    }

    async fn connected(&mut self) -> Result<&mut Session, StoreError> {
        if self.session.as_ref().is_none_or(Session::is_lost) {
            // Counted on from what it has made last, a check or a deletion: no number is given twice.
            self.batch = self.session.take().map_or(self.batch, |lost| lost.batch());
            if self.not_before.is_some_and(|time| Instant::now() < time) {
                return Err(error::silent("connect to the database server again"));
            }
            match Session::open(&self.settings, Role::Writer, self.name, self.batch).await {
                Ok(session) => {
                    self.pause = PAUSE.0;
                    self.not_before = None;
                    self.session = Some(session);
                }
                Err(error) => {
                    self.not_before = Some(Instant::now() + self.pause);
                    self.pause = self.pause.saturating_mul(2).min(PAUSE.1);
                    return Err(error);
                }
            }
        }
        self.session.as_mut().ok_or(StoreError::Closed)
    }

    async fn prune(&mut self, sweep: Sweep) -> Result<Swept, StoreError> {
        let session = self.connected().await?;
        let done = prune(session, sweep).await?;
        if done.more.is_none() {
            session.batch_execute("DELETE FROM writers WHERE seen_at < now() - interval '1 day'").await?;
        }
        Ok(done)
    }

    async fn check(&mut self) -> Result<(), StoreError> {
        let in_doubt = self.in_doubt;
        let session = self.connected().await?;
        if in_doubt {
            trial(session).await?;
        } else {
            session.query("UPDATE head SET checks = checks + 1".into(), Vec::new()).await?;
        }
        self.in_doubt = false;
        Ok(())
    }
}
