//! What a resource type says of its attributes.

use serde_json::Value;

use super::{Resource, ScimError, path::member};

/// A resource type.
#[derive(Debug)]
pub(crate) struct ResourceType {
    /// `meta.resourceType`, for instance `App`.
    pub(crate) name: &'static str,
    /// The part of the URL, for instance `Apps`.
    pub(crate) endpoint: &'static str,
    /// The schema of the resource.
    pub(crate) schema: &'static str,
    /// The second part of its OCIDs, if it has any.
    pub(crate) ocid_type: Option<&'static str>,
    /// Attributes about which something is known beyond [`COMMON`]. Others are kept as they come.
    pub(crate) attributes: &'static [Attribute],
}

/// What is known of an attribute (RFC 7643, 2.2, and Oracle's "SCIM++ properties").
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "the characteristics of the standard, each independent")]
pub(crate) struct Attribute {
    pub(crate) name: &'static str,
    kind: Kind,
    always: bool,
    exact: bool,
    immutable: bool,
    on_request: bool,
    read_only: bool,
    required: bool,
    unique: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Boolean,
    Complex,
    Number,
    Text,
}

/// Attributes of every resource.
const COMMON: &[Attribute] = &[
    string("id").read_only().exact().always(),
    string("ocid").read_only().exact(),
    complex("schemas").always(),
    complex("meta").read_only(),
    complex("idcsCreatedBy").read_only(),
    complex("idcsLastModifiedBy").read_only(),
    string("domainOcid").read_only().exact(),
    string("compartmentOcid").read_only().exact(),
    string("tenancyOcid").read_only().exact(),
    boolean("deleteInProgress").read_only(),
];

/// A single or multi-valued text.
pub(crate) const fn string(name: &'static str) -> Attribute {
    Attribute::new(name, Kind::Text)
}

/// True or false.
pub(crate) const fn boolean(name: &'static str) -> Attribute {
    Attribute::new(name, Kind::Boolean)
}

/// A number.
pub(crate) const fn number(name: &'static str) -> Attribute {
    Attribute::new(name, Kind::Number)
}

/// An object, or a list of any kind.
pub(crate) const fn complex(name: &'static str) -> Attribute {
    Attribute::new(name, Kind::Complex)
}

impl Attribute {
    const fn new(name: &'static str, kind: Kind) -> Self {
        Self {
            name,
            kind,
            always: false,
            exact: false,
            immutable: false,
            on_request: false,
            read_only: false,
            required: false,
            unique: false,
        }
    }

    /// Returned even when it is not asked for.
    pub(crate) const fn always(mut self) -> Self {
        self.always = true;
        self
    }

    /// Compared with regard to case.
    pub(crate) const fn exact(mut self) -> Self {
        self.exact = true;
        self
    }

    /// Set at creation and never changed.
    pub(crate) const fn immutable(mut self) -> Self {
        self.immutable = true;
        self
    }

    /// Returned only when it is asked for.
    pub(crate) const fn on_request(mut self) -> Self {
        self.on_request = true;
        self
    }

    /// Set by the server alone.
    pub(crate) const fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// Must be there.
    pub(crate) const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// No two resources share a value.
    pub(crate) const fn unique(mut self) -> Self {
        self.unique = true;
        self
    }

    pub(crate) fn is_always(&self) -> bool {
        self.always
    }

    pub(crate) fn is_on_request(&self) -> bool {
        self.on_request
    }

    fn accepts(&self, value: &Value) -> bool {
        match (self.kind, value) {
            (Kind::Complex, _) => matches!(value, Value::Object(_) | Value::Array(_)),
            (Kind::Text, Value::Array(items)) => items.iter().all(Value::is_string),
            (Kind::Text, _) => value.is_string(),
            (Kind::Boolean, _) => value.is_boolean(),
            (Kind::Number, _) => value.is_number(),
        }
    }
}

