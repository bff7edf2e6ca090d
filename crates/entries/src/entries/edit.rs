//! Changing entries: each change is one commit with its audit row.

use std::sync::Arc;

use carnet_attest::Registration;
use carnet_core::{Error, Mistake};
use carnet_store::{AuditRecord, Commit, Committed, ConflictReason, Op, Row, StoreError};
use serde_json::json;

use super::{API, Entries, Filter, Owned};
use crate::{By, by::refusal};

/// An entry as it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The entry. Without an `id` it gets one; `created_at` and `revision` are not looked at.
    pub entry: Registration,
    /// See [`Owned::owner`].
    pub owner: String,
}

impl Draft {
    /// One that is made by itself.
    pub fn api(entry: Registration) -> Self {
        Self { entry, owner: API.to_owned() }
    }
}

/// Why an entry was not changed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EntryError {
    /// It makes no sense.
    #[error("the entry has mistakes: {}", shown(.0))]
    Mistakes(Vec<Mistake>),
    /// There is another one with this `id`.
    #[error("there is an entry with this id already")]
    Exists(Box<Owned>),
    /// There is another one with the same identity, parent and selectors.
    #[error("entry {} has the same identity, parent and selectors", .0.entry.id)]
    Similar(Box<Owned>),
    /// There is none with this `id`.
    #[error("there is no entry {0:?}")]
    NotFound(String),
    /// It has changed since it was read.
    #[error("the entry has changed meanwhile: its revision is not the expected one")]
    Stale,
    /// It belongs to somebody else.
    #[error("the entry belongs to {0}")]
    Foreign(String),
    /// The store does not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Something else.
    #[error("{0}")]
    Other(String),
}

fn shown(mistakes: &[Mistake]) -> String {
    let texts: Vec<String> = mistakes.iter().map(|mistake| format!("{} {}", mistake.field, mistake.message)).collect();
    texts.join("; ")
}

impl From<EntryError> for Error {
    fn from(error: EntryError) -> Self {
        match error {
            EntryError::Store(error) => error.into(),
            other => Self::configuration("change the entry").because(other),
        }
    }
}

impl Entries {
    /// Makes an entry.
    ///
    /// # Errors
    /// All mistakes at once; [`EntryError::Exists`] or [`EntryError::Similar`] with the one that is there.
    pub async fn create(&self, draft: Draft, by: &By) -> Result<Arc<Owned>, EntryError> {
        let Draft { entry, owner } = self.named(draft);
        self.check(&entry)?;
        let record = self.record("entry.create", &entry, by);
        self.commit(Owned::create(&owner, &entry), record, &entry.id).await?;
        self.committed(&entry.id)
    }

