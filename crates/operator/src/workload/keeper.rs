//! Keeps what custom resources make as it should be, and says how it is.

use std::{sync::Arc, time::Duration};

use carnet_core::Context;
use carnet_ops::Component;
use futures_util::{StreamExt as _, stream};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{Defaults, OWNER, Part, Plan};
use crate::{
    api::{
        AGENTS, CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, CSI_DRIVERS, DAEMON_SETS, DEPLOYMENTS, DISCOVERY_PROVIDERS,
        ExposureKind, Resource, SECRETS, STATEFUL_SETS,
    },
    control::{Cache, Condition, Events, Queue, Sort, Status, change, finalizers, patch},
    kube::{ApiError, Key, Kube, Object},
    metrics::Metrics,
};

/// How many are looked at at once.
const AT_ONCE: usize = 4;
/// After how long what others have to do is looked at again.
const PATIENCE: Duration = Duration::from_secs(10);

/// Which custom resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    pub(crate) of: Resource,
    pub(crate) key: Key,
}

/// Keeps workloads.
#[derive(Debug)]
pub(crate) struct Keeper {
    pub(crate) context: Context,
    pub(crate) kube: Kube,
    pub(crate) events: Events,
    pub(crate) defaults: Defaults,
    /// The custom resources, each kind by itself.
    pub(crate) own: Vec<Cache>,
    /// StatefulSets, Deployments and DaemonSets that the operator has made.
    pub(crate) made: Vec<Cache>,
    pub(crate) queue: Queue<Place>,
    pub(crate) metrics: Metrics,
    pub(crate) health: Component,
    pub(crate) resync: Duration,
}

/// Why something is not as it should be.
enum Failed {
    Api(ApiError),
    /// Only somebody else can help; it has been told.
    Told,
}

impl From<ApiError> for Failed {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

/// How it was found.
struct Seen {
    conditions: Vec<Condition>,
    /// Whether somebody else has still to do something.
    waiting: bool,
    counts: Map<String, Value>,
}

impl Keeper {
    /// The kinds of which the pods are made.
    pub(crate) const MADE: [Resource; 3] = [STATEFUL_SETS, DEPLOYMENTS, DAEMON_SETS];

    /// Works without end.
    pub(crate) async fn run(&self) {
        loop {
            let batch = self.queue.next(AT_ONCE).await;
            stream::iter(batch)
                .map(|place| async move {
                    let begun = Instant::now();
                    let outcome = self.one(&place).await;
                    let word = match &outcome {
                        Ok(_) => "ok",
                        Err(Failed::Told) => "invalid",
                        Err(Failed::Api(_)) => "api",
                    };
                    self.metrics.reconciled(place.of.kind, word, begun.elapsed());
                    match outcome {
                        Ok(again) => {
                            self.health.ready();
                            self.queue.done(&place);
                            if let Some(again) = again {
                                self.queue.add_after(place, again);
                            }
                        }
                        Err(Failed::Told) => self.queue.done(&place),
                        Err(Failed::Api(error)) => {
                            tracing::warn!(kind = place.of.kind, object = %place.key, %error, "it could not be kept; trying again later");
                            self.queue.failed(&place);
                        }
                    }
                })
                .buffer_unordered(AT_ONCE)
                .for_each(|()| async {})
                .await;
        }
    }

    /// The custom resource that made this object.
    pub(crate) fn owner_of(&self, made: &Object) -> Option<Place> {
        let uid = made.controller()?;
        self.own.iter().find_map(|cache| {
            let owner = cache.all().into_iter().find(|object| object.uid() == uid)?;
            Some(Place { of: cache.of, key: owner.key() })
        })
    }

    /// Makes one custom resource true. Gives when to look again by itself; nothing for what is gone.
    async fn one(&self, place: &Place) -> Result<Option<Duration>, Failed> {
        let Some(cache) = self.own.iter().find(|cache| cache.of == place.of) else { return Ok(None) };
        let Some(object) = cache.get(&place.key) else { return Ok(None) };
        if object.is_leaving() {
            self.clean(&place.of, &object).await?;
            change(&self.kube, cache, object, |object| Some(("", finalizers(object, false)?))).await?;
            return Ok(Some(self.resync));
        }
        // What is in no namespace does not go by itself.
        let object = if place.of == DISCOVERY_PROVIDERS {
            object
        } else {
            let held = change(&self.kube, cache, object, |object| Some(("", finalizers(object, true)?))).await?;
            match held.filter(|object| !object.is_leaving()) {
                Some(object) => object,
                None => return Ok(Some(self.resync)),
            }
        };
        let plan = match Plan::of(&place.of, &object, &self.defaults) {
            Ok(plan) => plan,
            Err(wrong) => {
                let ready = Condition::new("Ready", Status::False, "Invalid", wrong.clone());
                if !ready.is_told(&object) {
                    self.events.tell(&object, Sort::Warning, "Invalid", &wrong).await;
                }
                self.tell(cache, object, &[ready], &Map::new()).await?;
                return Err(Failed::Told);
            }
        };
        let applied = self.apply(&plan, &object).await;
        let applied = match applied {
            Ok(applied) => applied,
            Err((what, error)) => {
                let message = format!("{what}: {error}");
                let reason = if error.is_forbidden() { "Forbidden" } else { "ApplyFailed" };
                let failed = |kind| Condition::new(kind, Status::False, reason, message.clone());
                if !failed("Applied").is_told(&object) {
                    self.events.tell(&object, Sort::Warning, reason, &message).await;
                }
                self.tell(cache, object, &[failed("Applied"), failed("Ready")], &Map::new()).await?;
                return Err(error.into());
            }
        };
        let Seen { conditions, waiting, counts } = self.look(&plan, &object, &applied).await;
        let ready = conditions.iter().any(|one| one.kind == "Ready" && one.status == Status::True);
        if ready && !conditions.iter().all(|one| one.is_told(&object)) {
            self.events.tell(&object, Sort::Normal, "Ready", "all that it makes is there and works").await;
        }
        self.tell(cache, object, &conditions, &counts).await?;
        Ok(Some(if waiting { PATIENCE.min(self.resync) } else { self.resync }))
    }

