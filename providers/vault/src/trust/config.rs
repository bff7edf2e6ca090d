//! The configuration of a mount: whose tokens.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use carnet_core::{Mistake, Secret};
use carnet_jose::{Algorithm, KeySet, PublicKey};
use carnet_x509::{Certificate, pem_to_der};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::wire_types::list;

/// What `provider` in `provider_config` may be: those of either product.
const PROVIDERS: [&str; 7] = ["azure", "gsuite", "secureauth", "ibmisam", "okta", "kubernetes", "keycloak"];
/// The one that is a source of keys by itself (OpenBao).
const KUBERNETES: &str = "kubernetes";

/// `POST auth/MOUNT/config`. A write replaces all of it. Field names and defaults: "JWT/OIDC auth method (API), Configure".
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MethodConfig {
    /// Issuer whose discovery document is read, without `/.well-known/…`.
    pub oidc_discovery_url: String,
    /// Roots for discovery and for the keys that it names, in place of the system's.
    pub oidc_discovery_ca_pem: String,
    /// Where a key set is.
    pub jwks_url: String,
    /// Roots for it.
    pub jwks_ca_pem: String,
    /// Several key sets (Vault only); which one is told by `kid`.
    pub jwks_pairs: Vec<JwksPair>,
    /// Public keys or certificates in PEM, tried in order.
    #[serde(deserialize_with = "list")]
    pub jwt_validation_pubkeys: Vec<String>,
    /// What `iss` must be. Empty: not looked at.
    pub bound_issuer: String,
    /// Algorithms that are taken. Empty: all ten.
    #[serde(deserialize_with = "list")]
    pub jwt_supported_algs: Vec<String>,
    /// The role of a login that names none.
    pub default_role: String,
    /// For logins by browser.
    pub oidc_client_id: String,
    /// For logins by browser. Never read back.
    #[serde(skip_serializing)]
    pub oidc_client_secret: Option<Secret>,
    /// `query` or `form_post`; for logins by browser.
    pub oidc_response_mode: String,
    /// `code`, `id_token`; for logins by browser.
    #[serde(deserialize_with = "list")]
    pub oidc_response_types: Vec<String>,
    /// `provider` and what goes with it.
    pub provider_config: BTreeMap<String, Value>,
    /// Whether the namespace goes into the state of logins by browser.
    pub namespace_in_state: bool,
    /// Whether keys that cannot be fetched are only a warning (OpenBao). Not read back.
    #[serde(skip_serializing)]
    pub skip_jwks_validation: bool,
    /// Further names that a server may have in its certificate (OpenBao).
    #[serde(deserialize_with = "list")]
    pub override_allowed_server_names: Vec<String>,
    /// X.509 extensions that are critical and passed over (Vault).
    #[serde(deserialize_with = "list")]
    pub unsupported_critical_cert_extensions: Vec<String>,
}

/// One of several key sets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct JwksPair {
    /// Where it is.
    pub jwks_url: String,
    /// Roots for it.
    pub jwks_ca_pem: String,
}

/// Where the keys come from.
#[derive(Clone, Debug)]
pub enum KeyOrigin {
    /// Written into the configuration.
    Static(KeySet),
    /// The discovery document of this issuer.
    Discovery(String),
    /// These addresses, in order.
    Sets(Vec<JwksPair>),
    /// The cluster that the server runs in (OpenBao).
    Kubernetes,
}

/// A configuration that a write accepts, with its keys parsed.
#[derive(Clone, Debug)]
pub struct CheckedConfig {
    config: MethodConfig,
    keys: KeyOrigin,
    algorithms: Vec<Algorithm>,
}

impl CheckedConfig {
    /// Checks what a write checks without looking at the network. The message of a mistake is the text of the product.
    ///
    /// # Errors
    /// The first mistake, since a write answers with one.
    pub fn new(mut config: MethodConfig) -> Result<Self, Mistake> {
        config.default_role.make_ascii_lowercase();
        let keys = origin(&config)?;
        check_roots(&config)?;
        check_browser(&config)?;
        let algorithms = algorithms(&config)?;
        Ok(Self { config, keys, algorithms })
    }

    /// What was checked.
    pub fn config(&self) -> &MethodConfig {
        &self.config
    }

    /// Where the keys come from.
    pub fn keys(&self) -> &KeyOrigin {
        &self.keys
    }

    /// What `iss` must be, if it is looked at. With the keys of a cluster it is not (OpenBao).
    pub fn issuer(&self) -> Option<&str> {
        let bound = self.config.bound_issuer.as_str();
        (!bound.is_empty() && !matches!(self.keys, KeyOrigin::Kubernetes)).then_some(bound)
    }

    /// Algorithms that are taken.
    pub fn algorithms(&self) -> &[Algorithm] {
        &self.algorithms
    }
}

