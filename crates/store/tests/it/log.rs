//! The write-ahead log of SQLite: it is moved into the file and begun anew while commits go on.

use std::{fs, os::unix::fs::FileExt as _, path::Path};

use carnet_store::{AuditVerdict, verify_audit};
use tempfile::tempdir;

use crate::support::{is_done, numbered, store, url};

/// At so many pages SQLite itself moves the log, after a commit, if nothing else has (`wal_autocheckpoint`).
const LAST_RESORT: u64 = 16_000;
/// A page and the header of its frame, in bytes ("Database File Format", 4.1 "WAL File Format").
const FRAME: u64 = 4096 + 24;

/// How often the log was begun anew: the checkpoint sequence number, in bytes 12 to 15 of the log's header (4.1 there).
fn begun(log: &Path) -> u32 {
    let mut number = [0; 4];
    fs::File::open(log).unwrap().read_exact_at(&mut number, 12).unwrap();
    u32::from_be_bytes(number)
}

#[tokio::test]
async fn a_log_that_is_long_is_begun_anew_while_commits_go_on() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("store.db");
    let store = store(&url(&file)).await;
    assert!(is_done(&store.commit(numbered(0)).await.unwrap()));
    let log = file.with_file_name("store.db-wal");
    let (first, mut next) = (begun(&log), 1);
    while begun(&log) < first + 2 {
        assert!(is_done(&store.commit(numbered(next)).await.unwrap()));
        next += 1;
        let length = fs::metadata(&log).unwrap().len();
        assert!(length < LAST_RESORT * FRAME, "{length} bytes after {next} commits");
    }
    assert!(matches!(verify_audit(&*store, None).await.unwrap(), AuditVerdict::Intact(head) if head.seq == next));
    // What was in the log before is in the file: nothing is lost without it.
    store.close().await;
    assert!(!log.exists());
    let again = crate::support::store(&url(&file)).await;
    assert!(matches!(verify_audit(&*again, None).await.unwrap(), AuditVerdict::Intact(head) if head.seq == next));
}
