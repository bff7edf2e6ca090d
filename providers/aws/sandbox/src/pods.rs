//! EKS pod identity: the agent on each node, and the service that it asks ("AssumeRoleForPodIdentity", EKS Auth API
//! reference; `internal/validation/request.go` and `pkg/handlers` of aws/eks-pod-identity-agent).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use axum::response::Response;
use carnet_aws::trust::Context;
use carnet_core::ErrorKind;
use carnet_jose::{Algorithm, Claims, JwtClause, Rules, UnverifiedJwt, verify_jwt};
use carnet_trust::{Grant, Refusal};
use http::{Method, StatusCode};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::{
    access,
    call::{Call, is_local},
    principal::RoleSession,
    reply::{Answer, ApiError, json_reply},
    seed,
    sessions::{self, Issued},
    sigv4::{Payload, region_of, verify},
    state::{Association, RoleEntry, State},
};

/// The name of the agent's service.
pub(crate) const SERVICE: &str = "aws-pod-identity";
/// The name of the service that agents ask.
pub(crate) const AUTH_SERVICE: &str = "aws-eks-auth";
const ADDRESSES: [&str; 2] = ["169.254.170.23", "fd00:ec2::23"];
/// How long keys of a pod live.
const LIFETIME: SignedDuration = SignedDuration::from_hours(6);
const PRINCIPAL: (&str, &str) = ("Service", "pods.eks.amazonaws.com");

/// What a token stands for, once it is verified.
struct Pod {
    namespace: String,
    account: String,
    claims: Claims,
    association: Association,
    issued: Issued,
}

/// The agent: `GET /v1/credentials` with the pod's token.
pub(crate) async fn answer(state: &Arc<State>, call: &Call) -> Answer {
    let host = call.host();
    if !is_local(&host) && !ADDRESSES.contains(&host.as_str()) {
        let refusal =
            Refusal::new("host", carnet_core::safe_text(&host), ADDRESSES.join(" or "), "400", "ask by address");
        return Err(ApiError::new(400, "400", "called agent through invalid address").because(refusal));
    }
    if call.method != Method::GET || call.path != "/v1/credentials" {
        return Err(ApiError::new(404, "404", "404 page not found"));
    }
    let token = call.header("authorization").unwrap_or_default();
    if token.is_empty() {
        let refusal =
            Refusal::new("authorization", "none", "the pod's token", "400", "mount the token of pod identity");
        return Err(ApiError::new(400, "400", "Service account token cannot be empty").because(refusal));
    }
    let parsed = UnverifiedJwt::parse(token).map_err(|error| {
        let text = format!("Service account token cannot be parsed: {error}");
        let refusal =
            Refusal::new("form", error.to_string(), "a JWT", "400", "send the token as it is, without a scheme");
        ApiError::new(400, "400", text).because(refusal)
    })?;
    let now = state.world.now(SERVICE);
    if parsed.unverified_expiry().is_none_or(|expiry| expiry <= now) {
        let refusal =
            Refusal::new("expired", "a token that is over", format!("later than {now}"), "400", "read the file again");
        return Err(ApiError::new(400, "400", "Service account token is expired").because(refusal));
    }
    let pod = assume_role(state, SERVICE, call, seed::CLUSTER, token).await.map_err(|error| {
        let message = format!("({}): {}, fault: client", error.code, error.message);
        ApiError { message, ..error }
    })?;
    let body = json!({
        "AccessKeyId": pod.issued.key_id,
        "SecretAccessKey": pod.issued.secret.expose(),
        "Token": pod.issued.token.expose(),
        "AccountId": seed::ACCOUNT,
        // With nanoseconds, as the agent's language writes times.
        "Expiration": pod.issued.expires.strftime("%Y-%m-%dT%H:%M:%S.000000001Z").to_string(),
    });
    Ok(json_reply(StatusCode::OK, &body))
}