fn origin(config: &MethodConfig) -> Result<KeyOrigin, Mistake> {
    let provider = config.provider_config.get("provider").and_then(Value::as_str);
    if provider.is_some_and(|name| !PROVIDERS.contains(&name)) {
        return Err(Mistake::new("provider_config", "invalid provider_config: unsupported provider")
            .hint(format!("one of {}", PROVIDERS.join(", "))));
    }
    let cluster = provider == Some(KUBERNETES);
    let given = [
        !config.jwt_validation_pubkeys.is_empty(),
        !config.jwks_url.is_empty(),
        !config.jwks_pairs.is_empty(),
        !config.oidc_discovery_url.is_empty(),
        cluster,
    ];
    if given.into_iter().filter(|given| *given).count() != 1 {
        return Err(Mistake::new(
            "",
            "exactly one of 'jwt_validation_pubkeys', 'jwks_url', 'jwks_pairs' or 'oidc_discovery_url' must be set",
        )
        .hint("leave one of them; a write replaces the whole configuration, so fields that were set before are gone"));
    }
    if cluster {
        return Ok(KeyOrigin::Kubernetes);
    }
    if !config.jwt_validation_pubkeys.is_empty() {
        return static_keys(&config.jwt_validation_pubkeys).map(KeyOrigin::Static);
    }
    if !config.jwks_pairs.is_empty() {
        return pairs(config);
    }
    if !config.jwks_url.is_empty() {
        let pair = JwksPair { jwks_url: config.jwks_url.clone(), jwks_ca_pem: config.jwks_ca_pem.clone() };
        return Ok(KeyOrigin::Sets(vec![pair]));
    }
    if config.oidc_discovery_url.contains(".well-known") {
        return Err(Mistake::new("oidc_discovery_url", "error checking oidc discovery URL")
            .hint("give the issuer itself, without `/.well-known/openid-configuration`"));
    }
    Ok(KeyOrigin::Discovery(config.oidc_discovery_url.clone()))
}

/// Roots must be certificates, before anything is fetched by them.
fn check_roots(config: &MethodConfig) -> Result<(), Mistake> {
    let of_pairs = config.jwks_pairs.iter().map(|pair| ("jwks_pairs", "jwks_ca_pem", &pair.jwks_ca_pem));
    let own = [
        ("oidc_discovery_ca_pem", "oidc discovery URL", &config.oidc_discovery_ca_pem),
        ("jwks_ca_pem", "jwks_ca_pem", &config.jwks_ca_pem),
    ];
    for (field, checked, pem) in own.into_iter().chain(of_pairs).filter(|(_, _, pem)| !pem.is_empty()) {
        let certificates = pem_to_der(pem.as_bytes());
        let read = certificates.and_then(|all| all.iter().try_for_each(|der| Certificate::from_der(der).map(drop)));
        read.map_err(|error| {
            Mistake::new(field, format!("error checking {checked}: could not parse CA PEM value successfully: {error}"))
                .hint("PEM of the authority's certificates; leave it out where the system's roots are meant")
        })?;
    }
    Ok(())
}

fn pairs(config: &MethodConfig) -> Result<KeyOrigin, Mistake> {
    if !config.jwks_ca_pem.is_empty() {
        return Err(Mistake::new(
            "jwks_ca_pem",
            "CA PEMs must be provided as part of the 'jwks_pairs' when using multiple JWKS URLs",
        ));
    }
    if !config.bound_issuer.is_empty() {
        return Err(Mistake::new("bound_issuer", "Bound issuer is not supported for use with 'jwks_pairs'"));
    }
    Ok(KeyOrigin::Sets(config.jwks_pairs.clone()))
}

fn check_browser(config: &MethodConfig) -> Result<(), Mistake> {
    let (id, secret) = (!config.oidc_client_id.is_empty(), config.oidc_client_secret.is_some());
    if id != secret {
        return Err(Mistake::new(
            "oidc_client_id",
            "both 'oidc_client_id' and 'oidc_client_secret' must be set for OIDC",
        ));
    }
    if id && config.oidc_discovery_url.is_empty() {
        return Err(Mistake::new("oidc_discovery_url", "'oidc_discovery_url' must be set for OIDC"));
    }
    if !matches!(config.oidc_response_mode.as_str(), "" | "query" | "form_post") {
        return Err(Mistake::new("oidc_response_mode", "invalid response_mode"));
    }
    let by_token = config.oidc_response_types.iter().any(|kind| kind == "id_token");
    if by_token && config.oidc_response_mode != "form_post" {
        let message = "query response_mode may not be used with an id_token response_type";
        return Err(Mistake::new("oidc_response_mode", message));
    }
    Ok(())
}

fn algorithms(config: &MethodConfig) -> Result<Vec<Algorithm>, Mistake> {
    if config.jwt_supported_algs.is_empty() {
        return Ok(Algorithm::ALL.to_vec());
    }
    let known = |name: &String| {
        Algorithm::from_name(name).ok_or_else(|| {
            let message = format!("invalid jwt_supported_algs: unsupported signing algorithm: {name}");
            Mistake::new("jwt_supported_algs", message).hint("RS, PS or ES with 256, 384 or 512, or EdDSA")
        })
    };
    config.jwt_supported_algs.iter().map(known).collect()
}

fn static_keys(pems: &[String]) -> Result<KeySet, Mistake> {
    pems.iter().map(|pem| public_key(pem)).collect()
}

fn public_key(pem: &str) -> Result<PublicKey, Mistake> {
    let wrong = |why: String| {
        Mistake::new("jwt_validation_pubkeys", format!("error parsing public key: {why}"))
            .hint("PEM of a public key (`BEGIN PUBLIC KEY`) or of a certificate; RSA, P-256, P-384, P-521 or Ed25519")
    };
    let block = |label: &str| {
        let body = pem.split_once(&format!("-----BEGIN {label}-----"))?.1;
        let body = body.split_once(&format!("-----END {label}-----"))?.0;
        let base64: String = body.chars().filter(|c| !c.is_whitespace()).collect();
        STANDARD.decode(base64).ok()
    };
    if let Some(der) = block("PUBLIC KEY") {
        return PublicKey::from_spki(&der).map_err(|error| wrong(error.to_string()));
    }
    let der = block("CERTIFICATE").ok_or_else(|| wrong("data does not contain any valid public keys".to_owned()))?;
    let certificate = Certificate::from_der(&der).map_err(|error| wrong(error.to_string()))?;
    PublicKey::from_spki(certificate.spki()).map_err(|error| wrong(error.to_string()))
}
