//! Rules of the house that are a matter of text.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};

/// Longest file of code, tests aside. A longer one wants a wall.
const MOST_LINES: usize = 600;

/// Text that must not stand in a source file, and why.
const FORBIDDEN: &[(&str, &str)] = &[
    ("todo!(", "finish it"),
    ("unimplemented!(", "finish it"),
    ("#[ignore", "a test that does not run proves nothing"),
    (": {source}\")]", "the cause is printed by the one chain printer; a message must not repeat it"),
];

/// Checks every Rust file of the repository.
///
/// # Errors
/// All breaches at once.
pub(crate) fn check() -> anyhow::Result<String> {
    let mut files = Vec::new();
    for folder in ["crates", "providers", "tests", "benches"] {
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
    let code = text.lines().take_while(|line| !line.starts_with("#[cfg(test)]")).count();
    let mut breaches: Vec<String> = FORBIDDEN
        .iter()
        .filter(|(word, _)| text.contains(word))
        .map(|(word, why)| format!("`{word}`: {why}"))
        .collect();
    if code > MOST_LINES {
        breaches.push(format!("{code} lines of code, at most {MOST_LINES}: split it"));
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
    fn a_long_file_is_a_breach_unless_the_rest_is_tests() {
        let long = "// line\n".repeat(MOST_LINES + 1);
        assert_eq!(in_text(&long).len(), 1);
        assert!(in_text(&format!("fn f() {{}}\n#[cfg(test)]\n{long}")).is_empty());
    }
}
