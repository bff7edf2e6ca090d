//! The trust as plain data, in the names of the identity domains API.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

/// An identity propagation trust (schema `urn:ietf:params:scim:schemas:oracle:idcs:IdentityPropagationTrust`).
///
/// Only what decides about an exchange is here; SCIM bookkeeping (`id`, `meta`, `schemas`) is passed over when such a
/// resource is read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PropagationTrust {
    /// Its name. Immutable.
    pub name: String,
    /// The sort of token it trusts. Only JWT can be evaluated here.
    #[serde(rename = "type")]
    pub kind: TrustType,
    /// The issuer, exactly as in `iss`. One trust per issuer and domain.
    pub issuer: String,
    /// An inactive trust refuses everything. Default: inactive.
    pub active: bool,
    /// What the token becomes.
    pub subject_type: SubjectType,
    /// The claim that names the subject; `sub` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_claim_name: Option<String>,
    /// The attribute of a user that must equal the subject, when nobody is impersonated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_mapping_attribute: Option<String>,
    /// The claim that says for whom the token was issued, for instance `aud`. Without it no audience is checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_claim_name: Option<String>,
    /// The values of that claim that are accepted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub client_claim_values: Vec<String>,
    /// URL of the issuer's JWKS, fetched by the domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_key_endpoint: Option<String>,
    /// A certificate (PEM or base64) with the issuer's key, in place of the URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_certificate: Option<String>,
    /// Client ids that may exchange. Empty when the caller signs as an OCI principal.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub oauth_clients: Vec<String>,
    /// Whether the token becomes a service user (or a resource) instead of the user it names.
    pub allow_impersonation: bool,
    /// Who becomes which service user; the first rule that matches decides.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub impersonation_service_users: Vec<ServiceUserRule>,
    /// For RPSTs: the label that `res_type` must equal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub impersonating_resource: Option<String>,
    /// Claims that must have a value.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub claim_validations: Vec<ClaimValidation>,
    /// For RPSTs: claims that policies can see, each written with the prefix `ext_`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub claim_propagations: Vec<String>,
    /// Tolerance for clocks that disagree, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock_skew_seconds: Option<u32>,
}

/// The sort of token that a trust is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the names are the schema's own")]
pub enum TrustType {
    Aws,
    #[default]
    Jwt,
    Saml,
    Spnego,
    X509,
}

impl TrustType {
    /// The name in the schema.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aws => "AWS",
            Self::Jwt => "JWT",
            Self::Saml => "SAML",
            Self::Spnego => "SPNEGO",
            Self::X509 => "X509",
        }
    }
}

/// What a token becomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SubjectType {
    /// An application. No exchange for it is documented.
    App,
    /// A resource that exists only in the token: RPST.
    Resource,
    /// A user of the domain: UPST.
    #[default]
    User,
}

impl SubjectType {
    /// The name in the schema.
    pub const fn name(self) -> &'static str {
        match self {
            Self::App => "App",
            Self::Resource => "Resource",
            Self::User => "User",
        }
    }
}

/// Who becomes which service user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceUserRule {
    /// The user's id in the domain. This or `ocid`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The user's OCID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ocid: Option<String>,
    /// The rule, for instance `sub eq repo:org/app:*`. See [`super::Rule`].
    pub rule: String,
}

impl ServiceUserRule {
    /// Whether it names this user. When it names one twice, both must agree.
    pub fn names(&self, user: &DomainUser) -> bool {
        let by_id = self.value.as_ref().map(|id| *id == user.id);
        let by_ocid = self.ocid.as_ref().map(|ocid| *ocid == user.ocid);
        match (by_id, by_ocid) {
            (None, None) => false,
            (id, ocid) => id.unwrap_or(true) && ocid.unwrap_or(true),
        }
    }
}

/// A claim that must have a value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimValidation {
    /// Name of the claim.
    pub name: String,
    /// Its value, compared byte for byte.
    pub value: String,
}

/// A user of the domain, as far as a trust looks at it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DomainUser {
    /// Id in the domain, 32 hexadecimal digits.
    pub id: String,
    /// OCID.
    pub ocid: String,
    /// `userName`.
    pub name: String,
    /// Whether it may be used.
    pub active: bool,
    /// Whether it is a service user; only those can be impersonated.
    pub service_user: bool,
    /// Further attributes by name, for `subjectMappingAttribute`: `externalId`, `emails.value` and so on.
    pub attributes: BTreeMap<String, String>,
}

impl DomainUser {
    /// The value of an attribute. Names compare without case, as SCIM has it; values are compared as they are.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        if name.eq_ignore_ascii_case("userName") {
            return Some(&self.name);
        }
        if name.eq_ignore_ascii_case("id") {
            return Some(&self.id);
        }
        if name.eq_ignore_ascii_case("ocid") {
            return Some(&self.ocid);
        }
        self.attributes.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// Something that the domain refuses in a trust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustMistake {
    /// The attribute, as the schema names it.
    pub attribute: &'static str,
    /// Whether it is missing, rather than wrong.
    pub missing: bool,
    /// What is wrong with it.
    pub message: String,
}

impl fmt::Display for TrustMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.attribute, self.message)
    }
}
