//! Bundles to documents.

use base64::{Engine, engine::general_purpose::STANDARD};
use carnet_jose::{Algorithm, Jwk, PublicKey};
use carnet_x509::Certificate;
use serde_json::{Map, Value, json};

use super::{Bundle, BundleError};

impl Bundle {
    /// The document of a bundle endpoint: X.509 authorities, then JWT authorities in the order of their `kid`, each with its
    /// `use`; sequence and refresh hint (Trust Domain and Bundle, 4). SPIRE's peers read no other `use`, so there is none.
    ///
    /// # Errors
    /// When an X.509 authority is not a certificate, or its key is of a type that is not supported.
    pub fn to_json(&self) -> Result<Value, BundleError> {
        let x509 = self.x509_authorities.iter().enumerate().map(|(position, der)| {
            x509_key(der).map_err(|wrong| BundleError(format!("X.509 authority {position}: {wrong}")))
        });
        let jwt = self.jwt_authorities.iter().map(|(kid, key)| {
            let jwk = Jwk { key_use: Some("jwt-svid".to_owned()), alg: None, ..named(kid, key) };
            to_value(&jwk)
        });
        let keys: Vec<Value> = x509.chain(jwt).collect::<Result<_, _>>()?;
        let mut document = Map::from_iter([("keys".to_owned(), Value::Array(keys))]);
        if let Some(sequence) = self.sequence {
            document.insert("spiffe_sequence".to_owned(), json!(sequence));
        }
        if let Some(hint) = self.refresh_hint {
            document.insert("spiffe_refresh_hint".to_owned(), json!(hint.as_secs().max(0)));
        }
        Ok(Value::Object(document))
    }

    /// The JWT authorities as a plain key set. `false`: the form of the Workload API, with `kid` and neither `use` nor `alg`
    /// (as SPIRE's). `true`: the form for OIDC, see [`Self::oidc_jwks_json`].
    ///
    /// # Errors
    /// When a key cannot be written as JSON, which does not happen.
    pub fn jwks_json(&self, with_use_sig: bool) -> Result<Value, BundleError> {
        if with_use_sig {
            return self.oidc_jwks_json(true);
        }
        self.key_set(|kid, key| Jwk { key_use: None, alg: None, ..named(kid, key) })
    }

    /// The JWT authorities as the key set of an OIDC issuer: each with its `alg`, and with `use: sig` where `key_use` is set.
    ///
    /// # Errors
    /// When a key cannot be written as JSON, which does not happen.
    pub fn oidc_jwks_json(&self, key_use: bool) -> Result<Value, BundleError> {
        self.key_set(|kid, key| Jwk {
            key_use: key_use.then(|| "sig".to_owned()),
            alg: key_algorithm(key).map(|algorithm| algorithm.name().to_owned()),
            ..named(kid, key)
        })
    }

    fn key_set(&self, write: impl Fn(&str, &PublicKey) -> Jwk) -> Result<Value, BundleError> {
        let keys = self.jwt_authorities.iter().map(|(kid, key)| to_value(&write(kid, key)));
        Ok(json!({ "keys": keys.collect::<Result<Vec<_>, _>>()? }))
    }

    /// The certificates of the X.509 authorities, one after the other: the form of the Workload API.
    pub fn x509_der(&self) -> Vec<u8> {
        self.x509_authorities.concat()
    }
}

fn x509_key(der: &[u8]) -> Result<Value, String> {
    let key = Certificate::from_der(der).and_then(|certificate| certificate.public_key()).map_err(|error| error.0)?;
    let jwk = Jwk { key_use: Some("x509-svid".to_owned()), alg: None, kid: None, ..key.to_jwk() };
    let mut members = to_value(&jwk).map_err(|error| error.0)?;
    if let Some(members) = members.as_object_mut() {
        members.insert("x5c".to_owned(), json!([STANDARD.encode(der)]));
    }
    Ok(members)
}

fn named(kid: &str, key: &PublicKey) -> Jwk {
    Jwk { kid: Some(kid.to_owned()), ..key.to_jwk() }
}

/// The algorithm that the key is bound to, or the usual one of its type: RS256 for RSA.
fn key_algorithm(key: &PublicKey) -> Option<Algorithm> {
    let mut algorithms: Vec<Algorithm> = key.algorithms().collect();
    algorithms.sort_by_key(|algorithm| *algorithm != Algorithm::Rs256);
    algorithms.first().copied()
}

fn to_value(jwk: &Jwk) -> Result<Value, BundleError> {
    serde_json::to_value(jwk).map_err(|error| BundleError(format!("the key cannot be written as JSON: {error}")))
}
