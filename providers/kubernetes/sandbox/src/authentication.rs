//! Who asks: a bearer token of the static list, a service account's, or nobody.

use std::collections::BTreeMap;

use carnet_jose::{JwtClause, Rules, UnverifiedJwt, verify_jwt};
use carnet_trust::Refusal;
use http::{HeaderMap, header};
use jiff::SignedDuration;
use serde_json::{Map, Value, json};

use crate::{
    cluster::{Cluster, Kind},
    reply::ApiError,
};

/// Who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) groups: Vec<String>,
    pub(crate) extra: BTreeMap<String, String>,
}

/// A user whose token was believed, and for which of the audiences that were asked about.
#[derive(Debug)]
pub(crate) struct Believed {
    pub(crate) user: User,
    pub(crate) audiences: Vec<String>,
}

impl User {
    fn named(name: &str, groups: &[&str]) -> Self {
        let groups = groups.iter().chain(&["system:authenticated"]).map(|group| (*group).to_owned()).collect();
        Self { name: name.to_owned(), groups, ..Self::default() }
    }

    /// Who shows no token.
    fn anonymous() -> Self {
        Self {
            name: "system:anonymous".to_owned(),
            groups: vec!["system:unauthenticated".to_owned()],
            ..Self::default()
        }
    }

    /// Of a service account: everybody's groups and those of its namespace (`MakeGroupNames`).
    fn of_account(namespace: &str, name: &str, uid: &str) -> Self {
        let own = format!("system:serviceaccounts:{namespace}");
        let user = Self::named(&format!("system:serviceaccount:{namespace}:{name}"), &["system:serviceaccounts", &own]);
        Self { uid: uid.to_owned(), ..user }
    }

    pub(crate) fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|own| own == group)
    }

    /// As in the status of a review.
    pub(crate) fn to_json(&self) -> Value {
        let mut user =
            Map::from_iter([("username".to_owned(), json!(self.name)), ("groups".to_owned(), json!(self.groups))]);
        if !self.uid.is_empty() {
            user.insert("uid".to_owned(), json!(self.uid));
        }
        if !self.extra.is_empty() {
            let extra = self.extra.iter().map(|(name, value)| (name.clone(), json!([value]))).collect();
            user.insert("extra".to_owned(), Value::Object(extra));
        }
        Value::Object(user)
    }
}

/// Who sends this request. Without a token that is nobody in particular, and with one that is not believed it is refused.
pub(crate) fn of_request(cluster: &Cluster, headers: &HeaderMap) -> Result<User, ApiError> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(User::anonymous()) };
    let token = value.to_str().unwrap_or_default().split_once(' ');
    let token = token.filter(|(word, _)| word.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
    let Some(token) = token else { return Ok(User::anonymous()) };
    let believed = of_token(cluster, token, &[]).map_err(ApiError::unauthorized)?;
    Ok(believed.user)
}

/// Whose token this is, for one of these audiences; for the API server's own when there is none.
///
/// # Errors
/// The first that does not hold. What the API server tells of it is [`Refusal::seen`].
pub(crate) fn of_token(cluster: &Cluster, token: &str, audiences: &[String]) -> Result<Believed, Box<Refusal>> {
    let own = [cluster.seed.issuer.to_owned()];
    let wanted = if audiences.is_empty() { own.as_slice() } else { audiences };
    let fixed = |user: User| {
        let audiences = wanted.iter().filter(|audience| own.contains(audience)).cloned().collect::<Vec<_>>();
        if audiences.is_empty() {
            return Err(refusal("audience", "token audiences are invalid for the target audiences", cluster));
        }
        Ok(Believed { user, audiences })
    };
    if token == cluster.seed.admin_token {
        return fixed(User::named("kubernetes-admin", &["system:masters"]));
    }
    if token == cluster.seed.reviewer_token {
        return fixed(User::named("system:token-reviewer", &["system:auth-delegators"]));
    }
    of_account_token(cluster, token, wanted)
}

/// A token that this cluster signed, of an account and a pod that are still there (`pkg/serviceaccount/jwt.go`, `claims.go`).
fn of_account_token(cluster: &Cluster, token: &str, wanted: &[String]) -> Result<Believed, Box<Refusal>> {
    let no = |clause: &'static str, seen: &str| refusal(clause, seen, cluster);
    let parsed = UnverifiedJwt::parse(token).map_err(|_error| no("form", "invalid bearer token"))?;
    let public = cluster.key.get().and_then(|key| key.public_key()).map_err(|error| no("key", &error.to_string()))?;
    let audiences: Vec<&str> = wanted.iter().map(String::as_str).collect();
    let rules = Rules {
        issuer: Some(cluster.seed.issuer),
        audiences: Some(&audiences),
        algorithms: &[cluster.seed.algorithm],
        // `jwt.DefaultLeeway` of go-jose.
        leeway: SignedDuration::from_mins(1),
        require_expiry: true,
        max_lifetime: None,
        types: &[],
    };
    let keys = carnet_jose::KeySet::of(public);
    let verified = verify_jwt(&parsed, &keys, &rules, cluster.now()).map_err(|error| {
        let seen = match error.clause {
            JwtClause::Expired => "service account token has expired".to_owned(),
            JwtClause::NotYet => "service account token is not valid yet".to_owned(),
            JwtClause::Key => "invalid signature, no keys found".to_owned(),
            _ => error.message.clone(),
        };
        no(error.clause.name(), &seen)
    })?;
    let claims = verified.claims();
    let text = |path: &str| claims.get("kubernetes.io")?.pointer(path)?.as_str();
    let (Some(namespace), Some(name), Some(uid)) =
        (text("/namespace"), text("/serviceaccount/name"), text("/serviceaccount/uid"))
    else {
        return Err(no("claims", "service account token claims could not be validated"));
    };
    let mut user = User::of_account(namespace, name, uid);
    let objects = cluster.objects();
    match objects.uid(Kind::ServiceAccount, namespace, name) {
        Some(own) if own == uid => {}
        Some(_) => return Err(no("service-account", "service account UID does not match claim")),
        None => return Err(no("service-account", "serviceaccounts not found")),
    }
    for (kind, part, space) in [(Kind::Pod, "pod", namespace), (Kind::Node, "node", "")] {
        let (Some(name), Some(uid)) = (text(&format!("/{part}/name")), text(&format!("/{part}/uid"))) else { continue };
        // A node may go before its pod: then the token is still the pod's.
        if kind == Kind::Pod && objects.uid(kind, space, name).as_deref() != Some(uid) {
            return Err(no("pod", "service account token has been invalidated"));
        }
        user.extra.insert(format!("authentication.kubernetes.io/{part}-name"), name.to_owned());
        user.extra.insert(format!("authentication.kubernetes.io/{part}-uid"), uid.to_owned());
    }
    if let Some(id) = claims.str("jti") {
        user.extra.insert("authentication.kubernetes.io/credential-id".to_owned(), format!("JTI={id}"));
    }
    let seen = claims.audiences();
    let audiences = wanted.iter().filter(|wanted| seen.contains(&wanted.as_str())).cloned().collect();
    Ok(Believed { user, audiences })
}

fn refusal(clause: &'static str, seen: &str, cluster: &Cluster) -> Box<Refusal> {
    Box::new(Refusal::new(
        clause,
        carnet_core::safe_text(seen),
        format!("a token of the cluster {}", cluster.seed.name),
        "Unauthorized",
        "use a token that this cluster's TokenRequest API gave, of a pod that is still there",
    ))
}
