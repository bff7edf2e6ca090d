//! From an address to a store.

use std::{path::PathBuf, sync::Arc};

use carnet_core::Secret;

use crate::{
    Store, StoreError, TlsConnector,
    backend::Over,
    postgres::PostgresBackend,
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
    /// Password for PostgreSQL, so that it need not be in the address.
    pub password: Option<Secret>,
    /// TLS for PostgreSQL. Without it, `sslmode=require` and `verify-full` are refused, and so is a server that is neither
    /// behind a unix socket nor on loopback unless the address says `sslmode=disable`.
    pub tls: Option<Arc<dyn TlsConnector>>,
}

impl Default for Options {
    fn default() -> Self {
        Self { queue: 1024, group: 256, readers: 2, password: None, tls: None }
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
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return Ok(Arc::new(Over(PostgresBackend::open(url, &options).await?)));
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
