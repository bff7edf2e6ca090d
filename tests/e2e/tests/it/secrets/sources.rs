//! What a source reads, and is asked with.

use crate::{
    harness::{Sandbox, output},
    scene::{nowhere, put},
};

use super::{Marks, OPAQUE_TOKEN, REQUEST_TOKEN, echo, talk};

const PASSPHRASE: &str = "correct-horse";
const ENCRYPTED_KEY: &str = include_str!("../bad_input/encrypted_key.pem");

#[test]
fn githubs_request_token_is_never_said() {
    let home = tempfile::tempdir().unwrap();
    let marks = Marks::new(&[REQUEST_TOKEN]);
    let sandbox = Sandbox::shared();
    let mut command = nowhere(home.path(), ["get", "--from", "github-actions"]);
    command.envs(sandbox.environment(&["--job", "github"])).env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", REQUEST_TOKEN);
    talk(&command, &marks, 4, true);
    let mut command = nowhere(home.path(), ["whoami"]);
    command.envs(sandbox.environment(&["--job", "github"])).env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", REQUEST_TOKEN);
    talk(&command, &marks, 0, true);
    for status in [200, 400, 401, 500] {
        let mut command = nowhere(home.path(), ["get", "--from", "github-actions"]);
        command.env("GITHUB_ACTIONS", "true").env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", REQUEST_TOKEN);
        command.env("ACTIONS_ID_TOKEN_REQUEST_URL", format!("{}/?api-version=2.0", echo(status).url()));
        let code = output(&mut command).status.code().unwrap();
        assert_ne!(code, 0);
        talk(&command, &marks, code, true);
    }
}

#[test]
fn the_header_of_the_url_source_is_never_said() {
    let home = tempfile::tempdir().unwrap();
    let marks = Marks::new(&[REQUEST_TOKEN]);
    put(&home.path().join("header"), REQUEST_TOKEN, 0o600);
    for status in [401, 500, 200] {
        let text = format!(
            "version = 1\n[route.a]\nsource = {{ url = {{ url = \"{url}/token\", format = \"json\", headers = {{ Authorization = \"Bearer \
             ${{HEADER}}\" }} }} }}\n[route.b]\nsource = {{ url = {{ url = \"{url}/token\", format = \"json\", kind = \"jwt\", header_files = {{ \
             Authorization = {{ path = \"header\", prefix = \"Bearer \" }} }} }} }}\n",
            url = echo(status).url()
        );
        put(&home.path().join("carnet.toml"), text, 0o600);
        for words in [["get", "a"], ["get", "b"], ["config", "check"], ["config", "show"]] {
            let mut command = nowhere(home.path(), words);
            command.env("HEADER", REQUEST_TOKEN);
            let code = output(&mut command).status.code().unwrap();
            assert_eq!(code == 0, words[0] == "config", "{words:?}: {code}");
            talk(&command, &marks, code, true);
        }
    }
}

#[test]
fn a_token_in_a_variable_or_from_a_program_is_never_said() {
    let home = tempfile::tempdir().unwrap();
    let marks = Marks::new(&[OPAQUE_TOKEN]);
    let mut command = nowhere(home.path(), ["get", "--from", "env", "variable=MY_TOKEN", "kind=jwt"]);
    talk(command.env("MY_TOKEN", OPAQUE_TOKEN), &marks, 2, true);
    let mut command = nowhere(home.path(), ["get", "--from", "env", "variable=MY_TOKEN", "format=json"]);
    talk(command.env("MY_TOKEN", format!("{{\"access_token\": \"{OPAQUE_TOKEN}")), &marks, 2, true);
    let mut command = nowhere(home.path(), ["get", "--from", "env", "variable=MY_TOKEN", "--format", "token"]);
    talk(command.env("MY_TOKEN", OPAQUE_TOKEN), &marks, 0, false);
    let jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJtYXJrZWQifQ.bWFya2VkLXNpZ25hdHVyZQ";
    let marks = Marks::of_token(jwt);
    let argv = r#"argv=["sh", "-c", "echo $MY_TOKEN; echo refused: $MY_TOKEN >&2; exit 1"]"#;
    let mut command = nowhere(home.path(), ["get", "--from", "command", argv]);
    talk(command.env("MY_TOKEN", jwt), &marks, 4, true);
    put(&home.path().join("token"), format!("{jwt} {jwt}"), 0o600);
    talk(&nowhere(home.path(), ["get", "--from", "file", "path=token"]), &marks, 2, true);
    talk(&nowhere(home.path(), ["inspect", "token"]), &marks, 2, true);
}

#[test]
fn a_key_and_its_passphrase_are_never_said() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join(".oci")).unwrap();
    let key: Vec<&str> = ENCRYPTED_KEY.lines().filter(|line| !line.starts_with("---")).collect();
    let marks = Marks(key.iter().map(|line| (*line).to_owned()).collect()).and(Marks::new(&[PASSPHRASE]));
    let profile = |passphrase: &str, more: &str| {
        let text = format!(
            "[DEFAULT]\nuser=ocid1.user.oc1..aaaa\ntenancy=ocid1.tenancy.oc1..aaaa\nregion=us-ashburn-1\nfingerprint={}\n\
             pass_phrase={passphrase}\nkey_file={}\n{more}",
            "64:e2:7f:25:e2:ed:00:c3:7c:8d:bc:fd:bf:99:49:a9",
            home.path().join("key.pem").display()
        );
        put(&home.path().join(".oci/config"), text, 0o600);
    };
    put(&home.path().join("key.pem"), ENCRYPTED_KEY, 0o600);
    let url = "url=https://objectstorage.us-ashburn-1.oraclecloud.com/n/";
    let signature = || nowhere(home.path(), ["get", "--from", "oci-config", "--format", "oci-signature", url]);
    profile(PASSPHRASE, "");
    talk(&signature(), &marks, 0, true);
    talk(&nowhere(home.path(), ["whoami"]), &marks, 0, true);
    talk(&nowhere(home.path(), ["get", "--from", "oci-config"]), &marks, 2, true);
    profile(&format!("{PASSPHRASE}-wrong"), "");
    talk(&signature(), &marks, 2, true);
    profile(&format!("{PASSPHRASE} # {PASSPHRASE}"), "");
    talk(&signature(), &marks, 2, true);
    profile(PASSPHRASE, &format!("{PASSPHRASE}\n"));
    talk(&signature(), &marks, 2, true);
    profile(PASSPHRASE, &format!("key_content={}\n", key[0]));
    talk(&signature(), &marks, 2, true);
    // The key's own text where a path is wanted.
    profile(PASSPHRASE, "");
    put(&home.path().join("key.pem"), ENCRYPTED_KEY.replacen("MII", "AAA", 1), 0o600);
    talk(&signature(), &marks, 2, true);
}
