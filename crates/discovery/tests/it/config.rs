//! What can be written in `[discovery]`.

use std::time::Duration;

use carnet_core::{Mistake, SectionConfig as _};
use carnet_discovery::{
    CertificatePlan, DiscoveryConfig, DiscoveryPlan, ListenPlan, Source,
    acme::{AcmeChallenge, AcmeSettings},
};
use serde_json::{Value, json};

fn good() -> Value {
    json!({
        "issuer": "https://oidc.example.org",
        "source": { "file": { "path": "/run/bundle.json", "trust_domain": "example.org" } },
        "listen": { "plain": { "address": "127.0.0.1:8080" } },
    })
}

fn read(value: Value) -> Result<DiscoveryPlan, Vec<Mistake>> {
    serde_json::from_value::<DiscoveryConfig>(value).expect("it has the form of the section").check()
}

/// The good section with these members merged in.
#[expect(clippy::needless_pass_by_value, reason = "written where it is used")]
fn with(members: Value) -> Value {
    let mut section = good();
    for (name, value) in members.as_object().unwrap() {
        section[name] = value.clone();
    }
    section
}

fn acme(member: &str, value: Value) -> Value {
    let mut section = json!({ "email": "a@example.org", "tos_accepted": true });
    section[member] = value;
    with(json!({ "domains": ["a.example"], "listen": { "acme": section } }))
}

#[test]
fn the_defaults_are_those_of_the_documentation() {
    let plan = read(good()).unwrap();
    let settings = &plan.settings;
    assert!(settings.key_use && settings.plain && !settings.allow_insecure_scheme && !plan.log_requests);
    assert_eq!((settings.path_prefix.as_str(), settings.max_keys), ("/", 100));
    assert_eq!((settings.max_age, plan.poll), (Duration::from_mins(5), Duration::from_secs(10)));
    let tls = json!({ "listen": { "tls": { "certificate": "c", "private_key": "k" } }, "health": {} });
    let plan = read(with(tls)).unwrap();
    let ListenPlan::Tls(address, CertificatePlan::Files(files)) = &plan.listen else { panic!("{plan:?}") };
    assert_eq!((address.to_string().as_str(), files.reload), ("[::]:443", Duration::from_mins(1)));
    assert!(!plan.settings.plain);
    let health = plan.health.unwrap();
    assert_eq!((health.address.to_string().as_str(), health.ready_path.as_str()), ("[::]:8008", "/ready"));
    let acme = acme_settings(acme("tos_accepted", json!(true)));
    assert_eq!(acme.challenge, AcmeChallenge::Http01("[::]:80".parse().unwrap()));
    assert_eq!(acme.directory_url, "https://acme-v02.api.letsencrypt.org/directory");
    assert_eq!(acme.external_account, None);
}

fn acme_settings(section: Value) -> AcmeSettings {
    let plan = read(section).unwrap();
    let ListenPlan::Tls(_, CertificatePlan::Acme(settings)) = plan.listen else { panic!("{plan:?}") };
    settings
}

#[test]
fn names_are_proved_by_the_challenge_that_is_chosen() {
    let settings = acme_settings(acme("challenge_type", json!("tls-alpn-01")));
    assert_eq!(settings.challenge, AcmeChallenge::TlsAlpn01);
    let settings = acme_settings(acme("challenge_type", json!("http-01")));
    assert_eq!(settings.challenge.name(), "http-01");
    let external = json!({ "key_id": "kid-1", "key_file": "/etc/carnet/eab.key" });
    let settings = acme_settings(acme("external_account", external));
    assert_eq!(settings.external_account.unwrap().key_id, "kid-1");
}

#[test]
fn diagnostics_and_traces_go_where_it_is_said() {
    let plan = read(with(json!({
        "diagnostics": "127.0.0.1:9090",
        "telemetry": { "endpoint": "http://127.0.0.1:4318/v1/traces", "percent": 10 },
    })))
    .unwrap();
    assert_eq!(plan.diagnostics.unwrap().port(), 9090);
    assert_eq!(plan.telemetry.unwrap().service, "carnet-discovery");
}

#[test]
fn every_source_can_be_named() {
    let source = |value: Value| read(with(json!({ "source": value }))).unwrap();
    let plan = source(json!({ "workload-api": { "trust_domain": "example.org", "poll": "1m" } }));
    assert!(matches!(plan.source, Source::WorkloadApi { ref endpoint, .. } if endpoint.is_empty()));
    assert_eq!(plan.poll, Duration::from_mins(1));
    let plan = source(json!({ "server-api": { "address": "unix:///run/spire/api.sock" } }));
    assert!(matches!(plan.source, Source::ServerApi { .. }));
    let spiffe = json!({ "url": {
        "url": "https://a.example/", "trust_domain": "example.org", "bootstrap": "/b.json",
        "profile": { "type": "https_spiffe", "endpoint_spiffe_id": "spiffe://example.org/x" },
    }});
    assert!(source(spiffe).bootstrap.is_some());
}

#[test]
fn domains_are_read_in_any_form_and_compared_in_one() {
    let plan = read(with(json!({ "domains": ["OIDC.Example.org", "bücher.example"] }))).unwrap();
    assert_eq!(plan.settings.domains, ["oidc.example.org", "xn--bcher-kva.example"]);
}

