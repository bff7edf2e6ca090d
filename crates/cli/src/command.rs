//! One file per command.

mod agent;
mod authority;
mod authority_admin;
mod completion;
mod config;
mod csi;
mod default_delivery;
mod demo;
mod discovery;
mod flagged;
mod get;
mod guest;
mod inspect;
mod operator;
mod route_args;
mod run;
mod sandbox;
mod service;
mod supervise;
mod version;
mod whoami;

use carnet_core::Error;
use clap::ArgMatches;

pub(crate) use authority_admin::AdminCommand;
pub(crate) use csi::Csi;

use crate::{
    args::{Cli, Command},
    output::Terminal,
};

/// Runs the command; returns the exit code of a command that ended by itself.
pub(crate) fn dispatch(cli: Cli, matches: &ArgMatches, terminal: Terminal) -> Result<u8, Error> {
    let global = cli.global;
    let inner = matches.subcommand().map(|(_, inner)| inner);
    match cli.command {
        Command::Get(args) => get::run(&global, &args, inner, terminal),
        Command::Run(args) => run::run(&global, &args, inner, terminal),
        Command::Whoami(args) => whoami::run(&args, terminal),
        Command::Inspect(args) => inspect::run(&args, terminal),
        Command::Sandbox(args) => sandbox::run(args.into_inner(), terminal),
        Command::Demo(args) => demo::run(&args, terminal),
        Command::Authority(args) => authority::run(&global, args.into_inner(), terminal),
        Command::Agent { stop_with_stdin } => agent::run(&global, stop_with_stdin, terminal),
        Command::Csi(args) => csi::run(args.into_inner(), terminal),
        Command::Operator { stop_with_stdin } => operator::run(&global, stop_with_stdin, terminal),
        Command::Discovery(args) => discovery::run(&global, args.into_inner(), terminal),
        Command::Config(args) => config::run(&global, &args, terminal),
        Command::Completion { shell } => completion::run(shell, terminal),
        Command::Environment => completion::environment(terminal),
        Command::Man { folder } => completion::man(&folder, terminal),
        Command::Version => version::run(terminal),
    }
}
