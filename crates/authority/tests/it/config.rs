//! The section `[authority]`: what is read, and one test for each mistake.

use carnet_authority::{AuthorityConfig, Seal, Settings};
use carnet_core::{Mistake, SectionConfig as _};
use carnet_discovery::{
    CertificatePlan, EndpointProfile,
    acme::{AcmeChallenge, AcmeSettings},
};
use serde_json::{Value, json};

fn good() -> Value {
    json!({ "issuer": "https://oidc.example.org", "trust_domain": "example.org" })
}

fn with(member: &str, value: Value) -> Value {
    let mut config = good();
    config[member] = value;
    config
}

fn check(config: Value) -> Result<Settings, Vec<Mistake>> {
    serde_json::from_value::<AuthorityConfig>(config).unwrap().check()
}

/// The one mistake there is.
fn mistake(config: Value) -> (String, String) {
    let mistakes = check(config).unwrap_err();
    assert_eq!(mistakes.len(), 1, "{mistakes:?}");
    let Mistake { field, message, .. } = mistakes.into_iter().next().unwrap();
    (field, message)
}

#[test]
fn accepts_an_issuer_and_a_trust_domain_alone() {
    let settings = check(good()).unwrap();
    assert_eq!(settings.store.url, "sqlite:/var/lib/carnet/authority.db");
    assert!(settings.listen.public.ip().is_loopback());
    assert!(settings.listen.nodes.is_none() && settings.listen.diagnostics.is_none());
    assert!(matches!(settings.keys.seal, Seal::KeyFile(_)));
    assert!(settings.attest.join_token);
}

#[test]
fn rejects_issuers_that_relying_parties_do_not_compare_alike() {
    for (issuer, wanted) in [
        ("http://oidc.example.org", "it is not an https URL"),
        ("https://oidc.example.org/", "it ends with a slash"),
        ("https://oidc.example.org?x=1", "it has a query, a fragment or a user"),
        ("https://me@oidc.example.org", "it has a query, a fragment or a user"),
        ("https://OIDC.example.org", "it is not in its plain form"),
        ("https://oidc.example.org:443", "it is not in its plain form"),
        ("oidc.example.org", "it is not a URL"),
    ] {
        assert_eq!(mistake(with("issuer", json!(issuer))), ("issuer".to_owned(), wanted.to_owned()), "{issuer}");
    }
    assert!(check(with("issuer", json!("http://127.0.0.1:8080"))).is_ok(), "loopback is for trying out");
    assert!(check(with("issuer", json!("https://oidc.example.org/tenant/a"))).is_ok());
}

#[test]
fn rejects_a_name_that_is_no_trust_domain() {
    assert_eq!(mistake(with("trust_domain", json!("Example.org"))).0, "trust_domain");
}

#[test]
fn rejects_stores_that_are_none_and_passwords_in_addresses() {
    for (store, field) in [
        (json!({ "url": "mysql://x" }), "store.url"),
        (json!({ "url": "sqlite:" }), "store.url"),
        (json!({ "url": "postgres://carnet:secret@db/carnet" }), "store.url"),
        (json!({ "url": "sqlite:/x.db", "password_file": "/p" }), "store.password_file"),
        (json!({ "queue": 0 }), "store.queue"),
    ] {
        let (seen, message) = mistake(with("store", store));
        assert_eq!(seen, field);
        assert!(!message.contains("secret"));
    }
}

#[test]
fn rejects_keys_that_cannot_be_made_or_scheduled() {
    for (keys, field) in [
        (json!({ "algorithms": ["HS256"] }), "keys.algorithms"),
        (json!({ "algorithms": ["none"] }), "keys.algorithms.0"),
        (json!({ "x509_algorithm": "EdDSA" }), "keys.x509_algorithm"),
        (json!({ "lifetime_seconds": 60 }), "keys.lifetime_seconds"),
        (json!({ "propagation_seconds": 86_400 }), "keys.propagation_seconds"),
        (json!({ "seal": { "key_file": "/a", "passphrase_file": "/b" } }), "keys.seal"),
    ] {
        let mistakes = check(with("keys", keys)).unwrap_err();
        assert!(mistakes.iter().any(|mistake| mistake.field.starts_with(field)), "{field}: {mistakes:?}");
    }
}

