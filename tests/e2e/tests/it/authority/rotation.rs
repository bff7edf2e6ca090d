//! Keys that change while tokens are issued and verified.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    sync::atomic::AtomicBool,
    thread,
};

use serde_json::{Value, json};

use super::{
    load::Load,
    scene::{AUDIENCE, admin, spawn},
    site::{ISSUER, Site},
    witness::Witness,
};
use crate::harness::node;

#[test]
fn no_token_is_refused_while_keys_are_rotated_under_load() {
    let witness = Witness::start();
    // Whoever looks once a second knows each key before it signs.
    let keys = "algorithms = [\"ES256\"]\nlifetime_seconds = 3600\nrefresh_hint_seconds = 1\npropagation_seconds = 3";
    let site = Site::new(&witness.rule("")).keys(keys);
    let authority = site.start("one", "127.0.0.1:0");
    let socket = Site::admin_of(&authority);
    let mut program = node("jose_stream.mjs");
    program.args([&format!("http://{}/keys", authority.says("public")), ISSUER, AUDIENCE, "1000"]);
    let (mut verifier, lines) = spawn(&mut program, &site.path("verifier.log"));
    let (mut tokens, mut lines) = (verifier.stdin.take().unwrap(), BufReader::new(lines).lines());
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let load = Load::start(scope, &witness, &stop, &[authority.says("public")], 2);
        let mut next_one = || {
            let one = load.given.recv().expect("the callers go on");
            writeln!(tokens, "{}", one.token).unwrap();
            let line = lines.next().expect("the verifier answers").unwrap();
            let said: Value = serde_json::from_str(&line).unwrap();
            assert!(said["error"].is_null(), "{said}");
            said["kid"].as_str().unwrap().to_owned()
        };
        let mut seen = vec![next_one()];
        for _ in 0..2 {
            let next = admin(&socket, 200, "POST", "/v1/keys/rotate", &json!({ "purpose": "jwt:ES256" }));
            let next = next["kid"].as_str().unwrap().to_owned();
            assert!(!seen.contains(&next), "{next}");
            // Under load until the new key signs; the test's own limit is that of the runner.
            loop {
                let kid = next_one();
                if kid == next {
                    break;
                }
                assert_eq!(Some(&kid), seen.last(), "neither the old key nor the new one");
            }
            seen.push(next);
        }
        load.end();
    });
    drop(tokens);
    assert!(verifier.wait().unwrap().success());
}
