//! What is registered, and what it says of itself.

use std::collections::BTreeSet;

use super::*;
use crate::config::mask::sounds_secret;

#[test]
fn no_name_is_taken_twice() {
    let registry = Registry::standard();
    let mut seen = BTreeSet::new();
    let sources = registry.sources.iter().map(|entry| ("source", entry.name));
    let exchanges = registry.exchanges.iter().map(|entry| ("exchange", entry.name));
    let deliveries = registry.deliveries.iter().map(|entry| ("delivery", entry.name));
    for name in sources.chain(exchanges).chain(deliveries) {
        assert!(seen.insert(name), "{name:?} is registered twice");
    }
}

#[test]
fn every_entry_says_what_it_is_and_describes_every_field() {
    let registry = Registry::standard();
    let sources = registry.sources.iter().map(|entry| (entry.name, entry.about, entry.schema()));
    let exchanges = registry.exchanges.iter().map(|entry| (entry.name, entry.about, entry.schema()));
    let deliveries = registry.deliveries.iter().map(|entry| (entry.name, entry.about, entry.schema()));
    for (name, about, schema) in sources.chain(exchanges).chain(deliveries) {
        assert!(!about.is_empty() && !about.contains('\n'), "{name}: `{about}`");
        let fields = schema.get("properties").and_then(|value| value.as_object()).cloned().unwrap_or_default();
        for (field, schema) in &fields {
            let described = schema.get("description").is_some_and(|text| text.as_str() != Some(""));
            assert!(described || schema.get("$ref").is_some(), "{name}.{field} has no description");
        }
        assert_eq!(schema.get("additionalProperties"), Some(&false.into()), "{name} takes unknown fields");
    }
}

#[test]
fn names_of_secrets_sound_like_secrets() {
    let registry = Registry::standard();
    let sources = registry.sources.iter().map(|entry| (entry.name, entry.schema()));
    let exchanges = registry.exchanges.iter().map(|entry| (entry.name, entry.schema()));
    let deliveries = registry.deliveries.iter().map(|entry| (entry.name, entry.schema()));
    let mut seen = 0;
    for (entry, schema) in sources.chain(exchanges).chain(deliveries) {
        for name in secrets(schema.as_value()) {
            seen += 1;
            assert!(sounds_secret(&name), "{entry}: a command line would take `{name}` written out");
        }
    }
    assert!(seen > 0, "no secret found: this looks in the wrong place");
}

/// The names of all properties that are marked as secret, at any depth.
fn secrets(schema: &serde_json::Value) -> Vec<String> {
    let Some(members) = schema.as_object() else {
        return schema.as_array().into_iter().flatten().flat_map(secrets).collect();
    };
    let properties = members.get("properties").and_then(|value| value.as_object());
    let own = properties.into_iter().flatten().filter(|(_, property)| {
        let choices = property.get("anyOf").and_then(|value| value.as_array()).into_iter().flatten();
        std::iter::once(*property).chain(choices).any(|schema| {
            schema.get("writeOnly") == Some(&true.into())
                || schema.get("$ref").and_then(|value| value.as_str()).is_some_and(|name| name.ends_with("/Secret"))
        })
    });
    own.map(|(name, _)| name.clone()).chain(members.values().flat_map(secrets)).collect()
}

