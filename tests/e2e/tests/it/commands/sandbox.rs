//! `carnet sandbox`, as a command.

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::{
    harness::{Sandbox, carnet, installed, json, output},
    scene::{Desk, fails, mode, said, works},
};

/// `carnet sandbox run` of this shell script.
fn within(options: &[&str], script: &str) -> Command {
    let mut command = carnet(["sandbox", "run"]);
    command.args(options).args(["--", "sh", "-c", script]);
    command
}

#[test]
fn a_guest_is_on_this_machine() {
    let run = |guest: &str| carnet(["sandbox", "--guest", guest, "run", "--", "true"]);
    fails(&mut run("authority.example=10.0.0.1:80"), 2, &["authority.example=10.0.0.1:80", "not this machine's own"]);
    fails(&mut run("gitlab.com=127.0.0.1:80"), 2, &["answer for gitlab.com"]);
    works(&mut run("authority.example=127.0.0.1:80"));
}

#[test]
fn the_childs_exit_code_is_carnets() {
    for (script, code) in [("exit 0", 0), ("exit 5", 5), ("kill -TERM $$", 143), ("kill -KILL $$", 137)] {
        assert_eq!(output(&mut within(&[], script)).status.code(), Some(code), "{script}");
    }
    fails(&mut carnet(["sandbox", "run", "--", "/no/such/program"]), 127, &["run /no/such/program"]);
    fails(&mut carnet(["sandbox", "run", "--", "/tmp"]), 126, &["run /tmp", "Permission denied"]);
}

#[test]
fn a_signal_reaches_the_child() {
    let script = "sleep 1000 & trap 'kill $!; echo got it; exit 9' TERM; echo ready; wait";
    let mut child = within(&[], script).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "ready");
    works(Command::new("sh").args(["-c", &format!("kill -TERM {}", child.id())]));
    assert_eq!(lines.next().unwrap().unwrap(), "got it");
    assert_eq!(child.wait().unwrap().code(), Some(9));
}

#[test]
fn code_that_names_no_endpoint_reaches_the_clouds() {
    let script = "curl --silent --fail https://token.actions.githubusercontent.com/.well-known/openid-configuration";
    let answer: Value = serde_json::from_str(&works(&mut within(&[], script))).unwrap();
    assert_eq!(answer["issuer"], "https://token.actions.githubusercontent.com");
}

#[test]
fn foreign_hosts_are_refused_and_told() {
    let script = "curl -s -o /dev/null -w '%{http_connect} ' https://example.invalid/; \
                  curl -s -o /dev/null -w '%{http_code}' http://example.invalid/; exit 0";
    let done = output(&mut within(&[], script));
    assert_eq!(String::from_utf8_lossy(&done.stdout), "502 502");
    said(&done, &["the sandbox refused example.invalid:443", "example.invalid:80"]);
}

#[test]
fn a_refused_host_is_told_to_programs_as_every_warning() {
    let mut command = carnet(["--output", "json", "sandbox", "run", "--", "sh", "-c"]);
    let done = output(command.arg("curl -s -o /dev/null http://example.invalid/; exit 0"));
    let warning: Value = serde_json::from_slice(&done.stderr).unwrap();
    let message = warning["warning"]["message"].as_str().unwrap();
    assert!(message.contains("the sandbox refused example.invalid:80"), "{warning}");
    assert_eq!(warning["version"], 1);
}

#[test]
fn the_command_can_ask_where_everything_is() {
    let binary = carnet::<&str>([]);
    let ask = |form: &str, options: &[&str]| {
        let script = format!("echo \"$https_proxy\"; \"$0\" --output {form} sandbox urls");
        works(within(options, &script).arg(binary.get_program()))
    };
    for options in [[].as_slice(), &["--direct"]] {
        let text = ask("json", options);
        let (proxy, answer) = text.split_once('\n').unwrap();
        let answer: Value = serde_json::from_str(answer).unwrap();
        assert!(answer["urls"]["oci-domain"]["plain"].as_str().unwrap().starts_with("http://127.0.0.1:"), "{answer}");
        let told = answer["proxy"].as_str().unwrap();
        assert!(told.starts_with("http://127.0.0.1:"), "{answer}");
        assert!(proxy.is_empty() || proxy.trim_end_matches('/') == told, "{proxy} is not {told}");
    }
    let text = ask("text", &[]);
    let proxy = text.lines().next().unwrap().trim_end_matches('/');
    assert!(text.contains(&format!("\n  proxy                  {proxy}\n")), "{text}");
    assert!(text.contains("\n  oci-domain             http://127.0.0.1:"), "{text}");
}

