//! `carnet discovery` as an operator runs it: signals and metrics.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use carnet_jose::{Algorithm, SigningKey};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    authority::scene::{Running, eventually, get},
    harness::{both, output},
    scene::{fails, nowhere, put},
};

/// A folder with the configuration, the bundle and the certificate of a service.
struct Site(TempDir);

impl Site {
    /// With a key of this name, documents of this issuer, and this listener, in TOML.
    fn new(kid: &str, issuer: &str, listen: &str) -> Self {
        let site = Self(tempfile::tempdir().unwrap());
        site.keys(kid);
        site.configure(issuer, listen);
        site
    }

    fn folder(&self) -> &Path {
        self.0.path()
    }

    /// Writes a bundle with one key.
    fn keys(&self, kid: &str) {
        let key = SigningKey::generate(Algorithm::Es256).unwrap().with_kid(kid);
        let mut jwk = serde_json::to_value(key.public_jwk()).unwrap();
        // SPIFFE Trust Domain and Bundle, 4.2.2.
        jwk["use"] = json!("jwt-svid");
        jwk.as_object_mut().unwrap().remove("alg");
        let bundle = json!({ "keys": [jwk], "spiffe_sequence": 1, "spiffe_refresh_hint": 300 });
        put(&self.folder().join("bundle.json"), bundle.to_string(), 0o600);
    }

    /// Writes the configuration. Files are looked at so seldom that only the signal can be what was seen.
    fn configure(&self, issuer: &str, listen: &str) {
        let text = format!(
            "version = 1\n[discovery]\nissuer = \"{issuer}\"\ndiagnostics = \"127.0.0.1:0\"\n[discovery.source.file]\n\
             path = \"{}\"\ntrust_domain = \"example.org\"\npoll = \"1h\"\n{listen}",
            self.folder().join("bundle.json").display(),
        );
        put(&self.folder().join("carnet.toml"), text, 0o600);
    }

    fn start(&self) -> Running {
        let mut command = nowhere(self.folder(), ["--output", "json", "discovery", "--stop-with-stdin", "--config"]);
        Running::start(command.arg(self.folder().join("carnet.toml")), &self.folder().join("log"))
    }

    /// A certificate of its own signature, whose text is returned.
    fn certify(&self, name: &str) -> String {
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"]);
        openssl.args(["-keyout", "tls.key", "-out", "tls.crt", "-addext", "subjectAltName=DNS:localhost", "-subj"]);
        let made = output(openssl.arg(format!("/CN={name}")).current_dir(self.folder()));
        assert!(made.status.success(), "{}", both(&made));
        std::fs::read_to_string(self.folder().join("tls.crt")).unwrap().trim().to_owned()
    }
}

const PLAIN: &str = "[discovery.listen.plain]\naddress = \"127.0.0.1:0\"\n";
const ISSUER: &str = "https://oidc.example.org";

