//! What it costs to find the entries of an agent among 1,000 and among 100,000: nine, in both ways.
#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up must stop")]

use std::{collections::BTreeSet, fmt::Write as _, sync::Arc};

use carnet_attest::Registration;
use carnet_core::{Context, SystemRandom, test_context};
use carnet_entries::{By, Entries, EntriesParts, EntryFile};
use carnet_spiffe::{BundleMap, SpiffeId};
use carnet_store::Options;
use divan::{Bencher, black_box};
use tokio::{runtime, sync::watch};

/// Entries of each agent.
const EACH: usize = 10;

fn main() {
    divan::main();
}

/// That many entries: every agent has eight of its own, and one by a group that its selector puts it in.
fn entries(count: usize) -> Arc<Entries> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut text = String::new();
    // Writing to a String does not fail.
    for agent in 0..count / EACH {
        let parent = format!("spiffe://example.org/carnet/agent/join-token/{agent}");
        for own in 0..EACH - 2 {
            let _ = write!(
                text,
                "[[entry]]\nspiffe_id = \"spiffe://example.org/ns/{agent}/sa/{own}\"\nparent_id = \"{parent}\"\n\
                 selectors = [\"k8s:ns:{agent}\", \"k8s:sa:{own}\"]\n"
            );
        }
        let _ = write!(
            text,
            "[[entry]]\nspiffe_id = \"spiffe://example.org/group/{agent}\"\nselectors = [\"rack:{agent}\"]\n\
             parent_id = \"spiffe://example.org/carnet/authority\"\n\
             [[entry]]\nspiffe_id = \"spiffe://example.org/member/{agent}\"\nselectors = [\"unix:uid:{agent}\"]\n\
             parent_id = \"spiffe://example.org/group/{agent}\"\n"
        );
    }
    runtime.block_on(async {
        let store = carnet_store::open("sqlite::memory:", Options::default()).await.expect("a store");
        let context = Context { random: Arc::new(SystemRandom), ..test_context() };
        let parts = EntriesParts {
            store,
            context,
            trust_domain: "example.org".parse().expect("a trust domain"),
            bundles: watch::Sender::new(Arc::new(BundleMap::default())).subscribe(),
        };
        let entries = Entries::open(parts).await.expect("entries");
        let file = EntryFile::parse(&text).expect("a file of entries");
        file.apply(&entries, "bench", &By::itself("bench")).await.expect("entries are made");
        assert_eq!(entries.len(), count);
        entries
    })
}

#[divan::bench(args = [1_000, 100_000])]
fn authorized(bencher: Bencher<'_, '_>, count: usize) {
    let entries = entries(count);
    let agent: SpiffeId = "spiffe://example.org/carnet/agent/join-token/7".parse().expect("an ID");
    let selectors = BTreeSet::from(["rack:7".parse().expect("a selector")]);
    assert_eq!(entries.authorized(&agent, &selectors).len(), EACH - 1);
    bencher
        .bench_local(|| -> Arc<[Arc<Registration>]> { entries.authorized(black_box(&agent), black_box(&selectors)) });
}
