//! OCI profiles, and the keys that they name.

use std::path::Path;

use crate::{
    harness::Sandbox,
    scene::{Desk, fails, nowhere, put, works},
};

/// A key for tests, encrypted with the passphrase `correct-horse`.
const ENCRYPTED_KEY: &str = include_str!("encrypted_key.pem");

/// A profile of an API key as every client takes it; the tests bend one line.
const GOOD: &str = "[DEFAULT]
user=ocid1.user.oc1..aaaaaaaatest
fingerprint=64:e2:7f:25:e2:ed:00:c3:7c:8d:bc:fd:bf:99:49:a9
key_file=KEY
pass_phrase=correct-horse
tenancy=ocid1.tenancy.oc1..aaaaaaaatest
region=us-ashburn-1
";

/// `carnet get --from oci-config` with this profile in `~/.oci/config`.
fn get(home: &Path, text: &str) -> std::process::Command {
    std::fs::create_dir_all(home.join(".oci")).unwrap();
    let key = home.join(".oci/key.pem");
    put(&key, ENCRYPTED_KEY, 0o600);
    put(&home.join(".oci/config"), text.replace("KEY", &key.display().to_string()), 0o600);
    let signed = "url=https://objectstorage.us-ashburn-1.oraclecloud.com/n/";
    nowhere(home, ["get", "--from", "oci-config", "--format", "oci-signature", signed])
}

/// The good profile with one text replaced must be refused with these words.
fn refused(from: &str, to: &str, says: &[&str]) {
    assert!(GOOD.contains(from));
    let home = tempfile::tempdir().unwrap();
    let place = home.path().join(".oci/config").display().to_string();
    fails(&mut get(home.path(), &GOOD.replace(from, to)), 2, &[&[place.as_str(), "source oci-config"], says].concat());
}

#[test]
fn the_good_profile_signs() {
    let home = tempfile::tempdir().unwrap();
    let signed = works(&mut get(home.path(), GOOD));
    assert!(signed.contains("keyId=") && signed.contains("64:e2:7f:25"), "{signed}");
}

#[test]
fn rejects_a_comment_behind_a_value() {
    refused("region=us-ashburn-1", "region=us-ashburn-1 # home", &["line 7", "comment on a line of its own"]);
}

#[test]
fn rejects_a_user_beside_a_session_token() {
    refused(
        "region=",
        "security_token_file=/nowhere\nregion=",
        &["user stands beside security_token_file", "remove user"],
    );
}

#[test]
fn rejects_a_profile_without_tenancy() {
    refused("tenancy=ocid1.tenancy.oc1..aaaaaaaatest\n", "", &["tenancy is missing"]);
}

#[test]
fn rejects_a_tenancy_that_is_no_ocid() {
    refused("tenancy=ocid1.tenancy.oc1..aaaaaaaatest", "tenancy=mine", &["tenancy is not an OCID"]);
}

#[test]
fn rejects_a_profile_without_fingerprint() {
    refused("fingerprint=64:e2:7f:25:e2:ed:00:c3:7c:8d:bc:fd:bf:99:49:a9\n", "", &["fingerprint is missing"]);
}

#[test]
fn rejects_a_malformed_fingerprint() {
    refused("fingerprint=64:e2", "fingerprint=64:E2", &["fingerprint is not 16 lower-case", "openssl"]);
}

#[test]
fn rejects_a_profile_without_key() {
    refused("key_file=KEY\n", "", &["key_file is missing"]);
}

#[test]
fn rejects_a_key_in_the_file_itself() {
    refused("region=", "key_content=-----BEGIN\nregion=", &["key_content", "mode 0600"]);
}

#[test]
fn rejects_delegation_tokens() {
    refused("region=", "delegation_token_file=/x\nregion=", &["delegation_token_file", "oci-instance"]);
}

#[test]
fn rejects_another_authentication_type() {
    refused("region=", "authentication_type=instance_principal\nregion=", &["authentication_type", "oci-instance"]);
}

#[test]
fn rejects_a_key_that_is_there_twice() {
    refused("region=", "tenancy=ocid1.tenancy.oc1..other\nregion=", &["line 7", "tenancy"]);
}

#[test]
fn rejects_a_line_that_is_neither_key_nor_section() {
    refused("region=us-ashburn-1", "region us-ashburn-1", &["line 7"]);
}

#[test]
fn rejects_a_region_that_is_none() {
    refused("region=us-ashburn-1", "region=us/ashburn", &["region", "us/ashburn", "us-ashburn-1"]);
}

