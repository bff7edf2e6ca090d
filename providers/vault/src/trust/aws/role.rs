//! A role of the method, and who may become it.

use std::net::IpAddr;

use carnet_core::Mistake;
use carnet_trust::{Grant, Refusal, Warning};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{
    super::{identity::Identity, role::check_name, token_fields::TokenFields, wire_types::list},
    AwsCaller, AwsClientConfig, refuse,
};

/// `POST auth/MOUNT/role/NAME`, type `iam`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AwsRole {
    /// `iam`; logins with an instance's document (`ec2`) are not evaluated.
    pub auth_type: String,
    /// Users and roles that log in. A `*` at the end stands for anything.
    #[serde(deserialize_with = "list")]
    pub bound_iam_principal_arn: Vec<String>,
    /// Whether the server asks IAM for the unique id behind each ARN, so that a namesake made later does not get in.
    pub resolve_aws_unique_ids: bool,
    /// What the token becomes.
    #[serde(flatten)]
    pub token: TokenFields,
}

impl Default for AwsRole {
    fn default() -> Self {
        Self {
            auth_type: "iam".to_owned(),
            bound_iam_principal_arn: Vec::new(),
            resolve_aws_unique_ids: true,
            token: TokenFields::default(),
        }
    }
}

/// `POST auth/MOUNT/config/identity`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AwsIdentityConfig {
    /// What the identity alias is: `role_id`, `unique_id`, `canonical_arn` or `full_arn`.
    pub iam_alias: String,
}

impl Default for AwsIdentityConfig {
    fn default() -> Self {
        Self { iam_alias: "role_id".to_owned() }
    }
}

impl AwsIdentityConfig {
    /// Checks what a write refuses.
    ///
    /// # Errors
    /// An alias that is not known.
    pub fn check(&self) -> Result<(), Mistake> {
        const ALIASES: [&str; 4] = ["role_id", "unique_id", "canonical_arn", "full_arn"];
        if ALIASES.contains(&self.iam_alias.as_str()) {
            return Ok(());
        }
        let message = format!("invalid iam_alias of {:?}, must be one of: [{}]", self.iam_alias, ALIASES.join(", "));
        Err(Mistake::new("iam_alias", message))
    }
}

/// A role that a write accepts.
#[derive(Clone, Debug)]
pub struct CheckedAwsRole {
    name: String,
    id: String,
    role: AwsRole,
    networks: Vec<IpNet>,
}

impl CheckedAwsRole {
    /// Checks what a write refuses with 400. `id` is the role's own id, which the server makes.
    ///
    /// # Errors
    /// The first mistake.
    pub fn new(name: &str, id: &str, role: AwsRole) -> Result<Self, Mistake> {
        check_name(name)?;
        if role.auth_type != "iam" {
            let message = format!("unrecognized auth_type: {:?}", role.auth_type);
            return Err(Mistake::new("auth_type", message).hint("`iam`: logins of instances are not evaluated here"));
        }
        if role.bound_iam_principal_arn.is_empty() {
            let message = "at least be one bound parameter should be specified on the role";
            return Err(Mistake::new("bound_iam_principal_arn", message).hint("the ARN of the role that logs in"));
        }
        let unresolved =
            role.bound_iam_principal_arn.iter().find(|arn| role.resolve_aws_unique_ids || arn.ends_with('*'));
        if let Some(arn) = unresolved {
            let message = format!("unable to resolve ARN {arn:?} to internal ID: there are no keys to AWS here");
            return Err(Mistake::new("bound_iam_principal_arn", message)
                .hint("set `resolve_aws_unique_ids` to false, and name each user or role without `*`"));
        }
        let networks = role.token.check()?;
        Ok(Self { name: name.to_ascii_lowercase(), id: id.to_owned(), role, networks })
    }

    /// Its name, in lower case.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its own id, which stays while it is written anew.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Networks from which login and token work. None: all.
    pub fn networks(&self) -> &[IpNet] {
        &self.networks
    }

    /// What was checked.
    pub fn role(&self) -> &AwsRole {
        &self.role
    }
}

