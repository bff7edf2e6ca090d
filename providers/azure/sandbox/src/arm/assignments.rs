//! Role assignments and role definitions ("Authorization", REST API 2022-04-01).

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Admin, error};
use crate::{
    reply::{Answer, ApiError, empty, is_guid, json_reply, ok, seconds},
    roles::{self, Assignment, ROLES, Role},
    seed,
    state::MAX_ASSIGNMENTS,
};

const READ: &str = "Microsoft.Authorization/roleAssignments/read";
const WRITE: &str = "Microsoft.Authorization/roleAssignments/write";
const DELETE: &str = "Microsoft.Authorization/roleAssignments/delete";
const DEFINITIONS: &str = "Microsoft.Authorization/roleDefinitions/read";

/// Those at a scope, above and below. `$filter` is `atScope()`, `principalId eq '…'` or `assignedTo('…')`.
pub(super) fn all(admin: &Admin<'_>, scope: &str) -> Answer {
    if *admin.method() != Method::GET {
        return Err(admin.method_not_allowed());
    }
    let inner = admin.state.lock();
    admin.permit(&inner, READ, scope)?;
    let filter = admin.call.parameter("$filter").unwrap_or_default().trim();
    let at_scope = filter.contains("atScope()");
    let rest = filter.replace("atScope()", "");
    let rest = rest.trim().trim_start_matches("and").trim_end_matches("and").trim();
    let quoted = |start: &str, end: &str| rest.strip_prefix(start).and_then(|rest| rest.strip_suffix(end));
    let principal = quoted("principalId eq '", "'").or_else(|| quoted("assignedTo('", "')"));
    if !rest.is_empty() && principal.is_none() {
        let message =
            "The filter is not supported: the sandbox emulates atScope(), principalId eq '…' and assignedTo('…').";
        return Err(error(StatusCode::BAD_REQUEST, "UnsupportedFilter", message));
    }
    let fits = |own: &&Assignment| {
        let above = roles::contains(&own.scope, scope);
        (above || (!at_scope && roles::contains(scope, &own.scope)))
            && principal.is_none_or(|principal| own.principal.eq_ignore_ascii_case(principal))
    };
    Ok(admin.list(inner.assignments.iter().filter(fits).map(form).collect()))
}

pub(super) fn one(admin: &Admin<'_>, scope: &str, name: &str) -> Answer {
    let id = format!("{}/providers/Microsoft.Authorization/roleAssignments/{name}", scope.trim_end_matches('/'));
    match *admin.method() {
        Method::GET => {
            let inner = admin.state.lock();
            admin.permit(&inner, READ, scope)?;
            let found = inner.assignments.get(&id).map(|own| ok(&form(own)));
            found.ok_or_else(|| {
                let message = format!("The role assignment '{}' is not found.", carnet_core::safe_text(name));
                error(StatusCode::NOT_FOUND, "RoleAssignmentNotFound", &message)
            })
        }
        Method::PUT => put(admin, scope, name, &id),
        Method::DELETE => {
            let mut inner = admin.state.lock();
            admin.permit(&inner, DELETE, scope)?;
            let removed = inner.assignments.remove(&id).map(|own| form(&own));
            Ok(removed.map_or_else(|| empty(StatusCode::NO_CONTENT), |entry| ok(&entry)))
        }
        _ => Err(admin.method_not_allowed()),
    }
}

fn put(admin: &Admin<'_>, scope: &str, name: &str, id: &str) -> Answer {
    let body = admin.body()?;
    let bad = |code: &str, message: &str| error(StatusCode::BAD_REQUEST, code, message);
    if !is_guid(name) {
        let shown = carnet_core::safe_text(name);
        let message = format!("The role assignment ID '{shown}' is not valid. The role assignment ID must be a GUID.");
        return Err(bad("InvalidRoleAssignmentId", &message));
    }
    let property = |name: &str| {
        let value = body.get("properties").and_then(|properties| properties.get(name));
        value.and_then(Value::as_str).filter(|text| !text.is_empty())
    };
    let definition = property("roleDefinitionId").unwrap_or_default();
    let role = definition.rsplit('/').next().unwrap_or_default();
    let principal = property("principalId").unwrap_or_default();
    if !is_guid(principal) {
        let message = "The request was incorrectly formatted: principalId must be a GUID.";
        return Err(bad("InvalidPrincipalId", message));
    }
    let mut inner = admin.state.lock();
    admin.permit(&inner, WRITE, scope)?;
    let role = roles::role(role).ok_or_else(|| {
        let shown = carnet_core::safe_text(role);
        let message = format!("The specified role definition with ID '{shown}' does not exist.");
        error(StatusCode::NOT_FOUND, "RoleDefinitionDoesNotExist", &message)
    })?;
    // Who says what kind it is vouches for its being there: replicas may not know it yet.
    let named = property("principalType");
    let kind = named.unwrap_or("ServicePrincipal");
    if !["ServicePrincipal", "User", "Group", "ForeignGroup", "Device"].contains(&kind) {
        return Err(bad("InvalidPrincipalType", "The principal type is not valid."));
    }
    if named.is_none() && inner.directory.principal(principal).is_none() {
        let message = format!(
            "Principal {} does not exist in the directory {}. Check that you have the correct principal ID. If you are \
             creating this principal and then immediately assigning a role, this error might be related to a replication \
             delay. In this case, set the role assignment principalType property to a value, such as ServicePrincipal, User, \
             or Group.",
            carnet_core::safe_text(principal),
            seed::TENANT
        );
        return Err(bad("PrincipalNotFound", &message));
    }
    check_existing(&inner, scope, id, role, principal)?;
    let assignment = Assignment {
        name: name.to_owned(),
        scope: scope.to_owned(),
        role: role.id.to_owned(),
        principal: principal.to_ascii_lowercase(),
        principal_type: kind.to_owned(),
        conditional: property("condition").is_some(),
        created: admin.now,
    };
    let entry = form(&assignment);
    inner.assignments.put(assignment);
    Ok(json_reply(StatusCode::CREATED, &entry))
}