#[test]
fn rejects_a_wrong_passphrase() {
    let home = tempfile::tempdir().unwrap();
    let text = GOOD.replace("correct-horse", "wrong-battery");
    let said = fails(&mut get(home.path(), &text), 2, &["read the private key", "key.pem", "passphrase"]);
    assert!(!said.contains("wrong-battery"), "{said}");
}

#[test]
fn rejects_an_encrypted_key_without_passphrase() {
    let home = tempfile::tempdir().unwrap();
    let text = GOOD.replace("pass_phrase=correct-horse\n", "");
    fails(&mut get(home.path(), &text), 2, &["read the private key", "key.pem", "passphrase"]);
}

#[test]
fn rejects_a_key_file_that_is_missing() {
    let home = tempfile::tempdir().unwrap();
    fails(
        &mut get(home.path(), &GOOD.replace("KEY", "/no/key.pem")),
        2,
        &["[DEFAULT]", "/no/key.pem", "does not exist"],
    );
}

#[test]
fn rejects_a_key_file_that_holds_no_key() {
    let home = tempfile::tempdir().unwrap();
    let mut command = get(home.path(), GOOD);
    let key = home.path().join(".oci/key.pem");
    for content in ["", "hello", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"] {
        put(&key, content, 0o600);
        fails(&mut command, 2, &["read the private key", &key.display().to_string()]);
    }
}

#[test]
fn warns_of_a_key_that_others_may_read() {
    let home = tempfile::tempdir().unwrap();
    let mut command = get(home.path(), GOOD);
    put(&home.path().join(".oci/key.pem"), ENCRYPTED_KEY, 0o644);
    let done = crate::harness::output(&mut command);
    assert!(done.status.success(), "{}", crate::harness::both(&done));
    crate::scene::said(&done, &["warning", "key.pem", "chmod 600"]);
}

#[test]
fn a_profile_that_is_missing_is_told_with_those_that_are_there() {
    let home = tempfile::tempdir().unwrap();
    let mut command = get(home.path(), &format!("{GOOD}\n[OTHER]\nregion=us-ashburn-1\n"));
    fails(command.env("OCI_CLI_PROFILE", "MINE"), 2, &["no profile [MINE]", "DEFAULT, OTHER"]);
}

#[test]
fn a_file_that_a_variable_names_must_be_there() {
    let home = tempfile::tempdir().unwrap();
    let mut command = nowhere(home.path(), ["get", "--from", "oci-config"]);
    fails(command.env("OCI_CLI_CONFIG_FILE", "/no/config"), 2, &["/no/config", "OCI_CLI_CONFIG_FILE names it"]);
    fails(&mut nowhere(home.path(), ["get", "--from", "oci-config"]), 3, &[".oci/config does not exist"]);
}

/// A profile with a session that carnet wrote, to be bent.
fn session(desk: &Desk<'_>) -> std::process::Command {
    works(&mut desk.profile());
    let mut command = nowhere(desk.folder(), ["get", "--from", "oci-config", "profile=CARNET"]);
    command.arg(format!("file={}", desk.path("oci/current/config").display()));
    command
}

#[test]
fn a_session_whose_token_is_gone_is_told() {
    let desk = Desk::new(Sandbox::shared());
    let mut command = session(&desk);
    works(&mut command);
    let token = desk.path("oci/current/token");
    std::fs::remove_file(&token).unwrap();
    fails(&mut command, 2, &["[CARNET]", "security_token_file", &token.display().to_string(), "does not exist"]);
}

#[test]
fn a_session_whose_token_is_none_is_told() {
    let desk = Desk::new(Sandbox::shared());
    let mut command = session(&desk);
    put(&desk.path("oci/current/token"), "not.a.token", 0o600);
    fails(&mut command, 2, &["the token in", "oci/current/token"]);
}

#[test]
fn a_session_whose_token_has_expired_is_told() {
    let sandbox = Sandbox::start();
    let desk = Desk::new(&sandbox);
    let mut command = session(&desk);
    crate::scene::fault(&sandbox, "expired", "oci-auth");
    let mut instance = nowhere(desk.folder(), ["get", "--from", "oci-instance"]);
    instance.envs(sandbox.environment(&[]));
    fails(&mut instance, 6, &["it expired at", "clause: expired", "compare the clocks"]);
    // A token whose `exp` lies an hour back, as one that nobody renewed.
    let stale = sandbox.token("github", &["--flaw", "expired"]);
    put(&desk.path("oci/current/token"), stale, 0o600);
    fails(&mut command, 6, &["oci/current/token", "it expired at", "get a new session"]);
}
