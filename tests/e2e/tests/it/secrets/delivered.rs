//! What is delivered: in its own files alone, private ones, and never in the process list.

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{
    harness::Sandbox,
    scene::{Desk, mode, works},
};

use super::{Marks, talk};

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
