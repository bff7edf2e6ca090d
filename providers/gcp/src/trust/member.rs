//! Who a policy speaks of, and who asks.

use std::fmt;

use super::{Federated, PoolName};

/// The start of every federated member.
const FEDERATED: &str = "//iam.googleapis.com/";

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A federated identity.
    Federated(Federated),
    /// A service account, by e-mail.
    ServiceAccount(String),
}

impl Caller {
    /// The member that stands for exactly this caller.
    pub fn principal(&self) -> String {
        match self {
            Self::Federated(who) => who.principal(),
            Self::ServiceAccount(email) => format!("serviceAccount:{email}"),
        }
    }
}

/// A member of a binding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Member {
    /// `allAuthenticatedUsers`: service accounts and people. Federated identities are not among them.
    AllAuthenticatedUsers,
    /// `allUsers`: everybody.
    AllUsers,
    /// `principalSet://…/attribute.NAME/VALUE`.
    Attribute {
        /// The pool.
        pool: PoolName,
        /// The name without `attribute.`.
        name: String,
        /// The value.
        value: String,
    },
    /// `principalSet://…/group/GROUP`.
    Group {
        /// The pool.
        pool: PoolName,
        /// The group.
        group: String,
    },
    /// `user:`, `group:`, `domain:` and others that no workload is.
    Other(String),
    /// `principalSet://…/*`.
    Pool(PoolName),
    /// `serviceAccount:EMAIL`.
    ServiceAccount(String),
    /// `principal://…/subject/SUBJECT`.
    Subject {
        /// The pool.
        pool: PoolName,
        /// `google.subject`.
        subject: String,
    },
}

impl Member {
    /// Parses a member. Values after the last fixed part are taken whole: they may hold slashes and colons.
    ///
    /// # Errors
    /// Why it is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "allUsers" => return Ok(Self::AllUsers),
            "allAuthenticatedUsers" => return Ok(Self::AllAuthenticatedUsers),
            _ => {}
        }
        let (kind, rest) = text.split_once(':').ok_or_else(|| format!("the member `{text}` has no type"))?;
        if rest.is_empty() {
            return Err(format!("the member `{text}` names nobody"));
        }
        match kind {
            "principal" => Self::federated(rest, true).ok_or_else(|| format!("`{text}` is not a principal of a pool")),
            "principalSet" => {
                Self::federated(rest, false).ok_or_else(|| format!("`{text}` is not a set of principals of a pool"))
            }
            "serviceAccount" => Ok(Self::ServiceAccount(rest.to_owned())),
            "user" | "group" | "domain" | "deleted" | "projectOwner" | "projectEditor" | "projectViewer" => {
                Ok(Self::Other(text.to_owned()))
            }
            _ => Err(format!("the member `{text}` is of an unknown type")),
        }
    }

    fn federated(rest: &str, one: bool) -> Option<Self> {
        // projects/N/locations/global/workloadIdentityPools/P, then what of it.
        let rest = rest.strip_prefix(FEDERATED)?;
        let end = rest.match_indices('/').nth(5)?.0;
        let (pool, which) = rest.split_at_checked(end)?;
        let pool = PoolName::parse(pool)?;
        let which = which.strip_prefix('/')?;
        if one {
            let subject = which.strip_prefix("subject/").filter(|subject| !subject.is_empty())?;
            return Some(Self::Subject { pool, subject: subject.to_owned() });
        }
        if which == "*" {
            return Some(Self::Pool(pool));
        }
        if let Some(group) = which.strip_prefix("group/").filter(|group| !group.is_empty()) {
            return Some(Self::Group { pool, group: group.to_owned() });
        }
        let (name, value) = which.strip_prefix("attribute.")?.split_once('/')?;
        let named = !name.is_empty() && !value.is_empty();
        named.then(|| Self::Attribute { pool, name: name.to_owned(), value: value.to_owned() })
    }

    /// Whether it speaks of this caller.
    pub fn includes(&self, caller: &Caller) -> bool {
        match (self, caller) {
            (Self::AllUsers, _) | (Self::AllAuthenticatedUsers, Caller::ServiceAccount(_)) => true,
            (Self::ServiceAccount(email), Caller::ServiceAccount(caller)) => email == caller,
            (Self::Pool(pool), Caller::Federated(who)) => *pool == who.pool,
            (Self::Subject { pool, subject }, Caller::Federated(who)) => *pool == who.pool && *subject == who.subject,
            (Self::Group { pool, group }, Caller::Federated(who)) => *pool == who.pool && who.groups.contains(group),
            (Self::Attribute { pool, name, value }, Caller::Federated(who)) => {
                *pool == who.pool && who.attributes.get(name) == Some(value)
            }
            _ => false,
        }
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AllAuthenticatedUsers => f.write_str("allAuthenticatedUsers"),
            Self::AllUsers => f.write_str("allUsers"),
            Self::Attribute { pool, name, value } => {
                write!(f, "principalSet:{FEDERATED}{pool}/attribute.{name}/{value}")
            }
            Self::Group { pool, group } => write!(f, "principalSet:{FEDERATED}{pool}/group/{group}"),
            Self::Other(text) => f.write_str(text),
            Self::Pool(pool) => write!(f, "principalSet:{FEDERATED}{pool}/*"),
            Self::ServiceAccount(email) => write!(f, "serviceAccount:{email}"),
            Self::Subject { pool, subject } => write!(f, "principal:{FEDERATED}{pool}/subject/{subject}"),
        }
    }
}
