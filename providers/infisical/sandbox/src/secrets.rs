//! The secrets API, in its two versions: `v3/secrets/raw` with `workspaceId`, `v4/secrets` with `projectId`.

use carnet_core::Secret;
use serde_json::{Value, json};

use crate::{
    call::Call,
    projects::folder_path,
    references::{Place, expand},
    reply::{Answer, ApiError, time},
    state::{Folder, Inner, MAX_ENTRIES, Project, State, StoredValue},
    tokens::{Claims, authenticate},
};

/// What stands in the place of a value that is not shown.
const HIDDEN: &str = "<hidden-by-infisical>";

/// What is read, and how.
struct Question {
    project: String,
    place: Place,
    show: bool,
    expand: bool,
    imports: bool,
}

impl Question {
    /// Of the query. The two versions call the project differently.
    fn read(call: &Call, inner: &Inner) -> Result<Self, ApiError> {
        let text = |name: &str| call.query.get(name).map(String::as_str).map(str::trim).filter(|text| !text.is_empty());
        let v4 = is_v4(call);
        let id = if v4 { text("projectId") } else { text("workspaceId") };
        let by_slug = || {
            let slug = text("workspaceSlug").or_else(|| text("projectSlug"))?;
            Some(inner.projects.iter().find(|(_, project)| project.slug == slug).map_or(slug, |(id, _)| id.as_str()))
        };
        let missing = || {
            let what = if v4 { "project" } else { "workspace" };
            ApiError::bad(format!("Missing {what} id or environment"))
        };
        let project = id.or_else(by_slug).ok_or_else(missing)?.to_owned();
        let environment = text("environment").ok_or_else(missing)?.to_owned();
        let imports = call.flag("include_imports", false)? || call.flag("includeImports", false)?;
        Ok(Self {
            project,
            place: Place { environment, path: folder_path(text("secretPath").unwrap_or("/")) },
            show: call.flag("viewSecretValue", true)?,
            expand: call.flag("expandSecretReferences", false)?,
            imports,
        })
    }

    fn shown(&self, project: &Project, place: &Place, name: &str, stored: &StoredValue) -> Value {
        let value = match (self.show, self.expand) {
            (false, _) => HIDDEN.to_owned(),
            (true, true) => expand(project, place, stored.value.expose()),
            (true, false) => stored.value.expose().to_owned(),
        };
        let mut shown = shown(&self.project, place, name, stored, &value);
        if let Some(members) = shown.as_object_mut() {
            members.insert("secretValueHidden".to_owned(), (!self.show).into());
        }
        shown
    }
}

fn is_v4(call: &Call) -> bool {
    call.path.get(1).is_some_and(|version| version == "v4")
}

/// `GET` of a folder.
pub(crate) fn list(state: &State, call: &Call) -> Answer {
    let claims = authenticate(state, call)?;
    let mut inner = state.lock();
    let question = Question::read(call, &inner)?;
    let recursive = call.flag("recursive", false)?;
    let project = &*allowed(&mut inner, &claims, &question.project, false)?;
    let Place { environment, path } = &question.place;
    project.folder(environment, path)?;
    let below = format!("{}/", path.trim_end_matches('/'));
    let folders = project.environments.get(environment).into_iter().flat_map(|one| &one.folders);
    let folders = folders.filter(|(at, _)| *at == path || (recursive && at.starts_with(&below)));
    let mut secrets = Vec::new();
    for (at, folder) in folders {
        let place = Place { environment: environment.clone(), path: at.clone() };
        secrets.extend(folder.secrets.iter().map(|(name, stored)| question.shown(project, &place, name, stored)));
    }
    let mut answer = json!({ "secrets": secrets });
    if let (true, Some(members)) = (question.imports, answer.as_object_mut()) {
        members.insert("imports".to_owned(), imports(project, &question)?.into());
    }
    Ok(answer)
}

/// What is imported into a folder. What those folders import themselves is not followed.
fn imports(project: &Project, question: &Question) -> Result<Vec<Value>, ApiError> {
    let folder = project.folder(&question.place.environment, &question.place.path)?;
    let each = folder.imports.iter().filter_map(|(environment, path)| {
        let from = project.folder(environment, path).ok()?;
        let place = Place { environment: environment.clone(), path: path.clone() };
        let secrets = from.secrets.iter().map(|(name, stored)| question.shown(project, &place, name, stored));
        let secrets: Vec<Value> = secrets.collect();
        Some(json!({ "secretPath": path, "environment": environment, "folderId": from.id, "secrets": secrets }))
    });
    Ok(each.collect())
}

