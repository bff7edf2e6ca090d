//! What keeps a running authority going: schedules, files, store, health, metrics.

use std::{sync::Arc, time::Duration};

use carnet_ops::{Component, FileWatch, Health, Metrics};
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{parts::Parts, store_clock};

/// How often the store is asked whether it can write.
const CHECK_STORE: Duration = Duration::from_secs(5);
/// How often what has expired is removed from the store.
const PRUNE: Duration = Duration::from_mins(5);

pub(crate) fn spawn_keepers(
    parts: &Arc<Parts>,
    health: &Health,
    reload: &watch::Receiver<u64>,
    shutdown: &CancellationToken,
    tasks: &mut JoinSet<()>,
) {
    let (keys, stop) = (Arc::clone(&parts.keys), shutdown.clone());
    tasks.spawn(async move { keys.run(stop).await });
    let (rules, component, stop) = (Arc::clone(&parts.rules), health.component("rules"), shutdown.clone());
    tasks.spawn(async move { rules.run(component, stop).await });
    let identity = Arc::clone(&parts.identity);
    tasks.spawn(identity.run(parts.keys.watch(), health.component("identity"), shutdown.clone()));
    let store = StoreHealth {
        writes: health.component("store"),
        clock: health.component(store_clock::COMPONENT),
        keys: health.component("keys"),
    };
    tasks.spawn(watch_store(Arc::clone(parts), store, shutdown.clone()));
    tasks.spawn(follow_store(Arc::clone(parts), shutdown.clone()));
    tasks.spawn(reload_all(Arc::clone(parts), reload.clone(), shutdown.clone()));
    tasks.spawn(follow_entries(Arc::clone(parts), reload.clone(), health.component("entries"), shutdown.clone()));
}

/// Files of entries, those that are new in a folder among them, whenever something there changes or a reload is asked for.
async fn follow_entries(
    parts: Arc<Parts>,
    mut reload: watch::Receiver<u64>,
    component: Component,
    stop: CancellationToken,
) {
    component.ready();
    let (sender, mut changes) = watch::channel(0);
    if let Ok(watch) = FileWatch::start(parts.settings.entries.clone()) {
        tokio::spawn(watch.run(sender.clone(), stop.clone()));
    }
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            // The sender is kept above, so this does not end.
            _ = changes.changed() => {}
            asked = reload.changed() => if asked.is_err() { stop.cancelled().await },
        }
        match parts.apply_entry_files().await {
            Ok(()) => component.ready(),
            Err(error) => {
                let text = carnet_core::chain(&error).join(": ");
                tracing::error!(error = text, "files of entries are not applied; those from before stay");
                component.degraded(text);
            }
        }
    }
}

async fn reload_all(parts: Arc<Parts>, mut reload: watch::Receiver<u64>, stop: CancellationToken) {
    while let Some(Ok(())) = stop.run_until_cancelled(reload.changed()).await {
        let _ = parts.rules.reload_now().await; // It has reported why not.
        match parts.settings.attest.load(&parts.context) {
            Ok(attestors) => parts.nodes.set_attestors(Arc::new(attestors)),
            Err(mistakes) => {
                let error = crate::rules::refused("node attestation", &mistakes);
                tracing::error!(%error, "node attestation stays as it was");
            }
        }
        match parts.settings.load_clusters(&parts.context) {
            Ok(clusters) => parts.issuer.set_clusters(clusters),
            Err(mistakes) => {
                let error = crate::rules::refused("the clusters", &mistakes);
                tracing::error!(%error, "the clusters stay as they were");
            }
        }
        carnet_ops::systemd::reloaded();
    }
}

/// How much there is of what grows, and how long the keys still sign.
pub(crate) async fn gauges(parts: Arc<Parts>, metrics: Metrics, stop: CancellationToken) {
    let entries = metrics.gauge("entries", "Registration entries.");
    let rules = metrics.gauge("rules", "Trust rules.");
    let signs =
        metrics.gauge("signs_seconds", "Seconds until the first signing key stops, unless another takes its place.");
    let sets = parts.rules.watch();
    loop {
        let now = parts.context.now();
        let ring = parts.keys.ring();
        let first = ring.algorithms().filter_map(|algorithm| ring.signs_until(algorithm)).min();
        entries.set(i64::try_from(parts.entries.len()).unwrap_or(i64::MAX));
        rules.set(i64::try_from(sets.borrow().len()).unwrap_or(i64::MAX));
        signs.set(first.map_or(0, |until| until.duration_since(now).as_secs()));
        if stop.run_until_cancelled(tokio::time::sleep(CHECK_STORE)).await.is_none() {
            return;
        }
    }
}

/// Every algorithm must have a key that still signs.
fn signing_keys(parts: &Parts) -> Result<(), String> {
    let (ring, now) = (parts.keys.ring(), parts.context.now());
    let dead = ring.algorithms().find(|algorithm| ring.signs_until(*algorithm).is_none_or(|until| until <= now));
    match dead {
        Some(algorithm) => Err(format!("there is no key that signs with {algorithm}")),
        None => Ok(()),
    }
}

/// What the store and what is in it say of themselves.
struct StoreHealth {
    writes: Component,
    clock: Component,
    keys: Component,
}

async fn watch_store(parts: Arc<Parts>, health: StoreHealth, stop: CancellationToken) {
    let mut since_prune = Duration::ZERO;
    look_at_clock(&parts, &health.clock).await;
    loop {
        health.writes.outcome(&parts.store.check().await);
        health.keys.outcome(&signing_keys(&parts));
        if since_prune >= PRUNE {
            since_prune = Duration::ZERO;
            if let Err(error) = parts.store.prune(parts.context.now()).await {
                tracing::warn!(%error, "what has expired stays in the store for now");
            }
            look_at_clock(&parts, &health.clock).await;
        }
        if stop.run_until_cancelled(tokio::time::sleep(CHECK_STORE)).await.is_none() {
            return;
        }
        since_prune += CHECK_STORE;
        if let Err(error) = parts.issuer.flush_refusals().await {
            tracing::warn!(%error, "the count of refusals is not written yet");
        }
    }
}

async fn look_at_clock(parts: &Parts, component: &Component) {
    match parts.store.clock().await {
        Ok(clock) => store_clock::report(component, &clock, parts.context.now()),
        Err(error) => component.degraded(error.to_string()),
    }
}

/// Entries that another node of the same store has changed.
async fn follow_store(parts: Arc<Parts>, stop: CancellationToken) {
    let mut changes = parts.store.changes();
    while let Some(Ok(())) = stop.run_until_cancelled(changes.changed()).await {
        if let Err(error) = parts.entries.sync().await {
            tracing::error!(%error, "entries are not read again; the last ones count");
        }
    }
}
