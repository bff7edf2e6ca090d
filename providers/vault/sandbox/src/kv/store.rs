//! What version 2 keeps: secrets with versions. Pure.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::{MAX_SECRETS, weight};

/// How many versions are kept where nobody says
/// (<https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2#max_versions>).
const DEFAULT_VERSIONS: u64 = 10;

/// One mount.
#[derive(Clone, Debug, Default)]
pub(crate) struct Engine {
    /// What holds where a secret says nothing.
    pub(crate) settings: Settings,
    secrets: BTreeMap<String, Secret>,
}

/// What can be set for a mount and for a secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Versions kept; 0 is the default.
    pub(crate) max_versions: u64,
    /// Whether a write must name the version it replaces.
    pub(crate) cas_required: bool,
    /// How long after its creation a version is deleted; zero is never.
    pub(crate) delete_version_after: SignedDuration,
}

/// A secret.
#[derive(Clone, Debug)]
pub(crate) struct Secret {
    pub(crate) settings: Settings,
    pub(crate) custom_metadata: Option<Map<String, Value>>,
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
    /// The newest version that there ever was; 0 while there are only metadata.
    pub(crate) current: u64,
    pub(crate) versions: BTreeMap<u64, Version>,
}

/// One version.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    /// `None` once it is destroyed.
    pub(crate) data: Option<Map<String, Value>>,
    pub(crate) created: Timestamp,
    /// From when on it is deleted; may lie ahead.
    pub(crate) deletion: Option<Timestamp>,
    /// What its data took when they were written, in bytes.
    weight: usize,
}

/// Why a write is refused, in Vault's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WriteMistake {
    /// The version named is not the newest.
    CheckAndSet,
    /// None is named and one must be.
    CheckAndSetRequired,
    /// The sandbox is full.
    Full,
}

impl WriteMistake {
    /// The text of the answer.
    pub(crate) fn text(self) -> String {
        match self {
            Self::CheckAndSet => "check-and-set parameter did not match the current version".to_owned(),
            Self::CheckAndSetRequired => "check-and-set parameter required for this call".to_owned(),
            Self::Full => format!("the sandbox holds at most {MAX_SECRETS} secrets in a mount"),
        }
    }
}

impl Version {
    /// Whether its data are gone for good.
    pub(crate) fn destroyed(&self) -> bool {
        self.data.is_none()
    }

    fn weight(&self) -> usize {
        weight::of_entry("").saturating_add(if self.destroyed() { 0 } else { self.weight })
    }

    /// Its data, unless it is deleted or destroyed.
    pub(crate) fn readable(&self, now: Timestamp) -> Option<&Map<String, Value>> {
        self.data.as_ref().filter(|_| self.deletion.is_none_or(|deletion| deletion > now))
    }
}

impl Secret {
    fn new(now: Timestamp) -> Self {
        Self {
            settings: Settings::default(),
            custom_metadata: None,
            created: now,
            updated: now,
            current: 0,
            versions: BTreeMap::new(),
        }
    }

    /// How much it takes, in bytes.
    fn weight(&self) -> usize {
        let custom = self.custom_metadata.as_ref().map_or(0, weight::of_data);
        self.versions.values().map(Version::weight).fold(custom, usize::saturating_add)
    }

    /// The version of this number, the newest for `None` and 0.
    pub(crate) fn version(&self, number: Option<u64>) -> Option<(u64, &Version)> {
        let number = number.filter(|number| *number != 0).unwrap_or(self.current);
        self.versions.get(&number).map(|version| (number, version))
    }

    /// The oldest version that is kept; 0 while nothing was dropped.
    pub(crate) fn oldest(&self) -> u64 {
        self.versions.keys().next().copied().filter(|oldest| *oldest > 1).unwrap_or_default()
    }

    /// Deletes versions; those that are not there are passed over.
    pub(crate) fn delete(&mut self, numbers: &[u64], now: Timestamp) {
        for number in numbers {
            if let Some(version) = self.versions.get_mut(number)
                && version.readable(now).is_some()
            {
                version.deletion = Some(now);
            }
        }
    }

    /// Brings deleted versions back.
    pub(crate) fn undelete(&mut self, numbers: &[u64]) {
        for number in numbers {
            if let Some(version) = self.versions.get_mut(number).filter(|version| !version.destroyed()) {
                version.deletion = None;
            }
        }
    }

    /// Takes the data of versions away for good.
    pub(crate) fn destroy(&mut self, numbers: &[u64]) {
        for number in numbers {
            if let Some(version) = self.versions.get_mut(number) {
                version.data = None;
            }
        }
    }
}

impl Engine {
    /// A secret, if there are data or metadata.
    pub(crate) fn secret(&self, path: &str) -> Option<&Secret> {
        self.secrets.get(path)
    }

    /// A secret to change.
    pub(crate) fn secret_mut(&mut self, path: &str) -> Option<&mut Secret> {
        self.secrets.get_mut(path)
    }