    /// What [`Self::create`] would make now, by the same checks. Nothing is written, and an `id` that would be chosen is left
    /// empty.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn try_create(&self, draft: Draft) -> Result<Owned, EntryError> {
        let chosen = draft.entry.id.is_empty();
        let Draft { mut entry, owner } = self.named(draft);
        self.check(&entry)?;
        if let Some(there) = self.get(&entry.id) {
            return Err(EntryError::Exists(Box::new(Owned::clone(&there))));
        }
        self.check_similar(&entry)?;
        if chosen {
            entry.id.clear();
        }
        Ok(Owned { owner, entry: Arc::new(entry) })
    }

    /// What [`Self::update`] would make now, by the same checks. Nothing is written.
    ///
    /// # Errors
    /// As [`Self::update`].
    pub fn try_update(&self, entry: Registration, expect: Option<u64>) -> Result<Owned, EntryError> {
        let (entry, old) = self.instead(entry)?;
        self.check(&entry)?;
        if expect.is_some_and(|revision| revision != old.entry.revision) {
            return Err(EntryError::Stale);
        }
        self.check_similar(&entry)?;
        Ok(Owned { owner: old.owner.clone(), entry: Arc::new(entry) })
    }

    /// Replaces the entry of this `id`, if it is at revision `expect` or none is expected. Its owner stays.
    ///
    /// # Errors
    /// As [`Self::create`]; [`EntryError::NotFound`], [`EntryError::Stale`].
    pub async fn update(&self, entry: Registration, expect: Option<u64>, by: &By) -> Result<Arc<Owned>, EntryError> {
        let (entry, old) = self.instead(entry)?;
        self.check(&entry)?;
        let record = self.record("entry.update", &entry, by);
        self.commit(Owned::update(&old.owner, &entry, expect), record, &entry.id).await?;
        self.committed(&entry.id)
    }

    /// Takes an entry away. SVIDs that were issued for it live on until they expire.
    ///
    /// # Errors
    /// [`EntryError::NotFound`].
    pub async fn delete(&self, id: &str, by: &By) -> Result<(), EntryError> {
        self.delete_as(id, "entry.delete", by).await
    }

    pub(super) async fn delete_as(&self, id: &str, action: &str, by: &By) -> Result<(), EntryError> {
        let old = self.get(id).ok_or_else(|| EntryError::NotFound(id.to_owned()))?;
        let record = self.record(action, &old.entry, by);
        self.commit(Op::DeleteEntry { id: id.to_owned() }, record, id).await
    }

    /// As it would be written: with an `id`.
    fn named(&self, draft: Draft) -> Draft {
        let Draft { mut entry, owner } = draft;
        if entry.id.is_empty() {
            let mut random = [0; 16];
            self.parts.context.random.fill(&mut random);
            entry.id = uuid::Builder::from_random_bytes(random).into_uuid().to_string();
        }
        entry.created_at = self.parts.context.now();
        entry.revision = 0;
        Draft { entry, owner }
    }

    /// As it would be written in place of the one that is there.
    fn instead(&self, mut entry: Registration) -> Result<(Registration, Arc<Owned>), EntryError> {
        let old = self.get(&entry.id).ok_or_else(|| EntryError::NotFound(entry.id.clone()))?;
        entry.created_at = old.entry.created_at;
        entry.revision = 0;
        Ok((entry, old))
    }

    /// What the store would say of another entry with the same identity, parent and selectors.
    fn check_similar(&self, entry: &Registration) -> Result<(), EntryError> {
        let same = Filter {
            spiffe_id: Some(entry.spiffe_id.to_string()),
            parent_id: Some(entry.parent_id.clone()),
            selectors: entry.selectors.clone(),
            owner: None,
        };
        let similar = self.read(|index| index.list(&same, None, usize::MAX)).into_iter();
        let mut similar =
            similar.filter(|other| other.entry.id != entry.id && other.entry.selectors == entry.selectors);
        similar.next().map_or(Ok(()), |other| Err(EntryError::Similar(Box::new(Owned::clone(&other)))))
    }

    /// What [`Registration::check`] asks, and what depends on the others.
    pub(crate) fn check(&self, entry: &Registration) -> Result<(), EntryError> {
        let mut mistakes = entry.check().err().unwrap_or_default();
        let domain = &self.parts.trust_domain;
        if entry.spiffe_id.trust_domain() != *domain {
            let message = format!("is of another trust domain than this authority, which is of {domain}");
            mistakes.push(Mistake::new("spiffe_id", message));
        }
        if entry.parent_id == self.authority && entry.spiffe_id.fixed().is_none() {
            let mistake = Mistake::new("spiffe_id", "is a template, and the entry stands for a group of nodes");
            mistakes.push(mistake.hint("write the identity of the group out"));
        }
        if entry.expires_at.is_some_and(|expires_at| expires_at <= self.parts.context.now()) {
            mistakes.push(Mistake::new("expires_at", "is not in the future"));
        }
        let bundles = self.parts.bundles.borrow();
        for unknown in entry.federates_with.iter().filter(|domain| bundles.get(domain).is_none()) {
            let mistake = Mistake::new("federates_with", format!("names {unknown}, of which there is no bundle"));
            mistakes.push(mistake.hint("federate with this trust domain first"));
        }
        drop(bundles);
        if mistakes.is_empty() { Ok(()) } else { Err(EntryError::Mistakes(mistakes)) }
    }

    fn record(&self, action: &str, entry: &Registration, by: &By) -> AuditRecord {
        let mut record = by.record(self.parts.context.now(), action, entry.spiffe_id.as_str());
        record.details.insert("entry".to_owned(), json!(entry.id));
        record.details.insert("parent".to_owned(), json!(entry.parent_id));
        record.details.insert("selectors".to_owned(), json!(entry.selectors));
        record
    }

    async fn commit(&self, op: Op, audit: AuditRecord, id: &str) -> Result<(), EntryError> {
        let refused = Some(refusal(&audit, "conflict", ""));
        let committed = self.parts.store.commit(Commit { ops: vec![op], audit, refused }).await?;
        let synced = self.sync().await;
        match committed {
            Committed::Done { .. } => synced.map_err(|error| EntryError::Other(error.to_string())),
            Committed::Conflict(conflict) => {
                let existing = conflict.existing.and_then(|existing| serde_json::from_value::<Row>(existing).ok());
                let existing = existing.and_then(|row| Owned::of_row(row).ok()).map(Box::new);
                Err(match (conflict.reason, existing) {
                    (ConflictReason::Exists, Some(existing)) => EntryError::Exists(existing),
                    (ConflictReason::Similar, Some(existing)) => EntryError::Similar(existing),
                    (ConflictReason::NotFound, _) => EntryError::NotFound(id.to_owned()),
                    (ConflictReason::Stale, _) => EntryError::Stale,
                    (reason, _) => EntryError::Other(format!("the store refuses the entry: {reason:?}")),
                })
            }
        }
    }

    /// The entry as the store has it now.
    fn committed(&self, id: &str) -> Result<Arc<Owned>, EntryError> {
        // Another may have taken it away in this moment.
        self.get(id).ok_or_else(|| EntryError::NotFound(id.to_owned()))
    }
}
