//! Service accounts by name.

use std::fmt;

/// How the subject of a service account's token begins ("Managing Service Accounts"; `MakeUsername` of k8s.io/apiserver).
const SUBJECT: &str = "system:serviceaccount:";
/// Longest label (RFC 1123, 2.1).
const MAX_LABEL: usize = 63;
/// Longest DNS subdomain, which is what names of service accounts are ("Object Names and IDs").
const MAX_SUBDOMAIN: usize = 253;

/// A service account: a name in a namespace. Both are good names, so that neither can hold what separates them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServiceAccount {
    namespace: String,
    name: String,
}

impl ServiceAccount {
    /// The account of this name. `None` when namespace or name is none that Kubernetes takes.
    pub fn new(namespace: &str, name: &str) -> Option<Self> {
        let good = is_label(namespace) && is_subdomain(name);
        good.then(|| Self { namespace: namespace.to_owned(), name: name.to_owned() })
    }

    /// Of `system:serviceaccount:NAMESPACE:NAME`, the subject of a token and the name of its user.
    pub fn of_subject(subject: &str) -> Option<Self> {
        Self::of_pair(subject.strip_prefix(SUBJECT)?)
    }

    /// Of `NAMESPACE:NAME`, as configuration names it.
    pub fn of_pair(pair: &str) -> Option<Self> {
        let (namespace, name) = pair.split_once(':')?;
        Self::new(namespace, name)
    }

    /// The namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The name in its namespace.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `system:serviceaccount:NAMESPACE:NAME`.
    pub fn subject(&self) -> String {
        format!("{SUBJECT}{}:{}", self.namespace, self.name)
    }
}

impl fmt::Display for ServiceAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.namespace, self.name)
    }
}

/// Which accounts are meant: one, or all of one namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountPattern {
    /// `NAMESPACE:*`. Whoever may make accounts in the namespace decides who is meant.
    AllOf(String),
    /// `NAMESPACE:NAME`.
    One(ServiceAccount),
}

impl AccountPattern {
    /// Reads `NAMESPACE:NAME` or `NAMESPACE:*`. `None` for anything else: a namespace is never a pattern.
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once(':') {
            Some((namespace, "*")) if is_label(namespace) => Some(Self::AllOf(namespace.to_owned())),
            _ => ServiceAccount::of_pair(text).map(Self::One),
        }
    }

    /// Whether this account is meant.
    pub fn matches(&self, account: &ServiceAccount) -> bool {
        match self {
            Self::AllOf(namespace) => namespace == account.namespace(),
            Self::One(one) => one == account,
        }
    }
}

impl fmt::Display for AccountPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AllOf(namespace) => write!(f, "{namespace}:*"),
            Self::One(account) => account.fmt(f),
        }
    }
}

/// Small letters, digits and inner dashes.
fn is_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=MAX_LABEL).contains(&text.len()) && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

/// Labels joined by dots. Kubernetes does not bound the length of each.
fn is_subdomain(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let label =
        |label: &str| !label.is_empty() && label.bytes().all(inner) && !label.starts_with('-') && !label.ends_with('-');
    text.len() <= MAX_SUBDOMAIN && text.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_subject_names_namespace_and_account() {
        let account = ServiceAccount::of_subject("system:serviceaccount:example:build.bot-1").unwrap();
        assert_eq!((account.namespace(), account.name()), ("example", "build.bot-1"));
        assert_eq!(account.subject(), "system:serviceaccount:example:build.bot-1");
        assert_eq!(account.to_string(), "example:build.bot-1");
    }

    #[test]
    fn rejects_what_is_no_account() {
        for subject in [
            "system:serviceaccount:example",
            "system:serviceaccount::admin",
            "system:serviceaccount:example:",
            "system:serviceaccount:example:admin:x",
            "system:serviceaccount:Example:admin",
            "system:serviceaccount:a.b:admin",
            "system:serviceaccount:-a:admin",
            "system:serviceaccount:a-:admin",
            "system:serviceaccount:a:b..c",
            "system:serviceaccount:a:b/../c",
            "system:node:worker",
            "example:admin",
        ] {
            assert_eq!(ServiceAccount::of_subject(subject), None, "{subject}");
        }
        let long = "a".repeat(MAX_LABEL + 1);
        assert_eq!(ServiceAccount::new(&long, "admin"), None);
        assert_eq!(ServiceAccount::new("a", &"a".repeat(MAX_SUBDOMAIN + 1)), None);
    }

    #[test]
    fn a_pattern_means_one_account_or_those_of_one_namespace() {
        let account = |pair| ServiceAccount::of_pair(pair).unwrap();
        let one = AccountPattern::parse("example:admin").unwrap();
        assert!(one.matches(&account("example:admin")) && !one.matches(&account("example:viewer")));
        let all = AccountPattern::parse("example:*").unwrap();
        assert!(all.matches(&account("example:viewer")) && !all.matches(&account("example-2:viewer")));
        for bad in ["*:admin", "*", "*:*", "exam*:admin", "example:adm*", "example"] {
            assert_eq!(AccountPattern::parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_an_account_is_written_as_it_was_read(subject in "system:serviceaccount:[a-z0-9.:-]{0,12}:[a-z0-9.:-]{0,12}") {
            if let Some(account) = ServiceAccount::of_subject(&subject) {
                prop_assert_eq!(account.subject(), subject);
            }
        }
    }
}
