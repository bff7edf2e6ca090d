//! Identities with places that selectors fill.

use std::{borrow::Cow, collections::BTreeSet, fmt, str::FromStr, sync::Arc};

use carnet_spiffe::{IdError, Selector, SpiffeId, TrustDomain};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// A SPIFFE ID, or one whose segments may be filled from the workload's selectors:
/// `spiffe://example.org/ns/{k8s:ns}/sa/{k8s:sa}` and the selectors `k8s:ns:pay` and `k8s:sa:api` make
/// `spiffe://example.org/ns/pay/sa/api`.
///
/// A placeholder `{NAME}` is always a whole segment, so that no two fillings make the same identity, and never the first
/// one, so that none reaches a reserved path. It takes what follows `NAME:` in the one selector that begins so. When
/// there is none, or are several, or the value is not a segment of a SPIFFE ID, there is no identity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdTemplate {
    text: Arc<str>,
    /// The ID when there are no placeholders; else the ID with all placeholders filled with `x`, for checks only.
    sample: SpiffeId,
    fixed: bool,
}

/// Why a text is neither an ID nor a template of one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A brace that does not stand around a whole segment.
    #[error("a placeholder is a whole segment, for instance \"/ns/{{k8s:ns}}\"")]
    Segment,
    /// What stands between the braces begins no selector.
    #[error("between the braces stands how a selector begins, for instance \"k8s:ns\"")]
    Name,
    /// The first segment is a placeholder.
    #[error("the first segment of the path cannot be a placeholder")]
    First,
    /// The rest is no SPIFFE ID.
    #[error(transparent)]
    Id(#[from] IdError),
}

/// Why selectors make no identity of a template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FillError {
    /// No selector begins so.
    #[error("no selector begins with \"{name}:\"")]
    Missing {
        /// The placeholder.
        name: String,
    },
    /// Several do, and none of them is better than the others.
    #[error("several selectors begin with \"{name}:\"")]
    Ambiguous {
        /// The placeholder.
        name: String,
    },
    /// The value cannot stand in a SPIFFE ID.
    #[error("what follows \"{name}:\" is not a segment of a SPIFFE ID")]
    Value {
        /// The placeholder.
        name: String,
    },
    /// The whole is too long.
    #[error(transparent)]
    Id(#[from] IdError),
}

impl IdTemplate {
    /// Longest text, in bytes.
    pub const MAX_LENGTH: usize = SpiffeId::MAX_LENGTH;

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The ID, if there is nothing to fill.
    pub fn fixed(&self) -> Option<&SpiffeId> {
        self.fixed.then_some(&self.sample)
    }

    /// Whose identities it makes.
    pub fn trust_domain(&self) -> TrustDomain {
        self.sample.trust_domain()
    }

    /// An ID of the same shape. It stands for the template in checks and is nobody's.
    pub(crate) fn sample(&self) -> &SpiffeId {
        &self.sample
    }

    /// The ID for a workload with these selectors.
    ///
    /// # Errors
    /// When a placeholder finds no value, several, or one that cannot stand in an ID.
    pub fn fill(&self, selectors: &BTreeSet<Selector>) -> Result<SpiffeId, FillError> {
        if self.fixed {
            return Ok(self.sample.clone());
        }
        let segments = self.path().split('/').map(|segment| match placeholder(segment) {
            Some(name) => value_of(name, selectors).map(Cow::Borrowed),
            None => Ok(Cow::Borrowed(segment)),
        });
        let path = segments.collect::<Result<Vec<_>, _>>()?.join("/");
        Ok(SpiffeId::new(&self.trust_domain(), &path)?)
    }

    /// Those of the selectors that [`Self::fill`] looks at. They fill it as all of them do.
    pub fn used(&self, selectors: &BTreeSet<Selector>) -> BTreeSet<Selector> {
        let names: Vec<&str> = self.path().split('/').filter_map(placeholder).collect();
        let used = |selector: &&Selector| names.iter().any(|name| value(name, selector).is_some());
        if self.fixed { BTreeSet::new() } else { selectors.iter().filter(used).cloned().collect() }
    }

    fn path(&self) -> &str {
        path_of(&self.text)
    }
}

/// From the first `/` behind the scheme.
fn path_of(text: &str) -> &str {
    let rest = text.strip_prefix("spiffe://").unwrap_or_default();
    rest.find('/').and_then(|at| rest.get(at..)).unwrap_or_default()
}

/// The name in a segment that is a placeholder.
fn placeholder(segment: &str) -> Option<&str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

/// What follows the name in this selector, if it begins with it.
fn value<'a>(name: &str, selector: &'a Selector) -> Option<&'a str> {
    selector.as_str().strip_prefix(name)?.strip_prefix(':')
}

fn value_of<'a>(name: &str, selectors: &'a BTreeSet<Selector>) -> Result<&'a str, FillError> {
    let mut values = selectors.iter().filter_map(|selector| value(name, selector));
    let name = || name.to_owned();
    let found = values.next().ok_or_else(|| FillError::Missing { name: name() })?;
    if values.next().is_some() {
        return Err(FillError::Ambiguous { name: name() });
    }
    if is_segment(found) { Ok(found) } else { Err(FillError::Value { name: name() }) }
}

/// SPIFFE-ID, 2.2.
fn is_segment(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    !text.is_empty() && text != "." && text != ".." && text.bytes().all(plain)
}

/// Whether selectors can begin with it: a kind, then at most further words that colons separate.
fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':');
    let begins = format!("{name}:x").parse::<Selector>().is_ok();
    begins && name.bytes().all(plain) && !name.split(':').any(str::is_empty)
}

impl FromStr for IdTemplate {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        if !text.contains(['{', '}']) {
            return Ok(Self::from(text.parse::<SpiffeId>()?));
        }
        if text.len() > Self::MAX_LENGTH {
            return Err(IdError::Long { length: text.len() }.into());
        }
        let path = path_of(text);
        let head = text.get(..text.len().saturating_sub(path.len())).unwrap_or_default();
        let mut sample = Vec::new();
        for (at, segment) in path.split('/').enumerate() {
            match placeholder(segment) {
                // The path begins with `/`: what stands before it is the segment 0.
                Some(_) if at <= 1 => return Err(TemplateError::First),
                Some(name) if is_name(name) => sample.push("x"),
                Some(_) => return Err(TemplateError::Name),
                None if segment.contains(['{', '}']) => return Err(TemplateError::Segment),
                None => sample.push(segment),
            }
        }
        let sample = format!("{head}{}", sample.join("/")).parse::<SpiffeId>()?;
        Ok(Self { text: text.into(), sample, fixed: false })
    }
}

impl From<SpiffeId> for IdTemplate {
    fn from(id: SpiffeId) -> Self {
        Self { text: id.as_str().into(), sample: id, fixed: true }
    }
}

impl fmt::Display for IdTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for IdTemplate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for IdTemplate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl schemars::JsonSchema for IdTemplate {
    fn schema_name() -> Cow<'static, str> {
        "IdTemplate".into()
    }

    fn json_schema(_generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A SPIFFE ID; whole segments may be filled from the workload's selectors, for instance `spiffe://example.org/ns/{k8s:ns}/sa/{k8s:sa}`."
        })
    }
}
