//! Connections for reading.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::Semaphore;

use super::connection::Sqlite;
use crate::{
    StoreError,
    sql::{Columns, Sql, Value},
};

/// A few connections, each used by one read at a time, on the runtime's threads for what blocks.
#[derive(Debug)]
pub(super) struct Readers {
    free: Arc<Mutex<Vec<Sqlite>>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn open(path: &Path, count: usize) -> Result<Self, StoreError> {
        let connections = (0..count).map(|_| Sqlite::open_reader(path)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { free: Arc::new(Mutex::new(connections)), permits: Arc::new(Semaphore::new(count)) })
    }

    pub(super) async fn read(&self, sql: Sql, params: Vec<Value>) -> Result<Vec<Columns>, StoreError> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_closed| StoreError::Closed)?;
        let free = Arc::clone(&self.free);
        let reading = tokio::task::spawn_blocking(move || {
            let connection = free.lock().unwrap_or_else(PoisonError::into_inner).pop().ok_or(StoreError::Closed)?;
            let rows = connection.run(&sql, &params);
            let mut free = free.lock().unwrap_or_else(PoisonError::into_inner);
            if !permit.semaphore().is_closed() {
                free.push(connection);
            }
            drop(free);
            drop(permit);
            rows
        });
        reading.await.unwrap_or(Err(StoreError::Closed))
    }

    /// A read that is under way ends, and its connection with it.
    pub(super) fn close(&self) {
        self.permits.close();
        self.free.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
