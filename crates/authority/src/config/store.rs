//! Where the authority remembers.

use std::path::PathBuf;

use carnet_core::{Error, Mistake};
use carnet_keys::SecretSource;
use schemars::JsonSchema;
use serde::Deserialize;

/// Where an authority of a single machine remembers.
const DEFAULT_URL: &str = "sqlite:/var/lib/carnet/authority.db";

/// Where it remembers what it did.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StoreSection {
    /// `sqlite:PATH`, or `postgres://USER@HOST/DATABASE` for several nodes. Never with a password in it.
    #[serde(default = "default_url")]
    url: String,
    /// File with the password for PostgreSQL, which only its owner may read.
    #[serde(default)]
    password_file: Option<PathBuf>,
    /// Largest number of decisions that wait to be written; more are refused as busy.
    #[serde(default = "default_queue")]
    queue: u32,
}

/// It, checked.
#[derive(Clone, Debug)]
pub struct StorePlace {
    /// Its address, without a password.
    pub url: String,
    /// Where the password is.
    pub password: Option<SecretSource>,
    /// Largest number of decisions that wait to be written.
    pub queue: usize,
}

impl StorePlace {
    /// The same at another address.
    ///
    /// # Errors
    /// When it is no address of a store, or holds a password.
    pub fn at(self, url: String) -> Result<Self, Error> {
        let sqlite = url.starts_with("sqlite:");
        let section = StoreSection { url, ..StoreSection::default() };
        let checked = section.check().map_err(|mistakes| crate::rules::refused("the store", &mistakes))?;
        let password = self.password.filter(|_| !sqlite);
        Ok(Self { password, queue: self.queue, ..checked })
    }
}

fn default_url() -> String {
    DEFAULT_URL.to_owned()
}

const fn default_queue() -> u32 {
    1024
}

impl Default for StoreSection {
    fn default() -> Self {
        Self { url: default_url(), password_file: None, queue: default_queue() }
    }
}

impl StoreSection {
    pub(super) fn check(self) -> Result<StorePlace, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let sqlite = self.url.strip_prefix("sqlite:");
        let postgres = self.url.starts_with("postgres://") || self.url.starts_with("postgresql://");
        if sqlite.is_none_or(str::is_empty) && !postgres {
            let mistake = Mistake::new("url", "it is no address of a store");
            mistakes.push(mistake.hint("write sqlite:PATH or postgres://USER@HOST/DATABASE"));
        }
        let secret = url::Url::parse(&self.url).is_ok_and(|url| url.password().is_some());
        if postgres && secret {
            let mistake = Mistake::new("url", "a password stands in it");
            mistakes.push(mistake.hint("put it into a file and name that with password_file"));
        }
        if sqlite.is_some() && self.password_file.is_some() {
            mistakes.push(Mistake::new("password_file", "SQLite has no password"));
        }
        if self.queue == 0 {
            mistakes.push(Mistake::new("queue", "nothing could be written"));
        }
        let queue = usize::try_from(self.queue).unwrap_or(usize::MAX);
        let place = StorePlace { url: self.url, password: self.password_file.map(SecretSource::File), queue };
        if mistakes.is_empty() { Ok(place) } else { Err(mistakes) }
    }
}
