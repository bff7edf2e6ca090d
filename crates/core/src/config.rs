//! How a provider declares what can be configured, without knowing how configuration is read.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

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
}

impl Mistake {
    /// A mistake in this field.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into(), hint: None }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
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
