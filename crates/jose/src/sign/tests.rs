use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation};

use super::*;
use crate::{
    KeySet, Rules, UnverifiedJwt,
    testing::{AUDIENCE, ISSUER, claims, key, keys, now, object, rules},
    verify_jwt,
};

/// jsonwebtoken has no P-521.
const SHARED: [Algorithm; 9] = [
    Algorithm::EdDsa,
    Algorithm::Es256,
    Algorithm::Es384,
    Algorithm::Ps256,
    Algorithm::Ps384,
    Algorithm::Ps512,
    Algorithm::Rs256,
    Algorithm::Rs384,
    Algorithm::Rs512,
];

fn theirs(algorithm: Algorithm) -> jsonwebtoken::Algorithm {
    algorithm.name().parse().unwrap()
}

#[test]
fn jsonwebtoken_verifies_what_we_sign() {
    for algorithm in SHARED {
        let token = encode_jwt(key(algorithm), &Map::new(), &claims()).unwrap();
        let jwk = serde_json::from_value(serde_json::to_value(key(algorithm).public_jwk()).unwrap()).unwrap();
        let mut rules = Validation::new(theirs(algorithm));
        // It reads the system's clock; the times are ours to check.
        rules.validate_exp = false;
        rules.set_audience(&[AUDIENCE]);
        rules.set_issuer(&[ISSUER]);
        let key = DecodingKey::from_jwk(&jwk).unwrap();
        let read = jsonwebtoken::decode::<Map<String, Value>>(token.expose(), &key, &rules).unwrap();
        assert_eq!(read.claims, claims(), "{algorithm}");
        assert_eq!(read.header.kid.as_deref(), Some(algorithm.name()));
    }
}

#[test]
fn we_verify_what_jsonwebtoken_signs() {
    for algorithm in SHARED {
        let pem = key(algorithm).to_pkcs8_pem().unwrap();
        let pem = pem.expose().as_bytes();
        let signer = match algorithm.key_type() {
            KeyType::Rsa => EncodingKey::from_rsa_pem(pem),
            KeyType::Ed25519 => EncodingKey::from_ed_pem(pem),
            _ => EncodingKey::from_ec_pem(pem),
        };
        let token = jsonwebtoken::encode(&Header::new(theirs(algorithm)), &claims(), &signer.unwrap()).unwrap();
        let token = UnverifiedJwt::parse(&token).unwrap();
        let rules = Rules { algorithms: &[algorithm], ..rules() };
        verify_jwt(&token, &keys(algorithm), &rules, now()).unwrap_or_else(|error| panic!("{algorithm}: {error}"));
    }
}

#[test]
fn the_header_holds_algorithm_key_id_and_type() {
    let signer = SigningKey::generate(Algorithm::Es256).unwrap();
    let header = |signer: &SigningKey, extra: Value| {
        let token = encode_jwt(signer, &object(extra), &claims()).unwrap();
        Value::Object(UnverifiedJwt::parse(token.expose()).unwrap().unverified_header().clone())
    };
    assert_eq!(header(&signer, json!({})), json!({ "alg": "ES256", "typ": "JWT" }));
    let signer = signer.with_kid("k");
    assert_eq!(header(&signer, json!({})), json!({ "alg": "ES256", "kid": "k", "typ": "JWT" }));
    assert_eq!(
        header(&signer, json!({ "typ": "at+jwt", "x5t": "AA" })),
        json!({ "alg": "ES256", "kid": "k", "typ": "at+jwt", "x5t": "AA" })
    );
    assert!(encode_jwt(&signer, &object(json!({ "alg": "none" })), &claims()).is_err());
}

/// The first other header is kept.
#[test]
fn a_header_that_is_kept_stands_before_no_other_token() {
    let header = |signer: &SigningKey, extra: Value| {
        let token = encode_jwt(signer, &object(extra), &claims()).unwrap();
        Value::Object(UnverifiedJwt::parse(token.expose()).unwrap().unverified_header().clone())
    };
    let signer = SigningKey::generate(Algorithm::Es256).unwrap();
    for _ in 0..2 {
        for kind in ["at+jwt", "logout+jwt"] {
            assert_eq!(header(&signer, json!({ "typ": kind })), json!({ "alg": "ES256", "typ": kind }));
        }
    }
    let signer = signer.with_kid("k");
    assert_eq!(header(&signer, json!({ "typ": "at+jwt" })), json!({ "alg": "ES256", "kid": "k", "typ": "at+jwt" }));
}

