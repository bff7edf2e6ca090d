//! Documents to bundles.

use std::{collections::BTreeMap, fmt};

use base64::{Engine, engine::general_purpose::STANDARD};
use carnet_jose::{Algorithm, Jwk, PublicKey};
use carnet_x509::Certificate;
use jiff::SignedDuration;
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor},
};
use serde_json::{Map, Value};

use super::{Bundle, BundleError};
use crate::TrustDomain;

/// The members that are looked at; others are allowed and passed over (Trust Domain and Bundle, 4.1).
#[derive(Deserialize)]
pub(crate) struct Document {
    keys: Vec<Key>,
    spiffe_sequence: Option<u64>,
    spiffe_refresh_hint: Option<u32>,
}

/// The members of a key, none of them twice: two readers would believe two different keys.
struct Key(Map<String, Value>);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON Web Key, an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Key, A::Error> {
                let mut members = Map::new();
                while let Some((name, value)) = access.next_entry::<String, Value>()? {
                    if members.insert(name, value).is_some() {
                        return Err(A::Error::custom("a member of a key occurs twice"));
                    }
                }
                Ok(Key(members))
            }
        }
        deserializer.deserialize_map(KeyVisitor)
    }
}

/// What a document is read as.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `use` tells what a key is for; a key without one, or with one that is not known, is passed over.
    Bundle,
    /// Every key is one of JWT-SVIDs, and `use` may be absent.
    KeySet,
}

impl Bundle {
    /// Reads a bundle document (Trust Domain and Bundle, 4). As the specification says, keys of an unknown `use` or `kty`
    /// are passed over, and no keys at all means that everything is revoked.
    ///
    /// # Errors
    /// When it is not a JSON object with the array `keys`, is over [`Self::MAX_LENGTH`], or has more than [`Self::MAX_KEYS`]
    /// keys; when an X.509 authority has several certificates, when a JWT authority has no `kid` or shares it; when a
    /// key holds private members. The message names the position.
    pub fn parse(trust_domain: &TrustDomain, json: &[u8]) -> Result<Self, BundleError> {
        from_json::<Document>(json, Self::MAX_LENGTH)?.into_bundle(trust_domain, Form::Bundle)
    }

    /// Reads a plain key set of JWT authorities: what the Workload API gives (`FetchJWTBundles`), where `use` is usually
    /// absent.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_jwks(trust_domain: &TrustDomain, json: &[u8]) -> Result<Self, BundleError> {
        from_json::<Document>(json, Self::MAX_LENGTH)?.into_bundle(trust_domain, Form::KeySet)
    }

    /// Reads the certificates of the X.509 authorities from concatenated DER: what the Workload API gives
    /// (`FetchX509Bundles`).
    ///
    /// # Errors
    /// When it is over [`Self::MAX_LENGTH`] or not a row of certificates.
    pub fn from_der(trust_domain: &TrustDomain, der: &[u8]) -> Result<Self, BundleError> {
        if der.len() > Self::MAX_LENGTH {
            return Err(too_long(der.len(), Self::MAX_LENGTH));
        }
        let certificates = carnet_x509::split_der(der).map_err(|error| BundleError(error.0))?;
        if certificates.len() > Self::MAX_KEYS {
            return Err(BundleError(format!("there are more than {} certificates", Self::MAX_KEYS)));
        }
        for (position, certificate) in certificates.iter().enumerate() {
            read_authority(certificate).map_err(|wrong| BundleError(format!("certificate {position}: {wrong}")))?;
        }
        Ok(Self { x509_authorities: certificates, ..Self::empty(trust_domain.clone()) })
    }
}

impl Document {
    pub(crate) fn into_spiffe_bundle(self, trust_domain: &TrustDomain) -> Result<Bundle, BundleError> {
        self.into_bundle(trust_domain, Form::Bundle)
    }

    fn into_bundle(self, trust_domain: &TrustDomain, form: Form) -> Result<Bundle, BundleError> {
        if self.keys.len() > Bundle::MAX_KEYS {
            return Err(BundleError(format!("there are more than {} keys", Bundle::MAX_KEYS)));
        }
        let mut bundle = Bundle {
            sequence: self.spiffe_sequence,
            refresh_hint: self.spiffe_refresh_hint.map(|seconds| SignedDuration::from_secs(seconds.into())),
            ..Bundle::empty(trust_domain.clone())
        };
        for (position, Key(key)) in self.keys.into_iter().enumerate() {
            let at = |wrong: String| BundleError(format!("keys[{position}]: {wrong}"));
            match purpose(&key, form).map_err(at)? {
                Purpose::X509 => bundle.x509_authorities.extend(x509_authority(&key).map_err(at)?),
                Purpose::Jwt => add_jwt_authority(&mut bundle.jwt_authorities, key).map_err(at)?,
                Purpose::Other => {}
            }
        }
        Ok(bundle)
    }
}

