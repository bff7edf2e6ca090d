//! `sys/mounts`, `sys/auth` and what the command line asks before it reads a secret.

use std::collections::BTreeMap;

use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::{
    access::{Caller, Place},
    call::Call,
    fields,
    kv::Kv,
    policy::Operation,
    reply::{self, Answer, ApiError, Data, Reply},
    route::no_namespace,
    state::{About, AuthMount, MAX_ENTRIES, Method, Mount, Namespace, State},
    tuning::Tuning,
};

/// Where the tokens' own method is.
const TOKEN: &str = "token/";
/// Mounts that are always there, and where none can be made.
const PROTECTED: [&str; 5] = ["audit/", "auth/", "cubbyhole/", "identity/", "sys/"];

/// `sys/mounts[/PATH[/tune]]`
pub(super) fn secrets(state: &State, call: &Call, place: &Place, rest: &str) -> Answer {
    let (path, tune) = target(rest.strip_prefix("mounts").unwrap_or_default());
    let mut inner = state.lock();
    let namespace = inner.namespaces.get_mut(&place.namespace).ok_or_else(no_namespace)?;
    match place.operation {
        Operation::Read | Operation::List if path.is_empty() => {
            let mut data = built_in(&place.namespace);
            data.extend(namespace.mounts.iter().map(|(path, mount)| (path.clone(), describe(mount))));
            Data(data).flat()
        }
        Operation::Read if !tune => {
            let about = match built_in(&place.namespace).remove(&path) {
                Some(about) => about,
                None => describe(namespace.mounts.get(&path).ok_or_else(|| none(&path))?),
            };
            Data::from_value(about).flat()
        }
        _ if tune => {
            let about = namespace.mounts.get_mut(&path).map(|mount| &mut mount.about);
            tuning(about.ok_or_else(|| none(&path))?, call, place.operation)
        }
        Operation::Create | Operation::Update if !path.is_empty() => {
            let kind = call.text("type");
            let version = call.body.get("options").and_then(|options| options.get("version"));
            let version = match (kind, version) {
                ("kv-v2", _) => "2".to_owned(),
                (_, Some(Value::String(version))) => version.clone(),
                (_, Some(Value::Number(version))) => version.to_string(),
                _ => String::new(),
            };
            if !matches!(kind, "kv" | "kv-v1" | "kv-v2" | "generic") {
                return Err(ApiError::bad(format!(
                    "plugin not found in the catalog: {kind} (the sandbox has kv only)"
                )));
            }
            let (tuning, description) = (configured(call)?, fields::text(&call.body, "description")?);
            enable_secrets(state, namespace, &path, &version, description)?;
            if let Some(mount) = namespace.mounts.get_mut(&path) {
                mount.about.tuning = tuning;
            }
            Ok(Reply::Nothing)
        }
        Operation::Delete if PROTECTED.iter().any(|protected| path.starts_with(protected)) => {
            Err(ApiError::bad(format!("cannot unmount {path:?}")))
        }
        Operation::Delete if !path.is_empty() => {
            namespace.mounts.remove(&path);
            Ok(Reply::Nothing)
        }
        _ => Err(ApiError::unsupported()),
    }
}