#[test]
fn rejects_each_mistake_at_its_field() {
    let cases = [
        ("issuer", with(json!({ "issuer": null }))),
        ("issuer", with(json!({ "issuer": "http://a.example" }))),
        ("issuer", with(json!({ "issuer": "a.example" }))),
        ("issuer", with(json!({ "issuer": "https://a.example?x" }))),
        ("jwks_uri", with(json!({ "jwks_uri": "http://a.example/keys" }))),
        ("path_prefix", with(json!({ "path_prefix": "a" }))),
        ("path_prefix", with(json!({ "path_prefix": "/a/" }))),
        ("path_prefix", with(json!({ "path_prefix": "/{a}" }))),
        ("path_prefix", with(json!({ "path_prefix": "/a/../b" }))),
        ("domains", with(json!({ "domains": ["https://a.example"] }))),
        ("domains", with(json!({ "domains": ["a.example:443"] }))),
        ("trusted_proxies", with(json!({ "trusted_proxies": ["everybody"] }))),
        ("trusted_proxies", with(json!({ "trusted_proxies": ["::/0"] }))),
        ("max_age", with(json!({ "max_age": "2h" }))),
        ("max_age", with(json!({ "max_age": "300" }))),
        ("max_keys", with(json!({ "max_keys": 0 }))),
        ("source.file.poll", with(json!({ "source": { "file": { "path": "x", "trust_domain": "a", "poll": "0s" } } }))),
        ("source.server-api.address", with(json!({ "source": { "server-api": { "address": "/run/a.sock" } } }))),
        ("source.server-api.address", with(json!({ "source": { "server-api": { "address": "tcp://127.0.0.1:1" } } }))),
        (
            "source.workload-api.address",
            with(json!({ "source": { "workload-api": { "address": "x", "trust_domain": "a" } } })),
        ),
        ("source.url.url", with(json!({ "source": { "url": { "url": "http://a", "trust_domain": "a" } } }))),
        ("listen.plain.address", with(json!({ "listen": { "plain": { "address": "localhost:1" } } }))),
        ("listen.socket.mode", with(json!({ "listen": { "socket": { "path": "/a", "mode": "0999" } } }))),
        (
            "listen.tls.reload",
            with(json!({ "listen": { "tls": { "certificate": "c", "private_key": "k", "reload": "1x" } } })),
        ),
        ("listen.acme.tos_accepted", acme("tos_accepted", json!(false))),
        ("listen.acme.email", acme("email", json!("nobody"))),
        ("listen.acme.email", acme("email", json!("mailto:a@example.org"))),
        (
            "domains",
            with(json!({ "domains": ["*.a.example"], "listen": { "acme": {
                "email": "a@example.org", "tos_accepted": true,
            }}})),
        ),
        ("listen.acme.directory_url", acme("directory_url", json!("http://a.example"))),
        ("listen.acme.challenge_address", acme("challenge_address", json!("80"))),
        (
            "listen.acme.challenge_address",
            with(json!({ "domains": ["a.example"], "listen": { "acme": {
                "email": "a@example.org", "tos_accepted": true, "challenge_type": "tls-alpn-01", "challenge_address": ":80",
            }}})),
        ),
        (
            "listen.acme.external_account.key_id",
            acme("external_account", json!({ "key_id": "", "key_file": "/etc/carnet/eab.key" })),
        ),
        ("diagnostics", with(json!({ "diagnostics": "9090" }))),
        ("telemetry.endpoint", with(json!({ "telemetry": { "endpoint": "127.0.0.1:4318" } }))),
        (
            "telemetry.percent",
            with(json!({ "telemetry": { "endpoint": "http://127.0.0.1:4318/v1/traces", "percent": 101 } })),
        ),
        ("bundle.path", with(json!({ "bundle": { "path": "/keys" } }))),
        ("bundle.path", with(json!({ "bundle": { "path": "b" } }))),
        ("bundle.refresh_hint", with(json!({ "bundle": { "refresh_hint": "1s" } }))),
        ("health.address", with(json!({ "health": { "address": "8008" } }))),
        ("health.live_path", with(json!({ "health": { "live_path": "/ready" } }))),
    ];
    for (field, section) in cases {
        let mistakes = read(section.clone()).expect_err(&section.to_string());
        let fields: Vec<&str> = mistakes.iter().map(|mistake| mistake.field.as_str()).collect();
        assert_eq!(fields, [field], "{section}");
    }
}

#[test]
fn rejects_a_spiffe_endpoint_that_nothing_is_known_of() {
    let profile = json!({ "type": "https_spiffe", "endpoint_spiffe_id": "spiffe://other.example/x" });
    let url = json!({ "url": "https://a.example/", "trust_domain": "example.org", "profile": profile });
    let mistakes = read(with(json!({ "source": { "url": url } }))).unwrap_err();
    let fields: Vec<&str> = mistakes.iter().map(|mistake| mistake.field.as_str()).collect();
    assert_eq!(fields, ["source.url.bootstrap", "source.url.profile"]);
}

#[test]
fn rejects_unknown_fields_and_two_sources_or_listeners() {
    for section in [
        with(json!({ "set_key_use": true })),
        with(json!({ "source": { "file": { "path": "x", "trust_domain": "a" }, "server-api": { "address": "x" } } })),
        with(json!({ "listen": { "plain": { "address": "x" }, "socket": { "path": "x" } } })),
        with(json!({ "listen": { "plain": { "address": "x", "adress": "x" } } })),
        acme("challenge_type", json!("dns-01")),
        acme("external_account", json!({ "key_id": "kid-1", "key": "c2VjcmV0" })),
    ] {
        assert!(serde_json::from_value::<DiscoveryConfig>(section.clone()).is_err(), "{section}");
    }
}
