//! The credential endpoint of container tasks ("Container credential provider", SDKs and tools reference guide).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use carnet_aws::trust::Context;
use carnet_trust::{Grant, Refusal};
use http::{Method, StatusCode};
use jiff::SignedDuration;
use serde_json::json;

use crate::{
    call::{Call, is_local},
    principal::RoleSession,
    reply::{Answer, ApiError, json_reply, seconds},
    seed, sessions,
    sigv4::same,
    state::State,
};

/// The name of the service.
pub(crate) const SERVICE: &str = "aws-container";
/// The address under which tasks know it.
const ADDRESS: &str = "169.254.170.2";
/// How long credentials of a task live.
const LIFETIME: SignedDuration = SignedDuration::from_hours(6);
/// The name of the task's sessions: the id of the task.
const TASK: &str = "ca12e70000004000800000000000000f";

/// Answers a request.
pub(crate) fn answer(state: &Arc<State>, call: &Call) -> Answer {
    let host = call.host();
    if !is_local(&host) && host != ADDRESS {
        // A page in a browser that calls a name of its own and has it resolve to this machine.
        let refusal = Refusal::new("host", carnet_core::safe_text(&host), ADDRESS, "403", "ask by address");
        return Err(ApiError::new(403, "AccessDenied", "The Host header is not this endpoint's").because(refusal));
    }
    if call.method != Method::GET {
        return Err(ApiError::new(405, "MethodNotAllowed", "Only GET is allowed"));
    }
    if call.path != seed::CONTAINER_PATH {
        return Err(ApiError::new(404, "NotFound", "Credentials not found"));
    }
    match call.header("authorization") {
        // The value as it is: no scheme stands before it.
        Some(value) if same(value, seed::CONTAINER_TOKEN) => {}
        Some(_) => return Err(denied(403, "InvalidToken", "The authorization token is not valid", "another token")),
        None => return Err(denied(401, "MissingToken", "The authorization token is missing", "none")),
    }
    let Some(session) = machine_session(state, "ecs-tasks.amazonaws.com", TASK) else {
        let text = "ECS was unable to assume the role";
        return Err(ApiError::new(400, "AccessDeniedException", text));
    };
    let issued = sessions::issue(state, SERVICE, &call.path, session, LIFETIME);
    let body = json!({
        "RoleArn": issued.session.role_arn,
        "AccessKeyId": issued.key_id,
        "SecretAccessKey": issued.secret.expose(),
        "Token": issued.token.expose(),
        "Expiration": seconds(issued.expires),
        "AccountId": seed::ACCOUNT,
    });
    Ok(json_reply(StatusCode::OK, &body))
}

fn denied(status: u16, code: &str, text: &str, seen: &str) -> ApiError {
    let fix = "send the content of AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE as it is, without a newline";
    let refusal = Refusal::new("authorization", seen, "the task's own token", code, fix);
    ApiError::new(status, code, text).because(refusal)
}

/// The session of the machine's role for a service of AWS, if the role lets that service have it. Notes the grant.
pub(crate) fn machine_session(state: &State, service: &str, name: &str) -> Option<RoleSession> {
    let ours = if service.starts_with("ec2") { crate::imds::SERVICE } else { SERVICE };
    let now = state.world.now(ours);
    let entry = state.lock().role(seed::MACHINE_ROLE).cloned()?;
    // The service asks for the machine, with a request that nobody sees.
    let context = Context::default()
        .without_request()
        .with("sts:RoleSessionName", [name])
        .with("aws:CurrentTime", [now.to_string()])
        .with("aws:EpochTime", [now.as_second().to_string()]);
    entry.role.trust.allows("sts:AssumeRole", ("Service", service), &context).ok()?;
    let arn = entry.role.session_arn(name);
    let grant = Grant { principal: arn.clone(), held: vec!["policy"], ..Grant::default() };
    state.world.decisions.allowed(ours, &grant);
    let instance =
        (name == seed::INSTANCE).then(|| format!("arn:aws:ec2:{}:{}:instance/{name}", seed::REGION, seed::ACCOUNT));
    Some(RoleSession {
        role_arn: entry.role.arn.clone(),
        role_id: entry.id,
        arn,
        name: name.to_owned(),
        tags: BTreeMap::new(),
        transitive: BTreeSet::new(),
        source_identity: None,
        policies: Vec::new(),
        facts: Vec::new(),
        instance,
    })
}
