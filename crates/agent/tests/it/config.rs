//! The section `[agent]`.

use std::{path::Path, time::Duration};

use carnet_agent::{AgentConfig, AgentPlan};
use carnet_core::{Mistake, SectionConfig as _, test_context};

const GOOD: &str = r#"
trust_domain = "example.org"
authority = "https://authority.example.org:8444"
attest = { join-token = { file = "/run/token" } }
bootstrap_bundle = "/etc/bundle.json"
"#;

fn read(text: &str) -> Result<AgentPlan, Vec<Mistake>> {
    toml::from_str::<AgentConfig>(text).map_err(|error| panic!("{error}")).and_then(AgentConfig::check)
}

#[test]
fn the_least_that_must_be_said_is_enough() {
    let plan = read(GOOD).unwrap();
    assert_eq!(plan.settings.socket.path, Path::new("/run/carnet/agent/api.sock"));
    assert_eq!(plan.settings.socket.mode, 0o777);
    assert_eq!(plan.settings.attestation.deadline, Duration::from_secs(20));
    let parts = plan.parts(test_context(), &carnet_net::Settings::default()).unwrap();
    assert_eq!(parts.attestors.iter().map(|one| one.name()).collect::<Vec<_>>(), ["unix", "systemd", "container"]);
}

#[test]
fn everything_can_be_said() {
    let plan = read(&format!(
        "{}{}",
        GOOD.replace("bootstrap_bundle = \"/etc/bundle.json\"", "insecure_bootstrap = true"),
        r#"
        socket = "unix:///run/api.sock"
        socket_mode = "0770"
        state_directory = "/var/lib/agent"
        key = "RS256"
        attestation_timeout = "5s"
        attestations_at_once = 4
        x509_cache = 10
        jwt_cache = 20
        allow_unauthenticated_verifiers = true
        allowed_foreign_jwt_claims = ["role"]
        systemd = false
        container = false
        unix = { path = false, sha256 = true, size_limit = 1 }
        kubernetes = { skip_verification = true, wait = "1s" }
        sds = { default_svid_name = "a", default_bundle_name = "b", default_all_bundles_name = "c" }
        diagnostics = "127.0.0.1:9090"
        telemetry = { endpoint = "http://127.0.0.1:4318/v1/traces", percent = 10 }
        "#
    ))
    .unwrap();
    let settings = &plan.settings;
    assert_eq!((settings.socket.path.as_path(), settings.socket.mode), (Path::new("/run/api.sock"), 0o770));
    assert_eq!((settings.prefetched, settings.jwt_cache, settings.attestation.at_once), (10, 20, 4));
    assert_eq!(settings.sds.default_bundle_name, "b");
    assert_eq!(plan.telemetry.as_ref().unwrap().service, "carnet-agent");
    assert_eq!(settings.diagnostics, Some(([127, 0, 0, 1], 9090).into()));
    let attestors = plan.attestors(&test_context(), &carnet_net::Settings::default());
    assert_eq!(attestors.iter().map(|one| one.name()).collect::<Vec<_>>(), ["unix", "k8s"]);
}

#[test]
fn rejects_each_mistake_at_its_field() {
    let bundle = "bootstrap_bundle = \"/etc/bundle.json\"";
    for (from, to, field) in [
        ("example.org\"", "Example.org\"", "trust_domain"),
        ("https://authority", "http://authority", "authority"),
        (bundle, "", "bootstrap_bundle"),
        (bundle, "bootstrap_bundle = \"/a\"\ninsecure_bootstrap = true", "bootstrap_bundle"),
        (bundle, "bootstrap_url = \"https://a/b\"", "bootstrap_sha256"),
        (bundle, "bootstrap_url = \"https://a/b\"\nbootstrap_sha256 = \"00\"", "bootstrap_sha256"),
        (bundle, "bootstrap_bundle = \"/a\"\nsocket = \"tcp://127.0.0.1:1\"", "socket"),
        (bundle, "bootstrap_bundle = \"/a\"\nsocket = \"api.sock\"", "socket"),
        (bundle, "bootstrap_bundle = \"/a\"\nsocket_mode = \"0999\"", "socket_mode"),
        (bundle, "bootstrap_bundle = \"/a\"\nkey = \"HS256\"", "key"),
        (bundle, "bootstrap_bundle = \"/a\"\nattestation_timeout = \"1h\"", "attestation_timeout"),
        (bundle, "bootstrap_bundle = \"/a\"\nattestations_at_once = 0", "attestations_at_once"),
        (bundle, "bootstrap_bundle = \"/a\"\njwt_cache = 0", "jwt_cache"),
        (bundle, "bootstrap_bundle = \"/a\"\nkubernetes = { kubelet = \"ftp://a\" }", "kubernetes.kubelet"),
        (
            bundle,
            "bootstrap_bundle = \"/a\"\nkubernetes = { skip_verification = true, ca = \"/ca\" }",
            "kubernetes.skip_verification",
        ),
        (bundle, "bootstrap_bundle = \"/a\"\ndiagnostics = \"localhost\"", "diagnostics"),
        (bundle, "bootstrap_bundle = \"/a\"\ntelemetry = { endpoint = \"localhost\" }", "telemetry.endpoint"),
        (bundle, "bootstrap_bundle = \"/a\"\nsds = { default_svid_name = \"ALL\" }", "sds"),
    ] {
        let bent = GOOD.replace(from, to);
        assert_ne!(bent, GOOD, "{from}");
        let mistakes = read(&bent).unwrap_err();
        let fields: Vec<&str> = mistakes.iter().map(|mistake| mistake.field.as_str()).collect();
        assert_eq!(fields, [field], "{to}: {mistakes:?}");
    }
}

#[test]
fn rejects_what_it_does_not_know() {
    for bent in ["listen = \"127.0.0.1:1\"", "unix = { sha512 = true }", "kubernetes = { token_file = \"/x\" }"] {
        assert!(toml::from_str::<AgentConfig>(&format!("{GOOD}{bent}\n")).is_err(), "{bent}");
    }
}
