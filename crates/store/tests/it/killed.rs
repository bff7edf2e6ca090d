//! A process that is killed at any point: what it said is durable, and nothing is half there.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Command, Stdio},
    sync::Arc,
};

use carnet_core::{Environment as _, SystemEnvironment};
use carnet_store::{AuditFilter, AuditVerdict, Store, testing::TestPostgres, verify_audit};
use futures_util::{StreamExt as _, stream};
use tempfile::tempdir;

use crate::support::{is_done, numbered, store, url};

/// Names the store to the child, and the first number that it may use.
const STORE: &str = "CARNET_STORE_OF_THE_CHILD";
const FIRST: &str = "CARNET_FIRST_NUMBER_OF_THE_CHILD";

/// Commits without end in the child, and fifty numbers otherwise. Each number is said once it is durable.
#[tokio::test]
async fn commits_are_said_once_they_are_durable() {
    let (url, first, last) = match (SystemEnvironment.get(STORE), SystemEnvironment.get(FIRST)) {
        (Some(url), Some(first)) => (url, first.parse().unwrap(), u64::MAX),
        _ => ("sqlite::memory:".to_owned(), 1, 50),
    };
    let is_child = last == u64::MAX;
    let store = store(&url).await;
    let numbers = stream::iter(first..=last);
    numbers
        .map(|number| {
            let store = Arc::clone(&store);
            async move { (number, store.commit(numbered(number)).await.unwrap()) }
        })
        .buffer_unordered(8)
        .for_each(|(number, committed)| async move {
            assert!(is_done(&committed));
            if is_child {
                let mut out = std::io::stdout();
                // By hand: what print! writes is caught by the test runner.
                out.write_all(format!("durable {number}\n").as_bytes()).unwrap();
                out.flush().unwrap();
            }
        })
        .await;
    assert_eq!(store.audit_head().await.unwrap().seq, 50);
}

/// Has a child commit, kills it after it has said so many numbers, and answers them.
fn said_before_the_end(url: &str, first: u64, kill_after: usize) -> Vec<u64> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "killed::commits_are_said_once_they_are_durable", "--nocapture", "--test-threads=1"])
        .env(STORE, url)
        .env(FIRST, first.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut said = Vec::new();
    let number = |line: String| Some(line.rsplit_once("durable ")?.1.parse::<u64>().unwrap());
    while said.len() < kill_after {
        said.extend(number(lines.next().unwrap().unwrap()));
    }
    child.kill().unwrap(); // SIGKILL
    // What it had written before the signal reached it counts as said.
    said.extend(
        lines.map_while(Result::ok).filter(|line| line.ends_with(|c: char| c.is_ascii_digit())).filter_map(number),
    );
    child.wait().unwrap();
    said
}

/// All that was said is there, the chain holds, and of every commit all or nothing.
async fn look(store: &dyn Store, said: &[u64]) {
    let AuditVerdict::Intact(head) = verify_audit(store, None).await.unwrap() else { panic!("the chain is broken") };
    let mut recorded = Vec::new();
    while let Ok(rows) = store.audit(u64::try_from(recorded.len()).unwrap(), 1000, AuditFilter::default()).await
        && !rows.is_empty()
    {
        recorded.extend(rows.into_iter().map(|row| row.record.request_id));
    }
    assert_eq!(u64::try_from(recorded.len()).unwrap(), head.seq);
    recorded.sort();
    let entries: Vec<String> = store.entries(None, 10_000).await.unwrap().into_iter().map(|row| row.id).collect();
    assert_eq!(entries, recorded);
    for id in &recorded {
        assert!(store.token(id.clone()).await.unwrap().is_some(), "no token {id}");
    }
    for number in said {
        assert!(recorded.binary_search(&format!("{number:08}")).is_ok(), "{number} was said and is not there");
    }
}

/// The next of a fixed sequence of numbers that look random (Knuth's MMIX).
fn next(seed: &mut u64) -> usize {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    usize::try_from(*seed >> 56).unwrap()
}

#[tokio::test]
async fn a_killed_process_loses_nothing_that_it_said_in_sqlite() {
    let folder = tempdir().unwrap();
    let url = url(&folder.path().join("store.db"));
    let (mut seed, mut said, mut first) = (20_261_121, Vec::new(), 1);
    for _ in 0..8 {
        said.extend(said_before_the_end(&url, first, 1 + next(&mut seed)));
        // Opened as the next process would: the log that was left behind is read.
        let store = store(&url).await;
        look(&*store, &said).await;
        store.close().await;
        first = said.iter().max().unwrap() + 1000;
    }
}

#[tokio::test]
async fn a_killed_process_loses_nothing_that_it_said_in_postgres() {
    let url = TestPostgres::shared().unwrap().database().unwrap();
    let (mut seed, mut said, mut first) = (42, Vec::new(), 1);
    for _ in 0..4 {
        said.extend(said_before_the_end(&url, first, 1 + next(&mut seed)));
        look(&*store(&url).await, &said).await;
        first = said.iter().max().unwrap() + 1000;
    }
}