/// `GET` of one secret: the folder's own, else the one of the last import that has it.
pub(crate) fn one(state: &State, call: &Call, name: &str) -> Answer {
    let claims = authenticate(state, call)?;
    let mut inner = state.lock();
    let question = Question::read(call, &inner)?;
    let project = &*allowed(&mut inner, &claims, &question.project, false)?;
    let folder = project.folder(&question.place.environment, &question.place.path)?;
    if let Some(stored) = folder.secrets.get(name) {
        return Ok(json!({ "secret": question.shown(project, &question.place, name, stored) }));
    }
    for (environment, path) in folder.imports.iter().rev().filter(|_| question.imports) {
        if let Some(stored) = project.folder(environment, path).ok().and_then(|from| from.secrets.get(name)) {
            let place = Place { environment: environment.clone(), path: path.clone() };
            return Ok(json!({ "secret": question.shown(project, &place, name, stored) }));
        }
    }
    Err(not_found(name))
}

/// `POST` makes one, `PATCH` changes one.
pub(crate) fn write(state: &State, call: &Call, name: &str, create: bool) -> Answer {
    let claims = authenticate(state, call)?;
    let (project_id, place) = target(call)?;
    let value = call.body.get("secretValue").and_then(Value::as_str).map(trimmed);
    let comment = call.text("secretComment")?.map(ToOwned::to_owned);
    let (id, now) = (state.uuid(), state.now());
    let mut inner = state.lock();
    let folder = folder_of(&mut inner, &claims, &project_id, &place)?;
    let known = folder.secrets.get(name).cloned();
    let stored = match (known, create) {
        (Some(_), true) => return Err(ApiError::bad(format!("Secret already exist: {name}"))),
        (None, false) => return Err(not_found(name)),
        (None, true) if folder.secrets.len() >= MAX_ENTRIES => {
            return Err(ApiError::bad(format!("the sandbox holds at most {MAX_ENTRIES} secrets in a folder")));
        }
        (None, true) => {
            let value = value.ok_or_else(|| ApiError::issue(&["secretValue"], "Required"))?;
            let comment = comment.unwrap_or_default();
            StoredValue { id, value, comment, version: 1, created: now, updated: now }
        }
        (Some(known), false) => StoredValue {
            value: value.unwrap_or_else(|| known.value.clone()),
            comment: comment.unwrap_or_else(|| known.comment.clone()),
            version: known.version.saturating_add(1),
            updated: now,
            ..known
        },
    };
    let answer = shown(&project_id, &place, name, &stored, stored.value.expose());
    folder.secrets.insert(name.to_owned(), stored);
    Ok(json!({ "secret": answer }))
}

/// `DELETE`.
pub(crate) fn delete(state: &State, call: &Call, name: &str) -> Answer {
    let claims = authenticate(state, call)?;
    let (project_id, place) = target(call)?;
    let mut inner = state.lock();
    let folder = folder_of(&mut inner, &claims, &project_id, &place)?;
    let stored = folder.secrets.remove(name).ok_or_else(|| not_found(name))?;
    Ok(json!({ "secret": shown(&project_id, &place, name, &stored, stored.value.expose()) }))
}

fn target(call: &Call) -> Result<(String, Place), ApiError> {
    let project = call.need(if is_v4(call) { "projectId" } else { "workspaceId" })?.to_owned();
    let environment = call.need("environment")?.to_owned();
    let path = folder_path(call.text("secretPath")?.unwrap_or("/"));
    Ok((project, Place { environment, path }))
}

fn folder_of<'i>(
    inner: &'i mut Inner,
    claims: &Claims,
    project_id: &str,
    place: &Place,
) -> Result<&'i mut Folder, ApiError> {
    allowed(inner, claims, project_id, true)?.folder_mut(&place.environment, &place.path)
}

/// A project whose secrets the caller may read, or change.
fn allowed<'i>(
    inner: &'i mut Inner,
    claims: &Claims,
    project_id: &str,
    change: bool,
) -> Result<&'i mut Project, ApiError> {
    let project = inner.project_mut(project_id)?;
    let action = if change { "edit" } else { "read" };
    match project.members.get(&claims.identity_id) {
        Some(role) if role.allows(change) => Ok(project),
        Some(_) => Err(ApiError::denied(action, "secrets", "a role that does not allow it")),
        None => Err(ApiError::denied(action, "secrets", "an identity that is no member of the project")),
    }
}

/// Blanks around a value are dropped, but for one newline at its end.
fn trimmed(value: &str) -> Secret {
    let end = if value.ends_with('\n') { "\n" } else { "" };
    Secret::new(format!("{}{end}", value.trim()))
}

fn not_found(name: &str) -> ApiError {
    ApiError::not_found(format!("Secret with name '{}' not found", carnet_core::safe_text(name)))
}

fn shown(project: &str, place: &Place, name: &str, stored: &StoredValue, value: &str) -> Value {
    json!({
        "id": stored.id,
        "_id": stored.id,
        "workspace": project,
        "environment": place.environment,
        "version": stored.version,
        "type": "shared",
        "secretKey": name,
        "secretValue": value,
        "secretComment": stored.comment,
        "secretPath": place.path,
        "secretValueHidden": false,
        "skipMultilineEncoding": false,
        "secretMetadata": [],
        "tags": [],
        "createdAt": time(stored.created),
        "updatedAt": time(stored.updated),
    })
}
