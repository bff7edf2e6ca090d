//! One certificate that leads to a trust anchor, bent in one place.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use carnet_x509::{Authority, AuthorityProfile, LeafProfile};
use jiff::SignedDuration;
use proptest::prelude::*;

use super::*;

const PROVIDER: &str =
    "//iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/mesh/providers/spire";
const SPIFFE: &str = "spiffe://example.org/ns/shop/sa/cart";

pub(super) fn at(hours: i64) -> Timestamp {
    Timestamp::from_second(NOW).unwrap() + SignedDuration::from_hours(hours)
}

pub(super) fn root() -> Authority {
    Authority::root("root", Algorithm::Es256, at(-24), at(24 * 3650)).unwrap()
}

pub(super) fn below(authority: &Authority, name: &str) -> Authority {
    let profile = AuthorityProfile {
        subject: vec![("CN", name.to_owned())],
        uri: Vec::new(),
        path_length: None,
        not_before: at(-24),
        not_after: at(24 * 3650),
    };
    authority.subordinate(&profile, std::sync::Arc::new(key(None, Algorithm::Es256))).unwrap()
}

pub(super) fn pem(authority: &Authority) -> Pem {
    Pem { pem_certificate: authority.certificate_pem() }
}

/// A trust store of some authority.
pub(super) fn x509() -> X509 {
    X509 { trust_store: TrustStore { trust_anchors: vec![pem(&root())], intermediate_cas: Vec::new() } }
}

fn leaf() -> LeafProfile {
    LeafProfile {
        subject: vec![("CN", "cart".to_owned()), ("OU", "first".to_owned()), ("OU", "last".to_owned())],
        dns: vec!["cart.example.org".to_owned(), "other.example.org".to_owned()],
        ip: Vec::new(),
        uri: vec![SPIFFE.to_owned()],
        server: true,
        client: true,
        not_before: at(-1),
        not_after: at(1),
        key: Algorithm::Es256,
    }
}

struct Handshake {
    provider: Provider,
    /// DER, leaf first.
    chain: Vec<Vec<u8>>,
    shown: Option<Vec<u8>>,
    /// Applied to the token's text.
    bend: fn(String) -> String,
}

/// A leaf of an authority below the only anchor, which is sent along.
fn valid() -> Handshake {
    valid_leaf(&leaf())
}

fn valid_leaf(profile: &LeafProfile) -> Handshake {
    let root = root();
    let authority = below(&root, "authority");
    let leaf = authority.issue(profile).unwrap().certificate;
    let trust_store = TrustStore { trust_anchors: vec![pem(&root)], intermediate_cas: Vec::new() };
    Handshake {
        provider: Provider { x509: Some(X509 { trust_store }), ..Provider::default() },
        shown: Some(leaf.clone()),
        chain: vec![leaf, authority.certificate().to_vec()],
        bend: |token| token,
    }
}

impl Handshake {
    fn decide(&self) -> Decision {
        let chain: Vec<String> = self.chain.iter().map(|der| STANDARD.encode(der)).collect();
        let chain = Secret::new((self.bend)(json!(chain).to_string()));
        let provider = CheckedProvider::new("spire", self.provider.clone()).unwrap();
        let question = Question {
            audience: PROVIDER,
            subject: Subject::Certificate { chain: &chain, shown: self.shown.as_deref() },
            pool: Some(&Pool::default()),
            provider: Some(&provider),
            now: at(0),
        };
        evaluate(&question, Fetched::Nothing)
    }

    #[track_caller]
    fn refused(&self, clause: &str, seen: &str) {
        let decision = self.decide();
        let refusal = decision.refusal().unwrap_or_else(|| panic!("allowed {}", decision.grant().unwrap().principal));
        assert_eq!(refusal.clause, clause, "{refusal}");
        assert!(refusal.seen.contains(seen), "{refusal}");
    }

    #[track_caller]
    fn accepted(&self) -> carnet_trust::Grant {
        match self.decide() {
            Decision::Allow(grant) => grant,
            Decision::Refuse(refusal) => panic!("{refusal}"),
        }
    }

