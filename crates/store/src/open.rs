//! From an address to a store.

use std::{path::PathBuf, sync::Arc};

use crate::{
    Store, StoreError,
    backend::Over,
    sqlite::{Place, SqliteBackend},
};

/// How to run it.
#[derive(Clone, Debug)]
pub struct Options {
    /// Most commits that may wait. One more is answered [`StoreError::Busy`].
    pub queue: usize,
    /// Most commits in one transaction.
    pub group: usize,
    /// Connections for reading.
    pub readers: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { queue: 1024, group: 256, readers: 2 }
    }
}

/// Opens a store and brings its schema up to date: `sqlite:PATH`, `sqlite::memory:`, `postgres://…`.
///
/// # Errors
/// [`StoreError::Unusable`] when the address is not one, a file may be read by others, or the schema is newer than this
/// program; [`StoreError::Corrupt`] when the file is damaged; [`StoreError::Unavailable`] when it cannot be reached.
pub async fn open(url: &str, options: Options) -> Result<Arc<dyn Store>, StoreError> {
    if let Some(path) = url.strip_prefix("sqlite:") {
        let place = match path {
            ":memory:" => Place::Memory,
            "" => return Err(no_address()),
            path => Place::File(PathBuf::from(path)),
        };
        return Ok(Arc::new(Over(SqliteBackend::open(place, &options).await?)));
    }
    Err(no_address())
}

/// The address may hold a password, so it is not shown.
fn no_address() -> StoreError {
    StoreError::Unusable {
        what: "the address of the store is none that carnet knows".to_owned(),
        hint: "write sqlite:PATH or postgres://USER@HOST/DATABASE".to_owned(),
    }
}
