//! SQLite files: who may touch them, and what is wrong with them.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    path::Path,
    task::Poll,
};

use carnet_store::{AuditVerdict, Options, StoreError, open, verify_audit};
use tempfile::{TempDir, tempdir};

use crate::support::{fill, is_done, numbered, refusal, store, url};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

/// A folder with a store in it that was closed.
async fn closed() -> (TempDir, std::path::PathBuf) {
    let folder = tempdir().unwrap();
    let file = folder.path().join("store.db");
    let store = store(&url(&file)).await;
    fill(&*store, 50).await;
    store.close().await;
    (folder, file)
}

#[tokio::test]
async fn the_file_its_log_and_its_folder_are_for_nobody_else() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("made/store.db");
    let store = store(&url(&file)).await;
    fill(&*store, 1).await;
    assert_eq!(mode(file.parent().unwrap()), 0o700);
    for name in ["store.db", "store.db-wal", "store.db-shm"] {
        assert_eq!(mode(&file.with_file_name(name)), 0o600, "{name}");
    }
}

#[tokio::test]
async fn what_was_stored_is_there_after_opening_again() {
    let (_folder, file) = closed().await;
    let store = store(&url(&file)).await;
    assert_eq!(store.entries(None, 100).await.unwrap().len(), 50);
    assert!(matches!(verify_audit(&*store, None).await.unwrap(), AuditVerdict::Intact(head) if head.seq == 50));
    assert!(!is_done(&store.commit(numbered(7)).await.unwrap()));
}

#[tokio::test]
async fn two_stores_on_one_file_keep_one_chain_and_hear_of_each_other() {
    let folder = tempdir().unwrap();
    let url = url(&folder.path().join("store.db"));
    let (one, two) = (store(&url).await, store(&url).await);
    let mut changes = two.changes();
    for number in (1..40).step_by(2) {
        let (a, b, c) =
            tokio::join!(one.commit(numbered(number)), two.commit(numbered(number)), two.commit(numbered(number + 1)),);
        assert_eq!([a.unwrap(), b.unwrap()].iter().filter(|one| is_done(one)).count(), 1);
        assert!(is_done(&c.unwrap()));
    }
    let last = one.commit(numbered(1000)).await.unwrap();
    let carnet_store::Committed::Done { revision, .. } = last else { panic!("a conflict") };
    changes.wait_for(|seen| *seen == revision).await.unwrap();
    assert!(matches!(verify_audit(&*two, None).await.unwrap(), AuditVerdict::Intact(head) if head.seq == 61));
}

#[tokio::test]
async fn rejects_a_file_that_others_may_read() {
    let (_folder, file) = closed().await;
    fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
    let error = refusal(&url(&file)).await;
    assert!(error.to_string().contains("other users may read"), "{error}");
    assert!(error.hint().unwrap().contains("chmod 600"));
}

#[tokio::test]
async fn rejects_a_folder_that_others_may_write() {
    let (folder, file) = closed().await;
    fs::set_permissions(folder.path(), Permissions::from_mode(0o770)).unwrap();
    assert!(refusal(&url(&file)).await.to_string().contains("other users may write in this folder"));
}

#[tokio::test]
async fn rejects_a_link_in_the_place_of_the_file() {
    let (folder, file) = closed().await;
    let link = folder.path().join("link.db");
    symlink(&file, &link).unwrap();
    assert!(matches!(refusal(&url(&link)).await, StoreError::Unusable { .. }));
}

#[tokio::test]
async fn rejects_a_folder_in_the_place_of_the_file() {
    let folder = tempdir().unwrap();
    fs::create_dir(folder.path().join("store.db")).unwrap();
    assert!(matches!(refusal(&url(&folder.path().join("store.db"))).await, StoreError::Unusable { .. }));
}

#[tokio::test]
async fn rejects_a_database_of_something_else() {
    let (folder, _) = closed().await;
    let file = folder.path().join("other.db");
    rusqlite::Connection::open(&file).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    assert!(refusal(&url(&file)).await.to_string().contains("a database of something else"));
}

#[tokio::test]
async fn rejects_a_file_that_is_no_database() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("store.db");
    overwrite(&file, 0, &[b'x'; 8192]);
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    let error = refusal(&url(&file)).await;
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
    assert!(error.hint().unwrap().contains("restore a backup"));
}

#[tokio::test]
async fn rejects_a_damaged_file() {
    let (_folder, file) = closed().await;
    let length = fs::metadata(&file).unwrap().len();
    for page in 2..length / 4096 {
        overwrite(&file, page * 4096, &[0xa5; 64]);
    }
    let error = refusal(&url(&file)).await;
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
}

#[tokio::test]
async fn rejects_a_store_with_a_newer_schema() {
    let (_folder, file) = closed().await;
    let sql = "INSERT INTO migrations (version, checksum) VALUES (99, 'x')";
    rusqlite::Connection::open(&file).unwrap().execute_batch(sql).unwrap();
    let error = refusal(&url(&file)).await;
    assert_eq!(error.to_string(), "the store has schema 99, and this carnet knows schema 2 at most");
}