/// An assignment is made once: neither changed under its name, nor repeated under another.
fn check_existing(
    inner: &crate::state::Inner,
    scope: &str,
    id: &str,
    role: &Role,
    principal: &str,
) -> Result<(), ApiError> {
    let conflict = |code: &str, message: &str| Err(error(StatusCode::CONFLICT, code, message));
    let same = |own: &Assignment| {
        own.role == role.id && own.principal.eq_ignore_ascii_case(principal) && own.scope.eq_ignore_ascii_case(scope)
    };
    match inner.assignments.get(id) {
        Some(own) if same(own) => return conflict("RoleAssignmentExists", "The role assignment already exists."),
        Some(_) => {
            let message = "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.";
            return conflict("RoleAssignmentUpdateNotPermitted", message);
        }
        None => {}
    }
    if inner.assignments.of(principal).any(same) {
        return conflict("RoleAssignmentExists", "The role assignment already exists.");
    }
    if inner.assignments.len() >= MAX_ASSIGNMENTS {
        return Err(super::full());
    }
    Ok(())
}

/// The roles that are known here. `$filter` is `roleName eq '…'`.
pub(super) fn definitions(admin: &Admin<'_>, scope: &str) -> Answer {
    if *admin.method() != Method::GET {
        return Err(admin.method_not_allowed());
    }
    admin.permit(&admin.state.lock(), DEFINITIONS, scope)?;
    let filter = admin.call.parameter("$filter").unwrap_or_default().trim();
    let wanted = filter.strip_prefix("roleName eq '").and_then(|rest| rest.strip_suffix('\''));
    if !filter.is_empty() && wanted.is_none() && filter != "atScopeAndBelow()" && filter != "atScope()" {
        let message = "The filter is not supported: the sandbox emulates roleName eq '…'.";
        return Err(error(StatusCode::BAD_REQUEST, "UnsupportedFilter", message));
    }
    let fits = |role: &&Role| wanted.is_none_or(|wanted| role.name.eq_ignore_ascii_case(wanted));
    Ok(admin.list(ROLES.iter().filter(fits).map(definition_form).collect()))
}

/// One role.
pub(super) fn definition(admin: &Admin<'_>, scope: &str, name: &str) -> Answer {
    if *admin.method() != Method::GET {
        return Err(admin.method_not_allowed());
    }
    admin.permit(&admin.state.lock(), DEFINITIONS, scope)?;
    roles::role(name).map(|role| ok(&definition_form(role))).ok_or_else(|| {
        let shown = carnet_core::safe_text(name);
        let message = format!("The specified role definition with ID '{shown}' does not exist.");
        error(StatusCode::NOT_FOUND, "RoleDefinitionDoesNotExist", &message)
    })
}

fn definition_id(role: &str) -> String {
    format!("/subscriptions/{}/providers/Microsoft.Authorization/roleDefinitions/{role}", seed::SUBSCRIPTION)
}

fn definition_form(role: &Role) -> Value {
    json!({
        "id": definition_id(role.id),
        "name": role.id,
        "type": "Microsoft.Authorization/roleDefinitions",
        "properties": {
            "roleName": role.name,
            "type": "BuiltInRole",
            "assignableScopes": ["/"],
            "permissions": [{
                "actions": role.actions,
                "notActions": role.not_actions,
                "dataActions": role.data_actions,
                "notDataActions": [],
            }],
        },
    })
}

fn form(assignment: &Assignment) -> Value {
    json!({
        "id": assignment.id(),
        "name": assignment.name,
        "type": "Microsoft.Authorization/roleAssignments",
        "properties": {
            "roleDefinitionId": definition_id(&assignment.role),
            "principalId": assignment.principal,
            "principalType": assignment.principal_type,
            "scope": assignment.scope,
            "createdOn": seconds(assignment.created),
            "updatedOn": seconds(assignment.created),
        },
    })
}
