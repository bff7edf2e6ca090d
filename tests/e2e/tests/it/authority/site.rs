//! An authority with a configuration file, which can be started again, and more than once.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::scene::Running;
use crate::scene::{nowhere, put};

/// What stands in `iss`. Nobody looks there.
pub(crate) const ISSUER: &str = "https://authority.test";

pub(crate) struct Site {
    folder: TempDir,
    store: String,
    keys: String,
    attest: String,
}

impl Site {
    /// With SQLite, and these rules.
    pub(crate) fn new(rules: &str) -> Self {
        let folder = tempfile::tempdir().expect("make a folder");
        let store = format!("sqlite:{}", folder.path().join("authority.db").display());
        put(&folder.path().join("rules.toml"), format!("# what is allowed\n{rules}"), 0o600);
        Self { folder, store, keys: String::new(), attest: String::new() }
    }

    /// With another store.
    pub(crate) fn store(mut self, url: String) -> Self {
        self.store = url;
        self
    }

    /// With more said of the keys, in TOML.
    pub(crate) fn keys(mut self, more: &str) -> Self {
        more.clone_into(&mut self.keys);
        self
    }

    /// With these tables of `[authority.attest]`, in TOML.
    pub(crate) fn attest(mut self, tables: &str) -> Self {
        tables.clone_into(&mut self.attest);
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts one of this name, whose agents find it at this address.
    pub(crate) fn start(&self, name: &str, nodes: &str) -> Running {
        let at = |name: &str| self.path(name).display().to_string();
        let config = format!(
            "version = 1\n[authority]\nissuer = \"{ISSUER}\"\ntrust_domain = \"e2e.test\"\nstore = {{ url = \"{}\" }}\nrules = [\"{}\"]\n\
             [authority.keys]\nseal = {{ key_file = \"{}\" }}\n{}\n[authority.listen]\npublic = \"127.0.0.1:0\"\n\
             nodes = \"{nodes}\"\nadmin = \"{}\"\ndiagnostics = \"127.0.0.1:0\"\n{}",
            self.store,
            at("rules.toml"),
            at("seal.key"),
            self.keys,
            at(&format!("{name}.sock")),
            self.attest,
        );
        let file = self.path(&format!("{name}.toml"));
        put(&file, config, 0o600);
        let mut command = nowhere(self.folder.path(), ["--output", "json", "authority", "--stop-with-stdin"]);
        Running::start(command.arg("--config").arg(file), &self.path(&format!("{name}.log")))
    }

    /// The admin socket of one that runs.
    pub(crate) fn admin_of(authority: &Running) -> PathBuf {
        Path::new(authority.says("admin")).to_owned()
    }
}
