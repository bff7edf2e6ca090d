//! Entries from a file: what stands in it is there, what does not is not.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use carnet_attest::{IdTemplate, Registration};
use carnet_core::{Error, FileMistake, Mistake, hex};
use carnet_jose::sha256;
use carnet_spiffe::{Selector, SpiffeId, TrustDomain};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{API, By, Draft, Entries, EntryError, Filter, MAX_PAGE};

/// Largest file, in bytes: 100,000 entries of a line each fit.
pub const MAX_FILE: usize = 64 << 20;

/// A file of entries: `[[entry]]` tables.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EntryFile {
    /// The entries.
    #[serde(default)]
    pub entry: Vec<FileEntry>,
}

/// An entry in a file.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Its key. Default: made of identity, parent and selectors, so that it is the same each time.
    #[serde(default)]
    pub id: Option<String>,
    /// The identity given; whole segments may be filled from the workload's selectors, for instance
    /// `spiffe://example.org/ns/{k8s:ns}/sa/{k8s:sa}`.
    pub spiffe_id: IdTemplate,
    /// The agent, or the group of agents, whose workloads it is for.
    pub parent_id: SpiffeId,
    /// All of these must be found.
    pub selectors: BTreeSet<Selector>,
    /// Life of X509-SVIDs in seconds.
    #[serde(default)]
    pub x509_ttl: Option<u32>,
    /// Life of JWT-SVIDs in seconds.
    #[serde(default)]
    pub jwt_ttl: Option<u32>,
    /// Foreign domains whose bundles the workload gets.
    #[serde(default)]
    pub federates_with: BTreeSet<TrustDomain>,
    /// DNS names in X509-SVIDs.
    #[serde(default)]
    pub dns_names: Vec<String>,
    /// The operator's label.
    #[serde(default)]
    pub hint: String,
    /// Whether it may use the admin API.
    #[serde(default)]
    pub admin: bool,
    /// Whether it may get an authority's certificate below this one. Refused: none are given.
    #[serde(default)]
    pub downstream: bool,
    /// From when it does not count any more.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub expires_at: Option<Timestamp>,
    /// Further claims of JWT-SVIDs.
    #[serde(default)]
    pub jwt_claims: Map<String, Value>,
    /// Whether JWT-SVIDs get a `jti`.
    #[serde(default)]
    pub include_jti: bool,
}

impl From<FileEntry> for Registration {
    fn from(entry: FileEntry) -> Self {
        let selectors: Vec<&str> = entry.selectors.iter().map(Selector::as_str).collect();
        let place = format!("{}\n{}\n{}", entry.spiffe_id, entry.parent_id, selectors.join("\n"));
        let made = || format!("file-{}", hex(sha256(place.as_bytes()).get(..16).unwrap_or_default()));
        Self {
            id: entry.id.unwrap_or_else(made),
            spiffe_id: entry.spiffe_id,
            parent_id: entry.parent_id,
            selectors: entry.selectors,
            x509_ttl: entry.x509_ttl,
            jwt_ttl: entry.jwt_ttl,
            federates_with: entry.federates_with,
            dns_names: entry.dns_names,
            hint: entry.hint,
            admin: entry.admin,
            downstream: entry.downstream,
            expires_at: entry.expires_at,
            jwt_claims: entry.jwt_claims,
            include_jti: entry.include_jti,
            created_at: Timestamp::UNIX_EPOCH,
            revision: 0,
        }
    }
}

/// What a file has changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Entries made.
    pub created: usize,
    /// Entries changed.
    pub updated: usize,
    /// Entries taken away.
    pub deleted: usize,
}

impl EntryFile {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// Where it is not TOML of this form.
    pub fn parse(text: &str) -> Result<Self, Error> {
        Self::parse_of(text, None)
    }

    fn parse_of(text: &str, file: Option<&Path>) -> Result<Self, Error> {
        toml::from_str(text).map_err(|error: toml::de::Error| {
            // Not the lines around it: a secret may stand there.
            let told = FileMistake::in_document(file.unwrap_or(Path::new("")), text, error.span(), error.message());
            let error = Error::configuration(format!("read the entries: {told}"));
            if file.is_some() { error.mistakes([told]) } else { error }
        })
    }

    /// Makes the entries of owner `label` those of this file. Entries of other owners are not touched: one of them with the same
    /// `id`, or the same identity, parent and selectors, is a mistake. Nothing is changed unless all entries are good.
    ///
    /// # Errors
    /// All mistakes at once; those of the store, with a part of the changes done.
    pub async fn apply(self, entries: &Entries, label: &str, by: &By) -> Result<Applied, EntryError> {
        if label == API {
            return Err(EntryError::Foreign(format!("the label of a file cannot be {API:?}")));
        }
        let wanted = self.wanted(entries, label)?;
        let mut have = owned(entries, label);
        let mut applied = Applied::default();
        let gone: Vec<String> = have.keys().filter(|id| !wanted.contains_key(*id)).cloned().collect();
        // First what goes: what comes may be similar.
        for id in gone {
            have.remove(&id);
            match entries.delete(&id, by).await {
                // Another node reads the same file.
                Ok(()) | Err(EntryError::NotFound(_)) => applied.deleted += 1,
                Err(error) => return Err(error),
            }
        }
        for (id, entry) in wanted {
            match have.get(&id) {
                Some(old) if is_same(old, &entry) => {}
                Some(_) => {
                    entries.update(entry, None, by).await?;
                    applied.updated += 1;
                }
                None => match entries.create(Draft { entry: entry.clone(), owner: label.to_owned() }, by).await {
                    Ok(_) => applied.created += 1,
                    Err(EntryError::Exists(other)) if other.owner == label && is_same(&other.entry, &entry) => {}
                    Err(error) => return Err(error),
                },
            }
        }
        Ok(applied)
    }

