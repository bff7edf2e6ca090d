//! Who may do what: the cluster roles that every cluster has, and those of the seed.

use carnet_trust::Refusal;

use crate::{authentication::User, cluster::Cluster, rbac, reply::ApiError, seed};

/// What somebody wants to do with an object or a path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Access<'a> {
    pub(crate) verb: &'a str,
    /// The resource with its part, for instance `serviceaccounts/token`; a path, for what is no resource.
    pub(crate) resource: &'a str,
    /// As messages name the group: empty for the core.
    pub(crate) group: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
}

impl<'a> Access<'a> {
    /// What has no group, namespace or name.
    pub(crate) const fn path(verb: &'a str, path: &'a str) -> Self {
        Self { verb, resource: path, group: "", namespace: "", name: "" }
    }
}

/// Whether the user may.
///
/// # Errors
/// 403 in the API server's words.
pub(crate) fn require(cluster: &Cluster, user: &User, access: Access<'_>) -> Result<(), ApiError> {
    if is_allowed(user, access) || rbac::allows(&cluster.objects(), user, access) {
        return Ok(());
    }
    let Access { verb, resource, group, namespace, name } = access;
    let who = carnet_core::safe_text(&user.name);
    let message = if resource.starts_with('/') {
        format!("forbidden: User \"{who}\" cannot {verb} path \"{resource}\"")
    } else {
        let scope = if namespace.is_empty() {
            "at the cluster scope".to_owned()
        } else {
            format!("in the namespace \"{}\"", carnet_core::safe_text(namespace))
        };
        let kind = resource.split('/').next().unwrap_or(resource);
        let dotted = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
        let object = if name.is_empty() { dotted } else { format!("{dotted} \"{}\"", carnet_core::safe_text(name)) };
        format!(
            "{object} is forbidden: User \"{who}\" cannot {verb} resource \"{resource}\" in API group \"{group}\" {scope}"
        )
    };
    let refusal = Refusal::new(
        "rbac",
        format!("{who}: {verb} {resource}"),
        format!("a role of the cluster {} that allows it", cluster.seed.name),
        "Forbidden",
        "act as an account that has a role for this",
    );
    Err(ApiError::forbidden(message, Box::new(refusal)))
}

fn is_allowed(user: &User, access: Access<'_>) -> bool {
    let Access { verb, resource, namespace, name, .. } = access;
    if user.is_in("system:masters") {
        return true;
    }
    let is = |namespace: &str, name: &str| user.name == format!("system:serviceaccount:{namespace}:{name}");
    let reads = matches!(verb, "get" | "list" | "watch");
    match resource {
        // system:public-info-viewer
        "/version" | "/livez" | "/readyz" | "/healthz" => reads,
        // system:service-account-issuer-discovery
        "/.well-known/openid-configuration" | "/openid/v1/jwks" => reads && user.is_in("system:serviceaccounts"),
        // system:basic-user
        "selfsubjectreviews" => verb == "create" && user.is_in("system:authenticated"),
        // system:auth-delegator
        "tokenreviews" => {
            let delegated = user.is_in("system:auth-delegators") || is(seed::AUTHORITY.0, seed::AUTHORITY.1);
            verb == "create" && delegated
        }
        "serviceaccounts/token" => {
            verb == "create" && namespace == seed::NAMESPACE && name == seed::ADMIN && is(seed::NAMESPACE, seed::ADMIN)
        }
        "pods" => reads && namespace == seed::NAMESPACE && is(seed::NAMESPACE, seed::ADMIN),
        // system:discovery
        path if path.starts_with("/api") => reads && user.is_in("system:authenticated"),
        _ => false,
    }
}
