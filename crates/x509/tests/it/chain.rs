use std::sync::Arc;

use carnet_jose::{Algorithm, SigningKey};
use carnet_x509::{Authority, AuthorityProfile, ChainUsage, LeafProfile, X509Error, verify_chain, verify_chain_for};

use crate::support::{authority_profile, hours, intermediate, message, now, profile, root};

struct Chain {
    root: Authority,
    intermediate: Authority,
}

fn chain() -> Chain {
    let root = root(Algorithm::Es256);
    let intermediate = intermediate(&root);
    Chain { root, intermediate }
}

impl Chain {
    fn issue(&self, profile: &LeafProfile) -> Vec<u8> {
        self.intermediate.issue(profile).unwrap().certificate
    }

    fn verify(&self, usage: ChainUsage, leaf: &[u8], at: i64) -> Result<(), X509Error> {
        let (intermediates, roots) = (self.intermediate.certificate().to_vec(), self.root.certificate().to_vec());
        verify_chain_for(usage, leaf, &[intermediates], &[roots], hours(at))
    }
}

#[test]
fn accepts_a_leaf_through_an_intermediate() {
    for key in [Algorithm::Es256, Algorithm::Es384, Algorithm::Rs256] {
        let root = root(key);
        let intermediate = root.intermediate("Intermediate", key, hours(-24), hours(24)).unwrap();
        let leaf = intermediate.issue(&LeafProfile { key, ..profile() }).unwrap().certificate;
        let roots = [root.certificate().to_vec()];
        verify_chain(&leaf, &[intermediate.certificate().to_vec()], &roots, now()).unwrap();
    }
}

#[test]
fn rejects_an_expired_leaf() {
    let chain = chain();
    let refused = message(chain.verify(ChainUsage::Client, &chain.issue(&profile()), 2));
    assert_eq!(refused, format!("the certificate expired at {}, and now it is {}", hours(1), hours(2)));
}

#[test]
fn rejects_a_leaf_that_is_not_yet_valid() {
    let chain = chain();
    let refused = message(chain.verify(ChainUsage::Client, &chain.issue(&profile()), -2));
    assert_eq!(refused, format!("the certificate is not valid before {}, and now it is only {}", hours(-1), hours(-2)));
}

#[test]
fn rejects_an_expired_intermediate() {
    let root = root(Algorithm::Es256);
    let intermediate = root.intermediate("Intermediate", Algorithm::Es256, hours(-24), hours(-2)).unwrap();
    let leaf = intermediate.issue(&profile()).unwrap().certificate;
    let roots = [root.certificate().to_vec()];
    let refused = message(verify_chain(&leaf, &[intermediate.certificate().to_vec()], &roots, now()));
    assert!(refused.contains("expired"), "{refused}");
}

#[test]
fn rejects_an_expired_root() {
    let root = Authority::root("Root", Algorithm::Es256, hours(-24), hours(-2)).unwrap();
    let leaf = root.issue(&profile()).unwrap().certificate;
    let refused = message(verify_chain(&leaf, &[], &[root.certificate().to_vec()], now()));
    assert!(refused.starts_with("no trusted root is valid now"), "{refused}");
}

#[test]
fn rejects_another_root_of_the_same_name() {
    let chain = chain();
    let stranger = root(Algorithm::Es256);
    let intermediates = [chain.intermediate.certificate().to_vec()];
    let refused =
        message(verify_chain(&chain.issue(&profile()), &intermediates, &[stranger.certificate().to_vec()], now()));
    assert_eq!(refused, "the signature of a certificate does not verify");
}

#[test]
fn rejects_another_root_of_another_name() {
    let chain = chain();
    let stranger = Authority::root("Other", Algorithm::Es256, hours(-24), hours(24)).unwrap();
    let intermediates = [chain.intermediate.certificate().to_vec()];
    let refused =
        message(verify_chain(&chain.issue(&profile()), &intermediates, &[stranger.certificate().to_vec()], now()));
    assert_eq!(refused, "the certificate leads to no trusted root");
}

