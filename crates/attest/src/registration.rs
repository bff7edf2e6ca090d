//! Registration entries as they are kept and sent.

use std::collections::BTreeSet;

use carnet_core::Mistake;
use carnet_spiffe::{Entry, Selector, SpiffeId, TrustDomain};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{FillError, IdTemplate};

/// A registration entry whose identity may be a template: [`Self::resolve`] makes the [`Entry`] for one workload of it. The
/// fields are those of [`Entry`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// See [`Entry::id`].
    pub id: String,
    /// The identity given, or how it is made.
    pub spiffe_id: IdTemplate,
    /// See [`Entry::parent_id`].
    pub parent_id: SpiffeId,
    /// See [`Entry::selectors`].
    pub selectors: BTreeSet<Selector>,
    /// See [`Entry::x509_ttl`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x509_ttl: Option<u32>,
    /// See [`Entry::jwt_ttl`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwt_ttl: Option<u32>,
    /// See [`Entry::federates_with`].
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub federates_with: BTreeSet<TrustDomain>,
    /// See [`Entry::dns_names`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dns_names: Vec<String>,
    /// See [`Entry::hint`].
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hint: String,
    /// See [`Entry::admin`].
    #[serde(default, skip_serializing_if = "is_false")]
    pub admin: bool,
    /// See [`Entry::downstream`]. Refused: nothing is given for it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub downstream: bool,
    /// See [`Entry::expires_at`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub expires_at: Option<Timestamp>,
    /// See [`Entry::jwt_claims`].
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub jwt_claims: Map<String, Value>,
    /// See [`Entry::include_jti`].
    #[serde(default, skip_serializing_if = "is_false")]
    pub include_jti: bool,
    /// See [`Entry::created_at`].
    #[schemars(with = "String")]
    pub created_at: Timestamp,
    /// See [`Entry::revision`].
    #[serde(default)]
    pub revision: u64,
}

impl Registration {
    /// Whether it makes sense by itself: what [`Entry::check`] asks of every entry that it can make, that an identity made of
    /// selectors has no power over the authority, and that it asks for nothing that is not given.
    ///
    /// # Errors
    /// All mistakes at once, each with its field.
    pub fn check(&self) -> Result<(), Vec<Mistake>> {
        let mut mistakes = self.entry(self.spiffe_id.sample().clone()).check().err().unwrap_or_default();
        if self.admin && self.spiffe_id.fixed().is_none() {
            let mistake = Mistake::new("admin", "is set, and the identity is a template");
            mistakes.push(mistake.hint("write the identity out, so that it is seen who gets this power"));
        }
        if self.downstream {
            // Accepted, it would promise an authority that nobody gives.
            mistakes.push(
                Mistake::new("downstream", "is set, and no certificates are given to authorities below this one").hint(
                    "leave it out; an authority stands below another by the files of `[authority.keys.upstream]`",
                ),
            );
        }
        if mistakes.is_empty() { Ok(()) } else { Err(mistakes) }
    }

    /// The entry for a workload with these selectors. Whether [`Self::selectors`] are among them is not looked at.
    ///
    /// # Errors
    /// See [`IdTemplate::fill`].
    pub fn resolve(&self, selectors: &BTreeSet<Selector>) -> Result<Entry, FillError> {
        Ok(self.entry(self.spiffe_id.fill(selectors)?))
    }

    fn entry(&self, spiffe_id: SpiffeId) -> Entry {
        Entry {
            id: self.id.clone(),
            spiffe_id,
            parent_id: self.parent_id.clone(),
            selectors: self.selectors.clone(),
            x509_ttl: self.x509_ttl,
            jwt_ttl: self.jwt_ttl,
            federates_with: self.federates_with.clone(),
            dns_names: self.dns_names.clone(),
            hint: self.hint.clone(),
            admin: self.admin,
            downstream: self.downstream,
            expires_at: self.expires_at,
            jwt_claims: self.jwt_claims.clone(),
            include_jti: self.include_jti,
            created_at: self.created_at,
            revision: self.revision,
        }
    }
}

impl From<Entry> for Registration {
    fn from(entry: Entry) -> Self {
        Self {
            id: entry.id,
            spiffe_id: entry.spiffe_id.into(),
            parent_id: entry.parent_id,
            selectors: entry.selectors,
            x509_ttl: entry.x509_ttl,
            jwt_ttl: entry.jwt_ttl,
            federates_with: entry.federates_with,
            dns_names: entry.dns_names,
            hint: entry.hint,
            admin: entry.admin,
            downstream: entry.downstream,
            expires_at: entry.expires_at,
            jwt_claims: entry.jwt_claims,
            include_jti: entry.include_jti,
            created_at: entry.created_at,
            revision: entry.revision,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
fn is_false(value: &bool) -> bool {
    !value
}
