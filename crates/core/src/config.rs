//! How a provider declares what can be configured, without knowing how configuration is read.

use std::{fmt, ops::Range, path::PathBuf, sync::Arc};

use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

use crate::{Delivery, Exchange, Kinds, Source};

/// A mistake in one section, found after its fields were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The field, dotted from the section, for instance `caller.oci-instance.url`. Empty for the section itself.
    pub field: String,
    /// What is wrong with it. Never the value of a secret.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Whether nothing has a field of this name. It may be that of a secret, misspelt: what stands in it is not shown.
    pub is_unknown: bool,
}

impl Mistake {
    /// A mistake in this field.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into(), hint: None, is_unknown: false }
    }

    /// A field of a name that nothing has, where any name may stand as far as the type goes.
    pub fn unknown(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { is_unknown: true, ..Self::new(field, message) }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// A mistake in a file that the configuration names: what programs are told where people read the error's message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileMistake {
    /// The file. `None` when it is in the configuration itself, or in what no file holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// Where in it, when it is known.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// The field, as the message of the error names it. Empty when it is in no field.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub field: String,
    /// What is wrong with it. Never the value of a secret.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl FileMistake {
    /// What stands at `span` of the text of `file` does not fit.
    pub fn in_text(
        file: impl Into<PathBuf>,
        text: &str,
        span: Option<Range<usize>>,
        message: impl Into<String>,
    ) -> Self {
        let place = span.map(|span| Place::of(text, span.start));
        Self { file: Some(file.into()), place, field: String::new(), message: message.into(), hint: None }
    }

    /// What a reader of TOML or JSON says of the text of `file`, without values.
    pub fn in_document(file: impl Into<PathBuf>, text: &str, span: Option<Range<usize>>, message: &str) -> Self {
        Self::in_text(file, text, span, without_value(message))
    }
}

/// For people, in one line.
impl fmt::Display for FileMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Place { line, column }) = self.place {
            write!(f, "line {line}, column {column}: ")?;
        }
        f.write_str(&self.message)
    }
}

/// What serde says of a document, without the value that does not fit: it may be a secret that got into the wrong place. Names
/// of fields stay.
fn without_value(message: &str) -> String {
    let parted = |start: &str, sign: &str| message.strip_prefix(start).and_then(|rest| rest.rsplit_once(sign));
    for start in ["invalid type: ", "invalid value: "] {
        if let Some((found, wanted)) = parted(start, ", expected ") {
            let kind = found.split(['"', '`']).next().unwrap_or_default().trim_end();
            return format!("{start}{kind}, expected {wanted}");
        }
    }
    match parted("unknown variant `", "`, expected ") {
        Some((_, wanted)) => format!("unknown variant, expected {wanted}"),
        None => message.to_owned(),
    }
}

impl From<&Mistake> for FileMistake {
    fn from(mistake: &Mistake) -> Self {
        let Mistake { field, message, hint, .. } = mistake.clone();
        Self { file: None, place: None, field, message, hint }
    }
}

/// A place in a text, counted from 1. Columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
}

impl Place {
    /// That of the character at this offset in bytes; of the end of the text, if there is none.
    pub fn of(text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
        Self { line, column }
    }
}

/// The section of one source. The struct denies unknown fields, and the documentation of its fields is the manual.
pub trait SourceConfig: DeserializeOwned + JsonSchema + 'static {
    /// Its name, for instance `oci-instance`.
    const NAME: &'static str;
    /// One line about it, for `--help` and the manual.
    const ABOUT: &'static str;

    /// Checks the raw form and builds the source.
    ///
    /// # Errors
    /// All mistakes of the section at once.
    fn build(self) -> Result<Arc<dyn Source>, Vec<Mistake>>;
}

/// The section of one exchange.
pub trait ExchangeConfig: DeserializeOwned + JsonSchema + 'static {
    /// Its name, for instance `gcp`.
    const NAME: &'static str;
    /// One line about it, for `--help` and the manual.
    const ABOUT: &'static str;
    /// What it takes, however it is configured: [`Exchange::takes`] of what is built. Known before anything is
    /// configured, so that it can be proposed.
    const TAKES: Kinds;
    /// Everything that it can be configured to give. [`Exchange::gives`] of what is built may be less.
    const GIVES: Kinds;

    /// Checks the raw form and builds the exchange.
    ///
    /// # Errors
    /// All mistakes of the section at once.
    fn build(self) -> Result<Arc<dyn Exchange>, Vec<Mistake>>;
}

/// The section of one delivery.
pub trait DeliveryConfig: DeserializeOwned + JsonSchema + 'static {
    /// Its name, for instance `oci-profile`.
    const NAME: &'static str;
    /// One line about it, for `--help` and the manual.
    const ABOUT: &'static str;
    /// What it takes, however it is configured: [`Delivery::takes`] of what is built. Known before anything is
    /// configured, so that it can be proposed.
    const TAKES: Kinds;

    /// Checks the raw form and builds the delivery.
    ///
    /// # Errors
    /// All mistakes of the section at once.
    fn build(self) -> Result<Arc<dyn Delivery>, Vec<Mistake>>;
}

/// The section of one service that runs on, for instance `[authority]`, at the top of the file. The struct denies
/// unknown fields, and the documentation of its fields is the manual.
pub trait SectionConfig: DeserializeOwned + JsonSchema + 'static {
    /// Its name, for instance `authority`.
    const NAME: &'static str;
    /// One line about it, for the manual.
    const ABOUT: &'static str;
    /// The section once its meaning was checked.
    type Checked: Send + Sync + 'static;

    /// Checks the raw form.
    ///
    /// # Errors
    /// All mistakes of the section at once.
    fn check(self) -> Result<Self::Checked, Vec<Mistake>>;
}

/// Collects what a provider offers. A provider has one function `register(&mut impl Register)`.
pub trait Register {
    /// Adds a source.
    fn source<C: SourceConfig>(&mut self);
    /// Adds an exchange.
    fn exchange<C: ExchangeConfig>(&mut self);
    /// Adds a delivery.
    fn delivery<C: DeliveryConfig>(&mut self);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_reader_says_holds_no_value() {
        for (said, shown) in [
            ("invalid type: string \"a, expected b\", expected u64", "invalid type: string, expected u64"),
            ("invalid value: integer `5`, expected a port", "invalid value: integer, expected a port"),
            ("unknown variant `x`, expected `a` or `b`", "unknown variant, expected `a` or `b`"),
            ("unknown field `x`, expected `a`", "unknown field `x`, expected `a`"),
            ("missing field `a`", "missing field `a`"),
        ] {
            assert_eq!(without_value(said), shown);
        }
    }
}
