//! The text of a policy, in HCL or JSON.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{
    Block, Capability, Pattern, Policy, Rules,
    hcl::{self, Body, Item},
};
use crate::duration;

/// Largest text.
const MAX_LENGTH: usize = 256 << 10;
/// Keys of a path block that say nothing about who may do what here. `mfa_methods` and `control_group` would forbid
/// more than the sandbox can tell, so they are refused.
const IGNORED: [&str; 1] = ["comment"];

/// A policy that cannot be: the text for the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyMistake(pub String);

/// Parses a policy. A text that begins with `{` is JSON.
///
/// # Errors
/// What is wrong, and where; unknown keys and capabilities are.
pub fn parse_policy(text: &str) -> Result<Policy, PolicyMistake> {
    if text.len() > MAX_LENGTH {
        return Err(PolicyMistake(format!("the policy has {} bytes, more than {MAX_LENGTH}", text.len())));
    }
    let paths = if text.trim_start().starts_with('{') { json(text)? } else { hcl(text)? };
    let blocks = paths.into_iter().map(|(path, body)| block(&path, &body).map_err(PolicyMistake));
    Ok(Policy { blocks: blocks.collect::<Result<_, _>>()? })
}

type Paths = Vec<(String, Map<String, Value>)>;

fn hcl(text: &str) -> Result<Paths, PolicyMistake> {
    let mut paths = Paths::new();
    let mut named = false;
    for Item { keys, body } in hcl::parse(text).map_err(PolicyMistake)? {
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        match (keys.as_slice(), body) {
            (["path", path], Body::Block(items)) => {
                let object = hcl::object(items).map_err(|error| PolicyMistake(format!("path {path:?}: {error}")))?;
                if let Value::Object(members) = object {
                    paths.push(((*path).to_owned(), members));
                }
            }
            (["name"], Body::Value(Value::String(_))) if !named => named = true,
            (["name"], Body::Value(Value::String(_))) => {
                return Err(PolicyMistake("the key \"name\" occurs twice".to_owned()));
            }
            (["path", ..], _) => return Err(PolicyMistake("a path block is written path \"…\" { … }".to_owned())),
            (keys, _) => {
                let key = keys.first().copied().unwrap_or_default();
                return Err(PolicyMistake(format!("invalid key {key:?}")));
            }
        }
    }
    Ok(paths)
}

/// No member may occur twice, at any depth. Vault's reader (hashicorp/hcl v1.0.1-vault-7, `json/parser`) looks for none and adds
/// twins of a path up; here a reader that keeps the last would lose a `deny`.
fn json(text: &str) -> Result<Paths, PolicyMistake> {
    let mistake = |text: &str| PolicyMistake(text.to_owned());
    let document = carnet_jose::parse_object(text.as_bytes())
        .map_err(|place| PolicyMistake(format!("the policy as JSON: {place}")))?;
    let mut paths = Paths::new();
    for (key, value) in document {
        match (key.as_str(), value) {
            ("name", Value::String(_)) => {}
            ("path", value) => {
                // An object, or a list of objects of which each holds some.
                let objects = match value {
                    Value::Array(list) => list,
                    one => vec![one],
                };
                for object in objects {
                    let Value::Object(object) = object else { return Err(mistake("\"path\" must hold objects")) };
                    for (path, body) in object {
                        let Value::Object(body) = body else { return Err(mistake("a path must hold an object")) };
                        paths.push((path, body));
                    }
                }
            }
            (key, _) => return Err(PolicyMistake(format!("invalid key {key:?}"))),
        }
    }
    Ok(paths)
}

fn block(path: &str, body: &Map<String, Value>) -> Result<Block, String> {
    let path = path.strip_prefix('/').unwrap_or(path);
    // Templates are filled in later; what is written may be looked at now.
    Pattern::new(path)?;
    let mut rules = Rules::default();
    for (key, value) in body {
        let wrong = |wanted: &str| format!("path {path:?}: {key} must be {wanted}");
        match key.as_str() {
            "capabilities" => {
                for name in texts(value).ok_or_else(|| wrong("a list of strings"))? {
                    let capability = Capability::from_name(&name)
                        .ok_or_else(|| format!("path {path:?}: invalid capability {name:?}"))?;
                    rules.capabilities.insert(capability);
                }
            }
            "policy" => {
                let name = value.as_str().ok_or_else(|| wrong("a string"))?;
                let old = legacy(name).ok_or_else(|| format!("path {path:?}: invalid policy {name:?}"))?;
                rules.capabilities.extend(old);
            }
            "allowed_parameters" => rules.allowed = parameters(value).map_err(wrong)?,
            "denied_parameters" => rules.denied = parameters(value).map_err(wrong)?,
            "required_parameters" => {
                let names = texts(value).ok_or_else(|| wrong("a list of strings"))?;
                rules.required = names.into_iter().map(|name| name.to_lowercase()).collect();
            }
            "min_wrapping_ttl" => {
                rules.min_wrapping_ttl = Some(duration::parse(value).ok_or_else(|| wrong("a duration"))?);
            }
            "max_wrapping_ttl" => {
                rules.max_wrapping_ttl = Some(duration::parse(value).ok_or_else(|| wrong("a duration"))?);
            }
            key if IGNORED.contains(&key) => {}
            key => return Err(format!("path {path:?}: invalid key {key:?}")),
        }
    }
    if let (Some(least), Some(most)) = (rules.min_wrapping_ttl, rules.max_wrapping_ttl)
        && least > most
    {
        return Err(format!("path {path:?}: max_wrapping_ttl cannot be less than min_wrapping_ttl"));
    }
    if rules.denies() {
        rules = Rules { capabilities: BTreeSet::from([Capability::Deny]), ..Rules::default() };
    }
    Ok(Block { path: path.to_owned(), rules })
}

/// What the words before there were capabilities stand for.
fn legacy(name: &str) -> Option<Vec<Capability>> {
    use Capability::{Create, Delete, Deny, List, Read, Sudo, Update};
    Some(match name {
        "deny" => vec![Deny],
        "read" => vec![Read, List],
        "write" => vec![Create, Read, Update, Delete, List],
        "sudo" => vec![Create, Read, Update, Delete, List, Sudo],
        _ => return None,
    })
}

fn texts(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|item| item.as_str().map(ToOwned::to_owned)).collect()
}

/// Names of parameters mean the same in either case, so one that is there in two would say two things. The error is what is wanted.
fn parameters(value: &Value) -> Result<BTreeMap<String, Vec<Value>>, &'static str> {
    let lists = "an object of lists";
    let mut parameters = BTreeMap::new();
    for (name, values) in value.as_object().ok_or(lists)? {
        let values = values.as_array().ok_or(lists)?.clone();
        if parameters.insert(name.to_lowercase(), values).is_some() {
            return Err("an object of lists whose names differ in more than case");
        }
    }
    Ok(parameters)
}
