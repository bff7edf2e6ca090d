//! `carnet run`: a child with credentials.

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::{
    harness::{Sandbox, both, carnet, output},
    scene::{Desk, fails, mode, nowhere, put, said, works},
};

/// `carnet run` of a token file, with this shell script as the child.
fn with_token(desk: &Desk<'_>, script: &str) -> Command {
    let mut command = desk.source("run");
    command.args(["--", "sh", "-c", script]);
    command
}

#[test]
fn a_token_is_in_the_childs_environment() {
    let desk = Desk::new(Sandbox::shared());
    let token = std::fs::read_to_string(desk.path("token.jwt")).unwrap();
    assert_eq!(works(&mut with_token(&desk, "printf %s \"$CARNET_ID_TOKEN\"")), token);
}

#[test]
fn an_access_token_is_in_the_childs_environment() {
    let sandbox = Sandbox::shared();
    let mut command = carnet(["run", "--from", "github-actions", "--to", "gcp"]);
    command.arg(format!("audience={}", sandbox.seed("gcp_github_audience")));
    command.arg(format!("service_account={}", sandbox.seed("gcp_service_account")));
    let list = "https://storage.googleapis.com/storage/v1/b?project=carnet-sandbox";
    let script = format!("exec curl --silent --fail -H \"Authorization: Bearer $CARNET_ACCESS_TOKEN\" {list}");
    command.args(["--deliver", "env"]);
    command.args(["--", "sh", "-c", &script]).envs(sandbox.environment(&["--proxy", "--job", "github"]));
    let answer: Value = serde_json::from_str(&works(&mut command)).unwrap();
    assert_eq!(answer["items"][0]["name"], "carnet-logs", "{answer}");
}

#[test]
fn a_session_is_a_private_profile_that_ends_with_the_child() {
    let desk = Desk::new(Sandbox::shared());
    let runtime = desk.path("runtime");
    std::fs::create_dir(&runtime).unwrap();
    let mut command = desk.exchange("run");
    // The child says where its profile is, and stays until its standard input ends.
    let script = "printf '%s\\n' \"$OCI_CLI_CONFIG_FILE\" \"$OCI_CLI_PROFILE\" \"$OCI_CLI_AUTH\"; read line";
    command.args(["--", "sh", "-c", script]).env("XDG_RUNTIME_DIR", &runtime);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || lines.next().unwrap().unwrap();
    let (config, profile, auth) = (std::path::PathBuf::from(next()), next(), next());
    assert_eq!((profile.as_str(), auth.as_str()), ("CARNET", "security_token"));
    assert!(config.starts_with(&runtime), "{}", config.display());
    let folder = std::fs::canonicalize(config.parent().unwrap()).unwrap();
    for name in ["config", "token", "session_key.pem"] {
        assert_eq!(mode(&folder.join(name)), 0o600, "{name}");
    }
    for folder in folder.ancestors().take_while(|folder| **folder != runtime) {
        assert_eq!(mode(folder), 0o700, "{}", folder.display());
    }
    drop(child.stdin.take());
    assert!(child.wait().unwrap().code().is_some());
    assert_eq!(std::fs::read_dir(&runtime).unwrap().count(), 0, "the profile must be gone");
}

#[test]
fn the_childs_exit_code_is_carnets() {
    let desk = Desk::new(Sandbox::shared());
    for (script, code) in [("exit 0", 0), ("exit 7", 7), ("kill -KILL $$", 137), ("kill -TERM $$", 143)] {
        assert_eq!(output(&mut with_token(&desk, script)).status.code(), Some(code), "{script}");
    }
}

#[test]
fn a_command_that_cannot_be_run_is_told_as_env_does() {
    let desk = Desk::new(Sandbox::shared());
    fails(desk.source("run").args(["--", "/no/such/program"]), 127, &["run /no/such/program", "No such file"]);
    fails(desk.source("run").args(["--", "/tmp"]), 126, &["run /tmp", "Permission denied"]);
}

