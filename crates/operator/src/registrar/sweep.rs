//! What is at the authority and has no object, and what this operator kept once and keeps no more.
//!
//! Several operators of a cluster may share a mark, each with namespaces of its own: so nothing is taken away because this one does not know its object, only
//! because the API server has none.

use std::{collections::BTreeSet, sync::Arc};

use carnet_attest::Registration;
use carnet_spiffe::Selector;

use super::{Failed, Naming, Registrar};
use crate::{
    api::{CLUSTER_REGISTRATION_ENTRIES, KEPT_BY, REGISTRATION_ENTRIES, Resource, TRUST_RULES},
    kube::{ApiError, Object},
};

/// The objects that there are, in the whole cluster.
struct Alive {
    /// Of both kinds of entries.
    uids: BTreeSet<String>,
    /// Those of them that are kept here.
    here: BTreeSet<String>,
    /// Names of rules.
    rules: BTreeSet<String>,
    /// What the status of objects that are kept here says of their names at the authority.
    ids: BTreeSet<String>,
    /// Whether RegistrationEntries of all namespaces are among them.
    everywhere: bool,
    /// Whether the API server was asked since the authority was.
    fresh: bool,
}

impl Registrar {
    /// Looks at everything that is ours at the authority: what has no object goes, and all objects are looked at again.
    pub(super) async fn sweep(&self) -> Result<(), Failed> {
        self.known.forget();
        self.known.load(&self.authority, &self.naming).await?;
        let elsewhere = self.elsewhere().await?;
        let mut alive = self.alive(elsewhere.as_deref());
        // One object that cannot be let go does not keep the others: it is told in the end, and looked at again.
        let mut trouble: Result<(), Failed> = Ok(());
        for object in elsewhere.into_iter().flatten() {
            let own = object.annotation(KEPT_BY) == Some(&self.operator);
            // Of what is about to go, it does not matter who lets go of it at this authority.
            if self.holds(&object) && (own || object.is_leaving()) {
                trouble = trouble.and(self.leave(Arc::new(object)).await.map(drop));
            }
        }
        for object in self.entries.all() {
            trouble = trouble.and(self.take_over(object).await.map_err(Failed::from));
        }
        if let Some(mark) = &self.naming.former_mark {
            let naming = self.naming.by(mark);
            let entries = self.authority.entries(&naming.entry("")).await?;
            let rules = self.authority.rules(&naming.rule("")).await?;
            let rules: Vec<String> = rules.into_iter().map(|rule| rule.name).collect();
            self.orphans(&naming, &entries, &rules, &mut alive).await?;
        }
        let start = self.naming.entry("");
        let strange = |entry: &Registration| {
            let uid = entry.id.strip_prefix(&start);
            uid.is_none_or(|uid| !alive.uids.contains(uid))
        };
        let strangers = self.known.entries(strange);
        self.orphans(&self.naming, &strangers, &self.known.rules(), &mut alive).await?;
        for cache in [&self.entries, &self.cluster_entries, &self.rules] {
            cache.all().iter().for_each(|object| self.queue.add(Self::item(&cache.of, object.key())));
        }
        trouble
    }

    /// Takes away which of these, by names of this mark, have no object.
    async fn orphans(
        &self,
        naming: &Naming,
        entries: &[Registration],
        rules: &[String],
        alive: &mut Alive,
    ) -> Result<(), Failed> {
        let gone = |entry: &Registration, alive: &Alive| {
            let uid = entry.id.strip_prefix(&naming.entry("")).unwrap_or_default();
            // Where it is the object of another namespace, it cannot be seen whether that is there.
            let seen = alive.everywhere || self.is_kept_here(entry);
            if naming.mark == self.naming.mark {
                seen && !alive.uids.contains(uid)
            } else {
                // What is there gets an entry by its own name; one that its status names goes just before.
                seen && (!alive.uids.contains(uid) || alive.here.contains(uid)) && !alive.ids.contains(&entry.id)
            }
        };
        let left = |name: &String, alive: &Alive| {
            let object = name.strip_prefix(&naming.rule("")).unwrap_or_default();
            !alive.ids.contains(name) && (naming.mark != self.naming.mark || !alive.rules.contains(object))
        };
        if !alive.fresh
            && (entries.iter().any(|entry| gone(entry, alive)) || rules.iter().any(|rule| left(rule, alive)))
        {
            self.look_again(alive).await?;
        }
        for entry in entries.iter().filter(|entry| gone(entry, alive)) {
            tracing::info!(entry = entry.id, "an entry of this cluster has no object any more: taking it away");
            self.authority.delete(&entry.id).await?;
            self.known.remove_entry(&entry.id);
        }
        for name in rules.iter().filter(|rule| left(rule, alive)) {
            tracing::info!(rule = name, "a rule of this cluster has no object any more: taking it away");
            self.authority.delete_rule(name).await?;
            self.known.remove_rule(name);
        }
        Ok(())
    }

