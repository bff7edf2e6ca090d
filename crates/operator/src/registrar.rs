//! Entries and rules of custom resources, kept true at the authority. What is true is in the API server and at the authority; here is nothing that a restart loses.
//!
//! What belongs to this cluster at the authority is known by its name: `k8s.MARK.UID` for an entry, `k8s.MARK.NAME` for a rule. The mark is that of the cluster,
//! so that operators of several clusters at one authority leave each other's alone. What has such a name and no object is taken away (`sweep`). Which operator
//! keeps an object, of those of other namespaces and of other trust domains, stands in the object (`hold`).

mod hold;
mod known;
mod sweep;
mod wanted;

use std::{sync::Arc, time::Duration};

use carnet_core::Context;
use carnet_ops::Component;
use futures_util::{StreamExt as _, stream};
use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::{
    api::{CLUSTER_REGISTRATION_ENTRIES, REGISTRATION_ENTRIES, Resource, TRUST_RULES},
    authority::{AdminError, Authority},
    control::{Cache, Condition, Events, Queue, Sort, Status, change, patch},
    kube::{ApiError, Key, Kube, Object},
    metrics::Metrics,
};

use known::Known;
pub(crate) use wanted::Naming;

/// Most objects that are looked at in one batch.
const BATCH: usize = 256;
/// How many of a batch are looked at at once: as many as connections are kept.
const AT_ONCE: usize = 8;
/// How often an entry that changes under our hands is read again.
const TRIES: usize = 5;
const READY: &str = "Ready";

/// What is to be looked at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Item {
    /// Everything at the authority that is ours.
    Sweep,
    Entry(Key),
    ClusterEntry(Key),
    Rule(Key),
}

/// Why an object is not as it should be.
#[derive(Debug)]
enum Failed {
    Api(ApiError),
    Authority(AdminError),
    /// Only a change of the object helps; it has been told.
    Told,
}

impl From<ApiError> for Failed {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

impl From<AdminError> for Failed {
    fn from(error: AdminError) -> Self {
        Self::Authority(error)
    }
}

/// Keeps entries and rules true.
#[derive(Debug)]
pub(crate) struct Registrar {
    pub(crate) context: Context,
    pub(crate) kube: Kube,
    pub(crate) authority: Authority,
    pub(crate) events: Events,
    pub(crate) naming: Naming,
    /// Who this is, for other operators of the cluster: its lease, which it keeps when it is started anew.
    pub(crate) operator: String,
    /// Whose RegistrationEntries it keeps; one empty name for those of all.
    pub(crate) namespaces: Vec<String>,
    pub(crate) entries: Cache,
    pub(crate) cluster_entries: Cache,
    pub(crate) rules: Cache,
    pub(crate) queue: Queue<Item>,
    pub(crate) known: Known,
    pub(crate) metrics: Metrics,
    pub(crate) health: Component,
    /// How often everything at the authority is looked at.
    pub(crate) resync: Duration,
}

impl Registrar {
    /// The item of an object of this kind.
    pub(crate) fn item(of: &Resource, key: Key) -> Item {
        if *of == REGISTRATION_ENTRIES {
            Item::Entry(key)
        } else if *of == CLUSTER_REGISTRATION_ENTRIES {
            Item::ClusterEntry(key)
        } else {
            Item::Rule(key)
        }
    }

    /// Works without end. The caches must have been filled: what is not in them counts as gone.
    pub(crate) async fn run(&self) {
        self.queue.add(Item::Sweep);
        loop {
            let batch = self.queue.next(BATCH).await;
            self.metrics.waiting(self.queue.len());
            // What is at the authority must be known before anything is compared with it.
            if batch.contains(&Item::Sweep) {
                self.finish(&Item::Sweep, self.sweep().await);
            } else if let Err(error) = self.known.load(&self.authority, &self.naming).await {
                self.all_away(&batch, &error).await;
                continue;
            }
            let rest = batch.into_iter().filter(|item| *item != Item::Sweep);
            stream::iter(rest)
                .map(|item| async move {
                    let begun = Instant::now();
                    let outcome = self.one(&item).await;
                    self.metrics.reconciled(item.kind(), outcome_word(&outcome), begun.elapsed());
                    self.finish(&item, outcome);
                })
                .buffer_unordered(AT_ONCE)
                .for_each(|()| async {})
                .await;
            self.metrics.entries(self.known.len());
        }
    }

