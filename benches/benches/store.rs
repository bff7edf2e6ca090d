//! What a durable commit costs: one key used and one audit record, alone and 64 at a time, beside a bare append with fdatasync
//! on the same disk in the same minute. The rounds are interleaved, so that a neighbour's writes fall on all alike.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark measures time, says what it saw, and stops when it cannot be set up"
)]

use std::{
    fs::File,
    io::Write as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use carnet_store::{AuditRecord, Commit, Committed, Op, Options, Outcome, Store, open, testing::TestPostgres};
use divan::Bencher;
use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::runtime::Runtime;

/// Commits of a group.
const GROUP: usize = 64;
/// Rounds, each with all candidates.
const ROUNDS: usize = 9;
/// Times in a round.
const TIMES: usize = 100;

fn main() {
    compare();
    divan::main();
}

/// A place to write, and the stores in it.
struct Bench {
    runtime: Runtime,
    folder: tempfile::TempDir,
    next: AtomicU64,
}

impl Bench {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { runtime, folder: tempfile::tempdir().unwrap(), next: AtomicU64::new(0) }
    }

    fn open(&self, url: &str) -> Arc<dyn Store> {
        self.runtime.block_on(open(url, Options::default())).unwrap()
    }

    fn sqlite(&self) -> Arc<dyn Store> {
        self.open(&format!("sqlite:{}", self.folder.path().join("store.db").display()))
    }

    fn file(&self) -> File {
        File::create(self.folder.path().join("raw")).unwrap()
    }

    fn commits(&self, store: &dyn Store, count: usize) {
        let all = join_all((0..count).map(|_| store.commit(self.commit())));
        for outcome in self.runtime.block_on(all) {
            assert!(matches!(outcome.unwrap(), Committed::Done { .. }));
        }
    }

    /// An audit record of some 520 bytes, as an exchange leaves it.
    fn commit(&self) -> Commit {
        let now = Timestamp::from_second(1_795_262_400).unwrap();
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut key = [7; 32];
        key.iter_mut().zip(number.to_be_bytes()).for_each(|(to, from)| *to = from);
        let audit = AuditRecord {
            actor: "https://token.actions.githubusercontent.com".to_owned(),
            subject: "repo:carnet-sandbox/app:ref:refs/heads/main".to_owned(),
            principal: "spiffe://example.org/deploy/app".to_owned(),
            audiences: vec!["https://service.example.org".to_owned()],
            rule: Some("deploy".to_owned()),
            token_id: Some(format!("0190f5c4-0000-7000-8000-{number:012x}")),
            peer: Some("192.0.2.17".to_owned()),
            request_id: format!("0190f5c4-0000-7000-9000-{number:012x}"),
            ..AuditRecord::new(now, "token.exchange", Outcome::Allowed)
        };
        Commit { ops: vec![Op::UseOnce { key, until: now }], audit, refused: None }
    }
}

fn append(file: &mut File) {
    file.write_all(&[b'x'; 512]).unwrap();
    file.sync_data().unwrap();
}

/// Median of the rounds, in commits a second.
fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied().unwrap_or_default()
}

fn rate(count: usize, work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    f64::from(u32::try_from(count).unwrap()) / start.elapsed().as_secs_f64()
}

/// Prints commits a second, and their ratio to the bare appends.
fn compare() {
    let bench = Bench::new();
    let (sqlite, mut file) = (bench.sqlite(), bench.file());
    let server = TestPostgres::start(&[]).unwrap();
    let postgres = bench.open(&server.database().unwrap());
    let mut seen: [Vec<f64>; 5] = Default::default();
    for _ in 0..ROUNDS {
        let [raw, sqlite_one, sqlite_group, postgres_one, postgres_group] = &mut seen;
        raw.push(rate(TIMES, || (0..TIMES).for_each(|_| append(&mut file))));
        sqlite_one.push(rate(TIMES, || (0..TIMES).for_each(|_| bench.commits(&*sqlite, 1))));
        sqlite_group.push(rate(TIMES * GROUP, || (0..TIMES).for_each(|_| bench.commits(&*sqlite, GROUP))));
        postgres_one.push(rate(TIMES, || (0..TIMES).for_each(|_| bench.commits(&*postgres, 1))));
        postgres_group.push(rate(10 * GROUP, || (0..10).for_each(|_| bench.commits(&*postgres, GROUP))));
    }
    let [raw, sqlite_one, sqlite_group, postgres_one, postgres_group] = seen.map(median);
    println!("{:<34} {:>10} {:>8}", "medians of interleaved rounds", "per second", "ratio");
    for (name, seen) in [
        ("append 512 bytes and fdatasync", raw),
        ("SQLite, one commit at a time", sqlite_one),
        ("SQLite, 64 commits at a time", sqlite_group),
        ("PostgreSQL, one commit at a time", postgres_one),
        ("PostgreSQL, 64 commits at a time", postgres_group),
    ] {
        println!("{name:<34} {seen:>10.0} {:>8.2}", seen / raw);
    }
    println!();
}

#[divan::bench]
fn append_and_sync(bencher: Bencher<'_, '_>) {
    let bench = Bench::new();
    let mut file = bench.file();
    bencher.bench_local(|| append(&mut file));
}

#[divan::bench]
fn sqlite_one(bencher: Bencher<'_, '_>) {
    let bench = Bench::new();
    let store = bench.sqlite();
    bencher.bench_local(|| bench.commits(&*store, 1));
}

#[divan::bench]
fn sqlite_64_together(bencher: Bencher<'_, '_>) {
    let bench = Bench::new();
    let store = bench.sqlite();
    bencher.bench_local(|| bench.commits(&*store, GROUP));
}

/// No disk: what the store itself costs.
#[divan::bench]
fn in_memory_64_together(bencher: Bencher<'_, '_>) {
    let bench = Bench::new();
    let store = bench.open("sqlite::memory:");
    bencher.bench_local(|| bench.commits(&*store, GROUP));
}
