//! A connection that writes, or one that only reads.

use std::{
    fmt::Display,
    path::{Path, PathBuf},
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use rusqlite::{
    ErrorCode, OpenFlags,
    types::{ToSqlOutput, ValueRef},
};

use super::file::{Place, prepare};
use crate::{
    StoreError, migrate,
    sql::{ChainRow, Columns, Connection, Head, Sql, Value, corrupt},
};

/// Tells a file of ours from any other database: `carn` in ASCII.
const APPLICATION: i64 = 0x6361_726e;
/// How long another process may hold the file.
const PATIENCE: Duration = Duration::from_secs(5);
/// Prepared statements that are kept.
const STATEMENTS: usize = 128;

/// One connection.
#[derive(Debug)]
pub(crate) struct Sqlite {
    inner: rusqlite::Connection,
    path: PathBuf,
}

/// Runs a future that never waits, as those over SQLite are.
pub(super) fn ready<T, E>(future: impl Future<Output = Result<T, E>>) -> Result<T, E>
where
    E: From<StoreError>,
{
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => Err(corrupt("a statement has been left half done").into()),
    }
}

impl Sqlite {
    /// Opens the one that writes. The file is checked, and the schema brought up to date.
    pub(super) fn open(place: &Place) -> Result<Self, StoreError> {
        let (inner, path) = match place {
            Place::Memory => (rusqlite::Connection::open_in_memory(), PathBuf::from(":memory:")),
            Place::File(path) => {
                let path = prepare(path)?;
                let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
                    | OpenFlags::SQLITE_OPEN_NO_MUTEX
                    | OpenFlags::SQLITE_OPEN_NOFOLLOW;
                (rusqlite::Connection::open_with_flags(&path, flags), path)
            }
        };
        let inner = inner.map_err(|error| broken(&path, &error))?;
        let mut connection = Self { inner, path };
        connection.set_up()?;
        Ok(connection)
    }

    /// Opens one that only reads.
    pub(super) fn open_reader(path: &Path) -> Result<Self, StoreError> {
        let path = path.canonicalize().unwrap_or_else(|_error| path.to_owned());
        let flags =
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let inner = rusqlite::Connection::open_with_flags(&path, flags).map_err(|error| broken(&path, &error))?;
        let connection = Self { inner, path };
        connection.batch("PRAGMA query_only = ON; PRAGMA trusted_schema = OFF;")?;
        connection.inner.set_prepared_statement_cache_capacity(STATEMENTS);
        connection.inner.busy_timeout(PATIENCE).map_err(|error| connection.error(&error))?;
        Ok(connection)
    }

    /// Opens one more that may write, to a file that is in use and has been checked.
    pub(super) fn open_another(path: &Path) -> Result<Self, StoreError> {
        let path = path.canonicalize().unwrap_or_else(|_error| path.to_owned());
        let flags =
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let inner = rusqlite::Connection::open_with_flags(&path, flags).map_err(|error| broken(&path, &error))?;
        let connection = Self { inner, path };
        connection.batch("PRAGMA trusted_schema = OFF; PRAGMA synchronous = FULL;")?;
        connection.inner.busy_timeout(PATIENCE).map_err(|error| connection.error(&error))?;
        // The first read opens the log.
        connection.revision()?;
        Ok(connection)
    }

