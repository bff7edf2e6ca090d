//! `whoami` and `inspect`.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::{
    harness::{Sandbox, both, carnet, json, output},
    scene::{Desk, fails, nowhere, put, said, works},
};

/// What `whoami` says of a source.
fn source<'a>(answer: &'a Value, name: &str) -> &'a Value {
    let list = answer["sources"].as_array().unwrap();
    let found = list.iter().find(|one| one["source"] == name);
    &found.unwrap_or_else(|| panic!("no {name} in {answer}"))["identity"]
}

#[test]
fn whoami_tells_why_nothing_is_here() {
    let home = tempfile::tempdir().unwrap();
    let done = output(&mut nowhere(home.path(), ["whoami"]));
    assert_eq!(done.status.code(), Some(3), "{}", both(&done));
    said(&done, &["no source has one", "hint: "]);
    let text = String::from_utf8(done.stdout).unwrap();
    for (source, reason) in [
        ("github-actions", "GITHUB_ACTIONS"),
        ("gitlab-ci", "GITLAB_CI"),
        ("oci-resource", "OCI_RESOURCE_PRINCIPAL_VERSION"),
        ("oci-instance", "no connection"),
        ("oci-config", ".oci/config does not exist"),
        ("gcp-metadata", "NO_GCE_CHECK"),
        ("aws-identity", "AWS_EC2_METADATA_DISABLED"),
    ] {
        let line = text.lines().find(|line| line.starts_with(&format!("not here   {source}: ")));
        assert!(line.is_some_and(|line| line.contains(reason)), "{source}: {text}");
    }
    let azure = text.lines().find(|line| line.starts_with("skipped    azure-identity: "));
    assert!(azure.is_some_and(|line| line.contains("resource is missing")), "{text}");
}

#[test]
fn whoami_as_json_tells_the_same() {
    let home = tempfile::tempdir().unwrap();
    let done = output(&mut nowhere(home.path(), ["--output", "json", "whoami"]));
    assert_eq!(done.status.code(), Some(3), "{}", both(&done));
    let answer: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(answer["version"], 1);
    let text = String::from_utf8(output(&mut nowhere(home.path(), ["whoami"])).stdout).unwrap();
    for one in answer["sources"].as_array().unwrap() {
        let name = one["source"].as_str().unwrap();
        let state = one["identity"]["state"].as_str().unwrap().replace('-', " ");
        assert!(text.contains(&format!("{state:<8}   {name}: ")), "{name}: {text}");
    }
    assert_eq!(answer["sources"].as_array().unwrap().len(), text.lines().count(), "{answer}");
    assert_eq!(source(&answer, "gitlab-ci")["state"], "not-here");
    assert!(source(&answer, "gitlab-ci")["reason"].as_str().unwrap().contains("GITLAB_CI"));
    let failure: Value = serde_json::from_slice(&done.stderr).unwrap();
    assert_eq!(
        (&failure["error"]["kind"], &failure["error"]["exit_code"]),
        (&json!("not-here"), &json!(3)),
        "{failure}"
    );
}

#[test]
fn whoami_finds_a_github_job_an_instance_a_function_and_a_profile() {
    let sandbox = Sandbox::shared();
    let home = tempfile::tempdir().unwrap();
    let mut command = nowhere(home.path(), ["--output", "json", "whoami"]);
    let answer = json(command.envs(sandbox.environment(&["--job", "github"])));
    let github = source(&answer, "github-actions");
    assert_eq!((&github["state"], &github["kind"]), (&json!("found"), &json!("jwt")), "{github}");
    assert_eq!(github["facts"]["repository"], "carnet-sandbox/app");
    assert!(github["expires_at"].is_string());
    let instance = source(&answer, "oci-instance");
    assert_eq!((&instance["state"], &instance["kind"]), (&json!("found"), &json!("oci-session")), "{instance}");
    assert!(instance["facts"]["principal"].as_str().unwrap().starts_with("ocid1.instance."), "{instance}");
    assert_eq!(instance["facts"]["tenancy"], sandbox.seed("oci_tenancy"));
    assert_eq!(instance["facts"]["region"], sandbox.seed("oci_region"));
    assert!(source(&answer, "oci-resource")["facts"]["principal"].as_str().unwrap().starts_with("ocid1.fnfunc."));
    assert_eq!(source(&answer, "oci-config")["kind"], "oci-api-key");
    assert_eq!(source(&answer, "gitlab-ci")["state"], "not-here");
}