/// `AssumeRoleForPodIdentity`, signed by the node.
pub(crate) async fn assume(state: &Arc<State>, call: &Call) -> Answer {
    let region = region_of(&call.host(), None);
    let verified =
        verify(state, call, AUTH_SERVICE, "eks-auth", region.as_deref(), Payload::Body).map_err(|fault| {
            let (status, code) = fault.json();
            ApiError::new(status, code, fault.message).because(fault.refusal)
        })?;
    let parts = call.parts();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let ("POST", ["clusters", cluster, "assume-role-for-pod-identity"]) = (call.method.as_str(), parts.as_slice())
    else {
        return Err(ApiError::new(404, "UnknownOperationException", "There is no such operation"));
    };
    let resource = format!("arn:aws:eks:{}:{}:cluster/{cluster}", seed::REGION, seed::ACCOUNT);
    let asked = |context: Context| context.with_request(&call.facts(&verified.authorization.region));
    access::permit(state, AUTH_SERVICE, &verified.access, "eks-auth:AssumeRoleForPodIdentity", &resource, asked)
        .map_err(|refusal| {
            let who = verified.access.principal.arn();
            let text = format!("User: {who} is not authorized to perform: eks-auth:AssumeRoleForPodIdentity");
            ApiError::new(400, "AccessDeniedException", text).because(refusal)
        })?;
    let body = call.json()?;
    let token = body.get("token").and_then(Value::as_str).unwrap_or_default();
    if token.is_empty() {
        return Err(ApiError::new(400, "InvalidParameterException", "token must not be empty"));
    }
    let pod = assume_role(state, AUTH_SERVICE, call, cluster, token).await?;
    Ok(reply(cluster, &pod))
}

fn reply(cluster: &str, pod: &Pod) -> Response {
    let arn = format!(
        "arn:aws:eks:{}:{}:podidentityassociation/{cluster}/{}",
        seed::REGION,
        seed::ACCOUNT,
        pod.association.id
    );
    let body = json!({
        "subject": { "namespace": pod.namespace, "serviceAccount": pod.account },
        "audience": pod.claims.audiences().first(),
        "podIdentityAssociation": { "associationArn": arn, "associationId": pod.association.id },
        "assumedRoleUser": { "arn": pod.issued.session.arn, "assumeRoleId": pod.issued.session.user_id() },
        "credentials": {
            "accessKeyId": pod.issued.key_id,
            "secretAccessKey": pod.issued.secret.expose(),
            "sessionToken": pod.issued.token.expose(),
            "expiration": pod.issued.expires.as_second(),
        },
    });
    json_reply(StatusCode::OK, &body)
}

async fn assume_role(
    state: &State,
    service: &'static str,
    call: &Call,
    cluster: &str,
    token: &str,
) -> Result<Pod, ApiError> {
    if cluster != seed::CLUSTER {
        return Err(ApiError::new(404, "ResourceNotFoundException", "The cluster is not found"));
    }
    let claims = verified(state, service, token).await?;
    let subject = claims.str("sub").unwrap_or_default();
    let names = subject.strip_prefix("system:serviceaccount:").and_then(|names| names.split_once(':'));
    let Some((namespace, account)) = names else {
        return Err(refused("subject", subject, "a service account", "InvalidTokenException"));
    };
    let (association, entry) = {
        let inner = state.lock();
        let key = (cluster.to_owned(), namespace.to_owned(), account.to_owned());
        let Some(association) = inner.associations.get(&key).cloned() else {
            let error =
                refused("subject", subject, "a service account with an association", "ResourceNotFoundException");
            return Err(ApiError { status: StatusCode::NOT_FOUND, ..error });
        };
        let entry = inner.role(&association.role_arn).cloned();
        (association, entry)
    };
    let tags = tags(&claims, cluster, namespace, account);
    let name = format!("eks-{cluster}-{}", state.uuid());
    let name: String = name.chars().take(64).collect();
    let entry = decide(state, service, call, entry, &tags, &name)?;
    let arn = entry.role.session_arn(&name);
    let grant = Grant {
        principal: arn.clone(),
        lifetime: Some(LIFETIME),
        attributes: tags.iter().map(|(key, value)| (format!("tag/{key}"), carnet_core::safe_text(value))).collect(),
        held: vec!["form", "signature", "audience", "times", "subject", "policy"],
        ..Grant::default()
    };
    state.world.decisions.allowed(service, &grant);
    let session = RoleSession {
        role_arn: entry.role.arn.clone(),
        role_id: entry.id,
        arn,
        name,
        // "The session tags are transitive."
        transitive: tags.keys().cloned().collect::<BTreeSet<_>>(),
        tags,
        source_identity: None,
        policies: Vec::new(),
        facts: Vec::new(),
        instance: None,
    };
    let issued = sessions::issue(state, service, &call.path, session, LIFETIME);
    Ok(Pod { namespace: namespace.to_owned(), account: account.to_owned(), claims, association, issued })
}

