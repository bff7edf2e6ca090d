//! What is done when what was written cannot be read back.

use std::{
    path::{Path, PathBuf},
    sync::mpsc::channel,
};

use super::*;
use crate::sqlite::Place;

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
    Writer { witness: Some(witness), checkpointer: None, connection, messages, most: 1, shared, failed: None }
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
