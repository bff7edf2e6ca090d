//! `carnet get`: what is on standard output, byte for byte, when a route has deliveries of its own.

use std::{path::Path, process::Command};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    harness::{Sandbox, both, carnet, json, output, python},
    scene::{fails, nowhere, put, works},
};

/// What the file of the route's source holds.
const TOKEN: &str = "an-opaque-token";
/// The same as a line for a shell.
const LINE: &str = "export CARNET_ACCESS_TOKEN='an-opaque-token'\n";

/// A folder with a configuration of one route `r`, whose source is a file, with these deliveries.
fn delivering(deliveries: &str) -> TempDir {
    let home = tempfile::tempdir().unwrap();
    put(&home.path().join("token"), TOKEN, 0o600);
    let route = format!("[route.r]\nsource = {{ file = {{ path = \"token\" }} }}\ndeliver = [{deliveries}]\n");
    put(&home.path().join("carnet.toml"), format!("version = 1\n{route}"), 0o600);
    home
}

/// `carnet get r` with these words after it.
fn get(home: &TempDir, words: &[&str]) -> Command {
    nowhere(home.path(), ["get", "r"].into_iter().chain(words.iter().copied()))
}

#[test]
fn what_a_route_has_for_standard_output_is_all_that_is_on_it() {
    let header = format!("Authorization: Bearer {TOKEN}");
    for (deliveries, wanted) in [
        ("{ token = {} }", TOKEN),
        ("{ header = {} }", header.as_str()),
        ("{ env = {} }", LINE),
        ("{ token-file = { path = \"out\" } }, { token = {} }", TOKEN),
    ] {
        assert_eq!(works(&mut get(&delivering(deliveries), &[])), wanted, "{deliveries}");
    }
    // The same where the delivery came with a flag.
    assert_eq!(works(&mut get(&delivering(""), &["--deliver", "token"])), TOKEN);
}

#[test]
fn a_route_that_has_nothing_for_standard_output_gets_json() {
    for deliveries in ["", "{ token-file = { path = \"out\" } }"] {
        let home = delivering(deliveries);
        let answer = json(&mut get(&home, &[]));
        assert_eq!((&answer["kind"], &answer["token"]), (&json!("access-token"), &json!(TOKEN)), "{deliveries}");
        assert_eq!(home.path().join("out").exists(), !deliveries.is_empty());
    }
}

#[test]
fn lines_of_several_deliveries_follow_one_another() {
    let home = delivering("{ env = { variable = \"FIRST\" } }, { env = { variable = \"SECOND\" } }");
    assert_eq!(works(&mut get(&home, &[])), format!("export FIRST='{TOKEN}'\nexport SECOND='{TOKEN}'\n"));
}

#[test]
fn lines_for_a_shell_give_way_to_what_wants_the_stream_for_itself() {
    let home = delivering("{ env = {} }");
    assert_eq!(works(&mut get(&home, &["--format", "token"])), TOKEN);
    assert_eq!(json(&mut get(&home, &["--format", "json"]))["token"], TOKEN);
    assert_eq!(works(&mut get(&delivering("{ env = {} }, { token = {} }"), &[])), TOKEN);
}

#[test]
fn rejects_two_that_want_the_stream_for_themselves() {
    let home = delivering("{ token-file = { path = \"out\" } }, { token = {} }");
    let says = ["write `token` and `json` to one standard output", "leave out --format", "--quiet"];
    fails(&mut get(&home, &["--format", "json"]), 2, &says);
    fails(&mut get(&home, &["--format", "json", "--dry-run"]), 2, &says);
    assert!(!home.path().join("out").exists(), "nothing is done before");
    let home = delivering("{ token = {} }, { header = {} }");
    fails(&mut get(&home, &[]), 2, &["write `token` and `header` to one standard output", "a route of their own"]);
}

/// What `carnet get` has on standard output, by what the route has and what `--format` says. `None`: refused.
#[test]
fn an_explicit_form_is_what_is_written_or_is_refused() {
    let file = "{ token-file = { path = \"out\" } }";
    let is_json = |said: &str| serde_json::from_str::<Value>(said).is_ok_and(|answer| answer["token"] == TOKEN);
    for (deliveries, [plain, env, token, document]) in [
        ("", ["json", LINE, TOKEN, "json"].map(Some)),
        ("{ token = {} }", [Some(TOKEN), None, None, None]),
        ("{ env = {} }", [LINE, &LINE.repeat(2), TOKEN, "json"].map(Some)),
        (file, ["json", LINE, TOKEN, "json"].map(Some)),
    ] {
        for (form, wanted) in [("", plain), ("env", env), ("token", token), ("json", document)] {
            let home = delivering(deliveries);
            let words: &[&str] = if form.is_empty() { &[] } else { &["--format", form] };
            let mut command = get(&home, words);
            let Some(wanted) = wanted else {
                let says = format!("write `token` and `{form}` to one standard output");
                fails(&mut command, 2, &[&says, "leave out --format"]);
                continue;
            };
            let said = works(&mut command);
            let is_it = if wanted == "json" { is_json(&said) } else { said == wanted };
            assert!(is_it, "{deliveries} {words:?}: {said}");
        }
    }
}

