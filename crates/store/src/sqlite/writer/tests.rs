//! What is done when what was written cannot be read back, or did not fit.

use std::{
    path::{Path, PathBuf},
    sync::mpsc::channel,
};

use carnet_core::hex;
use jiff::Timestamp;
use serde_json::json;

use super::*;
use crate::{AuditRecord, Commit, Committed, Expect, NodeRow, ObjectKind, Op, Outcome, sqlite::Place};

/// A writer whose witness does not wait for locks, on a file without a log, where who writes can keep others from reading.
fn writer(path: &Path) -> Writer {
    let connection = Sqlite::open(&Place::File(path.to_owned())).unwrap();
    connection.run("PRAGMA journal_mode = DELETE", &[]).unwrap();
    let witness = Witness::open(path).unwrap();
    witness.without_patience();
    let shared = Arc::new(Shared {
        transactions: AtomicU64::new(0),
        revision: watch::Sender::new(0),
        waiting: AtomicUsize::new(0),
    });
    let (_, messages) = channel();
    Writer {
        witness: Some(witness),
        checkpointer: None,
        connection,
        messages,
        most: 1,
        shared,
        failed: None,
        in_doubt: false,
    }
}

fn place(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("store.db")
}

#[test]
fn a_read_that_fails_once_stops_only_what_it_was_for() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = writer(&place(&folder));
    writer.check().unwrap();
    writer.connection.run("PRAGMA locking_mode = EXCLUSIVE", &[]).unwrap();
    let error = writer.check().unwrap_err();
    assert!(matches!(&error, StoreError::Unknown { what, .. } if what.contains("read back")), "{error:?}");
    assert_eq!(writer.failed, None);
    writer.connection.run("PRAGMA locking_mode = NORMAL", &[]).unwrap();
    writer.check().unwrap();
}

#[test]
fn a_head_that_is_another_stops_all_that_comes_after() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = writer(&place(&folder));
    writer.check().unwrap();
    // In another file: what is written never gets where the witness looks.
    let other = folder.path().join("other.db");
    writer.connection = Sqlite::open(&Place::File(other)).unwrap();
    writer.connection.run("UPDATE head SET seq = 7", &[]).unwrap();
    let error = writer.check().unwrap_err();
    assert!(matches!(&error, StoreError::Corrupt { .. }), "{error:?}");
    assert_eq!(writer.failed.as_ref(), Some(&error));
    assert_eq!(writer.check().unwrap_err(), error);
}

/// Of about four pages.
fn commit(writer: &mut Writer, number: usize) -> Result<(), StoreError> {
    let body = json!(hex(&[7; 6000]));
    let name = number.to_string();
    let done = write(writer, Op::PutObject { kind: ObjectKind::Setting, name, body, expect: Expect::Absent })?;
    assert!(matches!(done, Committed::Done { .. }), "{done:?}");
    Ok(())
}

fn write(writer: &mut Writer, op: Op) -> Result<Committed, StoreError> {
    let audit = AuditRecord::new(Timestamp::UNIX_EPOCH, "put", Outcome::Allowed);
    let prepared = Prepared::new(Commit { ops: vec![op], audit, refused: None }).unwrap();
    let (reply, mut answer) = oneshot::channel();
    writer.write(vec![(Box::new(prepared), reply)]);
    answer.try_recv().unwrap()
}

fn limit(writer: &Writer, pages: usize) {
    writer.connection.run(&format!("PRAGMA max_page_count = {pages}"), &[]).unwrap();
}

#[test]
fn a_disk_too_full_for_a_commit_fails_the_check_although_a_page_fits() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = writer(&place(&folder));
    limit(&writer, 60);
    writer.check().unwrap();
    let mut number = 0;
    let full = loop {
        match commit(&mut writer, number) {
            Ok(()) => number += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(&full, StoreError::Unavailable { what, .. } if what.contains("the disk is full")), "{full:?}");
    writer.connection.run("UPDATE head SET checks = checks + 1", &[]).unwrap();
    for _ in 0..3 {
        assert_eq!(writer.check().unwrap_err(), full);
    }
    limit(&writer, 1000);
    writer.check().unwrap();
    commit(&mut writer, number).unwrap();
    let left = writer.connection.run("SELECT count(*) FROM join_tokens", &[]).unwrap().remove(0).int().unwrap();
    assert_eq!(left, 0, "what was written to see takes no room");
}

#[test]
fn a_commit_that_cannot_be_stored_by_itself_puts_nothing_in_doubt() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = writer(&place(&folder));
    commit(&mut writer, 0).unwrap();
    let row = NodeRow {
        id: "node".to_owned(),
        kind: "join-token".to_owned(),
        selectors: Vec::new(),
        serial: "0a".to_owned(),
        expires_at: Timestamp::UNIX_EPOCH,
        banned: false,
        reattestable: false,
        attested_at: Timestamp::UNIX_EPOCH,
        revision: 0,
    };
    let error = write(&mut writer, Op::UpdateNode { row, expect: u64::MAX }).unwrap_err();
    assert!(matches!(error, StoreError::Invalid(_)), "{error:?}");
    limit(&writer, 1);
    writer.check().unwrap();
}