#[test]
fn keys_survive_pkcs8_in_der_and_pem() {
    for algorithm in Algorithm::ALL {
        let first = key(algorithm);
        let second = SigningKey::from_pkcs8(algorithm, &first.to_pkcs8().unwrap()).unwrap();
        assert_eq!(second.public_spki(), first.public_spki());
        let pem = first.to_pkcs8_pem().unwrap();
        let der = crate::private_key_from_pem(pem.expose().as_bytes(), None).unwrap();
        let third = SigningKey::from_pkcs8(algorithm, &der).unwrap();
        let public = KeySet::of(first.public_key().unwrap());
        let verifier = public.iter().next().unwrap();
        assert!(verifier.verify(algorithm, b"message", &third.sign(b"message").unwrap()), "{algorithm}");
    }
}

#[test]
fn rejects_a_key_of_another_type_and_names_both() {
    let KeyError(error) =
        SigningKey::from_pkcs8(Algorithm::Rs256, &key(Algorithm::Es256).to_pkcs8().unwrap()).unwrap_err();
    assert_eq!(error, "it is a P-256 key, and RS256 needs RSA");
    assert!(SigningKey::from_pkcs8(Algorithm::Es384, &key(Algorithm::Es256).to_pkcs8().unwrap()).is_err());
}

#[test]
fn rejects_pkcs8_that_is_cut_or_bent() {
    let der = key(Algorithm::Rs256).to_pkcs8().unwrap();
    for length in [0, 1, 30, der.len() - 1] {
        assert!(SigningKey::from_pkcs8(Algorithm::Rs256, &SecretBytes::new(&der.expose()[..length])).is_err());
    }
    let mut bent = der.expose().to_vec();
    bent[200] ^= 1;
    assert!(SigningKey::from_pkcs8(Algorithm::Rs256, &SecretBytes::new(bent)).is_err(), "numbers that do not fit");
}

#[test]
fn two_searches_yield_one_good_rsa_key() {
    let key = SigningKey::generate_rsa_racing(Algorithm::Ps256).unwrap();
    let public = key.public_key().unwrap();
    assert!(public.verify(Algorithm::Ps256, b"message", &key.sign(b"message").unwrap()));
    assert_eq!(SigningKey::generate_rsa_racing(Algorithm::EdDsa).unwrap().algorithm(), Algorithm::EdDsa);
}

#[test]
fn a_fingerprint_agrees_with_openssl() {
    let pem = key(Algorithm::Rs256).public_pem().unwrap();
    let der = crate::pem::tests::openssl(&["pkey", "-pubin", "-outform", "DER"], pem.as_bytes());
    let digest = crate::pem::tests::openssl(&["md5", "-c"], &der);
    let digest = String::from_utf8(digest).unwrap();
    assert_eq!(digest.trim().rsplit("= ").next().unwrap(), key(Algorithm::Rs256).oci_fingerprint());
}

#[test]
fn nothing_of_a_key_prints() {
    assert_eq!(format!("{:?}", key(Algorithm::Rs256)), "SigningKey");
}

/// A key that is elsewhere: here in the next struct.
#[derive(Debug)]
struct Elsewhere(Algorithm, Algorithm);

impl ExternalSigner for Elsewhere {
    fn algorithm(&self) -> Algorithm {
        self.0
    }

    fn public_spki(&self) -> Vec<u8> {
        key(self.1).public_spki()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        key(self.1).sign(message)
    }
}

#[test]
fn a_key_that_is_elsewhere_signs_tokens_like_any_other() {
    for algorithm in Algorithm::ALL {
        let signer =
            SigningKey::external(Arc::new(Elsewhere(algorithm, algorithm))).unwrap().with_kid(algorithm.name());
        assert_eq!(signer.public_jwk(), key(algorithm).public_jwk(), "{algorithm}");
        assert_eq!(signer.public_spki(), key(algorithm).public_spki());
        assert!(signer.is_external() && !key(algorithm).is_external());
        let token = encode_jwt(&signer, &Map::new(), &claims()).unwrap();
        let token = UnverifiedJwt::parse(token.expose()).unwrap();
        let rules = Rules { algorithms: &[algorithm], ..rules() };
        verify_jwt(&token, &keys(algorithm), &rules, now()).unwrap_or_else(|error| panic!("{algorithm}: {error}"));
    }
}

#[test]
fn a_key_that_is_elsewhere_is_not_given_away() {
    let signer = SigningKey::external(Arc::new(Elsewhere(Algorithm::Es256, Algorithm::Es256))).unwrap();
    let KeyError(error) = signer.to_pkcs8().unwrap_err();
    assert_eq!(error, "the private key is in a token that does not give it away");
    assert!(signer.to_pkcs8_pem().is_err());
}

#[test]
fn rejects_a_key_elsewhere_that_is_not_one_of_its_algorithm() {
    let KeyError(error) = SigningKey::external(Arc::new(Elsewhere(Algorithm::Rs256, Algorithm::Es256))).unwrap_err();
    assert_eq!(error, "RS256 needs RSA, and the key is another");
}
