//! What writes of configuration and roles refuse.

use super::*;

fn config(fields: Value) -> Result<CheckedConfig, String> {
    CheckedConfig::new(serde_json::from_value(fields).unwrap()).map_err(|mistake| mistake.message)
}

#[track_caller]
fn role(name: &str, value: Value) -> String {
    let role = Case::valid().role(name, value).role;
    CheckedRole::new("app", serde_json::from_value(role).unwrap()).unwrap_err().message
}

#[test]
fn exactly_one_source_of_keys() {
    for fields in [
        json!({}),
        json!({ "jwks_url": "https://a", "oidc_discovery_url": "https://a" }),
        json!({ "jwks_url": "https://a", "provider_config": { "provider": "kubernetes" } }),
    ] {
        assert!(config(fields).unwrap_err().starts_with("exactly one of 'jwt_validation_pubkeys'"));
    }
    assert!(
        matches!(config(json!({ "jwks_url": "https://a" })).unwrap().keys(), KeyOrigin::Sets(sets) if sets.len() == 1)
    );
    let cluster = config(json!({ "provider_config": { "provider": "kubernetes" }, "bound_issuer": "x" })).unwrap();
    assert!(matches!(cluster.keys(), KeyOrigin::Kubernetes) && cluster.issuer().is_none());
}

#[test]
fn several_sets_exclude_issuer_and_common_roots() {
    let pairs = json!([{ "jwks_url": "https://a" }, { "jwks_url": "https://b" }]);
    config(json!({ "jwks_pairs": pairs })).unwrap();
    let error = config(json!({ "jwks_pairs": pairs, "bound_issuer": "x" })).unwrap_err();
    assert_eq!(error, "Bound issuer is not supported for use with 'jwks_pairs'");
    let error = config(json!({ "jwks_pairs": pairs, "jwks_ca_pem": "x" })).unwrap_err();
    assert!(error.starts_with("CA PEMs must be provided as part of"));
}

#[test]
fn rejects_roots_that_are_no_certificates() {
    let no_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for pem in ["junk", no_certificate] {
        for (fields, text) in [
            (json!({ "jwks_url": "https://a", "jwks_ca_pem": pem }), "error checking jwks_ca_pem"),
            (json!({ "jwks_pairs": [{ "jwks_url": "https://a", "jwks_ca_pem": pem }] }), "error checking jwks_ca_pem"),
            (
                json!({ "oidc_discovery_url": ISSUER, "oidc_discovery_ca_pem": pem }),
                "error checking oidc discovery URL: could not parse CA PEM",
            ),
        ] {
            let error = config(fields.clone()).unwrap_err();
            assert!(error.starts_with(text), "{fields}: {error}");
        }
    }
}

#[test]
fn rejects_half_a_browser_login() {
    let discovery = |more: Value| {
        let mut fields = json!({ "oidc_discovery_url": ISSUER });
        fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        config(fields)
    };
    assert!(discovery(json!({ "oidc_client_id": "x" })).unwrap_err().starts_with("both 'oidc_client_id'"));
    discovery(json!({ "oidc_client_id": "x", "oidc_client_secret": "y" })).unwrap();
    let error =
        config(json!({ "jwks_url": "https://a", "oidc_client_id": "x", "oidc_client_secret": "y" })).unwrap_err();
    assert_eq!(error, "'oidc_discovery_url' must be set for OIDC");
    let error = discovery(json!({ "oidc_response_types": ["id_token"] })).unwrap_err();
    assert!(error.starts_with("query response_mode may not be used"));
    assert_eq!(discovery(json!({ "oidc_response_mode": "x" })).unwrap_err(), "invalid response_mode");
}

#[test]
fn rejects_document_address_algorithm_provider_and_key() {
    let error = config(json!({ "oidc_discovery_url": "https://a/.well-known/openid-configuration" })).unwrap_err();
    assert_eq!(error, "error checking oidc discovery URL");
    let error = config(json!({ "jwks_url": "https://a", "jwt_supported_algs": "HS256" })).unwrap_err();
    assert!(error.starts_with("invalid jwt_supported_algs: "));
    let error = config(json!({ "jwks_url": "https://a", "provider_config": { "provider": "x" } })).unwrap_err();
    assert!(error.starts_with("invalid provider_config: "));
    for pem in ["x", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"] {
        let error = config(json!({ "jwt_validation_pubkeys": [pem] })).unwrap_err();
        assert!(error.starts_with("error parsing public key: "), "{error}");
    }
}

#[test]
fn keys_in_the_configuration_verify() {
    let mut case = Case::valid();
    let pem = case.signer.public_pem().unwrap();
    case.config = json!({ "jwt_validation_pubkeys": [pem], "bound_issuer": ISSUER, "jwt_supported_algs": "ES256" });
    case.keys = None;
    case.allowed();
    case.signer = key("k1");
    assert!(case.refused("signature").code.ends_with("no known key successfully validated the token signature"));
}

