//! Services that run: an authority, an agent, and what a test asks of them.

use std::{
    io::{BufRead as _, BufReader, Read, Write},
    net::TcpStream,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    harness::{carnet, python},
    scene::{nowhere, put},
};

/// `grant_type` of RFC 8693, and the types of tokens that tests exchange.
pub(crate) const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
pub(crate) const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
pub(crate) const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
/// For whom tests ask for tokens.
pub(crate) const AUDIENCE: &str = "https://audience.test";

/// A service that has said that it serves.
pub(crate) struct Running {
    child: Child,
    pub(crate) ready: Value,
    errors: PathBuf,
}

impl Running {
    /// Starts it and waits for its line. What it logs goes to this file.
    pub(crate) fn start(command: &mut Command, errors: &Path) -> Self {
        let (mut child, stdout) = spawn(command, errors);
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).expect("read what the service says");
        let Ok(ready) = serde_json::from_str(&line) else {
            drop(child.kill());
            panic!("{command:?} did not start: {line}\n{}", logged(errors));
        };
        Self { child, ready, errors: errors.to_owned() }
    }

    /// What it said of itself.
    pub(crate) fn says(&self, name: &str) -> &str {
        self.ready[name].as_str().unwrap_or_else(|| panic!("no {name} in {}", self.ready))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        logged(&self.errors)
    }

    /// Sends it a signal, by its name.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status().expect("run kill");
        assert!(sent.success(), "kill -{name}: {sent}");
    }

    /// Ends it as a power cut does.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("kill it");
        self.child.wait().expect("wait for it");
    }

    /// Waits for its end.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        self.child.wait().expect("wait for it")
    }

    /// Closes its standard input and waits for its end.
    pub(crate) fn end(&mut self) -> ExitStatus {
        drop(self.child.stdin.take());
        self.ended()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn logged(errors: &Path) -> String {
    std::fs::read_to_string(errors).unwrap_or_default()
}

/// Starts a program whose standard error goes to a file, so that it never waits for somebody who reads it.
pub(crate) fn spawn(command: &mut Command, errors: &Path) -> (Child, ChildStdout) {
    let log = std::fs::File::options().create(true).append(true).open(errors).expect("open a file");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
    let mut child = command.spawn().unwrap_or_else(|error| panic!("start {command:?}: {error}"));
    let stdout = child.stdout.take().expect("piped");
    (child, stdout)
}

/// Asks until it is so.
pub(crate) fn eventually(mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_mins(1), "it is not so after a minute");
        std::thread::yield_now();
    }
}

/// An authority that runs until it is dropped.
pub(crate) struct Authority {
    pub(crate) service: Running,
    folder: TempDir,
}

impl Authority {
    /// A trial with an agent beside it, and these rules and entries in files.
    pub(crate) fn trial(rules: &str, entries: &str) -> Self {
        Self::trial_with(rules, entries, |_command| {})
    }

    /// The same, started in another way.
    pub(crate) fn trial_with(rules: &str, entries: &str, change: impl FnOnce(&mut Command)) -> Self {
        let folder = tempfile::tempdir().expect("make a folder");
        put(&folder.path().join("rules.toml"), format!("# what is allowed\n{rules}"), 0o600);
        put(&folder.path().join("entries.toml"), format!("# who gets an identity\n{entries}"), 0o600);
        let mut command = nowhere(folder.path(), ["--output", "json", "authority", "--dev", "--with-agent"]);
        command.args(["--stop-with-stdin", "--folder"]).arg(folder.path().join("authority"));
        command.arg("--rules").arg(folder.path().join("rules.toml"));
        command.arg("--entries").arg(folder.path().join("entries.toml"));
        change(&mut command);
        let service = Running::start(&mut command, &folder.path().join("log"));
        Self { service, folder }
    }

