//! Starts the binary, the sandbox, Python and Node.

use std::{
    ffi::OsStr,
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::OnceLock,
};

use serde_json::Value;
use tempfile::TempDir;

/// The root of the checkout.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("tests/e2e lies two below the root").to_path_buf()
}

fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("CARNET_BIN") {
        return path.into();
    }
    // The test's own folder for temporary files is TARGET/tmp, wherever the target folder is.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("TARGET/tmp has a parent");
    let path = target.join("release/carnet");
    assert!(path.exists(), "{} is missing: run `cargo build --release` first", path.display());
    path
}

/// `carnet` with an environment of its own: nothing of the machine but what programs need to start.
pub(crate) fn carnet<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(binary());
    command.args(arguments).env_clear().env("PATH", path()).env("HOME", env!("CARGO_TARGET_TMPDIR"));
    command
}

/// A Python program of this folder in the project's virtual environment.
pub(crate) fn python(script: &str) -> Command {
    let interpreter = root().join(".venv/bin/python");
    assert!(interpreter.exists(), "{} is missing: run `cargo xtask setup` first", interpreter.display());
    let mut command = Command::new(interpreter);
    command.arg(root().join("tests/e2e/python").join(script)).env_clear();
    command.env("PATH", path()).env("HOME", env!("CARGO_TARGET_TMPDIR")).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// A Node program of this folder.
pub(crate) fn node(script: &str) -> Command {
    let folder = root().join("tests/e2e/node");
    assert!(folder.join("node_modules").exists(), "node_modules is missing: run `cargo xtask setup` first");
    let mut command = Command::new("node");
    command.arg(folder.join(script)).env_clear().env("PATH", path()).env("HOME", env!("CARGO_TARGET_TMPDIR"));
    command
}

fn path() -> String {
    let own = root().join(".venv/bin");
    format!("{}:{}", own.display(), std::env::var("PATH").expect("PATH is set"))
}

/// A program that the virtual environment brings, for instance `oci`.
pub(crate) fn installed(program: &str) -> Command {
    let path_of = root().join(".venv/bin").join(program);
    assert!(path_of.exists(), "{} is missing: run `cargo xtask setup` first", path_of.display());
    let mut command = Command::new(path_of);
    command.env_clear().env("PATH", path()).env("HOME", env!("CARGO_TARGET_TMPDIR"));
    command
}

/// Runs it to its end; the last line of its standard output must be one JSON document, or all of it, and its exit code 0.
/// (Oracle's JavaScript client talks on standard output.)
pub(crate) fn json(command: &mut Command) -> Value {
    let output = command.output().unwrap_or_else(|error| panic!("start {command:?}: {error}"));
    assert!(output.status.success(), "{command:?} ended with {}\n{}", output.status, both(&output));
    let last = output.stdout.trim_ascii().rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    let document = serde_json::from_slice(&output.stdout).or_else(|_| serde_json::from_slice(last));
    document.unwrap_or_else(|error| panic!("{error}\n{}", both(&output)))
}

/// Runs it to its end, whatever that is.
pub(crate) fn output(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("start {command:?}: {error}"))
}

/// Standard output and standard error, for a message.
pub(crate) fn both(output: &Output) -> String {
    format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A sandbox that runs until it is dropped.
pub(crate) struct Sandbox {
    child: Child,
    folder: TempDir,
    ready: Value,
}

impl Sandbox {
    /// Starts one and waits until it is ready.
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same with these arguments.
    pub(crate) fn start_with(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("make a folder");
        // It stops when this process goes away, even for the shared one, which nobody drops.
        let mut child = carnet(["--output", "json", "sandbox", "--stop-with-stdin", "--folder"])
            .arg(folder.path().join("sandbox"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("start the sandbox");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("read what the sandbox says");
        let Ok(ready) = serde_json::from_str(&line) else {
            let mut said = String::new();
            drop(child.kill());
            drop(child.stderr.take().expect("piped").read_to_string(&mut said));
            panic!("the sandbox did not start: {line}\n{said}");
        };
        Self { child, folder, ready }
    }

    /// One for all tests that change nothing in it.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Sandbox> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// Its folder.
    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.path().join("sandbox")
    }

    /// A name or value of the seeded world.
    pub(crate) fn seed(&self, name: &str) -> &str {
        self.ready["seed"][name].as_str().unwrap_or_else(|| panic!("no {name} in {}", self.ready["seed"]))
    }

    /// A private file with this content, and its path.
    pub(crate) fn put(&self, name: &str, content: &str) -> String {
        let path = self.folder().join(name);
        std::fs::write(&path, content).expect("write a file");
        path.display().to_string()
    }

    /// The plain address of a service, without a slash at the end.
    pub(crate) fn plain(&self, service: &str) -> String {
        self.address(service, "plain")
    }

    /// Its address with TLS.
    pub(crate) fn tls(&self, service: &str) -> String {
        self.address(service, "tls")
    }

    fn address(&self, service: &str, form: &str) -> String {
        let url = self.ready["urls"][service][form].as_str();
        url.unwrap_or_else(|| panic!("no service {service} in {}", self.ready)).trim_end_matches('/').to_owned()
    }

    /// The variables for a client: endpoint variables, or with `--proxy` the proxy for real host names.
    pub(crate) fn environment(&self, options: &[&str]) -> Vec<(String, String)> {
        let answer = json(self.command(["env"]).args(options));
        let variables = answer["environment"].as_object().expect("an object of variables");
        variables.iter().map(|(name, value)| (name.clone(), value.as_str().expect("text").to_owned())).collect()
    }

    /// `carnet sandbox …` that talks to this one.
    pub(crate) fn command<const N: usize>(&self, arguments: [&str; N]) -> Command {
        let mut command = carnet(["--output", "json", "sandbox"]);
        command.args(arguments).arg("--at").arg(self.folder());
        command
    }

    /// The clauses by which this service has refused so far, the oldest first: callers are not told.
    pub(crate) fn refusals(&self, service: &str) -> Vec<String> {
        let token = std::fs::read_to_string(self.folder().join("control-token")).expect("read the control token");
        let control = self.ready["control"].as_str().expect("an address");
        let mut curl = Command::new("curl");
        curl.env_clear()
            .args(["--silent", "--fail", "--header"])
            .arg(format!("Authorization: Bearer {}", token.trim()));
        let answer = json(curl.arg(format!("{control}/decisions")));
        let decisions = answer["decisions"].as_array().expect("a list of decisions");
        let own = decisions.iter().filter(|one| one["service"] == service);
        own.filter_map(|one| one["decision"]["refuse"]["clause"].as_str().map(str::to_owned)).collect()
    }

    /// A token of an emulated issuer.
    pub(crate) fn token(&self, issuer: &str, options: &[&str]) -> String {
        let answer = json(self.command(["token", issuer]).args(options));
        answer["token"].as_str().expect("a token").to_owned()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
