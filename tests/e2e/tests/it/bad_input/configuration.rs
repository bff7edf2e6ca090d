//! Configurations with mistakes.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};

use serde_json::{Value, json};

use crate::{
    harness::{Sandbox, both, output},
    scene::{Desk, NOBODY, fails, nowhere, put, works},
};

/// `carnet config check` of this text; the mistakes as JSON, after a look at what people see.
fn mistakes(text: &str) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("carnet.toml");
    put(&path, text, 0o600);
    let said = fails(&mut nowhere(folder.path(), ["config", "check"]), 2, &["error: "]);
    let done = output(&mut nowhere(folder.path(), ["--output", "json", "config", "check"]));
    assert_eq!(done.status.code(), Some(2), "{}", both(&done));
    assert!(done.stderr.is_empty(), "{}", both(&done));
    let document: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!((&document["ok"], &document["version"]), (&json!(false), &json!(1)), "{document}");
    let list = document["problems"]["mistakes"].as_array().unwrap().clone();
    for mistake in &list {
        assert!(said.contains(mistake["message"].as_str().unwrap()), "{mistake} is missing in:\n{said}");
        let place = format!("carnet.toml:{}:{}", mistake["line"], mistake["column"]);
        assert!(said.contains(&place), "{place} is missing in:\n{said}");
    }
    list
}

/// One mistake: its place, a part of its message and of its hint.
fn one(text: &str, line: u64, column: u64, message: &str, hint: &str) {
    let list = mistakes(text);
    assert_eq!(list.len(), 1, "{list:?}");
    assert_eq!((list[0]["line"].as_u64(), list[0]["column"].as_u64()), (Some(line), Some(column)), "{list:?}");
    assert!(list[0]["message"].as_str().unwrap().contains(message), "{list:?}");
    assert!(list[0]["hint"].as_str().unwrap_or_default().contains(hint), "{list:?}");
}

#[test]
fn all_mistakes_are_told_at_once() {
    let list = mistakes(
        r#"version = 1
[route.a]
source = { fille = { path = "x" } }
[route.b]
source = { file = { path = "${NOT_SET}", pth = 1 } }
through = [ { gcp = { audience = "//iam" } }, { oci-domain = { url = "idcs" } } ]
[route.c]
sorce = "auto"
"#,
    );
    let places: Vec<_> =
        list.iter().map(|one| (one["line"].as_u64().unwrap(), one["column"].as_u64().unwrap())).collect();
    assert_eq!(places, [(3, 12), (5, 29), (5, 42), (6, 34), (6, 70), (7, 8), (8, 1)], "{list:?}");
}

#[test]
fn rejects_an_unknown_field_and_suggests_one() {
    one(
        "version = 1\n[route.a]\nsource = { file = { pth = \"x\", path = \"y\" } }\n",
        3,
        21,
        "`pth`",
        "did you mean `path`?",
    );
}

#[test]
fn rejects_an_unknown_source_and_suggests_one() {
    one(
        "version = 1\n[route.a]\nsource = \"github-action\"\n",
        3,
        10,
        "`github-action`",
        "did you mean `github-actions`?",
    );
}

#[test]
fn rejects_a_variable_that_is_not_set() {
    let text = "version = 1\n[route.a]\nsource = { file = { path = \"/run/${NOT_SET}/x\" } }\n";
    one(text, 3, 34, "`NOT_SET` is not set", "set NOT_SET");
}

#[test]
fn rejects_kinds_that_do_not_fit() {
    let pool = "//iam.googleapis.com/projects/123/locations/global/workloadIdentityPools/p/providers/p";
    let text = format!(
        "version = 1\n[route.a]\nsource = \"oci-instance\"\nthrough = [{{ gcp = {{ audience = \"{pool}\" }} }}]\n"
    );
    one(
        &text,
        4,
        14,
        "gives oci-session, but through[0] gcp takes aws-keys or jwt or x509",
        "put an exchange between them",
    );
}

#[test]
fn a_delivery_of_a_flag_is_called_by_the_flag() {
    let desk = Desk::new(Sandbox::shared());
    let profile = ["--deliver", "oci-profile", "directory=/tmp/never"];
    let says = ["gives jwt or access-token, but --deliver oci-profile takes oci-session", "hint: deliveries that take"];
    let said = fails(desk.source("get").args(profile), 2, &says);
    assert!(!said.contains("deliver[0]"), "{said}");
    // What `auto` finds is known only when the route runs.
    let token = std::fs::read_to_string(desk.path("token.jwt")).unwrap();
    let found = |arguments: &[&str], says: &[&str]| {
        let mut command = nowhere(desk.folder(), ["get"]);
        command.env("GITLAB_CI", "true").env("CARNET_ID_TOKEN", &token);
        let said = fails(command.args(arguments), 2, &[says, &["hint: choose another form"]].concat());
        assert!(!said.contains("deliver["), "{said}");
    };
    found(&profile, &["write jwt with --deliver oci-profile, which takes oci-session (step --deliver oci-profile)"]);
    let signature = ["--format", "oci-signature", "url=https://objectstorage.us-ashburn-1.oraclecloud.com/n/"];
    found(&signature, &["write jwt with --format oci-signature, which takes", "(step --format oci-signature)"]);
}

