//! Commands that errors and hints name are commands.

use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory as _};

use crate::args::Cli;

/// Fewest commands that are found as long as this finds them at all.
const AT_LEAST: usize = 15;

#[test]
fn every_command_that_is_named_in_a_text_is_one() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut sources = Vec::new();
    for folder in ["crates", "providers"] {
        for member in std::fs::read_dir(root.join(folder)).unwrap() {
            let member = member.unwrap().path();
            collect(&member.join("src"), &mut sources);
            collect(&member.join("sandbox/src"), &mut sources);
        }
    }
    let mut wrong = Vec::new();
    let mut found = 0_usize;
    for path in sources {
        let text = std::fs::read_to_string(&path).unwrap();
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
            for named in named(line) {
                found += 1;
                if let Err(why) = check(named) {
                    wrong.push(format!("{}:{}: carnet {named}: {why}", path.display(), number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(found >= AT_LEAST, "only {found} were found");
}

#[test]
fn rejects_a_command_or_an_option_that_there_is_not() {
    check("authority join-token create").unwrap();
    check("authority --dev").unwrap();
    check("get ROUTE --format gcp-executable").unwrap();
    check("authority token create").unwrap_err();
    check("authority join-token make").unwrap_err();
    check("get ROUTE --form gcp-executable").unwrap_err();
    assert_eq!(named("x.hint(\"make one with: carnet authority token create\")"), ["authority token create"]);
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(members) = std::fs::read_dir(folder) else { return };
    for member in members {
        let path = member.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("hints.rs") {
            found.push(path);
        }
    }
}

/// What follows `carnet`: in backticks, or in a hint behind a colon.
fn named(line: &str) -> Vec<&str> {
    let mut all = Vec::new();
    for (before, ends) in [("`carnet ", "`\"\\"), (": carnet ", "\"\\")] {
        if before.starts_with(':') && !line.contains("hint(") {
            continue;
        }
        let parts = line.split(before).skip(1);
        all.extend(parts.filter_map(|part| part.split(|c| ends.contains(c)).next()).map(str::trim));
    }
    all
}

/// Whether each word is a command below the one before it, an option of it, or something that is filled in.
fn check(words: &str) -> Result<(), String> {
    let mut root = Cli::command();
    root.build();
    let mut command: &Command = &root;
    for word in words.split_whitespace().take_while(|word| *word != "--") {
        if let Some(option) = word.strip_prefix("--") {
            let name = option.split('=').next().unwrap_or(option);
            let is_there = |of: &Command| of.get_arguments().any(|argument| argument.get_long() == Some(name));
            if !is_there(command) {
                return Err(format!("there is no --{name}"));
            }
        } else if let Some(below) = command.find_subcommand(word) {
            command = below;
        } else if command.has_subcommands() && word.starts_with(|c: char| c.is_ascii_lowercase()) {
            return Err(format!("there is no command {word:?}"));
        }
    }
    Ok(())
}
