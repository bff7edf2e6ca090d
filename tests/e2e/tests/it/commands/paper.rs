//! What a package ships: completions, manual pages, the version, help.

use std::process::Command;

use serde_json::json;

use crate::{
    harness::{both, carnet, json, output},
    scene::{fails, put, works},
};

const COMMANDS: [&str; 9] = ["get", "run", "whoami", "inspect", "sandbox", "demo", "config", "completion", "version"];

#[test]
fn every_shell_gets_a_completion_that_knows_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = works(&mut carnet(["completion", shell]));
        for command in COMMANDS {
            assert!(script.contains(command), "{shell} does not know {command}");
        }
    }
    fails(&mut carnet(["completion", "tcsh"]), 2, &["tcsh", "bash"]);
}

#[test]
fn bash_reads_its_completion() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("carnet.bash");
    put(&path, works(&mut carnet(["completion", "bash"])), 0o600);
    let done = output(Command::new("bash").arg("-n").arg(&path));
    assert!(done.status.success() && done.stderr.is_empty(), "{}", both(&done));
    let ask =
        "source \"$0\"; COMP_WORDS=(carnet ins); COMP_CWORD=1; _carnet carnet ins carnet; echo \"${COMPREPLY[*]}\"";
    assert_eq!(works(Command::new("bash").args(["-c", ask]).arg(&path)).trim(), "inspect");
}

#[test]
fn the_version_is_text_or_json() {
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(works(&mut carnet(["version"])), format!("carnet {version}\n"));
    assert_eq!(works(&mut carnet(["--version"])), format!("carnet {version}\n"));
    assert_eq!(json(&mut carnet(["--output", "json", "version"])), json!({"carnet": version, "version": 1}));
}

#[test]
fn every_command_has_a_manual_page() {
    let folder = tempfile::tempdir().unwrap();
    works(carnet(["man"]).arg(folder.path()));
    for name in std::iter::once("carnet".to_owned()).chain(COMMANDS.map(|command| format!("carnet-{command}"))) {
        let page = std::fs::read_to_string(folder.path().join(format!("{name}.1"))).unwrap();
        assert!(page.contains(".TH") && page.contains(".SH NAME"), "{name}: {page}");
    }
}

#[test]
fn help_goes_to_standard_output_and_says_the_exit_codes() {
    let help = works(&mut carnet(["--help"]));
    for part in COMMANDS.iter().copied().chain(["Exit codes", "126 and 127"]) {
        assert!(help.contains(part), "{part}: {help}");
    }
    for command in COMMANDS {
        works(&mut carnet([command, "--help"]));
    }
    // An example of the help itself.
    works(&mut carnet(["get", "--from", "file", "path=/run/token", "--help"]));
    let none: [&str; 0] = [];
    let done = output(&mut carnet(none));
    assert_eq!((done.status.code(), done.stdout.len()), (Some(2), 0), "{}", both(&done));
}
