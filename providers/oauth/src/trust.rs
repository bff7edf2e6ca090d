//! What a relying party trusts, as plain data, and the pure question: does this token become that principal?
//!
//! No I/O, no clock, no signature: the claims come from whoever verified them. One model serves all services of the
//! catalogue; what differs between them is a [`Manner`]. The sources are the pages that `catalogue/*.toml` names for
//! each.

mod evaluate;
mod lint;
mod pattern;

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

pub use evaluate::{Question, evaluate};
pub use lint::lint;

/// One trust of one service: a federation rule, a policy, a trusted publisher, an identity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trust {
    /// Its name at the service, safe to show.
    pub id: String,
    /// `iss`, compared character by character.
    pub issuer: String,
    /// What `sub` must be; any if `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// `aud` must hold one of these. Empty: the service's own audience, or none at all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audiences: Vec<String>,
    /// Claims that must be there, each with one of these values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub claims: BTreeMap<String, Vec<String>>,
    /// What the request must say beside the token, by its names on the wire, each with one of these values. What the
    /// request leaves out is decided here, if there is one value only.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub members: BTreeMap<String, Vec<String>>,
    /// Who the token becomes, in the service's own notation.
    pub principal: String,
    /// Whether it works.
    #[serde(default)]
    pub stage: Stage,
    /// How long what is given lives, in seconds. `None`: as the service does by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub life: Option<i64>,
}

/// Whether a trust works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// It does.
    #[default]
    Active,
    /// It is switched off.
    Disabled,
    /// It waits for something that has been made in another way meanwhile: PyPI's pending publisher of a project that
    /// exists (warehouse, `oidc/views.py`).
    Pending,
}

/// How texts of a trust are compared with those of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matching {
    /// Character by character.
    Exact,
    /// `*` stands for any run of characters.
    Glob,
    /// `*` stays between slashes, `**` between slashes stands for any number of parts; names of claims are paths with
    /// dots. Infisical's form, as far as it is documented there; its braces, classes and negations are literal here.
    Segments,
}

/// A check of a token against a trust.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// `aud`.
    Audience,
    /// `sub`.
    Subject,
    /// The other claims.
    Claims,
}

/// How a service looks at a token. It decides which of several faults is told, never whether there is one.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// How texts are compared.
    pub matching: Matching,
    /// In which order, after issuer and times.
    pub order: [Check; 3],
    /// Tolerance for clocks that disagree.
    pub leeway: SignedDuration,
    /// Whether a token without `exp` is refused.
    pub expiry_needed: bool,
    /// The audience of a trust that names none.
    pub audience: Option<&'static str>,
}

#[cfg(test)]
mod tests;
