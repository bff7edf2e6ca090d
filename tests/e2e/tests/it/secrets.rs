//! Nothing secret is ever said: marked secrets go in wherever one can, every command talks as much as it can, and the
//! marks are looked for in everything that comes out.

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::{
    harness::{Sandbox, both, output},
    scene::{Desk, NOBODY, Server, mode, nowhere, put, works},
};

/// A client secret with every character that some encoding changes.
const CLIENT_SECRET: &str = "marked-client/secret+9=&%x";
const REQUEST_TOKEN: &str = "marked.request-token-4711";
const OPAQUE_TOKEN: &str = "ya29.marked-opaque-token_0815";
const PASSPHRASE: &str = "correct-horse";
const ENCRYPTED_KEY: &str = include_str!("bad_input/encrypted_key.pem");

/// What must not come out.
struct Marks(Vec<String>);

impl Marks {
    fn new(secrets: &[&str]) -> Self {
        let mut needles = Vec::new();
        for secret in secrets {
            needles.extend(forms(secret));
            needles.extend(forms(&percent(secret)));
        }
        Self(needles)
    }

    /// A token is known by its claims and its signature; its header is the same for many.
    fn of_token(token: &str) -> Self {
        Self(token.split('.').skip(1).filter(|part| part.len() > 8).map(str::to_owned).collect())
    }

    fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    fn absent(&self, bytes: &[u8], place: &str) {
        let text = String::from_utf8_lossy(bytes);
        for needle in &self.0 {
            assert!(!text.contains(needle.as_str()), "{place} says {needle}:\n{text:.4000}");
        }
    }
}

/// The text, and its base64 wherever it may stand within a longer text.
fn forms(secret: &str) -> Vec<String> {
    let mut forms = vec![secret.to_owned()];
    for before in 0..3 {
        let padded = format!("{}{secret}", &"xx"[..before]);
        let encoded = STANDARD.encode(padded);
        let whole = &encoded[(before * 4).div_ceil(3)..encoded.len() - 4];
        forms.extend([whole.to_owned(), whole.replace('+', "-").replace('/', "_")]);
    }
    forms
}

