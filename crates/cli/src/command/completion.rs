//! `carnet completion SHELL`, and what the manual is made from.

use std::path::Path;

use carnet_core::{Error, NewFile, replace_files};
use carnet_route::EnvVars;
use clap::CommandFactory as _;
use serde_json::json;

use crate::{args::Cli, output::Terminal};

pub(super) fn run(shell: clap_complete::Shell, terminal: Terminal) -> Result<u8, Error> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "carnet", &mut script);
    terminal.data(&script)?;
    Ok(0)
}

/// Writes the variables, for the manual.
pub(super) fn environment(terminal: Terminal) -> Result<u8, Error> {
    terminal.json(json!({"variables": EnvVars::ALL}))?;
    Ok(0)
}

/// Writes a manual page for carnet and for each command.
pub(super) fn man(folder: &Path, terminal: Terminal) -> Result<u8, Error> {
    let mut files = Vec::new();
    let root = Cli::command().disable_help_subcommand(true);
    files.push(page(&root, "carnet", folder)?);
    for command in root.get_subcommands().filter(|command| !command.is_hide_set()) {
        let name = format!("carnet-{}", command.get_name());
        files.push(page(&command.clone().display_name(&name), &name, folder)?);
    }
    replace_files(&files)?;
    terminal.say(format!("{} pages in {}", files.len(), folder.display()));
    Ok(0)
}

fn page(command: &clap::Command, name: &str, folder: &Path) -> Result<NewFile, Error> {
    let mut text = Vec::new();
    clap_mangen::Man::new(command.clone())
        .render(&mut text)
        .map_err(|error| Error::internal("write a manual page").because(error))?;
    Ok(NewFile::new(folder.join(format!("{name}.1")), text))
}
