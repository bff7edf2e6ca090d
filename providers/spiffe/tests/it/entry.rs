use std::collections::BTreeSet;

use carnet_spiffe::Entry;
use serde_json::{Value, json};

use crate::support::{ID, now, object};

fn minimal() -> Value {
    json!({
        "id": "0198-pay",
        "spiffe_id": ID,
        "parent_id": "spiffe://example.org/carnet/agent/join-token/a",
        "selectors": ["unix:uid:1000"],
        "created_at": now().to_string(),
    })
}

fn entry() -> Entry {
    serde_json::from_value(minimal()).unwrap()
}

/// The fields of all mistakes after `bend`.
fn mistakes(bend: impl FnOnce(&mut Entry)) -> Vec<String> {
    let mut entry = entry();
    bend(&mut entry);
    entry.check().err().unwrap_or_default().into_iter().map(|mistake| mistake.field).collect()
}

#[test]
fn what_is_left_out_is_absent_and_stays_out() {
    let entry = entry();
    entry.check().unwrap();
    assert!(!entry.admin && !entry.downstream && !entry.include_jti && entry.x509_ttl.is_none());
    let mut expected = minimal();
    expected["revision"] = json!(0);
    assert_eq!(serde_json::to_value(&entry).unwrap(), expected);
}

#[test]
fn every_field_comes_back() {
    let mut full = minimal();
    for (name, value) in [
        ("x509_ttl", json!(3600)),
        ("jwt_ttl", json!(300)),
        ("federates_with", json!(["other.example"])),
        ("dns_names", json!(["api.example.org"])),
        ("hint", json!("internal")),
        ("admin", json!(true)),
        ("downstream", json!(true)),
        ("expires_at", json!("2026-12-01T00:00:00Z")),
        ("jwt_claims", json!({ "team": "pay" })),
        ("include_jti", json!(true)),
        ("revision", json!(9)),
    ] {
        full[name] = value;
    }
    let entry: Entry = serde_json::from_value(full.clone()).unwrap();
    entry.check().unwrap();
    assert_eq!(serde_json::to_value(&entry).unwrap(), full);
}

#[test]
fn rejects_unknown_fields_and_fields_that_are_missing() {
    let mut unknown = minimal();
    unknown["selector"] = json!([]);
    assert!(serde_json::from_value::<Entry>(unknown).is_err());
    for name in ["id", "spiffe_id", "parent_id", "selectors", "created_at"] {
        let mut missing = object(&minimal());
        missing.remove(name);
        assert!(serde_json::from_value::<Entry>(Value::Object(missing)).is_err(), "{name}");
    }
}

#[test]
fn rejects_ids_that_do_not_belong_together() {
    let id = |text: &str| text.parse().unwrap();
    assert_eq!(mistakes(|entry| entry.spiffe_id = id("spiffe://example.org")), ["spiffe_id"]);
    assert_eq!(mistakes(|entry| entry.spiffe_id = id("spiffe://example.org/carnet/agent/x")), ["spiffe_id"]);
    assert_eq!(mistakes(|entry| entry.spiffe_id = id("spiffe://example.org/spire/server")), ["spiffe_id"]);
    assert_eq!(mistakes(|entry| entry.spiffe_id = id("spiffe://example.org/carnets")), Vec::<String>::new());
    assert_eq!(mistakes(|entry| entry.parent_id = id("spiffe://other.example/a")), ["parent_id"]);
    assert_eq!(mistakes(|entry| entry.parent_id = id("spiffe://example.org")), ["parent_id"]);
    for key in ["", "a b", "a/b", &"a".repeat(256)] {
        assert_eq!(mistakes(|entry| entry.id = key.to_owned()), ["id"], "{key}");
    }
}

#[test]
fn rejects_no_selectors_and_too_many() {
    assert_eq!(mistakes(|entry| entry.selectors.clear()), ["selectors"]);
    let many: BTreeSet<_> = (0..65).map(|uid| format!("unix:uid:{uid}").parse().unwrap()).collect();
    assert_eq!(mistakes(|entry| entry.selectors = many), ["selectors"]);
}

#[test]
fn rejects_lives_of_nothing_and_of_ages() {
    assert_eq!(mistakes(|entry| entry.x509_ttl = Some(0)), ["x509_ttl"]);
    assert_eq!(mistakes(|entry| entry.jwt_ttl = Some(u32::MAX)), ["jwt_ttl"]);
}

#[test]
fn rejects_names_that_are_no_dns_names() {
    let long = format!("{}.example", "a".repeat(64));
    for name in ["", "*.example", "Api.example", "a..b", "-a.example", "a_b.example", "a.example.", &long] {
        assert_eq!(mistakes(|entry| entry.dns_names = vec![name.to_owned()]), ["dns_names[0]"], "{name}");
    }
    assert_eq!(mistakes(|entry| entry.dns_names = vec!["a.example".to_owned(); 65]), ["dns_names"]);
}

#[test]
fn rejects_its_own_domain_among_the_federated_ones() {
    let own = BTreeSet::from(["example.org".parse().unwrap()]);
    assert_eq!(mistakes(|entry| entry.federates_with = own), ["federates_with"]);
}

#[test]
fn rejects_hints_that_are_too_long_or_not_one_line() {
    assert_eq!(mistakes(|entry| entry.hint = "a".repeat(1025)), ["hint"]);
    assert_eq!(mistakes(|entry| entry.hint = "a\nb".to_owned()), ["hint"]);
}

#[test]
fn rejects_claims_that_the_authority_sets() {
    for claim in ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "act", "client_id", "scope", "cnf", "amr"] {
        let field = format!("jwt_claims.{claim}");
        assert_eq!(mistakes(|entry| drop(entry.jwt_claims.insert(claim.to_owned(), json!(1)))), [field]);
    }
    let long = json!("a".repeat(5000));
    assert_eq!(mistakes(|entry| drop(entry.jwt_claims.insert("a".to_owned(), long))), ["jwt_claims"]);
}

#[test]
fn all_mistakes_are_told_at_once() {
    let fields = mistakes(|entry| {
        entry.id.clear();
        entry.selectors.clear();
        entry.x509_ttl = Some(0);
    });
    assert_eq!(fields, ["id", "selectors", "x509_ttl"]);
}
