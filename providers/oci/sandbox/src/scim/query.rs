//! Lists: filter, order, page, and what of each resource is shown.

use serde_json::{Map, Value, json};

use super::{
    AttributePath, Filter, Resource, ResourceType, ScimError,
    path::{member, spelling},
};

/// Page size when the caller names none.
const DEFAULT_COUNT: usize = 50;

/// Largest page.
const MAX_COUNT: usize = 1_000;

/// What a list request asks for.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    filter: Option<Filter>,
    /// What of each resource is shown.
    pub(crate) projection: Projection,
    start_index: usize,
    count: usize,
    sort_by: Option<AttributePath>,
    descending: bool,
}

/// What of a resource is shown (RFC 7644, 3.9; `attributeSets` is Oracle's).
#[derive(Clone, Debug, Default)]
pub(crate) struct Projection {
    attributes: Vec<AttributePath>,
    sets: Vec<Set>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    All,
    Always,
    Default,
    Never,
    Request,
}

impl Query {
    /// Reads the query part of a URL. Parameters that are not known are passed over.
    ///
    /// # Errors
    /// When a known one cannot be read.
    pub(crate) fn from_pairs(pairs: &[(String, String)]) -> Result<Self, ScimError> {
        let object = pairs.iter().map(|(name, value)| (name.clone(), Value::String(value.clone()))).collect();
        Self::from_object(&object)
    }

    /// Reads the body of a `.search` (RFC 7644, 3.4.3), or the parameters of a URL as an object.
    ///
    /// # Errors
    /// When a known member cannot be read.
    pub(crate) fn from_object(object: &Map<String, Value>) -> Result<Self, ScimError> {
        let filter = match member(object, "filter").map(Value::as_str) {
            None => None,
            Some(Some(text)) => Some(
                Filter::parse(text)
                    .map_err(|error| ScimError::invalid_filter(format!("The filter is invalid: {error}.")))?,
            ),
            Some(None) => return Err(ScimError::invalid_value("filter", "it is not a text")),
        };
        let sort_by = match member(object, "sortBy").and_then(Value::as_str) {
            None | Some("") => None,
            Some(text) => Some(path(text)?),
        };
        let order = member(object, "sortOrder").and_then(Value::as_str).unwrap_or("ascending");
        let descending = match order.to_ascii_lowercase().as_str() {
            "ascending" => false,
            "descending" => true,
            _ => return Err(ScimError::invalid_value("sortOrder", "it is neither ascending nor descending")),
        };
        Ok(Self {
            filter,
            projection: Projection::from_object(object)?,
            // Values below 1 mean 1, counts below 0 mean 0 (RFC 7644, 3.4.2.4).
            start_index: integer(object, "startIndex")?.map_or(1, |index| usize::try_from(index).unwrap_or(0).max(1)),
            count: integer(object, "count")?
                .map_or(DEFAULT_COUNT, |count| usize::try_from(count).unwrap_or(0).min(MAX_COUNT)),
            sort_by,
            descending,
        })
    }

    /// The page as a list response (RFC 7644, 3.4.2).
    pub(crate) fn run(&self, kind: &ResourceType, resources: &[Resource]) -> Value {
        let exact = |path: &str| kind.is_exact(path);
        let matching = |resource: &&Resource| match &self.filter {
            Some(filter) => filter.matches(resource, &exact),
            None => true,
        };
        let mut found: Vec<&Resource> = resources.iter().filter(matching).collect();
        if let Some(path) = &self.sort_by {
            found.sort_by_cached_key(|resource| sort_key(path, resource, kind.is_exact(path.as_str())));
            if self.descending {
                found.reverse();
            }
        }
        let page = found.iter().skip(self.start_index.saturating_sub(1)).take(self.count);
        let resources: Vec<Value> = page.map(|resource| self.projection.apply(kind, resource).into()).collect();
        json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
            "totalResults": found.len(),
            "Resources": resources,
            "startIndex": self.start_index,
            "itemsPerPage": self.count,
        })
    }
}

impl Projection {
    /// Reads `attributes` and `attributeSets`, each a list or texts separated by commas.
    ///
    /// # Errors
    /// When an attribute or a set is not one.
    pub(crate) fn from_object(object: &Map<String, Value>) -> Result<Self, ScimError> {
        let attributes = words(object, "attributes")?.iter().map(|word| path(word)).collect::<Result<_, _>>()?;
        let sets = words(object, "attributeSets")?.iter().map(|word| Set::parse(word)).collect::<Result<_, _>>()?;
        Ok(Self { attributes, sets })
    }

