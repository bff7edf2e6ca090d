//! Who acts, as IAM sees it.

use std::{collections::BTreeMap, fmt};

use carnet_jose::Claims;
use carnet_trust::Refusal;
use serde::Serialize;

use super::Checked;

/// `ptype` of a user's session token.
pub const PTYPE_USER: &str = "user";
/// `ptype` of an instance principal's token.
pub const PTYPE_INSTANCE: &str = "instance";
/// `ptype` of a resource principal's token. UNCONFIRMED: the only public sample (an Oracle NoSQL driver test) carries a
/// copied `instance`; the value follows the naming of the two others.
pub const PTYPE_RESOURCE: &str = "resource";
/// `ptype` of the token of a pod on Kubernetes Engine. UNCONFIRMED: taken from `request.principal.type = 'workload'`.
pub const PTYPE_WORKLOAD: &str = "workload";
/// `ptype` of an ephemeral resource principal made from an external token. UNCONFIRMED: Oracle publishes only the
/// policy side, `request.principal.type = 'identityfederateddomainapp'`; the token repeats that word here.
pub const PTYPE_FEDERATED: &str = "identityfederateddomainapp";

/// What the copies of external claims are called in a token: `var_ext_repository` for `ext_repository`.
pub const CLAIM_EXTERNAL_PREFIX: &str = "var_ext_";
/// The claim of a federated token that holds the OCID of the identity domain. UNCONFIRMED: only the policy variable
/// `request.principal.domain.id` is published.
pub const CLAIM_DOMAIN_ID: &str = "domain_id";

/// The code of every answer to a caller that could not be authenticated.
pub const NOT_AUTHENTICATED: &str = "NotAuthenticated";

/// A principal: what a policy's subject and its `request.principal.*` variables are about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Principal {
    /// `request.principal.type`: `user`, `instance`, `workload`, `identityfederateddomainapp`, or the resource type in lower
    /// case such as `fnfunc`.
    pub kind: String,
    /// Its OCID, or the external subject of a federated resource principal.
    pub id: String,
    /// OCID of its tenancy.
    pub tenancy: String,
    /// `request.principal.name`, if it has one.
    pub name: Option<String>,
    /// OCID of the compartment it lives in, for instances and resources.
    pub compartment: Option<String>,
    /// Further `request.principal.*` variables by the part after the second dot: `namespace`, `cluster_id`, `domain.id`,
    /// `ext_repository` and so on.
    pub attributes: BTreeMap<String, String>,
    /// How it proved itself.
    pub proof: Proof,
    /// Claims of its token that may be shown, for relying parties that ask the auth service.
    pub claims: BTreeMap<String, String>,
}

/// How a principal proved itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proof {
    /// A user's API key.
    ApiKey,
    /// The registered key of a resource.
    ResourceKey,
    /// A session token and the key it names.
    SessionToken,
    /// The certificate of an instance.
    X509,
}

