//! `carnet config check|show|schema`

use carnet_agent::AgentConfig;
use carnet_authority::AuthorityConfig;
use carnet_core::{Context, Error, FileMistake, Mistake, SectionConfig as _, chain};
use carnet_discovery::DiscoveryConfig;
use carnet_route::{Config, schema};
use serde_json::json;

use super::service;
use crate::{
    args::{self, ConfigCommand, Global},
    output::{Terminal, Text, Warning, bold, green, without_secrets},
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
                terminal.json(without_secrets(&json!({"ok": false, "problems": error.to_json()})))?;
            } else {
                terminal.say_rendered(|colour| error.render(colour, WIDTH));
            }
            Ok(MISTAKES)
        }
        Ok(None) => Err(Error::configuration("find the configuration: there is none")
            .hint("write carnet.toml, set CARNET_CONFIG, or name a file with --config")),
        Ok(Some(config)) if matches!(args.command, ConfigCommand::Show) => show(&config, terminal),
        Ok(Some(config)) => check(&config, &context, terminal),
    }
}

fn check(config: &Config, context: &Context, terminal: Terminal) -> Result<u8, Error> {
    let authority = config.section::<AuthorityConfig>();
    let mut warnings = Vec::new();
    if let Some(settings) = &authority {
        match settings.check_files(context) {
            Err(error) if terminal.is_json() => {
                let problems = json!({"version": 1, "file": config.path(), "mistakes": mistakes(&error)});
                terminal.json(without_secrets(&json!({"ok": false, "problems": problems})))?;
                return Ok(MISTAKES);
            }
            checked => warnings = checked?.warnings,
        }
    }
    let sections = [
        (AuthorityConfig::NAME, authority.is_some()),
        (AgentConfig::NAME, config.section::<AgentConfig>().is_some()),
        (DiscoveryConfig::NAME, config.section::<DiscoveryConfig>().is_some()),
    ];
    let sections = sections.into_iter().filter_map(|(name, there)| there.then_some(name));
    let names: Vec<&str> = config.routes().iter().map(carnet_route::Route::name).collect();
    if terminal.is_json() {
        let told =
            |Mistake { field, message, hint, .. }: &Mistake| json!({"field": field, "message": message, "hint": hint});
        let warnings: Vec<_> = warnings.iter().map(told).collect();
        terminal.json(without_secrets(
            &json!({"ok": true, "file": config.path(), "routes": names, "warnings": warnings}),
        ))?;
        return Ok(0);
    }
    for Mistake { field, message, hint, .. } in &warnings {
        let message = format!("{field}: {message}; {}", hint.as_deref().unwrap_or_default());
        terminal.warn(&Warning { message: &message, route: None, step: None });
    }
    let place = config.path().map_or(String::new(), |path| format!("{}: ", path.display()));
    let mut text = Text::from(place);
    text.styled(green(), "ok");
    for name in sections {
        text.push(format!(", [{name}]"));
    }
    match names.as_slice() {
        [] => &mut text,
        [name] => text.push(format!(", 1 route: {name}")),
        _ => text.push(format!(", {} routes: {}", names.len(), names.join(", "))),
    };
    text.push("\n");
    terminal.text(text.redacted())?;
    Ok(0)
}

/// What is wrong with the files that a section names. What is no mistake in the text of one, such as its mode, is one of the whole.
fn mistakes(error: &Error) -> Vec<FileMistake> {
    let hint = Some(error.hints().join("; ")).filter(|hints| !hints.is_empty());
    let mut mistakes = error.file_mistakes().to_vec();
    if mistakes.is_empty() {
        let message = chain(error).join(": ");
        mistakes.push(FileMistake { file: None, place: None, field: String::new(), message, hint: None });
    }
    if let [one] = mistakes.as_mut_slice() {
        one.hint = one.hint.take().or(hint);
    }
    mistakes
}

fn show(config: &Config, terminal: Terminal) -> Result<u8, Error> {
    if terminal.is_json() {
        terminal.json(without_secrets(&json!({"file": config.path(), "settings": config.settings()})))?;
        return Ok(0);
    }
    let mut text = Text::default();
    for setting in config.settings() {
        text.styled(bold(), &setting.field).push(format!(" = {}    # {}\n", setting.value, setting.origin));
    }
    terminal.text(text.redacted())?;
    Ok(0)
}