#[test]
fn whoami_finds_a_gitlab_job_and_says_it_to_people() {
    let sandbox = Sandbox::shared();
    let home = tempfile::tempdir().unwrap();
    let mut command = nowhere(home.path(), ["whoami"]);
    command.envs(sandbox.environment(&["--job", "gitlab", "--audience", "https://example.com"]));
    let text = works(&mut command);
    let lines: Vec<&str> = text.lines().collect();
    let at = lines.iter().position(|line| line.starts_with("found      gitlab-ci: jwt, until ")).unwrap();
    assert!(
        lines[at..].iter().any(|line| line.contains("project_path") && line.contains("carnet-sandbox/app")),
        "{text}"
    );
}

#[test]
fn whoami_finds_a_google_machine() {
    let sandbox = Sandbox::shared();
    let home = tempfile::tempdir().unwrap();
    let mut command = nowhere(home.path(), ["--output", "json", "whoami", "--audience", "https://example.com"]);
    command.envs(sandbox.environment(&[])).env_remove("NO_GCE_CHECK");
    let google = source(&json(&mut command), "gcp-metadata").clone();
    assert_eq!((&google["state"], &google["kind"]), (&json!("found"), &json!("jwt")), "{google}");
    assert_eq!(google["facts"]["audience"], "https://example.com");
}

#[test]
fn whoami_says_of_a_google_machine_that_it_needs_an_audience() {
    let sandbox = Sandbox::shared();
    let home = tempfile::tempdir().unwrap();
    let metadata = sandbox.plain("gcp-metadata").replace("http://", "");
    let whoami = |form: &str| {
        let mut command = nowhere(home.path(), ["--output", form, "whoami"]);
        command.env("GCE_METADATA_HOST", &metadata).env_remove("NO_GCE_CHECK");
        output(&mut command)
    };
    let done = whoami("json");
    assert_eq!(done.status.code(), Some(2), "{}", both(&done));
    let answer: Value = serde_json::from_slice(&done.stdout).unwrap();
    let google = source(&answer, "gcp-metadata");
    assert_eq!(google["state"], "skipped", "{google}");
    let reason = google["reason"].as_str().unwrap();
    assert!(reason.contains("no audience is known") && reason.contains("--audience"), "{reason}");
    let done = whoami("text");
    assert!(String::from_utf8_lossy(&done.stdout).contains("skipped    gcp-metadata: "), "{}", both(&done));
    said(&done, &["needs an audience", "hint: ask again with `--audience`"]);
}

#[test]
fn whoami_shows_an_identity_that_is_there_but_broken() {
    let home = tempfile::tempdir().unwrap();
    let mut command = nowhere(home.path(), ["--output", "json", "whoami"]);
    command.env("GITLAB_CI", "true").env("CARNET_ID_TOKEN", "not.a.token");
    let done = output(&mut command);
    let answer: Value = serde_json::from_slice(&done.stdout).unwrap();
    let gitlab = source(&answer, "gitlab-ci");
    assert_eq!(gitlab["state"], "broken", "{gitlab}");
    assert!(gitlab.to_string().contains("CARNET_ID_TOKEN"), "{gitlab}");
}