impl ResourceType {
    /// What is known of the attribute of this name.
    pub(crate) fn attribute(&self, name: &str) -> Option<&'static Attribute> {
        self.known().find(|attribute| attribute.name.eq_ignore_ascii_case(name))
    }

    /// Whether the attribute that the path leads to compares with regard to case.
    pub(crate) fn is_exact(&self, path: &str) -> bool {
        let name = path.rsplit_once(':').map_or(path, |(_, name)| name);
        match name.split_once('.') {
            Some((_, "value" | "ocid")) => true,
            Some((top, _)) => self.attribute(top).is_some_and(|attribute| attribute.exact),
            None => self.attribute(name).is_some_and(|attribute| attribute.exact),
        }
    }

    /// The body with attribute names as the schema spells them and without nulls (RFC 7643, 2.1 and 2.5).
    pub(crate) fn normalise(&self, body: Resource) -> Resource {
        let mut resource = Resource::new();
        for (name, value) in body {
            let name = self.attribute(&name).map_or(name, |attribute| attribute.name.to_owned());
            let empty = matches!(&value, Value::Array(items) if items.is_empty());
            if !value.is_null() && !empty {
                resource.insert(name, value);
            }
        }
        resource
    }

    /// The resource without what only the server sets.
    pub(crate) fn without_read_only(&self, mut resource: Resource) -> Resource {
        for attribute in self.known().filter(|attribute| attribute.read_only) {
            resource.remove(attribute.name);
        }
        resource
    }

    /// Refuses a resource that lacks what is required or has a value of the wrong type.
    pub(crate) fn check(&self, resource: &Resource) -> Result<(), ScimError> {
        let missing: Vec<&str> = self
            .known()
            .filter(|attribute| attribute.required)
            .filter(|attribute| match member(resource, attribute.name) {
                None | Some(Value::Null) => true,
                Some(Value::String(text)) => text.trim().is_empty(),
                Some(_) => false,
            })
            .map(|attribute| attribute.name)
            .collect();
        if !missing.is_empty() {
            return Err(ScimError::missing(&missing));
        }
        for attribute in self.known() {
            if resource.get(attribute.name).is_some_and(|value| !attribute.accepts(value)) {
                return Err(ScimError::invalid_value(attribute.name, "it is of another type"));
            }
        }
        Ok(())
    }

    /// Refuses a change of what cannot be changed.
    pub(crate) fn check_unchanged(&self, old: &Resource, new: &Resource) -> Result<(), ScimError> {
        for attribute in self.known().filter(|attribute| attribute.read_only || attribute.immutable) {
            if old.get(attribute.name) != new.get(attribute.name) {
                return Err(ScimError::mutability(attribute.name));
            }
        }
        Ok(())
    }

    /// The whole resource for a replacement: what the server alone sets is taken from the old one, and refused when the
    /// client sent another value.
    pub(crate) fn replacement(&self, old: &Resource, mut new: Resource) -> Result<Resource, ScimError> {
        for attribute in self.known().filter(|attribute| attribute.read_only) {
            let Some(kept) = old.get(attribute.name) else {
                // Shown in an answer but no part of the resource: a client secret that comes back with the rest.
                new.remove(attribute.name);
                continue;
            };
            match new.get(attribute.name) {
                None => {
                    new.insert(attribute.name.to_owned(), kept.clone());
                }
                Some(sent) if sent == kept => {}
                // `meta` carries the version, which goes stale in the client's hands without any wish to change it.
                Some(_) if attribute.name == "meta" => {
                    new.insert(attribute.name.to_owned(), kept.clone());
                }
                Some(_) => return Err(ScimError::mutability(attribute.name)),
            }
        }
        Ok(new)
    }

    /// The attributes whose values no two resources share.
    pub(crate) fn unique(&self) -> impl Iterator<Item = &'static Attribute> {
        self.attributes.iter().filter(|attribute| attribute.unique)
    }

    fn known(&self) -> impl Iterator<Item = &'static Attribute> {
        COMMON.iter().chain(self.attributes)
    }
}