    /// What there is in the place of each part. All are looked at before any is applied: where one belongs to somebody else, nothing is made that needs it.
    async fn there(&self, plan: &Plan, object: &Object) -> Result<Vec<Option<Object>>, (String, ApiError)> {
        let mut all = Vec::new();
        for Part { of, object: part, wanted } in &plan.parts {
            let key = Key::of(part);
            let there = match self.kube.find(of, &key).await {
                // There is no such kind at all in this cluster, and nothing of it is wanted; or we may not even look.
                Err(error) if !wanted && (error.is_not_found() || error.is_forbidden()) => None,
                other => other.map_err(|error| (format!("{} {key}", of.kind), error))?,
            };
            let there = match there {
                Some(there) if !is_of(&there, object) && *wanted => {
                    let message =
                        "there is one of this name that somebody else has made: delete or rename it".to_owned();
                    let error = ApiError::Status { code: 409, reason: "NotOurs".to_owned(), message, wait: None };
                    return Err((format!("{} {key}", of.kind), error));
                }
                there => there.filter(|there| is_of(there, object)),
            };
            all.push(there);
        }
        Ok(all)
    }

    /// Applies what is wanted and takes away what is not. Gives what was applied, as it is now.
    async fn apply(&self, plan: &Plan, object: &Object) -> Result<Vec<Object>, (String, ApiError)> {
        let mut applied = Vec::new();
        for (Part { of, object: part, wanted }, there) in plan.parts.iter().zip(self.there(plan, object).await?) {
            let key = Key::of(part);
            let what = |error| (format!("{} {key}", of.kind), error);
            match there {
                _ if *wanted => applied.push(self.kube.apply(of, part).await.map_err(what)?.lean()),
                Some(ours) => self.kube.delete(of, &key, ours.uid()).await.map_err(what)?,
                None => {}
            }
        }
        if plan.pods == DAEMON_SETS {
            // A driver has a name of its own, and may have had another before.
            let drivers = plan.parts.iter().filter(|part| part.of == CSI_DRIVERS);
            let kept: Vec<Key> = drivers.map(|part| Key::of(&part.object)).collect();
            let taken = self.take_away(&CSI_DRIVERS, object, &kept).await;
            taken.map_err(|error| (CSI_DRIVERS.kind.to_owned(), error))?;
        }
        Ok(applied)
    }

    /// Takes away what is in no namespace and belongs to the object.
    async fn clean(&self, of: &Resource, object: &Object) -> Result<(), ApiError> {
        for of in [CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES] {
            self.take_away(&of, object, &[]).await?;
        }
        if *of == AGENTS { self.take_away(&CSI_DRIVERS, object, &[]).await } else { Ok(()) }
    }

    /// Takes away what is of this kind and belongs to the object, but for what is kept.
    async fn take_away(&self, of: &Resource, object: &Object, kept: &[Key]) -> Result<(), ApiError> {
        let selector = format!("{OWNER}={}", object.uid());
        for ours in self.kube.list(of, "", &selector, "").await?.items {
            if !kept.contains(&ours.key()) {
                self.kube.delete(of, &ours.key(), ours.uid()).await?;
            }
        }
        Ok(())
    }