/// `sys/auth[/PATH[/tune]]`
pub(super) fn auths(state: &State, call: &Call, place: &Place, rest: &str) -> Answer {
    let (path, tune) = target(rest.strip_prefix("auth").unwrap_or_default());
    let mut inner = state.lock();
    let namespace = inner.namespaces.get_mut(&place.namespace).ok_or_else(no_namespace)?;
    match place.operation {
        Operation::Read | Operation::List if path.is_empty() => {
            let mut data: Map<String, Value> = namespace
                .auths
                .iter()
                .map(|(path, method)| (path.clone(), about(&method.about, &method.kind, &Value::Null)))
                .collect();
            data.insert(TOKEN.to_owned(), about(&namespace.token, "token", &Value::Null));
            Data(data).flat()
        }
        Operation::Read if !tune && path == TOKEN => {
            Data::from_value(about(&namespace.token, "token", &Value::Null)).flat()
        }
        Operation::Read if !tune => {
            let method = namespace.auths.get(&path).ok_or_else(|| none(&path))?;
            Data::from_value(about(&method.about, &method.kind, &Value::Null)).flat()
        }
        _ if tune => {
            let about = match path.as_str() {
                TOKEN => Some(&mut namespace.token),
                path => namespace.auths.get_mut(path).map(|method| &mut method.about),
            };
            tuning(about.ok_or_else(|| none(&path))?, call, place.operation)
        }
        Operation::Create | Operation::Update if !path.is_empty() => {
            let (tuning, description) = (configured(call)?, fields::text(&call.body, "description")?);
            enable_auth(state, namespace, &path, call.text("type"), description)?;
            if let Some(method) = namespace.auths.get_mut(&path) {
                method.about.tuning = tuning;
            }
            Ok(Reply::Nothing)
        }
        Operation::Delete if path == TOKEN => Err(ApiError::bad("token credential backend cannot be disabled")),
        Operation::Delete if !path.is_empty() => {
            namespace.auths.remove(&path);
            inner.tokens.forget_mount(&place.namespace, &path);
            Ok(Reply::Nothing)
        }
        _ => Err(ApiError::unsupported()),
    }
}

/// Mounts a key-value engine.
///
/// # Errors
/// 400.
pub(crate) fn enable_secrets(
    state: &State,
    namespace: &mut Namespace,
    path: &str,
    version: &str,
    description: &str,
) -> Result<(), ApiError> {
    free(&namespace.mounts, path)?;
    if PROTECTED.iter().any(|taken| path.starts_with(taken)) {
        return Err(ApiError::bad(format!("path is already in use at {path}")));
    }
    let kv = Kv::new(version).ok_or_else(|| ApiError::bad(format!("invalid version {version:?} of kv")))?;
    let about = state.about("", "kv", description);
    namespace.mounts.insert(path.to_owned(), Mount { about, kv });
    Ok(())
}

/// Mounts an auth method.
///
/// # Errors
/// 400.
pub(crate) fn enable_auth(
    state: &State,
    namespace: &mut Namespace,
    path: &str,
    kind: &str,
    description: &str,
) -> Result<(), ApiError> {
    free(&namespace.auths, path)?;
    if path == TOKEN {
        return Err(ApiError::bad("path is already in use at token/"));
    }
    let method = match kind {
        "jwt" | "oidc" => Method::Jwt(Box::default()),
        "aws" => Method::Aws(Box::default()),
        "cert" => Method::Cert(Box::default()),
        "kubernetes" => Method::Kubernetes(Box::default()),
        "oci" => Method::Oci(Box::default()),
        _ => {
            let text = format!(
                "plugin not found in the catalog: {kind} (the sandbox has jwt, oidc, aws, cert, kubernetes and oci)"
            );
            return Err(ApiError::bad(text));
        }
    };
    let about = state.about("auth_", kind, description);
    namespace.auths.insert(path.to_owned(), AuthMount { about, kind: kind.to_owned(), method });
    Ok(())
}

/// The tuning that a mount is made with. Names that mean nothing are passed over (UNCONFIRMED).
fn configured(call: &Call) -> Result<Tuning, ApiError> {
    let mut tuning = Tuning::default();
    match call.body.get("config") {
        None | Some(Value::Null) => {}
        Some(Value::Object(fields)) => drop(tuning.write(fields)?),
        Some(_) => return Err(ApiError::bad("unable to convert given mount config information")),
    }
    Ok(tuning)
}

fn free<T>(mounts: &BTreeMap<String, T>, path: &str) -> Result<(), ApiError> {
    if mounts.len() >= MAX_ENTRIES {
        return Err(ApiError::bad(format!("the sandbox holds at most {MAX_ENTRIES} mounts in a namespace")));
    }
    match mounts.keys().find(|other| other.starts_with(path) || path.starts_with(other.as_str())) {
        Some(other) => Err(ApiError::bad(format!("path is already in use at {other}"))),
        None => Ok(()),
    }
}