/// Runs it with this on standard input.
fn with_input(command: &mut Command, input: &str) -> std::process::Output {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("start carnet");
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn inspect_shows_a_token_from_a_file_standard_input_and_the_argument() {
    let desk = Desk::new(Sandbox::shared());
    let path = desk.path("token.jwt");
    let token = std::fs::read_to_string(&path).unwrap();
    let inspect = |argument: &str| nowhere(desk.folder(), ["--output", "json", "inspect", argument]);
    let answer = json(&mut inspect(&path.display().to_string()));
    assert_eq!((&answer["kind"], &answer["verified"]), (&json!("jwt"), &Value::Null), "{answer}");
    assert_eq!(answer["looks_like"], "GitHub Actions identity token");
    assert_eq!(answer["claims"]["repository"], "carnet-sandbox/app");
    assert_eq!(answer["header"]["alg"], "RS256");
    assert_eq!(answer["warnings"], json!([]));
    for input in [format!("{token}\n"), format!("ST${token}"), format!("  {token}")] {
        let done = with_input(&mut inspect("-"), &input);
        let answer: Value = serde_json::from_slice(&done.stdout).unwrap_or_else(|_| panic!("{}", both(&done)));
        assert_eq!(answer["claims"]["repository"], "carnet-sandbox/app");
    }
    assert_eq!(json(&mut inspect(&format!("ST${token}")))["claims"]["repository"], "carnet-sandbox/app");
    assert_eq!(json(&mut inspect(&token))["claims"]["repository"], "carnet-sandbox/app");
}

#[test]
fn inspect_never_says_the_token_itself() {
    let desk = Desk::new(Sandbox::shared());
    let token = std::fs::read_to_string(desk.path("token.jwt")).unwrap();
    let signature = token.rsplit('.').next().unwrap();
    for format in ["text", "json"] {
        let shown = works(&mut nowhere(desk.folder(), ["--output", format, "inspect", "token.jwt"]));
        assert!(!shown.contains(signature), "{shown}");
    }
}

/// `inspect` that reaches the issuers under their real names.
fn verify(desk: &Desk<'_>, more: &[&str]) -> Command {
    let mut command = carnet(["--output", "json", "inspect", "token.jwt"]);
    command.args(more).current_dir(desk.folder()).envs(desk.sandbox.environment(&["--proxy"]));
    command
}

const GITHUB: &str = "https://token.actions.githubusercontent.com";

#[test]
fn inspect_verifies_with_the_issuers_keys() {
    let desk = Desk::new(Sandbox::shared());
    assert_eq!(json(&mut verify(&desk, &["--issuer", GITHUB]))["verified"], true);
    let audience = desk.sandbox.seed("oci_domain");
    assert_eq!(json(&mut verify(&desk, &["--issuer", GITHUB, "--audience", audience]))["verified"], true);
}

/// A token or a wish that does not hold: the document says so, and the exit code too.
fn not_verified(options: &[&str], more: &[&str], code: i32, clause: &str) {
    let desk = Desk::new(Sandbox::shared());
    desk.show(options);
    let done = output(&mut verify(&desk, more));
    assert_eq!(done.status.code(), Some(code), "{}", both(&done));
    let answer: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(answer["verified"], false, "{answer}");
    assert!(answer["refused_by"].is_string(), "{answer}");
    let failure: Value = serde_json::from_slice(&done.stderr).unwrap();
    assert_eq!(failure["error"]["clause"], clause, "{failure}");
}

#[test]
fn inspect_tells_a_tampered_token() {
    not_verified(&["--flaw", "tampered"], &["--issuer", GITHUB], 4, "signature");
}

#[test]
fn inspect_tells_an_expired_token() {
    not_verified(&["--flaw", "expired"], &["--issuer", GITHUB], 6, "expired");
}

#[test]
fn inspect_tells_a_token_of_another_issuer() {
    not_verified(&[], &["--issuer", "https://gitlab.com"], 4, "issuer");
}

#[test]
fn inspect_tells_a_token_for_another_audience() {
    not_verified(&[], &["--issuer", GITHUB, "--audience", "https://somebody.else"], 4, "audience");
}

#[test]
fn inspect_verifies_with_keys_from_a_file() {
    let desk = Desk::new(Sandbox::shared());
    let url = format!("{}/.well-known/jwks", desk.sandbox.plain("ci-github"));
    let keys = output(Command::new("curl").args(["--silent", "--fail", "--noproxy", "*", &url])).stdout;
    put(&desk.path("keys.json"), &keys, 0o600);
    assert_eq!(json(&mut verify(&desk, &["--jwks", "keys.json"]))["verified"], true);
    put(&desk.path("keys.json"), "{\"keys\": []}", 0o600);
    not_here(&desk, "keys.json", 4);
    put(&desk.path("keys.json"), "not json", 0o600);
    not_here(&desk, "keys.json", 2);
    not_here(&desk, "no-such.json", 2);
}

/// Keys that cannot verify.
fn not_here(desk: &Desk<'_>, file: &str, code: i32) {
    let done = output(&mut verify(desk, &["--jwks", file]));
    assert_eq!(done.status.code(), Some(code), "{}", both(&done));
}

#[test]
fn inspect_warns_of_what_nobody_should_accept() {
    let desk = Desk::new(Sandbox::shared());
    desk.show(&["--flaw", "alg-none"]);
    let answer = json(&mut nowhere(desk.folder(), ["--output", "json", "inspect", "token.jwt"]));
    assert!(answer["warnings"].to_string().contains("algorithm is none"), "{answer}");
    desk.show(&["--flaw", "expired"]);
    let text = works(&mut nowhere(desk.folder(), ["inspect", "token.jwt"]));
    assert!(text.contains("warning   it has expired"), "{text}");
}

#[test]
fn inspect_does_not_cut_what_it_reads_from_standard_input() {
    let home = tempfile::tempdir().unwrap();
    let mut command = nowhere(home.path(), ["inspect", "-"]);
    let done = with_input(&mut command, &"a".repeat(256 * 1024 + 1));
    assert_eq!((done.status.code(), done.stdout.is_empty()), (Some(2), true), "{}", both(&done));
    said(&done, &["read standard input: it is larger than 262144 bytes", "hint: "]);
}

#[test]
fn inspect_escapes_what_a_hostile_claim_holds() {
    let desk = Desk::new(Sandbox::shared());
    desk.show(&["--claim", "note=\"\\u001b[2Jhello\""]);
    let text = works(&mut nowhere(desk.folder(), ["inspect", "token.jwt"]));
    assert!(text.contains("hello") && !text.contains('\u{1b}'), "{text}");
}

#[test]
fn inspect_shows_a_credential_file_and_warns_of_strangers_in_it() {
    let desk = Desk::new(Sandbox::shared());
    let pool = desk.sandbox.seed("gcp_github_audience");
    let path = desk.path("google.json").display().to_string();
    let mut command = desk.source("get");
    command.args(["--quiet", "--deliver", "gcp-credential-file", &format!("path={path}"), &format!("audience={pool}")]);
    works(&mut command);
    let answer = json(&mut nowhere(desk.folder(), ["--output", "json", "inspect", &path]));
    assert_eq!((&answer["kind"], &answer["file"]["audience"]), (&json!("external-account"), &json!(pool)), "{answer}");
    assert_eq!(answer["warnings"], json!([]));
    let evil = std::fs::read_to_string(&path)
        .unwrap()
        .replace("https://sts.googleapis.com/v1/token", "https://sts.evil.example/");
    put(&desk.path("evil.json"), evil, 0o600);
    let text = works(&mut nowhere(desk.folder(), ["inspect", "evil.json"]));
    assert!(text.contains("warning") && text.contains("sts.evil.example"), "{text}");
}

#[test]
fn inspect_lets_nobody_colour_or_hide_anything() {
    let home = tempfile::tempdir().unwrap();
    let file = json!({
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/p/providers/p",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": "https://sts.googleapis.com/v1/token",
        "credential_source": {"executable": {"command": "/bin/true \u{1b}[30m--hidden\u{1b}[0m"}},
    });
    put(&home.path().join("file.json"), file.to_string(), 0o600);
    for (colour, own) in [("always", 1), ("never", 0)] {
        let text = works(&mut nowhere(home.path(), ["--color", colour, "inspect", "file.json"]));
        assert!(text.contains("\\u{1b}[30m--hidden\\u{1b}[0m"), "{text:?}");
        assert!(!text.contains("\u{1b}[30m"), "{text:?}");
        assert_eq!(text.starts_with("\u{1b}[1m"), own == 1, "carnet's own: {text:?}");
    }
}

#[test]
fn inspect_names_what_it_cannot_read() {
    let home = tempfile::tempdir().unwrap();
    put(&home.path().join("opaque"), "ya29.something", 0o600);
    put(&home.path().join("empty"), "", 0o600);
    put(&home.path().join("bytes"), b"\xff\xfe", 0o600);
    put(&home.path().join("file.json"), "{\"type\": \"service_account\"}", 0o600);
    let inspect = |argument: &str, says: &[&str]| {
        fails(&mut nowhere(home.path(), ["inspect", argument]), 2, says);
    };
    inspect("opaque", &["the file opaque", "not a JSON Web Token", "2 parts, not 3", "hint: "]);
    inspect("empty", &["the file empty", "there is nothing in it", "hint: "]);
    inspect("bytes", &["the file bytes", "it is not text", "hint: "]);
    inspect("file.json", &["the file file.json", "type", "hint: "]);
    inspect("no-such-file", &["neither a token nor a file", "hint: "]);
    let done = with_input(&mut nowhere(home.path(), ["inspect", "-"]), "hello");
    assert_eq!(done.status.code(), Some(2));
    said(&done, &["standard input"]);
}
