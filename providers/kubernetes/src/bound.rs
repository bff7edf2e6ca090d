//! What a service account's token is bound to: the claims below `kubernetes.io` ("Managing Service Accounts", bound service
//! account tokens; `pkg/serviceaccount/claims.go` of Kubernetes), and what a token review tells of the same.

use carnet_jose::Claims;
use carnet_trust::Refusal;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::{ServiceAccount, review::ReviewedUser, trust::UNAUTHORIZED};

/// The claim that holds the rest.
const CLAIM: &str = "kubernetes.io";
/// How the keys of a user's extra fields begin (`k8s.io/apiserver/pkg/authentication/serviceaccount`).
const EXTRA: &str = "authentication.kubernetes.io/";
/// Longest name or UID that is taken: a DNS subdomain.
const MAX_NAME: usize = 253;

/// An object by name and by what its name meant when the token was made: a new object of the same name has another UID.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Named {
    /// Name.
    pub name: String,
    /// UID.
    pub uid: String,
}

/// Whose token it is and what it lives with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// The service account.
    pub account: ServiceAccount,
    /// UID of the service account, when it is told.
    pub account_uid: Option<String>,
    /// The pod. The API server does not believe the token when the pod is gone.
    pub pod: Option<Named>,
    /// The pod's node; told from Kubernetes 1.30 on.
    pub node: Option<Named>,
    /// The secret, in place of the pod.
    pub secret: Option<Named>,
    /// When the kubelet should long have written a newer one, although this one counts for up to a year: the default token of a
    /// pod, under `--service-account-extend-token-expiration`.
    pub warn_after: Option<Timestamp>,
}

/// The claim as it is signed. Members that are not known are passed over: Kubernetes adds some from time to time.
#[derive(Deserialize)]
struct PrivateClaims {
    namespace: String,
    serviceaccount: Named,
    pod: Option<Named>,
    node: Option<Named>,
    secret: Option<Named>,
}

impl Bound {
    /// Of the claims of a token, which must have been verified unless they are only shown.
    ///
    /// # Errors
    /// Clause `subject` when it is no service account's, `claims` when the bound objects are missing, malformed, or not those of
    /// the subject.
    pub fn of_claims(claims: &Claims) -> Result<Self, Box<Refusal>> {
        let account = account(claims.str("sub").unwrap_or_default())?;
        let Some(own) = claims.get(CLAIM) else { return Err(no_claims("a token without the claim kubernetes.io")) };
        let warn_after = own.get("warnafter").and_then(Value::as_i64).and_then(|at| Timestamp::from_second(at).ok());
        let own = PrivateClaims::deserialize(own)
            .map_err(|_quoting| no_claims("a claim kubernetes.io without namespace, service account or a UID"))?;
        if own.namespace != account.namespace() || own.serviceaccount.name != account.name() {
            return Err(no_claims("a subject that is another account than that of kubernetes.io"));
        }
        let named = [Some(&own.serviceaccount), own.pod.as_ref(), own.node.as_ref(), own.secret.as_ref()];
        if !named.into_iter().flatten().all(Named::is_good) {
            return Err(no_claims("a name or UID that no object has"));
        }
        Ok(Self {
            account,
            account_uid: Some(own.serviceaccount.uid),
            pod: own.pod,
            node: own.node,
            secret: own.secret,
            warn_after,
        })
    }

    /// Of the user that a token review names.
    ///
    /// # Errors
    /// Clause `subject` when it is no service account's, `claims` when an object is told by halves or twice.
    pub fn of_user(user: &ReviewedUser) -> Result<Self, Box<Refusal>> {
        let account = account(&user.username)?;
        let pod = named(user, "pod")?;
        let node = named(user, "node")?;
        let account_uid = (!user.uid.is_empty()).then(|| user.uid.clone());
        Ok(Self { account, account_uid, pod, node, secret: None, warn_after: None })
    }
}

impl Named {
    /// Whether both could be an object's: short, and one word of visible ASCII.
    fn is_good(&self) -> bool {
        let good =
            |text: &str| (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        good(&self.name) && good(&self.uid)
    }
}

fn account(subject: &str) -> Result<ServiceAccount, Box<Refusal>> {
    ServiceAccount::of_subject(subject).ok_or_else(|| {
        Box::new(Refusal::new(
            "subject",
            carnet_core::safe_text(subject),
            "system:serviceaccount:NAMESPACE:NAME",
            UNAUTHORIZED,
            "show the token of a service account",
        ))
    })
}

/// `pod-name` and `pod-uid`, each a list of one.
fn named(user: &ReviewedUser, what: &str) -> Result<Option<Named>, Box<Refusal>> {
    let one = |part: &str| match user.extra.get(&format!("{EXTRA}{what}-{part}")).map(Vec::as_slice) {
        None | Some([]) => Ok(None),
        Some([value]) => Ok(Some(value.clone())),
        Some(_) => Err(no_claims("a token review that tells one thing twice")),
    };
    match (one("name")?, one("uid")?) {
        (None, None) => Ok(None),
        (Some(name), Some(uid)) => {
            let named = Named { name, uid };
            if named.is_good() { Ok(Some(named)) } else { Err(no_claims("a name or UID that no object has")) }
        }
        _ => Err(no_claims("a token review that tells a name without its UID, or a UID without its name")),
    }
}

fn no_claims(seen: &'static str) -> Box<Refusal> {
    Box::new(Refusal::new(
        "claims",
        seen,
        "the claims of a bound token: namespace, service account, and the object it is bound to",
        UNAUTHORIZED,
        "use a projected token or one of the TokenRequest API; tokens of secrets (legacy) tell nothing of this",
    ))
}

#[cfg(test)]
mod tests;