#[test]
fn raw_requests_of_oracles_cli_reach_the_clouds_when_they_are_told_the_proxy() {
    // It reads no proxy from the environment (oci_cli/cli_util.py, `trust_env = False`).
    let program = installed("oci").get_program().to_string_lossy().into_owned();
    let script = "exec \"$0\" --proxy \"$HTTPS_PROXY\" raw-request --http-method GET \
                  --target-uri https://objectstorage.us-ashburn-1.oraclecloud.com/n/";
    let answer: Value = serde_json::from_str(&works(within(&[], script).arg(program))).unwrap();
    assert_eq!((&answer["status"], &answer["data"]), (&json!("200 OK"), &json!("axcarnetsbx")), "{answer}");
}

#[test]
fn a_job_is_played_for_the_child() {
    let audience = ["--job", "gitlab", "--audience", "https://example.com"];
    let token = works(&mut within(&audience, "printf %s \"$CARNET_ID_TOKEN$ID_TOKEN\""));
    let jwt = carnet_jose::UnverifiedJwt::parse(&token).unwrap();
    assert_eq!(jwt.unverified_claims().audiences(), ["https://example.com"]);
    assert_eq!(works(&mut within(&["--job", "github"], "printf %s $GITHUB_REPOSITORY")), "carnet-sandbox/app");
}

#[test]
fn it_is_gone_when_the_child_is() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = within(&[], "printf %s \"$CARNET_SANDBOX\"");
    let place = works(command.env("TMPDIR", folder.path()));
    assert!(place.starts_with(&folder.path().display().to_string()), "{place}");
    assert!(!std::path::Path::new(&place).exists(), "{place}");
}

#[test]
fn the_variables_can_be_read_by_a_shell() {
    let folder = tempfile::tempdir().unwrap();
    // A name that would end a quoted text early.
    let place = folder.path().join("it's $HOME `here`");
    let binary = carnet::<&str>([]);
    let mut command = carnet(["sandbox", "--folder"]);
    command.arg(&place).args(["run", "--", "sh", "-c"]);
    let script = "eval \"$(\"$0\" sandbox env)\"; printf '%s|%s' \"$CARNET_SANDBOX\" \"$OCI_METADATA_BASE_URL\"";
    let text = works(command.arg(script).arg(binary.get_program()));
    let (seen, imds) = text.split_once('|').unwrap();
    assert_eq!(seen, place.display().to_string());
    assert!(imds.starts_with("http://127.0.0.1:") && imds.ends_with("/opc/v2"), "{imds}");
}

#[test]
fn its_folder_is_private() {
    let sandbox = Sandbox::start();
    sandbox.environment(&["--job", "github"]);
    assert_eq!(mode(&sandbox.folder()), 0o700);
    let mut folders = vec![sandbox.folder()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            assert_eq!(mode(&path) & 0o077, 0, "{}", path.display());
            if path.is_dir() {
                folders.push(path);
            }
        }
    }
}

#[test]
fn its_control_is_closed_to_strangers() {
    let sandbox = Sandbox::shared();
    let control = std::fs::read_to_string(sandbox.folder().join("control-url")).unwrap();
    for path in ["urls", "environment?flavour=direct", "faults"] {
        let url = format!("{}/{path}", control.trim());
        let mut curl = Command::new("curl");
        let status = works(curl.args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "--noproxy", "*", &url]));
        assert!(["401", "403"].contains(&status.as_str()), "{path}: {status}");
    }
}

#[test]
fn a_moved_clock_ends_tokens() {
    let sandbox = Sandbox::start();
    let desk = Desk::new(&sandbox);
    let mut command = desk.exchange("get");
    command.arg("--quiet");
    works(&mut command);
    let moved = json(&mut sandbox.command(["clock", "+10m"]));
    assert_eq!((&moved["clock"]["offset_seconds"], &moved["version"]), (&json!(600), &json!(1)), "{moved}");
    fails(&mut command, 4, &["invalid_grant"]);
    let moved = json(&mut sandbox.command(["clock", "-10m"]));
    assert_eq!(moved["clock"]["offset_seconds"], 0, "{moved}");
    works(&mut command);
    json(&mut sandbox.command(["clock", "+1h"]));
    json(&mut sandbox.command(["clock", "reset"]));
    works(&mut command);
    fails(&mut sandbox.command(["clock", "soon"]), 2, &["duration"]);
}

