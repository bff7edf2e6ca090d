//! `{{identity.…}}` in the paths of policies.

use std::collections::BTreeMap;

/// Who a token is of, as far as templates ask.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entity {
    /// `identity.entity.id`
    pub id: String,
    /// `identity.entity.name`
    pub name: String,
    /// `identity.entity.metadata.KEY`
    pub metadata: BTreeMap<String, String>,
    /// `identity.entity.aliases.ACCESSOR.…`, by accessor of the auth mount.
    pub aliases: BTreeMap<String, Alias>,
}

/// An identity at an auth mount.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alias {
    /// `….id`
    pub id: String,
    /// `….name`: the value of the role's `user_claim`.
    pub name: String,
    /// `….metadata.KEY`: what `claim_mappings` gave at the last login.
    pub metadata: BTreeMap<String, String>,
}

impl Entity {
    fn value(&self, name: &str) -> Option<&str> {
        let field = name.strip_prefix("identity.entity.")?;
        match field {
            "id" => return Some(&self.id),
            "name" => return Some(&self.name),
            _ => {}
        }
        if let Some(key) = field.strip_prefix("metadata.") {
            return self.metadata.get(key).map(String::as_str);
        }
        let (accessor, field) = field.strip_prefix("aliases.")?.split_once('.')?;
        let alias = self.aliases.get(accessor)?;
        match field {
            "id" => Some(&alias.id),
            "name" => Some(&alias.name),
            _ => alias.metadata.get(field.strip_prefix("metadata.")?).map(String::as_str),
        }
    }
}

/// Fills the templates of a path in. `None` drops the block: a value is not known, or holds `+`, `*` or `/`, with which a
/// claim would widen the pattern (`OpenBao` 2.6 refuses those by default).
pub(super) fn fill(path: &str, entity: Option<&Entity>) -> Option<String> {
    let mut filled = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}")?;
        let value = entity?.value(name.trim()).filter(|value| !value.is_empty())?;
        if value.contains(['+', '*', '/']) {
            return None;
        }
        filled.push_str(before);
        filled.push_str(value);
        rest = after;
    }
    filled.push_str(rest);
    Some(filled)
}
