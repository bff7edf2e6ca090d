//! Another implementation of SPIFFE as the witness: what it says of the same bytes.

use carnet_jose::{Algorithm, SigningKey};
use carnet_spiffe::{SpiffeId, svid_profile};
use proptest::prelude::*;
use serde_json::json;
use spiffe_oracle::{JwtBundle, JwtSvid, TrustDomain, X509Bundle, X509Svid};

use crate::support::{AUDIENCE, Domain, ID, claims, domain, seconds};

fn name() -> TrustDomain {
    TrustDomain::new("example.org").unwrap()
}

#[test]
fn it_reads_the_svids_that_our_profiles_make() {
    let domain = domain();
    for algorithm in [Algorithm::Es256, Algorithm::Es384, Algorithm::Rs256] {
        let key = SigningKey::generate(algorithm).unwrap();
        let profile = svid_profile(&ID.parse().unwrap(), &["api.example.org".to_owned()], seconds(-10), seconds(60));
        let leaf = domain.intermediate.issue_for_key(&profile, &key.public_spki()).unwrap();
        let chain = [leaf.as_slice(), domain.intermediate.certificate()].concat();
        let svid = X509Svid::parse_from_der(&chain, key.to_pkcs8().unwrap().expose()).unwrap();
        assert_eq!((svid.spiffe_id().to_string().as_str(), svid.cert_chain().len()), (ID, 2), "{algorithm}");
    }
}

#[test]
fn it_reads_the_bundles_that_we_write() {
    for algorithm in [Algorithm::Es256, Algorithm::Es384, Algorithm::Es512, Algorithm::Rs256] {
        let bundle = Domain::new("example.org", algorithm).bundle();
        for with_use_sig in [false, true] {
            let set = bundle.jwks_json(with_use_sig).unwrap().to_string();
            let read = JwtBundle::from_jwt_authorities(name(), set.as_bytes()).unwrap();
            assert!(read.find_jwt_authority("key-1").is_some(), "{algorithm} {with_use_sig}");
        }
        assert_eq!(X509Bundle::parse_from_der(name(), &bundle.x509_der()).unwrap().authorities().len(), 1);
    }
}

#[test]
fn it_reads_the_tokens_that_our_keys_sign() {
    let domain = domain();
    let svid = JwtSvid::parse_insecure(&domain.token(&json!({}), &claims())).unwrap();
    assert_eq!((svid.spiffe_id().to_string().as_str(), svid.key_id()), (ID, "key-1"));
    assert_eq!(svid.audience(), [AUDIENCE]);
}

proptest! {
    /// It folds the case of a trust domain, which we do not, so there are no capitals before the path.
    #[test]
    fn it_finds_the_same_texts_to_be_ids(
        text in "(spiffe://|http://|)[a-z0-9.:@%_-]{0,12}(/[a-zA-Z0-9.:?#%_-]{0,4}){0,5}"
    ) {
        let theirs = spiffe_oracle::SpiffeId::new(&text);
        match text.parse::<SpiffeId>() {
            Ok(ours) => {
                let theirs = theirs.unwrap();
                prop_assert_eq!(ours.path(), theirs.path());
                prop_assert_eq!(ours.to_string(), theirs.to_string());
            }
            Err(error) => prop_assert!(theirs.is_err(), "{}: {}", text, error),
        }
    }
}
