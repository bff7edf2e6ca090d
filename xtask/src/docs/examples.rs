//! Whether the examples of the manual work.
//!
//! - A block `toml` that begins with `version = 1` must pass `carnet config check`.
//! - A line of a block `sh` that begins with `carnet` must parse: it is run with `--help` at its end, which refuses unknown
//!   commands, options and values and does nothing else.
//! - A line with `carnet get` or `carnet run` must also be a route that fits together: it is run as `carnet get … --dry-run`.
//!   A route that it names must stand in a block `toml` of the same page. A name in capitals is a placeholder; such a line is
//!   only parsed.
//!
//! What follows a pipe, a redirection or `&` is not carnet's and is not looked at.

use std::{fs, path::Path};

use anyhow::Context as _;

use super::{
    Carnet,
    markdown::{Block, blocks},
};

/// What begins a whole configuration file.
const WHOLE_FILE: &str = "version = 1";

/// Counts the examples and lists those that do not work.
pub(super) fn check(root: &Path, carnet: &Carnet) -> anyhow::Result<(usize, Vec<String>)> {
    let (mut count, mut breaches) = (0, Vec::new());
    for page in pages(root)? {
        let text = fs::read_to_string(&page).with_context(|| format!("read {}", page.display()))?;
        let name = page.strip_prefix(root).unwrap_or(&page).display().to_string();
        let blocks = blocks(&text);
        let files: Vec<&Block<'_>> =
            blocks.iter().filter(|block| block.language == "toml" && block.text.starts_with(WHOLE_FILE)).collect();
        for block in &files {
            count += 1;
            let said = run(carnet, &block.text, &["config", "check"])?;
            breaches.extend(said.map(|said| format!("{name}:{}: {said}", block.line)));
        }
        let routes = files.iter().fold(format!("{WHOLE_FILE}\n"), |all, block| {
            all + block.text.strip_prefix(WHOLE_FILE).unwrap_or_default()
        });
        for block in blocks.iter().filter(|block| block.language == "sh") {
            for words in commands(&block.text) {
                count += 1;
                let said = try_command(carnet, &routes, &words)?;
                breaches.extend(said.map(|said| format!("{name}:{}: carnet {}: {said}", block.line, words.join(" "))));
            }
        }
    }
    Ok((count, breaches))
}

/// The README, the manual, and the pages of the providers, which the manual includes.
fn pages(root: &Path) -> anyhow::Result<Vec<std::path::PathBuf>> {
    let mut pages = vec![root.join("README.md"), root.join("CONTRIBUTING.md")];
    let mut folders = vec![root.join("docs/src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("list {}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                pages.push(path);
            }
        }
    }
    for entry in fs::read_dir(root.join("providers")).context("list the providers")? {
        pages.push(entry?.path().join("README.md"));
    }
    pages.retain(|page| page.extension().is_some_and(|extension| extension == "md") && page.is_file());
    pages.sort();
    Ok(pages)
}

/// What carnet says when it does not like a command; nothing when it does.
fn try_command(carnet: &Carnet, routes: &str, words: &[String]) -> anyhow::Result<Option<String>> {
    let own: Vec<&str> = words.iter().map(String::as_str).take_while(|word| *word != "--").collect();
    let mut parse = own.clone();
    parse.push("--help");
    if let Some(said) = run(carnet, routes, &parse)? {
        return Ok(Some(said));
    }
    let [verb @ ("get" | "run"), rest @ ..] = own.as_slice() else { return Ok(None) };
    // `run` takes several routes; none of the examples gives it flags of its own before them.
    let several = rest.iter().take_while(|word| !word.starts_with('-')).count().max(1);
    for index in 0..several {
        let flags = rest.get(several..).unwrap_or_default();
        let route = rest.get(index).into_iter().filter(|word| *verb == "run" && !word.starts_with('-'));
        let mut dry = vec!["get"];
        if *verb == "run" {
            dry.extend(route);
            dry.extend(flags);
        } else {
            dry.extend(rest);
        }
        dry.push("--dry-run");
        let placeholder = dry.get(1).is_some_and(|word| word.chars().all(|c| c.is_ascii_uppercase()));
        if !placeholder && let Some(said) = run(carnet, routes, &dry)? {
            return Ok(Some(said));
        }
        if *verb == "get" {
            break;
        }
    }
    Ok(None)
}

/// The standard error of a run that fails.
fn run(carnet: &Carnet, config: &str, arguments: &[&str]) -> anyhow::Result<Option<String>> {
    let folder = tempfile::tempdir().context("make a folder")?;
    super::put(&folder.path().join("carnet.toml"), config)?;
    let output = carnet.command(folder.path()).args(arguments).output().context("start carnet")?;
    let said = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "\n    ");
    Ok((!output.status.success()).then_some(said))
}

/// The words behind `carnet` of every line that begins with it, up to what belongs to the shell.
fn commands(block: &str) -> Vec<Vec<String>> {
    let joined = block.replace("\\\n", " ");
    joined.lines().filter_map(|line| line.trim_start().strip_prefix("carnet ")).map(words).collect()
}

/// The words of one simple command. Quotes are honoured, nothing is replaced.
fn words(line: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(open), _) if open == c => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, '|' | '&' | '>' | '<' | ';') => break,
            (None, ' ') => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_joined_and_end_where_the_shell_begins() {
        let block = "carnet get a \\\n  --to 'b c' d=\"e\" | curl -K -\necho carnet\ncarnet version   # says it\n";
        let expected: [&[&str]; 2] = [&["get", "a", "--to", "b c", "d=e"], &["version"]];
        assert_eq!(commands(block), expected);
    }
}
