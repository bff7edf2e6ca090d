//! A PostgreSQL that goes away, and connections that are refused.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

use carnet_core::{BoxFuture, Error};
use carnet_store::{
    AuditVerdict, ByteStream, Options, StoreError, TlsConnector, open, testing::TestPostgres, verify_audit,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{UnixListener, UnixStream},
    task::JoinSet,
};

use crate::support::{fill, is_done, noon, numbered, refusal, store};

/// Forwards everything.
const PASS: u8 = 0;
/// Passes the next COMMIT on, and then hangs up without its answer.
const LOSE_ANSWER: u8 = 1;
/// Hangs up instead of passing the next COMMIT on.
const LOSE_COMMIT: u8 = 2;
/// As the first, and takes no connections any more.
const LOSE_ALL: u8 = 3;

/// A proxy in front of the server's socket.
struct Proxy {
    url: String,
    mode: Arc<AtomicU8>,
    _folder: tempfile::TempDir,
    _tasks: JoinSet<()>,
}

impl Proxy {
    fn start(url: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (address, host) = url.split_once("host=").unwrap();
        let server = Path::new(host).join(".s.PGSQL.5432");
        let listener = UnixListener::bind(folder.path().join(".s.PGSQL.5432")).unwrap();
        let mode = Arc::new(AtomicU8::new(PASS));
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, server, Arc::clone(&mode)));
        Self { url: format!("{address}host={}", folder.path().display()), mode, _folder: folder, _tasks: tasks }
    }
}

async fn accept(listener: UnixListener, server: PathBuf, mode: Arc<AtomicU8>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        if mode.load(Ordering::SeqCst) == LOSE_ALL {
            continue;
        }
        let server = UnixStream::connect(&server).await.unwrap();
        connections.spawn(forward(client, server, Arc::clone(&mode)));
    }
}

async fn forward(client: UnixStream, server: UnixStream, mode: Arc<AtomicU8>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let back = tokio::io::copy(&mut from_server, &mut to_client);
    let forth = async {
        let mut buffer = vec![0; 65536];
        loop {
            let count = from_client.read(&mut buffer).await.unwrap_or(0);
            let sent = &buffer[..count];
            let commits = sent.windows(7).any(|bytes| bytes == b"COMMIT\0");
            match mode.load(Ordering::SeqCst) {
                _ if count == 0 => return,
                PASS => to_server.write_all(sent).await.unwrap(),
                LOSE_COMMIT if commits => return mode.store(PASS, Ordering::SeqCst),
                lose if commits => {
                    if lose == LOSE_ANSWER {
                        mode.store(PASS, Ordering::SeqCst);
                    }
                    return to_server.write_all(sent).await.unwrap();
                }
                _ => to_server.write_all(sent).await.unwrap(),
            }
        }
    };
    tokio::select! {
        biased;
        () = forth => {}
        _ = back => {}
    }
}

