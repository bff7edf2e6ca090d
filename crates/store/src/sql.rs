//! What both databases have in common: values, rows, and one text of SQL for both.
//!
//! Parameters are written `$1`, `$2` … in the order of their first use. PostgreSQL takes the number; SQLite takes them as
//! names and numbers them by first use, which comes to the same.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};

use crate::StoreError;

/// A value that goes in or comes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Null,
    Int(i64),
    Bool(bool),
    Text(String),
    Bytes(Vec<u8>),
}

impl Value {
    /// A count or a revision.
    pub(crate) fn count(count: u64) -> Result<Self, StoreError> {
        i64::try_from(count).map(Self::Int).map_err(|_error| StoreError::Invalid(format!("{count} is too large")))
    }

    /// A time, cut to the microsecond.
    pub(crate) fn time(time: Timestamp) -> Self {
        Self::Int(time.as_microsecond())
    }

    /// JSON as text.
    pub(crate) fn json(value: &impl Serialize) -> Result<Self, StoreError> {
        serde_json::to_string(value).map(Self::Text).map_err(|error| StoreError::Invalid(error.to_string()))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.to_vec())
    }
}

impl From<&[u8; 32]> for Value {
    fn from(bytes: &[u8; 32]) -> Self {
        Self::Bytes(bytes.to_vec())
    }
}

impl From<&Option<String>> for Value {
    fn from(text: &Option<String>) -> Self {
        text.as_ref().map_or(Self::Null, Self::from)
    }
}

impl From<&Option<Timestamp>> for Value {
    fn from(time: &Option<Timestamp>) -> Self {
        time.map_or(Self::Null, Self::time)
    }
}

/// A row as it comes out, read from its first column to its last.
#[derive(Debug)]
pub(crate) struct Columns(std::vec::IntoIter<Value>);

impl Columns {
    pub(crate) fn new(values: Vec<Value>) -> Self {
        Self(values.into_iter())
    }

    pub(crate) fn text(&mut self) -> Result<String, StoreError> {
        match self.0.next() {
            Some(Value::Text(text)) => Ok(text),
            other => Err(mismatch("text", other.as_ref())),
        }
    }

    pub(crate) fn int(&mut self) -> Result<i64, StoreError> {
        match self.0.next() {
            Some(Value::Int(int)) => Ok(int),
            other => Err(mismatch("a number", other.as_ref())),
        }
    }

    pub(crate) fn count(&mut self) -> Result<u64, StoreError> {
        let int = self.int()?;
        u64::try_from(int).map_err(|_error| mismatch("a count", Some(&Value::Int(int))))
    }

    pub(crate) fn bool(&mut self) -> Result<bool, StoreError> {
        match self.0.next() {
            Some(Value::Bool(bool)) => Ok(bool),
            Some(Value::Int(int @ (0 | 1))) => Ok(int == 1),
            other => Err(mismatch("a truth value", other.as_ref())),
        }
    }

    pub(crate) fn bytes(&mut self) -> Result<Vec<u8>, StoreError> {
        match self.0.next() {
            Some(Value::Bytes(bytes)) => Ok(bytes),
            other => Err(mismatch("bytes", other.as_ref())),
        }
    }

    pub(crate) fn digest(&mut self) -> Result<[u8; 32], StoreError> {
        let bytes = self.bytes()?;
        <[u8; 32]>::try_from(bytes).map_err(|bytes| mismatch("32 bytes", Some(&Value::Bytes(bytes))))
    }

    pub(crate) fn time(&mut self) -> Result<Timestamp, StoreError> {
        let int = self.int()?;
        Timestamp::from_microsecond(int).map_err(|_error| mismatch("a time", Some(&Value::Int(int))))
    }

    pub(crate) fn json<T: DeserializeOwned>(&mut self) -> Result<T, StoreError> {
        serde_json::from_str(&self.text()?).map_err(|error| corrupt(format!("a document in it is not good: {error}")))
    }

    /// The same, where the column may be empty.
    pub(crate) fn maybe<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        if self.0.as_slice().first() == Some(&Value::Null) {
            self.0.next();
            return Ok(None);
        }
        read(self).map(Some)
    }
}

fn mismatch(wanted: &str, seen: Option<&Value>) -> StoreError {
    let seen = match seen {
        None | Some(Value::Null) => "nothing",
        Some(Value::Int(_)) => "a number out of range",
        Some(Value::Bool(_)) => "a truth value",
        Some(Value::Text(_)) => "text",
        Some(Value::Bytes(_)) => "bytes",
    };
    corrupt(format!("{wanted} should be there, and {seen} is"))
}

/// What is stored is not what this program stores.
pub(crate) fn corrupt(what: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt {
        what: format!("read the store: {what}"),
        hint: "somebody or something else has written to it: restore a backup, or look for who else uses it".to_owned(),
        audit_row: None,
    }
}

/// Text of SQL: nearly always written out in this crate.
pub(crate) type Sql = Cow<'static, str>;

/// Something that answers SQL.
pub(crate) trait Connection: Send {
    /// Runs one statement to its end.
    fn query(&mut self, sql: Sql, params: Vec<Value>) -> impl Future<Output = Result<Vec<Columns>, StoreError>> + Send;

    /// Begins a transaction that no other writer, of this process or another, is in at the same time.
    fn begin(&mut self) -> impl Future<Output = Result<Head, StoreError>> + Send;

    /// Begins what [`Connection::undo`] would undo.
    fn savepoint(&mut self) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Keeps what happened since the savepoint.
    fn keep(&mut self) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Undoes what happened since the savepoint, and forgets it.
    fn undo(&mut self) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Writes the audit rows and the head, and makes all durable. `changed` tells whether the revision is another.
    fn finish(
        &mut self,
        rows: Vec<ChainRow>,
        head: &Head,
        changed: bool,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Gives up the transaction. It never fails: a connection that cannot do that is of no use, and is made anew.
    fn abort(&mut self) -> impl Future<Output = ()> + Send;
}

/// Where the store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) seq: u64,
    pub(crate) hash: [u8; 32],
    pub(crate) revision: u64,
}

impl Head {
    pub(crate) const COLUMNS: &'static str = "seq, hash, revision";

    pub(crate) fn read(rows: Vec<Columns>) -> Result<Self, StoreError> {
        let mut row = rows.into_iter().next().ok_or_else(|| corrupt("its head is missing"))?;
        Ok(Self { seq: row.count()?, hash: row.digest()?, revision: row.count()? })
    }
}

/// An audit row, ready to be written.
#[derive(Debug)]
pub(crate) struct ChainRow {
    pub(crate) seq: i64,
    pub(crate) at: i64,
    pub(crate) previous: [u8; 32],
    pub(crate) hash: [u8; 32],
    pub(crate) record: String,
}
