//! What a scope asks for.

use percent_encoding::percent_decode_str;

use crate::domain::access::ROLE_SCOPE;

/// Everything that the caller may do.
const MY_SCOPES: &str = "urn:opc:idm:__myscopes__";

/// Another life than the usual one.
const EXPIRY: &str = "urn:opc:resource:expiry=";

/// Bounds of that life in seconds: a minute to a year (documentation, "Scopes").
const EXPIRY_BOUNDS: std::ops::RangeInclusive<i64> = 60..=31_536_000;

/// Scopes of a request, sorted by what they ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Scopes {
    /// Everything that the caller may do.
    pub(super) mine: bool,
    /// Roles of the platform application by name.
    pub(super) roles: Vec<String>,
    /// Scopes of resource servers, by full name.
    pub(super) resources: Vec<String>,
    /// A refresh token too.
    pub(super) offline: bool,
    /// Life in seconds.
    pub(super) expiry: Option<i64>,
    /// Who the token is for within a resource; carried along.
    pub(super) consumers: Vec<String>,
}

impl Scopes {
    /// Reads a list separated by blanks (RFC 6749, 3.3). `None` when a scope is not one.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut scopes = Self::default();
        for scope in text.split(' ').filter(|scope| !scope.is_empty()) {
            if scope == MY_SCOPES {
                scopes.mine = true;
            } else if scope == "offline_access" {
                scopes.offline = true;
            } else if let Some(seconds) = scope.strip_prefix(EXPIRY) {
                let seconds = seconds.parse().ok().filter(|seconds| EXPIRY_BOUNDS.contains(seconds))?;
                if scopes.expiry.replace(seconds).is_some() {
                    return None;
                }
            } else if let Some(role) = scope.strip_prefix(ROLE_SCOPE) {
                // The name is encoded twice, because of the blanks in it; the form has undone one of them.
                scopes.roles.push(percent_decode_str(role).decode_utf8().ok()?.into_owned());
            } else if scope.starts_with("urn:opc:resource:consumer:") {
                scopes.consumers.push(scope.to_owned());
            } else if scope.starts_with("urn:opc:idm:") {
                return None;
            } else {
                scopes.resources.push(scope.to_owned());
            }
        }
        // A token has one audience: the domain's own, or a resource server's.
        let own = scopes.mine || !scopes.roles.is_empty();
        (own == scopes.resources.is_empty()).then_some(scopes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sorts_what_is_asked_for() {
        let scopes = Scopes::parse(&format!("{MY_SCOPES} offline_access {EXPIRY}600")).unwrap();
        assert_eq!((scopes.mine, scopes.offline, scopes.expiry), (true, true, Some(600)));
        let scopes = Scopes::parse("urn:opc:idm:role.User%20Manager").unwrap();
        assert_eq!(scopes.roles, ["User Manager"]);
        let scopes = Scopes::parse("http://app.example/scope urn:opc:resource:consumer::all").unwrap();
        assert_eq!(scopes.resources, ["http://app.example/scope"]);
    }

    #[test]
    fn refuses_what_is_out_of_bounds_or_mixed() {
        for scope in [
            "",
            "offline_access",
            &format!("{MY_SCOPES} {EXPIRY}59"),
            &format!("{MY_SCOPES} {EXPIRY}31536001"),
            &format!("{MY_SCOPES} {EXPIRY}x"),
            &format!("{MY_SCOPES} {EXPIRY}60 {EXPIRY}61"),
            &format!("{MY_SCOPES} http://app.example/scope"),
            "urn:opc:idm:unknown",
        ] {
            assert_eq!(Scopes::parse(scope), None, "{scope}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "[a-z:=% ._0-9]{0,80}") {
            let _ = Scopes::parse(&text);
        }
    }
}
