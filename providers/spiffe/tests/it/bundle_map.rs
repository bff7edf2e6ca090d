use carnet_jose::Algorithm;
use carnet_spiffe::{BundleMap, TrustDomain};
use proptest::prelude::*;
use serde_json::json;

use crate::support::{Domain, bundles, domain};

#[test]
fn what_is_written_is_read_again() {
    let map = bundles(&[&domain(), &Domain::new("other.example", Algorithm::Es384)]);
    let document = map.to_json().unwrap();
    let again = BundleMap::parse(document.to_string().as_bytes()).unwrap();
    assert_eq!(again.to_json().unwrap(), document);
    assert_eq!(again.0.keys().map(TrustDomain::as_str).collect::<Vec<_>>(), ["example.org", "other.example"]);
    let own = again.get(&"example.org".parse().unwrap()).unwrap();
    assert_eq!((own.trust_domain.as_str(), own.sequence), ("example.org", Some(7)));
}

#[test]
fn a_bundle_is_kept_under_its_own_domain() {
    let mut map = BundleMap::default();
    let domain = domain();
    assert!(map.insert(domain.bundle()).is_none());
    assert_eq!(map.insert(domain.bundle()).unwrap().trust_domain, domain.name);
    assert_eq!(map.0.len(), 1);
}

#[test]
fn rejects_maps_that_are_no_bundle_maps() {
    for (json, part) in [
        ("{}", "missing field"),
        (r#"{"trust_domains":[]}"#, "bundles by the names"),
        (r#"{"trust_domains":{"A":{"keys":[]}}}"#, "the trust domain holds 'A'"),
        (r#"{"trust_domains":{"a":{}}}"#, "missing field"),
        (r#"{"trust_domains":{"a":{"keys":[]},"a":{"keys":[]}}}"#, "the trust domain a occurs twice"),
        (r#"{"trust_domains":{"a":{"keys":[{"use":"jwt-svid"}]}}}"#, "a: keys[0]: member \"kty\" is missing"),
    ] {
        let error = BundleMap::parse(json.as_bytes()).unwrap_err().0;
        assert!(error.contains(part), "{json}: {error}");
    }
}

#[test]
fn rejects_too_many_domains() {
    let domains: serde_json::Map<_, _> =
        (0..=BundleMap::MAX_DOMAINS).map(|at| (format!("d{at}"), json!({ "keys": [] }))).collect();
    let error = BundleMap::parse(json!({ "trust_domains": domains }).to_string().as_bytes()).unwrap_err().0;
    assert!(error.contains("more than 1000 trust domains"), "{error}");
}

proptest! {
    #[test]
    fn reading_never_panics(json in any::<Vec<u8>>()) {
        drop(BundleMap::parse(&json));
    }
}