    fn mapped(mut self, source: &str) -> Self {
        self.provider.attribute_mapping = mapping(&[("google.subject", source)]);
        self
    }
}

#[test]
fn the_common_name_is_the_subject_by_default() {
    let grant = valid().accepted();
    assert_eq!(grant.attributes["google.subject"], "cart");
    assert_eq!(
        grant.held,
        [
            "request",
            "target",
            "certificate",
            "certificate-shown",
            "certificate-key",
            "certificate-chain",
            "certificate-lifetime",
            "mapping",
            "condition"
        ]
    );
}

#[test]
fn attributes_of_the_leaf_are_mapped() {
    for (source, expected) in [
        ("assertion.san.uri", SPIFFE),
        ("assertion.san.uri.extract('/sa/{account}')", "cart"),
        ("assertion.san.dns", "cart.example.org"),
        ("assertion.subject.dn.ou", "last"),
        ("assertion.issuer.dn.cn", "authority"),
    ] {
        assert_eq!(valid().mapped(source).accepted().attributes["google.subject"], expected, "{source}");
    }
    let shown = valid();
    let leaf = carnet_x509::Certificate::from_der(&shown.chain[0]).unwrap();
    let fingerprint = shown.mapped("assertion.sha256Fingerprint").accepted();
    assert_eq!(fingerprint.attributes["google.subject"], STANDARD.encode(leaf.sha256()));
    let serial = valid().mapped("assertion.serialNumberHex").accepted();
    let serial = &serial.attributes["google.subject"];
    assert!(
        !serial.starts_with("00") && serial.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')),
        "{serial}"
    );
}

#[test]
fn a_condition_reads_the_certificate() {
    let mut shown = valid();
    shown.provider.attribute_condition = format!("assertion.san.uri == '{SPIFFE}'");
    shown.accepted();
    shown.provider.attribute_condition = "assertion.san.uri == 'spiffe://example.org/other'".to_owned();
    shown.refused("condition", "false");
}

#[test]
fn rejects_certificates_without_the_mapped_attribute() {
    // An X.509-SVID has no common name.
    valid_leaf(&LeafProfile { subject: Vec::new(), ..leaf() }).refused("mapping", "google.subject");
    // Two of them are none: who would say which?
    let twice = vec![("CN", "cart".to_owned()), ("CN", "admin".to_owned())];
    valid_leaf(&LeafProfile { subject: twice, ..leaf() }).refused("mapping", "google.subject");
}

#[test]
fn intermediate_authorities_may_come_from_the_trust_store() {
    let mut shown = valid();
    let authority = shown.chain.pop().unwrap();
    shown.refused("certificate-chain", "no trusted root");
    let pem = Pem { pem_certificate: carnet_x509::der_to_pem(&authority) };
    shown.provider.x509.as_mut().unwrap().trust_store.intermediate_cas.push(pem);
    shown.accepted();
}

