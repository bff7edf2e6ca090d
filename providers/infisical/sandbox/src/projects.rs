//! Projects, environments, folders, imports, members: as much of them as secrets need.

use serde_json::{Value, json};

use crate::{
    call::Call,
    reply::{Answer, ApiError},
    state::{Environment, Folder, MAX_ENTRIES, Project, Role, State},
    tokens::{Claims, authenticate, check_admin},
};

/// The environments of a new project.
const ENVIRONMENTS: [(&str, &str); 3] = [("dev", "Development"), ("staging", "Staging"), ("prod", "Production")];

/// `POST workspace`: a project, whose maker is its administrator.
pub(crate) fn create(state: &State, call: &Call) -> Answer {
    let claims = authenticate(state, call)?;
    let name = call.need("projectName")?.to_owned();
    let slug = call.text("slug")?.map_or_else(|| slug(&name), ToOwned::to_owned);
    let id = state.uuid();
    let environments = ENVIRONMENTS.map(|(slug, name)| (slug.to_owned(), Environment::new(name, state.uuid())));
    let mut inner = state.lock();
    check_admin(&inner, &claims, "create", "workspace")?;
    if inner.projects.values().any(|project| project.slug == slug) {
        return Err(ApiError::bad("Project with the same slug already exists"));
    }
    if inner.projects.len() >= MAX_ENTRIES {
        return Err(ApiError::bad(format!("the sandbox holds at most {MAX_ENTRIES} projects")));
    }
    let members = [(claims.identity_id, Role::Admin)].into();
    let project = Project { name, slug, environments: environments.into(), members };
    let shown = shown(&id, &project);
    inner.projects.insert(id, project);
    Ok(json!({ "project": shown }))
}

/// `POST workspace/ID/environments`.
pub(crate) fn add_environment(state: &State, call: &Call, project_id: &str) -> Answer {
    let claims = authenticate(state, call)?;
    let (name, slug) = (call.need("name")?, call.need("slug")?);
    let folder = state.uuid();
    with_project(state, &claims, project_id, "environments", |project| {
        if project.environments.contains_key(slug) {
            return Err(ApiError::bad("Environment with slug already exist"));
        }
        project.environments.insert(slug.to_owned(), Environment::new(name, folder));
        Ok(json!({ "environment": { "name": name, "slug": slug }, "workspace": project_id }))
    })
}

/// `POST workspace/ID/identity-memberships/IDENTITY`.
pub(crate) fn add_member(state: &State, call: &Call, project_id: &str, identity: &str) -> Answer {
    let claims = authenticate(state, call)?;
    let slug = call.text("role")?.unwrap_or("no-access");
    let role = Role::from_slug(slug).ok_or_else(|| ApiError::bad(format!("Role with slug '{slug}' not found")))?;
    state.lock().identity_mut(identity)?;
    with_project(state, &claims, project_id, "identity", |project| {
        project.members.insert(identity.to_owned(), role);
        Ok(json!({ "identityMembership": { "identityId": identity, "projectId": project_id, "role": slug } }))
    })
}

/// `POST folders`: a folder below another, which must be there.
pub(crate) fn add_folder(state: &State, call: &Call) -> Answer {
    let claims = authenticate(state, call)?;
    let project_id = project_id(call)?;
    let (environment, name) = (call.need("environment")?, call.need("name")?);
    let above = match call.text("path")? {
        Some(path) => path,
        None => call.text("directory")?.unwrap_or("/"),
    };
    let above = folder_path(above);
    let id = state.uuid();
    with_project(state, &claims, project_id, "secret-folders", |project| {
        let folders = &mut project.environment_mut(environment)?.folders;
        if !folders.contains_key(&above) {
            return Err(ApiError::no_folder(&above, environment));
        }
        if name.is_empty() || name.contains('/') {
            return Err(ApiError::issue(
                &["name"],
                "Invalid folder name. Only alphanumeric characters, dashes, and underscores are allowed.",
            ));
        }
        if folders.len() >= MAX_ENTRIES {
            return Err(ApiError::bad(format!("the sandbox holds at most {MAX_ENTRIES} folders")));
        }
        let path = format!("{}/{name}", above.trim_end_matches('/'));
        let folder = folders.entry(path.clone()).or_insert_with(|| Folder { id, ..Folder::default() });
        Ok(json!({ "folder": { "id": folder.id, "name": name, "path": path } }))
    })
}