    /// Reads the query part of a URL.
    ///
    /// # Errors
    /// As [`Self::from_object`].
    pub(crate) fn from_pairs(pairs: &[(String, String)]) -> Result<Self, ScimError> {
        let object = pairs.iter().map(|(name, value)| (name.clone(), Value::String(value.clone()))).collect();
        Self::from_object(&object)
    }

    /// The part of the resource that is shown: with neither parameter the default set, otherwise the union of both.
    pub(crate) fn apply(&self, kind: &ResourceType, resource: &Resource) -> Resource {
        let nothing_asked = self.attributes.is_empty() && self.sets.is_empty();
        let mut shown = Resource::new();
        for (name, value) in resource {
            let known = kind.attribute(name);
            let always = known.is_some_and(super::Attribute::is_always);
            let on_request = known.is_some_and(super::Attribute::is_on_request);
            let in_set = self.sets.iter().any(|set| match set {
                Set::All => true,
                Set::Default => !on_request,
                Set::Request => on_request,
                Set::Always | Set::Never => false,
            });
            if always || in_set || (nothing_asked && !on_request) {
                shown.insert(name.clone(), value.clone());
            }
        }
        for path in &self.attributes {
            pick(resource, &path.keys(resource), &mut shown);
        }
        shown
    }
}

impl Set {
    fn parse(text: &str) -> Result<Self, ScimError> {
        match text.to_ascii_lowercase().as_str() {
            "all" => Ok(Self::All),
            "always" => Ok(Self::Always),
            "default" => Ok(Self::Default),
            "never" => Ok(Self::Never),
            "request" => Ok(Self::Request),
            _ => Err(ScimError::invalid_value("attributeSets", "it is none of all, always, never, request, default")),
        }
    }
}

/// Copies what stands at the path, and nothing beside it.
fn pick(from: &Resource, keys: &[&str], to: &mut Resource) {
    let Some((first, rest)) = keys.split_first() else { return };
    let name = spelling(from, first);
    let Some(value) = from.get(&name) else { return };
    match value {
        Value::Object(inner) if !rest.is_empty() => {
            if let Value::Object(target) = to.entry(name).or_insert_with(|| Value::Object(Map::new())) {
                pick(inner, rest, target);
            }
        }
        Value::Array(items) if !rest.is_empty() => {
            let picked = items.iter().filter_map(Value::as_object).map(|item| {
                let mut target = Map::new();
                pick(item, rest, &mut target);
                Value::Object(target)
            });
            to.insert(name, picked.collect());
        }
        _ => {
            to.insert(name, value.clone());
        }
    }
}

/// Missing values come last in ascending order.
fn sort_key(path: &AttributePath, resource: &Resource, exact: bool) -> (bool, String) {
    let text = match path.values(resource).first() {
        None => return (true, String::new()),
        Some(Value::String(text)) if exact => text.clone(),
        Some(Value::String(text)) => text.to_lowercase(),
        Some(other) => other.to_string(),
    };
    (false, text)
}

fn path(text: &str) -> Result<AttributePath, ScimError> {
    AttributePath::parse(text).map_err(|error| ScimError::invalid_path(error.to_string()))
}

fn integer(object: &Map<String, Value>, name: &str) -> Result<Option<i64>, ScimError> {
    let number = match member(object, name) {
        None => return Ok(None),
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(other) => other.as_i64(),
    };
    number.map(Some).ok_or_else(|| ScimError::invalid_value(name, "it is not a whole number"))
}

fn words(object: &Map<String, Value>, name: &str) -> Result<Vec<String>, ScimError> {
    let fail = || ScimError::invalid_value(name, "it is neither a text nor a list of texts");
    let texts: Vec<&str> = match member(object, name) {
        None => return Ok(Vec::new()),
        Some(Value::String(text)) => vec![text],
        Some(Value::Array(items)) => items.iter().map(Value::as_str).collect::<Option<_>>().ok_or_else(fail)?,
        Some(_) => return Err(fail()),
    };
    let words = texts.into_iter().flat_map(|text| text.split(',')).map(str::trim);
    Ok(words.filter(|word| !word.is_empty()).map(str::to_owned).collect())
}
