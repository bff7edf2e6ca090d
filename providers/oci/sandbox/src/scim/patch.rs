//! Changes to parts of a resource (RFC 7644, 3.5.2).

use serde_json::{Map, Value};

use super::{
    AttributePath, Filter, Resource, ScimError,
    path::{member, spelling},
};

/// Schema of a patch.
const SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// A list of changes, made in order, all or none.
#[derive(Clone, Debug)]
pub(crate) struct Patch(Vec<Operation>);

#[derive(Clone, Debug)]
struct Operation {
    verb: Verb,
    target: Option<Target>,
    value: Option<Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Add,
    Remove,
    Replace,
}

/// `path`, `path[filter]` or `path[filter].name`.
#[derive(Clone, Debug)]
struct Target {
    path: AttributePath,
    element: Option<(Filter, Option<String>)>,
}

impl Patch {
    /// Reads the body of a PATCH. `op` may be in any case.
    ///
    /// # Errors
    /// When it is not one.
    pub(crate) fn from_object(body: &Map<String, Value>) -> Result<Self, ScimError> {
        let schemas = member(body, "schemas").and_then(Value::as_array);
        if !schemas.is_some_and(|schemas| schemas.iter().any(|schema| schema.as_str() == Some(SCHEMA))) {
            return Err(ScimError::invalid_syntax(format!("schemas must contain {SCHEMA}.")));
        }
        let operations = member(body, "Operations").and_then(Value::as_array).filter(|list| !list.is_empty());
        let operations = operations.ok_or_else(|| ScimError::missing(&["Operations"]))?;
        operations.iter().map(Operation::parse).collect::<Result<_, _>>().map(Self)
    }

    /// The resource with all changes made.
    ///
    /// # Errors
    /// When a change has no target.
    pub(crate) fn apply(&self, resource: &Resource) -> Result<Resource, ScimError> {
        let mut changed = resource.clone();
        for operation in &self.0 {
            operation.apply(&mut changed)?;
        }
        Ok(changed)
    }
}

impl Operation {
    fn parse(value: &Value) -> Result<Self, ScimError> {
        let object = value.as_object().ok_or_else(|| ScimError::invalid_syntax("An operation must be an object."))?;
        let op = member(object, "op").and_then(Value::as_str).unwrap_or_default();
        let verb = match op.to_ascii_lowercase().as_str() {
            "add" => Verb::Add,
            "remove" => Verb::Remove,
            "replace" => Verb::Replace,
            _ => return Err(ScimError::invalid_syntax("op must be add, remove or replace.")),
        };
        let target = match member(object, "path") {
            None | Some(Value::Null) => None,
            Some(Value::String(path)) => Some(Target::parse(path)?),
            Some(_) => return Err(ScimError::invalid_path("path must be a text.")),
        };
        let value = member(object, "value").filter(|value| !value.is_null()).cloned();
        match (verb, &target, &value) {
            (Verb::Remove, None, _) => Err(ScimError::invalid_path("A remove operation must have a path.")),
            (Verb::Add | Verb::Replace, _, None) => Err(ScimError::missing(&["value"])),
            _ => Ok(Self { verb, target, value }),
        }
    }

    fn apply(&self, resource: &mut Resource) -> Result<(), ScimError> {
        match (&self.target, self.value.clone()) {
            (None, Some(Value::Object(members))) => {
                for (name, value) in members {
                    let path =
                        AttributePath::parse(&name).map_err(|error| ScimError::invalid_path(error.to_string()))?;
                    self.change(resource, &path, Some(value));
                }
                Ok(())
            }
            (None, _) => Err(ScimError::invalid_syntax("Without a path the value must be an object.")),
            (Some(Target { path, element: None }), value) => {
                self.change(resource, path, value);
                Ok(())
            }
            (Some(Target { path, element: Some((filter, sub)) }), value) => {
                self.change_elements(resource, path, filter, sub.as_deref(), value.as_ref())
            }
        }
    }

    fn change(&self, resource: &mut Resource, path: &AttributePath, value: Option<Value>) {
        let keys: Vec<String> = path.keys(resource).into_iter().map(str::to_owned).collect();
        change_at(resource, &keys, self.verb, value);
    }