    fn wanted(self, entries: &Entries, label: &str) -> Result<BTreeMap<String, Registration>, EntryError> {
        let mut mistakes = Vec::new();
        let mut wanted = BTreeMap::new();
        for (at, entry) in self.entry.into_iter().enumerate() {
            let entry = Registration::from(entry);
            // Its time has come: it is as if it were not there, and no reason to refuse the others.
            if entry.expires_at.is_some_and(|expires_at| expires_at <= entries.now()) {
                continue;
            }
            let mut mistake = |mistake: Mistake| {
                mistakes.push(Mistake { field: format!("entry[{at}].{}", mistake.field), ..mistake });
            };
            if let Err(EntryError::Mistakes(wrong)) = entries.check(&entry) {
                wrong.into_iter().for_each(&mut mistake);
            }
            if let Some(other) = entries.get(&entry.id).filter(|other| other.owner != label) {
                mistake(Mistake::new("id", format!("is that of an entry of {}", other.owner)));
            }
            if wanted.insert(entry.id.clone(), entry).is_some() {
                mistake(Mistake::new("id", "stands twice in the file"));
            }
        }
        if mistakes.is_empty() { Ok(wanted) } else { Err(EntryError::Mistakes(mistakes)) }
    }
}

fn is_same(old: &Registration, new: &Registration) -> bool {
    let bare = |entry: &Registration| Registration { created_at: Timestamp::UNIX_EPOCH, revision: 0, ..entry.clone() };
    bare(old) == bare(new)
}

fn owned(entries: &Entries, label: &str) -> BTreeMap<String, Arc<Registration>> {
    let filter = Filter { owner: Some(label.to_owned()), ..Filter::default() };
    let mut all = BTreeMap::new();
    let mut after: Option<String> = None;
    loop {
        let page = entries.list(&filter, after.as_deref(), MAX_PAGE);
        let more = page.len() == MAX_PAGE;
        after = page.last().map(|owned| owned.entry.id.clone());
        all.extend(page.into_iter().map(|owned| (owned.entry.id.clone(), Arc::clone(&owned.entry))));
        if !more {
            return all;
        }
    }
}

/// A file that is followed.
#[derive(Clone, Debug)]
pub struct FollowedFile {
    /// Where it is.
    pub path: PathBuf,
    /// The owner of its entries; the same on every node that follows the same file.
    pub label: String,
}

impl FollowedFile {
    /// Reads it: its form, not yet its meaning.
    ///
    /// # Errors
    /// When it is not there, cannot be read, is empty, or is not of this form.
    pub fn read(&self, context: &carnet_core::Context) -> Result<EntryFile, Error> {
        let what = || format!("read the entries in {}", self.path.display());
        let bytes = context.files.read(&self.path, MAX_FILE)?;
        let failed = |text: &str| {
            let told = FileMistake::in_text(&self.path, "", None, text);
            Error::configuration(format!("{}: {text}", what())).mistakes([told])
        };
        let bytes = bytes.ok_or_else(|| failed("it is not there"))?;
        let text = std::str::from_utf8(bytes.expose()).map_err(|_quoting| failed("it is not UTF-8"))?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if text.trim().is_empty() {
            // An editor cuts a file before it writes it. No entry at all is said by a comment.
            return Err(failed("it is empty").hint("to have no entries, write a comment"));
        }
        EntryFile::parse_of(text, Some(&self.path)).map_err(|error| Error::configuration(what()).because(error))
    }

    /// Reads and applies it once. A file that is not there, is empty, or cannot be read, changes nothing: entries that were there stay.
    ///
    /// # Errors
    /// What is wrong with the file, or those of the store.
    pub async fn apply(&self, entries: &Entries, context: &carnet_core::Context) -> Result<Applied, Error> {
        let what = || format!("read the entries in {}", self.path.display());
        let file = self.read(context)?;
        let by = By::itself(&format!("file:{}", self.label));
        file.apply(entries, &self.label, &by).await.map_err(|error| Error::configuration(what()).because(error))
    }

    /// Applies it again whenever `changes` tells that it has changed, until `shutdown`.
    pub async fn follow(
        &self,
        entries: &Entries,
        context: &carnet_core::Context,
        mut changes: watch::Receiver<u64>,
        shutdown: CancellationToken,
    ) {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                told = changes.changed() => if told.is_err() { return },
            }
            match self.apply(entries, context).await {
                Ok(applied) => tracing::info!(
                    label = self.label,
                    applied.created,
                    applied.updated,
                    applied.deleted,
                    "entries were read again"
                ),
                Err(error) => tracing::error!(
                    label = self.label, error = %carnet_core::chain(&error).join(": "),
                    "the file of entries is not applied; those from before stay"
                ),
            }
        }
    }
}
