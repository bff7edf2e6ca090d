//! `reference/matrix.md`: every source against every target, from what the end-to-end tests noted that ran.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use serde::Deserialize;
use serde_json::Value;

use super::{configuration, names, parties, put};

const PAGE: &str = "docs/src/reference/matrix.md";
const SCHEMA: &str = "schema/carnet.schema.json";
/// Where the tests put their records, below the target folder (`tests/e2e/tests/it/matrix.rs`).
const RECORDS: &str = "tmp/matrix";
/// The targets that have a page of their own: as a record names them, their heading, their page. A party of the catalogue that is
/// among them is not shown with the others once more.
const TARGETS: &[(&str, &str, &str)] = &[
    ("oci", "Oracle Cloud", "../providers/oci.md"),
    ("gcp", "Google Cloud", "../providers/gcp.md"),
    ("azure", "Azure", "../providers/azure.md"),
    ("aws", "AWS", "../providers/aws.md"),
    ("vault", "Vault", "../providers/vault.md"),
    ("infisical", "Infisical", "../providers/infisical.md"),
    ("kubernetes", "Kubernetes", "../providers/kubernetes.md"),
    ("authority", "a trust domain of one's own", "../authority.md"),
];
const HEAD: &str = "\
# What is proven

<!-- Made by `cargo xtask matrix` from what the end-to-end tests noted. -->

Every source of identities against every target. A cell names the clients with which an end-to-end test has used, at the
target, what carnet got or served. `carnet` is a crossing of `carnet demo`: the program itself, from the identity to the call.
In *italics* stand clients that made the whole crossing themselves, carnet being only the sandbox around them. A dash says
that no test crosses here, not that nobody can. The targets are emulated; what nobody could confirm about them stands on
each one's page.
";

/// What one test has proven (`tests/e2e/tests/it/matrix.rs`).
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    source: String,
    target: String,
    /// Whether the client made the whole crossing itself.
    alone: bool,
    client: String,
}

/// Takes away what earlier runs have noted, so that the next run proves everything anew.
///
/// # Errors
/// When a file cannot be removed.
pub(crate) fn clear(root: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(records_folder(root)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).context("remove the matrix's records"),
        _ => Ok(()),
    }
}

/// Writes the page from the records of the end-to-end tests that ran since [`clear`].
///
/// # Errors
/// When there are no records, or one is of nothing that is known.
pub(crate) fn write() -> anyhow::Result<String> {
    let root = crate::test::root();
    let (page, count) = made(&root)?;
    put(&root.join(PAGE), &page)?;
    Ok(format!("matrix: {count} proofs"))
}

/// Compares the page with the records of the end-to-end tests.
///
/// # Errors
/// When they differ.
pub(crate) fn check() -> anyhow::Result<String> {
    let root = crate::test::root();
    let (page, count) = made(&root)?;
    let present = fs::read_to_string(root.join(PAGE)).unwrap_or_default();
    if page == present {
        return Ok(format!("matrix: {count} proofs"));
    }
    let only = |one: &str, other: &str| -> Vec<String> {
        one.lines().filter(|line| other.lines().all(|own| own != *line)).map(|line| format!("  {line}\n")).collect()
    };
    bail!(
        "{PAGE} is not what the end-to-end tests have proven: run `cargo xtask matrix`\nit says\n{}they say\n{}",
        only(&present, &page).concat(),
        only(&page, &present).concat()
    )
}

fn made(root: &Path) -> anyhow::Result<(String, usize)> {
    let records = records(&records_folder(root))?;
    let schema = fs::read_to_string(root.join(SCHEMA)).with_context(|| format!("read {SCHEMA}"))?;
    let schema: Value = serde_json::from_str(&schema).context("read the schema")?;
    let sources = configuration::sources(&schema)?;
    let page = page(&sources, &parties::titles(root)?, &records)?;
    Ok((page, records.len()))
}

#[expect(clippy::disallowed_methods, reason = "a developer's tool is told by its environment where things are built")]
fn records_folder(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |target| root.join(target)).join(RECORDS)
}

fn records(folder: &Path) -> anyhow::Result<BTreeSet<Record>> {
    if !folder.is_dir() {
        bail!(
            "nothing is noted in {}: run `cargo test --workspace --test real-clients` first, all of it",
            folder.display()
        );
    }
    let read = |name: String| {
        let text = fs::read_to_string(folder.join(&name)).with_context(|| format!("read {name}"))?;
        serde_json::from_str(&text).with_context(|| format!("read {name}"))
    };
    names(folder)?.into_iter().map(read).collect()
}

