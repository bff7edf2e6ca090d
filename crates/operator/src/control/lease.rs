//! Who of several operators works: who holds the Lease ("Leases", coordination.k8s.io/v1). Whoever holds it renews it; when nobody has for its whole duration, by
//! the clock of who looks and not by what stands in it, another takes it.

use std::time::Duration;

use carnet_core::Context;
use serde_json::{Value, json};
use tokio::{sync::watch, time::Instant};

use crate::{
    api::LEASES,
    kube::{ApiError, Key, Kube, Object},
};

/// How the lease is held.
#[derive(Clone, Debug)]
pub(crate) struct LeaseSettings {
    pub(crate) key: Key,
    /// Who holds it: a name that no other process has.
    pub(crate) identity: String,
    /// After how long without renewal another may take it.
    pub(crate) duration: Duration,
    /// After how long without renewal the holder stops by itself. Less than `duration`.
    pub(crate) deadline: Duration,
    /// How often it is renewed, and looked at.
    pub(crate) retry: Duration,
}

/// One who would lead.
#[derive(Debug)]
pub(crate) struct Leader {
    kube: Kube,
    context: Context,
    settings: LeaseSettings,
    leading: watch::Sender<bool>,
}

/// The lease as it was seen last, and when it changed.
#[derive(Debug)]
struct Seen {
    spec: Value,
    at: Instant,
}

impl Leader {
    pub(crate) fn new(kube: Kube, context: Context, settings: LeaseSettings) -> Self {
        Self { kube, context, settings, leading: watch::Sender::new(false) }
    }

    /// Whether this one leads, and whenever that changes.
    pub(crate) fn watch(&self) -> watch::Receiver<bool> {
        self.leading.subscribe()
    }

    /// Tries to lead, without end.
    pub(crate) async fn run(&self) {
        let mut seen: Option<Seen> = None;
        let mut renewed: Option<Instant> = None;
        loop {
            let begun = Instant::now();
            // Who cannot renew must know it before another may begin.
            let left = renewed.map_or(Duration::ZERO, |renewed| renewed.elapsed());
            let limit = self.settings.deadline.saturating_sub(left).max(Duration::from_millis(1));
            match tokio::time::timeout(limit, self.hold(&mut seen)).await {
                Ok(Ok(true)) => {
                    renewed = Some(begun);
                    self.set(true);
                }
                Ok(Ok(false)) => {
                    renewed = None;
                    self.set(false);
                }
                Ok(Err(error)) => tracing::warn!(lease = %self.settings.key, %error, "the lease could not be held"),
                Err(_elapsed) => tracing::warn!(lease = %self.settings.key, "the lease could not be held in time"),
            }
            if renewed.is_some_and(|renewed| renewed.elapsed() >= self.settings.deadline) {
                renewed = None;
                self.set(false);
            }
            tokio::time::sleep(self.settings.retry).await;
        }
    }

    /// Gives the lease back, so that another need not wait.
    pub(crate) async fn release(&self) {
        if !*self.leading.borrow() {
            return;
        }
        self.set(false);
        let given = async {
            let lease = self.kube.get(&LEASES, &self.settings.key).await?;
            if holder(lease.spec()) != self.settings.identity {
                return Ok(());
            }
            let mut lease = lease.0;
            if let Some(spec) = lease.get_mut("spec").and_then(Value::as_object_mut) {
                spec.insert("holderIdentity".to_owned(), "".into());
                spec.insert("leaseDurationSeconds".to_owned(), 1.into());
            }
            self.kube.replace(&LEASES, &lease).await.map(drop)
        };
        let given: Result<(), ApiError> = given.await;
        if let Err(error) = given {
            tracing::debug!(%error, "the lease was not given back; it runs out");
        }
    }

    /// Takes or renews the lease. `false` when another holds it.
    async fn hold(&self, seen: &mut Option<Seen>) -> Result<bool, ApiError> {
        let Some(lease) = self.kube.find(&LEASES, &self.settings.key).await? else {
            return self.write(None).await;
        };
        let spec = lease.spec().clone();
        if seen.as_ref().is_none_or(|seen| seen.spec != spec) {
            *seen = Some(Seen { spec: spec.clone(), at: Instant::now() });
        }
        let own = holder(&spec) == self.settings.identity;
        let free = holder(&spec).is_empty();
        let lasts = spec.get("leaseDurationSeconds").and_then(Value::as_u64).map(Duration::from_secs);
        // By what the holder has said, where that is longer: it may be set otherwise.
        let lasts = lasts.map_or(self.settings.duration, |lasts| lasts.max(self.settings.duration));
        let over = seen.as_ref().is_some_and(|seen| seen.at.elapsed() >= lasts);
        if own || free || over { self.write(Some(lease)).await } else { Ok(false) }
    }

    /// Writes ourselves into the lease. Of several who do so at once one wins: the others' version is another.
    async fn write(&self, there: Option<Object>) -> Result<bool, ApiError> {
        let now = self.context.now().strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
        let old = there.as_ref().map(|lease| lease.spec().clone()).unwrap_or_default();
        let own = holder(&old) == self.settings.identity;
        let count = old.get("leaseTransitions").and_then(Value::as_u64).unwrap_or_default();
        let count = if own || there.is_none() { count } else { count.saturating_add(1) };
        let since = old.get("acquireTime").filter(|_| own).cloned().unwrap_or_else(|| now.clone().into());
        let spec = json!({
            "holderIdentity": self.settings.identity, "leaseDurationSeconds": self.settings.duration.as_secs().max(1),
            "acquireTime": since, "renewTime": now, "leaseTransitions": count,
        });
        let written = if let Some(Object(mut lease)) = there {
            if let Some(members) = lease.as_object_mut() {
                members.insert("spec".to_owned(), spec);
            }
            self.kube.replace(&LEASES, &lease).await
        } else {
            let Key { namespace, name } = &self.settings.key;
            let metadata = json!({ "name": name, "namespace": namespace });
            let (version, kind) = (LEASES.api_version(), LEASES.kind);
            let new = json!({ "apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec });
            self.kube.create(&LEASES, &new).await
        };
        match written {
            Ok(_) => Ok(true),
            Err(error) if error.is_conflict() => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn set(&self, leading: bool) {
        let changed = self.leading.send_if_modified(|now| std::mem::replace(now, leading) != leading);
        if changed && leading {
            tracing::info!(lease = %self.settings.key, identity = self.settings.identity, "this operator leads");
        } else if changed {
            tracing::info!(lease = %self.settings.key, identity = self.settings.identity, "this operator leads no more");
        }
    }
}

fn holder(spec: &Value) -> &str {
    spec.get("holderIdentity").and_then(Value::as_str).unwrap_or_default()
}