/// `GET sys/internal/ui/mounts[/PATH]`: which mount a path is of.
pub(super) fn preflight(state: &State, place: &Place, caller: &Caller, path: &str) -> Answer {
    if !matches!(place.operation, Operation::Read) {
        return Err(ApiError::unsupported());
    }
    let inner = state.lock();
    let namespace = inner.namespaces.get(&place.namespace).ok_or_else(no_namespace)?;
    if path.is_empty() {
        let visible = namespace.mounts.iter().filter(|(path, _)| caller.acl.reaches(path));
        let secret: Map<String, Value> = visible.map(|(path, mount)| (path.clone(), describe(mount))).collect();
        return Data::of([("secret", secret.into()), ("auth", json!({}))]).answer();
    }
    let with_slash = format!("{}/", path.trim_end_matches('/'));
    let found = namespace.mount(&with_slash).filter(|(mount, _)| caller.acl.reaches(mount));
    let found = found.and_then(|(path, _)| Some((path, namespace.mounts.get(path)?)));
    let Some((path, mount)) = found else {
        let text = format!(
            "preflight capability check returned 403, please ensure client's policies grant access to path {with_slash:?}"
        );
        return Err(ApiError::new(StatusCode::FORBIDDEN, [text]));
    };
    let mut data = Data::from_value(describe(mount));
    data.0.insert("path".to_owned(), path.into());
    data.answer()
}

/// The mount that a path names, with its slash, and whether it is its tuning that is meant.
fn target(rest: &str) -> (String, bool) {
    let rest = rest.strip_prefix('/').unwrap_or(rest);
    let (path, tune) = match rest.strip_suffix("/tune") {
        Some(path) => (path, true),
        None => (rest, false),
    };
    (if path.is_empty() { String::new() } else { format!("{path}/") }, tune)
}

fn none(path: &str) -> ApiError {
    ApiError::bad(format!("No secret engine mount at {path}"))
}

/// The mounts that every namespace has. In one below the root their types begin with `ns_`.
fn built_in(namespace: &str) -> Map<String, Value> {
    let below = if namespace.is_empty() { "" } else { "ns_" };
    let mounts = [
        ("cubbyhole", "cubbyhole", "per-token private secret storage"),
        ("identity", "identity", "identity store"),
        ("sys", "system", "system endpoints used for control, policy and debugging"),
    ];
    let describe = |(path, kind, description): (&str, &str, &str)| {
        let mount = About {
            accessor: format!("{kind}_builtin"),
            uuid: String::new(),
            description: description.to_owned(),
            tuning: Tuning::default(),
        };
        (format!("{path}/"), about(&mount, &format!("{below}{kind}"), &Value::Null))
    };
    mounts.into_iter().map(describe).collect()
}

fn describe(mount: &Mount) -> Value {
    about(&mount.about, "kv", &json!({ "version": mount.kv.version() }))
}

fn about(about: &About, kind: &str, options: &Value) -> Value {
    json!({
        "accessor": about.accessor,
        "config": about.tuning.config(),
        "description": about.description,
        "external_entropy_access": false,
        "local": false,
        "options": options,
        "plugin_version": "",
        "running_plugin_version": "",
        "seal_wrap": false,
        "type": kind,
        "uuid": about.uuid,
    })
}

fn tuning(about: &mut About, call: &Call, operation: Operation) -> Answer {
    match operation {
        Operation::Read => {
            let mut data = Data(about.tuning.effective());
            data.0.insert("description".to_owned(), about.description.as_str().into());
            data.flat()
        }
        Operation::Create | Operation::Update => {
            let mut sent = call.body.clone();
            let description = fields::text(&call.body, "description")?;
            let is_described = sent.remove("description").is_some();
            let unknown = about.tuning.write(&sent)?;
            if is_described {
                description.clone_into(&mut about.description);
            }
            Ok(reply::ignoring(&unknown))
        }
        _ => Err(ApiError::unsupported()),
    }
}