    fn change_elements(
        &self,
        resource: &mut Resource,
        path: &AttributePath,
        filter: &Filter,
        sub: Option<&str>,
        value: Option<&Value>,
    ) -> Result<(), ScimError> {
        let no_target = || ScimError::invalid_path(format!("No value of {} matches the filter.", path.as_str()));
        let name = spelling(resource, path.top(resource));
        let Some(Value::Array(items)) = resource.get_mut(&name) else { return Err(no_target()) };
        let matches = |item: &Value| item.as_object().is_some_and(|item| filter.matches(item, &|_| true));
        if !items.iter().any(matches) {
            return Err(no_target());
        }
        match (self.verb, sub) {
            (Verb::Remove, None) => items.retain(|item| !matches(item)),
            (verb, None) => {
                for item in items.iter_mut().filter(|item| matches(item)) {
                    put(item, value.cloned().unwrap_or_default(), verb);
                }
            }
            (verb, Some(sub)) => {
                for item in items.iter_mut().filter(|item| matches(item)).filter_map(Value::as_object_mut) {
                    change_at(item, &[sub.to_owned()], verb, value.cloned());
                }
            }
        }
        if items.is_empty() {
            resource.remove(&name);
        }
        Ok(())
    }
}

impl Target {
    fn parse(text: &str) -> Result<Self, ScimError> {
        let fail = |detail: String| ScimError::invalid_path(format!("The path is invalid: {detail}."));
        let path = |text: &str| AttributePath::parse(text).map_err(|error| fail(error.to_string()));
        let Some((attribute, rest)) = text.split_once('[') else {
            return Ok(Self { path: path(text)?, element: None });
        };
        let (filter, sub) = rest.rsplit_once(']').ok_or_else(|| fail("a bracket is not closed".to_owned()))?;
        let filter = Filter::parse(filter).map_err(|error| fail(error.to_string()))?;
        let sub = match sub.strip_prefix('.') {
            None if sub.is_empty() => None,
            Some(name) if !name.is_empty() && AttributePath::parse(name).is_ok() => Some(name.to_owned()),
            _ => return Err(fail("a sub-attribute is expected behind the bracket".to_owned())),
        };
        Ok(Self { path: path(attribute)?, element: Some((filter, sub)) })
    }
}

/// Changes what stands at the names; makes the objects on the way there, and leaves none that is empty.
fn change_at(object: &mut Map<String, Value>, keys: &[String], verb: Verb, value: Option<Value>) {
    let Some((first, rest)) = keys.split_first() else { return };
    let name = spelling(object, first);
    if rest.is_empty() {
        match (verb, value) {
            (Verb::Remove, _) => {
                object.remove(&name);
            }
            (verb, Some(value)) => put(object.entry(name).or_insert(Value::Null), value, verb),
            (_, None) => {}
        }
        return;
    }
    if verb == Verb::Remove && !object.contains_key(&name) {
        return;
    }
    let inner = object.entry(name.clone()).or_insert_with(|| Value::Object(Map::new()));
    match inner {
        Value::Object(inner) => change_at(inner, rest, verb, value),
        Value::Array(items) => {
            for item in items.iter_mut().filter_map(Value::as_object_mut) {
                change_at(item, rest, verb, value.clone());
            }
        }
        _ => {}
    }
    if matches!(inner, Value::Object(inner) if inner.is_empty()) {
        object.remove(&name);
    }
}