fn percent(secret: &str) -> String {
    secret
        .bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// Runs it as talkative as it can be, for people and for programs. Standard error never holds a mark; standard output
/// neither, unless it is the credential that was asked for.
fn talk(command: &Command, marks: &Marks, code: i32, stdout: bool) {
    for form in ["text", "json"] {
        let mut loud = Command::new(command.get_program());
        loud.args(["--log", "trace", "--output", form]).args(command.get_args()).env_clear();
        loud.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        loud.current_dir(command.get_current_dir().unwrap());
        let done = output(&mut loud);
        assert_eq!(done.status.code(), Some(code), "{loud:?}\n{:.4000}", both(&done));
        marks.absent(&done.stderr, "standard error");
        if stdout {
            marks.absent(&done.stdout, "standard output");
        }
    }
}

/// The desk with a marked client secret that is not the right one.
fn marked(desk: &Desk<'_>) -> Marks {
    put(&desk.path("client-secret"), CLIENT_SECRET, 0o600);
    let token = std::fs::read_to_string(desk.path("token.jwt")).unwrap();
    Marks::new(&[CLIENT_SECRET]).and(Marks::of_token(&token))
}

/// A server that sends back whatever it is told, as an error that each client reads.
fn echo(status: u16) -> Server {
    Server::start(move |asked| {
        let said = asked.text.as_str();
        let body = json!({
            "error": said, "error_description": said, "message": said, "code": said,
            "token": said, "access_token": said, "value": said,
        });
        (status, body.to_string())
    })
}

#[test]
fn a_refused_exchange_says_neither_token_nor_client_secret() {
    let desk = Desk::new(Sandbox::shared());
    let marks = marked(&desk);
    talk(&desk.exchange("get"), &marks, 4, true);
    talk(desk.exchange("run").args(["--", "true"]), &marks, 4, true);
}

#[test]
fn an_exchange_that_cannot_be_made_says_neither() {
    let desk = Desk::new(Sandbox::shared());
    let marks = marked(&desk);
    talk(&desk.exchange_at("get", &format!("http://{NOBODY}")), &marks, 5, true);
}

#[test]
fn a_service_that_sends_everything_back_cannot_make_it_be_said() {
    let desk = Desk::new(Sandbox::shared());
    let marks = marked(&desk);
    for (status, code) in [(400, 4), (401, 4), (403, 7), (404, 4), (500, 5), (200, 5)] {
        talk(&desk.exchange_at("get", &echo(status).url()), &marks, code, true);
    }
}

#[test]
fn google_that_sends_everything_back_cannot_make_it_be_said() {
    let desk = Desk::new(Sandbox::shared());
    let pool = desk.sandbox.seed("gcp_github_audience");
    let token = desk.sandbox.token("github", &["--audience", &format!("https:{pool}")]);
    put(&desk.path("token.jwt"), &token, 0o600);
    let marks = Marks::of_token(&token).and(Marks::new(&[OPAQUE_TOKEN]));
    for status in [400, 403, 500, 200] {
        let mut command = desk.source("get");
        command.args([
            "--to",
            "gcp",
            &format!("audience={pool}"),
            &format!("token_url={}/v1/token", echo(status).url()),
        ]);
        let code = output(&mut command).status.code().unwrap();
        assert_ne!(code, 0);
        talk(&command, &marks, code, true);
    }
    // The federated token goes to the impersonation in turn.
    let sts = Server::start(|_| {
        (200, json!({"access_token": OPAQUE_TOKEN, "expires_in": 3600, "token_type": "Bearer"}).to_string())
    });
    for status in [400, 403, 500, 200] {
        let mut command = desk.source("get");
        command.args(["--to", "gcp", &format!("audience={pool}"), &format!("token_url={}/v1/token", sts.url())]);
        command.arg(format!("iamcredentials_url={}/", echo(status).url()));
        command.arg("service_account=reader@carnet-sandbox.iam.gserviceaccount.com");
        let code = output(&mut command).status.code().unwrap();
        assert_ne!(code, 0);
        talk(&command, &marks, code, true);
    }
}

#[test]
fn githubs_request_token_is_never_said() {
    let home = tempfile::tempdir().unwrap();
    let marks = Marks::new(&[REQUEST_TOKEN]);
    let sandbox = Sandbox::shared();
    let mut command = nowhere(home.path(), ["get", "--from", "github-actions"]);
    command.envs(sandbox.environment(&["--job", "github"])).env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", REQUEST_TOKEN);
    talk(&command, &marks, 4, true);
    let mut command = nowhere(home.path(), ["whoami"]);
    command.envs(sandbox.environment(&["--job", "github"])).env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", REQUEST_TOKEN);
    talk(&command, &marks, 0, true);
    for status in [200, 400, 401, 500] {
        let mut command = nowhere(home.path(), ["get", "--from", "github-actions"]);
        command.env("GITHUB_ACTIONS", "true").env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", REQUEST_TOKEN);
        command.env("ACTIONS_ID_TOKEN_REQUEST_URL", format!("{}/?api-version=2.0", echo(status).url()));
        let code = output(&mut command).status.code().unwrap();
        assert_ne!(code, 0);
        talk(&command, &marks, code, true);
    }
}

#[test]
fn the_header_of_the_url_source_is_never_said() {
    let home = tempfile::tempdir().unwrap();
    let marks = Marks::new(&[REQUEST_TOKEN]);
    put(&home.path().join("header"), REQUEST_TOKEN, 0o600);
    for status in [401, 500, 200] {
        let text = format!(
            "version = 1\n[route.a]\nsource = {{ url = {{ url = \"{url}/token\", format = \"json\", headers = {{ Authorization = \"Bearer \
             ${{HEADER}}\" }} }} }}\n[route.b]\nsource = {{ url = {{ url = \"{url}/token\", format = \"json\", kind = \"jwt\", header_files = {{ \
             Authorization = {{ path = \"header\", prefix = \"Bearer \" }} }} }} }}\n",
            url = echo(status).url()
        );
        put(&home.path().join("carnet.toml"), text, 0o600);
        for words in [["get", "a"], ["get", "b"], ["config", "check"], ["config", "show"]] {
            let mut command = nowhere(home.path(), words);
            command.env("HEADER", REQUEST_TOKEN);
            let code = output(&mut command).status.code().unwrap();
            assert_eq!(code == 0, words[0] == "config", "{words:?}: {code}");
            talk(&command, &marks, code, true);
        }
    }
}

#[test]
fn a_broken_configuration_does_not_say_what_its_variables_hold() {
    let home = tempfile::tempdir().unwrap();
    let marks = Marks::new(&[REQUEST_TOKEN]);
    for source in [
        "{ url = { url = \"${SECRET}\" } }",
        "{ url = { url = \"https://x/${SECRET}\", timeout = \"${SECRET}\" } }",
        "{ file = { path = \"/no/such\", kind = \"${SECRET}\" } }",
        "{ \"${SECRET}\" = {} }",
        "\"${SECRET}\"",
        "{ env = { variable = \"${SECRET}\" } }",
    ] {
        put(
            &home.path().join("carnet.toml"),
            format!("version = 1\n[route.a]\nsource = {source}\nnonsense = 1\n"),
            0o600,
        );
        for words in [["config", "check"], ["config", "show"], ["get", "a"]] {
            let mut command = nowhere(home.path(), words);
            talk(command.env("SECRET", REQUEST_TOKEN), &marks, 2, true);
        }
    }
}

#[test]
fn a_token_in_a_variable_or_from_a_program_is_never_said() {
    let home = tempfile::tempdir().unwrap();
    let marks = Marks::new(&[OPAQUE_TOKEN]);
    let mut command = nowhere(home.path(), ["get", "--from", "env", "variable=MY_TOKEN", "kind=jwt"]);
    talk(command.env("MY_TOKEN", OPAQUE_TOKEN), &marks, 2, true);
    let mut command = nowhere(home.path(), ["get", "--from", "env", "variable=MY_TOKEN", "format=json"]);
    talk(command.env("MY_TOKEN", format!("{{\"access_token\": \"{OPAQUE_TOKEN}")), &marks, 2, true);
    let mut command = nowhere(home.path(), ["get", "--from", "env", "variable=MY_TOKEN", "--format", "token"]);
    talk(command.env("MY_TOKEN", OPAQUE_TOKEN), &marks, 0, false);
    let jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJtYXJrZWQifQ.bWFya2VkLXNpZ25hdHVyZQ";
    let marks = Marks::of_token(jwt);
    let argv = r#"argv=["sh", "-c", "echo $MY_TOKEN; echo refused: $MY_TOKEN >&2; exit 1"]"#;
    let mut command = nowhere(home.path(), ["get", "--from", "command", argv]);
    talk(command.env("MY_TOKEN", jwt), &marks, 4, true);
    put(&home.path().join("token"), format!("{jwt} {jwt}"), 0o600);
    talk(&nowhere(home.path(), ["get", "--from", "file", "path=token"]), &marks, 2, true);
    talk(&nowhere(home.path(), ["inspect", "token"]), &marks, 2, true);
}

#[test]
fn a_key_and_its_passphrase_are_never_said() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join(".oci")).unwrap();
    let key: Vec<&str> = ENCRYPTED_KEY.lines().filter(|line| !line.starts_with("---")).collect();
    let marks = Marks(key.iter().map(|line| (*line).to_owned()).collect()).and(Marks::new(&[PASSPHRASE]));
    let profile = |passphrase: &str, more: &str| {
        let text = format!(
            "[DEFAULT]\nuser=ocid1.user.oc1..aaaa\ntenancy=ocid1.tenancy.oc1..aaaa\nregion=us-ashburn-1\nfingerprint={}\n\
             pass_phrase={passphrase}\nkey_file={}\n{more}",
            "64:e2:7f:25:e2:ed:00:c3:7c:8d:bc:fd:bf:99:49:a9",
            home.path().join("key.pem").display()
        );
        put(&home.path().join(".oci/config"), text, 0o600);
    };
    put(&home.path().join("key.pem"), ENCRYPTED_KEY, 0o600);
    let url = "url=https://objectstorage.us-ashburn-1.oraclecloud.com/n/";
    let signature = || nowhere(home.path(), ["get", "--from", "oci-config", "--format", "oci-signature", url]);
    profile(PASSPHRASE, "");
    talk(&signature(), &marks, 0, true);
    talk(&nowhere(home.path(), ["whoami"]), &marks, 0, true);
    talk(&nowhere(home.path(), ["get", "--from", "oci-config"]), &marks, 2, true);
    profile(&format!("{PASSPHRASE}-wrong"), "");
    talk(&signature(), &marks, 2, true);
    profile(&format!("{PASSPHRASE} # {PASSPHRASE}"), "");
    talk(&signature(), &marks, 2, true);
    profile(PASSPHRASE, &format!("{PASSPHRASE}\n"));
    talk(&signature(), &marks, 2, true);
    profile(PASSPHRASE, &format!("key_content={}\n", key[0]));
    talk(&signature(), &marks, 2, true);
    // The key's own text where a path is wanted.
    profile(PASSPHRASE, "");
    put(&home.path().join("key.pem"), ENCRYPTED_KEY.replacen("MII", "AAA", 1), 0o600);
    talk(&signature(), &marks, 2, true);
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            found.extend(files(&path));
        }
        found.push(path);
    }
    found
}

