//! An authority that is killed while it works.

use std::{sync::atomic::AtomicBool, thread};

use serde_json::json;

use super::{
    load::{Load, audited},
    scene::command,
    site::Site,
    witness::Witness,
};
use crate::harness::json;

#[test]
fn what_was_answered_before_a_kill_stands_in_the_audit_after_it() {
    let witness = Witness::start();
    let site = Site::new(&witness.rule(""));
    let authority = site.start("one", "127.0.0.1:0");
    let stop = AtomicBool::new(false);
    let given = thread::scope(|scope| {
        let load = Load::start(scope, &witness, &stop, &[authority.says("public")], 4);
        let mut given: Vec<_> = load.given.iter().take(40).collect();
        authority.kill();
        given.extend(load.end());
        given
    });
    assert!(given.len() >= 40, "{}", given.len());
    let again = site.start("one", "127.0.0.1:0");
    let socket = Site::admin_of(&again);
    let audited = audited(&socket);
    for one in &given {
        assert!(audited.contains(&one.subject), "{} got a token and there is no row of it", one.subject);
    }
    let verdict = json(&mut command(&socket, ["audit", "verify"]));
    assert_eq!(verdict["intact"], json!(true), "{verdict}");
}
