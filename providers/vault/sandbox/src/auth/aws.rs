//! The method `aws`, type `iam`: a signed request is sent on to AWS, whose answer says who signed it.

mod request;

use std::collections::BTreeMap;

use carnet_core::HttpSend;
use carnet_vault::trust::{
    AwsCaller, AwsClientConfig, AwsIdentityConfig, AwsProof, AwsQuestion, AwsRole, CheckedAwsRole, TokenFields,
};
use http::StatusCode;
use serde_json::{Map, Value};

use super::{
    issue::{Made, PEER, issue, of_role, refused},
    jwt::{fields, from_fields, invalid, known_fields},
};
use crate::{
    access::Place,
    call::Call,
    policy::Operation,
    reply::{Answer, ApiError, Data, Reply},
    route::no_namespace,
    state::{AuthMount, MAX_ENTRIES, State},
};

/// What a method of AWS knows.
#[derive(Clone, Debug, Default)]
pub(crate) struct AwsMethod {
    client: Option<AwsClientConfig>,
    identity: AwsIdentityConfig,
    roles: BTreeMap<String, CheckedAwsRole>,
}

impl AwsMethod {
    /// Whether there is a role of this name, in lower case.
    pub(crate) fn has_role(&self, name: &str) -> bool {
        self.roles.contains_key(name)
    }

    /// What tokens of a role become.
    pub(crate) fn token_fields(&self, role: &str) -> Option<&TokenFields> {
        Some(&self.roles.get(role)?.role().token)
    }
}

/// `POST auth/MOUNT/login`.
pub(super) async fn login(state: &State, call: &Call, place: &Place, mount: &str) -> Answer {
    let now = state.now();
    let method = method(state, place, mount)?;
    let proof = request::read(&call.body)?;
    let config = method.client.unwrap_or_default();
    proof.check(&config).map_err(refused)?;
    let caller = ask(&*state.world.http, &proof, &config).await?;
    let principal = caller.principal().map_err(refused)?;
    let asked = if call.text("role").is_empty() { &principal.name } else { call.text("role") };
    let name = asked.to_ascii_lowercase();
    let role = method.roles.get(&name);
    let question = AwsQuestion {
        caller: &caller,
        role_name: &name,
        role,
        identity: &method.identity,
        config: &config,
        peer: Some(PEER),
    };
    let login = question.decide().map_err(refused)?;
    let Some(role) = role else { return Err(ApiError::no_route(&place.path)) };
    state.world.decisions.allowed(state.service, &login.grant);
    let fields = &role.role().token;
    let mut token = of_role(fields, fields.policies(), role.networks(), now);
    token.meta.clone_from(&login.identity.metadata);
    let made = Made {
        display_name: login.display_name,
        alias: Some((login.identity.alias, login.identity.metadata)),
        groups: Vec::new(),
        role: (name, false),
        certificate: None,
        token,
    };
    issue(state, call, place, mount, made, now)
}

fn method(state: &State, place: &Place, mount: &str) -> Result<AwsMethod, ApiError> {
    let inner = state.lock();
    let namespace = inner.namespaces.get(&place.namespace).ok_or_else(no_namespace)?;
    let method = namespace.auths.get(mount).and_then(AuthMount::aws);
    method.cloned().ok_or_else(|| ApiError::no_route(&place.path))
}

/// Sends the request on. A redirect is an answer like any other that is not the one wanted.
async fn ask(http: &dyn HttpSend, proof: &AwsProof, config: &AwsClientConfig) -> Result<AwsCaller, ApiError> {
    let upstream = |text: String| ApiError::bad(format!("error making upstream request: {text}"));
    let request = request::to_send(proof, proof.target(config).map_err(refused)?).map_err(&upstream)?;
    let response = http.send(request).await.map_err(|error| upstream(carnet_core::chain(&error).join(": ")))?;
    if response.status != StatusCode::OK {
        let said = request::said(response.body.expose());
        return Err(upstream(format!("received error code {} from STS: {said}", response.status.as_u16())));
    }
    request::caller(response.body.expose()).ok_or_else(|| upstream("error parsing STS response".to_owned()))
}

/// Answers the rest of a method's paths.
pub(super) fn answer(state: &State, call: &Call, place: &Place, mount: &str, rest: &str) -> Answer {
    let mut inner = state.lock();
    let namespace = inner.namespaces.get_mut(&place.namespace).ok_or_else(no_namespace)?;
    let method = namespace.auths.get_mut(mount).and_then(AuthMount::aws_mut);
    let method = method.ok_or_else(|| ApiError::no_route(&place.path))?;
    match (rest, place.operation) {
        ("config/client", Operation::Read) => fields(method.client.as_ref().ok_or_else(ApiError::nothing)?).answer(),
        ("config/client", Operation::Create | Operation::Update) => {
            let Data(mut merged) = fields(&method.client.clone().unwrap_or_default());
            merged.extend(call.body.clone());
            method.client = Some(from_fields(merged)?);
            Ok(Reply::Nothing)
        }
        ("config/client", Operation::Delete) => {
            method.client = None;
            Ok(Reply::Nothing)
        }
        ("config/identity", Operation::Read) => fields(&method.identity).answer(),
        ("config/identity", Operation::Create | Operation::Update) => {
            let Data(mut merged) = fields(&method.identity);
            merged.extend(call.body.clone());
            let identity: AwsIdentityConfig = from_fields(merged)?;
            identity.check().map_err(|mistake| invalid(&mistake))?;
            method.identity = identity;
            Ok(Reply::Nothing)
        }
        ("role/" | "roles/", Operation::List) => Data::keys(method.roles.keys()),
        _ => match rest.strip_prefix("role/").filter(|name| !name.is_empty()) {
            Some(name) => role(state, method, call, place.operation, &name.to_ascii_lowercase()),
            None => Err(ApiError::no_path()),
        },
    }
}

fn role(state: &State, method: &mut AwsMethod, call: &Call, operation: Operation, name: &str) -> Answer {
    match operation {
        Operation::Read => {
            let role = method.roles.get(name).ok_or_else(ApiError::nothing)?;
            let Data(mut data) = fields(role.role());
            data.insert("role_id".to_owned(), role.id().into());
            Data(data).answer()
        }
        Operation::Create | Operation::Update => {
            if method.roles.len() >= MAX_ENTRIES && !method.has_role(name) {
                return Err(ApiError::bad(format!("the sandbox holds at most {MAX_ENTRIES} roles in a method")));
            }
            let stored = method.roles.get(name);
            let id = stored.map_or_else(|| state.uuid(), |role| role.id().to_owned());
            let stored = stored.map_or_else(AwsRole::default, |role| role.role().clone());
            let merged = merged(&stored, &call.body);
            let role = CheckedAwsRole::new(name, &id, from_fields(merged)?).map_err(|mistake| invalid(&mistake))?;
            method.roles.insert(name.to_owned(), role);
            Ok(Reply::Nothing)
        }
        Operation::Delete => {
            method.roles.remove(name);
            Ok(Reply::Nothing)
        }
        _ => Err(ApiError::unsupported()),
    }
}

fn merged(stored: &AwsRole, body: &Map<String, Value>) -> Map<String, Value> {
    let Data(mut merged) = fields(stored);
    let (body, _unknown) = known_fields(body, &merged);
    merged.extend(body);
    merged
}