#[test]
fn what_is_delivered_is_nowhere_else() {
    let desk = Desk::new(Sandbox::shared());
    let marks = Marks::new(&[desk.sandbox.seed("oci_client_secret")])
        .and(Marks::of_token(&std::fs::read_to_string(desk.path("token.jwt")).unwrap()));
    talk(&desk.profile(), &marks, 0, true);
    let session = std::fs::read_to_string(desk.path("oci/current/token")).unwrap();
    let key = std::fs::read_to_string(desk.path("oci/current/session_key.pem")).unwrap();
    let line = key.lines().nth(5).unwrap().to_owned();
    let delivered = Marks::of_token(&session).and(Marks(vec![line]));
    let current = std::fs::canonicalize(desk.path("oci/current")).unwrap();
    for file in files(desk.folder()).into_iter().filter(|file| file.is_file()) {
        let content = std::fs::read(&file).unwrap();
        if !file.starts_with(&current) {
            delivered.absent(&content, &file.display().to_string());
        }
        if file.starts_with(desk.path("oci")) {
            marks.absent(&content, &file.display().to_string());
        }
    }
    // The credential on standard output is what was asked for; standard error never has it.
    for format in ["json", "env"] {
        let mut command = desk.source("get");
        command.args(["--format", format]);
        talk(&command, &marks, 0, false);
    }
}

