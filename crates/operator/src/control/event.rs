//! Events: what people see with `kubectl describe`.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use carnet_core::Context;
use serde_json::json;

use crate::{
    api::EVENTS,
    kube::{Kube, MANAGER, Object},
};

/// Longest message, by the API's own limit.
const MAX_MESSAGE: usize = 1024;
/// Most objects whose last event is remembered.
const REMEMBERED: usize = 10_000;

/// What sort of event it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    Normal,
    Warning,
}

/// Writes events; the same of the same object once.
#[derive(Debug)]
pub(crate) struct Events {
    kube: Kube,
    context: Context,
    last: Mutex<BTreeMap<String, (&'static str, String)>>,
}

impl Events {
    pub(crate) fn new(kube: Kube, context: Context) -> Self {
        Self { kube, context, last: Mutex::default() }
    }

    /// Tells of something that happened to the object. An event that cannot be written is no reason to stop.
    pub(crate) async fn tell(&self, about: &Object, sort: Sort, reason: &'static str, message: &str) {
        let message: String = message.chars().take(MAX_MESSAGE).collect();
        {
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            if last.len() >= REMEMBERED {
                last.clear();
            }
            let told = (reason, message.clone());
            if last.insert(about.uid().to_owned(), told.clone()) == Some(told) {
                return;
            }
        }
        let key = about.key();
        // Those about what is in no namespace are kept in `default`.
        let namespace = if key.namespace.is_empty() { "default" } else { &key.namespace };
        let text = |name: &str| about.0.get(name).cloned().unwrap_or_default();
        let now = self.context.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let event = json!({
            "apiVersion": "v1", "kind": "Event",
            "metadata": { "name": format!("{}.{}", key.name, self.context.random_hex::<8>()), "namespace": namespace },
            "involvedObject": {
                "apiVersion": text("apiVersion"), "kind": text("kind"), "name": key.name, "namespace": key.namespace,
                "uid": about.uid(), "resourceVersion": about.version(),
            },
            "type": match sort { Sort::Normal => "Normal", Sort::Warning => "Warning" },
            "reason": reason, "message": message, "count": 1, "firstTimestamp": now, "lastTimestamp": now,
            "source": { "component": MANAGER }, "reportingComponent": MANAGER, "reportingInstance": "",
        });
        if let Err(error) = self.kube.create(&EVENTS, &event).await {
            tracing::debug!(%error, object = %key, reason, "an event was not written");
        }
    }
}
