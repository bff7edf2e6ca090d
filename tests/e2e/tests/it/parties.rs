//! The relying parties of the catalogue: what carnet got from each, used by a real client under the party's real name, and
//! refused for the neighbour. The clients see nothing of the job's own identity.

use std::{path::PathBuf, process::Command};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    harness::{Sandbox, both, carnet, installed, node, output, python},
    matrix::{alone, proven},
};

mod registries;
mod services;

/// The source of all routes here.
const JOB: &str = "github-actions";
/// What a client could find the job's identity by.
const JOBS_OWN: [&str; 3] = ["GITHUB_ACTIONS", "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"];

/// A route from a job to a party.
struct Party {
    name: &'static str,
    /// Further fields of the exchange, in TOML.
    fields: String,
    folder: TempDir,
}

impl Party {
    fn new(name: &'static str, fields: impl Into<String>) -> Self {
        Self { name, fields: fields.into(), folder: tempfile::tempdir().expect("make a folder") }
    }

    /// `carnet run` of this client, which finds the token in a variable, in the folder and below it.
    fn run(&self, variable: &str, client: &Command) -> Command {
        let configuration = self.put(
            "carnet.toml",
            &format!(
                "version = 1\n[route.party]\nsource = \"{JOB}\"\n\
                 through = [{{ relying-party = {{ name = \"{}\" {} }} }}]\n\
                 deliver = [{{ env = {{ variable = \"{variable}\" }} }}]\n",
                self.name, self.fields
            ),
        );
        let mut command = carnet(["run", "--config"]);
        command.arg(configuration).args(["party", "--", "env"]).args(JOBS_OWN.iter().flat_map(|name| ["-u", name]));
        command.arg(client.get_program()).args(client.get_args());
        let settings = client.get_envs().filter_map(|(name, value)| Some((name, value?)));
        command.envs(Sandbox::shared().environment(&["--proxy", "--job", "github"])).envs(settings);
        command.current_dir(client.get_current_dir().unwrap_or(self.folder.path()));
        command
    }

    /// A file below the folder.
    fn put(&self, name: &str, content: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("make a folder");
        std::fs::write(&path, content).expect("write a file");
        path
    }

    /// The last act of a test.
    fn proven(&self, client: &str) {
        proven(JOB, self.name, client);
    }
}

/// It must have succeeded; what it said.
fn succeeds(command: &mut Command) -> String {
    let done = output(command);
    assert!(done.status.success(), "{command:?}\n{}", both(&done));
    both(&done)
}

/// It must have failed, saying this.
fn fails(command: &mut Command, says: &str) {
    let done = output(command);
    assert!(!done.status.success() && both(&done).contains(says), "{command:?}\nwanted {says}\n{}", both(&done));
}