#[test]
fn neither_carnet_nor_its_child_shows_a_credential_in_the_process_list() {
    let desk = Desk::new(Sandbox::shared());
    let marks = Marks::new(&[desk.sandbox.seed("oci_client_secret")])
        .and(Marks::of_token(&std::fs::read_to_string(desk.path("token.jwt")).unwrap()));
    let mut command = desk.exchange("run");
    let script = "echo $$; cat \"$(dirname \"$OCI_CLI_CONFIG_FILE\")/token\"; echo; read line";
    command.args(["--", "sh", "-c", script]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (pid, session) = (lines.next().unwrap().unwrap(), lines.next().unwrap().unwrap());
    let marks = marks.and(Marks::of_token(&session));
    for process in [child.id().to_string(), pid] {
        for file in ["cmdline", "environ", "comm"] {
            let path = format!("/proc/{process}/{file}");
            marks.absent(&std::fs::read(&path).unwrap(), &path);
        }
    }
    drop(child.stdin.take());
    child.wait().unwrap();
}

#[test]
fn every_file_is_private_whatever_the_umask() {
    let desk = Desk::new(Sandbox::shared());
    let path = |name: &str| desk.path("out").join(name).display().to_string();
    let pool = desk.sandbox.seed("gcp_github_audience").to_owned();
    let session: [&[String]; 4] = [
        &["oci-profile".to_owned(), format!("directory={}", path("a")), format!("merge_into={}", path("b/config"))],
        &["oci-resource-principal".to_owned(), format!("directory={}", path("c"))],
        &["oci-token".to_owned(), format!("token_file={}", path("d/token")), format!("key_file={}", path("d/key"))],
        &[],
    ];
    let token: [&[String]; 2] = [
        &["token-file".to_owned(), format!("path={}", path("e/token"))],
        &["gcp-credential-file".to_owned(), format!("path={}", path("f/google.json")), format!("audience={pool}")],
    ];
    let open = |command: &Command| {
        let mut shell = Command::new("sh");
        shell.args(["-c", "umask 000; exec \"$@\"", "sh"]).arg(command.get_program()).args(command.get_args());
        shell.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        works(&mut shell);
    };
    for (words, mut command) in session
        .iter()
        .map(|words| (words, desk.exchange("get")))
        .chain(token.iter().map(|words| (words, desk.source("get"))))
        .filter(|(words, _)| !words.is_empty())
    {
        command.args(["--quiet", "--deliver"]).args(words.iter());
        open(&command);
        // Once more: what is there already is replaced, not loosened.
        open(&command);
    }
    let written = files(&desk.path("out"));
    assert!(written.iter().filter(|path| path.is_file()).count() > 12, "{written:?}");
    for path in written {
        let wanted = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode(&path), wanted, "{}", path.display());
    }
}

