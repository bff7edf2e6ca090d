//! Who has set what ("Server-Side Apply"): `metadata.managedFields`.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    fields::{self, Path},
    reply::ApiError,
};

/// Somebody who has set something.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Manager {
    name: String,
    /// `Apply` or `Update`.
    operation: String,
    /// `status`, or empty.
    part: String,
    api_version: String,
    time: String,
    paths: BTreeSet<Path>,
}

/// Who writes now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Writer<'a> {
    pub(crate) name: &'a str,
    pub(crate) status: bool,
    pub(crate) api_version: &'a str,
    pub(crate) time: &'a str,
}

impl Writer<'_> {
    fn part(&self) -> &'static str {
        if self.status { "status" } else { "" }
    }

    fn is(&self, manager: &Manager, operation: &str) -> bool {
        manager.name == self.name && manager.operation == operation && manager.part == self.part()
    }

    fn manager(&self, operation: &str, paths: BTreeSet<Path>) -> Manager {
        Manager {
            name: self.name.to_owned(),
            operation: operation.to_owned(),
            part: self.part().to_owned(),
            api_version: self.api_version.to_owned(),
            time: self.time.to_owned(),
            paths,
        }
    }
}

fn read(object: &Value) -> Vec<Manager> {
    let all = object.pointer("/metadata/managedFields").and_then(Value::as_array);
    let manager = |entry: &Value| {
        let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        Manager {
            name: text("manager"),
            operation: text("operation"),
            part: text("subresource"),
            api_version: text("apiVersion"),
            time: text("time"),
            paths: entry.get("fieldsV1").map(fields::of_tree).unwrap_or_default(),
        }
    };
    all.into_iter().flatten().map(manager).collect()
}

fn write(object: &mut Value, managers: &[Manager]) {
    let entry = |manager: &Manager| {
        let mut entry = json!({
            "manager": manager.name, "operation": manager.operation, "apiVersion": manager.api_version, "time": manager.time,
            "fieldsType": "FieldsV1", "fieldsV1": fields::to_tree(&manager.paths),
        });
        if let (false, Some(entry)) = (manager.part.is_empty(), entry.as_object_mut()) {
            entry.insert("subresource".to_owned(), manager.part.clone().into());
        }
        entry
    };
    let all: Vec<Value> = managers.iter().filter(|manager| !manager.paths.is_empty()).map(entry).collect();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("managedFields".to_owned(), all.into());
    }
}

/// Notes in `new` who has set what of it, after `writer` has changed `old` into it.
pub(crate) fn updated(old: &Value, new: &mut Value, writer: &Writer<'_>) {
    let mut managers = read(old);
    let (before, after) = (fields::paths(old), fields::paths(new));
    let changed: BTreeSet<Path> =
        after.iter().filter(|path| fields::get(old, path) != fields::get(new, path)).cloned().collect();
    // The elements of lists stand for themselves: what is in them is told apart.
    let own: BTreeSet<Path> = changed.into_iter().filter(|path| !is_element(path) || !before.contains(path)).collect();
    for manager in &mut managers {
        manager.paths.retain(|path| after.contains(path) && !own.contains(path));
    }
    match managers.iter_mut().find(|manager| writer.is(manager, "Update")) {
        Some(manager) => {
            manager.paths.extend(own);
            writer.time.clone_into(&mut manager.time);
        }
        None => managers.push(writer.manager("Update", own)),
    }
    write(new, &managers);
}

/// Applies what `writer` wants over `old`: what it wanted before and does not now is taken away, unless others want it too.
///
/// # Errors
/// 409 when others have set something of it otherwise, unless it is forced.
pub(crate) fn applied(old: &Value, wanted: &Value, writer: &Writer<'_>, force: bool) -> Result<Value, ApiError> {
    let mut managers = read(old);
    let own = fields::paths(wanted);
    let mut conflicts = Vec::new();
    for manager in managers.iter_mut().filter(|manager| !writer.is(manager, "Apply")) {
        let differs = |path: &&Path| !is_element(path) && fields::get(old, path) != fields::get(wanted, path);
        let contested: BTreeSet<Path> = manager.paths.intersection(&own).filter(differs).cloned().collect();
        if let (Some(first), false) = (contested.iter().next(), force) {
            conflicts.push(format!("conflict with \"{}\": {}", manager.name, shown(first)));
        }
        manager.paths.retain(|path| !contested.contains(path));
    }
    if !conflicts.is_empty() {
        let count = conflicts.len();
        let (noun, all) = (if count == 1 { "conflict" } else { "conflicts" }, conflicts.join("; "));
        return Err(ApiError::conflict(format!("Apply failed with {count} {noun}: {all}")));
    }
    let mut new = old.clone();
    let before = managers.iter().find(|manager| writer.is(manager, "Apply")).map(|manager| manager.paths.clone());
    let others: BTreeSet<&Path> =
        managers.iter().filter(|manager| !writer.is(manager, "Apply")).flat_map(|manager| &manager.paths).collect();
    // An element comes before what is in it, and takes that with it.
    for path in before.iter().flatten().filter(|path| !own.contains(*path) && !others.contains(path)) {
        let kept = others.iter().any(|other| other.len() > path.len() && other.starts_with(path));
        if !kept {
            fields::remove(&mut new, path);
        }
    }
    fields::merge(&mut new, wanted, "");
    managers.retain(|manager| !writer.is(manager, "Apply"));
    managers.push(writer.manager("Apply", own));
    write(&mut new, &managers);
    Ok(new)
}

fn is_element(path: &[String]) -> bool {
    path.last().is_some_and(|step| step.starts_with("k:"))
}

/// `.spec.replicas`
fn shown(path: &[String]) -> String {
    let step = |step: &String| match step.strip_prefix("f:") {
        Some(name) => format!(".{name}"),
        None => format!("[{}]", step.get(2..).unwrap_or_default().trim_matches(['{', '}'])),
    };
    path.iter().map(step).collect()
}
