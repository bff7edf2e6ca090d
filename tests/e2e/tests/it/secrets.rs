//! Nothing secret is ever said: marked secrets go in wherever one can, every command talks as much as it can, and the
//! marks are looked for in everything that comes out.

mod delivered;
mod sources;

use std::process::Command;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::{
    harness::{Sandbox, both, output},
    scene::{Desk, NOBODY, Server, nowhere, put},
};

/// A client secret with every character that some encoding changes.
const CLIENT_SECRET: &str = "marked-client/secret+9=&%x";
const REQUEST_TOKEN: &str = "marked.request-token-4711";
const OPAQUE_TOKEN: &str = "ya29.marked-opaque-token_0815";

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
fn a_configuration_that_is_wrong_does_not_say_what_a_variable_holds() {
    let home = tempfile::tempdir().unwrap();
    let source = "{ url = { url = \"http://127.0.0.1:9/\", headers = \"${HEADERS}\" } }";
    put(&home.path().join("carnet.toml"), format!("version = 1\n[route.a]\nsource = {source}\n"), 0o600);
    let marks = Marks::new(&["marked-S3CRET"]);
    let from = ["get", "--from", "url", "url=http://127.0.0.1:9/", "headers=${HEADERS}"];
    for words in [["config", "check"].as_slice(), &["get", "a"], &from] {
        let mut command = nowhere(home.path(), words.iter().copied());
        talk(command.env("HEADERS", "{\"Authorization\":\"Bearer marked-S3CRET\"}"), &marks, 2, true);
    }
    let written = ["get", "--from", "url", "url=http://127.0.0.1:9/", "headers={\"Authorization\":\"marked-S3CRET\"}"];
    talk(&nowhere(home.path(), written), &marks, 2, true);
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
fn a_good_configuration_does_not_say_what_is_secret_in_it() {
    let home = tempfile::tempdir().unwrap();
    let jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJtYXJrZWQifQ.bWFya2VkLXNpZ25hdHVyZQ";
    let marks = Marks::new(&[REQUEST_TOKEN, OPAQUE_TOKEN]).and(Marks::of_token(jwt));
    let exchange =
        |fields: &str| format!("through = [{{ oauth = {{ token_url = \"https://x.example/\", {fields} }} }}]");
    for route in [
        format!("source = {{ url = {{ url = \"https://x.example/?sig={OPAQUE_TOKEN}\" }} }}"),
        "source = { url = { url = \"https://x.example/?sig=${SECRET}&key=${SECRET}\" } }".to_owned(),
        "source = { url = { url = \"https://x.example/\", headers = { X = \"Bearer ${SECRET}\" } } }".to_owned(),
        "source = { command = { argv = [\"/x\", \"--token\", \"${SECRET}\"] } }".to_owned(),
        "source = { command = { argv = [\"/x\", \"${JWT}\", \"a ${SECRET}\"] } }".to_owned(),
        format!("source = {{ command = {{ argv = [\"/x\", \"--password\", \"{REQUEST_TOKEN}\"] }} }}"),
        format!("source = {{ command = {{ argv = [\"/x\", \"{jwt}\"] }} }}"),
        "source = { file = { path = \"/run/${SECRET}\" } }".to_owned(),
        "source = \"github-actions\"\naudience = \"${SECRET}\"".to_owned(),
        format!("source = \"github-actions\"\n{}", exchange("parameters = { p = \"${SECRET}\" }")),
        format!("source = \"github-actions\"\n{}", exchange("parameters = { p = \"a ${JWT}\" }")),
    ] {
        put(&home.path().join("carnet.toml"), format!("version = 1\n[route.a]\n{route}\n"), 0o600);
        for verb in ["check", "show"] {
            let mut command = nowhere(home.path(), ["config", verb]);
            talk(command.env("SECRET", REQUEST_TOKEN).env("JWT", jwt), &marks, 0, true);
        }
    }
}

#[test]
fn a_field_where_none_is_taken_is_not_said_with_its_value() {
    let home = tempfile::tempdir().unwrap();
    let marks = Marks::new(&[REQUEST_TOKEN]);
    let field = format!("klient={REQUEST_TOKEN}");
    for words in [
        ["config", "check", &field].as_slice(),
        &["whoami", &field],
        &["whoami", &format!("url=https://u:pw@x/?sig={REQUEST_TOKEN}")],
        &["whoami", &format!("klient=\u{1b}[31m{REQUEST_TOKEN}")],
        &["version", &field],
        &["inspect", "k=x", &format!("k=x{REQUEST_TOKEN}")],
        &[field.as_str()],
        &["whoami", &format!("--{field}")],
        &["get", "--dry-run", &format!("--{field}")],
        &["get", "--from", "env", REQUEST_TOKEN],
        &["get", "--from", "env", "variable=X", &field, "--format", "token", REQUEST_TOKEN],
        &["get", "--to", "oci-upst", REQUEST_TOKEN],
        &["get", "--to", "klient=", REQUEST_TOKEN],
        &["get", "--from", "auto", &field],
        &["run", "--deliver", "token-file", REQUEST_TOKEN, "--", "true"],
    ] {
        talk(&nowhere(home.path(), words.iter().copied()), &marks, 2, true);
    }
}

#[test]
fn a_token_that_is_shown_by_mistake_is_not_repeated() {
    let home = tempfile::tempdir().unwrap();
    let short = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJtYXJrZWQifQ.bWFya2VkLXNpZ25hdHVyZQ".to_owned();
    // No file's name can be as long, and the kernel says so in other words.
    let long = format!("{short}{}", "bWFya2Vk".repeat(200));
    for jwt in [short, long] {
        let marks = Marks::of_token(&jwt);
        // Where a path, a route or a name was wanted.
        talk(&nowhere(home.path(), ["get", "--from", "file", &format!("path={jwt}")]), &marks, code_of(&jwt), true);
        talk(&nowhere(home.path(), ["get", &jwt]), &marks, 2, true);
        put(&home.path().join("other.toml"), "version = 1\n[route.a]\nsource = \"auto\"\n", 0o600);
        talk(&nowhere(home.path(), ["get", "-c", "other.toml", &jwt]), &marks, 2, true);
        for words in [
            vec!["inspect", &jwt.replace("eyJhbGciOi", "xyJhbGciOi")],
            vec!["inspect", &format!("Bearer {jwt}")],
            vec!["inspect", &format!("token={jwt}")],
            vec!["inspect", &jwt, "--jwks", &jwt],
            vec!["get", "--from", &jwt],
            vec!["get", "--from", "command", &format!("argv=[\"/x/{jwt}\"]")],
            vec!["sandbox", "urls", "--at", &jwt],
            vec!["demo", "--only", &jwt],
            vec![&jwt],
        ] {
            let mut command = nowhere(home.path(), words.iter().copied());
            let code = output(&mut command).status.code().unwrap();
            assert_ne!(code, 0, "{}", words[0]);
            talk(&command, &marks, code, true);
        }
        for variable in ["CARNET_CONFIG", "OCI_CONFIG_FILE"] {
            let mut command = nowhere(home.path(), ["get", "--from", "oci-config"]);
            command.env(variable, &jwt);
            let code = output(&mut command).status.code().unwrap();
            assert_ne!(code, 0, "{variable}");
            talk(&command, &marks, code, true);
        }
    }
}

/// A file that is not there is nothing found; a path that none can have is a mistake.
fn code_of(path: &str) -> i32 {
    if path.len() > 255 { 2 } else { 3 }
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
