//! Tokens that are not tokens, or not the right ones.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _, process::Command};

use crate::{
    harness::Sandbox,
    scene::{Desk, NOBODY, fails, nowhere, put, works},
};

/// `carnet get` of a token file with this content; more words follow `path=…`.
fn from_file(content: impl AsRef<[u8]>, more: &[&str], code: i32, says: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("subject-token");
    put(&path, content, 0o600);
    let mut command = nowhere(folder.path(), ["get", "--from", "file"]);
    command.arg(format!("path={}", path.display())).args(more).args(["--format", "token"]);
    let place = format!("{}", path.display());
    fails(&mut command, code, &[&[place.as_str(), "(step source file)"], says].concat());
}

#[test]
fn rejects_an_empty_token_file() {
    from_file("", &[], 2, &["there is nothing in it"]);
    from_file(" \n", &[], 2, &["there is nothing in it"]);
}

#[test]
fn rejects_a_token_of_two_words() {
    from_file("one two", &[], 2, &["it is not one word of visible ASCII"]);
}

#[test]
fn rejects_a_token_with_a_control_character() {
    from_file(b"one\x1b[31mtwo", &[], 2, &["it is not one word of visible ASCII"]);
}

#[test]
fn rejects_a_token_that_is_not_text() {
    from_file(b"\xff\xfe\x00", &[], 2, &["it is not UTF-8", "byte 0"]);
}

#[test]
fn rejects_a_token_with_too_few_parts() {
    from_file("abc.def", &["kind=jwt"], 2, &["it is not a JWT", "the token has 2 parts, not 3"]);
}

#[test]
fn rejects_a_token_whose_claims_are_cut_off() {
    from_file("eyJhbGciOiJSUzI1NiJ9.eyJhIjox.c2ln", &[], 2, &["it is not a JWT", "it ends too early"]);
}

#[test]
fn rejects_a_token_whose_header_is_no_object() {
    from_file("WzFd.e30.c2ln", &["kind=jwt"], 2, &["it is not a JWT", "header"]);
}

#[test]
fn rejects_a_token_larger_than_its_limit() {
    from_file("a".repeat(65 << 10), &[], 2, &["64 KiB"]);
    from_file("a".repeat(300 << 10), &[], 2, &["262144"]);
}

#[test]
fn rejects_a_token_file_that_is_not_json() {
    from_file("{\"access_token\": ", &["format=json"], 2, &["it is not JSON", "line 1"]);
}

#[test]
fn rejects_json_without_the_member() {
    from_file("{\"token\": \"x\"}", &["format=json"], 2, &["the JSON has no member `access_token`"]);
}

#[test]
fn rejects_json_whose_member_is_no_text() {
    from_file("{\"access_token\": 5}", &["format=json"], 2, &["`access_token` is not a text"]);
}

#[test]
fn a_folder_is_no_token_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = format!("path={}", folder.path().display());
    fails(&mut nowhere(folder.path(), ["get", "--from", "file", &path]), 2, &[&folder.path().display().to_string()]);
}

#[test]
fn a_token_file_that_is_missing_is_no_identity() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = nowhere(folder.path(), ["get", "--from", "file", "path=/does/not/exist"]);
    fails(&mut command, 3, &["there is no file /does/not/exist", "carnet whoami"]);
}

#[test]
fn a_variable_that_is_not_set_is_no_identity() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = nowhere(folder.path(), ["get", "--from", "env", "variable=MY_TOKEN"]);
    fails(&mut command, 3, &["MY_TOKEN", "(step source env)"]);
    fails(command.env("MY_TOKEN", "one two"), 2, &["MY_TOKEN", "it is not one word of visible ASCII"]);
}

#[test]
fn a_variable_that_is_not_text_is_not_called_unset() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = nowhere(folder.path(), ["get", "--from", "env", "variable=MY_TOKEN"]);
    command.env("MY_TOKEN", OsStr::from_bytes(b"\xff\xfe"));
    fails(&mut command, 2, &["read the variable MY_TOKEN: it is not UTF-8 text", "(step source env)", "hint: "]);
}

#[test]
fn nothing_here_names_every_place_that_was_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let said = fails(&mut nowhere(folder.path(), ["get"]), 3, &["find an identity in this place"]);
    for source in ["github-actions", "gitlab-ci", "oci-resource", "oci-instance", "oci-config", "gcp-metadata"] {
        assert!(said.contains(&format!("hint: {source}: ")), "{source} is missing in {said}");
    }
    assert!(said.contains(NOBODY), "{said}");
}