#[test]
fn sets_of_pairs_are_told_apart_by_key_id() {
    for pairs in
        [json!([{ "jwks_url": "https://a" }, { "jwks_url": "https://b" }]), json!([{ "jwks_url": "https://a" }])]
    {
        let mut case = Case::valid();
        case.config = json!({ "jwks_pairs": pairs });
        case.allowed();
        case.keys = Some(public(&key("k2")));
        assert!(case.refused("key").code.ends_with("in any JWKS endpoint"), "{pairs}");
    }
}

#[test]
fn rejects_roles_as_the_product_does() {
    for (field, value, text) in [
        ("role_type", json!("x"), "invalid 'role_type': x"),
        ("role_type", json!("oidc"), "'allowed_redirect_uris' must be set if 'role_type' is 'oidc' or unspecified."),
        ("bound_claims_type", json!("regex"), "invalid 'bound_claims_type': regex"),
        ("user_claim", json!(""), "a user claim must be defined on the role"),
        ("token_ttl", json!(-1), "'token_ttl' cannot be negative"),
        ("token_max_ttl", json!(60), "'token_ttl' cannot be greater than 'token_max_ttl'"),
        (
            "claim_mappings",
            json!({ "a": "role" }),
            "metadata key \"role\" is reserved and may not be a mapping destination",
        ),
        ("claim_mappings", json!({ "a": "x", "b": "x" }), "multiple keys are mapped to metadata key \"x\""),
        ("token_bound_cidrs", json!(["x"]), "invalid CIDR: x"),
        ("token_type", json!("default-service"), "invalid 'token_type' value \"default-service\""),
        ("token_policies", json!("Root"), "auth methods cannot create root tokens"),
    ] {
        assert_eq!(role(field, value), text);
    }
    assert!(role("token_period", json!("769h")).starts_with("'token_period' of "));
}

#[test]
fn rejects_pattern_that_is_no_text_batch_with_period_and_two_ways_to_bind_addresses() {
    let refused = |case: Case| CheckedRole::new("app", serde_json::from_value(case.role).unwrap()).unwrap_err().message;
    let glob = |bound: Value| Case::valid().role("bound_claims_type", json!("glob")).role("bound_claims", bound);
    assert_eq!(refused(glob(json!({ "n": ["a*", 1] }))), "claim is not a string: 1");
    assert_eq!(refused(glob(json!({ "n": { "a": 1 } }))), "claim is not a string or list: map[a:1]");
    for (bound, shown) in [(json!({ "a": 1_000_000 }), "map[a:1000000]"), (json!([[1, "b"]]), "[1 b]")] {
        let bound = Case::valid().role("bound_claims", json!({ "n": bound }));
        assert_eq!(refused(bound), format!("bound claim is not a string, bool, int or list: {shown}"));
    }
    let batch = Case::valid().role("token_type", json!("batch")).role("token_num_uses", json!(1));
    assert!(refused(batch).starts_with("'token_type' cannot be 'batch'"));
    let twice = Case::valid().role("token_strictly_bind_ip", json!(true)).role("token_bound_cidrs", json!(["::1"]));
    assert!(refused(twice).ends_with("are mutually exclusive"));
}

#[test]
fn rejects_role_without_any_bound_and_odd_names() {
    let bare = json!({ "role_type": "jwt", "user_claim": "sub" });
    let bare: Role = serde_json::from_value(bare).unwrap();
    assert!(CheckedRole::new("app", bare).unwrap_err().message.starts_with("must have at least one bound constraint"));
    for name in ["", "-a", "a.", "a b", "a/b"] {
        let role = serde_json::from_value(Case::valid().role).unwrap();
        assert_eq!(CheckedRole::new(name, role).unwrap_err().field, "name", "{name}");
    }
}

#[test]
fn the_life_of_a_token_is_within_every_bound() {
    for (fields, seconds) in [
        (json!({ "token_ttl": "1h" }), 3_600),
        (json!({ "token_ttl": 0 }), 2_764_800),
        (json!({ "token_ttl": 0, "token_max_ttl": "2h" }), 7_200),
        (json!({ "token_ttl": "1h", "token_explicit_max_ttl": "10m" }), 600),
        (json!({ "token_period": "30m", "token_ttl": "1h" }), 1_800),
        (json!({ "token_ttl": "2000h" }), 2_764_800),
    ] {
        let mut case = Case::valid();
        case.role.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let role = CheckedRole::new("app", serde_json::from_value(case.role).unwrap()).unwrap();
        assert_eq!(role.lifetime().as_secs(), seconds, "{fields}");
    }
}

#[test]
fn old_names_of_token_fields_are_read() {
    let role: Role = serde_json::from_value(json!({ "policies": "a,b", "ttl": "1h", "num_uses": 3 })).unwrap();
    assert_eq!((role.token.token_policies.len(), role.token.token_ttl, role.token.token_num_uses), (2, 3_600, 3));
}