    fn finish(&self, item: &Item, outcome: Result<(), Failed>) {
        match outcome {
            Ok(()) => {
                self.health.ready();
                self.queue.done(item);
                if *item == Item::Sweep {
                    self.queue.add_after(Item::Sweep, self.resync);
                }
            }
            Err(Failed::Told) => self.queue.done(item),
            Err(Failed::Authority(error @ AdminError::Away(_))) => {
                // It may be another when it is back.
                self.known.forget();
                self.health.degraded(error.to_string());
                self.queue.failed(item);
            }
            Err(Failed::Authority(error)) => {
                tracing::debug!(?item, %error, "the authority refuses it; trying again later");
                self.queue.failed(item);
            }
            Err(Failed::Api(error)) => {
                tracing::warn!(?item, %error, "an object could not be kept true; trying again later");
                self.queue.failed(item);
            }
        }
    }

    /// The authority is away: each object says so, and is tried again.
    async fn all_away(&self, batch: &[Item], error: &AdminError) {
        self.health.degraded(error.to_string());
        for item in batch {
            let object = self.object(item).filter(|(of, object)| self.naming.foreign(of, object).is_none());
            if let Some((of, object)) = object {
                let away = Condition::new(READY, Status::False, "AuthorityUnreachable", error.to_string());
                drop(self.tell(of, object, away, &Map::new()).await);
            }
            self.metrics.reconciled(item.kind(), "authority-away", Duration::ZERO);
            self.queue.failed(item);
        }
    }

    fn object(&self, item: &Item) -> Option<(&Resource, Arc<Object>)> {
        let (cache, key) = match item {
            Item::Sweep => return None,
            Item::Entry(key) => (&self.entries, key),
            Item::ClusterEntry(key) => (&self.cluster_entries, key),
            Item::Rule(key) => (&self.rules, key),
        };
        Some((&cache.of, cache.get(key)?))
    }

    fn cache(&self, of: &Resource) -> &Cache {
        if *of == REGISTRATION_ENTRIES {
            &self.entries
        } else if *of == TRUST_RULES {
            &self.rules
        } else {
            &self.cluster_entries
        }
    }

    /// Makes one object true at the authority.
    async fn one(&self, item: &Item) -> Result<(), Failed> {
        let Some((of, object)) = self.object(item) else { return Ok(()) };
        if object.is_leaving() {
            return self.let_go(of, object).await.map(drop);
        }
        if let Some(domain) = self.naming.foreign(of, &object) {
            return self.pass_over(of, object, &domain).await;
        }
        let Some(object) = self.hold(of, object).await? else { return Ok(()) };
        let made = match item {
            Item::Rule(_) => self.put_rule(&object).await,
            _ => self.put_entry(of, &object).await,
        };
        match made {
            Ok(id) => {
                let ready = Condition::new(READY, Status::True, "Registered", "the authority has it");
                let more = Map::from_iter([("id".to_owned(), id.into())]);
                self.tell(of, object, ready, &more).await?;
                Ok(())
            }
            Err(refused) => {
                let (reason, message, failed) = match refused {
                    Refused::Spec(message) => ("Invalid", message, Failed::Told),
                    Refused::Authority(error @ AdminError::Away(_)) => {
                        ("AuthorityUnreachable", error.to_string(), Failed::Authority(error))
                    }
                    Refused::Authority(error) => {
                        let reason = if error.is("invalid") { "Refused" } else { "Conflict" };
                        (reason, error.to_string(), Failed::Authority(error))
                    }
                };
                let condition = Condition::new(READY, Status::False, reason, message.clone());
                if !self.naming.own(of, &condition).is_told(&object) && reason != "AuthorityUnreachable" {
                    self.events.tell(&object, Sort::Warning, reason, &message).await;
                }
                self.tell(of, object, condition, &Map::new()).await?;
                Err(failed)
            }
        }
    }

