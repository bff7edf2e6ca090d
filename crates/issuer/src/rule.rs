//! Trust rules as data.

pub(crate) mod check;
pub(crate) mod claim;
pub(crate) mod compiled;
pub(crate) mod pattern;
pub(crate) mod risk;
pub(crate) mod shared;
pub(crate) mod template;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{IssueType, SubjectType};

/// Who may become whom, and what is issued for it. Whatever is not allowed by a rule is refused. All conditions of a rule must hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name, which stands in the audit: letters, digits, dots, dashes, underscores and slashes.
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Who vouches for the subject: `iss`, compared byte for byte, `spiffe://DOMAIN` for SVIDs of a trust domain, `oci://TENANCY` or `aws://ACCOUNT` for
    /// requests that a principal of that tenancy or account has signed.
    pub issuer: String,
    /// `aud` of the subject token must hold one of these. The URL of this authority when empty. Certificates have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expected_audiences: Vec<String>,
    /// `sub`: exact, or with `*`, which stands for anything without `/` and `:`, or `**` for anything at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Claims and their values: one value or a list of those that will do. A claim that is a list must hold one of them. `a/b` is the member `b` of the
    /// claim `a`, unless there is a claim of that whole name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub claims: BTreeMap<String, Value>,
    /// A condition in CEL over `claims` of the subject token and `actor`, the claims of the actor token (empty without one).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// What may be shown: for `spiffe://DOMAIN` `jwt-svid` and `x509-svid` unless given, for `oci://TENANCY` `oci-request`, for `aws://ACCOUNT`
    /// `aws-request`, for others `jwt` and `id-token`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subject_token_types: Vec<SubjectType>,
    /// Networks in CIDR notation from where it may be asked for, and used; anywhere when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<String>,
    /// The SPIFFE ID given, or its path. `{claim}` stands for the value of a claim, which must be one segment of a path. `{sub}` alone hands on the SPIFFE
    /// ID of an SVID of our own trust domain. A rule without `issue` needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// What may be issued; the first is what a request gets that does not say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub issue: Vec<IssueType>,
    /// For whom tokens may be: `audience` of the request, exact or with `*` as in `subject`. The only one, if it is exact, is also what a request gets
    /// that names none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audiences: Vec<String>,
    /// For what tokens may be: `resource` of the request (RFC 8693, 2.1), exact or with `*` as in `subject`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    /// Scopes of access tokens. A request that names none gets all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// DNS names in X509-SVIDs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dns_names: Vec<String>,
    /// Algorithm of what is signed: RS256, ES256, ES384 or, for access tokens only, EdDSA. Otherwise the audience decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<String>,
    /// Life in seconds; the authority's default when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifetime: Option<u32>,
    /// Seconds from the first issue up to which an access token can be renewed. It cannot be when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_lifetime: Option<u32>,
    /// How often an access token may be looked up as active. Such a token cannot be renewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uses: Option<u64>,
    /// Whether access tokens stand by themselves: nothing is remembered of them, the rule and its networks are in their claim `carnet`, and looking one up
    /// writes nothing, not even a row of the audit. They are neither counted nor renewed. Without the rule they are good no more.
    #[serde(default, skip_serializing_if = "is_false")]
    pub stateless: bool,
    /// Whether a subject token is good for one exchange only. A signed request always is.
    #[serde(default, skip_serializing_if = "is_false")]
    pub single_use: bool,
    /// Further claims of tokens. `{claim}` in a text stands for a claim; a text that is nothing else keeps the claim's type.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub custom_claims: BTreeMap<String, Value>,
    /// Whether the claim `may_act` of the subject token may appoint an actor (RFC 8693, 4.4).
    #[serde(default, skip_serializing_if = "is_false")]
    pub may_act: bool,
    /// Who may act for the subject (RFC 8693, 4.1). A `may_act` in the subject token must hold for them, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actors: Vec<ActorRule>,
    /// Tokens for these audiences may be looked up by the subject (RFC 7662), exact or with `*` as in `subject`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub introspect: Vec<String>,
    /// Why a rule that could match a stranger is as it should be. Without a reason it is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept_risk: Option<String>,
}

/// Somebody who may act for the subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActorRule {
    /// Who vouches for the actor, as in a rule. Actor tokens are for the URL of this authority.
    pub issuer: String,
    /// `sub` of the actor token, as in a rule.
    pub subject: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
fn is_false(value: &bool) -> bool {
    !value
}