#[test]
fn rejects_a_missing_intermediate() {
    let chain = chain();
    let refused = message(verify_chain(&chain.issue(&profile()), &[], &[chain.root.certificate().to_vec()], now()));
    assert_eq!(refused, "the certificate leads to no trusted root");
}

#[test]
fn rejects_an_empty_list_of_roots() {
    let refused = message(verify_chain(&chain().issue(&profile()), &[], &[], now()));
    assert_eq!(refused, "no root is trusted, so no certificate can be");
}

#[test]
fn rejects_a_leaf_that_plays_the_authority() {
    let chain = chain();
    let leaf =
        chain.intermediate.issue(&LeafProfile { subject: vec![("CN", "Fake".to_owned())], ..profile() }).unwrap();
    // A leaf issues nothing here, so its key gets an authority's certificate of the same name and key from elsewhere.
    let key = SigningKey::from_pkcs8(Algorithm::Es256, &leaf.private_key).unwrap();
    let profile_of_fake = AuthorityProfile { subject: vec![("CN", "Fake".to_owned())], ..authority_profile() };
    let fake = Authority::self_signed(&profile_of_fake, Arc::new(key)).unwrap();
    let forged = fake.issue(&profile()).unwrap().certificate;
    let intermediates = [leaf.certificate, chain.intermediate.certificate().to_vec()];
    let refused = message(verify_chain(&forged, &intermediates, &[chain.root.certificate().to_vec()], now()));
    assert_eq!(refused, "an issuer in the chain is not an authority");
}

#[test]
fn rejects_a_leaf_among_the_roots() {
    let chain = chain();
    let leaf = chain.issue(&profile());
    let refused = message(verify_chain(&leaf, &[], std::slice::from_ref(&leaf), now()));
    assert_eq!(refused, "trusted root 0 is not the certificate of an authority");
}

#[test]
fn rejects_an_authority_in_place_of_a_leaf() {
    let chain = chain();
    let roots = [chain.root.certificate().to_vec()];
    let refused = message(verify_chain(chain.intermediate.certificate(), &[], &roots, now()));
    assert_eq!(refused, "the certificate is an authority's, not a leaf");
}

#[test]
fn rejects_every_tampered_byte_of_a_leaf() {
    let chain = chain();
    let leaf = chain.issue(&profile());
    for position in 0..leaf.len() {
        let mut bent = leaf.clone();
        bent[position] ^= 1;
        assert!(chain.verify(ChainUsage::Any, &bent, 0).is_err(), "byte {position}");
    }
}

#[test]
fn a_client_leaf_is_not_for_servers_but_for_any_usage() {
    let chain = chain();
    let leaf = chain.issue(&profile());
    assert!(chain.verify(ChainUsage::Client, &leaf, 0).is_ok());
    assert!(chain.verify(ChainUsage::Any, &leaf, 0).is_ok());
    assert_eq!(message(chain.verify(ChainUsage::Server, &leaf, 0)), "the certificate is not for this usage");
}

#[test]
fn a_leaf_without_extended_key_usage_is_for_all() {
    let chain = chain();
    let leaf = chain.issue(&LeafProfile { client: false, ..profile() });
    for usage in [ChainUsage::Any, ChainUsage::Client, ChainUsage::Server] {
        chain.verify(usage, &leaf, 0).unwrap();
    }
}

#[test]
fn rejects_what_is_no_certificate() {
    let chain = chain();
    assert!(chain.verify(ChainUsage::Any, b"", 0).is_err());
    assert!(chain.verify(ChainUsage::Any, b"not DER", 0).is_err());
    let leaf = chain.issue(&profile());
    let refused = message(verify_chain(&leaf, &[], &[b"not DER".to_vec()], now()));
    assert!(refused.starts_with("trusted root 0: "), "{refused}");
}