#[test]
fn faults_are_listed_counted_and_cleared() {
    let sandbox = Sandbox::start();
    let list = |sandbox: &Sandbox| json(&mut sandbox.command(["fault", "list"]))["faults"].clone();
    assert_eq!(list(&sandbox), json!([]));
    json(&mut sandbox.command([
        "fault",
        "unavailable",
        "--service",
        "oci-domain",
        "--path",
        "/oauth2/",
        "--times",
        "1",
    ]));
    let on = list(&sandbox);
    assert_eq!(on.as_array().unwrap().len(), 1, "{on}");
    assert_eq!((&on[0]["kind"], &on[0]["service"]), (&json!("unavailable"), &json!("oci-domain")), "{on}");
    let desk = Desk::new(&sandbox);
    let mut command = desk.exchange("get");
    command.arg("--quiet");
    fails(&mut command, 5, &["HTTP 503"]);
    works(&mut command);
    json(&mut sandbox.command(["fault", "cut"]));
    json(&mut sandbox.command(["fault", "clear"]));
    assert_eq!(list(&sandbox), json!([]));
    works(&mut command);
}

#[test]
fn what_it_does_not_know_is_told() {
    let sandbox = Sandbox::shared();
    fails(&mut sandbox.command(["fault", "flood"]), 2, &["flood", "faults are cut, expired", "too-many-requests"]);
    let services = ["oci-dns", "no service", "services are ", "gcp-sts", "oci-domain"];
    fails(&mut sandbox.command(["fault", "cut", "--service", "oci-dns"]), 2, &services);
    fails(&mut sandbox.command(["token", "nobodys-ci"]), 2, &["nobodys-ci"]);
    fails(&mut sandbox.command(["token", "github", "--flaw", "ugly"]), 2, &["ugly"]);
    fails(&mut sandbox.command(["token", "github", "--claim", "x"]), 2, &["claim", "NAME=VALUE"]);
    fails(
        &mut carnet(["sandbox", "urls"]),
        2,
        &["no folder was named", "CARNET_SANDBOX", "`carnet sandbox run` sets it"],
    );
    fails(
        &mut carnet(["sandbox", "urls", "--at", "/no/such/folder"]),
        2,
        &["/no/such/folder", "sandbox that is running"],
    );
    fails(&mut within(&["--job", "nobodys-ci"], "true"), 2, &["nobodys-ci"]);
}

#[test]
fn a_sandbox_that_is_gone_is_told() {
    let folder = tempfile::tempdir().unwrap();
    crate::scene::put(&folder.path().join("control-url"), format!("http://{}", crate::scene::NOBODY), 0o600);
    crate::scene::put(&folder.path().join("control-token"), "x", 0o600);
    let place = folder.path().display().to_string();
    fails(&mut carnet(["sandbox", "urls", "--at", &place]), 5, &["is the sandbox still running?"]);
}

#[test]
fn tokens_have_the_claims_that_were_asked_for() {
    let sandbox = Sandbox::shared();
    let token =
        sandbox.token("github", &["--audience", "a", "--claim", "repository=me/app", "--claim", "deep={\"x\":1}"]);
    let jwt = carnet_jose::UnverifiedJwt::parse(&token).unwrap();
    let claims = jwt.unverified_claims();
    assert_eq!((claims.str("repository"), claims.get("deep")), (Some("me/app"), Some(&json!({"x": 1}))));
}

#[test]
fn a_shell_that_knows_another_sandbox_does_not_lead_there() {
    let sandbox = Sandbox::shared();
    let direct = sandbox.environment(&[]);
    let proxy = sandbox.environment(&["--proxy"]);
    let alone: Vec<&String> =
        direct.iter().map(|(name, _)| name).filter(|name| proxy.iter().all(|(other, _)| other != *name)).collect();
    assert!(alone.iter().any(|name| *name == "OCI_TOKEN_EXCHANGE_DOMAIN_URL"), "{alone:?}");
    let inside = works(within(&[], "env").envs(direct.clone()));
    for name in alone {
        assert!(!inside.lines().any(|line| line.starts_with(&format!("{name}="))), "{name} came through:\n{inside}");
    }
    let kept = works(within(&[], "echo $MINE").env("MINE", "kept").envs(direct));
    assert_eq!(kept, "kept\n");
}

#[test]
fn a_shell_outside_any_cloud_finds_the_emulated_machines() {
    for name in ["NO_GCE_CHECK", "AWS_EC2_METADATA_DISABLED"] {
        let seen = works(within(&[], &format!("echo ${{{name}-unset}}")).env(name, "true"));
        assert_eq!(seen, "unset\n", "{name}");
    }
}
