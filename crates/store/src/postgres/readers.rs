//! Connections for reading. Each carries many reads at a time.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::task::JoinHandle;
use tokio_postgres::{Client, Statement, types::ToSql};

use super::{
    config::{Role, Settings},
    error,
    session::columns,
};
use crate::{
    StoreError,
    sql::{Columns, Sql, Value},
};

/// Longest wait for an answer. The server itself gives up after ten seconds.
const ANSWER: Duration = Duration::from_secs(15);

/// Prepared statements that are kept; filters of the audit log make many.
const STATEMENTS: usize = 128;

/// A connection with its prepared statements.
#[derive(Debug)]
struct Reader {
    client: Client,
    task: JoinHandle<()>,
    statements: Mutex<HashMap<Sql, Statement>>,
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Reader {
    async fn read(&self, sql: Sql, params: &[Value]) -> Result<Vec<tokio_postgres::Row>, tokio_postgres::Error> {
        let statement = if let Some(statement) = self.known().get(&sql).cloned() {
            statement
        } else {
            let statement = self.client.prepare(&sql).await?;
            let mut known = self.known();
            if known.len() >= STATEMENTS {
                known.clear();
            }
            known.insert(sql, statement.clone());
            statement
        };
        let params: Vec<&(dyn ToSql + Sync)> = params.iter().map(|param| param as &(dyn ToSql + Sync)).collect();
        self.client.query(&statement, &params).await
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Sql, Statement>> {
        self.statements.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A few connections, taken in turn.
#[derive(Debug)]
pub(super) struct Readers {
    settings: Settings,
    slots: Vec<tokio::sync::Mutex<Option<Arc<Reader>>>>,
    turn: AtomicUsize,
}

impl Readers {
    pub(super) fn new(settings: Settings, count: usize) -> Self {
        let slots = (0..count).map(|_| tokio::sync::Mutex::new(None)).collect();
        Self { settings, slots, turn: AtomicUsize::new(0) }
    }

    /// Reads; on a new connection if the old one is lost, which is seen only when it is used.
    pub(super) async fn read(&self, sql: Sql, params: Vec<Value>) -> Result<Vec<Columns>, StoreError> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % self.slots.len().max(1);
        let slot = self.slots.get(turn).ok_or(StoreError::Closed)?;
        let mut again = true;
        loop {
            let reader = self.reader(slot).await?;
            match tokio::time::timeout(ANSWER, reader.read(sql.clone(), &params)).await {
                Ok(Ok(rows)) => return rows.iter().map(columns).collect(),
                Ok(Err(cause)) if error::ends_connection(&cause) => {
                    Self::forget(slot, &reader).await;
                    if !again {
                        return Err(error::statement(&cause));
                    }
                    again = false;
                }
                Ok(Err(cause)) => return Err(error::statement(&cause)),
                Err(_elapsed) => {
                    Self::forget(slot, &reader).await;
                    return Err(error::silent("read from the database server"));
                }
            }
        }
    }

    /// Unless another read has put a new one in its place.
    async fn forget(slot: &tokio::sync::Mutex<Option<Arc<Reader>>>, lost: &Arc<Reader>) {
        let mut slot = slot.lock().await;
        if slot.as_ref().is_some_and(|reader| Arc::ptr_eq(reader, lost)) {
            *slot = None;
        }
    }

    async fn reader(&self, slot: &tokio::sync::Mutex<Option<Arc<Reader>>>) -> Result<Arc<Reader>, StoreError> {
        let mut slot = slot.lock().await;
        if let Some(reader) = slot.as_ref().filter(|reader| !reader.client.is_closed()) {
            return Ok(Arc::clone(reader));
        }
        let (client, task) = self.settings.connect(Role::Reader, Arc::new(|_| {})).await?;
        let reader = Arc::new(Reader { client, task, statements: Mutex::default() });
        *slot = Some(Arc::clone(&reader));
        Ok(reader)
    }

    pub(super) async fn close(&self) {
        for slot in &self.slots {
            slot.lock().await.take();
        }
    }
}
