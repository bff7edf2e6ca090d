//! Spans of what the agent does.

use std::{
    fmt::{Debug, Write as _},
    sync::{Arc, Mutex},
};

use tracing::{
    Subscriber,
    field::{Field, Visit},
    span,
    subscriber::{set_default, set_global_default},
};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt as _},
    registry,
};

use crate::support::{Desk, Node, entry, until};

/// Keeps the spans that are made: name and fields, as `name a=1 b=2`.
#[derive(Clone, Debug, Default)]
struct Spans(Arc<Mutex<Vec<String>>>);

impl<S: Subscriber> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &span::Attributes<'_>, _: &span::Id, _: Context<'_, S>) {
        let mut text = Text(attributes.metadata().name().to_owned());
        attributes.record(&mut text);
        self.0.lock().unwrap().push(text.0);
    }
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

impl Spans {
    fn count(&self, span: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|seen| *seen == span).count()
    }
}

#[tokio::test]
async fn attesting_asking_what_is_new_and_each_batch_of_svids_is_a_span() {
    // The spans are of this thread, which is this test's. Other tests pass the same places meanwhile: without any subscriber
    // `tracing` would note there that nobody cares (tracing-core 0.1.36, `callsite`, `Rebuilder::JustOne`).
    drop(set_global_default(registry()));
    let spans = Spans::default();
    let _guard = set_default(registry().with(spans.clone()));
    let desk = Desk::new();
    desk.change(|mood| mood.entries = vec![entry("a", 0), entry("b", 1)]);
    let node = Node::serving(&desk).await;
    until("both are ready", || node.agent.facts().x509_svids == 2).await;
    assert_eq!(spans.count("have X509-SVIDs signed count=2"), 1);
    // One question that was answered, and one that is held.
    until("it asks again", || spans.count("ask the authority what is new") == 2).await;
    let attested = format!("attest a workload workload.pid={}", std::process::id());
    assert_eq!(spans.count(&attested), 0);
    let svids = node.api().await.fetch_jwt_svid(&["x"], Some("spiffe://example.org/a")).await.unwrap();
    assert_eq!(spans.count(&attested), 1);
    assert_eq!(spans.count("have JWT-SVIDs signed count=1"), 1);
    let all = spans.0.lock().unwrap().join("\n");
    assert!(!all.contains(svids[0].token.expose()) && !all.contains("spiffe://"), "{all}");
}