/// `POST secret-imports`: what another folder holds shows in this one.
pub(crate) fn add_import(state: &State, call: &Call) -> Answer {
    let claims = authenticate(state, call)?;
    let project_id = project_id(call)?;
    let environment = call.need("environment")?;
    let path = folder_path(call.text("path")?.unwrap_or("/"));
    let from = call.body.get("import").and_then(Value::as_object);
    let text = |name: &str| from.and_then(|from| from.get(name)).and_then(Value::as_str);
    let (Some(from_environment), Some(from_path)) = (text("environment"), text("path")) else {
        return Err(ApiError::issue(&["import"], "Required"));
    };
    let from_path = folder_path(from_path);
    with_project(state, &claims, project_id, "secret-imports", |project| {
        project.folder(from_environment, &from_path)?;
        let folder = project.folder_mut(environment, &path)?;
        if folder.imports.len() >= MAX_ENTRIES {
            return Err(ApiError::bad(format!("the sandbox holds at most {MAX_ENTRIES} imports of a folder")));
        }
        folder.imports.push((from_environment.to_owned(), from_path.clone()));
        Ok(json!({ "secretImport": { "importEnv": { "slug": from_environment }, "importPath": from_path } }))
    })
}

/// A project that the caller may change.
fn with_project(
    state: &State,
    claims: &Claims,
    id: &str,
    subject: &str,
    change: impl FnOnce(&mut Project) -> Answer,
) -> Answer {
    let mut inner = state.lock();
    let admin = inner.identities.get(&claims.identity_id).is_some_and(|identity| identity.admin);
    let project = inner.project_mut(id)?;
    if !admin && project.members.get(&claims.identity_id) != Some(&Role::Admin) {
        return Err(ApiError::denied("create", subject, "an identity that does not administer the project"));
    }
    change(project)
}

fn project_id(call: &Call) -> Result<&str, ApiError> {
    match call.text("projectId")? {
        Some(id) => Ok(id),
        None => call.need("workspaceId"),
    }
}

/// A path without the slash at its end.
pub(crate) fn folder_path(path: &str) -> String {
    match path.trim().trim_end_matches('/') {
        "" => "/".to_owned(),
        path if path.starts_with('/') => path.to_owned(),
        path => format!("/{path}"),
    }
}

fn slug(name: &str) -> String {
    name.to_ascii_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "-")
}

fn shown(id: &str, project: &Project) -> Value {
    let environments = project.environments.iter().map(|(slug, one)| json!({ "name": one.name, "slug": slug }));
    json!({
        "id": id,
        "_id": id,
        "name": project.name,
        "slug": project.slug,
        "environments": environments.collect::<Vec<_>>(),
    })
}

impl ApiError {
    /// 404: no such folder.
    pub(crate) fn no_folder(path: &str, environment: &str) -> Self {
        Self::not_found(format!("Folder with path '{path}' in environment with slug '{environment}' not found"))
    }
}

impl Project {
    fn environment_mut(&mut self, slug: &str) -> Result<&mut Environment, ApiError> {
        let missing = || ApiError::not_found(format!("Environment with slug '{slug}' not found"));
        self.environments.get_mut(slug).ok_or_else(missing)
    }

    /// A folder.
    ///
    /// # Errors
    /// 404.
    pub(crate) fn folder(&self, environment: &str, path: &str) -> Result<&Folder, ApiError> {
        let folder = self.environments.get(environment).and_then(|one| one.folders.get(path));
        folder.ok_or_else(|| ApiError::no_folder(path, environment))
    }

    /// A folder to change.
    ///
    /// # Errors
    /// 404.
    pub(crate) fn folder_mut(&mut self, environment: &str, path: &str) -> Result<&mut Folder, ApiError> {
        let folder = self.environments.get_mut(environment).and_then(|one| one.folders.get_mut(path));
        folder.ok_or_else(|| ApiError::no_folder(path, environment))
    }
}
