//! The programs that two of the systems put into each job, in memory.

use std::collections::BTreeMap;

use carnet_core::{BoxFuture, Command, CommandOutput, Commands, Error, SecretBytes};

use crate::{CiEmulator, buildkite, circleci};

/// `circleci` and `buildkite-agent` as a job finds them. They read their own arguments and refuse as the real ones do; no other program is
/// there.
#[derive(Debug)]
pub struct JobPrograms {
    emulator: CiEmulator,
    variables: BTreeMap<String, String>,
}

impl JobPrograms {
    /// The programs of a job that has these variables.
    pub fn new(emulator: CiEmulator, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { emulator, variables: variables.into_iter().collect() }
    }

    fn variable(&self, name: &str) -> String {
        self.variables.get(name).cloned().unwrap_or_default()
    }

    fn answer(&self, argv: &[String]) -> Result<Result<String, String>, Error> {
        let arguments: Vec<&str> = argv.iter().skip(1).map(String::as_str).collect();
        match argv.first().map(String::as_str).unwrap_or_default() {
            "circleci" if self.variable("CIRCLECI") == "true" => Ok(circleci::program(&self.emulator, &arguments)),
            "circleci" => Ok(Err("Error: this command works in a job only".to_owned())),
            "buildkite-agent" => Ok(buildkite::program(&self.emulator, &arguments, |name| self.variable(name))),
            other => Err(Error::configuration(format!("start {other}")).hint("there is no such program")),
        }
    }
}

impl Commands for JobPrograms {
    fn run(&self, command: Command) -> BoxFuture<'_, Result<CommandOutput, Error>> {
        Box::pin(async move {
            let (status, stdout, stderr) = match self.answer(&command.argv)? {
                Ok(token) => (0, token + "\n", String::new()),
                Err(message) => (1, String::new(), message + "\n"),
            };
            Ok(CommandOutput {
                status: Some(status),
                stdout: SecretBytes::new(stdout),
                stderr: SecretBytes::new(stderr),
            })
        })
    }
}
