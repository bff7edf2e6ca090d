//! Services that misbehave. Each test that switches a fault on has a sandbox of its own.

use carnet_jose::{Algorithm, SigningKey};

use crate::{
    harness::Sandbox,
    scene::{Desk, NOBODY, Server, fails, fault, nowhere, put, works},
};

/// A token service under this fault: carnet gives up with exit code 5, says these, and writes no file.
fn gives_up(kind: &str, says: &[&str]) {
    let sandbox = Sandbox::start();
    let desk = Desk::new(&sandbox);
    fault(&sandbox, kind, "oci-domain");
    let domain = sandbox.plain("oci-domain");
    fails(&mut desk.profile(), 5, &[&[domain.as_str(), "through[0] oci-upst", "hint: "], says].concat());
    assert!(!desk.path("oci").exists(), "nothing may be left behind");
    // What was delivered before a failure stays as it was.
    works(&mut sandbox.command(["fault", "clear"]));
    works(&mut desk.profile());
    let before = std::fs::read(desk.path("oci/current/token")).unwrap();
    fault(&sandbox, kind, "oci-domain");
    fails(&mut desk.profile(), 5, &[]);
    assert_eq!(std::fs::read(desk.path("oci/current/token")).unwrap(), before);
}

#[test]
fn a_connection_that_is_cut_is_given_up() {
    gives_up("cut", &["the answer was cut", "may succeed later"]);
}

#[test]
fn an_answer_of_ten_megabytes_is_given_up() {
    gives_up("huge", &["the answer is larger than", "bytes"]);
}

#[test]
fn a_throttled_service_is_told() {
    gives_up("too-many-requests", &["HTTP 429", "may succeed later"]);
}

#[test]
fn an_unavailable_service_is_told() {
    gives_up("unavailable", &["HTTP 503", "may succeed later"]);
}

#[test]
fn a_service_that_hangs_is_given_up_within_its_limit() {
    let sandbox = Sandbox::start();
    let desk = Desk::new(&sandbox);
    fault(&sandbox, "hang", "oci-domain");
    fault(&sandbox, "hang", "ci-github");
    // Both at once: each waits for its own limit.
    let mut github = nowhere(desk.folder(), ["get", "--from", "github-actions"]);
    let github = github.envs(sandbox.environment(&["--job", "github"])).stderr(std::process::Stdio::piped());
    let mut waiting = github.stdout(std::process::Stdio::piped()).spawn().unwrap();
    fails(&mut desk.profile(), 5, &["no whole answer within", "ms", "through[0] oci-upst", "hint: "]);
    assert!(!desk.path("oci").exists());
    assert_eq!(waiting.wait().unwrap().code(), Some(5));
}

#[test]
fn a_slow_service_is_waited_for() {
    let sandbox = Sandbox::start();
    let desk = Desk::new(&sandbox);
    fault(&sandbox, "slow", "oci-domain");
    works(&mut desk.profile());
    assert!(desk.path("oci/current/token").exists());
}

#[test]
fn googles_services_are_given_up_too() {
    let sandbox = Sandbox::start();
    let desk = Desk::new(&sandbox);
    let pool = sandbox.seed("gcp_github_audience");
    put(&desk.path("token.jwt"), sandbox.token("github", &["--audience", &format!("https:{pool}")]), 0o600);
    let mut command = desk.source("get");
    command.args(["--to", "gcp", &format!("audience={pool}")]);
    command.arg(format!("service_account={}", sandbox.seed("gcp_service_account")));
    command.arg(format!("token_url={}/v1/token", sandbox.plain("gcp-sts")));
    command.arg(format!("iamcredentials_url={}/", sandbox.plain("gcp-iamcredentials")));
    command.args(["--quiet", "--deliver", "token-file"]).arg(format!("path={}", desk.path("google").display()));
    for service in ["gcp-sts", "gcp-iamcredentials"] {
        for kind in ["cut", "huge", "too-many-requests", "unavailable"] {
            fault(&sandbox, kind, service);
            fails(&mut command, 5, &["through[0] gcp", "hint: "]);
            works(&mut sandbox.command(["fault", "clear"]));
        }
    }
    assert!(!desk.path("google").exists());
    works(&mut command);
    assert!(desk.path("google").exists());
}

#[test]
fn the_metadata_service_that_was_named_must_answer_well() {
    let sandbox = Sandbox::start();
    let home = tempfile::tempdir().unwrap();
    let mut command = nowhere(home.path(), ["get", "--from", "oci-instance", "--quiet"]);
    command.envs(sandbox.environment(&[]));
    for service in ["oci-imds", "oci-auth"] {
        for kind in ["cut", "huge", "too-many-requests", "unavailable"] {
            fault(&sandbox, kind, service);
            fails(&mut command, 5, &["source oci-instance", "hint: "]);
            works(&mut sandbox.command(["fault", "clear"]));
        }
    }
    works(&mut command);
}

#[test]
fn a_metadata_service_outside_this_machine_is_never_asked() {
    let home = tempfile::tempdir().unwrap();
    let mut command = nowhere(home.path(), ["get", "--from", "oci-instance"]);
    fails(command.env("OCI_METADATA_BASE_URL", "http://192.0.2.1/opc/v2"), 2, &["192.0.2.1", "not a loopback"]);
    fails(command.env("OCI_METADATA_BASE_URL", "hello"), 2, &["OCI_METADATA_BASE_URL", "not a URL"]);
}