    /// How what was applied does.
    async fn look(&self, plan: &Plan, object: &Object, applied: &[Object]) -> Seen {
        let mut conditions =
            vec![Condition::new("Applied", Status::True, "Applied", "all objects are as they should be")];
        let find =
            |of: &Resource| applied.iter().find(|one| one.0.get("kind").and_then(Value::as_str) == Some(of.kind));
        let (available, counts) = available(&plan.pods, find(&plan.pods));
        conditions.push(available);
        conditions.push(self.certificates(plan, object).await);
        let mut counted = conditions.clone();
        if let Some(exposure) = &plan.exposure {
            let of = match exposure.kind {
                ExposureKind::Ingress => crate::api::INGRESSES,
                ExposureKind::Route => crate::api::ROUTES,
            };
            let exposed = exposed(exposure.managed, &of, find(&of));
            counted.extend(exposure.managed.then(|| exposed.clone()));
            conditions.push(exposed);
        }
        let bad: Vec<&Condition> = counted.iter().filter(|one| one.status == Status::False).collect();
        let ready = match bad.first() {
            None => Condition::new("Ready", Status::True, "Ready", "all that it makes is there and works"),
            Some(first) => {
                let texts: Vec<&str> = bad.iter().map(|one| one.message.as_str()).collect();
                Condition::new("Ready", Status::False, first.reason.clone(), texts.join("; "))
            }
        };
        let waiting = ready.status != Status::True;
        conditions.push(ready);
        Seen { conditions, waiting, counts }
    }

    /// Whether the Secrets are there that somebody else makes.
    async fn certificates(&self, plan: &Plan, object: &Object) -> Condition {
        let mut missing: Vec<&str> = Vec::new();
        for name in &plan.secrets {
            match self.kube.find(&SECRETS, &Key::new(&object.key().namespace, name)).await {
                Ok(Some(_)) => {}
                Ok(None) => missing.push(name),
                Err(error) => {
                    let message = format!("whether the secret {name} is there is not known: {error}");
                    return Condition::new("SecretsPresent", Status::Unknown, "NotSeen", message);
                }
            }
        }
        if missing.is_empty() {
            return Condition::new("SecretsPresent", Status::True, "Present", "all secrets that it names are there");
        }
        let message = format!("there is no secret {}", missing.join(", "));
        Condition::new("SecretsPresent", Status::False, "SecretMissing", message)
    }

    async fn tell(
        &self,
        cache: &Cache,
        object: Arc<Object>,
        new: &[Condition],
        more: &Map<String, Value>,
    ) -> Result<(), ApiError> {
        let (now, judged) = (self.context.now(), object.generation());
        let look = |object: &Object| {
            // What has changed meanwhile comes again, and is not what this is about.
            if object.generation() == judged { Some(("status", patch(object, new, more, now)?)) } else { None }
        };
        change(&self.kube, cache, object, look).await.map(drop)
    }
}

/// Whether the operator has made it for this custom resource.
fn is_of(made: &Object, owner: &Object) -> bool {
    made.controller() == Some(owner.uid()) || made.label(OWNER) == Some(owner.uid())
}

/// Whether enough pods are ready, of the generation that was applied last.
fn available(of: &Resource, made: Option<&Object>) -> (Condition, Map<String, Value>) {
    let number = |name: &str| made.and_then(|made| made.status().get(name)).and_then(Value::as_i64).unwrap_or_default();
    let (wanted, ready, updated) = if *of == DAEMON_SETS {
        (number("desiredNumberScheduled"), number("numberReady"), number("updatedNumberScheduled"))
    } else {
        let wanted = made.and_then(|made| made.spec().get("replicas")).and_then(Value::as_i64).unwrap_or(1);
        (wanted, number("readyReplicas"), number("updatedReplicas"))
    };
    let counts = Map::from_iter([("replicas".to_owned(), wanted.into()), ("readyReplicas".to_owned(), ready.into())]);
    let seen = made.is_some_and(|made| number("observedGeneration") >= made.generation());
    let condition = if !seen {
        Condition::new("Available", Status::False, "Progressing", format!("the {} has not been looked at yet", of.kind))
    } else if ready < wanted {
        Condition::new("Available", Status::False, "PodsNotReady", format!("{ready} of {wanted} pods are ready"))
    } else if updated < wanted {
        let message = format!("{updated} of {wanted} pods are as they should be; the others are being replaced");
        Condition::new("Available", Status::False, "Progressing", message)
    } else {
        Condition::new("Available", Status::True, "Available", format!("{ready} of {wanted} pods are ready"))
    };
    (condition, counts)
}

/// Whether something outside has taken the Ingress or Route in.
fn exposed(managed: bool, of: &Resource, made: Option<&Object>) -> Condition {
    const KIND: &str = "Exposed";
    if !managed {
        return Condition::new(KIND, Status::False, "NotManaged", "how it is reached from outside is up to you");
    }
    let all = |path: &str| made.and_then(|made| made.status().pointer(path)).and_then(Value::as_array);
    let admitted = |one: &Value| {
        let conditions = one.get("conditions").and_then(Value::as_array).into_iter().flatten();
        conditions.into_iter().any(|one| {
            let text = |name: &str| one.get(name).and_then(Value::as_str);
            (text("type"), text("status")) == (Some("Admitted"), Some("True"))
        })
    };
    let taken = match of.kind {
        "Route" => all("/ingress").is_some_and(|all| all.iter().any(admitted)),
        _ => all("/loadBalancer/ingress").is_some_and(|all| !all.is_empty()),
    };
    if taken {
        Condition::new(KIND, Status::True, "Admitted", format!("the {} is served", of.kind))
    } else {
        Condition::new(KIND, Status::False, "NotAdmitted", format!("nobody serves the {} yet", of.kind))
    }
}