    fn set_up(&mut self) -> Result<(), StoreError> {
        self.inner.busy_timeout(PATIENCE).map_err(|error| self.error(&error))?;
        self.inner.set_prepared_statement_cache_capacity(STATEMENTS);
        self.batch("PRAGMA trusted_schema = OFF; PRAGMA foreign_keys = ON; PRAGMA cell_size_check = ON;")?;
        let ours = self.pragma("application_id")?;
        let empty = self.pragma("schema_version")? == 0;
        if !empty && ours != APPLICATION {
            return Err(StoreError::Unusable {
                what: format!("{}: this is a database of something else", self.path.display()),
                hint: "name another file; carnet makes its own".to_owned(),
            });
        }
        self.quick_check()?;
        // FULL: the log is synced at every commit, which is what makes an answer durable. It is moved into the file by another
        // thread (see `checkpoint`); after a commit only if that should not get to it.
        self.batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY; \
             PRAGMA cache_size = -4000; PRAGMA journal_size_limit = 67108864; PRAGMA wal_autocheckpoint = 16000;",
        )?;
        if empty {
            self.batch(&format!("PRAGMA application_id = {APPLICATION};"))?;
        }
        migrate::sqlite(&mut self.inner).map_err(|error| match error {
            migrate::Failed::Refused(error) => error,
            migrate::Failed::Database(error) => self.error(&error),
        })
    }

    fn quick_check(&self) -> Result<(), StoreError> {
        let found: String =
            self.inner.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(|error| self.error(&error))?;
        if found == "ok" {
            return Ok(());
        }
        Err(damaged(&self.path, &found))
    }

    fn pragma(&self, name: &str) -> Result<i64, StoreError> {
        self.inner.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0)).map_err(|error| self.error(&error))
    }

    fn batch(&self, sql: &str) -> Result<(), StoreError> {
        self.inner.execute_batch(sql).map_err(|error| self.error(&error))
    }

    fn error(&self, error: &rusqlite::Error) -> StoreError {
        broken(&self.path, error)
    }

    /// The store's revision.
    pub(super) fn revision(&self) -> Result<u64, StoreError> {
        let rows = self.run("SELECT revision FROM head", &[])?;
        rows.into_iter().next().ok_or_else(|| corrupt("its head is missing"))?.count()
    }

    /// The end of the audit chain, and the store's revision.
    pub(super) fn head(&self) -> Result<Head, StoreError> {
        Head::read(self.run("SELECT seq, hash, revision FROM head", &[])?)
    }

    /// The head as this connection finds it in the file, for another to be held to.
    ///
    /// # Errors
    /// [`StoreError::Unknown`] when it could not be read this time, which says nothing about what is in the file;
    /// [`StoreError::Corrupt`] when what is there is no head.
    pub(super) fn read_back(&self) -> Result<Head, StoreError> {
        let rows = self.try_run("SELECT seq, hash, revision FROM head", &[]);
        // What is overwritten reads as anything: a text encoding, a short file, a page of nothing, no such table.
        let illegible = |error: &dyn Display| corrupt(format!("what was written cannot be read back: {error}"));
        match rows {
            Ok(rows) => Head::read(rows).map_err(|error| illegible(&error)),
            Err(error) if passes(&error) => Err(StoreError::Unknown {
                what: format!("read back what was written to {}: {error}", self.path.display()),
                hint: "look at the disk, and for what else has the file open; the next commit looks again".to_owned(),
            }),
            Err(error) => Err(illegible(&error)),
        }
    }

    /// Runs one statement to its end.
    pub(super) fn run(&self, sql: &str, params: &[Value]) -> Result<Vec<Columns>, StoreError> {
        self.try_run(sql, params).map_err(|error| self.error(&error))
    }

    /// Writes rows of the audit.
    fn append(&self, rows: &[ChainRow]) -> rusqlite::Result<()> {
        let sql = "INSERT INTO audit (seq, at, previous, hash, record) VALUES ($1, $2, $3, $4, $5)";
        let mut insert = self.inner.prepare_cached(sql)?;
        for row in rows {
            insert.execute((row.seq, row.at, &row.previous, &row.hash, &row.record))?;
        }
        Ok(())
    }

    fn try_run(&self, sql: &str, params: &[Value]) -> rusqlite::Result<Vec<Columns>> {
        let mut statement = self.inner.prepare_cached(sql)?;
        for (index, param) in params.iter().enumerate() {
            let number = index.saturating_add(1);
            debug_assert_eq!(statement.parameter_name(number), Some(format!("${number}").as_str()), "{sql}");
            statement.raw_bind_parameter(number, param)?;
        }
        let width = statement.column_count();
        let mut rows = statement.raw_query();
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let mut values = Vec::with_capacity(width);
            for column in 0..width {
                values.push(Value::from(row.get_ref(column)?));
            }
            found.push(Columns::new(values));
        }
        Ok(found)
    }
}

impl rusqlite::ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(int) => ValueRef::Integer(*int),
            Self::Bool(bool) => ValueRef::Integer(i64::from(*bool)),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

impl From<ValueRef<'_>> for Value {
    fn from(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Integer(int) => Self::Int(int),
            // Text that is not UTF-8 was not written by us, and bytes are no text.
            ValueRef::Text(text) => {
                String::from_utf8(text.to_vec()).map_or_else(|error| Self::Bytes(error.into_bytes()), Self::Text)
            }
            ValueRef::Blob(bytes) => Self::Bytes(bytes.to_vec()),
            ValueRef::Null | ValueRef::Real(_) => Self::Null,
        }
    }
}