/// Puts a value in a place: `add` appends to a list what is not in it yet and merges objects, `replace` replaces.
fn put(place: &mut Value, value: Value, verb: Verb) {
    match (place, value, verb) {
        (Value::Array(items), Value::Array(new), Verb::Add) => {
            for value in new {
                if !items.contains(&value) {
                    items.push(value);
                }
            }
        }
        (Value::Array(items), value, Verb::Add) => {
            if !items.contains(&value) {
                items.push(value);
            }
        }
        (Value::Object(members), Value::Object(new), Verb::Add) => members.extend(new),
        (place, value, _) => *place = value,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const EXTENSION: &str = "urn:ietf:params:scim:schemas:oracle:idcs:extension:user:User";

    fn resource() -> Resource {
        let resource = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", EXTENSION],
            "active": true, "allowedGrants": ["a"], "name": {"givenName": "x"},
            "emails": [{"type": "work", "value": "w"}, {"type": "home", "value": "h"}],
            EXTENSION: {"serviceUser": true},
        });
        let Value::Object(resource) = resource else { panic!("an object") };
        resource
    }

    fn patched(operation: &Value) -> Result<Value, ScimError> {
        let body = json!({"schemas": [SCHEMA], "Operations": [operation]});
        Patch::from_object(body.as_object().unwrap())?.apply(&resource()).map(Value::Object)
    }

    #[test]
    fn changes_what_the_path_names() {
        let extension = format!("{EXTENSION}:serviceUser");
        for (operation, pointer, expected) in [
            (json!({"op": "REPLACE", "path": "active", "value": false}), "/active", json!(false)),
            (json!({"op": "replace", "path": "ACTIVE", "value": false}), "/active", json!(false)),
            (json!({"op": "Add", "path": "allowedGrants", "value": ["b", "a"]}), "/allowedGrants", json!(["a", "b"])),
            (json!({"op": "add", "path": "allowedGrants", "value": "b"}), "/allowedGrants", json!(["a", "b"])),
            (json!({"op": "add", "path": "clientType", "value": "confidential"}), "/clientType", json!("confidential")),
            (json!({"op": "replace", "path": "name.givenName", "value": "y"}), "/name", json!({"givenName": "y"})),
            (json!({"op": "add", "path": "name", "value": {"familyName": "z"}}), "/name/givenName", json!("x")),
            (json!({"op": "replace", "value": {"active": false, "nick": "n"}}), "/nick", json!("n")),
            (
                json!({"op": "replace", "path": "emails[type eq \"work\"].value", "value": "v"}),
                "/emails/0/value",
                json!("v"),
            ),
            (
                json!({"op": "remove", "path": "emails[type eq \"work\"]"}),
                "/emails",
                json!([{"type": "home", "value": "h"}]),
            ),
            (
                json!({"op": "replace", "path": extension, "value": false}),
                &format!("/{EXTENSION}/serviceUser"),
                json!(false),
            ),
        ] {
            let changed = patched(&operation).unwrap();
            assert_eq!(changed.pointer(pointer), Some(&expected), "{operation}");
        }
    }

    #[test]
    fn removes_what_the_path_names_and_does_not_mind_what_is_absent() {
        for (path, gone) in
            [("allowedGrants", "/allowedGrants"), ("name.givenName", "/name"), ("allowOffline", "/allowOffline")]
        {
            assert_eq!(patched(&json!({"op": "REMOVE", "path": path})).unwrap().pointer(gone), None, "{path}");
        }
    }

    #[test]
    fn refuses_what_is_not_a_patch() {
        for operation in [
            json!({"op": "copy", "path": "active", "value": 1}),
            json!({"path": "active", "value": 1}),
            json!({"op": "remove"}),
            json!({"op": "add", "path": "active"}),
            json!({"op": "add", "value": "x"}),
            json!({"op": "replace", "path": "a b", "value": 1}),
            json!({"op": "replace", "path": "emails[type eq \"work\"", "value": 1}),
            json!({"op": "replace", "path": "emails[type eq \"other\"].value", "value": 1}),
            json!({"op": "replace", "path": "emails[type eq \"work\"]x", "value": 1}),
            json!("x"),
        ] {
            assert_eq!(patched(&operation).unwrap_err().status, http::StatusCode::BAD_REQUEST, "{operation}");
        }
        let no_schema = json!({"Operations": [{"op": "remove", "path": "active"}]});
        assert!(Patch::from_object(no_schema.as_object().unwrap()).is_err());
    }

    proptest! {
        #[test]
        fn never_panics(path in r#"[a-z.\[\]":]{0,30}"#, op in "(add|remove|replace)") {
            let _ = patched(&json!({"op": op, "path": path, "value": {"a": ["b"]}}));
        }
    }
}
