//! `carnet`: the identity a workload has, exchanged for the short-lived credential it needs elsewhere.

mod args;
mod command;
mod output;
mod world;

use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _};

use crate::{args::Cli, output::Terminal};

fn main() -> ExitCode {
    let matches = Cli::command().get_matches();
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => {
            error.exit();
        }
    };
    let terminal = Terminal::new(&cli.global);
    world::start_logging(cli.global.log.as_deref());
    match command::dispatch(cli, &matches, terminal) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            terminal.fail(&error);
            ExitCode::from(error.kind().exit_code())
        }
    }
}
