//! What the tests share: a trust domain with its keys, and a foreign one.

use std::sync::Arc;

use carnet_jose::{Algorithm, SigningKey, encode_jwt};
use carnet_spiffe::{Bundle, BundleMap, SpiffeId, TrustDomain, authority_profile, svid_profile};
use carnet_x509::Authority;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use x509_cert::der::{Decode, Encode, asn1::BitString, asn1::UintRef};

pub(crate) const ID: &str = "spiffe://example.org/ns/pay/sa/api";
pub(crate) const AUDIENCE: &str = "https://verifier.example";
pub(crate) const LEEWAY: SignedDuration = SignedDuration::from_secs(60);

pub(crate) fn now() -> Timestamp {
    Timestamp::from_second(1_795_262_400).unwrap()
}

pub(crate) fn seconds(seconds: i64) -> Timestamp {
    now() + SignedDuration::from_secs(seconds)
}

/// A trust domain with one JWT key, one X.509 authority and an intermediate.
pub(crate) struct Domain {
    pub(crate) name: TrustDomain,
    pub(crate) jwt_key: SigningKey,
    pub(crate) root: Authority,
    pub(crate) intermediate: Authority,
}

impl Domain {
    pub(crate) fn new(name: &str, algorithm: Algorithm) -> Self {
        let name: TrustDomain = name.parse().unwrap();
        let key = || Arc::new(SigningKey::generate(Algorithm::Es256).unwrap());
        let profile = |path_length, organisation: &str| {
            let subject = vec![("O", organisation.to_owned())];
            authority_profile(&name, subject, path_length, seconds(-3600), seconds(7200))
        };
        let root = Authority::self_signed(&profile(None, "Root"), key()).unwrap();
        let intermediate = root.subordinate(&profile(Some(0), "Below"), key()).unwrap();
        let jwt_key = SigningKey::generate(algorithm).unwrap().with_kid("key-1");
        Self { name, jwt_key, root, intermediate }
    }

    pub(crate) fn bundle(&self) -> Bundle {
        let mut bundle = Bundle::empty(self.name.clone());
        bundle.x509_authorities.push(self.root.certificate().to_vec());
        bundle.jwt_authorities.insert("key-1".to_owned(), self.jwt_key.public_key().unwrap());
        bundle.sequence = Some(7);
        bundle.refresh_hint = Some(SignedDuration::from_secs(300));
        bundle
    }

    pub(crate) fn token(&self, header: &Value, claims: &Value) -> String {
        encode_jwt(&self.jwt_key, &object(header), &object(claims)).unwrap().expose().to_owned()
    }

    /// A leaf below the intermediate, with the chain that belongs to it.
    pub(crate) fn chain(&self, id: &str) -> Vec<Vec<u8>> {
        let id: SpiffeId = id.parse().unwrap();
        let profile = svid_profile(&id, &[], seconds(-10), seconds(3600));
        vec![self.intermediate.issue(&profile).unwrap().certificate, self.intermediate.certificate().to_vec()]
    }
}

pub(crate) fn domain() -> Domain {
    Domain::new("example.org", Algorithm::Es256)
}

pub(crate) fn bundles(domains: &[&Domain]) -> BundleMap {
    domains.iter().map(|domain| Arc::new(domain.bundle())).collect()
}

pub(crate) fn claims() -> Value {
    json!({
        "sub": ID,
        "aud": [AUDIENCE],
        "exp": seconds(300).as_second(),
        "iat": now().as_second(),
    })
}

/// The claims with this one put in place, or taken out by null.
pub(crate) fn claims_with(name: &str, value: Value) -> Value {
    let mut claims = object(&claims());
    if value.is_null() {
        claims.remove(name);
    } else {
        claims.insert(name.to_owned(), value);
    }
    Value::Object(claims)
}

pub(crate) fn object(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

/// The same certificate after `bend`, signed again by its issuer.
pub(crate) fn resigned(der: &[u8], issuer: &Authority, bend: impl FnOnce(&mut x509_cert::TbsCertificate)) -> Vec<u8> {
    let mut certificate = x509_cert::Certificate::from_der(der).unwrap();
    bend(&mut certificate.tbs_certificate);
    let signature = issuer.signing_key().sign(&certificate.tbs_certificate.to_der().unwrap()).unwrap();
    let (r, s) = signature.split_at(signature.len() / 2);
    let signature = vec![UintRef::new(r).unwrap(), UintRef::new(s).unwrap()].to_der().unwrap();
    certificate.signature = BitString::from_bytes(&signature).unwrap();
    certificate.to_der().unwrap()
}
