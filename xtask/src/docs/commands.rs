//! `reference/commands.md`: the help of every command.

use std::fmt::Write as _;

use super::{Carnet, NOTICE};

/// Options that every command has. They are shown once.
const GLOBAL: &[&str] = &["--output", "--color", "--config", "--log", "--help", "--version"];

/// The page.
pub(super) fn page(carnet: &Carnet) -> anyhow::Result<String> {
    let help = carnet.output(&["--help"])?;
    let mut page = format!(
        "# Commands\n\n{NOTICE}\nThe same texts are shown by `carnet help COMMAND` and stand in the manual pages. The options of \
         `carnet` itself go with every command and are shown here only.\n\n```text\n{}```\n",
        tidy(&help, &[])
    );
    for command in commands(&help) {
        section(carnet, &[&command], &mut page)?;
    }
    Ok(page)
}

fn section(carnet: &Carnet, words: &[&str], page: &mut String) -> anyhow::Result<()> {
    let mut arguments = words.to_vec();
    arguments.push("--help");
    let help = carnet.output(&arguments)?;
    let marks = "#".repeat(words.len() + 1);
    write!(page, "\n{marks} `carnet {}`\n\n```text\n{}```\n", words.join(" "), tidy(&help, GLOBAL))?;
    for command in commands(&help) {
        let mut deeper = words.to_vec();
        deeper.push(&command);
        section(carnet, &deeper, page)?;
    }
    Ok(())
}

/// The names below `Commands:`, without the help that clap adds.
fn commands(help: &str) -> Vec<String> {
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    listed
        .filter_map(|line| line.strip_prefix("  ").filter(|rest| !rest.starts_with(' ')))
        .filter_map(|rest| rest.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(ToOwned::to_owned)
        .collect()
}

/// Without the options named, without blanks at line ends, and with one empty line at most between two others.
fn tidy(help: &str, without: &[&str]) -> String {
    let mut skipping = false;
    let mut kept: Vec<&str> = Vec::new();
    for line in help.lines().map(str::trim_end) {
        let indent = line.len() - line.trim_start().len();
        if !line.is_empty() && indent < 8 {
            skipping = line.trim_start().starts_with('-') && line.split([' ', ',']).any(|word| without.contains(&word));
        }
        let again = line.is_empty() && kept.last().is_none_or(|last| last.is_empty());
        if !skipping && !again {
            kept.push(line);
        }
    }
    while kept.last().is_some_and(|last| last.is_empty() || *last == "Options:") {
        kept.pop();
    }
    kept.iter().fold(String::new(), |text, line| text + line + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELP: &str = "About\n\nUsage: carnet [OPTIONS] <COMMAND>\n\nCommands:\n  get   Run a route once\n        and more\n  help  Print \
                        help\n\nOptions:\n      --output <OUTPUT>\n          How\n\n          Possible values:\n          - text: For \
                        people\n\n      --quiet\n          Nothing\n\n  -h, --help\n          Print help\n";

    #[test]
    fn commands_are_found_by_their_indent() {
        assert_eq!(commands(HELP), ["get"]);
    }

    #[test]
    fn what_every_command_has_is_left_out() {
        let text = tidy(HELP, GLOBAL);
        assert!(text.ends_with("Options:\n      --quiet\n          Nothing\n"), "{text}");
    }
}
