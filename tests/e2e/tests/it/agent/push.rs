//! Push, not poll.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Watch;
use crate::{
    authority::scene::{Authority, command, uid},
    harness::json,
};

/// How soon a change must be with the workload.
const SOON: Duration = Duration::from_secs(1);

#[test]
fn a_new_entry_reaches_an_open_stream_in_under_a_second_and_so_does_its_end() {
    let authority = Authority::trial("", "");
    let mut watch = Watch::open(authority.service.says("socket"), &authority.path(""));
    assert_eq!(watch.ids(), [authority.user()]);
    // From the answer of the authority to the message that the workload has read: a signature lies between.
    authority.register("second", "/second");
    let made = Instant::now();
    let ids = watch.ids();
    let took = made.elapsed();
    assert_eq!(ids.len(), 2, "{ids:?}");
    assert!(ids.contains(&format!("{}/second", authority.domain())), "{ids:?}");
    assert!(took < SOON, "it took {took:?}");
    authority.admin(200, "DELETE", "/v1/entries/second", &Value::Null);
    let made = Instant::now();
    assert_eq!(watch.ids(), [authority.user()]);
    let took = made.elapsed();
    assert!(took < SOON, "it took {took:?}");
}

#[test]
fn the_stream_of_a_workload_without_an_identity_ends_and_no_call_gives_it_anything() {
    let authority = Authority::trial("", "");
    let mut watch = Watch::open(authority.service.says("socket"), &authority.path(""));
    assert_eq!(watch.ids(), [authority.user()]);
    authority.admin(200, "DELETE", "/v1/entries/dev-user", &Value::Null);
    let none = json!({ "code": "PERMISSION_DENIED", "text": "no identity issued" });
    assert_eq!(watch.next(), none);
    let answer = json(authority.workload("spiffe_calls.py").arg("good"));
    for method in ["x509", "x509_bundles", "jwt_bundles", "jwt"] {
        let told = (&answer[method]["code"], &answer[method]["text"]);
        assert_eq!(told, (&none["code"], &none["text"]), "{method}");
    }
}

#[test]
fn an_entry_of_the_command_line_reaches_an_open_stream() {
    let authority = Authority::trial("", "");
    let mut watch = Watch::open(authority.service.says("socket"), &authority.path(""));
    assert_eq!(watch.ids(), [authority.user()]);
    let socket = authority.path("authority/authority.sock");
    let id = format!("{}/by/command", authority.domain());
    let mut create = command(&socket, ["entry", "create", "--id", "by-command", "--spiffe-id", &id]);
    create.args(["--parent-id", &authority.parent(), "--selector", &format!("unix:uid:{}", uid())]);
    json(&mut create);
    assert!(watch.ids().contains(&id));
    json(&mut command(&socket, ["entry", "delete", "by-command"]));
    assert_eq!(watch.ids(), [authority.user()]);
}