    /// One for all tests that change nothing in it.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Authority> = OnceLock::new();
        SHARED.get_or_init(|| Self::trial("", ""))
    }

    /// A file in its folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn issuer(&self) -> &str {
        self.service.says("issuer")
    }

    /// `spiffe://` and the name of its trust domain.
    pub(crate) fn domain(&self) -> String {
        format!("spiffe://{}", self.service.says("trust_domain"))
    }

    /// What this user's processes are in a trial.
    pub(crate) fn user(&self) -> String {
        format!("{}/user/{}", self.domain(), uid())
    }

    /// A program of `tests/e2e/python` as a workload: with the address of the socket and nothing else.
    pub(crate) fn workload(&self, script: &str) -> Command {
        let mut command = python(script);
        command.env("SPIFFE_ENDPOINT_SOCKET", self.service.says("socket"));
        command
    }

    /// A request to the admin API, which must be answered with this status.
    pub(crate) fn admin(&self, status: u16, method: &str, path: &str, body: &Value) -> Value {
        admin(Path::new(self.service.says("admin")), status, method, path, body)
    }

    /// The parent of the entries of a trial's agent.
    pub(crate) fn parent(&self) -> String {
        let own = self.admin(200, "GET", "/v1/entries/dev-user", &Value::Null);
        own["entry"]["parent_id"].as_str().expect("a parent").to_owned()
    }

    /// Registers what this user's processes are besides.
    pub(crate) fn register(&self, id: &str, path: &str) {
        let entry = json!({ "id": id, "spiffe_id": format!("{}{path}", self.domain()), "parent_id": self.parent(),
            "selectors": [format!("unix:uid:{}", uid())] });
        self.admin(201, "POST", "/v1/entries", &entry);
    }

    /// A request to the token endpoint.
    pub(crate) fn token(&self, form: &[(&str, &str)]) -> Answer {
        token(self.service.says("public"), form).expect("the authority answers")
    }
}

/// The number of the user that runs the tests: that of a folder just made.
pub(crate) fn uid() -> u32 {
    static UID: OnceLock<u32> = OnceLock::new();
    *UID.get_or_init(|| {
        let folder = tempfile::tempdir().expect("make a folder");
        std::os::unix::fs::MetadataExt::uid(&folder.path().metadata().expect("look at it"))
    })
}

/// `carnet authority …` that talks to this socket.
pub(crate) fn command<const N: usize>(socket: &Path, arguments: [&str; N]) -> Command {
    let mut command = carnet(["--output", "json", "authority"]);
    command.args(arguments).env("CARNET_AUTHORITY_SOCKET", socket);
    command
}

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A request to the admin API on its socket, which must be answered with this status.
pub(crate) fn admin(socket: &Path, status: u16, method: &str, path: &str, body: &Value) -> Value {
    let stream = UnixStream::connect(socket).expect("connect to the admin socket");
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = ask(stream, method, path, "application/json", &body).expect("the admin API answers");
    assert_eq!(answer.status, status, "{method} {path} {body}: {answer:?}");
    if answer.body.is_empty() { Value::Null } else { answer.json() }
}

/// A request to a token endpoint.
pub(crate) fn token(address: &str, form: &[(&str, &str)]) -> std::io::Result<Answer> {
    let body: Vec<String> = form.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let stream = TcpStream::connect(address)?;
    ask(stream, "POST", "/oauth2/token", "application/x-www-form-urlencoded", &body.join("&"))
}

/// The exchange of a subject token for this type of token.
pub(crate) fn exchange<'a>(subject: &'a str, wanted: &'a str) -> [(&'a str, &'a str); 5] {
    [
        ("grant_type", EXCHANGE),
        ("subject_token", subject),
        ("subject_token_type", JWT),
        ("requested_token_type", wanted),
        ("audience", AUDIENCE),
    ]
}

/// Gets a document.
pub(crate) fn get(url: &str) -> Answer {
    let (address, path) =
        url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).expect("a plain URL with a path");
    let stream = TcpStream::connect(address).expect("connect");
    ask(stream, "GET", &format!("/{path}"), "", "").expect("the server answers")
}

/// One request in HTTP/1.0, whose answer ends with the connection.
fn ask(mut stream: impl Read + Write, method: &str, path: &str, kind: &str, body: &str) -> std::io::Result<Answer> {
    let length = body.len();
    let head =
        format!("{method} {path} HTTP/1.0\r\nhost: localhost\r\ncontent-type: {kind}\r\ncontent-length: {length}");
    write!(stream, "{head}\r\n\r\n{body}")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let cut = || std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "the answer was cut");
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(cut)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(cut)?;
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    if length.is_some_and(|length: usize| length != body.len()) {
        return Err(cut());
    }
    Ok(Answer { status, head: head.to_owned(), body: body.to_owned() })
}