    /// RegistrationEntries of namespaces that are not kept here. `None` where the account may not see them.
    async fn elsewhere(&self) -> Result<Option<Vec<Object>>, ApiError> {
        if self.keeps_all() {
            return Ok(Some(Vec::new()));
        }
        match self.listed(&REGISTRATION_ENTRIES, "").await {
            Ok(all) => Ok(Some(all.into_iter().filter(|one| !self.keeps(&one.key().namespace)).collect())),
            Err(error) if error.is_forbidden() => {
                tracing::warn!(%error, "what is left of namespaces that are kept no more cannot be seen: let the account list RegistrationEntries of all namespaces");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// What is known to be there.
    fn alive(&self, elsewhere: Option<&[Object]>) -> Alive {
        let mut alive = Alive {
            uids: elsewhere.unwrap_or_default().iter().map(|object| object.uid().to_owned()).collect(),
            here: BTreeSet::new(),
            rules: BTreeSet::new(),
            ids: BTreeSet::new(),
            everywhere: elsewhere.is_some(),
            fresh: false,
        };
        for cache in [&self.entries, &self.cluster_entries, &self.rules] {
            for object in cache.all() {
                alive.add(&cache.of, &object);
                alive.here.insert(object.uid().to_owned());
                alive.ids.extend(Naming::id(&cache.of, &object).map(str::to_owned));
            }
        }
        alive
    }

    /// Asks the API server what else there is: another operator may have made entries of objects that nobody has told this one of yet.
    async fn look_again(&self, alive: &mut Alive) -> Result<(), ApiError> {
        for (of, namespace) in [(CLUSTER_REGISTRATION_ENTRIES, ""), (TRUST_RULES, "")]
            .into_iter()
            .chain(self.namespaces.iter().map(|namespace| (REGISTRATION_ENTRIES, namespace.as_str())))
        {
            for object in self.listed(&of, namespace).await? {
                alive.add(&of, &object);
            }
        }
        alive.fresh = true;
        Ok(())
    }

    async fn listed(&self, of: &Resource, namespace: &str) -> Result<Vec<Object>, ApiError> {
        let (mut all, mut next) = (Vec::new(), String::new());
        loop {
            let page = self.kube.list(of, namespace, "", &next).await?;
            all.extend(page.items);
            next = page.next;
            if next.is_empty() {
                return Ok(all);
            }
        }
    }

    fn keeps_all(&self) -> bool {
        self.namespaces.iter().any(String::is_empty)
    }

    fn keeps(&self, namespace: &str) -> bool {
        self.keeps_all() || self.namespaces.iter().any(|kept| kept == namespace)
    }

    /// Whether the entry, if it is that of a RegistrationEntry, is of a namespace that is kept here: each of those is for pods of its own namespace.
    fn is_kept_here(&self, entry: &Registration) -> bool {
        let mut namespaces = entry.selectors.iter().map(Selector::as_str).filter_map(|one| one.strip_prefix("k8s:ns:"));
        namespaces.all(|namespace| self.keeps(namespace))
    }
}

impl Alive {
    fn add(&mut self, of: &Resource, object: &Object) {
        if *of == TRUST_RULES {
            self.rules.insert(object.key().name);
        } else {
            self.uids.insert(object.uid().to_owned());
        }
    }
}
