//! A connection on which commits are made.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::task::JoinHandle;
use tokio_postgres::{
    Client, Statement,
    types::{FromSql, IsNull, ToSql, Type, private::BytesMut},
};
use uuid::Uuid;

use super::{
    config::{Role, Settings},
    error,
};
use crate::{
    StoreError,
    sql::{ChainRow, Columns, Connection, Head, Sql, Value},
};

/// Longest wait for an answer. The server itself gives up after ten seconds.
const ANSWER: Duration = Duration::from_secs(15);

type Cause = Box<dyn std::error::Error + Sync + Send>;

/// One connection with its prepared statements.
#[derive(Debug)]
pub(super) struct Session {
    client: Client,
    task: JoinHandle<()>,
    statements: HashMap<Sql, Statement>,
    /// Name of this process among those that write, and number of its last batch.
    writer: Uuid,
    batch: i64,
    /// Set when an answer did not come: what the connection would say next is not known.
    broken: bool,
    /// Set when the answer to a COMMIT did not come.
    uncertain: bool,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Session {
    pub(super) async fn open(settings: &Settings, role: Role, writer: Uuid, batch: i64) -> Result<Self, StoreError> {
        let (client, task) = settings.connect(role, Arc::new(|_| {})).await?;
        Ok(Self { client, task, statements: HashMap::new(), writer, batch, broken: false, uncertain: false })
    }

    /// Whether it is of no use any more.
    pub(super) fn is_lost(&self) -> bool {
        self.broken || self.client.is_closed()
    }

    /// Whether the last transaction may have been made durable although its answer did not come.
    pub(super) fn is_uncertain(&self) -> bool {
        self.uncertain
    }

    /// Number of the last batch.
    pub(super) fn batch(&self) -> i64 {
        self.batch
    }

    /// Whether the batch of that number has happened. Whoever still makes it holds the head, which is waited for.
    pub(super) async fn has_happened(&mut self, batch: i64) -> Result<bool, StoreError> {
        self.begin().await?;
        let rows = self.query("SELECT batch FROM writers WHERE id = $1".into(), vec![self.name()]).await?;
        self.abort().await;
        Ok(rows.into_iter().next().map(|mut row| row.int()).transpose()? == Some(batch))
    }

    pub(super) async fn batch_execute(&mut self, sql: &str) -> Result<(), StoreError> {
        let done = tokio::time::timeout(ANSWER, self.client.batch_execute(sql)).await;
        self.answered(done)
    }

    fn name(&self) -> Value {
        Value::Bytes(self.writer.as_bytes().to_vec())
    }

    async fn prepare(&mut self, sql: Sql) -> Result<Statement, StoreError> {
        if let Some(statement) = self.statements.get(&sql) {
            return Ok(statement.clone());
        }
        let prepared = tokio::time::timeout(ANSWER, self.client.prepare(&sql)).await;
        let statement = self.answered(prepared)?;
        self.statements.insert(sql, statement.clone());
        Ok(statement)
    }

    fn answered<T>(
        &mut self,
        answer: Result<Result<T, tokio_postgres::Error>, tokio::time::error::Elapsed>,
    ) -> Result<T, StoreError> {
        match answer {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(cause)) => {
                self.broken |= error::ends_connection(&cause);
                Err(error::statement(&cause))
            }
            Err(_elapsed) => {
                self.broken = true;
                Err(error::silent("wait for the database server"))
            }
        }
    }
}

const LOCK_HEAD: &str = "SELECT seq, hash, revision FROM head FOR UPDATE";
const INSERT_AUDIT: &str = "INSERT INTO audit (seq, at, previous, hash, record) \
     SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::bytea[], $5::json[])";
const UPDATE_HEAD: &str = "UPDATE head SET seq = $1, hash = $2, revision = $3";
const UPDATE_WRITER: &str = "INSERT INTO writers (id, batch) VALUES ($1, $2) \
     ON CONFLICT (id) DO UPDATE SET batch = excluded.batch, seen_at = now()";
const NOTIFY: &str = "SELECT pg_notify('carnet_store', $1)";

impl Connection for Session {
    async fn query(&mut self, sql: Sql, params: Vec<Value>) -> Result<Vec<Columns>, StoreError> {
        let statement = self.prepare(sql).await?;
        let params: Vec<&(dyn ToSql + Sync)> = params.iter().map(|param| param as &(dyn ToSql + Sync)).collect();
        let rows = tokio::time::timeout(ANSWER, self.client.query(&statement, &params)).await;
        self.answered(rows)?.iter().map(columns).collect()
    }

    /// The lock on the head keeps all writers of all nodes apart: what is looked at within the transaction stays true.
    async fn begin(&mut self) -> Result<Head, StoreError> {
        let lock = self.prepare(LOCK_HEAD.into()).await?;
        let both = tokio::time::timeout(ANSWER, async {
            // Sent one behind the other, so that they take one journey.
            let (begun, locked) =
                tokio::join!(biased; self.client.batch_execute("BEGIN"), self.client.query(&lock, &[]));
            begun.and(locked)
        });
        let rows = both.await;
        Head::read(self.answered(rows)?.iter().map(columns).collect::<Result<_, _>>()?)
    }