#[test]
fn nothing_is_started_without_the_credential() {
    let desk = Desk::new(Sandbox::shared());
    std::fs::remove_file(desk.path("token.jwt")).unwrap();
    let mark = desk.path("started");
    let mut command = with_token(&desk, &format!("touch {}", mark.display()));
    fails(&mut command, 3, &["there is no file", "token.jwt", "source file"]);
    assert!(!mark.exists());
    fails(&mut nowhere(desk.folder(), ["run", "--from", "file", "path=x"]), 2, &["CMD"]);
}

#[test]
fn signals_reach_the_child() {
    let desk = Desk::new(Sandbox::shared());
    for (signal, number) in [("TERM", 15), ("INT", 2), ("HUP", 1), ("USR1", 10)] {
        let script =
            format!("sleep 1000 & trap 'kill $!; echo got {signal}; exit {number}' {signal}; echo ready; wait");
        let mut command = with_token(&desk, &script);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "ready");
        works(Command::new("sh").args(["-c", &format!("kill -{signal} {}", child.id())]));
        assert_eq!(lines.next().unwrap().unwrap(), format!("got {signal}"));
        assert_eq!(child.wait().unwrap().code(), Some(number), "{signal}");
    }
}

#[test]
fn several_routes_serve_one_child() {
    let desk = Desk::new(Sandbox::shared());
    put(&desk.path("opaque"), "an-opaque-token", 0o600);
    let text = "version = 1
[route.first]
source = { file = { path = \"token.jwt\" } }
deliver = [{ env = { variable = \"FIRST\" } }]
[route.second]
source = { file = { path = \"opaque\" } }
deliver = [{ env = { variable = \"SECOND\" } }]
";
    put(&desk.path("carnet.toml"), text, 0o600);
    let mut command =
        nowhere(desk.folder(), ["run", "first", "second", "--", "sh", "-c", "printf '%s %s' \"$FIRST\" \"$SECOND\""]);
    let token = std::fs::read_to_string(desk.path("token.jwt")).unwrap();
    assert_eq!(works(&mut command), format!("{token} an-opaque-token"));
}

/// Two routes, each with its own token, and what else stands in each.
fn two_routes(desk: &Desk<'_>, more: &str) {
    let route = |name: &str| format!("[route.{name}]\nsource = {{ file = {{ path = \"{name}\" }} }}\n{more}\n");
    put(&desk.path("carnet.toml"), format!("version = 1\n{}{}", route("first"), route("second")), 0o600);
    put(&desk.path("first"), "token-one", 0o600);
    put(&desk.path("second"), "token-two", 0o600);
}

#[test]
fn a_variable_that_two_routes_give_is_told() {
    let desk = Desk::new(Sandbox::shared());
    two_routes(&desk, "");
    let words = ["run", "first", "second", "--", "sh", "-c", "printf %s \"$CARNET_ACCESS_TOKEN\""];
    let done = output(&mut nowhere(desk.folder(), words));
    assert_eq!((done.status.code(), done.stdout.as_slice()), (Some(0), b"token-two".as_slice()), "{}", both(&done));
    let said = said(&done, &["warning: ", "CARNET_ACCESS_TOKEN (also of first)", "`deliver`"]);
    assert!(!said.contains("token-"), "{said}");
    let alone = output(&mut nowhere(desk.folder(), ["run", "first", "first", "--", "true"]));
    assert!(alone.status.success() && alone.stderr.is_empty(), "{}", both(&alone));
}

#[test]
fn rejects_two_routes_that_write_one_file() {
    let desk = Desk::new(Sandbox::shared());
    two_routes(&desk, "deliver = [{ token-file = { path = \"token\" } }]");
    let mark = desk.path("started");
    let script = format!("touch {}", mark.display());
    let mut command = nowhere(desk.folder(), ["run", "first", "second", "--", "sh", "-c", &script]);
    fails(&mut command, 2, &["run with the routes first and second: both write token", "hint: "]);
    assert!(!mark.exists());
}

/// A program that plays an issuer: each run gives another token of twelve seconds, and from the second on tells the child
/// through a pipe that it ran.
const ISSUER: &str = r#"#!/bin/sh
cd "$(dirname "$0")" || exit 1
count=$(($(cat count) + 1))
echo "$count" >count
if [ "$count" -gt 1 ]; then echo "$count" >pipe; fi
claims=$(printf '{"sub":"%s","exp":%s}' "$count" "$(($(date +%s) + 12))" | base64 | tr -d '=\n' | tr '+/' '-_')
printf 'eyJhbGciOiJSUzI1NiJ9.%s.c2ln' "$claims"
"#;

/// Every line of standard error, which must be one JSON document of this version.
fn talk(done: &std::process::Output) -> Vec<Value> {
    let text = String::from_utf8(done.stderr.clone()).unwrap();
    let lines: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect();
    assert!(lines.iter().all(|line| line["version"] == 1), "{text}");
    lines
}

/// `carnet --output json run` of the program that plays an issuer, with this at its second and later turns, and a child that
/// waits until it ran three times: by then what came of the second has been told. It holds the pipe open itself, or a writer that
/// is about to close would look like the end.
fn told_to_programs(later: &str) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    put(&folder.path().join("issuer"), ISSUER.replace("claims=", &format!("{later}\nclaims=")), 0o700);
    put(&folder.path().join("count"), "0", 0o600);
    works(Command::new("mkfifo").arg(folder.path().join("pipe")));
    let mut command = nowhere(folder.path(), ["--output", "json", "run", "--from", "command"]);
    command.arg(format!("argv=[\"{}\"]", folder.path().join("issuer").display()));
    let done = output(command.args(["--", "sh", "-c", "exec 3<>pipe; read x <&3; read x <&3"]));
    assert!(done.status.success(), "{}", both(&done));
    talk(&done)
}

#[test]
fn a_renewal_that_reaches_nobody_is_told_to_programs_as_a_warning() {
    let said = told_to_programs("");
    let warning = &said[0]["warning"];
    assert!(warning["message"].as_str().unwrap().contains("variables alone"), "{said:?}");
    assert_eq!((&warning["route"], said.len()), (&Value::from("command line"), 1), "once: {said:?}");
}

#[test]
fn a_renewal_that_fails_is_told_to_programs_as_a_warning_and_why() {
    let said = told_to_programs("if [ \"$count\" -gt 1 ]; then exit 3; fi");
    let message = said[0]["warning"]["message"].as_str().unwrap_or_else(|| panic!("{said:?}"));
    assert!(message.contains("cannot renew command line, next attempt at "), "{said:?}");
    assert_eq!(said[0]["warning"]["route"], "command line");
    assert_eq!(said[1]["error"]["step"], "source command", "{said:?}");
}

#[test]
fn a_delivered_file_is_fresh_while_the_child_lives() {
    let folder = tempfile::tempdir().unwrap();
    put(&folder.path().join("issuer"), ISSUER, 0o700);
    put(&folder.path().join("count"), "0", 0o600);
    works(Command::new("mkfifo").arg(folder.path().join("pipe")));
    let mut command = nowhere(folder.path(), ["run", "--from", "command"]);
    command.arg(format!("argv=[\"{}\"]", folder.path().join("issuer").display()));
    command.args(["--deliver", "token-file"]).arg(format!("path={}", folder.path().join("token").display()));
    // When the third token is asked for, the second has been delivered.
    command.args(["--", "sh", "-c", "exec 3<>pipe; cat token; echo; read x <&3; read x <&3; cat token"]);
    let done = output(&mut command);
    assert!(done.status.success(), "{}", both(&done));
    let text = String::from_utf8(done.stdout).unwrap();
    let tokens: Vec<&str> = text.split('\n').collect();
    let subject = |token: &str| {
        let jwt = carnet_jose::UnverifiedJwt::parse(token).unwrap();
        jwt.unverified_claims().str("sub").unwrap().to_owned()
    };
    assert_eq!(tokens.len(), 2, "{text}");
    assert_eq!(subject(tokens[0]), "1");
    assert!(["2", "3"].contains(&subject(tokens[1]).as_str()), "{text}");
}