enum Purpose {
    Jwt,
    Other,
    X509,
}

fn purpose(key: &Map<String, Value>, form: Form) -> Result<Purpose, String> {
    let known_type = match key.get("kty") {
        Some(Value::String(kty)) => matches!(kty.as_str(), "RSA" | "EC"),
        Some(_) => return Err("member \"kty\" is not a string".to_owned()),
        None => return Err("member \"kty\" is missing".to_owned()),
    };
    Ok(match (key.get("use"), form) {
        _ if !known_type => Purpose::Other,
        (Some(Value::String(name)), Form::Bundle) if name == "x509-svid" => Purpose::X509,
        (Some(Value::String(name)), _) if name == "jwt-svid" => Purpose::Jwt,
        (Some(Value::String(name)), Form::KeySet) if name == "sig" => Purpose::Jwt,
        (None, Form::KeySet) => Purpose::Jwt,
        _ => Purpose::Other,
    })
}

/// The one certificate of an X.509 authority (X509-SVID, 6.1); none when `x5c` is absent or empty (6.2). A publisher that
/// writes several does not say which it means, so that is refused, though a consumer might take the first.
fn x509_authority(key: &Map<String, Value>) -> Result<Option<Vec<u8>>, String> {
    let certificate = match key.get("x5c") {
        None => return Ok(None),
        Some(Value::Array(chain)) => match chain.as_slice() {
            [] => return Ok(None),
            [Value::String(only)] => only,
            [_] => return Err("the member of \"x5c\" is not a string".to_owned()),
            other => return Err(format!("\"x5c\" has {} certificates, and exactly one is wanted", other.len())),
        },
        Some(_) => return Err("member \"x5c\" is not an array".to_owned()),
    };
    let der = STANDARD.decode(certificate).map_err(|_opaque| "the certificate is not base64 (RFC 7517, 4.7)")?;
    read_authority(&der)?;
    Ok(Some(der))
}

/// Whether it is a certificate whose key can be used, so that what is read can be written.
fn read_authority(der: &[u8]) -> Result<(), String> {
    Certificate::from_der(der).and_then(|certificate| certificate.public_key()).map(drop).map_err(|error| error.0)
}

fn add_jwt_authority(keys: &mut BTreeMap<String, PublicKey>, mut key: Map<String, Value>) -> Result<(), String> {
    let curve = key.get("crv").and_then(Value::as_str);
    let known_curve = curve.is_none_or(|curve| matches!(curve, "P-256" | "P-384" | "P-521"));
    let known_algorithm = key.get("alg").and_then(Value::as_str).is_none_or(|alg| Algorithm::from_name(alg).is_some());
    if !known_curve || !known_algorithm {
        return Ok(());
    }
    // The values of this member are SPIFFE's own; what it said has been looked at.
    key.remove("use");
    let jwk: Jwk = serde_json::from_value(Value::Object(key)).map_err(|error| error.to_string())?;
    let kid = jwk.kid.clone().filter(|kid| !kid.is_empty()).ok_or("member \"kid\" is missing")?;
    let key = PublicKey::from_jwk(&jwk).map_err(|error| error.0)?;
    match keys.insert(kid.clone(), key) {
        Some(_) => Err(format!("the key id {:?} occurs twice", carnet_core::safe_text(&kid))),
        None => Ok(()),
    }
}

pub(crate) fn from_json<T: for<'de> Deserialize<'de>>(json: &[u8], most: usize) -> Result<T, BundleError> {
    if json.len() > most {
        return Err(too_long(json.len(), most));
    }
    // Nothing in such a document is secret, but messages are shown: they are cleaned.
    serde_json::from_slice(json).map_err(|error| {
        let text = carnet_core::safe_text(&error.to_string());
        BundleError(format!("it is not a bundle document: {text}"))
    })
}

fn too_long(length: usize, most: usize) -> BundleError {
    BundleError(format!("it has {length} bytes, more than {most}"))
}