#[test]
fn rejects_tokens_that_cross_the_network_without_tls() {
    let listen = |more: Value| {
        let mut listen = json!({ "public": "0.0.0.0:8080" });
        listen.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        with("listen", listen)
    };
    assert_eq!(mistake(listen(json!({}))).0, "listen.public");
    assert!(check(listen(json!({ "behind_proxy": true }))).is_ok());
    assert!(check(listen(json!({ "tls": { "certificate": "/c", "key": "/k" } }))).is_ok());
    let acme = json!({ "domains": ["oidc.example.org"], "email": "ops@example.org", "tos_accepted": true });
    assert!(check(listen(json!({ "acme": acme }))).is_ok());
}

#[test]
fn rejects_acme_without_agreement_names_or_https_and_two_certificates() {
    let acme = json!({ "domains": ["oidc.example.org"], "email": "ops@example.org", "tos_accepted": true });
    for (member, value, field) in [
        ("tos_accepted", json!(false), "listen.acme.tos_accepted"),
        ("domains", json!([]), "listen.acme.domains"),
        ("domains", json!(["oidc.example.org", "https://x/"]), "listen.acme.domains"),
        ("domains", json!(["*.example.org"]), "listen.acme.domains"),
        ("email", json!("ops"), "listen.acme.email"),
        ("directory_url", json!("http://acme.example"), "listen.acme.directory_url"),
        ("challenge", json!("80"), "listen.acme.challenge"),
    ] {
        let mut bent = acme.clone();
        bent[member] = value;
        assert_eq!(mistake(with("listen", json!({ "acme": bent }))).0, field);
    }
    let both = json!({ "acme": acme, "tls": { "certificate": "/c", "key": "/k" } });
    assert_eq!(mistake(with("listen", both)).0, "listen.acme");
}

#[test]
fn names_are_proved_by_http_unless_the_handshake_is_chosen() {
    let proved_by = |more: Value| {
        let mut acme = json!({ "domains": ["oidc.example.org"], "email": "ops@example.org", "tos_accepted": true });
        acme.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        check(with("listen", json!({ "acme": acme })))
    };
    let acme = |more: Value| -> AcmeSettings {
        match proved_by(more).unwrap().listen.certificate {
            Some(CertificatePlan::Acme(acme)) => acme,
            other => panic!("{other:?}"),
        }
    };
    let written = json!({ "domains": ["OIDC.Example.ORG", "bücher.example"] });
    assert_eq!(acme(written).domains, ["oidc.example.org", "xn--bcher-kva.example"]);
    assert_eq!(acme(json!({})).challenge, AcmeChallenge::Http01("0.0.0.0:80".parse().unwrap()));
    assert_eq!(acme(json!({ "challenge_type": "tls-alpn-01" })).challenge, AcmeChallenge::TlsAlpn01);
    let external = json!({ "external_account": { "key_id": "kid-1", "key_file": "/etc/carnet/eab.key" } });
    assert_eq!(acme(external).external_account.unwrap().key_id, "kid-1");
    for (more, field) in [
        (json!({ "challenge_type": "tls-alpn-01", "challenge": "0.0.0.0:80" }), "listen.acme.challenge"),
        (json!({ "external_account": { "key_id": "", "key_file": "/k" } }), "listen.acme.external_account.key_id"),
    ] {
        let mistakes = proved_by(more).unwrap_err();
        assert_eq!(mistakes.iter().map(|mistake| mistake.field.as_str()).collect::<Vec<_>>(), [field]);
    }
}

#[test]
fn rejects_proxies_that_are_no_addresses_or_networks() {
    let listen = |proxies: Value| with("listen", json!({ "trusted_proxies": proxies }));
    let settings = check(listen(json!(["10.0.0.0/8", "192.0.2.7", "2001:db8::/48", "::1"]))).unwrap();
    assert_eq!(settings.listen.trusted_proxies.networks.len(), 4);
    for wrong in ["proxy.example.org", "10.0.0.0/33", "10.0.0.1:80", "*", "", "unix", "0.0.0.0/0", "10.1.2.3/8"] {
        assert_eq!(mistake(listen(json!(["10.0.0.0/8", wrong]))).0, "listen.trusted_proxies", "{wrong}");
    }
}

#[test]
fn rejects_administrators_that_could_not_come_in() {
    let ids = json!({ "admin_ids": ["spiffe://example.org/ops"] });
    assert_eq!(mistake(with("listen", ids)).0, "listen.admin_ids");
    let wrong = json!({ "admin_ids": ["example.org/ops"], "nodes": "127.0.0.1:0" });
    assert_eq!(mistake(with("listen", wrong)).0, "listen.admin_ids.0");
}

