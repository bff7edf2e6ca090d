//! `carnet demo`: the main job, whole. This is the acceptance test of the crossings.

mod rows;

use serde_json::{Value, json};

use crate::{
    harness::{carnet, json},
    matrix,
    scene::{fails, works},
};
use rows::{CROSSINGS, Crossing, REFUSALS, ROTATION};

/// What was wanted, was that it verifies: there is no value to name.
const WITHOUT_WANTED: &str = "forged signature";

fn check_crossing(row: &Value, (name, hops, principal, host): &Crossing) {
    assert_eq!((&row["name"], &row["passed"], &row["error"]), (&json!(name), &json!(true), &Value::Null), "{row}");
    let word = |hop: &Value, pointer: &str| hop.pointer(pointer).unwrap().as_str().unwrap().to_owned();
    let list = row["hops"].as_array().unwrap();
    let seen: Vec<String> = list
        .iter()
        .map(|hop| format!("{} {} {}", word(hop, "/step/role"), word(hop, "/step/name"), word(hop, "/kind")))
        .collect();
    assert_eq!(&seen, hops, "{name}");
    for hop in list {
        assert!(hop["elapsed_ms"].as_f64().is_some_and(|time| time >= 0.0), "{name}: {hop}");
    }
    // What the emulated cloud has decided, or a verifier that knows the issuer alone.
    assert!(row["principal"].as_str().unwrap().contains(principal) && !principal.is_empty(), "{name}: {row}");
    let status = row["call"]["status"].as_u64().unwrap();
    assert!((200..300).contains(&status), "{name}: {row}");
    assert!(row["call"]["url"].as_str().unwrap().starts_with(host), "{name}: {row}");
    assert!(!row["call"]["answer"].as_str().unwrap().is_empty(), "{name}: {row}");
    let end: jiff::Timestamp = row["expires_at"].as_str().unwrap().parse().unwrap();
    // A key of an API user has no end.
    assert_eq!(list[0]["expires_at"].is_null(), list[0]["kind"] == "oci-api-key", "{name}: {row}");
    if let Some(first) = list[0]["expires_at"].as_str() {
        let first: jiff::Timestamp = first.parse().unwrap();
        assert!(end.duration_since(first).as_hours().abs() < 24, "{name}: {row}");
    }
}

fn check_refusal(row: &Value, (name, clause, exit_code): &(&str, &str, i64)) {
    assert_eq!((&row["name"], &row["passed"], &row["error"]), (&json!(name), &json!(true), &Value::Null), "{row}");
    assert_eq!((&row["clause"], &row["decision"]["clause"]), (&json!(clause), &json!(clause)), "{row}");
    for part in ["seen", "wanted", "fix"] {
        if (*name, part) == (WITHOUT_WANTED, "wanted") {
            continue;
        }
        assert!(row["decision"][part].as_str().is_some_and(|text| !text.is_empty()), "{name} has no {part}: {row}");
    }
    assert_eq!(row["client"]["exit_code"], *exit_code, "{row}");
    assert!(row["client"]["code"].as_str().is_some_and(|code| !code.is_empty()), "{row}");
    assert!(row["client"]["message"].as_str().is_some_and(|text| !text.is_empty()), "{row}");
}

#[test]
fn every_crossing_is_made_and_every_bent_one_is_refused() {
    let answer = json(&mut carnet(["--output", "json", "demo"]));
    assert_eq!((&answer["version"], &answer["passed"]), (&json!(1), &json!(true)), "{answer}");
    let crossings = answer["crossings"].as_array().unwrap();
    let refusals = answer["refusals"].as_array().unwrap();
    assert_eq!((crossings.len(), refusals.len()), (CROSSINGS.len(), REFUSALS.len()), "{answer}");
    for (row, wanted) in crossings.iter().zip(CROSSINGS) {
        check_crossing(row, wanted);
    }
    for (row, wanted) in refusals.iter().zip(REFUSALS) {
        check_refusal(row, wanted);
    }
    matrix::demo(&answer);
}

#[test]
fn one_row_can_be_chosen() {
    let text = works(&mut carnet(["demo", "--only", "TAMPERED"]));
    assert!(text.contains("ok     refused: tampered"), "{text}");
    assert!(text.contains("0 of 0 crossings made, 1 of 1 bent ones refused by the right clause"), "{text}");
    let answer = json(&mut carnet(["--output", "json", "demo", "--only", "external_account"]));
    assert_eq!(answer["crossings"].as_array().unwrap().len(), 1, "{answer}");
    assert_eq!(answer["refusals"], json!([]));
}

#[test]
fn tokens_are_issued_and_believed_all_through_a_rotation() {
    let answer = json(&mut carnet(["--output", "json", "demo", "--only", ROTATION]));
    let row = &answer["crossings"][0];
    assert_eq!((&row["name"], &row["passed"]), (&json!(ROTATION), &json!(true)), "{answer}");
    let said = row["call"]["answer"].as_str().unwrap();
    // Before the rotation, while the next key is published, after it: eight at least of each.
    let count: usize = said.split(' ').next().unwrap().parse().unwrap();
    assert!(count >= 24 && said.contains("none failed"), "{said}");
    let kids: Vec<&str> = said.split([' ', ';', ',']).filter(|word| word.len() == 32).collect();
    assert_eq!(kids.len(), 2, "{said}");
    assert_ne!(kids[0], kids[1], "{said}");
}

#[test]
fn a_row_that_does_not_exist_is_told() {
    fails(&mut carnet(["demo", "--only", "no such row"]), 2, &["no such row", "carnet demo"]);
}

#[test]
fn the_demo_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let made = |folder: &std::path::Path| {
        works(carnet(["sandbox", "run", "--", "sh", "-c", "ls \"$TMPDIR\""]).env("TMPDIR", folder))
    };
    assert!(!made(folder.path()).is_empty(), "this is where it would be");
    works(carnet(["demo", "--only", "tampered"]).env("TMPDIR", folder.path()));
    works(carnet(["demo", "--only", "simulated pod"]).env("TMPDIR", folder.path()));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
