//! Who a token becomes: alias, groups, metadata.

use std::collections::BTreeMap;

use carnet_jose::Claims;
use carnet_trust::Refusal;
use serde_json::Value;

use super::{
    claims::{Looked, look_up},
    refuse,
    role::CheckedRole,
};

/// What the token becomes in the identity store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The alias: with the mount it names the entity. The role is no part of it.
    pub alias: String,
    /// Group aliases.
    pub groups: Vec<String>,
    /// Metadata of the token: what `claim_mappings` gives, and `role`.
    pub metadata: BTreeMap<String, String>,
}

/// Maps the claims, in the order of the product: user claim, metadata, groups.
///
/// # Errors
/// The clauses `user-claim`, `claim-mapping` and `groups`.
pub(super) fn map(claims: &Claims, role: &CheckedRole) -> Result<Identity, Box<Refusal>> {
    let alias = user(claims, role)?;
    let mut metadata = metadata(claims, role)?;
    metadata.insert("role".to_owned(), role.name().to_owned());
    Ok(Identity { alias, groups: groups(claims, role)?, metadata })
}

fn user(claims: &Claims, role: &CheckedRole) -> Result<String, Box<Refusal>> {
    let name = &role.role().user_claim;
    // Without the switch a leading slash means nothing.
    let found = if role.role().user_claim_json_pointer { look_up(claims, name) } else { Looked::of(claims.get(name)) };
    let wanted = || format!("a text in {name}");
    match found {
        Looked::Value(Value::String(text)) => Ok(text.clone()),
        Looked::Value(_) => {
            let text = format!("claim {name:?} could not be converted to string");
            let fix = "set `user_claim` of the role to a claim that is a text";
            Err(refuse("user-claim", format!("{name} is no text"), wanted(), text, fix))
        }
        Looked::Absent => {
            let fix = if name.starts_with('/') && !role.role().user_claim_json_pointer {
                "set `user_claim_json_pointer` of the role: without it the name is taken as it stands"
            } else {
                "set `user_claim` of the role to a claim that the token has"
            };
            Err(refuse("user-claim", format!("no {name}"), wanted(), format!("claim {name:?} not found in token"), fix))
        }
    }
}

fn metadata(claims: &Claims, role: &CheckedRole) -> Result<BTreeMap<String, String>, Box<Refusal>> {
    let mut metadata = BTreeMap::new();
    for (claim, target) in &role.role().claim_mappings {
        match look_up(claims, claim) {
            Looked::Absent => {}
            Looked::Value(Value::String(text)) => {
                metadata.insert(target.clone(), text.clone());
            }
            Looked::Value(_) => {
                let text = format!("error converting claim '{claim}' to string");
                let fix = "take the claim out of `claim_mappings` of the role, or map a claim that is a text";
                return Err(refuse("claim-mapping", format!("{claim} is no text"), "a text", text, fix));
            }
        }
    }
    Ok(metadata)
}

fn groups(claims: &Claims, role: &CheckedRole) -> Result<Vec<String>, Box<Refusal>> {
    let name = &role.role().groups_claim;
    if name.is_empty() {
        return Ok(Vec::new());
    }
    let fix = "let the issuer put the groups into the token as a list of texts, or empty `groups_claim` of the role";
    let wrong = |seen: String, text: String| refuse("groups", seen, "a text or a list of texts", text, fix);
    let text = |value: &Value| value.as_str().map(ToOwned::to_owned);
    let groups = match look_up(claims, name) {
        Looked::Absent => {
            let text = format!("failed to fetch groups: {name:?} claim not found in token");
            return Err(wrong(format!("no {name}"), text));
        }
        Looked::Value(Value::String(one)) => vec![one.clone()],
        Looked::Value(Value::Array(many)) => many.iter().map(text).collect::<Option<Vec<_>>>().ok_or_else(|| {
            let text = "value in groups claim could not be parsed as string".to_owned();
            wrong(format!("{name} holds what is no text"), text)
        })?,
        Looked::Value(_) => {
            let text = format!("{name:?} claim could not be converted to string list");
            return Err(wrong(format!("{name} is neither"), text));
        }
    };
    Ok(groups.into_iter().filter(|group| !group.is_empty()).collect())
}
