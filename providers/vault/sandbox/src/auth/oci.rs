//! The method `oci`: a signed request that is not sent ("OCI auth method", `vault-plugin-auth-oci`). The server hands its
//! headers to Oracle as the instance that it runs on, and Oracle says who signed it and in which groups that is.

use std::collections::BTreeMap;

use carnet_core::{Context, Credential, Error, Found, Material, SourceConfig as _, Want};
use carnet_oci::{client, regions::Region, source::instance::InstanceConfig};
use carnet_trust::{Grant, Refusal};
use carnet_vault::trust::TokenFields;
use http::Method as Verb;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    issue::{Made, PEER, issue, of_role, refused},
    jwt::{fields, from_fields, invalid},
    roles::{self, Role},
};
use crate::{
    access::Place,
    call::Call,
    policy::Operation,
    reply::{Answer, ApiError, Data, Reply},
    route::no_namespace,
    state::{Method, State},
};

/// Most groups of a role.
const MAX_GROUPS: usize = 100;

/// What a method of OCI knows.
#[derive(Clone, Debug, Default)]
pub(crate) struct OciMethod {
    config: Option<Config>,
    roles: BTreeMap<String, OciRole>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Config {
    home_tenancy_id: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct OciRole {
    /// Groups and dynamic groups, of which the caller must be in one.
    ocid_list: Vec<String>,
    #[serde(flatten)]
    token: TokenFields,
}

impl Role for OciRole {
    const LISTS: &'static [&'static str] = &["ocid_list"];

    fn check(&self) -> Result<(), ApiError> {
        if self.ocid_list.len() > MAX_GROUPS {
            return Err(ApiError::bad(format!("Number of OCIDs for this role exceeds the limit ({MAX_GROUPS})")));
        }
        self.token.check().map(drop).map_err(|mistake| invalid(&mistake))
    }

    fn token(&self) -> &TokenFields {
        &self.token
    }
}

impl OciMethod {
    /// Whether there is a role of this name, in lower case.
    pub(crate) fn has_role(&self, name: &str) -> bool {
        self.roles.contains_key(name)
    }

    /// What tokens of a role become.
    pub(crate) fn token_fields(&self, role: &str) -> Option<&TokenFields> {
        Some(self.roles.get(role)?.token())
    }
}

/// Who signed, as Oracle says.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Authenticated {
    #[serde(default)]
    success: bool,
    #[serde(default)]
    principal: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Filtered {
    #[serde(default)]
    group_ids: Vec<String>,
}

/// `POST auth/MOUNT/login/ROLE`.
pub(super) async fn login(state: &State, call: &Call, place: &Place, mount: &str, name: &str) -> Answer {
    let OciMethod { config, roles } = method(state, place, mount)?;
    let name = name.to_ascii_lowercase();
    let no = |clause: &'static str, seen: &str, text: &str, fix: &str| {
        refused(Box::new(Refusal::new(clause, seen, "a caller that the role takes", text, fix)))
    };
    let role = roles.get(&name).ok_or_else(|| no("role", &name, "Role is not found", "name a role of the mount"))?;
    let headers = call.body.get("request_headers").filter(|headers| headers.is_object());
    let headers = headers.ok_or_else(|| ApiError::bad("request_headers is not specified"))?;
    if !is_for(headers, &name) {
        let fix = "sign `get /v1/auth/MOUNT/login/ROLE`, once";
        return Err(no("request", "another target", "incorrect (request-target) specified in header", fix));
    }
    let networks = role.token.check().map_err(|mistake| invalid(&mistake))?;
    if !networks.is_empty() && !networks.iter().any(|network| network.contains(&PEER)) {
        return Err(no(
            "address",
            "another network",
            "permission denied",
            "log in from `token_bound_cidrs` of the role",
        ));
    }
    let config = config.ok_or_else(|| ApiError::bad("could not load configuration"))?;
    let context = state.world.context();
    let server = Server::new(&context).await.map_err(|error| unreachable(&error))?;
    let body = json!({ "requestHeaders": headers });
    let answer =
        server.ask("/v1/authentication/authenticateClient", &body).await.map_err(|error| unreachable(&error))?;
    let found: Option<Authenticated> = serde_json::from_value(answer).ok();
    let principal = found.filter(|found| found.success).map(|found| found.principal).ok_or_else(|| {
        no("principal", "a request that Oracle does not accept", "OCI authentication failed", "look at key and clock")
    })?;
    let text = |name: &str| principal.get(name).and_then(Value::as_str).unwrap_or_default();
    let kind = claim(&principal, "ptype");
    if !matches!(kind, "user" | "instance") {
        return Err(no("principal", kind, "Wrong principal type", "log in as a user or as an instance"));
    }
    if text("tenantId").is_empty() || text("tenantId") != config.home_tenancy_id {
        return Err(no("tenancy", text("tenantId"), "Invalid Tenancy", "set `home_tenancy_id` of the mount"));
    }
    let body = json!({ "principal": principal, "groupIds": role.ocid_list });
    let answer = server.ask("/v1/filterGroupMembership", &body).await.map_err(|error| unreachable(&error))?;
    let groups = serde_json::from_value::<Filtered>(answer).map(|filtered| filtered.group_ids).unwrap_or_default();
    if !groups.iter().any(|group| role.ocid_list.contains(group)) {
        let fix = "add one of its groups to `ocid_list` of the role";
        return Err(no("group", text("subjectId"), "Entity not a part of any of the Role OCIDs", fix));
    }
    let grant = Grant {
        principal: text("subjectId").to_owned(),
        lifetime: Some(role.token.lifetime()),
        attributes: [("role".to_owned(), name.clone())].into(),
        held: vec!["role", "request", "address", "principal", "tenancy", "group"],
        warnings: Vec::new(),
    };
    state.world.decisions.allowed(state.service, &grant);
    let now = state.now();
    let mut token = of_role(&role.token, role.token.policies(), &networks, now);
    token.renewable = false;
    token.meta = grant.attributes;
    let made = Made {
        display_name: name.clone(),
        // All principals of a role are one entity.
        alias: Some((name.clone(), BTreeMap::new())),
        groups: Vec::new(),
        role: (name, false),
        certificate: None,
        token,
    };
    issue(state, call, place, mount, made, now)
}