#[test]
fn a_token_that_is_shown_by_mistake_is_not_repeated() {
    let home = tempfile::tempdir().unwrap();
    let jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJtYXJrZWQifQ.bWFya2VkLXNpZ25hdHVyZQ";
    let marks = Marks::of_token(jwt);
    // Where a path, a route or a name was wanted.
    talk(&nowhere(home.path(), ["get", "--from", "file", &format!("path={jwt}")]), &marks, 3, true);
    talk(&nowhere(home.path(), ["get", jwt]), &marks, 2, true);
    put(&home.path().join("other.toml"), "version = 1\n[route.a]\nsource = \"auto\"\n", 0o600);
    talk(&nowhere(home.path(), ["get", "-c", "other.toml", jwt]), &marks, 2, true);
    talk(&nowhere(home.path(), ["inspect", &jwt.replace("eyJhbGciOi", "xyJhbGciOi")]), &marks, 2, true);
}

#[test]
fn the_demo_says_no_token() {
    let home = tempfile::tempdir().unwrap();
    for form in ["text", "json"] {
        let done = output(&mut nowhere(
            home.path(),
            ["--log", "trace", "--output", form, "demo", "--only", "external_account"],
        ));
        assert!(done.status.success(), "{}", both(&done));
        let marks = Marks(vec!["eyJhbGciOi".to_owned(), "ya29.".to_owned(), "PRIVATE KEY".to_owned()]);
        marks.absent(&done.stderr, "standard error");
        marks.absent(&done.stdout, "standard output");
        if form == "json" {
            let answer: Value = serde_json::from_slice(&done.stdout).unwrap();
            assert_eq!(answer["passed"], true);
        }
    }
}