    async fn put_entry(&self, of: &Resource, object: &Object) -> Result<String, Refused> {
        let wanted = self.naming.registration(of, object).map_err(Refused::Spec)?;
        if self.known.has_entry(&wanted) {
            return Ok(wanted.id);
        }
        if let Some(former) = self.naming.former(of, object) {
            // The authority takes no second one that is the same.
            self.authority.delete(&former).await.map_err(Refused::Authority)?;
        }
        for _ in 0..TRIES {
            let there = self.known.entry(&wanted.id);
            let made = match there {
                None => self.authority.create(&wanted).await,
                Some(revision) => self.authority.update(&wanted, revision).await,
            };
            match made {
                Ok(made) => {
                    self.known.put_entry(made);
                    return Ok(wanted.id);
                }
                // What is known here is not what is there: another operator, or somebody by hand.
                Err(AdminError::Refused { ref code, ref field, .. })
                    if code == "stale" || code == "not-found" || (code == "exists" && field == "id") =>
                {
                    match self.authority.entry(&wanted.id).await.map_err(Refused::Authority)? {
                        Some(entry) => self.known.put_entry(entry),
                        None => self.known.remove_entry(&wanted.id),
                    }
                    if self.known.has_entry(&wanted) {
                        return Ok(wanted.id);
                    }
                }
                Err(error) => return Err(Refused::Authority(error)),
            }
        }
        Err(Refused::Authority(AdminError::Refused {
            code: "stale".to_owned(),
            field: String::new(),
            message: "somebody else changes the entry, too".to_owned(),
        }))
    }

    async fn put_rule(&self, object: &Object) -> Result<String, Refused> {
        let wanted = self.naming.trust_rule(object).map_err(Refused::Spec)?;
        if !self.known.has_rule(&wanted) {
            self.authority.put_rule(&wanted).await.map_err(Refused::Authority)?;
            self.known.put_rule(wanted.clone());
        }
        if let Some(former) = self.naming.former(&TRUST_RULES, object) {
            self.authority.delete_rule(&former).await.map_err(Refused::Authority)?;
        }
        Ok(wanted.name)
    }

    /// Writes the status, if it does not say this already.
    async fn tell(
        &self,
        of: &Resource,
        object: Arc<Object>,
        ready: Condition,
        more: &Map<String, Value>,
    ) -> Result<(), ApiError> {
        let (now, judged) = (self.context.now(), object.generation());
        let look = |object: &Object| {
            // What has changed meanwhile comes again, and is not what this is about.
            if object.generation() != judged {
                return None;
            }
            Some(("status", patch(object, &self.naming.said(of, object, &ready), more, now)?))
        };
        change(&self.kube, self.cache(of), object, look).await.map(drop)
    }
}

/// Why an object is not at the authority.
enum Refused {
    /// It cannot be.
    Spec(String),
    Authority(AdminError),
}

impl Item {
    fn kind(&self) -> &'static str {
        match self {
            Self::Sweep => "sweep",
            Self::Entry(_) => REGISTRATION_ENTRIES.kind,
            Self::ClusterEntry(_) => CLUSTER_REGISTRATION_ENTRIES.kind,
            Self::Rule(_) => TRUST_RULES.kind,
        }
    }
}

fn outcome_word(outcome: &Result<(), Failed>) -> &'static str {
    match outcome {
        Ok(()) => "ok",
        Err(Failed::Told) => "invalid",
        Err(Failed::Authority(AdminError::Away(_))) => "authority-away",
        Err(Failed::Authority(_)) => "refused",
        Err(Failed::Api(_)) => "api",
    }
}
