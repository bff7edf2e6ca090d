//! Rules of the house that are a matter of text.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};

/// Longest file, tests count. A longer one wants a wall.
const MOST_LINES: usize = 400;

/// Where Rust files are.
const FOLDERS: &[&str] = &["crates", "providers", "tests", "benches", "fuzz", "xtask"];

/// Text that must not stand in a source file, and why. Written so that it does not stand in this one.
const FORBIDDEN: &[(&str, &str)] = &[
    (concat!("to", "do!("), "finish it"),
    (concat!("unimple", "mented!("), "finish it"),
    (concat!("#[", "ignore"), "a test that does not run proves nothing"),
    (": {source}\")]", "the cause is printed by the one chain printer; a message must not repeat it"),
];

/// Checks every Rust file of the repository that is not generated.
///
/// # Errors
/// All breaches at once.
pub(crate) fn check() -> anyhow::Result<String> {
    let mut files = Vec::new();
    for folder in FOLDERS {
        files.extend(rust_files(Path::new(folder))?);
    }
    files.retain(|file| !file.iter().any(|part| part == "generated"));
    let mut breaches = Vec::new();
    for file in &files {
        let text = fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
        breaches.extend(in_text(&text).into_iter().map(|breach| format!("{}: {breach}", file.display())));
    }
    if breaches.is_empty() {
        return Ok(format!("words: {} files", files.len()));
    }
    bail!("rules of the house broken:\n  {}", breaches.join("\n  "))
}

fn in_text(text: &str) -> Vec<String> {
    let lines = text.lines().count();
    let mut breaches: Vec<String> = FORBIDDEN
        .iter()
        .filter(|(word, _)| text.contains(word))
        .map(|(word, why)| format!("`{word}`: {why}"))
        .collect();
    if lines > MOST_LINES {
        breaches.push(format!("{lines} lines, at most {MOST_LINES}: split it by matter"));
    }
    breaches
}

/// Every Rust file in a folder and below, but what others have put there.
///
/// # Errors
/// When a folder cannot be read.
pub(crate) fn rust_files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))? {
        let path = entry?.path();
        let foreign =
            path.file_name().is_some_and(|name| name == "target" || name == "node_modules" || name == ".venv");
        if path.is_dir() && !foreign {
            found.extend(rust_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unfinished_code_is_a_breach() {
        assert_eq!(in_text(concat!("fn f() { to", "do!() }")).len(), 1);
    }

    #[test]
    fn a_file_that_is_longer_than_the_longest_is_a_breach_and_tests_count() {
        let most = "// line\n".repeat(MOST_LINES);
        assert!(in_text(&most).is_empty());
        assert_eq!(in_text(&format!("{most}fn f() {{}}\n")).len(), 1);
        assert_eq!(in_text(&format!("#[cfg(test)]\n{most}")).len(), 1);
    }
}