fn document(service: &Running, path: &str) -> Value {
    let answer = get(&format!("http://{}{path}", service.says("address")));
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

fn issuer(service: &Running) -> Value {
    document(service, "/.well-known/openid-configuration")["issuer"].clone()
}

fn kid(service: &Running) -> Value {
    document(service, "/keys")["keys"][0]["kid"].clone()
}

/// Waits until the source was read for the first time.
fn served(service: &Running) {
    let ready = format!("http://{}/readyz", service.says("diagnostics"));
    eventually(|| get(&ready).status == 200);
}

fn metrics(service: &Running) -> String {
    let answer = get(&format!("http://{}/metrics", service.says("diagnostics")));
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

/// Whether there were so many reloads of this outcome.
fn reloads(service: &Running, outcome: &str, count: u64) -> bool {
    let line = format!("carnet_discovery_reloads_total{{outcome=\"{outcome}\"}} {count}");
    metrics(service).lines().any(|seen| seen == line)
}

#[test]
fn a_signal_has_other_documents_served_and_the_metrics_tell_of_it() {
    let site = Site::new("one", ISSUER, PLAIN);
    let mut service = site.start();
    served(&service);
    assert_eq!((issuer(&service), kid(&service)), (json!(ISSUER), json!("one")));
    assert!(!metrics(&service).contains("carnet_discovery_reloads_total{"), "there was no reload yet");
    site.keys("two");
    site.configure("https://other.example.org", PLAIN);
    assert_eq!((issuer(&service), kid(&service)), (json!(ISSUER), json!("one")), "nobody has asked for it");
    service.signal("HUP");
    eventually(|| reloads(&service, "taken", 1));
    assert_eq!(issuer(&service), "https://other.example.org");
    // The file is read beside the answers.
    eventually(|| kid(&service) == "two");
    let told = metrics(&service);
    for part in [
        "carnet_discovery_requests_total{route=\"/keys\",status=\"200\"}",
        "carnet_discovery_jwt_authorities 1",
        "carnet_discovery_source_failing 0",
    ] {
        assert!(told.contains(part), "{part} is missing in\n{told}");
    }
    assert!(told.ends_with("# EOF\n"), "{told}");
    let diagnostics = get(&format!("http://{}/metrics", service.says("address")));
    assert_eq!(diagnostics.status, 404, "relying parties do not see them");
    assert!(service.end().success(), "{}", service.log());
}

#[test]
fn rejects_configurations_that_are_none_says_so_and_goes_on_with_the_old_one() {
    let site = Site::new("one", ISSUER, PLAIN);
    let service = site.start();
    served(&service);
    put(&site.folder().join("carnet.toml"), "version = 1\n[discovery\n", 0o600);
    service.signal("HUP");
    eventually(|| reloads(&service, "refused", 1));
    // A member that is none, and a listener that counts from the next start.
    site.configure("https://other.example.org", &format!("{PLAIN}surprise = true\n"));
    service.signal("HUP");
    eventually(|| reloads(&service, "refused", 2));
    site.configure("https://other.example.org", "[discovery.listen.plain]\naddress = \"127.0.0.1:1\"\n");
    service.signal("HUP");
    eventually(|| reloads(&service, "refused", 3));
    let said = |text: &str| service.log().matches(text).count();
    eventually(|| said("the configuration is not taken; all goes on as before") == 3);
    assert!(service.log().contains("surprise") && service.log().contains("`listen`"), "{}", service.log());
    assert_eq!((issuer(&service), kid(&service)), (json!(ISSUER), json!("one")));
    // The next good one is taken.
    site.configure("https://other.example.org", PLAIN);
    service.signal("HUP");
    eventually(|| reloads(&service, "taken", 1));
    assert_eq!(issuer(&service), "https://other.example.org");
}

/// The certificate that the service shows to OpenSSL.
fn shown(service: &Running) -> String {
    let mut client = Command::new("openssl");
    client.args(["s_client", "-showcerts", "-servername", "localhost", "-connect", service.says("address")]);
    let seen = output(client.stdin(Stdio::null()));
    both(&seen)
}

#[test]
fn a_signal_has_a_replaced_certificate_shown_and_a_broken_one_leaves_the_old() {
    let site = Site::new("one", ISSUER, "");
    let first = site.certify("first");
    let at = |name: &str| site.folder().join(name).display().to_string();
    let tls = format!(
        "[discovery.listen.tls]\naddress = \"127.0.0.1:0\"\ncertificate = \"{}\"\nprivate_key = \"{}\"\nreload = \"1h\"\n",
        at("tls.crt"),
        at("tls.key")
    );
    site.configure(ISSUER, &tls);
    let service = site.start();
    assert!(shown(&service).contains(&first));
    let second = site.certify("second");
    assert!(shown(&service).contains(&first), "nobody has asked for it");
    service.signal("HUP");
    eventually(|| reloads(&service, "taken", 1));
    let now = shown(&service);
    assert!(now.contains(&second) && !now.contains(&first), "{now}");
    put(&site.folder().join("tls.key"), "no key", 0o600);
    service.signal("HUP");
    eventually(|| reloads(&service, "refused", 1));
    assert!(shown(&service).contains(&second));
    eventually(|| service.log().contains("TLS certificate"));
}

#[test]
fn an_export_from_a_wrong_file_says_at_once_what_is_wrong_with_it() {
    let site = Site::new("key-1", ISSUER, PLAIN);
    let bundle = site.folder().join("bundle.json");
    let export = || {
        let mut command = nowhere(site.folder(), ["discovery", "export", "--config", "carnet.toml", "out"]);
        command.stdin(Stdio::null());
        command
    };
    put(&bundle, "{ \"keys\": 7 }", 0o600);
    let says = ["read the keys from their source", "read the bundle in", "the SPIFFE bundle document of example.org"];
    fails(&mut export(), 2, &says);
    std::fs::remove_file(&bundle).unwrap();
    fails(&mut export(), 2, &["it is not there", "source.file.path"]);
}
