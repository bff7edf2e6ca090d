//! `carnet`: the identity a workload has, exchanged for the short-lived credential it needs elsewhere.
#![allow(clippy::format_push_string, reason = "text for people is put together once and read by them")]

mod args;
mod command;
mod deferred;
#[cfg(test)]
mod hints;
mod output;
mod world;

use std::process::ExitCode;

use carnet_core::{Error, ErrorKind, redacted};
use clap::{CommandFactory as _, FromArgMatches as _};

use crate::{args::Cli, output::Terminal};

fn main() -> ExitCode {
    let parsed = Cli::command().try_get_matches().and_then(|matches| {
        let cli = Cli::from_arg_matches(&matches)?;
        Ok((cli, matches))
    });
    let (cli, matches) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => return usage(&error),
    };
    let terminal = Terminal::new(&cli.global);
    let started = world::start_logging(cli.global.log.as_deref(), cli.command.is_service());
    match started.and_then(|()| command::dispatch(cli, &matches, terminal)) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            terminal.fail(&error);
            ExitCode::from(error.kind().exit_code())
        }
    }
}

/// What is said of the arguments without what stands behind the `=` of one: a field that was given where none is taken may be
/// that of a secret.
fn without_values(said: &str, words: &[String]) -> String {
    // Clap says a word without its escapes. A long word may have a short one in it.
    let mut plain: Vec<String> = words.iter().map(|word| anstream::adapter::strip_str(word).to_string()).collect();
    plain.sort_unstable_by_key(|word| std::cmp::Reverse(word.len()));
    plain.iter().fold(said.to_owned(), |said, word| match word.split_once('=') {
        Some((name, value)) if !value.is_empty() => said.replace(word.as_str(), &format!("{name}=…")),
        _ => said,
    })
}

/// Help, the version, or a mistake in the arguments; the latter as JSON for who asked for that.
fn usage(error: &clap::Error) -> ExitCode {
    // Nothing that was given is in it, though an example of its own may be what was given.
    if !error.use_stderr() {
        error.exit();
    }
    let words: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let own = words.iter().take_while(|word| *word != "--");
    let json = own.clone().any(|word| word == "--output=json")
        || own.clone().zip(own.skip(1)).any(|(flag, value)| flag == "--output" && value == "json");
    let text = error.to_string();
    let clean = redacted(&without_values(&text, &words)).into_owned();
    if !json {
        if clean != text {
            Terminal::for_people().say(clean.trim_end());
            return ExitCode::from(ErrorKind::Configuration.exit_code());
        }
        error.exit();
    }
    // The first line says what is wrong; the usage below it is for people.
    let message = clean.lines().next().unwrap_or_default().trim_start_matches("error: ");
    let error = Error::configuration(format!("read the arguments: {message}")).hint("try '--help'");
    Terminal::for_programs().fail(&error);
    ExitCode::from(error.kind().exit_code())
}