/// Whether what was signed is a GET for the login path of this role. The product compares neither mount nor host.
fn is_for(headers: &Value, role: &str) -> bool {
    let target = headers.get("(request-target)").and_then(Value::as_array).map(Vec::as_slice);
    let Some([Value::String(target)]) = target else { return false };
    let Some(("get", path)) = target.split_once(' ') else { return false };
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    matches!(parts.as_slice(), ["v1", "auth", _, .., "login", last] if last.eq_ignore_ascii_case(role))
}

/// A claim that Oracle itself makes of a principal.
fn claim<'a>(principal: &'a Value, name: &str) -> &'a str {
    let claims = principal.get("claims").and_then(Value::as_array);
    let of = |claim: &&Value| claim.get("key").and_then(Value::as_str) == Some(name);
    let found = claims.into_iter().flatten().find(of).and_then(|claim| claim.get("value"));
    found.and_then(Value::as_str).unwrap_or_default()
}

/// The instance that the server runs on.
struct Server<'a> {
    context: &'a Context,
    credential: Credential,
    region: Region,
}

impl<'a> Server<'a> {
    async fn new(context: &'a Context) -> Result<Self, Error> {
        let source = InstanceConfig::default().build().map_err(|_mistakes| Error::internal("be an instance of OCI"))?;
        let credential = match source.find(context, &Want::default()).await? {
            Found::Credential(credential) => *credential,
            Found::NotHere(why) => return Err(Error::configuration(format!("be an instance of OCI: {why}"))),
        };
        let region = match &credential.material {
            Material::OciSession(session) => session.region.as_deref().and_then(Region::built_in),
            _ => None,
        };
        let region = region.ok_or_else(|| Error::configuration("be an instance of OCI: its region is not known"))?;
        Ok(Self { context, credential, region })
    }

    async fn ask(&self, path: &str, body: &Value) -> Result<Value, Error> {
        let mut url = self.region.endpoint("auth")?;
        url.set_path(path);
        let answer = client::call(self.context, &self.credential, Verb::POST, url, Some(body)).await?;
        answer.json("the answer of OCI's auth service")
    }
}

fn unreachable(error: &Error) -> ApiError {
    ApiError::bad(format!("OCI authentication failed: {}", carnet_core::chain(error).join(": ")))
}

fn method(state: &State, place: &Place, mount: &str) -> Result<OciMethod, ApiError> {
    let inner = state.lock();
    let namespace = inner.namespaces.get(&place.namespace).ok_or_else(no_namespace)?;
    match namespace.auths.get(mount).map(|mount| &mount.method) {
        Some(Method::Oci(method)) => Ok((**method).clone()),
        _ => Err(ApiError::no_route(&place.path)),
    }
}

/// Answers the rest of a method's paths.
pub(super) fn answer(state: &State, call: &Call, place: &Place, mount: &str, rest: &str) -> Answer {
    let mut inner = state.lock();
    let namespace = inner.namespaces.get_mut(&place.namespace).ok_or_else(no_namespace)?;
    let Some(Method::Oci(method)) = namespace.auths.get_mut(mount).map(|mount| &mut mount.method) else {
        return Err(ApiError::no_route(&place.path));
    };
    match (rest, place.operation) {
        ("config", Operation::Read) => fields(method.config.as_ref().ok_or_else(ApiError::nothing)?).answer(),
        ("config", Operation::Create | Operation::Update) => {
            let Data(mut merged) = fields(&method.config.clone().unwrap_or_default());
            merged.extend(call.body.clone());
            let config: Config = from_fields(merged)?;
            if config.home_tenancy_id.is_empty() {
                return Err(ApiError::bad("Missing homeTenancyId"));
            }
            method.config = Some(config);
            Ok(Reply::Nothing)
        }
        _ => match rest.strip_prefix("role/") {
            Some(name) => roles::answer(&mut method.roles, call, place.operation, name),
            None => Err(ApiError::no_path()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_signed_is_a_get_for_the_login_path_of_the_role() {
        let target = |targets: Value| json!({ "(request-target)": targets });
        for good in ["get /v1/auth/oci/login/app", "get /v1/auth/a/b/login/App"] {
            assert!(is_for(&target(json!([good])), "app"), "{good}");
        }
        for bad in [
            json!(["post /v1/auth/oci/login/app"]),
            json!(["get /v1/auth/oci/login/other"]),
            json!(["get /v1/auth/login/app"]),
            json!(["get /v2/auth/oci/login/app"]),
            json!(["get /v1/auth/oci/login/app", "get /v1/auth/oci/login/app"]),
            json!("get /v1/auth/oci/login/app"),
            json!([]),
        ] {
            assert!(!is_for(&target(bad.clone()), "app"), "{bad}");
        }
    }
}
