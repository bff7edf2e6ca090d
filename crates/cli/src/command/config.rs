//! `carnet config check|show|schema`

use carnet_core::Error;
use carnet_route::{Config, schema};
use serde_json::json;

use super::service;
use crate::{
    args::{self, ConfigCommand, Global},
    output::{Terminal, Text, bold, green},
    world,
};

/// Exit code of a configuration with mistakes.
const MISTAKES: u8 = 2;
/// Width of rendered mistakes when nobody says otherwise.
const WIDTH: usize = 120;

pub(super) fn run(global: &Global, args: &args::Config, terminal: Terminal) -> Result<u8, Error> {
    let registry = service::registry();
    if matches!(args.command, ConfigCommand::Schema) {
        let document = serde_json::to_string_pretty(&schema(&registry))
            .map_err(|error| Error::internal("write the schema").because(error))?;
        terminal.data(format!("{document}\n").as_bytes())?;
        return Ok(0);
    }
    let context = world::context();
    match Config::load(global.config.as_deref(), &registry, &context) {
        Err(error) => {
            if terminal.is_json() {
                terminal.json(json!({"ok": false, "problems": error.to_json()}))?;
            } else {
                terminal.say_rendered(|colour| error.render(colour, WIDTH));
            }
            Ok(MISTAKES)
        }
        Ok(None) => Err(Error::configuration("find the configuration: there is none")
            .hint("write carnet.toml, set CARNET_CONFIG, or name a file with --config")),
        Ok(Some(config)) if matches!(args.command, ConfigCommand::Show) => show(&config, terminal),
        Ok(Some(config)) => check(&config, terminal),
    }
}

fn check(config: &Config, terminal: Terminal) -> Result<u8, Error> {
    let names: Vec<&str> = config.routes().iter().map(carnet_route::Route::name).collect();
    if terminal.is_json() {
        terminal.json(json!({"ok": true, "file": config.path(), "routes": names}))?;
        return Ok(0);
    }
    let place = config.path().map_or(String::new(), |path| format!("{}: ", path.display()));
    let mut text = Text::from(place);
    text.styled(green(), "ok").push(format!(", {} routes: {}\n", names.len(), names.join(", ")));
    terminal.text(text)?;
    Ok(0)
}

fn show(config: &Config, terminal: Terminal) -> Result<u8, Error> {
    if terminal.is_json() {
        terminal.json(json!({"file": config.path(), "settings": config.settings()}))?;
        return Ok(0);
    }
    let mut text = Text::default();
    for setting in config.settings() {
        text.styled(bold(), &setting.field).push(format!(" = {}    # {}\n", setting.value, setting.origin));
    }
    terminal.text(text)?;
    Ok(0)
}