#[test]
fn rejects_what_is_no_chain() {
    for (bend, seen) in [
        ((|_| String::new()) as fn(String) -> String, "not a JSON array"),
        (|_| "{}".to_owned(), "not a JSON array"),
        (|_| "[1]".to_owned(), "not a JSON array"),
        (|_| "[]".to_owned(), "0 certificates"),
        (|_| json!(vec!["MAA="; 6]).to_string(), "6 certificates"),
        (|_| r#"["!"]"#.to_owned(), "certificate 0 is not base64"),
        (|_| r#"["MAA="]"#.to_owned(), "certificate 0:"),
        (|token| token.replace('=', ""), "base64"),
        (|token| format!("{token}{}", " ".repeat(300_000)), "longer"),
    ] {
        // A certificate whose length is no multiple of three, so that there is something to take away.
        let mut shown = Handshake { bend, ..valid() };
        shown.chain.push(vec![0]);
        shown.refused("certificate", seen);
    }
}

#[test]
fn rejects_a_leaf_that_was_not_shown() {
    Handshake { shown: None, ..valid() }.refused("certificate-shown", "no certificate in TLS");
    let other = valid().shown;
    Handshake { shown: other, ..valid() }.refused("certificate-shown", "another certificate in TLS");
    // Holding the key of the authority is not holding that of the leaf.
    let shown = valid();
    Handshake { shown: Some(shown.chain[1].clone()), ..shown }.refused("certificate-shown", "another certificate");
}

#[test]
fn rejects_other_authorities() {
    let mut shown = valid();
    // One of the same name with another key, and one of another name.
    shown.provider.x509 = Some(x509());
    shown.refused("certificate-chain", "signature");
    let other = Authority::root("other", Algorithm::Es256, at(-24), at(24)).unwrap();
    shown.provider.x509.as_mut().unwrap().trust_store.trust_anchors = vec![pem(&other)];
    shown.refused("certificate-chain", "no trusted root");
}

#[test]
fn rejects_leaf_for_servers_alone() {
    valid_leaf(&LeafProfile { client: false, ..leaf() }).refused("certificate-chain", "usage");
    // Without an extended key usage it is for everything, as in Google's own example.
    valid_leaf(&LeafProfile { client: false, server: false, ..leaf() }).accepted();
}

#[test]
fn rejects_dates_that_are_over_or_to_come() {
    let over = LeafProfile { not_before: at(-3), not_after: at(-1), ..leaf() };
    valid_leaf(&over).refused("certificate-dates", "expired");
    let to_come = LeafProfile { not_before: at(1), not_after: at(3), ..leaf() };
    valid_leaf(&to_come).refused("certificate-dates", "not valid before");
}

#[test]
fn rejects_leaf_for_more_than_390_days() {
    let days = |days: i64| LeafProfile { not_after: at(days * 24 - 1), ..leaf() };
    valid_leaf(&days(390)).accepted();
    valid_leaf(&days(391)).refused("certificate-lifetime", "391 days");
}

#[test]
fn rejects_keys_of_other_kinds() {
    for (algorithm, seen) in [(Algorithm::EdDsa, "Ed25519"), (Algorithm::Es512, "P-521")] {
        let root = root();
        let key = key(None, algorithm).public_key().unwrap();
        let leaf = root.issue_for_key(&leaf(), &key.to_spki()).unwrap();
        let mut shown = valid();
        shown.provider.x509.as_mut().unwrap().trust_store.trust_anchors = vec![pem(&root)];
        (shown.shown, shown.chain) = (Some(leaf.clone()), vec![leaf]);
        shown.refused("certificate-key", seen);
    }
    valid_leaf(&LeafProfile { key: Algorithm::Rs256, ..leaf() }).accepted();
    valid_leaf(&LeafProfile { key: Algorithm::Es384, ..leaf() }).accepted();
}

/// A chain of so many certificates, leaf and anchor included.
fn deep(depth: usize) -> Handshake {
    let mut authorities = vec![root()];
    while authorities.len() + 1 < depth {
        authorities.push(below(authorities.last().unwrap(), &format!("authority {}", authorities.len())));
    }
    let leaf = authorities.last().unwrap().issue(&leaf()).unwrap().certificate;
    let mut shown = valid();
    let trust_store = &mut shown.provider.x509.as_mut().unwrap().trust_store;
    trust_store.trust_anchors = vec![pem(&authorities[0])];
    trust_store.intermediate_cas = authorities[1..].iter().map(pem).collect();
    (shown.shown, shown.chain) = (Some(leaf.clone()), vec![leaf]);
    shown
}

#[test]
fn rejects_chains_of_more_than_five() {
    for depth in 2..=5 {
        deep(depth).accepted();
    }
    deep(6).refused("certificate-depth", "longer");
}

#[test]
fn the_nearest_anchor_counts() {
    let mut shown = deep(6);
    let trust_store = &mut shown.provider.x509.as_mut().unwrap().trust_store;
    let nearer = trust_store.intermediate_cas[0].clone();
    trust_store.trust_anchors.push(nearer);
    shown.accepted();
}

proptest! {
    #[test]
    fn any_chain_is_read(token in ".{0,100}", bytes in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..4)) {
        prop_assert!(parse_chain(&token).is_err());
        let encoded: Vec<String> = bytes.iter().map(|der| STANDARD.encode(der)).collect();
        drop(parse_chain(&json!(encoded).to_string()));
    }
}
