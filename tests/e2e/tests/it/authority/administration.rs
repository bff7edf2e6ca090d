//! `carnet authority entry`, `token` and `audit` of the real binary, at an authority that runs.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    process::Command,
};

use serde_json::{Value, json};

use super::{
    scene::{ACCESS_TOKEN, Authority, command, exchange, spawn},
    witness::Witness,
};
use crate::{harness::json, scene::fails};

/// `carnet authority …` at this one.
fn at<const N: usize>(authority: &Authority, arguments: [&str; N]) -> Command {
    command(Path::new(authority.service.says("admin")), arguments)
}

/// `carnet authority entry create …` of an entry with this `id` and selector.
fn create(authority: &Authority, id: &str, selector: &str) -> Command {
    let mut command = at(authority, ["entry", "create", "--id", id, "--selector", selector, "--spiffe-id"]);
    command.arg(format!("{}/{id}", authority.domain())).arg("--parent-id").arg(authority.parent());
    command
}

#[test]
fn the_audit_log_is_followed_row_by_row_until_the_interrupt() {
    let authority = Authority::trial("", "");
    let mut follow = at(&authority, ["audit", "list", "--follow", "-n", "1", "--action", "entry.create"]);
    let errors = authority.path("follow.log");
    let (mut child, stdout) = spawn(&mut follow, &errors);
    let mut lines = BufReader::new(stdout);
    let mut next = || -> Value {
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    };
    // What was there before: the trial's own entry.
    let before = next();
    assert_eq!((&before["version"], &before["record"]["action"]), (&json!(1), &json!("entry.create")), "{before}");
    let mut seen = before["seq"].as_u64().unwrap();
    for id in ["one", "two"] {
        json(&mut create(&authority, id, "unix:uid:4711"));
        let row = next();
        assert_eq!(row["record"]["action"], "entry.create", "{row}");
        assert!(row.to_string().contains(&format!("{}/{id}", authority.domain())), "{row}");
        let seq = row["seq"].as_u64().unwrap();
        assert!(seq > seen, "{seq} after {seen}");
        seen = seq;
    }
    let sent = Command::new("kill").arg("-INT").arg(child.id().to_string()).status().unwrap();
    assert!(sent.success());
    let ended = child.wait().unwrap();
    assert_eq!(ended.code(), Some(0), "{}", std::fs::read_to_string(&errors).unwrap());
    let mut rest = String::new();
    lines.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "", "each row once");
}

#[test]
fn a_dry_run_of_an_entry_answers_like_the_real_one_and_writes_nothing() {
    let authority = Authority::trial("", "");
    let state = || {
        let rows = json(&mut at(&authority, ["audit", "list", "--action", "entry.create"]));
        (json(&mut at(&authority, ["entry", "list"])), rows)
    };
    let before = state();
    let tried = json(create(&authority, "web", "unix:uid:4711").arg("--dry-run"));
    assert_eq!(tried["dry_run"], true, "{tried}");
    let entry = &tried["entries"][0]["entry"];
    assert_eq!((&entry["id"], &entry["selectors"]), (&json!("web"), &json!(["unix:uid:4711"])), "{tried}");
    fails(create(&authority, "bad", "no selector").arg("--dry-run"), 2, &["selector is KIND:VALUE"]);
    fails(&mut at(&authority, ["entry", "show", "web"]), 2, &["no such entry"]);
    assert_eq!(state(), before);

    let made = json(&mut create(&authority, "web", "unix:uid:4711"));
    assert_eq!(made["dry_run"], false, "{made}");
    assert_eq!(made["entries"][0]["entry"]["spiffe_id"], entry["spiffe_id"], "{made}");
    assert_ne!(state(), before);
    // And what would not be done any more is refused.
    fails(create(&authority, "web", "unix:uid:4711").arg("--dry-run"), 4, &["with this id already"]);
}

#[test]
fn tokens_of_a_rule_are_listed_and_revoked_and_those_of_others_stay() {
    let witness = Witness::start();
    let first = witness.rule("");
    let second = first.replace("name = \"witness\"", "name = \"second\"").replace("\"job:*\"", "\"worker:*\"");
    let authority = Authority::trial(&format!("{first}{second}"), "");
    for (name, subject) in [("a", "job:a"), ("b", "job:b"), ("c", "worker:c")] {
        let token = witness.token_with(name, &json!({ "sub": subject }));
        let answer = authority.token(&exchange(&token, ACCESS_TOKEN));
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let subjects = |rule: &str, state: &str| -> Vec<String> {
        let found = json(&mut at(&authority, ["token", "list", "--rule", rule, "--state", state]));
        let tokens = found["tokens"].as_array().unwrap_or_else(|| panic!("{found}"));
        assert!(tokens.iter().all(|token| token["rule"] == rule && token["state"] == state), "{found}");
        let mut subjects: Vec<_> = tokens.iter().map(|token| token["subject"].as_str().unwrap().to_owned()).collect();
        subjects.sort();
        subjects
    };
    let ids = |names: &[&str]| names.iter().map(|name| format!("{}/ci/{name}", authority.domain())).collect::<Vec<_>>();
    let revoke = |more: &[&str]| {
        let answer = json(at(&authority, ["token", "revoke", "--rule", "witness"]).args(more));
        (answer["revoked"].clone(), answer["dry_run"].clone())
    };
    assert_eq!(subjects("witness", "active"), ids(&["a", "b"]));
    assert_eq!(revoke(&["--dry-run"]), (json!(2), json!(true)));
    assert_eq!(subjects("witness", "active"), ids(&["a", "b"]), "nothing was written");
    assert_eq!(revoke(&[]), (json!(2), json!(false)));
    assert_eq!(subjects("witness", "active"), ids(&[]));
    assert_eq!(subjects("witness", "revoked"), ids(&["a", "b"]));
    assert_eq!(subjects("second", "active"), ids(&["c"]), "another rule's");
    assert_eq!(revoke(&[]), (json!(0), json!(false)), "once is enough");
    // A mistyped command revokes nothing: all of everybody must be asked for by name.
    fails(&mut at(&authority, ["token", "revoke"]), 2, &["required arguments were not provided"]);
}
