//! Objects of all kinds: where a request is about one of them, and reading.

use std::sync::Arc;

use carnet_core::hex;
use http::{Method, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    authorization::{Access, require},
    call::Call,
    cluster::{Cluster, Kind},
    reply::{Answer, ApiError, json_reply, ok},
    selector::Selector,
    store::{Key, Objects},
    types::{self, Resource},
    watch, write,
};

/// Where a request is about.
#[derive(Debug)]
pub(crate) struct Target<'a> {
    pub(crate) resource: Resource,
    /// `None` for all namespaces, and for what is in none.
    pub(crate) namespace: Option<&'a str>,
    pub(crate) name: Option<&'a str>,
    /// Whether it is about the status alone.
    pub(crate) status: bool,
}

impl<'a> Target<'a> {
    /// Of the path behind group and version.
    fn of(cluster: &Cluster, (group, version): (&str, &str), path: &[&'a str]) -> Option<Self> {
        let objects = cluster.objects();
        let find = |plural: &str, namespaced: bool| {
            let found = types::find(cluster, &objects, group, version, plural);
            found.filter(|resource| resource.namespaced == namespaced)
        };
        let any = |plural: &str| find(plural, true).or_else(|| find(plural, false));
        let new = |resource, namespace, name, status| Self { resource, namespace, name, status };
        Some(match *path {
            [plural] => new(any(plural)?, None, None, false),
            ["namespaces", name] if group.is_empty() => new(find("namespaces", false)?, None, Some(name), false),
            ["namespaces", name, "status"] if group.is_empty() => {
                new(find("namespaces", false)?, None, Some(name), true)
            }
            ["namespaces", namespace, plural] => new(find(plural, true)?, Some(namespace), None, false),
            ["namespaces", namespace, plural, name] => new(find(plural, true)?, Some(namespace), Some(name), false),
            ["namespaces", namespace, plural, name, "status"] => {
                new(find(plural, true).filter(|found| found.status)?, Some(namespace), Some(name), true)
            }
            [plural, name] => new(find(plural, false)?, None, Some(name), false),
            [plural, name, "status"] => new(find(plural, false).filter(|found| found.status)?, None, Some(name), true),
            _ => return None,
        })
    }

    /// Where the object is.
    pub(crate) fn key(&self, name: &str) -> Key {
        Key::new(&self.resource.full(), self.namespace.unwrap_or_default(), name)
    }

    /// 404 of the object.
    pub(crate) fn missing(&self) -> ApiError {
        ApiError::no_object(&self.resource.full(), self.name.unwrap_or_default())
    }
}

/// Answers what is below `/api/v1/` and `/apis/GROUP/VERSION/`.
pub(crate) fn answer(cluster: &Arc<Cluster>, call: &Call, of: (&str, &str), path: &[&str]) -> Answer {
    let target = Target::of(cluster, of, path).ok_or_else(ApiError::no_path)?;
    let verb = match (&call.method, target.name) {
        (&Method::GET, None) if call.flag("watch") => "watch",
        (&Method::GET, None) => "list",
        (&Method::GET, Some(_)) => "get",
        (&Method::POST, None) if target.namespace.is_some() || !target.resource.namespaced => "create",
        (&Method::PUT, Some(_)) => "update",
        (&Method::PATCH, Some(_)) => "patch",
        (&Method::DELETE, Some(_)) if !target.status => "delete",
        _ => return Err(ApiError::no_method()),
    };
    let plural = &target.resource.plural;
    let whole = if target.status { format!("{plural}/status") } else { plural.clone() };
    let (namespace, name) = (target.namespace.unwrap_or_default(), target.name.unwrap_or_default());
    require(cluster, &call.user, Access { verb, resource: &whole, group: &target.resource.group, namespace, name })?;
    match verb {
        "watch" => watch::answer(cluster, call, &target),
        "list" => list(cluster, call, &target),
        "get" => cluster.objects().find(&target.key(name)).map(|object| ok(object)).ok_or_else(|| target.missing()),
        "create" => write::create(cluster, call, &target),
        "update" => write::update(cluster, call, &target),
        "patch" => write::patch(cluster, call, &target),
        _ => write::delete(cluster, call, &target),
    }
}

fn list(cluster: &Cluster, call: &Call, target: &Target<'_>) -> Answer {
    let selector = Selector::of(call)?;
    let limit = call.query("limit").and_then(|text| text.parse::<usize>().ok()).filter(|limit| *limit > 0);
    let objects = cluster.objects();
    let from = call.query("continue").map(|text| Place::parse(text, &objects)).transpose()?;
    let resource = target.resource.full();
    let after =
        |key: &Key| from.as_ref().is_none_or(|from| (&key.namespace, &key.name) > (&from.namespace, &from.name));
    let mut found = objects
        .of(&resource, target.namespace)
        .filter(|(key, object)| after(key) && selector.matches(object))
        .peekable();
    let mut items = Vec::new();
    let mut last = None;
    while let Some((key, object)) = found.next_if(|_| limit.is_none_or(|limit| items.len() < limit)) {
        items.push(&**object);
        last = Some(key);
    }
    // Pages of one list have the version of the first. What has changed since is on them all the same.
    let version = from.as_ref().map_or(objects.version(), |from| from.version);
    let mut metadata = json!({ "resourceVersion": version.to_string() });
    if let (Some(last), Some(metadata)) = (last.filter(|_| found.peek().is_some()), metadata.as_object_mut()) {
        let place = Place { version, namespace: last.namespace.clone(), name: last.name.clone() };
        metadata.insert("continue".to_owned(), place.text().into());
        metadata.insert("remainingItemCount".to_owned(), found.count().into());
    }
    let kind = format!("{}List", target.resource.kind);
    Ok(json_reply(StatusCode::OK, &List { kind, api_version: target.resource.api_version(), metadata, items }))
}

/// A list as it is answered.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct List<'a> {
    kind: String,
    api_version: String,
    metadata: Value,
    items: Vec<&'a Value>,
}

/// Where a list goes on.
struct Place {
    version: u64,
    namespace: String,
    name: String,
}

impl Place {
    fn text(&self) -> String {
        hex(format!("{}\n{}\n{}", self.version, self.namespace, self.name).as_bytes())
    }

    fn parse(text: &str, objects: &Objects) -> Result<Self, ApiError> {
        let bad = || ApiError::bad("continue key is not valid");
        let byte = |at: usize| text.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
        let bytes: Option<Vec<u8>> = (0..text.len()).step_by(2).map(byte).collect();
        let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(bad)?;
        let mut parts = text.split('\n').map(str::to_owned);
        let (version, namespace, name) = (parts.next(), parts.next(), parts.next());
        let version: u64 = version.and_then(|text| text.parse().ok()).ok_or_else(bad)?;
        let place = Self { version, namespace: namespace.ok_or_else(bad)?, name: name.ok_or_else(bad)? };
        if objects.since(version).is_none() {
            return Err(ApiError::expired(
                "The provided continue parameter is too old to display a consistent list result. You can start a new list \
                 without the continue parameter.",
            ));
        }
        Ok(place)
    }
}

/// Whether the namespace is there, and not about to go.
pub(crate) fn open_namespace(objects: &Objects, namespace: &str) -> Result<(), ApiError> {
    objects.get(Kind::Namespace, "", namespace).map(drop).ok_or_else(|| ApiError::no_object("namespaces", namespace))
}
