//! The answer and its reasons.

use std::{collections::BTreeMap, fmt};

use carnet_core::{Error, ErrorKind};
use jiff::SignedDuration;
use serde::Serialize;

/// The answer of a trust.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// Yes: this principal, for this long.
    Allow(Grant),
    /// No: this clause failed first.
    Refuse(Refusal),
}

/// What is granted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Grant {
    /// The principal in the receiving side's own notation.
    pub principal: String,
    /// Longest life of what may be issued, if the trust bounds it, in whole seconds.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "whole_seconds")]
    pub lifetime: Option<SignedDuration>,
    /// What else the trust derived from the token: mapped attributes, propagated claims. Safe to show.
    pub attributes: BTreeMap<String, String>,
    /// The clauses that were checked and held, in order.
    pub held: Vec<&'static str>,
    /// What is allowed but should not be.
    pub warnings: Vec<Warning>,
}

/// Why not. Every part is safe to show to the operator; the outward answer of a service is its own business.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// The clause that failed, a stable kebab-case word: `issuer`, `audience`, `subject`, `signature`, `expired`, `policy` …
    pub clause: &'static str,
    /// The value seen, safe to show.
    pub seen: String,
    /// The value wanted.
    pub wanted: String,
    /// The receiving side's own error code, for instance `invalid_grant` or `NotAuthorizedOrNotFound`.
    pub code: String,
    /// What to change, and where.
    pub fix: String,
    /// The clauses that were checked and held before it.
    pub held: Vec<&'static str>,
}

/// Something that works and should not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// The clause it is about.
    pub clause: &'static str,
    /// What could happen.
    pub message: String,
    /// What to change.
    pub fix: String,
}

impl Decision {
    /// The grant, if it is one.
    pub fn grant(&self) -> Option<&Grant> {
        match self {
            Self::Allow(grant) => Some(grant),
            Self::Refuse(_) => None,
        }
    }

    /// The refusal, if it is one.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Allow(_) => None,
            Self::Refuse(refusal) => Some(refusal),
        }
    }
}

impl Refusal {
    /// A refusal by this clause.
    pub fn new(
        clause: &'static str,
        seen: impl Into<String>,
        wanted: impl Into<String>,
        code: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self { clause, seen: seen.into(), wanted: wanted.into(), code: code.into(), fix: fix.into(), held: Vec::new() }
    }

    /// The exit-code kind that fits the clause.
    pub fn kind(&self) -> ErrorKind {
        match self.clause {
            "expired" | "not-yet" | "date" | "certificate-dates" => ErrorKind::Expired,
            "policy" | "condition" => ErrorKind::Policy,
            _ => ErrorKind::Refused,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: seen {}, wanted {}", self.clause, self.seen, self.wanted)
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.kind(), refusal.to_string())
            .code(refusal.code.clone())
            .clause(refusal.clause)
            .hint(refusal.fix)
    }
}

#[expect(clippy::ref_option, reason = "the signature that serde calls")]
fn whole_seconds<S: serde::Serializer>(value: &Option<SignedDuration>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(duration) => serializer.serialize_i64(duration.as_secs()),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_becomes_an_error_with_its_clause_code_and_fix() {
        let refusal = Refusal::new("audience", "a", "b", "invalid_grant", "set the audience to b");
        let error = Error::from(refusal);
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert_eq!(error.failed_clause(), Some("audience"));
        assert_eq!(error.provider_code(), Some("invalid_grant"));
        assert_eq!(error.hints(), ["set the audience to b"]);
        assert_eq!(error.to_string(), "audience: seen a, wanted b");
    }

    #[test]
    fn the_clause_decides_the_kind() {
        for (clause, kind) in [
            ("expired", ErrorKind::Expired),
            ("not-yet", ErrorKind::Expired),
            ("certificate-dates", ErrorKind::Expired),
            ("policy", ErrorKind::Policy),
            ("condition", ErrorKind::Policy),
            ("signature", ErrorKind::Refused),
        ] {
            assert_eq!(Refusal::new(clause, "", "", "", "").kind(), kind, "{clause}");
        }
    }

    #[test]
    fn decisions_have_a_stable_json_form() {
        let allow = Decision::Allow(Grant {
            principal: "p".to_owned(),
            lifetime: Some(SignedDuration::from_hours(1)),
            held: vec!["issuer"],
            ..Grant::default()
        });
        insta::assert_json_snapshot!(allow, @r#"
        {
          "allow": {
            "principal": "p",
            "lifetime": 3600,
            "attributes": {},
            "held": [
              "issuer"
            ],
            "warnings": []
          }
        }
        "#);
        let refuse = Decision::Refuse(Refusal::new("issuer", "a", "b", "invalid_grant", "fix"));
        assert!(refuse.grant().is_none());
        assert_eq!(refuse.refusal().map(|refusal| refusal.clause), Some("issuer"));
    }
}
