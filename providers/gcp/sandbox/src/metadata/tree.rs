//! The values of the metadata server, and the forms in which they are listed.

use serde_json::{Map, Value, json};

use crate::{access::CLOUD_PLATFORM, seed};

/// When the machine was made, in seconds since 1970: 2026-11-01 00:00:00 UTC.
pub(super) const CREATED: i64 = 1_793_491_200;

/// The number of the project as a number.
pub(super) fn project_number() -> u64 {
    seed::PROJECT_NUMBER.parse().unwrap_or_default()
}

/// Everything below `/computeMetadata/v1/`. `token` and `identity` are not listed: they are made on demand.
pub(super) fn tree() -> Value {
    let zone = format!("projects/{}/zones/{}", seed::PROJECT_NUMBER, seed::ZONE);
    let account = |aliases: Value| json!({ "aliases": aliases, "email": seed::BUILDER, "scopes": [CLOUD_PLATFORM] });
    let mut accounts = Map::new();
    accounts.insert(seed::BUILDER.to_owned(), account(json!(["default"])));
    accounts.insert("default".to_owned(), account(json!(["default"])));
    json!({
        "instance": {
            "attributes": {},
            "hostname": format!("{}.{}.c.{}.internal", seed::INSTANCE, seed::ZONE, seed::PROJECT),
            "id": seed::INSTANCE_ID,
            "machine-type": format!("projects/{}/machineTypes/e2-small", seed::PROJECT_NUMBER),
            "name": seed::INSTANCE,
            "service-accounts": accounts,
            "zone": zone,
        },
        "project": {
            "attributes": {},
            "numeric-project-id": project_number(),
            "project-id": seed::PROJECT,
        },
        "universe": { "universe-domain": "googleapis.com", "universe_domain": "googleapis.com" },
    })
}

/// What is at a path.
pub(super) fn find<'a>(tree: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(tree, |value, name| value.get(*name))
}

/// One value, or the children of a directory: one on each line, directories with a slash.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(name, child)| if child.is_object() { format!("{name}/\n") } else { format!("{name}\n") })
            .collect::<Vec<_>>()
            .concat(),
        other => leaf(other),
    }
}

/// All values below, one on each line: path, blank, value.
pub(super) fn flat(value: &Value) -> String {
    fn walk(path: &str, value: &Value, lines: &mut String) {
        match value {
            Value::Object(members) => {
                for (name, child) in members {
                    let path = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
                    walk(&path, child, lines);
                }
            }
            other => {
                lines.push_str(&format!("{path} {}", leaf(other)).replace('\n', " "));
                lines.push('\n');
            }
        }
    }
    let mut lines = String::new();
    walk("", value, &mut lines);
    lines
}

/// The JSON of a value. Names are in camel case there, except e-mails.
pub(super) fn json(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            members.iter().map(|(name, child)| (camel_case(name), json(child))).collect::<Map<_, _>>().into()
        }
        other => other.clone(),
    }
}

fn leaf(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(lines) => lines.iter().map(|line| format!("{}\n", leaf(line))).collect::<Vec<_>>().concat(),
        other => other.to_string(),
    }
}

fn camel_case(name: &str) -> String {
    if name.contains('@') {
        return name.to_owned();
    }
    let mut parts = name.split('-');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |mut camel, part| {
        let mut characters = part.chars();
        if let Some(initial) = characters.next() {
            camel.push(initial.to_ascii_uppercase());
            camel.push_str(characters.as_str());
        }
        camel
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_list_their_children() {
        assert_eq!(text(find(&tree(), &["project"]).unwrap()), "attributes/\nnumeric-project-id\nproject-id\n");
        assert_eq!(
            text(find(&tree(), &["instance", "service-accounts", "default", "scopes"]).unwrap()),
            format!("{CLOUD_PLATFORM}\n")
        );
        assert!(find(&tree(), &["instance", "nothing"]).is_none());
    }

    #[test]
    fn json_names_are_in_camel_case() {
        let json = json(&tree());
        assert_eq!(json["project"]["numericProjectId"], project_number());
        assert_eq!(json["instance"]["serviceAccounts"][seed::BUILDER]["aliases"][0], "default");
    }

    #[test]
    fn flat_lists_have_one_value_on_each_line() {
        assert!(flat(find(&tree(), &["project"]).unwrap()).contains("project-id carnet-sandbox\n"));
    }
}
