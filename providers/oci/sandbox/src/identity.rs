//! The identity service: users, groups, dynamic groups, compartments, policies, regions, domains.

use axum::response::Response;
use carnet_oci::trust::{Principal, dynamic_group::parse_matching_rule, signature::Options};
use carnet_sandbox_kit::{Host, Service};
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    OciState,
    call::{Call, REGIONS, decode, router},
    reply::{ApiError, ok, ok_tagged, page},
    seed,
    state::{DynamicGroup, Group, StoredPolicy},
};

mod shapes;

use shapes::{compartment_json, dynamic_group_json, group_json, policy_json, user_json};

/// The service's name.
pub(crate) const NAME: &str = "oci-identity";

/// The version in every path.
const VERSION: &str = "20160918";

/// Most statements of one policy (Oracle's service limit).
const MAX_STATEMENTS: usize = 50;

pub(crate) fn service(state: &OciState) -> Service {
    let hosts = [
        Host::Between("identity.", ".oraclecloud.com"),
        // What the SDKs for Python and JavaScript call since 2024.
        Host::Between("identity.", ".oci.oraclecloud.com"),
    ];
    Service::new(NAME, hosts, router(state, NAME, answer)).error_body(crate::reply::error_body)
}

fn answer(call: &Call) -> Result<Response, ApiError> {
    let principal = call.authenticate(&Options::API)?;
    let segments = call.segments();
    let [version, path @ ..] = segments.as_slice() else { return Err(ApiError::not_found()) };
    if *version != VERSION {
        return Err(ApiError::not_found());
    }
    let path = path.strip_suffix(&[""]).unwrap_or(path);
    match (&call.parts.method, path) {
        (&Method::GET, ["users"]) => users(call, &principal),
        (&Method::GET, ["users", id]) => user(call, &principal, &decode(id)?),
        (&Method::GET, ["groups"]) => groups(call, &principal),
        (&Method::POST, ["groups"]) => create_group(call, &principal),
        (&Method::GET, ["dynamicGroups"]) => dynamic_groups(call, &principal),
        (&Method::POST, ["dynamicGroups"]) => create_dynamic_group(call, &principal),
        (&Method::GET, ["compartments"]) => compartments(call, &principal),
        (&Method::GET, ["compartments", id]) => compartment(call, &principal, &decode(id)?),
        (&Method::GET, ["policies"]) => policies(call, &principal),
        (&Method::POST, ["policies"]) => create_policy(call, &principal),
        (&Method::GET, ["policies", id]) => policy(call, &principal, &decode(id)?),
        (&Method::DELETE, ["policies", id]) => delete_policy(call, &principal, &decode(id)?),
        (&Method::GET, ["availabilityDomains"]) => availability_domains(call, &principal),
        (&Method::GET, ["regions"]) => Ok(ok(&regions())),
        (&Method::GET, ["tenancies", id]) => tenancy(call, &principal, &decode(id)?),
        (&Method::GET, ["tenancies", id, "regionSubscriptions"]) => subscriptions(call, &principal, &decode(id)?),
        (&Method::GET, ["domains"]) => domains(call, &principal),
        _ => Err(ApiError::not_found()),
    }
}

/// A list: `compartmentId` must be one of the tenancy's compartments, `name` filters, `limit` and `page` cut.
fn list<T: Serialize>(call: &Call, items: Vec<T>) -> Result<Response, ApiError> {
    page(items, call.query("limit").as_deref(), call.query("page").as_deref())
}

/// The parameter `compartmentId`, which the caller must be allowed to see with `permission`.
fn in_compartment(call: &Call, principal: &Principal, permission: &str) -> Result<String, ApiError> {
    let id = call.need("compartmentId")?;
    call.require(principal, permission, &id)?;
    Ok(id)
}

fn is_named(call: &Call, name: &str) -> bool {
    call.query("name").is_none_or(|wanted| wanted.eq_ignore_ascii_case(name))
}

fn user(call: &Call, principal: &Principal, id: &str) -> Result<Response, ApiError> {
    // Everybody may read themselves ("GetUser": the caller's own user needs no policy).
    if principal.id != id {
        call.require(principal, "USER_INSPECT", seed::TENANCY)?;
    }
    let directory = call.state.directory();
    directory.users.get(id).map(|user| ok_tagged(&user_json(user))).ok_or_else(ApiError::not_found)
}

fn users(call: &Call, principal: &Principal) -> Result<Response, ApiError> {
    let compartment = in_compartment(call, principal, "USER_INSPECT")?;
    let directory = call.state.directory();
    let shown = directory.users.values().filter(|user| compartment == seed::TENANCY && is_named(call, &user.name));
    list(call, shown.map(user_json).collect())
}

fn groups(call: &Call, principal: &Principal) -> Result<Response, ApiError> {
    let compartment = in_compartment(call, principal, "GROUP_INSPECT")?;
    let directory = call.state.directory();
    let shown = directory.groups.values().filter(|group| compartment == seed::TENANCY && is_named(call, &group.name));
    list(call, shown.map(group_json).collect())
}

