//! The generated parts of the manual, and what the written parts promise.
//!
//! `write` makes the JSON Schema, the reference pages and the man pages from the built binary. `check` fails when one of them
//! has drifted, when a page or a link is missing, and when an example of the manual no longer works.

mod commands;
mod configuration;
mod environment;
mod examples;
mod markdown;
pub(crate) mod matrix;
mod pages;
mod parties;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, bail};

/// What stands at the top of every generated page.
const NOTICE: &str = "<!-- Made by `cargo xtask docs`. Change the code it is made from. -->\n";
/// Width of help texts, whatever the terminal of whoever runs this.
const COLUMNS: &str = "100";
/// The folder of the man pages.
const MAN: &str = "man";

/// Writes every generated file.
///
/// # Errors
/// When carnet cannot be built or run, or a file cannot be written.
pub(crate) fn write() -> anyhow::Result<String> {
    let root = super::test::root();
    let files = generate(&root, &Carnet::find(&root)?)?;
    for path in stale(&root, &files)? {
        fs::remove_file(root.join(&path)).with_context(|| format!("remove {}", path.display()))?;
    }
    for (path, content) in &files {
        put(&root.join(path), content)?;
    }
    Ok(format!("docs: {} files written", files.len()))
}

/// Compares every generated file with what it should be, and checks pages, links and examples.
///
/// # Errors
/// All breaches at once.
pub(crate) fn check() -> anyhow::Result<String> {
    let root = super::test::root();
    let carnet = Carnet::find(&root)?;
    let files = generate(&root, &carnet)?;
    let mut breaches: Vec<String> = files
        .iter()
        .filter(|(path, content)| fs::read_to_string(root.join(path)).ok().as_ref() != Some(*content))
        .map(|(path, _)| format!("{} has drifted: run `cargo xtask docs`", path.display()))
        .collect();
    let stale = stale(&root, &files)?;
    breaches
        .extend(stale.iter().map(|path| format!("{} is not made any more: run `cargo xtask docs`", path.display())));
    let (pages, broken) = pages::check(&root)?;
    breaches.extend(broken);
    let (examples, broken) = examples::check(&root, &carnet)?;
    breaches.extend(broken);
    if breaches.is_empty() {
        return Ok(format!("docs: {} generated files, {pages} pages, {examples} examples", files.len()));
    }
    bail!("the documents are not true:\n  {}", breaches.join("\n  "))
}

/// The binary that speaks for the code.
pub(crate) struct Carnet(PathBuf);

impl Carnet {
    /// The one that `CARNET_BIN` names; otherwise the release binary, built now unless it is up to date.
    #[expect(clippy::disallowed_methods, reason = "a developer's tool is told by its environment which binary to use")]
    fn find(root: &Path) -> anyhow::Result<Self> {
        if let Some(path) = std::env::var_os("CARNET_BIN") {
            return Ok(Self(fs::canonicalize(&path).with_context(|| format!("find {}", path.display()))?));
        }
        super::test::run(root, "cargo", &["build", "--release", "--locked", "--package", "carnet"])?;
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        Ok(Self(root.join(target).join("release/carnet")))
    }

    /// A run of it that depends on nobody's terminal, environment or configuration.
    fn command(&self, folder: &Path) -> Command {
        let mut command = Command::new(&self.0);
        command.env_clear().env("HOME", folder).env("COLUMNS", COLUMNS).current_dir(folder).stdin(Stdio::null());
        command
    }

    /// The standard output of a run that succeeds.
    pub(crate) fn output(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let folder = tempfile::tempdir().context("make a folder")?;
        let output = self.command(folder.path()).args(arguments).output().context("start carnet")?;
        if !output.status.success() {
            bail!("carnet {} ended with {}", arguments.join(" "), output.status);
        }
        String::from_utf8(output.stdout).context("read what carnet writes")
    }
}

/// Every generated file by its path in the repository.
fn generate(root: &Path, carnet: &Carnet) -> anyhow::Result<BTreeMap<PathBuf, String>> {
    let schema = carnet.output(&["config", "schema"])?;
    let mut files = BTreeMap::from([
        (PathBuf::from("docs/src/reference/commands.md"), commands::page(carnet)?),
        (PathBuf::from("docs/src/reference/configuration.md"), configuration::page(&schema)?),
        (PathBuf::from("docs/src/reference/environment.md"), environment::page(&carnet.output(&["environment"])?)?),
        (PathBuf::from("docs/src/reference/relying-parties.md"), parties::page(root)?),
        (PathBuf::from("schema/carnet.schema.json"), schema),
    ]);
    let folder = tempfile::tempdir().context("make a folder")?;
    carnet.output(&["man", &folder.path().to_string_lossy()])?;
    for name in names(folder.path())? {
        let text = fs::read_to_string(folder.path().join(&name)).with_context(|| format!("read {name}"))?;
        files.insert(Path::new(MAN).join(name), text);
    }
    Ok(files)
}

/// Man pages of commands that are gone.
fn stale(root: &Path, files: &BTreeMap<PathBuf, String>) -> anyhow::Result<Vec<PathBuf>> {
    let folder = root.join(MAN);
    let present = if folder.is_dir() { names(&folder)? } else { Vec::new() };
    Ok(present.into_iter().map(|name| Path::new(MAN).join(name)).filter(|path| !files.contains_key(path)).collect())
}

fn names(folder: &Path) -> anyhow::Result<Vec<String>> {
    let entries = fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))?;
    let mut names = entries
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<anyhow::Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

#[expect(clippy::disallowed_methods, reason = "documents are no credentials")]
fn put(path: &Path, content: &str) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    }
    fs::write(path, content).with_context(|| format!("write {}", path.display()))
}
