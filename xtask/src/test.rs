//! The one command that passes the tests and installs what they need.

mod release;

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use anyhow::{Context as _, bail};

/// The release of cargo-deny that reads `deny.toml`.
const CARGO_DENY: &str = "0.20.2";

/// A step of the run: what it is called, and what it does.
type Step = (&'static str, fn(&Path) -> anyhow::Result<()>);

const SETUP: &[Step] = &[("programs", programs), ("python", python), ("node", node)];

const CHECKS: &[Step] = &[
    ("format", |root| run(root, "cargo", &["fmt", "--all", "--check"])),
    ("lint", |root| {
        run(root, "cargo", &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"])
    }),
    ("layers", |_| super::layers::check().map(say)),
    ("unused dependencies", |_| super::unused::check().map(say)),
    ("words", |_| super::words::check().map(say)),
    ("generated code", |_| super::codegen::check().map(say)),
    ("dependencies", deny),
    ("release binary, begun", release::begin),
    ("unit and integration tests", |root| tests(root, &["--lib", "--bins", "--test", "it"])),
    ("examples in the documentation of the code", |root| tests(root, &["--doc"])),
    ("release binary", |_| release::end()),
    ("documents", |_| super::docs::check().map(say)),
    ("real clients", |root| {
        super::docs::matrix::clear(root)?;
        tests(root, &["--test", "real-clients"])
    }),
    ("what they have proven", |_| super::docs::matrix::check().map(say)),
];

/// Always the whole workspace, and of it the named targets: a part of it would have its dependencies built a second time, with
/// the features that this part asks for.
fn tests(root: &Path, targets: &[&str]) -> anyhow::Result<()> {
    run(root, "cargo", &[&["test", "--workspace", "--locked"], targets].concat())
}

/// Installs what the tests need into the project's own folders.
///
/// # Errors
/// The first step that fails.
pub(crate) fn setup() -> anyhow::Result<String> {
    run_all(SETUP)
}

/// Installs what the tests need, then runs every check.
///
/// # Errors
/// The first step that fails.
pub(crate) fn test() -> anyhow::Result<String> {
    run_all(SETUP)?;
    let outcome = run_all(CHECKS);
    release::abandon();
    outcome
}

#[expect(clippy::disallowed_methods, reason = "a developer's tool shows how long its steps take")]
fn run_all(steps: &[Step]) -> anyhow::Result<String> {
    let root = root();
    let mut lines = Vec::new();
    for (name, step) in steps {
        say(format!("==> {name}"));
        let start = Instant::now();
        step(&root).with_context(|| format!("step `{name}` failed"))?;
        lines.push(format!("{:>7.1} s  {name}", start.elapsed().as_secs_f32()));
    }
    Ok(lines.join("\n"))
}

fn say(line: impl std::fmt::Display) {
    eprintln!("{line}");
}

/// The repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// OpenSSL is the independent witness for certificates, curl for signed requests. The store is tested with a real
/// PostgreSQL, which the tests start themselves, keys in a token with SoftHSM,
/// and certificates by ACME with Pebble.
fn programs(root: &Path) -> anyhow::Result<()> {
    debian(root, "openssl", "openssl", &["version"])?;
    debian(root, "curl", "curl", &["--version"])?;
    debian(root, "softhsm2", "softhsm2-util", &["--version"])?;
    debian(root, "pebble", "pebble", &["-h"])?;
    if !works("initdb", &["--version"]) && !postgres_of_debian() {
        apt(root, "postgresql")?;
    }
    Ok(())
}

/// Debian keeps the programs of PostgreSQL in a folder for each release, outside the search path.
fn postgres_of_debian() -> bool {
    let releases = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    releases.into_iter().any(|release| release.path().join("bin/initdb").is_file())
}

fn python(root: &Path) -> anyhow::Result<()> {
    let venv = root.join(".venv");
    let interpreter = venv.join("bin/python");
    if !works(&interpreter.to_string_lossy(), &["-m", "pip", "--version"]) {
        let make = |root: &Path| run(root, "python3", &["-m", "venv", "--clear", ".venv"]);
        if make(root).is_err() {
            apt(root, "python3-venv")?;
            make(root)?;
        }
    }
    let requirements = root.join("tests/e2e/requirements.txt");
    let stamp = venv.join("requirements.installed");
    if same_content(&requirements, &stamp) {
        return Ok(());
    }
    let interpreter = interpreter.to_string_lossy().into_owned();
    let requirements = requirements.to_string_lossy().into_owned();
    run(root, &interpreter, &["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", &requirements])?;
    std::fs::copy(&requirements, &stamp).with_context(|| format!("copy to {}", stamp.display()))?;
    Ok(())
}

fn node(root: &Path) -> anyhow::Result<()> {
    let folder = root.join("tests/e2e/node");
    if same_content(&folder.join("package-lock.json"), &folder.join("node_modules/lock.installed")) {
        return Ok(());
    }
    run(&folder, "npm", &["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel", "error"])?;
    std::fs::copy(folder.join("package-lock.json"), folder.join("node_modules/lock.installed"))
        .context("note what is installed")?;
    Ok(())
}

/// Licences, bans and sources always; advisories where the advisory database can be had, and saying so where not.
fn deny(root: &Path) -> anyhow::Result<()> {
    if !works("cargo", &["deny", "--version"]) {
        run(root, "cargo", &["install", "--locked", "--quiet", &format!("cargo-deny@{CARGO_DENY}")])?;
    }
    run(root, "cargo", &["deny", "--all-features", "check", "bans", "licenses", "sources"])?;
    let database = works("git", &["ls-remote", "--exit-code", "https://github.com/rustsec/advisory-db", "HEAD"]);
    if database {
        return run(root, "cargo", &["deny", "--all-features", "check", "advisories"]);
    }
    say("advisories: NOT CHECKED, the advisory database cannot be reached from here");
    Ok(())
}

fn debian(root: &Path, package: &str, program: &str, probe: &[&str]) -> anyhow::Result<()> {
    if works(program, probe) { Ok(()) } else { apt(root, package) }
}

fn apt(root: &Path, package: &str) -> anyhow::Result<()> {
    run(root, "apt-get", &["update", "-qq"])?;
    run(root, "apt-get", &["install", "-y", "-qq", "--no-install-recommends", package])
}

fn works(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
}

fn same_content(one: &Path, other: &Path) -> bool {
    matches!((std::fs::read(one), std::fs::read(other)), (Ok(one), Ok(other)) if one == other)
}

/// Runs a program to its end.
///
/// # Errors
/// When it cannot be started or does not succeed.
pub(crate) fn run(folder: &Path, program: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let status = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("DEBIAN_FRONTEND", "noninteractive")
        .status()
        .with_context(|| format!("start {program}"))?;
    if !status.success() {
        bail!("{program} {} ended with {status}", arguments.join(" "));
    }
    Ok(())
}