#[test]
fn mistakes_of_all_flags_are_told_at_once() {
    let home = tempfile::tempdir().unwrap();
    let mut command = nowhere(home.path(), ["get", "--from", "file", "pth=x", "--deliver", "oci-profile", "dir=x"]);
    fails(&mut command, 2, &["`pth`", "`dir`", "`directory` is missing"]);
}

#[test]
fn rejects_text_that_is_not_toml() {
    one("version = 1\n[route.a\n", 2, 9, "unclosed table", "TOML");
}

#[test]
fn rejects_another_version_of_the_format() {
    one("version = 2\n", 1, 11, "version 2", "write version = 1");
}

#[test]
fn rejects_a_bad_url() {
    let text = "version = 1\n[route.a]\nsource = { url = { url = \"ftp://example.com/x\" } }\n";
    one(text, 3, 26, "is not an http or https URL", "scheme");
}

#[test]
fn rejects_a_domain_over_plain_http() {
    let text = "version = 1\n[route.a]\nsource = \"oci-instance\"\nthrough = [{ oci-domain = { url = \"http://idcs-1.identity.oraclecloud.com\" } }]\n";
    one(text, 4, 35, "https", "copy the Domain URL");
}

#[test]
fn rejects_a_domain_that_is_none() {
    let text =
        "version = 1\n[route.a]\nsource = \"oci-instance\"\nthrough = [{ oci-domain = { url = \"my domain\" } }]\n";
    one(text, 4, 35, "neither a URL nor the id of an identity domain", "copy the Domain URL");
}

#[test]
fn rejects_a_pool_named_without_its_number() {
    let text = "version = 1\n[route.a]\nsource = \"github-actions\"\nthrough = [{ gcp = { audience = \"//iam.googleapis.com/projects/my-project/locations/global/workloadIdentityPools/p/providers/p\" } }]\n";
    one(text, 4, 33, "audience", "");
}

#[test]
fn rejects_the_full_name_of_a_google_service_account() {
    let pool = "//iam.googleapis.com/projects/123/locations/global/workloadIdentityPools/p/providers/p";
    let account = "projects/-/serviceAccounts/reader@p.iam.gserviceaccount.com";
    let text = format!(
        "version = 1\n[route.a]\nsource = \"github-actions\"\n[[route.a.through]]\ngcp.audience = \"{pool}\"\n\
         gcp.service_account = \"{account}\"\n"
    );
    let hint = "write its e-mail alone, which stands behind the last `/`";
    one(&text, 6, 23, "service_account: is not the e-mail or numeric id of a service account", hint);
}

#[test]
fn a_wrong_configuration_stops_get_with_its_places() {
    let folder = tempfile::tempdir().unwrap();
    put(&folder.path().join("carnet.toml"), "version = 1\n[route.a]\nsource = { file = { pth = \"x\" } }\n", 0o600);
    fails(&mut nowhere(folder.path(), ["get", "a"]), 2, &["carnet.toml:3:", "`pth`", "did you mean `path`?"]);
    let said = fails(&mut nowhere(folder.path(), ["--output", "json", "get", "a"]), 2, &[]);
    let document: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&document["version"], &document["error"]["exit_code"]), (&json!(1), &json!(2)), "{document}");
    assert_eq!(document["error"]["kind"], "configuration");
}

#[test]
fn an_unknown_route_is_told_with_the_one_that_was_meant() {
    let folder = tempfile::tempdir().unwrap();
    put(&folder.path().join("carnet.toml"), "version = 1\n[route.reader]\nsource = \"auto\"\n", 0o600);
    fails(
        &mut nowhere(folder.path(), ["get", "raeder"]),
        2,
        &["route `raeder`", "carnet.toml", "did you mean `reader`?"],
    );
}

#[test]
fn a_configuration_that_is_missing_is_told() {
    let folder = tempfile::tempdir().unwrap();
    fails(
        &mut nowhere(folder.path(), ["get", "reader"]),
        2,
        &["route reader", "there is no configuration", "carnet.toml"],
    );
    let told = nowhere(folder.path(), ["run", "DB_PASS=hunter2", "--", "env"]).output().unwrap();
    let told = String::from_utf8(told.stderr).unwrap();
    assert!(told.contains("route DB_PASS: there") && !told.contains("hunter2"), "{told}");
    fails(&mut nowhere(folder.path(), ["config", "check"]), 2, &["there is none", "CARNET_CONFIG"]);
    fails(&mut nowhere(folder.path(), ["-c", "other.toml", "get", "reader"]), 2, &["other.toml", "does not exist"]);
    fails(
        nowhere(folder.path(), ["get", "reader"]).env("CARNET_CONFIG", "/no/such.toml"),
        2,
        &["/no/such.toml", "CARNET_CONFIG"],
    );
}

#[test]
fn a_configuration_that_is_not_text_is_told() {
    let folder = tempfile::tempdir().unwrap();
    put(&folder.path().join("carnet.toml"), b"version = 1\n\xff\xfe", 0o600);
    fails(&mut nowhere(folder.path(), ["config", "check"]), 2, &["carnet.toml", "UTF-8"]);
}

