//! Who holds an object: a finalizer for each trust domain, because the authority of each must forget it, and by an annotation the operator whose namespaces it is in.

use std::sync::Arc;

use carnet_spiffe::TrustDomain;
use serde_json::{Map, Value, json};

use super::{Failed, READY, Registrar};
use crate::{
    api::{FINALIZER, KEPT_BY, REGISTRATION_ENTRIES, Resource, TRUST_RULES},
    control::{Condition, Sort, Status, change, patch},
    kube::{ApiError, Object},
};

impl Registrar {
    /// The object, held. `None` when it is gone meanwhile, or about to go.
    pub(super) async fn hold(&self, of: &Resource, object: Arc<Object>) -> Result<Option<Arc<Object>>, ApiError> {
        if !self.holds(&object) {
            // Whoever held it before has had the authority forget it, perhaps since it was asked.
            self.forget(of, &object);
        }
        let held = change(&self.kube, self.cache(of), object, |object| Some(("", self.holding(of, object)?))).await?;
        Ok(held.filter(|object| !object.is_leaving()))
    }

    /// Keeps from now on what another operator has kept in the namespaces of this one.
    pub(super) async fn take_over(&self, object: Arc<Object>) -> Result<(), ApiError> {
        let look = |object: &Object| {
            let others = object.annotation(KEPT_BY).is_some_and(|operator| operator != self.operator);
            (others && self.holds(object) && !object.is_leaving()).then(|| {
                let metadata =
                    json!({ "resourceVersion": object.version(), "annotations": { KEPT_BY: self.operator } });
                ("", json!({ "metadata": metadata }))
            })
        };
        change(&self.kube, &self.entries, object, look).await.map(drop)
    }

    /// Has the authority forget it; then nobody holds the object here any more. Gives it as it is then.
    pub(super) async fn let_go(&self, of: &Resource, object: Arc<Object>) -> Result<Option<Arc<Object>>, Failed> {
        if !self.holds(&object) {
            return Ok(Some(object));
        }
        let mut names = vec![self.naming.name(of, &object)];
        names.extend(self.naming.former(of, &object));
        for name in names {
            let forgotten = if *of == TRUST_RULES {
                self.authority.delete_rule(&name).await
            } else {
                self.authority.delete(&name).await
            };
            if let Err(error) = forgotten {
                let message = format!("it is held until the authority has forgotten it: {error}");
                let held = Condition::new(READY, Status::False, "AuthorityUnreachable", message.clone());
                if !self.naming.own(of, &held).is_told(&object) {
                    self.events.tell(&object, Sort::Warning, "DeletionHeld", &message).await;
                }
                self.tell(of, object, held, &Map::new()).await?;
                return Err(error.into());
            }
        }
        self.forget(of, &object);
        Ok(change(&self.kube, self.cache(of), object, |object| Some(("", self.freeing(object)?))).await?)
    }

    /// Leaves an object to the registrar of its trust domain, and says so where nobody has said anything.
    pub(super) async fn pass_over(
        &self,
        of: &Resource,
        object: Arc<Object>,
        domain: &TrustDomain,
    ) -> Result<(), Failed> {
        let was_ours = object.finalizers().contains(&self.naming.finalizer());
        let own = self.naming.trust_domain();
        let message = format!(
            "its identity is of the trust domain {domain}: this operator keeps those of {own}, and another has said nothing yet"
        );
        let object = if was_ours { self.let_go(of, object).await? } else { Some(object) };
        if let Some(object) = object {
            self.disown(of, object, "OtherTrustDomain", message, was_ours).await?;
        }
        Ok(())
    }

    /// Lets go an object of a namespace that is kept no more.
    pub(super) async fn leave(&self, object: Arc<Object>) -> Result<(), Failed> {
        let message = "its namespace is kept by this operator no more, and another has said nothing yet".to_owned();
        let freed = self.let_go(&REGISTRATION_ENTRIES, object).await?;
        if let Some(object) = freed.filter(|object| !object.is_leaving()) {
            self.disown(&REGISTRATION_ENTRIES, object, "NamespaceNotKept", message, true).await?;
        }
        Ok(())
    }

    /// Says that it is somebody else's, unless somebody else has spoken.
    async fn disown(
        &self,
        of: &Resource,
        object: Arc<Object>,
        reason: &'static str,
        message: String,
        was_ours: bool,
    ) -> Result<(), ApiError> {
        let condition = Condition::new(READY, Status::Unknown, reason, message);
        let version = object.version().to_owned();
        let more = Map::from_iter(was_ours.then(|| ("id".to_owned(), Value::Null)));
        let now = self.context.now();
        let look = |object: &Object| {
            // What was ours says what we have said, until somebody has changed it.
            let silent = object.condition(READY).is_none() || (was_ours && object.version() == version);
            let patch = silent.then(|| patch(object, std::slice::from_ref(&condition), &more, now));
            Some(("status", patch.flatten()?))
        };
        change(&self.kube, self.cache(of), object, look).await.map(drop)
    }

    /// Whether it is held for this trust domain, now or by an earlier version.
    pub(super) fn holds(&self, object: &Object) -> bool {
        let finalizers = object.finalizers();
        finalizers.contains(&self.naming.finalizer()) || finalizers.contains(&FINALIZER)
    }

    fn forget(&self, of: &Resource, object: &Object) {
        let name = self.naming.name(of, object);
        if *of == TRUST_RULES {
            self.known.remove_rule(&name);
        } else {
            self.known.remove_entry(&name);
        }
    }

    /// The patch that holds the object. `None` when it is held already, or cannot be any more.
    fn holding(&self, of: &Resource, object: &Object) -> Option<Value> {
        if object.is_leaving() {
            return None;
        }
        let (own, mut finalizers) = (self.naming.finalizer(), object.finalizers());
        let held = finalizers.contains(&own) && !finalizers.contains(&FINALIZER);
        // Whoever else holds it is asked at the next sweep only: two that keep one namespace do not wrest it from each other without end.
        let kept = *of != REGISTRATION_ENTRIES || (held && object.annotation(KEPT_BY).is_some());
        if held && kept {
            return None;
        }
        finalizers.retain(|finalizer| *finalizer != FINALIZER && *finalizer != own);
        finalizers.push(own);
        let mut metadata = json!({ "resourceVersion": object.version(), "finalizers": finalizers });
        if let (false, Some(members)) = (kept, metadata.as_object_mut()) {
            members.insert("annotations".to_owned(), json!({ KEPT_BY: self.operator }));
        }
        Some(json!({ "metadata": metadata }))
    }

    /// The patch that lets it go. `None` when it is not held.
    fn freeing(&self, object: &Object) -> Option<Value> {
        let (own, mut finalizers) = (self.naming.finalizer(), object.finalizers());
        let count = finalizers.len();
        finalizers.retain(|finalizer| *finalizer != FINALIZER && *finalizer != own);
        if finalizers.len() == count {
            return None;
        }
        let mut metadata = json!({ "resourceVersion": object.version(), "finalizers": finalizers });
        if let (Some(operator), Some(members)) = (object.annotation(KEPT_BY), metadata.as_object_mut())
            && operator == self.operator
        {
            members.insert("annotations".to_owned(), json!({ KEPT_BY: null }));
        }
        Some(json!({ "metadata": metadata }))
    }
}
