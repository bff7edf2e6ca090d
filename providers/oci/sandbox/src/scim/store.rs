//! Resources in memory.

use std::collections::BTreeMap;

use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Resource, ResourceType, ScimError, path::member};

/// Most resources of one type: a sandbox that is filled by a runaway test must not fill the machine.
const MAX_RESOURCES: usize = 10_000;

/// All resources of a domain, in the order of their creation.
#[derive(Debug, Default)]
pub(crate) struct Store {
    by_type: BTreeMap<&'static str, Vec<Resource>>,
    versions: u64,
}

/// Who changes something, when, and under which URL it will stand.
#[derive(Debug)]
pub(crate) struct Stamp<'a> {
    /// Now.
    pub(crate) now: Timestamp,
    /// `https://…/admin/v1`.
    pub(crate) base: &'a str,
    /// The author: `value`, `display`, `type`, `$ref`.
    pub(crate) author: Value,
}

impl Store {
    /// The resources of a type.
    pub(crate) fn all(&self, kind: &ResourceType) -> &[Resource] {
        self.by_type.get(kind.endpoint).map_or(&[], Vec::as_slice)
    }

    /// The resource with this id or OCID.
    pub(crate) fn find(&self, kind: &ResourceType, id: &str) -> Option<&Resource> {
        self.all(kind).iter().find(|resource| names(resource, id))
    }

    /// The first resource whose attribute has this value, byte for byte.
    pub(crate) fn find_by(&self, kind: &ResourceType, attribute: &str, value: &str) -> Option<&Resource> {
        self.all(kind).iter().find(|resource| text(resource, attribute) == Some(value))
    }

    /// Adds a resource under this id, with its bookkeeping.
    ///
    /// # Errors
    /// When a unique attribute is taken, or there are too many.
    pub(crate) fn create(
        &mut self,
        kind: &ResourceType,
        mut resource: Resource,
        id: &str,
        stamp: &Stamp<'_>,
    ) -> Result<Resource, ScimError> {
        self.check_unique(kind, &resource, None)?;
        if self.all(kind).len() >= MAX_RESOURCES {
            return Err(ScimError::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "error.common.common.limitExceeded",
                format!("No more than {MAX_RESOURCES} resources of type {} can be created.", kind.name),
            ));
        }
        let location = format!("{}/{}/{id}", stamp.base, kind.endpoint);
        let now = milliseconds(stamp.now);
        resource.insert("id".to_owned(), id.into());
        let meta = json!({
            "resourceType": kind.name, "created": now, "lastModified": now, "location": location, "version": self.version(),
        });
        resource.insert("meta".to_owned(), meta);
        resource.insert("idcsCreatedBy".to_owned(), stamp.author.clone());
        resource.insert("idcsLastModifiedBy".to_owned(), stamp.author.clone());
        add_schema(&mut resource, kind.schema);
        self.by_type.entry(kind.endpoint).or_default().push(resource.clone());
        Ok(resource)
    }

    /// Puts the resource in the place of the one with the same id.
    ///
    /// # Errors
    /// When a unique attribute is taken, or there is none with that id.
    pub(crate) fn update(
        &mut self,
        kind: &ResourceType,
        mut resource: Resource,
        stamp: &Stamp<'_>,
    ) -> Result<Resource, ScimError> {
        let id = text(&resource, "id").unwrap_or_default().to_owned();
        self.check_unique(kind, &resource, Some(&id))?;
        let version = self.version();
        if let Some(Value::Object(meta)) = resource.get_mut("meta") {
            meta.insert("lastModified".to_owned(), milliseconds(stamp.now).into());
            meta.insert("version".to_owned(), version.into());
        }
        resource.insert("idcsLastModifiedBy".to_owned(), stamp.author.clone());
        add_schema(&mut resource, kind.schema);
        let all = self.by_type.entry(kind.endpoint).or_default();
        let place = all.iter_mut().find(|old| text(old, "id") == Some(&id));
        let place = place.ok_or_else(|| ScimError::not_found(kind.name, &id))?;
        place.clone_from(&resource);
        Ok(resource)
    }

    /// Takes the resource away.
    pub(crate) fn remove(&mut self, kind: &ResourceType, id: &str) -> Option<Resource> {
        let all = self.by_type.get_mut(kind.endpoint)?;
        let at = all.iter().position(|resource| names(resource, id))?;
        Some(all.remove(at))
    }

    /// Takes away every resource that satisfies the condition.
    pub(crate) fn remove_where(&mut self, kind: &ResourceType, condition: impl Fn(&Resource) -> bool) {
        if let Some(all) = self.by_type.get_mut(kind.endpoint) {
            all.retain(|resource| !condition(resource));
        }
    }

    fn check_unique(&self, kind: &ResourceType, resource: &Resource, own: Option<&str>) -> Result<(), ScimError> {
        for attribute in kind.unique() {
            let Some(value) = text(resource, attribute.name) else { continue };
            let taken = self.all(kind).iter().filter(|other| text(other, "id") != own).any(|other| {
                let other = text(other, attribute.name).unwrap_or_default();
                if kind.is_exact(attribute.name) { other == value } else { other.eq_ignore_ascii_case(value) }
            });
            if taken {
                let (name, kind) = (attribute.name, kind.name);
                return Err(ScimError::conflict(format!("{kind} with the same {name} {value} already exists.")));
            }
        }
        Ok(())
    }

    fn version(&mut self) -> String {
        self.versions = self.versions.saturating_add(1);
        format!("{:032x}", self.versions)
    }
}

/// A text attribute of a resource.
pub(crate) fn text<'a>(resource: &'a Resource, name: &str) -> Option<&'a str> {
    member(resource, name)?.as_str()
}

/// `meta.version`, which is also the entity tag.
pub(crate) fn version(resource: &Resource) -> &str {
    resource.get("meta").and_then(|meta| meta.get("version")).and_then(Value::as_str).unwrap_or_default()
}

/// Sees to it that `schemas` lists this one.
pub(crate) fn add_schema(resource: &mut Resource, schema: &str) {
    match resource.get_mut("schemas") {
        Some(Value::Array(schemas)) => {
            if !schemas.iter().any(|listed| listed.as_str() == Some(schema)) {
                schemas.push(schema.into());
            }
        }
        _ => {
            resource.insert("schemas".to_owned(), json!([schema]));
        }
    }
}

fn names(resource: &Resource, id: &str) -> bool {
    text(resource, "id") == Some(id) || text(resource, "ocid") == Some(id)
}

/// ISO 8601 with milliseconds, as the service writes times.
fn milliseconds(time: Timestamp) -> String {
    format!("{time:.3}")
}
