//! Session tags in a token ("Passing session tags using AssumeRoleWithWebIdentity").

use std::collections::BTreeMap;

use carnet_jose::Claims;
use carnet_trust::Refusal;
use serde_json::Value;

use super::{SESSION_NAME, condition::Context, is_session_name, refuse};

const TAGS: &str = "https://aws.amazon.com/tags";
/// The flattened spelling.
const FLAT_TAGS: &str = "https://aws.amazon.com/tags/principal_tags/";
const FLAT_TRANSITIVE: &str = "https://aws.amazon.com/tags/transitive_tag_keys";
const SOURCE_IDENTITY: &str = "https://aws.amazon.com/source_identity";
/// Bounds of tags ("IAM and STS quotas").
const MOST_TAGS: usize = 50;
const LONGEST_KEY: usize = 128;
const LONGEST_VALUE: usize = 256;
/// What keys and values have besides letters, digits and separators (data type Tag, STS API reference).
const OTHERS: &str = "_.:/=+-@";

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
    /// Clause `tags` when a tag has another form, is there twice or passes a bound, and `source-identity` when that is no
    /// name.
    pub fn read(claims: &Claims) -> Result<Self, Box<Refusal>> {
        let mut session = Self { source_identity: source_identity(claims)?, ..Self::default() };
        if let Some(tags) = claims.get(TAGS) {
            let Some(tags) = tags.as_object() else { return Err(bad(format!("{TAGS} is no object"))) };
            match tags.get("principal_tags") {
                None => {}
                Some(Value::Object(tags)) => {
                    tags.iter().try_for_each(|(key, value)| session.add(key, listed(value)))?;
                }
                Some(_) => return Err(bad("`principal_tags` is no object".to_owned())),
            }
            session.transitive = keys(tags.get("transitive_tag_keys"))?;
        }
        for (name, value) in &claims.0 {
            if let Some(key) = name.strip_prefix(FLAT_TAGS) {
                // The flattened spelling is for issuers that cannot write anything but texts.
                session.add(key, value.as_str().or_else(|| listed(value)))?;
            }
        }
        session.transitive.extend(keys(claims.get(FLAT_TRANSITIVE))?);
        if let Some(missing) = session.transitive.iter().find(|key| !session.tags.contains_key(*key)) {
            return Err(bad(format!("the transitive key {} has no tag", carnet_core::safe_text(missing))));
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
            context = context.with_made(format!("aws:RequestTag/{key}"), [value]);
        }
        context
    }

    fn add(&mut self, key: &str, value: Option<&str>) -> Result<(), Box<Refusal>> {
        let told = |what: &str| Err(bad(format!("the tag {} {what}", carnet_core::safe_text(key))));
        let Some(value) = value else { return told("is no list of one text") };
        if self.tags.len() >= MOST_TAGS {
            return Err(bad(format!("more than {MOST_TAGS} tags")));
        }
        if key.is_empty() || key.chars().count() > LONGEST_KEY || value.chars().count() > LONGEST_VALUE {
            return told("is empty or too long");
        }
        if !key.chars().chain(value.chars()).all(is_tag_character) {
            return told("has a character that tags do not have");
        }
        if self.tags.keys().any(|own| own.to_lowercase() == key.to_lowercase()) {
            return told("is there twice: upper and lower case do not differ");
        }
        self.tags.insert(key.to_owned(), value.to_owned());
        Ok(())
    }
}

/// Whether a tag of a session may have this character.
pub fn is_tag_character(c: char) -> bool {
    c.is_alphanumeric() || OTHERS.contains(c) || (c.is_whitespace() && !c.is_control())
}

/// The one text of a list of one.
fn listed(value: &Value) -> Option<&str> {
    match value.as_array().map(Vec::as_slice) {
        Some([one]) => one.as_str(),
        _ => None,
    }
}

/// Keys of tags that stay. None is an empty list; anything but texts is refused.
fn keys(value: Option<&Value>) -> Result<Vec<String>, Box<Refusal>> {
    let Some(value) = value else { return Ok(Vec::new()) };
    let texts = value.as_array().map(|texts| texts.iter().map(|text| Some(text.as_str()?.to_owned())));
    let texts: Option<Vec<String>> = texts.and_then(Iterator::collect);
    texts.ok_or_else(|| bad("the transitive keys are no list of texts".to_owned()))
}

/// Who it was at the source; a name as that of a session.
fn source_identity(claims: &Claims) -> Result<Option<String>, Box<Refusal>> {
    let Some(value) = claims.get(SOURCE_IDENTITY) else { return Ok(None) };
    if let Some(name) = value.as_str().filter(|name| is_session_name(name)) {
        return Ok(Some(name.to_owned()));
    }
    let seen = value.as_str().map_or_else(|| "no text".to_owned(), carnet_core::safe_text);
    let fix = format!("let the issuer write such a name into the claim {SOURCE_IDENTITY}");
    Err(refuse("source-identity", seen, SESSION_NAME, "InvalidIdentityToken", fix))
}

fn bad(seen: String) -> Box<Refusal> {
    let wanted = format!(
        "at most {MOST_TAGS} tags, each a list of one text; keys to {LONGEST_KEY}, values to {LONGEST_VALUE} characters"
    );
    refuse(
        "tags",
        seen,
        wanted,
        "InvalidIdentityToken",
        "let the issuer write the claim https://aws.amazon.com/tags as documented",
    )
}
