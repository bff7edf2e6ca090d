//! `carnet authority entry|rule|…`: what operators do with an authority that runs, over its admin API.

mod api;
mod args;
mod audit;
mod entry;
mod file;
mod keys;
mod nodes;
mod store;
mod table;
mod tokens;
mod trust;

use carnet_core::Error;
use serde_json::{Value, json};

pub(crate) use args::AdminCommand;

use crate::{
    output::{Terminal, Text, Warning, bold},
    world,
};
pub(super) use api::Api;
use args::Group;

/// Runs one of the commands.
pub(crate) fn run(command: AdminCommand, terminal: Terminal) -> Result<u8, Error> {
    world::block_on(async {
        match command {
            AdminCommand::Info { at } => info(&Api::open(&at)?, terminal).await,
            AdminCommand::Entry(Group { at, command }) => entry::run(&Api::open(&at)?, command, terminal).await,
            AdminCommand::Rule(Group { at, command }) => trust::rule(&Api::open(&at)?, command, terminal).await,
            AdminCommand::Issuer(Group { at, command }) => trust::issuer(&Api::open(&at)?, command, terminal).await,
            AdminCommand::Federation(Group { at, command }) => {
                trust::federation(&Api::open(&at)?, command, terminal).await
            }
            AdminCommand::Key(Group { at, command }) => keys::run(&Api::open(&at)?, command, terminal).await,
            AdminCommand::Node(Group { at, command }) => nodes::node(&Api::open(&at)?, command, terminal).await,
            AdminCommand::JoinToken(Group { at, command }) => {
                nodes::join_token(&Api::open(&at)?, command, terminal).await
            }
            AdminCommand::Token(Group { at, command }) => tokens::run(&Api::open(&at)?, command, terminal).await,
            AdminCommand::Store(Group { at, command }) => store::run(&Api::open(&at)?, command, terminal).await,
            AdminCommand::Audit(Group { at, command }) => audit::run(&at, command, terminal).await,
        }
    })
}

async fn info(api: &Api, terminal: Terminal) -> Result<u8, Error> {
    show("info", &api.get(&["info"], &[]).await?, terminal)
}

/// One object: as JSON below its name, for people member by member.
fn show(what: &str, object: &Value, terminal: Terminal) -> Result<u8, Error> {
    if terminal.is_json() {
        terminal.json(json!({ what: object }))?;
        return Ok(0);
    }
    let mut text = Text::default();
    members(&mut text, object, "");
    terminal.text(text)?;
    Ok(0)
}

fn members(text: &mut Text, object: &Value, indent: &str) {
    for (name, value) in object.as_object().into_iter().flatten() {
        text.push(indent).styled(bold(), name.as_str());
        match value {
            Value::Object(inner) if !inner.is_empty() => {
                text.push("\n");
                members(text, value, &format!("{indent}  "));
            }
            Value::Array(list) if list.iter().any(Value::is_object) => {
                text.push("\n");
                for one in list {
                    text.push(format!("{indent}  {}\n", in_one_line(one)));
                }
            }
            _ => drop(text.push(format!(": {}\n", table::plain(value)))),
        }
    }
}

/// `name: store, state: ready`, without what is not there.
fn in_one_line(object: &Value) -> String {
    let Some(members) = object.as_object() else { return table::plain(object) };
    let there = members.iter().filter(|(_, value)| !value.is_null());
    let members: Vec<String> = there.map(|(name, value)| format!("{name}: {}", table::plain(value))).collect();
    members.join(", ")
}

/// What became of a change.
fn changed(what: &str, name: &str, change: &Value, terminal: Terminal) -> Result<u8, Error> {
    if terminal.is_json() {
        terminal.json(json!({ "kind": what, "name": name, "change": change }))?;
        return Ok(0);
    }
    for message in change.get("warnings").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        terminal.warn(&Warning { message, route: None, step: None });
    }
    let action = change.get("action").and_then(Value::as_str).unwrap_or("done");
    let dry = if change.get("dry_run") == Some(&Value::Bool(true)) { ", dry run: nothing was written" } else { "" };
    terminal.text(format!("{what} {name}: {action}{dry}\n"))?;
    Ok(0)
}

#[cfg(test)]
mod tests;
