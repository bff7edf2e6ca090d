//! Who calls.

use std::collections::{BTreeMap, BTreeSet};

use carnet_aws::trust::Context;
use jiff::Timestamp;

use crate::{policy::PolicyDocument, seed};

/// Who calls.
#[derive(Clone, Debug)]
pub(crate) enum Principal {
    /// A user of the account.
    User {
        /// The name.
        name: String,
        /// `AIDA…`
        id: String,
    },
    /// A session of a role.
    Session(Box<RoleSession>),
}

/// A session of a role.
#[derive(Clone, Debug)]
pub(crate) struct RoleSession {
    /// `arn:aws:iam::ACCOUNT:role/PATH/NAME`
    pub(crate) role_arn: String,
    /// `AROA…`
    pub(crate) role_id: String,
    /// `arn:aws:sts::ACCOUNT:assumed-role/NAME/SESSION`
    pub(crate) arn: String,
    pub(crate) name: String,
    pub(crate) tags: BTreeMap<String, String>,
    /// Tags that stay over the next roles.
    pub(crate) transitive: BTreeSet<String>,
    pub(crate) source_identity: Option<String>,
    /// Session policies: they bound what the role may do.
    pub(crate) policies: Vec<PolicyDocument>,
    /// Further condition keys that stay for the session, for instance `ISSUER:sub`.
    pub(crate) facts: Vec<(String, String)>,
    /// The instance whose role it is, for the token that AWS issues.
    pub(crate) instance: Option<String>,
}

impl RoleSession {
    /// `AROA…:SESSION`
    pub(crate) fn user_id(&self) -> String {
        format!("{}:{}", self.role_id, self.name)
    }
}

impl Principal {
    /// The ARN that `GetCallerIdentity` tells.
    pub(crate) fn arn(&self) -> String {
        match self {
            Self::User { name, .. } => format!("arn:aws:iam::{}:user/{name}", seed::ACCOUNT),
            Self::Session(session) => session.arn.clone(),
        }
    }

    /// The id that `GetCallerIdentity` tells.
    pub(crate) fn user_id(&self) -> String {
        match self {
            Self::User { id, .. } => id.clone(),
            Self::Session(session) => session.user_id(),
        }
    }

    /// The session, if it is one.
    pub(crate) fn session(&self) -> Option<&RoleSession> {
        match self {
            Self::User { .. } => None,
            Self::Session(session) => Some(session),
        }
    }

    /// The ARN that policies call `aws:PrincipalArn`: of a session that of its role.
    pub(crate) fn policy_arn(&self) -> String {
        self.session().map_or_else(|| self.arn(), |session| session.role_arn.clone())
    }

    /// The names under which a trust policy may mean it directly.
    pub(crate) fn own_names(&self) -> Vec<String> {
        match self.session() {
            Some(session) => vec![session.arn.clone(), session.role_arn.clone()],
            None => vec![self.arn()],
        }
    }

    /// What conditions see of it ("AWS global condition context keys").
    pub(crate) fn context(&self, now: Timestamp) -> Context {
        let mut context = Context::default()
            .with("aws:PrincipalArn", [self.policy_arn()])
            .with("aws:PrincipalAccount", [seed::ACCOUNT])
            .with("aws:userid", [self.user_id()])
            .with("aws:CurrentTime", [now.to_string()])
            .with("aws:EpochTime", [now.as_second().to_string()]);
        match self {
            Self::User { name, .. } => {
                context = context.with("aws:PrincipalType", ["User"]).with("aws:username", [name.clone()]);
            }
            Self::Session(session) => {
                context = context
                    .with("aws:PrincipalType", ["AssumedRole"])
                    .with("aws:SourceIdentity", session.source_identity.clone());
                for (key, value) in &session.tags {
                    context = context.with(&format!("aws:PrincipalTag/{key}"), [value.clone()]);
                }
                for (key, value) in &session.facts {
                    context = context.with(key, [value.clone()]);
                }
            }
        }
        context
    }
}