    async fn savepoint(&mut self) -> Result<(), StoreError> {
        self.batch_execute("SAVEPOINT one").await
    }

    async fn keep(&mut self) -> Result<(), StoreError> {
        self.batch_execute("RELEASE SAVEPOINT one").await
    }

    async fn undo(&mut self) -> Result<(), StoreError> {
        self.batch_execute("ROLLBACK TO SAVEPOINT one; RELEASE SAVEPOINT one").await
    }

    async fn finish(&mut self, rows: Vec<ChainRow>, head: &Head, changed: bool) -> Result<(), StoreError> {
        let insert = self.prepare(INSERT_AUDIT.into()).await?;
        let update = self.prepare(UPDATE_HEAD.into()).await?;
        let writer = self.prepare(UPDATE_WRITER.into()).await?;
        let notify = self.prepare(NOTIFY.into()).await?;
        self.batch = self.batch.saturating_add(1);
        let chain = Chain::of(rows);
        let (seq, hash, revision) = (Value::count(head.seq)?, Value::from(&head.hash), Value::count(head.revision)?);
        let (name, batch, payload) = (self.name(), Value::Int(self.batch), Value::Text(head.revision.to_string()));
        let client = &self.client;
        let rows: [&(dyn ToSql + Sync); 5] = [&chain.seq, &chain.at, &chain.previous, &chain.hash, &chain.record];
        let head: [&(dyn ToSql + Sync); 3] = [&seq, &hash, &revision];
        let own: [&(dyn ToSql + Sync); 2] = [&name, &batch];
        let written = tokio::time::timeout(ANSWER, async {
            // Sent one behind the other, so that they take one journey.
            let (rows, end, batch, told) = tokio::join!(
                client.execute(&insert, &rows),
                client.execute(&update, &head),
                client.execute(&writer, &own),
                async { if changed { client.execute(&notify, &[&payload]).await } else { Ok(0) } },
            );
            rows.and(end).and(batch).and(told)
        });
        let written = written.await;
        self.answered(written)?;
        let done = self.batch_execute("COMMIT").await;
        // Whatever the error says, it may have come after the server had made it durable.
        self.uncertain = done.is_err();
        self.broken |= self.uncertain;
        done
    }

    async fn abort(&mut self) {
        if !self.is_lost() && self.batch_execute("ROLLBACK").await.is_err() {
            self.broken = true;
        }
    }
}

/// Audit rows by column.
#[derive(Default)]
struct Chain {
    seq: Vec<i64>,
    at: Vec<i64>,
    previous: Vec<Value>,
    hash: Vec<Value>,
    record: Vec<Value>,
}

impl Chain {
    fn of(rows: Vec<ChainRow>) -> Self {
        let mut chain = Self::default();
        for row in rows {
            chain.seq.push(row.seq);
            chain.at.push(row.at);
            chain.previous.push(Value::from(&row.previous));
            chain.hash.push(Value::from(&row.hash));
            chain.record.push(Value::Text(row.record));
        }
        chain
    }
}

/// Reads every column of a row.
pub(super) fn columns(row: &tokio_postgres::Row) -> Result<Columns, StoreError> {
    let mut values = Vec::with_capacity(row.len());
    for column in 0..row.len() {
        values.push(row.try_get::<_, Value>(column).map_err(|cause| crate::sql::corrupt(cause.to_string()))?);
    }
    Ok(Columns::new(values))
}

impl ToSql for Value {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Cause> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(int) => int.to_sql(ty, out),
            Self::Bool(bool) => bool.to_sql(ty, out),
            // The binary form of the type json is its text, too.
            Self::Text(text) => text.as_str().to_sql(&Type::TEXT, out),
            Self::Bytes(bytes) => bytes.as_slice().to_sql(ty, out),
        }
    }

    fn accepts(ty: &Type) -> bool {
        [Type::INT8, Type::BOOL, Type::TEXT, Type::JSON, Type::BYTEA].contains(ty)
    }

    fn to_sql_checked(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Cause> {
        let fits = match self {
            Self::Null => true,
            Self::Int(_) => *ty == Type::INT8,
            Self::Bool(_) => *ty == Type::BOOL,
            Self::Text(_) => *ty == Type::TEXT || *ty == Type::JSON,
            Self::Bytes(_) => *ty == Type::BYTEA,
        };
        if fits { self.to_sql(ty, out) } else { Err(format!("a value does not fit the type {ty}").into()) }
    }
}

impl<'a> FromSql<'a> for Value {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Cause> {
        Ok(match *ty {
            Type::INT8 => Self::Int(i64::from_sql(ty, raw)?),
            Type::INT4 => Self::Int(i32::from_sql(ty, raw)?.into()),
            Type::BOOL => Self::Bool(bool::from_sql(ty, raw)?),
            Type::BYTEA => Self::Bytes(raw.to_vec()),
            _ => Self::Text(std::str::from_utf8(raw)?.to_owned()),
        })
    }

    fn from_sql_null(_: &Type) -> Result<Self, Cause> {
        Ok(Self::Null)
    }

    fn accepts(ty: &Type) -> bool {
        [Type::INT8, Type::INT4, Type::BOOL, Type::BYTEA, Type::TEXT, Type::JSON, Type::VARCHAR].contains(ty)
    }
}
