//! What those who read the documents cannot cope with.

use std::{collections::BTreeMap, fmt};

use serde_json::{Map, Value};
use url::Url;

use crate::Documents;

/// Keys of one type that AWS reads; later ones are "not found" (IAM user guide, OIDC providers).
const AWS_KEYS: usize = 100;
/// Keys that Entra keeps (workload identity federation, considerations).
const ENTRA_KEYS: usize = 100;
/// Longest issuer of a federated credential in Entra, in characters.
const ENTRA_ISSUER: usize = 600;
/// Keys in a set that OCI's API gateway takes.
const OCI_GATEWAY_KEYS: usize = 10;
/// Members of a key that Google takes in an uploaded set; others make it "not in a valid json format".
const GOOGLE_MEMBERS: [&str; 9] = ["kty", "alg", "use", "kid", "n", "e", "x", "y", "crv"];

/// Who reads the documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Consumer {
    /// Any relying party.
    Any,
    /// AWS STS and IAM OIDC providers.
    Aws,
    /// Microsoft Entra federated credentials.
    Entra,
    /// Google workload identity pools.
    Google,
    /// Kafka with Strimzi's validator.
    Kafka,
    /// Oracle's API gateway.
    OciApiGateway,
    /// Vault's and OpenBao's `jwt` method.
    Vault,
}

/// Something that a consumer refuses, drops or reads otherwise than was meant.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Warning {
    /// Who.
    pub consumer: Consumer,
    /// The member it is about, for instance `issuer` or `keys[3]`.
    pub about: String,
    /// What will happen.
    pub message: String,
    /// What to do.
    pub hint: String,
}

impl fmt::Display for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "any relying party",
            Self::Aws => "AWS",
            Self::Entra => "Entra",
            Self::Google => "Google Cloud",
            Self::Kafka => "Kafka",
            Self::OciApiGateway => "OCI API gateway",
            Self::Vault => "Vault",
        })
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.consumer, self.about, self.message)
    }
}

/// What each consumer will not take of these documents, whoever wrote them. Nothing in it stops the others.
pub fn limits(documents: &Documents) -> Vec<Warning> {
    let mut found = Found(Vec::new());
    match serde_json::from_slice::<Map<String, Value>>(&documents.openid_configuration) {
        Ok(document) => check_configuration(&document, &mut found),
        Err(_) => {
            found.add(Consumer::Any, "openid-configuration", "it is not a JSON object", "look at what is served there");
        }
    }
    match serde_json::from_slice::<Value>(&documents.jwks).ok().as_ref().and_then(|set| set.get("keys")?.as_array()) {
        Some(keys) => check_keys(keys, &mut found),
        None => found.add(Consumer::Any, "keys", "it is not a key set (RFC 7517, 5)", "look at what is served there"),
    }
    found.0
}

struct Found(Vec<Warning>);

impl Found {
    fn add(
        &mut self,
        consumer: Consumer,
        about: impl Into<String>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.0.push(Warning { consumer, about: about.into(), message: message.into(), hint: hint.into() });
    }
}

fn check_configuration(document: &Map<String, Value>, found: &mut Found) {
    let text = |name: &str| document.get(name).and_then(Value::as_str).unwrap_or_default();
    check_issuer(text("issuer"), found);
    if !Url::parse(text("jwks_uri")).is_ok_and(|url| url.scheme() == "https") {
        let hint = "the address of the key set begins with https://";
        found.add(Consumer::Any, "jwks_uri", "it is not an https URL, so no cloud fetches it", hint);
    }
    let algorithms = document.get("id_token_signing_alg_values_supported").and_then(Value::as_array);
    if !algorithms.is_some_and(|all| all.iter().any(|one| one == "RS256")) {
        let message = "RS256 is not among the algorithms, and Entra wants it there";
        found.add(Consumer::Entra, "id_token_signing_alg_values_supported", message, "add RS256");
    }
    if document.get("subject_types_supported").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        let message = "it is empty or absent, which Java clients refuse";
        found.add(Consumer::Any, "subject_types_supported", message, "write [\"public\"]");
    }
}