    /// A secret to change, made without a version if there is none.
    ///
    /// # Errors
    /// [`WriteMistake::Full`].
    pub(crate) fn make(&mut self, path: &str, now: Timestamp) -> Result<&mut Secret, WriteMistake> {
        if self.secrets.len() >= MAX_SECRETS && !self.secrets.contains_key(path) {
            return Err(WriteMistake::Full);
        }
        Ok(self.secrets.entry(path.to_owned()).or_insert_with(|| Secret::new(now)))
    }

    /// How much is in it, in bytes.
    pub(crate) fn weight(&self) -> usize {
        let one = |(path, secret): (&String, &Secret)| weight::of_entry(path).saturating_add(secret.weight());
        self.secrets.iter().map(one).fold(0, usize::saturating_add)
    }

    /// Takes a secret away with all its versions.
    pub(crate) fn remove(&mut self, path: &str) {
        self.secrets.remove(path);
    }

    /// The paths of all secrets.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &String> {
        self.secrets.keys()
    }

    /// Writes a new version and drops the oldest of those that are too many. Returns its number.
    ///
    /// # Errors
    /// When check-and-set says no.
    pub(crate) fn write(
        &mut self,
        path: &str,
        data: Map<String, Value>,
        cas: Option<u64>,
        now: Timestamp,
    ) -> Result<u64, WriteMistake> {
        let (current, own) = match self.secrets.get(path) {
            Some(secret) => (secret.current, secret.settings.clone()),
            None => (0, Settings::default()),
        };
        match cas {
            None if own.cas_required || self.settings.cas_required => return Err(WriteMistake::CheckAndSetRequired),
            Some(cas) if cas != current => return Err(WriteMistake::CheckAndSet),
            _ => {}
        }
        let keep = [own.max_versions, self.settings.max_versions].into_iter().find(|most| *most != 0);
        let keep = keep.unwrap_or(DEFAULT_VERSIONS).min(MAX_SECRETS as u64);
        let after = [own.delete_version_after, self.settings.delete_version_after];
        let after = after.into_iter().find(SignedDuration::is_positive);
        let secret = self.make(path, now)?;
        secret.current = secret.current.saturating_add(1);
        secret.updated = now;
        let deletion = after.and_then(|after| now.saturating_add(after).ok());
        let weight = weight::of_data(&data);
        secret.versions.insert(secret.current, Version { data: Some(data), created: now, deletion, weight });
        let oldest = secret.current.saturating_sub(keep);
        secret.versions.retain(|number, _| *number > oldest);
        Ok(secret.current)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn data(value: i64) -> Map<String, Value> {
        json!({ "v": value }).as_object().unwrap().clone()
    }

    #[test]
    fn the_oldest_versions_are_dropped() {
        let mut engine = Engine::default();
        for number in 1..=12 {
            assert_eq!(engine.write("a", data(number), None, at(number)), Ok(number.unsigned_abs()));
        }
        let secret = engine.secret("a").unwrap();
        assert_eq!((secret.versions.len(), secret.oldest(), secret.current), (10, 3, 12));
        assert_eq!(secret.created, at(1));
        assert!(secret.version(Some(2)).is_none());
    }

    #[test]
    fn check_and_set_names_the_version_that_is_replaced() {
        let mut engine = Engine::default();
        assert_eq!(engine.write("a", data(1), Some(1), at(1)), Err(WriteMistake::CheckAndSet));
        assert_eq!(engine.write("a", data(1), Some(0), at(1)), Ok(1));
        assert_eq!(engine.write("a", data(2), Some(0), at(1)), Err(WriteMistake::CheckAndSet));
        engine.settings.cas_required = true;
        assert_eq!(engine.write("a", data(2), None, at(1)), Err(WriteMistake::CheckAndSetRequired));
        assert_eq!(engine.write("a", data(2), Some(1), at(1)), Ok(2));
    }

    #[test]
    fn what_is_deleted_comes_back_and_what_is_destroyed_does_not() {
        let mut engine = Engine::default();
        engine.write("a", data(1), None, at(1)).unwrap();
        let secret = engine.secret_mut("a").unwrap();
        let reads = |secret: &Secret| secret.version(None).unwrap().1.readable(at(5)).is_some();
        secret.delete(&[1, 7], at(2));
        assert!(!reads(secret));
        secret.undelete(&[1]);
        assert!(reads(secret));
        secret.destroy(&[1]);
        secret.undelete(&[1]);
        assert!(!reads(secret));
    }

    #[test]
    fn versions_are_deleted_when_their_time_is_over() {
        let mut engine = Engine::default();
        engine.settings.delete_version_after = SignedDuration::from_secs(10);
        engine.write("a", data(1), None, at(100)).unwrap();
        let (_, version) = engine.secret("a").unwrap().version(None).unwrap();
        assert!(version.readable(at(109)).is_some());
        assert!(version.readable(at(110)).is_none());
    }
}