#[tokio::test]
async fn rejects_a_store_whose_schema_was_made_otherwise() {
    let (_folder, file) = closed().await;
    rusqlite::Connection::open(&file).unwrap().execute_batch("UPDATE migrations SET checksum = 'x'").unwrap();
    assert!(refusal(&url(&file)).await.to_string().contains("step 1 of the store's schema is not the one"));
}

#[tokio::test]
async fn rejects_addresses_that_are_none() {
    for url in ["", "sqlite:", "mysql://carnet:pa55word@db.example/carnet", "/var/lib/carnet/store.db"] {
        let error = refusal(url).await;
        assert!(matches!(error, StoreError::Unusable { .. }), "{url}");
        assert!(!format!("{error:?}").contains("pa55word"));
    }
}

#[tokio::test]
async fn a_commit_that_finds_the_queue_full_is_turned_away() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("store.db");
    let options = Options { queue: 2, ..Options::default() };
    let store = open(&url(&file), options).await.unwrap();
    // Somebody else holds the file, so that the writer gets on with one commit at most.
    let other = rusqlite::Connection::open(&file).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let commits = (0..20).map(|number| store.commit(numbered(number)));
    let all = futures_util::future::join_all(commits);
    let mut all = std::pin::pin!(all);
    let waits = std::future::poll_fn(|cx| Poll::Ready(all.as_mut().poll(cx).is_pending())).await;
    assert!(waits);
    other.execute_batch("ROLLBACK").unwrap();
    let (done, busy): (Vec<_>, Vec<_>) = all.await.into_iter().partition(Result::is_ok);
    assert!(done.len() >= 2 && !busy.is_empty(), "{} done", done.len());
    assert!(busy.iter().all(|error| matches!(error, Err(StoreError::Busy { waiting: 2 }))));
    assert_eq!(store.audit_head().await.unwrap().seq, u64::try_from(done.len()).unwrap());
}

fn overwrite(file: &Path, at: u64, bytes: &[u8]) {
    use std::os::unix::fs::FileExt as _;
    let file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(file).unwrap();
    file.write_all_at(bytes, at).unwrap();
}

/// A store that is in use, and what of its files is bent.
async fn in_use() -> (TempDir, std::path::PathBuf, std::sync::Arc<dyn carnet_store::Store>) {
    let (folder, file) = closed().await;
    let store = store(&url(&file)).await;
    assert!(is_done(&store.commit(numbered(51)).await.unwrap()));
    (folder, file, store)
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the file is moved as an operator does")]
async fn takes_no_commit_while_the_file_or_its_log_is_gone() {
    for name in ["store.db", "store.db-wal"] {
        let (folder, file, store) = in_use().await;
        let (place, aside) = (file.with_file_name(name), folder.path().join("aside"));
        fs::rename(&place, &aside).unwrap();
        let error = store.commit(numbered(52)).await.unwrap_err();
        assert!(error.to_string().contains("deleted or moved while it was in use"), "{name}: {error}");
        assert!(error.hint().unwrap().contains("back in its place"));
        assert!(store.check().await.is_err(), "{name}");
        fs::rename(&aside, &place).unwrap();
        assert!(is_done(&store.commit(numbered(52)).await.unwrap()), "{name}: as good as before");
        store.check().await.unwrap();
    }
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the file is moved as an operator does")]
async fn takes_no_commit_when_another_file_has_taken_the_place() {
    let (folder, file, store) = in_use().await;
    let other = folder.path().join("other");
    fs::copy(&file, &other).unwrap();
    fs::rename(&other, &file).unwrap();
    let error = store.commit(numbered(52)).await.unwrap_err();
    assert!(error.to_string().contains("another file has taken its place"), "{error}");
}

#[tokio::test]
async fn takes_no_commit_after_the_file_was_overwritten() {
    let bent: [fn(&Path); 2] = [
        |path| fs::OpenOptions::new().write(true).open(path).unwrap().set_len(0).unwrap(),
        |path| {
            let length = usize::try_from(fs::metadata(path).unwrap().len()).unwrap();
            std::os::unix::fs::FileExt::write_all_at(
                &fs::OpenOptions::new().write(true).open(path).unwrap(),
                &vec![0x5a; length - 40],
                40,
            )
            .unwrap();
        },
    ];
    for bend in bent {
        let (_folder, file, store) = in_use().await;
        for name in ["store.db", "store.db-wal"] {
            bend(&file.with_file_name(name));
        }
        let error = store.commit(numbered(52)).await.unwrap_err();
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
        assert_eq!(store.commit(numbered(53)).await.unwrap_err(), error, "and none after it");
        assert_eq!(store.check().await.unwrap_err(), error);
    }
}
