//! Watches: one line of JSON for each change, until the client goes, its time is up, or the server stops ("Kubernetes API Concepts", "Efficient detection
//! of changes").

use std::{collections::VecDeque, sync::Arc, time::Duration};

use axum::{body::Body, response::IntoResponse as _};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, header};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::{
    sync::watch::Receiver,
    time::{Instant, sleep_until},
};

use crate::{
    call::Call,
    cluster::Cluster,
    objects::Target,
    reply::{Answer, ApiError},
    selector::Selector,
    store::{Change, What},
};

/// How soon after a change that does not concern it a watch is told of the version. API servers do so about once a minute.
const BOOKMARK_AFTER: Duration = Duration::from_millis(50);
/// How long a watch lasts that does not say (`--min-request-timeout`, in seconds).
const USUAL: u64 = 1800;

/// A watch while it runs.
struct Running {
    cluster: Arc<Cluster>,
    told: Receiver<(u64, u64)>,
    life: u64,
    resource: String,
    kind: String,
    api_version: String,
    namespace: Option<String>,
    selector: Selector,
    bookmarks: bool,
    /// The version up to which everything was looked at.
    seen: u64,
    /// The last one that the client was told of.
    said: u64,
    waiting: VecDeque<Bytes>,
    end: Instant,
    over: bool,
}

/// Answers a watch.
pub(crate) fn answer(cluster: &Arc<Cluster>, call: &Call, target: &Target<'_>) -> Answer {
    let objects = cluster.objects();
    let asked = call.query("resourceVersion").filter(|text| *text != "0");
    let from =
        asked.map(|text| text.parse::<u64>().map_err(|_not_one| ApiError::bad("resourceVersion is not a number")));
    let from = from.transpose()?;
    if from.is_some_and(|from| objects.since(from).is_none()) {
        return Err(too_old(from.unwrap_or_default(), objects.version()));
    }
    let seconds = call.query("timeoutSeconds").and_then(|text| text.parse().ok()).unwrap_or(USUAL);
    let mut running = Running {
        cluster: Arc::clone(cluster),
        told: objects.watch(),
        life: objects.life(),
        resource: target.resource.full(),
        kind: target.resource.kind.clone(),
        api_version: target.resource.api_version(),
        namespace: target.namespace.map(str::to_owned),
        selector: Selector::of(call)?,
        bookmarks: call.flag("allowWatchBookmarks"),
        seen: from.unwrap_or(objects.version()),
        said: from.unwrap_or_default(),
        waiting: VecDeque::new(),
        end: Instant::now() + Duration::from_secs(seconds),
        over: false,
    };
    if from.is_none() {
        // Without a version, what is there comes first, as if it had just been made.
        let there = objects.of(&running.resource, target.namespace).map(|(_, object)| object);
        let there = there.filter(|object| running.selector.matches(object));
        let there: VecDeque<Bytes> = there.map(|object| line(What::Added.name(), object)).collect();
        running.waiting = there;
    }
    drop(objects);
    let body = stream::unfold(running, |mut running| async move {
        let next = running.next().await?;
        Some((Ok::<_, std::convert::Infallible>(next), running))
    });
    let kind = HeaderValue::from_static("application/json");
    Ok(([(header::CONTENT_TYPE, kind)], Body::from_stream(body)).into_response())
}

impl Running {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(line) = self.waiting.pop_front() {
                return Some(line);
            }
            if self.over {
                return None;
            }
            self.look();
            if !self.waiting.is_empty() || self.over {
                continue;
            }
            let bookmark = self.bookmarks && self.said < self.seen;
            tokio::select! {
                changed = self.told.changed() => self.over = changed.is_err(),
                () = tokio::time::sleep(BOOKMARK_AFTER), if bookmark => {
                    self.said = self.seen;
                    return Some(self.bookmark());
                }
                () = sleep_until(self.end) => {
                    self.over = true;
                    return self.bookmarks.then(|| self.bookmark());
                }
            }
        }
    }

    /// Looks at what has changed.
    fn look(&mut self) {
        let cluster = Arc::clone(&self.cluster);
        let objects = cluster.objects();
        self.told.mark_unchanged();
        if objects.life() != self.life {
            self.over = true;
            return;
        }
        let Some(changes) = objects.since(self.seen) else {
            self.over = true;
            self.waiting.push_back(line("ERROR", &too_old(self.seen, objects.version()).to_json()));
            return;
        };
        let told = changes.filter(|change| self.concerns(change));
        let told: Vec<_> = told.map(|change| (change.version, line(change.what.name(), &change.object))).collect();
        for (version, line) in told {
            self.waiting.push_back(line);
            self.said = version;
        }
        self.seen = objects.version();
    }

    fn concerns(&self, change: &Change) -> bool {
        change.key.resource == self.resource
            && self.namespace.as_ref().is_none_or(|wanted| *wanted == change.key.namespace)
            && self.selector.matches(&change.object)
    }

    fn bookmark(&self) -> Bytes {
        let metadata = json!({ "resourceVersion": self.seen.to_string(), "creationTimestamp": null });
        line("BOOKMARK", &json!({ "kind": self.kind, "apiVersion": self.api_version, "metadata": metadata }))
    }
}

/// One line of a watch.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(rename = "type")]
    what: &'a str,
    object: &'a Value,
}

fn line(what: &str, object: &Value) -> Bytes {
    // There is nothing in it that could not be written.
    let mut line = serde_json::to_vec(&Line { what, object }).unwrap_or_default();
    line.push(b'\n');
    line.into()
}

fn too_old(asked: u64, now: u64) -> ApiError {
    ApiError::expired(format!("too old resource version: {asked} ({now})"))
}
