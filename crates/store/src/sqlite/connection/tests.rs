//! A disk that is full and a file that cannot be written, as SQLite reports them.

use jiff::Timestamp;
use serde_json::json;

use super::*;
use crate::{
    AuditRecord, Commit, Expect, ObjectKind, Op, Outcome,
    apply::{Prepared, apply},
};

fn large(number: usize) -> Prepared {
    let body = json!("x".repeat(20_000));
    let op = Op::PutObject { kind: ObjectKind::Setting, name: number.to_string(), body, expect: Expect::Absent };
    let audit = AuditRecord::new(Timestamp::UNIX_EPOCH, "put", Outcome::Allowed);
    Prepared::new(Commit { ops: vec![op], audit, refused: None }).unwrap()
}

fn commit(connection: &mut Sqlite, number: usize) -> Result<(), StoreError> {
    ready(apply(connection, &[&large(number)])).map(drop).map_err(|failure| failure.error)
}

fn rows(connection: &Sqlite, table: &str) -> i64 {
    connection.run(&format!("SELECT count(*) FROM {table}"), &[]).unwrap().remove(0).int().unwrap()
}

fn in_file(folder: &Path) -> Sqlite {
    Sqlite::open(&Place::File(folder.join("store.db"))).unwrap()
}

#[test]
fn a_full_disk_writes_nothing_of_a_commit_and_takes_the_next_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let mut connection = in_file(folder.path());
    connection.batch("PRAGMA max_page_count = 60").unwrap();
    let mut number = 0;
    let error = loop {
        match commit(&mut connection, number) {
            Ok(()) => number += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(&error, StoreError::Unavailable { what, .. } if what.contains("the disk is full")), "{error:?}");
    let kept = i64::try_from(number).unwrap();
    assert!(kept > 0);
    assert_eq!((rows(&connection, "objects"), rows(&connection, "audit")), (kept, kept));
    connection.batch("PRAGMA max_page_count = 1000").unwrap();
    commit(&mut connection, number).unwrap();
    assert_eq!(rows(&connection, "audit"), kept + 1);
}

#[test]
fn a_file_that_cannot_be_written_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let mut connection = in_file(folder.path());
    connection.batch("PRAGMA query_only = ON").unwrap();
    let error = commit(&mut connection, 0).unwrap_err();
    assert!(matches!(&error, StoreError::Unusable { .. }), "{error:?}");
    assert!(error.hint().unwrap().contains("must be able to write"));
    assert_eq!(rows(&connection, "audit"), 0);
}

#[test]
fn every_commit_is_synced() {
    let folder = tempfile::tempdir().unwrap();
    let connection = in_file(folder.path());
    let text =
        |name: &str| -> String { connection.inner.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0)).unwrap() };
    assert_eq!(text("journal_mode"), "wal");
    assert_eq!(connection.pragma("synchronous").unwrap(), 2); // FULL
    assert_eq!(connection.pragma("foreign_keys").unwrap(), 1);
}

#[test]
fn a_reader_cannot_write() {
    let folder = tempfile::tempdir().unwrap();
    let _writer = in_file(folder.path());
    let reader = Sqlite::open_reader(&folder.path().join("store.db")).unwrap();
    assert!(reader.run("UPDATE head SET seq = 9", &[]).is_err());
}
