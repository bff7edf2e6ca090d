//! What the provider maps a token to, and the condition that it must meet.

use super::*;

#[test]
fn rejects_missing_mapped_claim() {
    let refusal = Case::valid().without("repository").refused("mapping");
    assert_eq!(refusal.code, "invalid_grant");
}

#[test]
fn rejects_mapped_values_of_a_wrong_type() {
    for (key, source) in [
        ("google.subject", "assertion.sub == 'x'"),
        ("google.subject", "assertion.teams"),
        ("google.groups", "assertion.sub"),
        ("google.groups", "[1]"),
        ("attribute.repository", "assertion.exp"),
    ] {
        let change = |provider: &mut Provider| {
            provider.attribute_mapping.insert(key.to_owned(), source.to_owned());
        };
        assert_eq!(Case::valid().with_provider(change).refused("mapping-type").code, "unauthorized_client");
    }
}

#[test]
fn rejects_subject_over_127_bytes() {
    assert!(Case::valid().claim("sub", json!("é".repeat(63))).decide().grant().is_some());
    assert_eq!(Case::valid().claim("sub", json!("é".repeat(64))).refused("mapping-size").code, "invalid_request");
}

#[test]
fn rejects_mapped_attributes_over_8_kilobytes() {
    Case::valid().claim("repository", json!("x".repeat(8 * 1024))).refused("mapping-size");
}

#[test]
fn rejects_when_the_condition_does_not_hold() {
    let refusal = Case::valid().claim("repository_owner_id", json!("1")).refused("condition");
    assert_eq!((refusal.code.as_str(), refusal.seen.as_str()), ("unauthorized_client", "false"));
    // A claim that the condition reads and the token lacks, and a condition that is no truth value.
    Case::valid().without("repository_owner_id").refused("condition");
    let text = |provider: &mut Provider| provider.attribute_condition = "assertion.sub".to_owned();
    Case::valid().with_provider(text).refused("condition");
}

#[test]
fn conditions_read_what_was_mapped() {
    for (condition, allowed) in [
        ("google.subject.startsWith('repo:carnet-sandbox/')", true),
        ("'ops' in google.groups && attribute.repository == 'carnet-sandbox/app'", true),
        ("'dev' in google.groups", false),
    ] {
        let change = |provider: &mut Provider| provider.attribute_condition = condition.to_owned();
        assert_eq!(Case::valid().with_provider(change).decide().grant().is_some(), allowed, "{condition}");
    }
}