#[test]
fn reads_foreign_trust_domains_and_refuses_those_that_nobody_could_believe() {
    let foreign = |value: Value| with("federates_with", value);
    let settings = check(foreign(json!({ "b.example": { "url": "https://b.example/bundle" } }))).unwrap();
    assert_eq!(settings.federation[0].relationship.profile, EndpointProfile::HttpsWeb);
    assert_eq!(settings.federation[0].max_age, None);
    let bounded = foreign(json!({ "b.example": { "url": "https://b.example/bundle", "max_age": 300 } }));
    assert_eq!(check(bounded).unwrap().federation[0].max_age, Some(300));
    for (value, field) in [
        (json!({ "b.example": { "url": "http://b.example" } }), "federates_with.b.example.url"),
        (json!({ "b.example": { "url": "https://b.example", "max_age": 0 } }), "federates_with.b.example.max_age"),
        (json!({ "B": { "url": "https://b.example" } }), "federates_with.B"),
        (json!({ "example.org": { "url": "https://b.example" } }), "federates_with.example.org"),
        (
            json!({ "b.example": { "url": "https://b.example", "endpoint_id": "spiffe://b.example/x" } }),
            "federates_with.b.example.bundle_file",
        ),
    ] {
        assert_eq!(mistake(foreign(value)).0, field);
    }
}

#[test]
fn reads_clusters_and_refuses_those_that_rules_could_not_tell_apart() {
    let cluster = |value: Value| with("cluster", value);
    let usual = "https://kubernetes.default.svc.cluster.local";
    let settings = check(cluster(json!({ "own": { "issuer": usual } }))).unwrap();
    assert!(settings.clusters["own"].token_review, "revoked pods are refused unless somebody says otherwise");
    let two = |other: &str| cluster(json!({ "own": { "issuer": usual }, "prod": { "issuer": other } }));
    assert!(check(two("https://prod.example")).is_ok());
    let api = json!({ "url": "http://10.0.0.1", "token_file": "/t" });
    for (config, field) in [
        (two(usual), "cluster.prod.issuer"),
        (two("https://oidc.example.org"), "cluster.prod.issuer"),
        (two(""), "cluster.prod.issuer"),
        (cluster(json!({ "own": { "issuer": usual, "service_accounts": ["*:*"] } })), "cluster.own.service_accounts"),
        (cluster(json!({ "own": { "issuer": usual, "max_age": 0 } })), "cluster.own.max_age"),
        (cluster(json!({ "own": { "issuer": usual, "keys": { "url": "http://a.example" } } })), "cluster.own.keys"),
        (cluster(json!({ "own": { "issuer": usual, "api": api } })), "cluster.own.api.url"),
    ] {
        assert_eq!(mistake(config).0, field);
    }
}

#[test]
fn rejects_a_collector_that_is_none() {
    assert_eq!(mistake(with("telemetry", json!({ "endpoint": "collector:4318" }))).0, "telemetry.endpoint");
    let much = json!({ "endpoint": "http://127.0.0.1:4318/v1/traces", "percent": 101 });
    assert_eq!(mistake(with("telemetry", much)).0, "telemetry.percent");
}

#[test]
fn tells_all_mistakes_at_once() {
    let mut config = with("trust_domain", json!("A"));
    config["issuer"] = json!("x");
    config["store"] = json!({ "url": "x" });
    let fields: Vec<String> = check(config).unwrap_err().into_iter().map(|mistake| mistake.field).collect();
    assert_eq!(fields, ["issuer", "trust_domain", "store.url"]);
}

#[test]
fn rejects_unknown_fields() {
    let error = serde_json::from_value::<AuthorityConfig>(with("isuer", json!(1))).unwrap_err();
    assert!(error.to_string().contains("unknown field `isuer`"), "{error}");
}

#[test]
fn rejects_node_attestation_that_would_allow_nobody() {
    let mistakes = check(with("attest", json!({ "oci": { "roots": {}, "tenancies": [] } }))).unwrap_err();
    let fields: Vec<&str> = mistakes.iter().map(|mistake| mistake.field.as_str()).collect();
    assert_eq!(fields, ["attest.oci.tenancies", "attest.oci.roots"]);
}

#[test]
fn accepts_a_bound_for_published_keys_and_rejects_one_that_is_none() {
    assert_eq!(check(with("keys", json!({ "max_published": 20 }))).unwrap().keys.settings.max_published, 20);
    for bound in [5, 101] {
        assert_eq!(mistake(with("keys", json!({ "max_published": bound }))).0, "keys.max_published", "{bound}");
    }
}
