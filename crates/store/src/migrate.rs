//! Numbered steps of the schema, forward only.

use carnet_core::hex;
use carnet_jose::sha256;
use rusqlite::OptionalExtension as _;

use crate::StoreError;

/// One step.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) version: i64,
    pub(crate) sql: &'static str,
}

impl Step {
    /// Tells whether the step that was taken is the one that is known here.
    pub(crate) fn checksum(&self) -> String {
        hex(&sha256(self.sql.as_bytes()))
    }
}

pub(crate) const SQLITE: &[Step] = &[
    Step { version: 1, sql: include_str!("../migrations/sqlite/0001_everything.sql") },
    Step { version: 2, sql: include_str!("../migrations/sqlite/0002_time.sql") },
];

pub(crate) const POSTGRES: &[Step] = &[
    Step { version: 1, sql: include_str!("../migrations/postgres/0001_everything.sql") },
    Step { version: 2, sql: include_str!("../migrations/postgres/0002_time.sql") },
];

/// Why the schema could not be brought up to date.
#[derive(Debug)]
pub(crate) enum Failed<E> {
    /// It is not one that can be.
    Refused(StoreError),
    /// The database said no.
    Database(E),
}

/// The steps that are still to be taken, when these have been: version and checksum, oldest first.
pub(crate) fn pending<'s>(steps: &'s [Step], taken: &[(i64, String)]) -> Result<&'s [Step], StoreError> {
    for (index, (version, checksum)) in taken.iter().enumerate() {
        let Some(step) = steps.get(index) else {
            let known = steps.last().map_or(0, |step| step.version);
            let found = taken.last().map_or(0, |(version, _)| *version);
            return Err(StoreError::Unusable {
                what: format!("the store has schema {found}, and this carnet knows schema {known} at most"),
                hint: "a newer carnet has opened it: use that one, or restore a backup from before".to_owned(),
            });
        };
        if step.version != *version || step.checksum() != *checksum {
            return Err(StoreError::Unusable {
                what: format!("step {version} of the store's schema is not the one that this carnet knows"),
                hint: "the store was made by something that is not a release of carnet; restore a backup".to_owned(),
            });
        }
    }
    Ok(steps.get(taken.len()..).unwrap_or_default())
}

const TABLE: &str =
    "CREATE TABLE IF NOT EXISTS migrations (version INTEGER PRIMARY KEY, checksum TEXT NOT NULL) STRICT";

/// Brings a SQLite database up to date, all steps in one transaction that no other process is in.
pub(crate) fn sqlite(connection: &mut rusqlite::Connection) -> Result<(), Failed<rusqlite::Error>> {
    let transaction =
        connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(Failed::Database)?;
    transaction.execute_batch(TABLE).map_err(Failed::Database)?;
    let taken = sqlite_taken(&transaction).map_err(Failed::Database)?;
    for step in pending(SQLITE, &taken).map_err(Failed::Refused)? {
        transaction.execute_batch(step.sql).map_err(Failed::Database)?;
        transaction
            .execute("INSERT INTO migrations (version, checksum) VALUES (?1, ?2)", (step.version, step.checksum()))
            .map_err(Failed::Database)?;
    }
    let head = transaction.query_row("SELECT 1 FROM head", [], |_row| Ok(())).optional().map_err(Failed::Database)?;
    if head.is_none() {
        return Err(Failed::Refused(crate::sql::corrupt("its head is missing")));
    }
    transaction.commit().map_err(Failed::Database)
}

fn sqlite_taken(connection: &rusqlite::Connection) -> rusqlite::Result<Vec<(i64, String)>> {
    let mut statement = connection.prepare("SELECT version, checksum FROM migrations ORDER BY version")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}
