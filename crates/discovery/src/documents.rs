//! The two documents that relying parties read.

use bytes::Bytes;
use carnet_core::Error;
use carnet_spiffe::Bundle;
use serde_json::{Map, Value, json};

use crate::Settings;

/// Where the discovery document is, below the issuer (OpenID Connect Discovery 1.0, 4).
pub const CONFIGURATION_PATH: &str = "/.well-known/openid-configuration";
/// Where the key set is, below the prefix.
pub const KEYS_PATH: &str = "/keys";
/// What both are.
pub const CONTENT_TYPE: &str = "application/json";

/// Algorithms that every document names, whatever keys there are at the moment: those of SPIRE. RS256 must be there (OpenID
/// Connect Discovery 1.0, 3), and a document that stays the same can be kept by its readers.
const ALGORITHMS: [&str; 3] = ["RS256", "ES256", "ES384"];

/// The discovery document and the key set, as they are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Documents {
    /// `/.well-known/openid-configuration`.
    pub openid_configuration: Bytes,
    /// `/keys`.
    pub jwks: Bytes,
}

/// Both documents of an issuer.
///
/// # Errors
/// When the settings name no issuer, or the bundle has more keys than they allow.
pub fn documents(bundle: &Bundle, settings: &Settings) -> Result<Documents, Error> {
    let issuer = settings.issuer.as_deref().ok_or_else(|| {
        Error::configuration("write a discovery document without an issuer").hint("name the issuer of the tokens")
    })?;
    let place = Place { issuer: issuer.to_owned(), keys: format!("{}{KEYS_PATH}", issuer.trim_end_matches('/')) };
    let keys = key_set(bundle, settings)?;
    let openid_configuration = configuration(&place, &algorithms(&keys), settings);
    Ok(Documents { openid_configuration: pretty(&openid_configuration), jwks: pretty(&keys) })
}

/// What a document says of where it is.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) issuer: String,
    /// `jwks_uri`, unless the settings name one.
    pub(crate) keys: String,
}

/// The key set: the JWT authorities, each with `alg`, without certificates.
pub(crate) fn key_set(bundle: &Bundle, settings: &Settings) -> Result<Value, Error> {
    let (count, most) = (bundle.jwt_authorities.len(), settings.max_keys);
    if count > most {
        return Err(Error::configuration(format!("publish a key set of {count} keys, and the limit is {most}"))
            .hint("readers drop what is over their own limit without a word: let old keys go, or rotate less often"));
    }
    Ok(bundle.oidc_jwks_json(settings.key_use)?)
}

/// The discovery document.
pub(crate) fn configuration(place: &Place, algorithms: &[String], settings: &Settings) -> Value {
    let mut document = Map::from_iter([
        // Readers that check the form want it (OpenID Connect Discovery 1.0, 3); nobody logs in here. As SPIRE writes it.
        ("authorization_endpoint".to_owned(), json!("")),
        ("response_types_supported".to_owned(), json!(["id_token"])),
        ("subject_types_supported".to_owned(), json!(["public"])),
        ("id_token_signing_alg_values_supported".to_owned(), json!(algorithms)),
    ]);
    document.extend(settings.metadata.clone());
    document.insert("issuer".to_owned(), json!(place.issuer));
    document.insert("jwks_uri".to_owned(), json!(settings.jwks_uri.as_ref().unwrap_or(&place.keys)));
    Value::Object(document)
}

/// The constant ones, then what else the keys are for.
pub(crate) fn algorithms(keys: &Value) -> Vec<String> {
    let mut all: Vec<String> = ALGORITHMS.map(str::to_owned).to_vec();
    for key in keys.get("keys").and_then(Value::as_array).into_iter().flatten() {
        if let Some(name) = key.get("alg").and_then(Value::as_str).filter(|name| !all.iter().any(|one| one == name)) {
            all.push(name.to_owned());
        }
    }
    all
}

pub(crate) fn pretty(value: &Value) -> Bytes {
    // Two blanks, as SPIRE writes it; a `Value` can always be written.
    serde_json::to_vec_pretty(value).map(Bytes::from).unwrap_or_default()
}