#[test]
fn flags_are_checked_like_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let get = |words: &[&str]| nowhere(folder.path(), ["get"].iter().chain(words).copied());
    fails(&mut get(&["--from", "fil", "path=x"]), 2, &["no source `fil`", "did you mean `file`?"]);
    fails(&mut get(&["--from", "file", "pth=x"]), 2, &["unknown field `pth`", "did you mean `path`?"]);
    fails(&mut get(&["--from", "file"]), 2, &["`path` is missing"]);
    fails(&mut get(&["--from", "file", "path"]), 2, &["a word is not field=value", "the fields of --from file"]);
    fails(&mut get(&["--from", "file", "path=x", "--from", "env", "variable=X"]), 2, &["`--from` was given twice"]);
    fails(&mut get(&["--url", "https://x"]), 2, &["--url", "add one with --to"]);
    fails(&mut get(&["--from", "file", "path=x", "--format", "jsn"]), 2, &["`jsn`", "did you mean `json`?"]);
    fails(
        &mut get(&["--from", "oci-instance", "--format", "header"]),
        2,
        &["oci-session", "header takes access-token or jwt"],
    );
    let domain = format!("url=http://{NOBODY}");
    fails(
        &mut get(&["--from", "oci-instance", "--to", "oci-domain", &domain, "--to", "oci-domain", &domain]),
        2,
        &["through[1]"],
    );
}

#[test]
fn a_mistake_in_the_arguments_is_json_for_who_asked_for_json() {
    let folder = tempfile::tempdir().unwrap();
    fails(&mut nowhere(folder.path(), ["get", "--bogus"]), 2, &["--bogus", "Usage"]);
    let said = fails(&mut nowhere(folder.path(), ["--output", "json", "get", "--bogus"]), 2, &[]);
    let document: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(document["error"]["exit_code"], 2);
    assert!(document["error"]["message"].as_str().unwrap().contains("--bogus"), "{document}");
}

#[test]
fn a_region_that_could_change_a_host_name_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    put(&folder.path().join("token"), "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln", 0o600);
    put(&folder.path().join("client-secret"), "x", 0o600);
    let mut command = nowhere(folder.path(), ["get", "--from", "file", "path=token", "--to", "oci-upst"]);
    command.arg(format!("url=http://{NOBODY}")).arg("client_id=ca43e7c0ffee00000000000000000001");
    command.arg("client_secret_file=client-secret").arg("region=evil.example/x?");
    fails(&mut command, 2, &["evil.example/x?", "region", "us-ashburn-1"]);
}

#[test]
fn a_dollar_without_braces_is_text() {
    let folder = tempfile::tempdir().unwrap();
    let text = "version = 1\n[route.a]\nsource = { file = { path = \"/run/$HOME/$${X}\" } }\n";
    put(&folder.path().join("carnet.toml"), text, 0o600);
    let shown = works(&mut nowhere(folder.path(), ["config", "show"]));
    assert!(shown.contains(r#""/run/$HOME/${X}""#), "{shown}");
}

#[test]
fn a_path_in_carnet_config_that_is_not_text_is_not_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    put(&folder.path().join("carnet.toml"), "version = 1\n[route.a]\nsource = { file = { path = \"x\" } }\n", 0o600);
    works(&mut nowhere(folder.path(), ["config", "check"]));
    let mut command = nowhere(folder.path(), ["config", "check"]);
    command.env("CARNET_CONFIG", OsStr::from_bytes(b"/tmp/\xff"));
    fails(&mut command, 2, &["the path in CARNET_CONFIG is not UTF-8 text", "--config"]);
}

#[test]
fn a_variable_in_the_file_that_is_not_text_is_not_called_unset() {
    let folder = tempfile::tempdir().unwrap();
    let text = "version = 1\n[route.a]\nsource = { file = { path = \"${PLACE}\" } }\n";
    put(&folder.path().join("carnet.toml"), text, 0o600);
    let mut command = nowhere(folder.path(), ["config", "check"]);
    command.env("PLACE", OsStr::from_bytes(b"\xff"));
    fails(&mut command, 2, &["the environment variable `PLACE` is not UTF-8 text", "carnet.toml:3:29"]);
}

#[test]
fn rejects_a_log_filter_that_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = nowhere(folder.path(), ["--log", "carnet_net=loud", "version"]);
    fails(&mut command, 2, &["read the log filter \"carnet_net=loud\" of --log", "hint: write a level"]);
    let mut command = nowhere(folder.path(), ["--output", "json", "version"]);
    let said = fails(command.env("CARNET_LOG", "a=b=c"), 2, &["of CARNET_LOG"]);
    let error: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(error["error"]["kind"], "configuration", "{error}");
}

#[test]
fn a_list_on_the_command_line_is_told_how_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let audience =
        "audience=//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/github";
    let words = ["get", "--from", "file", "path=x", "--to", "gcp", audience, "scopes=https://scope"];
    fails(&mut nowhere(folder.path(), words), 2, &["wanted a list such as [\"a\", \"b\"], found a text"]);
}
