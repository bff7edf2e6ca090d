//! A federated identity credential, and what Microsoft refuses when one is created.

use carnet_core::Mistake;
use serde::{Deserialize, Serialize};

use super::{ClientKind, MAX_TEXT, MatchingExpression};

/// Length of a name, in characters.
const NAME_LENGTH: std::ops::RangeInclusive<usize> = 3..=120;

/// A federated identity credential, in the names of Microsoft Graph. (Resource Manager has the same members below
/// `properties`.)
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FederatedCredential {
    /// Its name: unique among those of one client, and fixed. `^[a-zA-Z0-9][a-zA-Z0-9-_]{2,119}$`.
    pub name: String,
    /// What `iss` must be, byte for byte.
    pub issuer: String,
    /// What `sub` must be, byte for byte. Absent where an expression says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// What `aud` must be: exactly one.
    pub audiences: Vec<String>,
    /// What it is for. Applications only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Which tokens fit, in place of `subject`. Applications only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claims_matching_expression: Option<ClaimsMatching>,
}

/// An expression and the version of its language.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClaimsMatching {
    /// The expression, for instance `claims['sub'] matches 'repo:org/repo:ref:refs/heads/*'`.
    pub value: String,
    /// 1: there is no other.
    pub language_version: u32,
}

impl FederatedCredential {
    /// What creation refuses, field by field, and the expression if there is one.
    ///
    /// # Errors
    /// Every mistake, in the names of Microsoft Graph.
    pub(super) fn check(&self, kind: ClientKind) -> Result<Option<MatchingExpression>, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        self.check_name(&mut mistakes);
        check_text("issuer", &self.issuer, &mut mistakes);
        match self.audiences.as_slice() {
            [audience] => check_text("audiences", audience, &mut mistakes),
            _ => mistakes
                .push(Mistake::new("audiences", "Federated identity credentials must have exactly one audience.")),
        }
        if let Some(description) = &self.description {
            if kind == ClientKind::ManagedIdentity {
                mistakes.push(Mistake::new("description", "only the credentials of applications have one"));
            } else if description.chars().count() > MAX_TEXT {
                mistakes.push(Mistake::new("description", format!("longer than {MAX_TEXT} characters")));
            }
        }
        let expression = self.check_subject(kind, &mut mistakes);
        if mistakes.is_empty() { Ok(expression) } else { Err(mistakes) }
    }

    fn check_name(&self, mistakes: &mut Vec<Mistake>) {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let begins = self.name.starts_with(|first: char| first.is_ascii_alphanumeric());
        if !begins || !NAME_LENGTH.contains(&self.name.len()) || !self.name.chars().all(fits) {
            let message = "a name has 3 to 120 letters, digits, dashes and underscores, the first a letter or digit";
            mistakes.push(Mistake::new("name", message));
        }
    }

    fn check_subject(&self, kind: ClientKind, mistakes: &mut Vec<Mistake>) -> Option<MatchingExpression> {
        const FIELD: &str = "claimsMatchingExpression";
        match (&self.subject, &self.claims_matching_expression) {
            (Some(subject), None) => {
                check_text("subject", subject, mistakes);
                None
            }
            (None, Some(_)) if kind == ClientKind::ManagedIdentity => {
                let mistake = Mistake::new(FIELD, "only the credentials of applications have one");
                mistakes.push(mistake.hint("name one subject, or use an application registration"));
                None
            }
            (None, Some(matching)) if matching.language_version != 1 => {
                mistakes.push(Mistake::new(format!("{FIELD}.languageVersion"), "there is only version 1"));
                None
            }
            (None, Some(matching)) => match MatchingExpression::parse(&matching.value, &self.issuer) {
                Ok(expression) => Some(expression),
                Err(message) => {
                    mistakes.push(Mistake::new(format!("{FIELD}.value"), message));
                    None
                }
            },
            (Some(_), Some(_)) => {
                mistakes.push(Mistake::new("subject", "`subject` and `claimsMatchingExpression` are both there"));
                None
            }
            (None, None) => {
                let mistake = Mistake::new("subject", "is missing");
                mistakes.push(mistake.hint("take the claim `sub` of a token, character by character"));
                None
            }
        }
    }
}

fn check_text(field: &str, text: &str, mistakes: &mut Vec<Mistake>) {
    if text.is_empty() {
        mistakes.push(Mistake::new(field, "is empty"));
    } else if text.chars().count() > MAX_TEXT {
        mistakes.push(Mistake::new(field, format!("longer than {MAX_TEXT} characters")));
    }
}