fn dynamic_groups(call: &Call, principal: &Principal) -> Result<Response, ApiError> {
    let compartment = in_compartment(call, principal, "DYNAMIC_GROUP_INSPECT")?;
    let directory = call.state.directory();
    let shown =
        directory.dynamic_groups.values().filter(|group| compartment == seed::TENANCY && is_named(call, &group.name));
    list(call, shown.map(dynamic_group_json).collect())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreateGroup {
    compartment_id: String,
    name: String,
    description: String,
    matching_rule: Option<String>,
}

fn create_group(call: &Call, principal: &Principal) -> Result<Response, ApiError> {
    let body: CreateGroup = creation(call, principal, "GROUP_CREATE")?;
    let mut directory = call.state.directory_mut();
    if directory.groups.values().any(|group| group.name.eq_ignore_ascii_case(&body.name)) {
        return Err(taken("Group", &body.name));
    }
    let group = Group {
        id: new_ocid(call, "group"),
        name: body.name,
        description: body.description,
        time_created: call.state.world().now(NAME),
    };
    let reply = ok_tagged(&group_json(&group));
    directory.groups.insert(group.id.clone(), group);
    Ok(reply)
}

fn create_dynamic_group(call: &Call, principal: &Principal) -> Result<Response, ApiError> {
    let body: CreateGroup = creation(call, principal, "DYNAMIC_GROUP_CREATE")?;
    let matching_rule = body.matching_rule.ok_or_else(|| ApiError::missing("matchingRule"))?;
    parse_matching_rule(&matching_rule).map_err(|error| ApiError::invalid(format!("matchingRule, {error}")))?;
    let mut directory = call.state.directory_mut();
    if directory.dynamic_groups.values().any(|group| group.name.eq_ignore_ascii_case(&body.name)) {
        return Err(taken("Dynamic group", &body.name));
    }
    let group = DynamicGroup {
        id: new_ocid(call, "dynamicgroup"),
        name: body.name,
        description: body.description,
        matching_rule,
        time_created: call.state.world().now(NAME),
    };
    let reply = ok_tagged(&dynamic_group_json(&group));
    directory.dynamic_groups.insert(group.id.clone(), group);
    Ok(reply)
}

/// The body of a creation in the root compartment.
fn creation(call: &Call, principal: &Principal, permission: &str) -> Result<CreateGroup, ApiError> {
    call.require_home_region()?;
    let body: CreateGroup = call.json()?;
    call.require(principal, permission, &body.compartment_id)?;
    if body.compartment_id != seed::TENANCY {
        return Err(ApiError::invalid("compartmentId must be the tenancy"));
    }
    if body.name.is_empty() {
        return Err(ApiError::invalid("name must not be empty"));
    }
    Ok(body)
}

fn compartments(call: &Call, principal: &Principal) -> Result<Response, ApiError> {
    let parent = in_compartment(call, principal, "COMPARTMENT_INSPECT")?;
    let subtree = match call.query("compartmentIdInSubtree") {
        Some(text) if text.eq_ignore_ascii_case("true") => true,
        Some(text) if !text.eq_ignore_ascii_case("false") => {
            return Err(ApiError::invalid("compartmentIdInSubtree must be true or false"));
        }
        _ => false,
    };
    if subtree && parent != seed::TENANCY {
        return Err(ApiError::invalid("compartmentIdInSubtree is for the tenancy only"));
    }
    let rules = call.state.rules();
    let shown = rules
        .compartments
        .values()
        .filter(|one| one.parent.is_some() && (subtree || one.parent.as_deref() == Some(parent.as_str())))
        .filter(|one| is_named(call, &one.name))
        .map(compartment_json)
        .collect();
    list(call, shown)
}

fn compartment(call: &Call, principal: &Principal, id: &str) -> Result<Response, ApiError> {
    call.require(principal, "COMPARTMENT_INSPECT", id)?;
    let rules = call.state.rules();
    rules.compartments.get(id).map(|one| ok_tagged(&compartment_json(one))).ok_or_else(ApiError::not_found)
}

fn policies(call: &Call, principal: &Principal) -> Result<Response, ApiError> {
    let compartment = in_compartment(call, principal, "POLICY_READ")?;
    let rules = call.state.rules();
    let shown =
        rules.policies().values().filter(|policy| policy.compartment == compartment && is_named(call, &policy.name));
    list(call, shown.map(policy_json).collect())
}

fn policy(call: &Call, principal: &Principal, id: &str) -> Result<Response, ApiError> {
    let rules = call.state.rules();
    let policy = rules.policies().get(id).ok_or_else(ApiError::not_found)?;
    let (compartment, reply) = (policy.compartment.clone(), ok_tagged(&policy_json(policy)));
    drop(rules);
    call.require(principal, "POLICY_READ", &compartment)?;
    Ok(reply)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreatePolicy {
    compartment_id: String,
    name: String,
    description: String,
    statements: Vec<String>,
}

fn create_policy(call: &Call, principal: &Principal) -> Result<Response, ApiError> {
    call.require_home_region()?;
    let body: CreatePolicy = call.json()?;
    call.require(principal, "POLICY_CREATE", &body.compartment_id)?;
    if body.name.is_empty() || body.statements.is_empty() || body.statements.len() > MAX_STATEMENTS {
        return Err(ApiError::invalid(format!("a policy needs a name and 1 to {MAX_STATEMENTS} statements")));
    }
    let policy = StoredPolicy {
        id: new_ocid(call, "policy"),
        compartment: body.compartment_id,
        name: body.name,
        description: body.description,
        statements: body.statements,
        time_created: call.state.world().now(NAME),
    };
    let groups = call.state.directory().all_groups();
    let mut rules = call.state.rules_mut();
    if rules.policies().values().any(|own| own.compartment == policy.compartment && own.name == policy.name) {
        return Err(taken("Policy", &policy.name));
    }
    let reply = ok_tagged(&policy_json(&policy));
    let invalid = |(at, error): (usize, String)| {
        let number = at.saturating_add(1);
        ApiError::invalid(format!("No permissions found or policy statement {number} is invalid: {error}"))
    };
    rules.check_policy(&policy, &groups).map_err(invalid)?;
    rules.add_policy(policy).map_err(|(at, error)| invalid((at, error.to_string())))?;
    Ok(reply)
}

fn delete_policy(call: &Call, principal: &Principal, id: &str) -> Result<Response, ApiError> {
    call.require_home_region()?;
    let compartment = call
        .state
        .rules()
        .policies()
        .get(id)
        .map(|policy| policy.compartment.clone())
        .ok_or_else(ApiError::not_found)?;
    call.require(principal, "POLICY_DELETE", &compartment)?;
    match call.state.rules_mut().remove_policy(id) {
        Some(_) => Ok(axum::response::IntoResponse::into_response(StatusCode::NO_CONTENT)),
        None => Err(ApiError::not_found()),
    }
}

fn availability_domains(call: &Call, principal: &Principal) -> Result<Response, ApiError> {
    let compartment = in_compartment(call, principal, "COMPARTMENT_INSPECT")?;
    let shown: Vec<Value> = seed::AVAILABILITY_DOMAINS
        .into_iter()
        .enumerate()
        .map(|(at, name)| {
            let id = format!("ocid1.availabilitydomain.oc1..aaaaaaaacarnetsandboxad{at:032}");
            json!({ "name": name, "id": id, "compartmentId": compartment })
        })
        .collect();
    Ok(ok(&shown))
}

fn regions() -> Vec<Value> {
    REGIONS.iter().map(|(key, name)| json!({ "key": key, "name": name })).collect()
}

fn tenancy(call: &Call, principal: &Principal, id: &str) -> Result<Response, ApiError> {
    require_tenancy(call, principal, id)?;
    Ok(ok_tagged(&json!({
        "id": seed::TENANCY,
        "name": seed::TENANCY_NAME,
        "description": seed::TENANCY_NAME,
        "homeRegionKey": seed::REGION_KEY,
        "freeformTags": {},
        "definedTags": {},
    })))
}

/// Compartments have a permission of this name too, and are no tenancies.
fn require_tenancy(call: &Call, principal: &Principal, id: &str) -> Result<(), ApiError> {
    call.require(principal, "TENANCY_INSPECT", id)?;
    if id == seed::TENANCY { Ok(()) } else { Err(ApiError::not_found()) }
}

fn subscriptions(call: &Call, principal: &Principal, id: &str) -> Result<Response, ApiError> {
    require_tenancy(call, principal, id)?;
    let shown: Vec<Value> = REGIONS
        .iter()
        .map(|(key, name)| {
            json!({ "regionKey": key, "regionName": name, "status": "READY", "isHomeRegion": *name == seed::REGION })
        })
        .collect();
    Ok(ok(&shown))
}

fn domains(call: &Call, principal: &Principal) -> Result<Response, ApiError> {
    let compartment = in_compartment(call, principal, "DOMAIN_INSPECT")?;
    let domain = json!({
        "id": seed::DOMAIN,
        "compartmentId": seed::TENANCY,
        "displayName": "Default",
        "description": "Default domain",
        "url": seed::DOMAIN_URL,
        "homeRegionUrl": seed::DOMAIN_URL,
        "homeRegion": seed::REGION,
        "replicaRegions": [],
        "type": "DEFAULT",
        "licenseType": "free",
        "isHiddenOnLogin": false,
        "lifecycleState": "ACTIVE",
        "timeCreated": call.state.rules().compartments.get(seed::TENANCY).map(|root| root.time_created.to_string()),
        "freeformTags": {},
        "definedTags": {},
    });
    list(call, if compartment == seed::TENANCY { vec![domain] } else { Vec::new() })
}

fn taken(what: &str, name: &str) -> ApiError {
    ApiError::new(StatusCode::CONFLICT, "ResourceAlreadyExists", format!("{what} with name {name} already exists."))
}

fn new_ocid(call: &Call, kind: &str) -> String {
    format!("ocid1.{kind}.oc1..aaaaaaaa{}", call.state.world().random_hex::<26>())
}