/// What is asked: this principal, at that role.
#[derive(Clone, Copy, Debug)]
pub struct AwsQuestion<'a> {
    /// Who has signed.
    pub caller: &'a AwsCaller,
    /// The name of the role: what was asked for, else the principal's name; in lower case.
    pub role_name: &'a str,
    /// The role of that name, if there is one.
    pub role: Option<&'a CheckedAwsRole>,
    /// What the alias is.
    pub identity: &'a AwsIdentityConfig,
    /// The server's configuration, for warnings.
    pub config: &'a AwsClientConfig,
    /// The caller's address, if it is known.
    pub peer: Option<IpAddr>,
}

/// An identity, and what there is to say about it.
#[derive(Clone, Debug)]
pub struct AwsLogin {
    /// Who the caller has become.
    pub identity: Identity,
    /// The end of the token's name.
    pub display_name: String,
    /// The decision's grant.
    pub grant: Grant,
}

impl AwsQuestion<'_> {
    /// Whether the principal is one of the role's.
    ///
    /// # Errors
    /// The clauses `principal`, `role`, `address` and `bound-principal`.
    pub fn decide(&self) -> Result<AwsLogin, Box<Refusal>> {
        let caller = self.caller;
        let principal = caller.principal()?;
        let name = carnet_core::safe_text(self.role_name);
        let Some(role) = self.role else {
            let text = format!("entry for role {name} not found");
            let fix = "create the role, or name another; roles belong to a mount and a namespace";
            return Err(refuse("role", name, "a role of this mount", text, fix));
        };
        let token = &role.role.token;
        if !role.networks.is_empty()
            && !self.peer.is_some_and(|peer| role.networks.iter().any(|net| net.contains(&peer)))
        {
            let seen = self.peer.map_or_else(|| "not known".to_owned(), |peer| peer.to_string());
            let fix = "log in from one of the networks in `token_bound_cidrs` of the role, or widen them";
            return Err(refuse("address", seen, token.token_bound_cidrs.join(", "), "permission denied", fix));
        }
        let bound = &role.role.bound_iam_principal_arn;
        if !bound.contains(&principal.canonical_arn) {
            let seen = carnet_core::safe_text(&caller.arn);
            let text = format!("IAM Principal {seen:?} does not belong to the role {name:?}");
            let fix = "add the principal to `bound_iam_principal_arn` of the role: of a session the role's ARN, without a path";
            return Err(refuse("bound-principal", seen, bound.join(", "), text, fix));
        }
        let unique_id = caller.unique_id();
        let alias = match self.identity.iam_alias.as_str() {
            "unique_id" => unique_id,
            "canonical_arn" => &principal.canonical_arn,
            "full_arn" => &caller.arn,
            _ => role.id(),
        };
        let metadata = [
            ("account_id", principal.account.as_str()),
            ("auth_type", "iam"),
            ("canonical_arn", &principal.canonical_arn),
            ("client_arn", &caller.arn),
            ("client_user_id", unique_id),
            ("role_id", role.id()),
        ];
        let metadata = metadata.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let identity = Identity { alias: alias.to_owned(), groups: Vec::new(), metadata };
        let policies: Vec<String> = token.policies().into_iter().collect();
        let mut attributes = identity.metadata.clone();
        attributes.insert("policies".to_owned(), policies.join(", "));
        let grant = Grant {
            principal: principal.canonical_arn.clone(),
            lifetime: Some(token.lifetime()),
            attributes,
            held: vec!["request", "server-id", "signature", "principal", "role", "address", "bound-principal"],
            warnings: lint_aws(self.config, role),
        };
        Ok(AwsLogin { identity, display_name: principal.name, grant })
    }
}

/// What there is to say against a configuration and a role that work.
pub fn lint_aws(config: &AwsClientConfig, role: &CheckedAwsRole) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if config.iam_server_id_header_value.is_empty() {
        warnings.push(Warning {
            clause: "server-id",
            message: "a signed request that was made for another server logs in here too".to_owned(),
            fix: "set `iam_server_id_header_value` of the mount to a name that only this server has".to_owned(),
        });
    }
    if !role.role().resolve_aws_unique_ids {
        warnings.push(Warning {
            clause: "bound-principal",
            message: "principals are compared by name: a namesake that is made later gets in".to_owned(),
            fix: "give the server keys to IAM, and set `resolve_aws_unique_ids`".to_owned(),
        });
    }
    warnings
}