impl Principal {
    /// A user who signed with an API key.
    pub fn user(id: impl Into<String>, tenancy: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            kind: PTYPE_USER.to_owned(),
            id: id.into(),
            tenancy: tenancy.into(),
            name: Some(name.into()),
            compartment: None,
            attributes: BTreeMap::new(),
            proof: Proof::ApiKey,
            claims: BTreeMap::from([("ptype".to_owned(), "user".to_owned()), ("pstype".to_owned(), "natv".to_owned())]),
        }
    }

    /// The principal that a session token speaks of. The token's signature must have been verified.
    ///
    /// # Errors
    /// Clause `token` when a claim that every session token has is missing.
    pub fn from_claims(claims: &Claims) -> Checked<Self> {
        let ptype = required(claims, "ptype")?;
        let id = required(claims, "sub")?;
        let tenancy = match claims.str("res_tenant") {
            Some(tenancy) => tenancy,
            None => required(claims, "tenant")?,
        };
        let mut principal = Self {
            kind: ptype.to_ascii_lowercase(),
            id: id.to_owned(),
            tenancy: tenancy.to_owned(),
            name: None,
            compartment: None,
            attributes: BTreeMap::new(),
            proof: Proof::SessionToken,
            claims: shown(claims),
        };
        match ptype {
            PTYPE_USER => principal.name = claims.str("userName").map(str::to_owned),
            PTYPE_INSTANCE => principal.compartment = claims.str("opc-compartment").map(str::to_owned),
            PTYPE_FEDERATED => {
                principal.name = Some(id.to_owned());
                principal.compartment = Some(tenancy.to_owned());
                if let Some(domain) = claims.str(CLAIM_DOMAIN_ID) {
                    principal.attributes.insert("domain.id".to_owned(), domain.to_owned());
                }
            }
            _ => {
                if let Some(kind) = claims.str("res_type").filter(|_| ptype == PTYPE_RESOURCE) {
                    principal.kind = kind.to_ascii_lowercase();
                }
                principal.compartment = claims.str("res_compartment").map(str::to_owned);
                for name in ["namespace", "service_account", "cluster_id"] {
                    if let Some(value) = claims.str(name) {
                        principal.attributes.insert(name.to_owned(), value.to_owned());
                    }
                }
            }
        }
        for (name, value) in &claims.0 {
            if let (Some(name), Some(value)) = (name.strip_prefix(CLAIM_EXTERNAL_PREFIX), scalar(value)) {
                principal.attributes.insert(format!("ext_{name}"), value);
            }
        }
        Ok(principal)
    }

    /// The value of `request.principal.NAME`, if this principal has one.
    pub fn variable(&self, name: &str) -> Option<&str> {
        match name {
            "type" => Some(&self.kind),
            "id" => Some(&self.id),
            "name" => self.name.as_deref(),
            "compartment.id" => self.compartment.as_deref(),
            _ => self.attributes.get(name).map(String::as_str),
        }
    }

    /// As [`Self::variable`] for what came from outside, by a name without case.
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Whether it is a user.
    pub fn is_user(&self) -> bool {
        self.kind == PTYPE_USER
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.id)
    }
}

fn required<'a>(claims: &'a Claims, name: &str) -> Checked<&'a str> {
    claims.str(name).filter(|value| !value.is_empty()).ok_or_else(|| {
        Box::new(Refusal::new(
            "token",
            format!("a session token without the claim {name}"),
            "the claims sub, ptype and tenant",
            NOT_AUTHENTICATED,
            "get a new session token; this one was not made by the auth service",
        ))
    })
}

fn shown(claims: &Claims) -> BTreeMap<String, String> {
    // The key, the opaque tag and the token's own bookkeeping say nothing about the principal.
    const HIDDEN: [&str; 7] = ["jwk", "opc-tag", "jti", "iat", "exp", "nbf", "sess_exp"];
    claims
        .0
        .iter()
        .filter(|(name, _)| !HIDDEN.contains(&name.as_str()))
        .filter_map(|(name, value)| Some((name.clone(), scalar(value)?)))
        .collect()
}

fn scalar(value: &serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Bool(_) | serde_json::Value::Number(_) => Some(value.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn principal(claims: serde_json::Value) -> Checked<Principal> {
        let serde_json::Value::Object(claims) = claims else { panic!("an object") };
        Principal::from_claims(&Claims(claims))
    }

    #[test]
    fn a_federated_token_shows_its_external_claims_to_policies() {
        let found = principal(json!({
            "ptype": PTYPE_FEDERATED, "sub": "repo:o/r", "tenant": "ocid1.tenancy.oc1..t", "res_type": "label",
            "domain_id": "ocid1.domain.oc1..d", "var_ext_repository": "o/r", "var_ext_run": 7, "jwk": "{}"
        }))
        .unwrap();
        assert_eq!(found.variable("type"), Some("identityfederateddomainapp"));
        assert_eq!(found.variable("name"), Some("repo:o/r"));
        assert_eq!(found.variable("ext_repository"), Some("o/r"));
        assert_eq!(found.variable("ext_run"), Some("7"));
        assert_eq!(found.variable("domain.id"), Some("ocid1.domain.oc1..d"));
        assert!(!found.claims.contains_key("jwk"));
    }

    #[test]
    fn a_resource_is_of_its_own_type() {
        let found = principal(json!({
            "ptype": "resource", "sub": "ocid1.fnfunc.oc1..f", "res_tenant": "t", "res_type": "FnFunc", "res_compartment": "c"
        }))
        .unwrap();
        assert_eq!((found.kind.as_str(), found.variable("compartment.id")), ("fnfunc", Some("c")));
    }

    #[test]
    fn rejects_a_token_without_a_tenancy() {
        let refusal = principal(json!({"ptype": "user", "sub": "ocid1.user.oc1..u"})).unwrap_err();
        assert_eq!((refusal.clause, refusal.seen.contains("tenant")), ("token", true));
    }
}
