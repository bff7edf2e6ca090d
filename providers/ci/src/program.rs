//! Asking a CI system for a token by the program that it puts into each job.

use std::time::Duration;

use carnet_core::{Command, Context, Error, Secret};

use crate::token::{MAX_TOKEN, parse_plain_token};

/// The programs ask their own service, and try again some times by themselves (Buildkite's agent five times, doubling from two
/// seconds: `clicommand/oidc_request_token.go`).
const TIMEOUT: Duration = Duration::from_mins(1);

/// Runs the program and reads the token that it prints. Its standard error is not repeated: it may quote what it was given.
///
/// # Errors
/// When it cannot be started, ends with another status than 0, or prints something else.
pub(crate) async fn printed_token(context: &Context, argv: Vec<String>, refused: &str) -> Result<Secret, Error> {
    let program = argv.first().cloned().unwrap_or_default();
    let command = Command { argv, environment: Vec::new(), timeout: TIMEOUT, max_output: MAX_TOKEN };
    let output = context.commands.run(command).await.map_err(|error| {
        error.hint(format!(
            "{program} is in every job of this system; a container that the job starts itself may lack it"
        ))
    })?;
    if output.status != Some(0) {
        let end = match output.status {
            Some(status) => format!("it ended with status {status}"),
            None => "a signal ended it".to_owned(),
        };
        return Err(Error::refused(format!("run {program} for an ID token: {end}"))
            .hint(refused)
            .hint("to see what it says, run it by hand in the job with its output sent to /dev/null: what it prints is the token"));
    }
    parse_plain_token(output.stdout.expose()).map_err(|wrong| {
        Error::unreachable(format!("read the ID token that {program} printed ({} bytes): {wrong}", output.stdout.len()))
            .hint(format!("look whether {program} is the system's own: `command -v {program}`"))
    })
}