/// The fields that an entry cannot be built without.
fn fields(name: &str) -> &'static str {
    match name {
        "token-file" | "aws-profile" => "path = '/x'",
        "oauth" => "token_url = 'https://sts.example/token'",
        "carnet" => "url = 'https://authority.example'",
        "oci-profile" | "oci-resource-principal" | "x509-files" => "directory = '/x'",
        "oci-token" => "token_file = '/x'\nkey_file = '/y'",
        "oci-signature" => "url = 'https://iaas.us-ashburn-1.oraclecloud.com/20160918/instances'",
        "gcp" => {
            "audience = '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/main/providers/main'"
        }
        "gcp-credential-file" => {
            "path = '/x'
            audience = '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/main/providers/main'"
        }
        "oci-domain" => "url = 'https://idcs-c0ffee00c0ffee00c0ffee00c0ffee00.identity.oraclecloud.com'",
        "oci-upst" => {
            "url = 'https://idcs-c0ffee00c0ffee00c0ffee00c0ffee00.identity.oraclecloud.com'
            client_id = 'x'
            client_secret_file = '/x'"
        }
        "oci-rpst" => {
            "url = 'https://idcs-c0ffee00c0ffee00c0ffee00c0ffee00.identity.oraclecloud.com'
            client_id = 'x'
            client_secret_file = '/x'
            res_type = 'x'"
        }
        "entra" => {
            "tenant = 'c0ffee00-0000-4000-8000-000000000001'
            client_id = 'c0ffee00-0000-4000-8000-000000000002'
            resource = 'https://storage.azure.com'"
        }
        "azure-token-file" => {
            "path = '/x'
            tenant = 'c0ffee00-0000-4000-8000-000000000001'
            client_id = 'c0ffee00-0000-4000-8000-000000000002'"
        }
        "azure-cli" => {
            "tenant = 'c0ffee00-0000-4000-8000-000000000001'
            client_id = 'c0ffee00-0000-4000-8000-000000000002'
            token_file = '/x'"
        }
        "vault-unwrap" => "creation_path = 'auth/jwt/login'",
        "vault-secrets" => "secrets = [{ mount = 'secret', path = 'a', file = '/x' }]",
        "infisical-secrets" => "secrets = [{ project_id = 'p', environment = 'prod', export = true }]",
        "aws" => "role_arn = 'arn:aws:iam::123456789012:role/r'",
        "aws-roles-anywhere" => {
            "trust_anchor_arn = 'arn:aws:rolesanywhere:eu-central-1:123456789012:trust-anchor/a'
            profile_arn = 'arn:aws:rolesanywhere:eu-central-1:123456789012:profile/p'
            role_arn = 'arn:aws:iam::123456789012:role/r'"
        }
        "aws-web-identity-file" => {
            "path = '/x'
            role_arn = 'arn:aws:iam::123456789012:role/r'"
        }
        "relying-party" => "name = 'pypi'",
        _ => "",
    }
}

fn built<T: ?Sized>(entry: &Entry<T>) -> Arc<T> {
    let fields = toml::de::DeTable::parse(fields(entry.name)).unwrap().into_inner();
    let built = entry.build(Spanned::new(0..0, DeValue::Table(fields))).unwrap();
    built.unwrap_or_else(|mistakes| panic!("{}: {mistakes:?}", entry.name))
}

#[test]
fn every_entry_takes_and_gives_what_it_declares() {
    let registry = Registry::standard();
    for entry in &registry.deliveries {
        assert_eq!(built(entry).takes(), entry.takes(), "{}", entry.name);
    }
    for entry in &registry.exchanges {
        let exchange = built(entry);
        // Some take less in one configuration than in another.
        assert!(exchange.takes().iter().all(|kind| entry.takes().contains(kind)), "{}", entry.name);
        assert!(exchange.gives().iter().all(|kind| entry.gives().contains(kind)), "{}", entry.name);
    }
}

#[cfg(all(feature = "generic", feature = "oci", feature = "gcp", feature = "oauth"))]
#[test]
fn a_session_that_does_not_fit_is_told_who_takes_it() {
    use carnet_core::Kind;

    use crate::route::{Misfit, Step};

    let registry = Registry::standard();
    let session = Kinds::of(&[Kind::OciSession]);
    let misfit = |to, takes| Misfit { from: Step::exchange(0, "oci-rpst"), gives: Some(session), to, takes };
    let token = registry.find_delivery("token").unwrap().takes();
    let error = misfit(Step::delivery(1, "token"), token).to_error("--format", &registry);
    assert_eq!(
        error.to_string(),
        "through[0] oci-rpst gives oci-session, but --format token takes access-token or jwt"
    );
    assert_eq!(
        error.hints(),
        ["deliveries that take oci-session: json, oci-profile, oci-resource-principal, oci-token, oci-signature"]
    );
    let gcp = registry.find_exchange("gcp").unwrap().takes();
    assert_eq!(
        misfit(Step::exchange(1, "gcp"), gcp).hint(&registry),
        "put an exchange between them that takes oci-session and gives aws-keys or jwt or x509: oci-domain, carnet"
    );
}
