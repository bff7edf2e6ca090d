//! Session tags in a token ("Passing session tags using AssumeRoleWithWebIdentity").

use std::collections::BTreeMap;

use carnet_jose::Claims;
use carnet_trust::Refusal;
use serde_json::{Map, Value};

use super::{condition::Context, refuse};

const TAGS: &str = "https://aws.amazon.com/tags";
/// The flattened spelling.
const FLAT_TAGS: &str = "https://aws.amazon.com/tags/principal_tags/";
const FLAT_TRANSITIVE: &str = "https://aws.amazon.com/tags/transitive_tag_keys";
const SOURCE_IDENTITY: &str = "https://aws.amazon.com/source_identity";
/// Bounds of tags ("IAM and STS quotas").
const MOST_TAGS: usize = 50;
const LONGEST_KEY: usize = 128;
const LONGEST_VALUE: usize = 256;

/// What a token says about the session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// Tags of the session.
    pub tags: BTreeMap<String, String>,
    /// Tags that stay over the next roles.
    pub transitive: Vec<String>,
    /// The source identity.
    pub source_identity: Option<String>,
}

impl Session {
    /// Reads it from claims.
    ///
    /// # Errors
    /// Clause `tags` when a tag is no one-element list of text or a bound is passed.
    pub fn read(claims: &Claims) -> Result<Self, Box<Refusal>> {
        let mut session =
            Self { source_identity: claims.str(SOURCE_IDENTITY).map(ToOwned::to_owned), ..Self::default() };
        if let Some(tags) = claims.get(TAGS).and_then(Value::as_object) {
            for (key, value) in tags.get("principal_tags").and_then(Value::as_object).unwrap_or(&Map::new()) {
                session.add(key, value)?;
            }
            session.transitive = list(tags.get("transitive_tag_keys"));
        }
        for (name, value) in &claims.0 {
            if let Some(key) = name.strip_prefix(FLAT_TAGS) {
                session.add(key, value)?;
            }
        }
        session.transitive.extend(list(claims.get(FLAT_TRANSITIVE)));
        if let Some(missing) = session.transitive.iter().find(|key| !session.tags.contains_key(*key)) {
            return Err(bad(format!("the transitive key {} has no tag", carnet_core::safe_text(missing))));
        }
        if session.tags.len() > MOST_TAGS {
            return Err(bad(format!("{} tags", session.tags.len())));
        }
        Ok(session)
    }

    /// The same with its keys as conditions see them.
    pub(crate) fn into_context(self, mut context: Context) -> Context {
        context = context
            .with("aws:TagKeys", self.tags.keys().cloned())
            .with("sts:TransitiveTagKeys", self.transitive)
            .with("sts:SourceIdentity", self.source_identity);
        for (key, value) in self.tags {
            context = context.with(&format!("aws:RequestTag/{key}"), [value]);
        }
        context
    }

    fn add(&mut self, key: &str, value: &Value) -> Result<(), Box<Refusal>> {
        let text = match value {
            Value::String(text) => Some(text.as_str()),
            Value::Array(one) if one.len() == 1 => one.first().and_then(Value::as_str),
            _ => None,
        };
        let Some(text) = text else {
            return Err(bad(format!("the tag {} is no list of one text", carnet_core::safe_text(key))));
        };
        if key.is_empty() || key.chars().count() > LONGEST_KEY || text.chars().count() > LONGEST_VALUE {
            return Err(bad(format!("the tag {} is too long", carnet_core::safe_text(key))));
        }
        self.tags.insert(key.to_owned(), text.to_owned());
        Ok(())
    }
}

fn list(value: Option<&Value>) -> Vec<String> {
    let texts = value.and_then(Value::as_array).into_iter().flatten();
    texts.filter_map(Value::as_str).map(ToOwned::to_owned).collect()
}

fn bad(seen: String) -> Box<Refusal> {
    let wanted = format!("at most {MOST_TAGS} tags; keys to {LONGEST_KEY}, values to {LONGEST_VALUE} characters");
    refuse(
        "tags",
        seen,
        wanted,
        "InvalidIdentityToken",
        "let the issuer write the claim https://aws.amazon.com/tags as documented",
    )
}