impl Connection for Sqlite {
    async fn query(&mut self, sql: Sql, params: Vec<Value>) -> Result<Vec<Columns>, StoreError> {
        self.run(&sql, &params)
    }

    async fn begin(&mut self) -> Result<Head, StoreError> {
        self.run("BEGIN IMMEDIATE", &[])?;
        self.head()
    }

    async fn savepoint(&mut self) -> Result<(), StoreError> {
        self.run("SAVEPOINT one", &[]).map(drop)
    }

    async fn keep(&mut self) -> Result<(), StoreError> {
        self.run("RELEASE one", &[]).map(drop)
    }

    async fn undo(&mut self) -> Result<(), StoreError> {
        self.run("ROLLBACK TO one", &[])?;
        self.run("RELEASE one", &[]).map(drop)
    }

    async fn finish(&mut self, rows: Vec<ChainRow>, head: &Head, _changed: bool) -> Result<(), StoreError> {
        self.append(&rows).map_err(|error| self.error(&error))?;
        let params = [Value::count(head.seq)?, Value::from(&head.hash), Value::count(head.revision)?];
        self.run("UPDATE head SET seq = $1, hash = $2, revision = $3", &params)?;
        self.run("COMMIT", &[]).map(drop)
    }

    async fn abort(&mut self) {
        if !self.inner.is_autocommit()
            && let Err(error) = self.run("ROLLBACK", &[])
        {
            tracing::error!(%error, "a transaction could not be rolled back");
        }
    }
}

/// Whether a failed read is about now, and not about what is in the file ("Result and Extended Result Codes" of SQLite).
fn passes(error: &rusqlite::Error) -> bool {
    // A file that ends too early, and one whose file system says that it is damaged.
    const DAMAGE: [i32; 2] = [rusqlite::ffi::SQLITE_IOERR_SHORT_READ, rusqlite::ffi::SQLITE_IOERR_CORRUPTFS];
    let extended = error.sqlite_error().map_or(0, |error| error.extended_code);
    let code = error.sqlite_error_code();
    matches!(
        code,
        Some(
            ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::SystemIoFailure
                | ErrorCode::OutOfMemory
                | ErrorCode::OperationInterrupted
                | ErrorCode::FileLockingProtocolFailed
                | ErrorCode::CannotOpen
                | ErrorCode::PermissionDenied
                | ErrorCode::ReadOnly
                | ErrorCode::DiskFull
        )
    ) && !DAMAGE.contains(&extended)
}

/// What SQLite's answer means for whoever runs the store.
fn broken(path: &Path, error: &rusqlite::Error) -> StoreError {
    let place = path.display();
    let extended = error.sqlite_error().map_or(0, |error| error.extended_code);
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => damaged(path, &error.to_string()),
        Some(ErrorCode::DiskFull) => StoreError::Unavailable {
            what: format!("write {place}: the disk is full, and nothing was written"),
            hint: "make room on that file system; nothing is issued until then".to_owned(),
        },
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => StoreError::Unusable {
            what: format!("open {place}: {error}"),
            hint: "the user that carnet runs as must be able to write this file, its folder, and the files beside it that end \
                   in -wal and -shm"
                .to_owned(),
        },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Unavailable {
            what: format!("write {place}: another process has held it for more than {PATIENCE:?}"),
            hint: format!("`fuser -v {place}` names that process"),
        },
        // After a failed sync nobody knows what is on the disk.
        Some(ErrorCode::SystemIoFailure) if extended == rusqlite::ffi::SQLITE_IOERR_FSYNC => StoreError::Unknown {
            what: format!("sync {place}: {error}"),
            hint: "look at the disk, then start again; the store takes no more commits".to_owned(),
        },
        Some(ErrorCode::ConstraintViolation | ErrorCode::TooBig | ErrorCode::TypeMismatch) => {
            StoreError::Invalid(error.to_string())
        }
        _ => StoreError::Unavailable {
            what: format!("use {place}: {error}"),
            hint: "look at the disk, and at the log of the system".to_owned(),
        },
    }
}

fn damaged(path: &Path, what: &str) -> StoreError {
    StoreError::Corrupt {
        what: format!("{}: the file is damaged, or no database: {what}", path.display()),
        hint: "keep it aside with its -wal file and restore a backup; `sqlite3 FILE .recover` saves what can be read"
            .to_owned(),
        audit_row: None,
    }
}

#[cfg(test)]
mod tests;