/// A store behind a proxy with one commit in it, and the proxy now does this.
async fn behind(mode: u8) -> (Proxy, Arc<dyn carnet_store::Store>) {
    let proxy = Proxy::start(&TestPostgres::shared().unwrap().database().unwrap());
    let store = store(&proxy.url).await;
    fill(&*store, 1).await;
    proxy.mode.store(mode, Ordering::SeqCst);
    (proxy, store)
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_found_to_have_happened() {
    let (_proxy, store) = behind(LOSE_ANSWER).await;
    assert!(is_done(&store.commit(numbered(2)).await.unwrap()));
    assert!(is_done(&store.commit(numbered(3)).await.unwrap()));
    assert!(matches!(verify_audit(&*store, None).await.unwrap(), AuditVerdict::Intact(head) if head.seq == 3));
}

#[tokio::test]
async fn a_commit_that_was_lost_itself_is_found_not_to_have_happened() {
    let (_proxy, store) = behind(LOSE_COMMIT).await;
    let error = store.commit(numbered(2)).await.unwrap_err();
    assert!(matches!(&error, StoreError::Unavailable { what, .. } if what.contains("has not happened")), "{error:?}");
    assert_eq!(store.audit_head().await.unwrap().seq, 1);
    // The same again has not been used up.
    assert!(is_done(&store.commit(numbered(2)).await.unwrap()));
}

#[tokio::test]
async fn a_commit_that_nobody_can_be_asked_about_is_refused_as_unknown() {
    let (proxy, store) = behind(LOSE_ALL).await;
    let error = store.commit(numbered(2)).await.unwrap_err();
    assert!(matches!(error, StoreError::Unknown { .. }), "{error:?}");
    proxy.mode.store(PASS, Ordering::SeqCst);
    // It had happened, as can be seen now.
    assert_eq!(store.audit_head().await.unwrap().seq, 2);
}

#[tokio::test]
async fn a_server_that_crashes_loses_nothing_and_is_found_again() {
    let server = TestPostgres::start(&[]).unwrap();
    let url = server.database().unwrap();
    let store = store(&url).await;
    fill(&*store, 20).await;
    server.crash_and_restart().unwrap();
    assert_eq!(store.entries(None, 100).await.unwrap().len(), 20);
    assert!(is_done(&store.commit(numbered(21)).await.unwrap()));
    store.check().await.unwrap();
    assert!(matches!(verify_audit(&*store, None).await.unwrap(), AuditVerdict::Intact(head) if head.seq == 21));
}

#[tokio::test]
async fn a_store_whose_server_is_gone_refuses_at_once() {
    let server = TestPostgres::start(&["fsync=off"]).unwrap();
    let store = store(&server.database().unwrap()).await;
    fill(&*store, 1).await;
    drop(server);
    let error = store.commit(numbered(2)).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
    assert!(store.check().await.is_err());
    assert!(store.entries(None, 1).await.is_err());
}

#[tokio::test]
async fn rejects_a_server_that_is_not_there() {
    assert!(matches!(refusal("postgres://carnet@/x?host=/nonexistent").await, StoreError::Unavailable { .. }));
}

#[tokio::test]
async fn rejects_a_database_that_is_not_there() {
    let url = TestPostgres::shared().unwrap().database().unwrap().replace("/store", "/absent");
    let error = refusal(&url).await;
    assert!(error.hint().unwrap().contains("createdb"), "{error:?}");
}

#[tokio::test]
async fn rejects_addresses_that_lack_something_and_never_shows_them() {
    for url in [
        "postgres://",
        "postgres://carnet:pa55word@/carnet?sslmode=disable",
        "postgres://carnet:pa55word@db.example",
        "postgres://carnet:pa55word@db.example/carnet?nonsense=1",
        "postgres://carnet:pa55word@db.example/carnet?sslmode=prefer",
        "postgres://carnet:pa55word@db.example/carnet?sslmode=disable&sslmode=require",
    ] {
        let error = refusal(url).await;
        assert!(matches!(error, StoreError::Unusable { .. }), "{url}: {error:?}");
        assert!(!format!("{error:?}").contains("pa55word"), "{error:?}");
    }
}

#[tokio::test]
async fn rejects_a_distant_server_without_tls() {
    for url in [
        "postgres://carnet@db.example/carnet",
        "postgres://carnet@127.0.0.1/carnet?sslmode=require",
        "postgres://carnet@localhost/carnet?sslmode=verify-full",
    ] {
        let error = refusal(url).await;
        assert!(error.to_string().contains("through TLS"), "{url}: {error:?}");
    }
}

/// Passes the bytes on, which no server that speaks TLS would take.
#[derive(Debug)]
struct Passing;

impl TlsConnector for Passing {
    fn connect(
        &self,
        _: String,
        stream: Box<dyn ByteStream>,
    ) -> BoxFuture<'static, Result<Box<dyn ByteStream>, Error>> {
        Box::pin(async { Ok(stream) })
    }
}

#[tokio::test]
async fn rejects_a_server_that_has_no_tls() {
    let url = format!("{}&sslmode=require", TestPostgres::shared().unwrap().database().unwrap());
    let options = Options { tls: Some(Arc::new(Passing)), ..Options::default() };
    let error = open(&url, options).await.map(drop).unwrap_err();
    assert!(error.to_string().contains("TLS"), "{error:?}");
}

#[tokio::test]
async fn a_server_too_full_for_a_commit_fails_the_check_until_there_is_room() {
    let server = TestPostgres::shared().unwrap();
    let url = server.database().unwrap();
    let store = store(&url).await;
    fill(&*store, 1).await;
    // As when a table can take no more page, while the head is written in place.
    let full = "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS \
                $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$;";
    server.sql(&url, full).unwrap();
    for table in ["audit", "join_tokens"] {
        let sql =
            format!("CREATE TRIGGER full_{table} BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION no_room();");
        server.sql(&url, &sql).unwrap();
    }
    store.check().await.unwrap();
    let error = store.commit(numbered(2)).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
    for _ in 0..2 {
        assert!(matches!(store.check().await.unwrap_err(), StoreError::Unavailable { .. }));
    }
    server.sql(&url, "DROP FUNCTION no_room CASCADE;").unwrap();
    store.check().await.unwrap();
    assert!(is_done(&store.commit(numbered(2)).await.unwrap()));
}

#[tokio::test]
async fn a_commit_that_was_lost_is_not_taken_for_what_was_deleted_before_it() {
    let server = TestPostgres::shared().unwrap();
    let proxy = Proxy::start(&server.database().unwrap());
    let store = store(&proxy.url).await;
    fill(&*store, 1).await;
    store.prune(noon()).await.unwrap();
    proxy.mode.store(LOSE_COMMIT, Ordering::SeqCst);
    store.prune(noon()).await.unwrap_err();
    proxy.mode.store(LOSE_COMMIT, Ordering::SeqCst);
    let error = store.commit(numbered(2)).await.unwrap_err();
    assert!(error.to_string().contains("has not happened"), "{error}");
    assert!(is_done(&store.commit(numbered(2)).await.unwrap()));
}