fn check_issuer(issuer: &str, found: &mut Found) {
    let Ok(url) = Url::parse(issuer) else {
        return found.add(Consumer::Any, "issuer", "it is not a URL", "write it as `iss` stands in the tokens");
    };
    if url.scheme() != "https" {
        let hint = "put the documents behind TLS and use that address in `iss`";
        found.add(Consumer::Any, "issuer", "it is not https, so no cloud takes it", hint);
    }
    if url.port().is_some() {
        let hint = "serve on port 443";
        found.add(Consumer::Aws, "issuer", "it has a port, and IAM takes no OIDC provider with one", hint);
    }
    if url.query().is_some() || url.fragment().is_some() {
        let hint = "leave out the query and the fragment";
        found.add(Consumer::Aws, "issuer", "it has a query or a fragment, which IAM refuses", hint);
    }
    if issuer.ends_with('/') {
        let message =
            "it ends with a slash: issuers are compared byte for byte, and set-up tools take the slash off or add one";
        found.add(Consumer::Any, "issuer", message, "use an issuer without a slash at its end, in the tokens as well");
    }
    if issuer.chars().count() > ENTRA_ISSUER {
        let message =
            format!("it is longer than {ENTRA_ISSUER} characters, the most that a federated credential takes");
        found.add(Consumer::Entra, "issuer", message, "use a shorter one");
    }
}

fn check_keys(keys: &[Value], found: &mut Found) {
    if keys.is_empty() {
        found.add(
            Consumer::Any,
            "keys",
            "there is no key, so no token is believed",
            "is JWT-SVID switched off at the source?",
        );
        return;
    }
    check_counts(keys, found);
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for (position, key) in keys.iter().enumerate() {
        let at = format!("keys[{position}]");
        check_key(&at, key, found);
        if let Some(first) = key.get("kid").and_then(Value::as_str).and_then(|kid| seen.insert(kid, position)) {
            let message = format!("it has the `kid` of keys[{first}]: readers take one of the two");
            found.add(Consumer::Any, at, message, "give every key a `kid` of its own");
        }
    }
}

fn check_counts(keys: &[Value], found: &mut Found) {
    let of_type = |name: &str| keys.iter().filter(|key| key.get("kty").is_some_and(|kty| kty == name)).count();
    let (rsa, ec) = (of_type("RSA"), of_type("EC"));
    let few = "let old keys go sooner, or rotate less often";
    for (name, count) in [("RSA", rsa), ("EC", ec)] {
        if count > AWS_KEYS {
            let message =
                format!("there are {count} {name} keys, and AWS reads {AWS_KEYS}: tokens of the others are refused");
            found.add(Consumer::Aws, "keys", message, few);
        }
    }
    if keys.len() > ENTRA_KEYS {
        let message = format!("there are {} keys, and Entra keeps the first {ENTRA_KEYS}", keys.len());
        found.add(Consumer::Entra, "keys", message, few);
    }
    if keys.len() > OCI_GATEWAY_KEYS {
        let message = format!("there are {} keys, and the gateway takes {OCI_GATEWAY_KEYS}", keys.len());
        found.add(Consumer::OciApiGateway, "keys", message, few);
    }
    if rsa == 0 {
        let message = "there is no RSA key, and Entra takes no other (AADSTS5002738)";
        found.add(
            Consumer::Entra,
            "keys",
            message,
            "sign tokens for Entra with RS256 (SPIRE: jwt_key_type = \"rsa-2048\")",
        );
    }
}

fn check_key(at: &str, key: &Value, found: &mut Found) {
    let text = |name: &str| key.get(name).and_then(Value::as_str);
    if text("kid").is_none_or(str::is_empty) {
        found.add(
            Consumer::Any,
            at,
            "it has no `kid`, without which Google, Entra and SPIFFE find no key",
            "give it one",
        );
    }
    match text("use") {
        Some("sig") => {}
        Some(_) => found.add(Consumer::Any, at, "its `use` is not `sig`, so it is passed over", "write `sig`"),
        None => found.add(Consumer::Kafka, at, "it has no `use`, and Strimzi wants `sig`", "set `key_use = true`"),
    }
    for certificate in ["x5c", "x5t", "x5t#S256"].into_iter().filter(|name| key.get(*name).is_some()) {
        let message = format!("it carries `{certificate}`, which Google refuses");
        found.add(Consumer::Google, at, message, "leave the members of certificates out");
    }
    let foreign = key.as_object().into_iter().flat_map(Map::keys);
    for name in foreign.filter(|name| !GOOGLE_MEMBERS.contains(&name.as_str()) && !name.starts_with("x5")) {
        let message = format!("Google takes no `{}` in an uploaded key set", carnet_core::safe_text(name));
        found.add(Consumer::Google, at, message, "leave it out of what is uploaded");
    }
    if !matches!(text("alg"), None | Some("RS256" | "ES256")) {
        let message = "Google verifies RS256 and ES256 only";
        found.add(Consumer::Google, at, message, "sign tokens for Google with one of these");
    }
    if text("kty") == Some("OKP") {
        found.add(Consumer::Aws, at, "AWS knows no EdDSA", "sign tokens for AWS with RS256, ES256 or ES384");
    }
    if text("alg").is_none() {
        let message = "it has no `alg`: libraries that take the algorithm from the key refuse it";
        found.add(Consumer::Any, at, message, "write the algorithm");
    }
}