/// The page; `sources` in their order, `parties` with their titles.
fn page(sources: &[String], parties: &[(String, String)], records: &BTreeSet<Record>) -> anyhow::Result<String> {
    for Record { source, target, .. } in records {
        if !sources.contains(source) {
            bail!("a test notes the source {source}, which the schema does not have");
        }
        if TARGETS.iter().all(|(name, ..)| name != target) && parties.iter().all(|(name, _)| name != target) {
            bail!("a test notes the target {target}: it is neither in TARGETS nor in the catalogue");
        }
    }
    let mut cells: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
    for Record { source, target, alone, client } in records {
        let shown = if *alone { format!("*{client}*") } else { client.clone() };
        cells.entry((source, target)).or_default().push(shown);
    }
    let cell = |source: &str, target: &str| match cells.get(&(source, target)) {
        Some(clients) => clients.join(", "),
        None => "–".to_owned(),
    };

    let mut page = format!("{HEAD}\n| source |");
    for (_, title, link) in TARGETS {
        write!(page, " [{title}]({link}) |")?;
    }
    write!(page, "\n|{}\n", " --- |".repeat(TARGETS.len() + 1))?;
    for source in sources {
        write!(page, "| [`{source}`](configuration.md#{source}) |")?;
        for (target, ..) in TARGETS {
            write!(page, " {} |", cell(source, target))?;
        }
        page.push('\n');
    }
    let rows: Vec<_> = parties.iter().filter(|(party, _)| TARGETS.iter().all(|(name, ..)| name != party)).collect();
    let crosses = |source: &str| rows.iter().any(|(party, _)| cells.contains_key(&(source, party.as_str())));
    let shown: Vec<&String> = sources.iter().filter(|source| crosses(source)).collect();
    page.push_str(
        "\n## Relying parties\n\nThose of the [catalogue](relying-parties.md), by the source of the token shown.\n\n",
    );
    page.push_str("| party |");
    for source in &shown {
        write!(page, " `{source}` |")?;
    }
    write!(page, "\n|{}\n", " --- |".repeat(shown.len() + 1))?;
    for (party, title) in rows {
        write!(page, "| {title} |")?;
        for source in &shown {
            write!(page, " {} |", cell(source, party))?;
        }
        page.push('\n');
    }
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(source: &str, target: &str, alone: bool) -> Record {
        Record { source: source.to_owned(), target: target.to_owned(), alone, client: "client".to_owned() }
    }

    fn of(records: impl IntoIterator<Item = Record>) -> anyhow::Result<String> {
        let sources = ["file".to_owned(), "env".to_owned()];
        let parties =
            [("claude", "Claude"), ("infisical", "Infisical")].map(|(name, title)| (name.to_owned(), title.to_owned()));
        page(&sources, &parties, &records.into_iter().collect())
    }

    #[test]
    fn every_source_has_a_line_and_every_target_a_column() {
        let records =
            [("env", "aws", true), ("env", "aws", false), ("file", "claude", false), ("file", "infisical", false)];
        let page = of(records.map(|(source, target, alone)| record(source, target, alone))).unwrap();
        for line in [
            "| [`file`](configuration.md#file) | – | – | – | – | – | client | – | – |",
            "| [`env`](configuration.md#env) | – | – | – | client, *client* | – | – | – | – |",
            "| party | `file` |",
            "| Claude | client |",
        ] {
            assert!(page.lines().any(|found| found == line), "{line}\n{page}");
        }
        // It has a column, and so no line among the parties.
        assert!(!page.lines().any(|line| line.starts_with("| Infisical |")), "{page}");
    }

    #[test]
    fn rejects_a_source_that_is_none() {
        assert!(of([record("fiel", "aws", true)]).unwrap_err().to_string().contains("fiel"));
    }

    #[test]
    fn rejects_a_target_that_is_none() {
        assert!(of([record("file", "asw", true)]).unwrap_err().to_string().contains("asw"));
    }

    #[test]
    fn rejects_a_folder_without_records() {
        assert!(records(Path::new("/no/such/folder")).unwrap_err().to_string().contains("cargo test"));
    }
}
