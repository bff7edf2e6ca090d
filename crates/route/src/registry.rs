//! The ordered list of providers, and what each of them offers.

use std::{any::Any, fmt, sync::Arc};

use carnet_core::{
    Delivery, DeliveryConfig, Exchange, ExchangeConfig, Kinds, Mistake, Register, SectionConfig, Source, SourceConfig,
};
use schemars::{Schema, SchemaGenerator, generate::SchemaSettings};
use toml::{
    Spanned,
    de::{DeValue, ValueDeserializer},
};

use crate::suggest::suggest;

/// For what an entry has no say in: what a source gives is known only when it is configured.
const NONE: Kinds = Kinds::of(&[]);

/// A section that was read: the thing itself, or every mistake in it.
pub(crate) type Built<T> = Result<Arc<T>, Vec<Mistake>>;

/// Everything that can stand in a route. The order is the order in which identities are looked for.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    sources: Vec<Entry<dyn Source>>,
    exchanges: Vec<Entry<dyn Exchange>>,
    deliveries: Vec<Entry<dyn Delivery>>,
    sections: Vec<Entry<Section>>,
}

/// What a section at the top of the file became.
pub(crate) type Section = dyn Any + Send + Sync;

impl Registry {
    /// Every provider that this build has, one line each. The order matters to [`crate::Auto`]: what was set up for
    /// this very job comes before what belongs to the machine that it runs on.
    pub fn standard() -> Self {
        let mut registry = Self::default();
        standard(&mut registry);
        registry
    }

    /// Nothing yet. For programs that bring providers of their own.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Knows this section at the top of the file as well. What it became is at [`crate::Config::section`].
    #[must_use]
    pub fn with_section<C: SectionConfig>(mut self) -> Self {
        self.sections.push(Entry {
            name: C::NAME,
            about: C::ABOUT,
            takes: NONE,
            gives: NONE,
            subschema: SchemaGenerator::subschema_for::<C>,
            schema: root_schema::<C>,
            build: |value| {
                let checked = C::deserialize(ValueDeserializer::from(value))?.check();
                Ok(checked.map(|checked| Arc::new(checked) as Arc<Section>))
            },
        });
        self
    }

    /// The sections at the top of the file beside the routes.
    pub(crate) fn sections(&self) -> &[Entry<Section>] {
        &self.sections
    }

    /// The sources, in order.
    pub fn sources(&self) -> &[Entry<dyn Source>] {
        &self.sources
    }

    /// The exchanges, in order.
    pub fn exchanges(&self) -> &[Entry<dyn Exchange>] {
        &self.exchanges
    }

    /// The deliveries, in order.
    pub fn deliveries(&self) -> &[Entry<dyn Delivery>] {
        &self.deliveries
    }

    /// The source of this name.
    ///
    /// # Errors
    /// [`Unknown`] with the names that are close.
    pub fn find_source(&self, name: &str) -> Result<&Entry<dyn Source>, Unknown> {
        find(&self.sources, name).ok_or_else(|| self.unknown(Role::Source, name))
    }

    /// The exchange of this name.
    ///
    /// # Errors
    /// [`Unknown`] with the names that are close.
    pub fn find_exchange(&self, name: &str) -> Result<&Entry<dyn Exchange>, Unknown> {
        find(&self.exchanges, name).ok_or_else(|| self.unknown(Role::Exchange, name))
    }

    /// The delivery of this name.
    ///
    /// # Errors
    /// [`Unknown`] with the names that are close.
    pub fn find_delivery(&self, name: &str) -> Result<&Entry<dyn Delivery>, Unknown> {
        find(&self.deliveries, name).ok_or_else(|| self.unknown(Role::Delivery, name))
    }

    fn unknown(&self, role: Role, name: &str) -> Unknown {
        let names = match role {
            Role::Source => std::iter::once("auto").chain(self.sources.iter().map(Entry::name)).collect(),
            Role::Exchange => self.exchanges.iter().map(Entry::name).collect(),
            Role::Delivery => self.deliveries.iter().map(Entry::name).collect::<Vec<_>>(),
        };
        let elsewhere = [
            (Role::Source, find(&self.sources, name).is_some() || name == "auto"),
            (Role::Exchange, find(&self.exchanges, name).is_some()),
            (Role::Delivery, find(&self.deliveries, name).is_some()),
        ];
        let elsewhere = elsewhere.into_iter().find(|(_, found)| *found).map(|(role, _)| role);
        Unknown { role, name: name.to_owned(), names, elsewhere }
    }
}

fn standard(register: &mut impl Register) {
    // A build without any provider has nobody to hand it to.
    let _ = &register;
    #[cfg(feature = "generic")]
    carnet_generic::register(register);
    #[cfg(feature = "ci")]
    carnet_ci::register(register);
    #[cfg(feature = "spiffe")]
    carnet_spiffe::register(register);
    #[cfg(feature = "oci")]
    carnet_oci::register(register);
    #[cfg(feature = "kubernetes")]
    carnet_kubernetes::register(register);
    #[cfg(feature = "gcp")]
    carnet_gcp::register(register);
    #[cfg(feature = "azure")]
    carnet_azure::register(register);
    #[cfg(feature = "vault")]
    carnet_vault::register(register);
    #[cfg(feature = "infisical")]
    carnet_infisical::register(register);
    #[cfg(feature = "aws")]
    carnet_aws::register(register);
    #[cfg(feature = "oauth")]
    carnet_oauth::register(register);
}

