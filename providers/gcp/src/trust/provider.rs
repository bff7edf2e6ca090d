//! Pools and providers as they are configured.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Whether a resource is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum State {
    /// It is there.
    #[default]
    Active,
    /// It was deleted, and can be brought back until it is purged.
    Deleted,
}

/// A workload identity pool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pool {
    /// A name for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub display_name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Whether it is switched off; its tokens then stop working until it is switched on again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
    /// Whether it is there.
    #[serde(default)]
    pub state: State,
    /// When it will be purged, if it was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expire_time: Option<Timestamp>,
}

/// A provider of a pool. Exactly one of `aws`, `oidc` and `x509` says whom it trusts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Provider {
    /// A name for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub display_name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Whether it is switched off: no new exchanges, but tokens that were given go on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
    /// Whether it is there.
    #[serde(default)]
    pub state: State,
    /// When it will be purged, if it was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expire_time: Option<Timestamp>,
    /// From `google.subject`, `google.groups` and `attribute.NAME` to CEL over `assertion`. Empty: for AWS and X.509 there is
    /// a default, see [`Provider::effective_mapping`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attribute_mapping: BTreeMap<String, String>,
    /// CEL over `assertion`, `google` and `attribute` that must be true.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub attribute_condition: String,
    /// An AWS account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws: Option<Aws>,
    /// An issuer of tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oidc: Option<Oidc>,
    /// Authorities of certificates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x509: Option<X509>,
}

/// What AWS providers map without a mapping of their own (IAM v1, `attributeMapping`): the ARN, and as `aws_role` the role of
/// an assumed one, without the name of the session.
const AWS_MAPPING: [(&str, &str); 2] = [
    ("google.subject", "assertion.arn"),
    (
        "attribute.aws_role",
        "assertion.arn.contains('assumed-role') ? assertion.arn.extract('{account_arn}assumed-role/') + 'assumed-role/' + \
         assertion.arn.extract('assumed-role/{role_name}/') : assertion.arn",
    ),
];

/// The same for X.509 providers ("Configure Workload Identity Federation with X.509 certificates").
const X509_MAPPING: [(&str, &str); 1] = [("google.subject", "assertion.subject.dn.cn")];

impl Provider {
    /// The mapping that counts: that of the provider or, when it has none, the default of its kind.
    pub fn effective_mapping(&self) -> BTreeMap<String, String> {
        let default: &[(&str, &str)] = match (&self.aws, &self.x509) {
            _ if !self.attribute_mapping.is_empty() => return self.attribute_mapping.clone(),
            (Some(_), _) => &AWS_MAPPING,
            (None, Some(_)) => &X509_MAPPING,
            (None, None) => &[],
        };
        default.iter().map(|(key, source)| ((*key).to_owned(), (*source).to_owned())).collect()
    }
}

/// An AWS account whose principals a provider trusts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Aws {
    /// Its number, 12 digits.
    #[serde(default)]
    pub account_id: String,
}

/// Authorities whose certificates a provider trusts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct X509 {
    /// The authorities.
    #[serde(default)]
    pub trust_store: TrustStore,
}

/// Certificates of authorities.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrustStore {
    /// Those that are believed.
    #[serde(default)]
    pub trust_anchors: Vec<Pem>,
    /// Those that help to find the way there, and are not believed for themselves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub intermediate_cas: Vec<Pem>,
}

/// One certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pem {
    /// PEM.
    #[serde(default)]
    pub pem_certificate: String,
}

/// The issuer of a provider.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Oidc {
    /// What `iss` must be, character by character.
    #[serde(default)]
    pub issuer_uri: String,
    /// What `aud` may be. Empty: the provider's own name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_audiences: Vec<String>,
    /// The uploaded key set; without it, keys are discovered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_json: Option<String>,
    /// Where the discovery document is, if not below the issuer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discovery_uri: Option<String>,
}