/// The claims of a token of the cluster for pod identity.
async fn verified(state: &State, service: &'static str, token: &str) -> Result<Claims, ApiError> {
    let parsed = UnverifiedJwt::parse(token)
        .map_err(|error| refused("form", &error.to_string(), "a JWT", "InvalidTokenException"))?;
    let kid = parsed.unverified_kid().map(str::to_owned);
    let keys = state.issuers.keys(seed::CLUSTER_ISSUER, kid.as_deref()).await.map_err(|error| {
        let seen = carnet_core::chain(&error).join(": ");
        let status = if error.kind() == ErrorKind::Unreachable { 503 } else { 400 };
        let code = if status == 503 { "ServiceUnavailableException" } else { "InvalidTokenException" };
        let refusal = Refusal::new("keys", seen, "the keys of the cluster", code, "look at the cluster's issuer");
        ApiError::new(status, code, "The keys of the cluster's issuer are not available").because(refusal)
    })?;
    let rules = Rules {
        issuer: Some(seed::CLUSTER_ISSUER),
        audiences: Some(&[seed::POD_AUDIENCE]),
        algorithms: &[Algorithm::Rs256, Algorithm::Es256],
        leeway: SignedDuration::ZERO,
        require_expiry: true,
        max_lifetime: None,
        types: &[],
    };
    let verified =
        verify_jwt(&parsed, &keys, &rules, state.world.now(service)).map_err(|error| match error.clause {
            JwtClause::Expired => {
                refused("expired", &error.to_string(), "a token that is not over", "ExpiredTokenException")
            }
            _ => refused(
                "signature",
                &error.to_string(),
                "a token of the cluster for pods.eks.amazonaws.com",
                "InvalidTokenException",
            ),
        })?;
    Ok(verified.claims().clone())
}

/// The session tags of pod identity ("Grant pods access to resources based on tags").
fn tags(claims: &Claims, cluster: &str, namespace: &str, account: &str) -> BTreeMap<String, String> {
    let pod = |member: &str| {
        let kubernetes = claims.get("kubernetes.io")?;
        kubernetes.get("pod")?.get(member)?.as_str().map(str::to_owned)
    };
    let arn = format!("arn:aws:eks:{}:{}:cluster/{cluster}", seed::REGION, seed::ACCOUNT);
    let tags = [
        ("eks-cluster-arn", Some(arn)),
        ("eks-cluster-name", Some(cluster.to_owned())),
        ("kubernetes-namespace", Some(namespace.to_owned())),
        ("kubernetes-service-account", Some(account.to_owned())),
        ("kubernetes-pod-name", pod("name")),
        ("kubernetes-pod-uid", pod("uid")),
    ];
    tags.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
}

fn decide(
    state: &State,
    service: &'static str,
    call: &Call,
    entry: Option<RoleEntry>,
    tags: &BTreeMap<String, String>,
    name: &str,
) -> Result<RoleEntry, ApiError> {
    let no_role = || refused("policy", "the role is gone", "a role", "AccessDeniedException");
    let entry = entry.ok_or_else(no_role)?;
    let now = state.world.now(service);
    let mut context = Context::default()
        .with_request(&call.facts(seed::REGION))
        .with("aws:CurrentTime", [now.to_string()])
        .with("aws:EpochTime", [now.as_second().to_string()])
        .with("aws:TagKeys", tags.keys().cloned())
        .with("sts:RoleSessionName", [name])
        .with("aws:SourceAccount", [seed::ACCOUNT]);
    for (key, value) in tags {
        context = context.with(&format!("aws:RequestTag/{key}"), [value.clone()]);
    }
    for action in ["sts:AssumeRole", "sts:TagSession"] {
        let outcome = entry.role.trust.allows(action, PRINCIPAL, &context);
        outcome
            .map_err(|no| refused("policy", &format!("{action}: {}", no.seen), &no.wanted, "AccessDeniedException"))?;
    }
    Ok(entry)
}

/// A refusal; EKS answers nearly all of them with 400.
fn refused(clause: &'static str, seen: &str, wanted: &str, code: &str) -> ApiError {
    let text = match code {
        "ExpiredTokenException" => "The token included in the request is expired",
        "AccessDeniedException" => {
            "Unauthorized Exception! EKS does not have permissions to assume the associated role."
        }
        "ResourceNotFoundException" => "No association found for the service account of the token",
        _ => "The token included in the request is not valid",
    };
    let fix = "look at the association of the service account, the role's trust policy and the audience of the token";
    let refusal = Refusal::new(clause, carnet_core::safe_text(seen), wanted, code, fix);
    ApiError::new(400, code, text).because(refusal)
}