#[test]
fn the_program_of_the_command_source_fails() {
    let folder = tempfile::tempdir().unwrap();
    let command = |argv: &str| {
        let argv = format!("argv={argv}");
        nowhere(folder.path(), ["get", "--from", "command", &argv, "--format", "token"])
    };
    let fail = r#"["/bin/sh", "-c", "echo halfway; echo not logged in >&2; exit 3"]"#;
    fails(&mut command(fail), 4, &["run /bin/sh for a token", "status 3", "not logged in"]);
    fails(&mut command(r#"["/does/not/exist"]"#), 2, &["/does/not/exist"]);
    fails(&mut command(r#"["/bin/true"]"#), 2, &["/bin/true", "there is nothing in it"]);
}

#[test]
fn the_program_of_the_command_source_never_ends() {
    let folder = tempfile::tempdir().unwrap();
    let argv = r#"argv=["/bin/sleep", "1000"]"#;
    let mut command = nowhere(folder.path(), ["get", "--from", "command", argv, "timeout=1s"]);
    fails(&mut command, 5, &["wait for /bin/sleep", "it ran for more than 1s", "run it by hand"]);
}

#[test]
fn rejects_expired_token_before_anything_is_sent() {
    let desk = Desk::new(Sandbox::shared());
    desk.show(&["--flaw", "expired"]);
    let mut command = desk.exchange_at("get", &format!("http://{NOBODY}"));
    fails(&mut command, 6, &["token.jwt", "it expired at", "clause: expired", "compare this machine's clock"]);
}

#[test]
fn rejects_a_token_for_another_audience_before_anything_is_sent() {
    let desk = Desk::new(Sandbox::shared());
    let mut command = desk.exchange_at("get", &format!("http://{NOBODY}"));
    let domain = desk.sandbox.seed("oci_domain");
    let wanted = "the next step needs https://somebody.else";
    fails(command.arg("audience=https://somebody.else"), 2, &["token.jwt", domain, wanted, "clause: audience"]);
}

/// OCI says the same of everything that is wrong with a token; the claims shown are what helps.
fn refused_by_oci(options: &[&str]) {
    let desk = Desk::new(Sandbox::shared());
    desk.show(options);
    let says = ["through[0] oci-upst", "code: invalid_grant", "ECID", "hint: ", "the token shown has iss"];
    fails(&mut desk.exchange("get"), 4, &says);
}

#[test]
fn oci_refuses_a_token_without_signature() {
    refused_by_oci(&["--flaw", "alg-none"]);
}

#[test]
fn oci_refuses_a_tampered_token() {
    refused_by_oci(&["--flaw", "tampered"]);
}

#[test]
fn oci_refuses_a_token_of_a_wrong_key() {
    refused_by_oci(&["--flaw", "wrong-key"]);
}

#[test]
fn oci_refuses_a_token_of_a_key_that_is_not_published() {
    refused_by_oci(&["--flaw", "unknown-kid"]);
}

#[test]
fn oci_refuses_a_stranger() {
    refused_by_oci(&["--claim", "repository_owner_id=\"66600000\""]);
}

#[test]
fn a_wrong_client_secret_is_named() {
    let desk = Desk::new(Sandbox::shared());
    put(&desk.path("client-secret"), "wrong", 0o600);
    let says = ["code: invalid_client", "clause: client", "check client id"];
    fails(&mut desk.exchange("get"), 4, &says);
}

#[test]
fn a_client_secret_that_is_missing_is_named() {
    let desk = Desk::new(Sandbox::shared());
    std::fs::remove_file(desk.path("client-secret")).unwrap();
    let place = desk.path("client-secret").display().to_string();
    fails(&mut desk.exchange("get"), 2, &[&place, "the file does not exist", "through[0] oci-upst"]);
}

/// `carnet get` of a token at Google; the audience inside the token is the pool's.
fn at_google(desk: &Desk<'_>, options: &[&str]) -> Command {
    let pool = desk.sandbox.seed("gcp_github_audience");
    let audience = format!("https:{pool}");
    let token = desk.sandbox.token("github", &[&["--audience", &audience], options].concat());
    put(&desk.path("token.jwt"), token, 0o600);
    let mut command = desk.source("get");
    command.args(["--to", "gcp", &format!("audience={pool}")]);
    command.arg(format!("token_url={}/v1/token", desk.sandbox.plain("gcp-sts")));
    command.arg(format!("iamcredentials_url={}/", desk.sandbox.plain("gcp-iamcredentials")));
    command
}

#[test]
fn google_refuses_a_tampered_token() {
    let desk = Desk::new(Sandbox::shared());
    let mut command = at_google(&desk, &["--flaw", "tampered"]);
    fails(&mut command, 4, &["through[0] gcp", "code: invalid_grant", "hint: "]);
}

#[test]
fn google_refuses_a_stranger_by_the_condition() {
    let desk = Desk::new(Sandbox::shared());
    let mut command = at_google(&desk, &["--claim", "repository_owner_id=\"66600000\""]);
    fails(&mut command, 7, &["code: unauthorized_client", "clause: condition", "hint: "]);
}

#[test]
fn google_refuses_a_token_that_is_too_old_for_it() {
    let sandbox = Sandbox::start();
    let desk = Desk::new(&sandbox);
    let mut command = at_google(&desk, &[]);
    works(&mut sandbox.command(["clock", "+2h"]));
    fails(&mut command, 6, &["code: invalid_grant", "clause: expired", "hint: "]);
}

#[test]
fn google_refuses_an_account_that_may_not_be_impersonated() {
    let desk = Desk::new(Sandbox::shared());
    let mut command = at_google(&desk, &[]);
    command.arg("service_account=writer@carnet-sandbox.iam.gserviceaccount.com");
    fails(&mut command, 4, &["writer@carnet-sandbox", "clause: permission", "hint: "]);
}