#[test]
fn a_service_that_is_not_there_is_told_with_its_address() {
    let desk = Desk::new(Sandbox::shared());
    let mut command = desk.exchange_at("get", &format!("http://{NOBODY}"));
    fails(&mut command, 5, &[NOBODY, "no connection", "hint: check the address"]);
}

#[test]
fn a_file_of_certificates_that_cannot_be_read_is_a_mistake_here_and_not_of_the_network() {
    let sandbox = Sandbox::shared();
    let home = tempfile::tempdir().unwrap();
    let at = |name: &str| home.path().join(name);
    put(&at("cut"), "-----BEGIN CERTIFICATE-----\nMIIB\n", 0o600);
    put(&at("garbage"), [0, 1, 0xfc], 0o600);
    let url = format!("url={}/", sandbox.tls("ci-github"));
    for (name, why) in [
        ("missing", "it does not exist"),
        ("", "it is a folder"),
        ("garbage", "it holds none"),
        ("cut", "line 1: the block is cut"),
    ] {
        let mut command = nowhere(home.path(), ["get", "--from", "url", &url, "-f", "token"]);
        let path = at(name);
        fails(
            command.env("SSL_CERT_FILE", &path),
            2,
            &[why, &path.to_string_lossy(), "hint: correct the file or SSL_CERT_FILE"],
        );
    }
}

/// A token endpoint that answers like this.
fn answered(status: u16, body: &'static str, code: i32, says: &[&str]) -> String {
    let server = Server::start(move |_| (status, body.to_owned()));
    let desk = Desk::new(Sandbox::shared());
    fails(&mut desk.exchange_at("get", &server.url()), code, &[&["through[0] oci-upst"], says].concat())
}

#[test]
fn an_answer_that_is_not_json_is_told() {
    answered(200, "<html>login</html>", 5, &["the session token", "is not the JSON expected", "hint: "]);
}

#[test]
fn an_answer_without_a_token_is_told() {
    answered(200, "{}", 5, &["token"]);
}

#[test]
fn an_answer_with_a_token_of_the_wrong_type_is_told() {
    answered(200, "{\"token\": 17}", 5, &["token"]);
}

#[test]
fn an_answer_with_a_malformed_token_is_told() {
    answered(200, "{\"token\": \"a.b.c\"}", 5, &["the session token"]);
}

#[test]
fn an_error_that_is_not_json_is_told_by_its_status() {
    answered(502, "<html>bad gateway</html>", 5, &["HTTP 502", "may succeed later"]);
    answered(403, "", 7, &["HTTP 403", "hint: "]);
}

#[test]
fn an_error_cannot_steer_the_terminal_or_repeat_a_token() {
    let body =
        "{\"error\": \"invalid_grant\", \"error_description\": \"\\u001b[2Jno\\nway eyJhbGciOiJSUzI1NiJ9.e30.c2ln\"}";
    let said = answered(400, body, 4, &["invalid_grant", "[redacted]"]);
    assert!(!said.contains('\u{1b}') && !said.contains("eyJhbGciOi"), "{said}");
}

/// The metadata service of the sandbox, with one document replaced.
fn instance_with(document: &'static str, content: impl Fn(&str) -> String + Send + 'static, code: i32, says: &[&str]) {
    let sandbox = Sandbox::shared();
    let imds = sandbox.plain("oci-imds");
    let server = Server::start(move |asked| {
        let mut curl = std::process::Command::new("curl");
        curl.args(["--silent", "--noproxy", "*", "--header", "Authorization: Bearer Oracle"]);
        let real = curl.arg(format!("{imds}{}", asked.path)).output().expect("curl runs");
        let real = String::from_utf8(real.stdout).expect("text");
        (200, if asked.path.contains(document) { content(&real) } else { real })
    });
    let home = tempfile::tempdir().unwrap();
    let mut command = nowhere(home.path(), ["get", "--from", "oci-instance", "--quiet"]);
    command.envs(sandbox.environment(&[])).env("OCI_METADATA_BASE_URL", format!("{}/opc/v2", server.url()));
    fails(&mut command, code, &[&["source oci-instance"], says].concat());
}

#[test]
fn rejects_a_certificate_that_is_none() {
    instance_with("cert.pem", |_| "hello".to_owned(), 5, &["cert"]);
}

#[test]
fn rejects_a_certificate_with_a_broken_body() {
    instance_with("cert.pem", |real| real.replacen("MII", "AAA", 1), 5, &["cert"]);
}

#[test]
fn rejects_a_certificate_that_does_not_belong_to_the_key() {
    let other = SigningKey::generate(Algorithm::Rs256).unwrap().to_pkcs8_pem().unwrap();
    instance_with("key.pem", move |_| other.expose().to_owned(), 5, &["key"]);
}

#[test]
fn rejects_a_metadata_region_that_is_none() {
    instance_with("/region", |_| "evil.example/x?".to_owned(), 5, &["/opc/v2/instance/region", "evil.example/x?"]);
}
