//! The release binary, built beside the tests: for most of its time one linker is at work on one core.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError},
};

use anyhow::{Context as _, bail};

/// A build under way, and the file with what it says: in between the lines of the tests nobody would find it.
struct Build {
    child: Child,
    said: PathBuf,
}

/// When the tests fail no further part of it is begun; a compiler that is at work comes to its end.
impl Drop for Build {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        drop(fs::remove_file(&self.said));
    }
}

static BUILD: Mutex<Option<Build>> = Mutex::new(None);

/// Starts the build.
///
/// # Errors
/// When it cannot be started.
pub(super) fn begin(root: &Path) -> anyhow::Result<()> {
    let folder = std::env::temp_dir();
    let said = folder.join(format!("carnet-release-{}.log", std::process::id()));
    let file = File::create(&said).with_context(|| format!("write {}", said.display()))?;
    let child = Command::new("cargo")
        .args(["build", "--release", "--locked", "--package", "carnet"])
        .current_dir(root)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(file)
        .spawn()
        .context("start cargo")?;
    *BUILD.lock().unwrap_or_else(PoisonError::into_inner) = Some(Build { child, said });
    Ok(())
}

/// Waits for its end.
///
/// # Errors
/// When it failed; what it said is shown before.
pub(super) fn end() -> anyhow::Result<()> {
    let begun = BUILD.lock().unwrap_or_else(PoisonError::into_inner).take();
    let mut build = begun.context("the build of the release binary was not begun")?;
    let status = build.child.wait().context("wait for cargo")?;
    let said = fs::read_to_string(&build.said).unwrap_or_default();
    if !status.success() {
        super::say(said);
        bail!("cargo build --release ended with {status}");
    }
    Ok(())
}

/// Ends the build if it still goes on.
pub(super) fn abandon() {
    drop(BUILD.lock().unwrap_or_else(PoisonError::into_inner).take());
}