#[test]
fn rejects_lines_that_were_asked_for_beside_what_wants_the_stream_for_itself() {
    let home = delivering("{ token = {} }");
    let says = ["write `token` and `env` to one standard output", "a route of their own"];
    fails(&mut get(&home, &["--deliver", "env"]), 2, &says);
    // Without --format these would still be two.
    let home = delivering("{ token = {} }, { header = {} }");
    let says = ["write `token` and `header` and `env` to one standard output", "a route of their own"];
    let done = output(&mut get(&home, &["--format", "env"]));
    assert!(!both(&done).contains("leave out --format"), "{}", both(&done));
    fails(&mut get(&home, &["--format", "env"]), 2, &says);
}

#[test]
fn quiet_writes_files_and_nothing_to_standard_output() {
    let home = delivering("{ token = {} }, { header = {} }, { token-file = { path = \"out\" } }");
    assert_eq!(works(&mut get(&home, &["--quiet"])), "");
    assert_eq!(std::fs::read_to_string(home.path().join("out")).unwrap(), TOKEN);
    assert_eq!(works(&mut get(&delivering("{ env = {} }"), &["--quiet"])), "");
}

#[test]
fn googles_libraries_get_their_answer_from_a_route_as_well() {
    let home = delivering("{ gcp-executable = {} }");
    std::fs::remove_file(home.path().join("token")).unwrap();
    let done = output(&mut get(&home, &[]));
    assert!(done.status.success() && done.stderr.is_empty(), "{}", both(&done));
    let answer: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(answer["success"], false, "{answer}");
}

/// A configuration of the route `a` for a GitHub job, with this exchange and this delivery; its path.
fn job(folder: &Path, exchange: &str, delivery: &str) -> String {
    let path = folder.join("carnet.toml");
    let route = format!("[route.a]\nsource = \"github-actions\"\nthrough = [{exchange}]\ndeliver = [{delivery}]\n");
    put(&path, format!("version = 1\n{route}"), 0o600);
    path.display().to_string()
}

#[test]
fn botocore_runs_a_configured_route_without_flags() {
    let (sandbox, folder) = (Sandbox::shared(), tempfile::tempdir().unwrap());
    let exchange = format!("{{ aws = {{ role_arn = \"{}\" }} }}", sandbox.seed("aws_role"));
    let configuration = job(folder.path(), &exchange, "{ aws-process = {} }");
    let profile = format!(
        "[profile a]\nregion = {}\ncredential_process = {} --config {configuration} get a\n",
        sandbox.seed("aws_region"),
        carnet::<&str>([]).get_program().display(),
    );
    put(&folder.path().join("config"), profile, 0o600);
    let mut program = python("aws_chain.py");
    program.envs(sandbox.environment(&["--job", "github"])).env("AWS_EC2_METADATA_DISABLED", "true");
    program.env("AWS_CONFIG_FILE", folder.path().join("config")).env("AWS_PROFILE", "a");
    let answer = json(&mut program);
    assert_eq!(answer["arn"], "arn:aws:sts::123456789012:assumed-role/reader", "{answer}");
    assert_eq!(answer["method"], "custom-process", "{answer}");
}

#[test]
fn a_shell_evaluates_the_secrets_of_a_configured_route_and_sees_no_token() {
    let (sandbox, folder) = (Sandbox::shared(), tempfile::tempdir().unwrap());
    let exchange =
        format!("{{ vault = {{ address = \"{}\", role = \"app\", audience = \"vault\" }} }}", sandbox.plain("vault"));
    let secret = "{ mount = \"secret\", path = \"app/db\", variables = { P = \"username\" } }";
    let delivery = format!("{{ vault-secrets = {{ revoke = true, secrets = [{secret}] }} }}");
    let configuration = job(folder.path(), &exchange, &delivery);
    let variables = sandbox.environment(&["--job", "github"]);
    let mut command = carnet(["--config", configuration.as_str(), "get", "a"]);
    assert_eq!(works(command.envs(variables.clone())), "export P='app/db'\n");
    let mut shell = Command::new("sh");
    shell.args(["-c", "eval \"$(\"$0\" --config \"$1\" get a)\" && printf %s \"$P\""]);
    shell.arg(command.get_program()).arg(&configuration);
    let done = output(shell.envs(variables));
    assert_eq!((done.status.code(), done.stdout.as_slice()), (Some(0), b"app/db".as_slice()), "{}", both(&done));
}