impl Register for Registry {
    fn source<C: SourceConfig>(&mut self) {
        self.sources.push(Entry {
            name: C::NAME,
            about: C::ABOUT,
            takes: NONE,
            gives: NONE,
            subschema: SchemaGenerator::subschema_for::<C>,
            schema: root_schema::<C>,
            build: |value| Ok(C::deserialize(ValueDeserializer::from(value))?.build()),
        });
    }

    fn exchange<C: ExchangeConfig>(&mut self) {
        self.exchanges.push(Entry {
            name: C::NAME,
            about: C::ABOUT,
            takes: C::TAKES,
            gives: C::GIVES,
            subschema: SchemaGenerator::subschema_for::<C>,
            schema: root_schema::<C>,
            build: |value| Ok(C::deserialize(ValueDeserializer::from(value))?.build()),
        });
    }

    fn delivery<C: DeliveryConfig>(&mut self) {
        self.deliveries.push(Entry {
            name: C::NAME,
            about: C::ABOUT,
            takes: C::TAKES,
            gives: NONE,
            subschema: SchemaGenerator::subschema_for::<C>,
            schema: root_schema::<C>,
            build: |value| Ok(C::deserialize(ValueDeserializer::from(value))?.build()),
        });
    }
}

/// One source, exchange or delivery that can be configured.
pub struct Entry<T: ?Sized> {
    name: &'static str,
    about: &'static str,
    takes: Kinds,
    gives: Kinds,
    subschema: fn(&mut SchemaGenerator) -> Schema,
    schema: fn() -> Schema,
    build: fn(Spanned<DeValue<'_>>) -> Result<Built<T>, toml::de::Error>,
}

impl<T: ?Sized> Entry<T> {
    /// Its name in configuration.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// One line about it.
    pub fn about(&self) -> &'static str {
        self.about
    }

    /// The JSON Schema (draft 2020-12) of its fields.
    pub fn schema(&self) -> Schema {
        (self.schema)()
    }

    /// Its schema inside a larger one.
    pub(crate) fn subschema(&self, generator: &mut SchemaGenerator) -> Schema {
        (self.subschema)(generator)
    }

    /// Reads its fields and builds it. The outer error is about the shape of the fields, the inner ones about their
    /// meaning.
    pub(crate) fn build(&self, fields: Spanned<DeValue<'_>>) -> Result<Built<T>, toml::de::Error> {
        (self.build)(fields)
    }

    /// Builds it by its name alone, without any field. `None` where a field is required; otherwise it may be that what it is to
    /// do has to be said all the same.
    pub(crate) fn build_bare(&self) -> Option<Built<T>> {
        self.build(Spanned::new(0..0, DeValue::Table(toml::de::DeTable::new()))).ok()
    }
}

impl Entry<dyn Exchange> {
    /// The kinds that it takes, however it is configured.
    pub fn takes(&self) -> Kinds {
        self.takes
    }

    /// Every kind that it can be configured to give.
    pub fn gives(&self) -> Kinds {
        self.gives
    }
}

impl Entry<dyn Delivery> {
    /// The kinds that it takes, however it is configured.
    pub fn takes(&self) -> Kinds {
        self.takes
    }
}

impl<T: ?Sized> Clone for Entry<T> {
    fn clone(&self) -> Self {
        Self { ..*self }
    }
}

impl<T: ?Sized> fmt::Debug for Entry<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// What part of a route something plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Yields the first credential.
    Source,
    /// Turns one credential into another.
    Exchange,
    /// Writes the last one.
    Delivery,
}

impl Role {
    /// The word for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Exchange => "exchange",
            Self::Delivery => "delivery",
        }
    }

    /// The word for several of them.
    pub(crate) const fn plural(self) -> &'static str {
        match self {
            Self::Source => "sources",
            Self::Exchange => "exchanges",
            Self::Delivery => "deliveries",
        }
    }

    /// The word with its article.
    pub(crate) const fn with_article(self) -> &'static str {
        match self {
            Self::Source => "a source",
            Self::Exchange => "an exchange",
            Self::Delivery => "a delivery",
        }
    }

    /// The field of a route that holds it.
    pub const fn field(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Exchange => "through",
            Self::Delivery => "deliver",
        }
    }
}

/// A name that nothing has.
#[derive(Clone, Debug)]
pub struct Unknown {
    role: Role,
    name: String,
    names: Vec<&'static str>,
    elsewhere: Option<Role>,
}

impl Unknown {
    /// What to write in its place.
    pub fn hint(&self) -> String {
        if let Some(role) = self.elsewhere {
            return format!("`{}` is {}: it belongs into `{}`", self.name, role.with_article(), role.field());
        }
        match suggest(&self.name, self.names.iter().copied()) {
            Some(close) => format!("did you mean `{close}`?"),
            None => format!("there are: {}", self.names.join(", ")),
        }
    }
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (role, name) = (self.role.name(), &self.name);
        write!(f, "there is no {role} `{name}`")
    }
}

impl std::error::Error for Unknown {}

impl From<Unknown> for carnet_core::Error {
    fn from(unknown: Unknown) -> Self {
        let hint = unknown.hint();
        Self::configuration(unknown.to_string()).hint(hint)
    }
}

fn find<'a, T: ?Sized>(entries: &'a [Entry<T>], name: &str) -> Option<&'a Entry<T>> {
    entries.iter().find(|entry| entry.name == name)
}

fn root_schema<C: schemars::JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<C>()
}

#[cfg(test)]
mod tests;
