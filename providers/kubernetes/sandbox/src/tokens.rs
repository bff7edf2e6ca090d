//! Making tokens: the claims of `pkg/serviceaccount/claims.go`.

use carnet_core::{Error, Secret};
use carnet_jose::encode_jwt;
use carnet_sandbox_kit::FaultKind;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use crate::cluster::{Cluster, Kind, uuid};

/// What the kubelet asks for on behalf of every pod, in seconds (`WarnOnlyBoundTokenExpirationSeconds`), and what it gets, so
/// that programs which never read the file again go on working (`ExpirationExtensionSeconds`).
const WARN_AFTER: i64 = 60 * 60 + 7;
const EXTENDED: i64 = 365 * 24 * 60 * 60;
/// Life of a projected token unless the pod says otherwise.
const PROJECTED: i64 = 3600;

/// What a token should say.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) account: String,
    pub(crate) account_uid: String,
    pub(crate) audiences: Vec<String>,
    /// In seconds.
    pub(crate) lifetime: i64,
    /// In seconds, for a pod's own token.
    pub(crate) warn_after: Option<i64>,
    /// Name and UID.
    pub(crate) pod: Option<(String, String)>,
    /// Name and UID.
    pub(crate) node: Option<(String, String)>,
}

/// Signs a token; tells when it ends. Under the fault `expired` it has ended before it is given.
///
/// # Errors
/// When the key cannot be made.
pub(crate) fn mint(cluster: &Cluster, draft: &Draft<'_>) -> Result<(Secret, Timestamp), carnet_jose::KeyError> {
    let lifetime = SignedDuration::from_secs(draft.lifetime);
    let mut now = cluster.now();
    if cluster.world.faults.hits(FaultKind::Expired, cluster.seed.service, "") {
        let back = lifetime.saturating_add(SignedDuration::from_mins(2));
        now = now.saturating_sub(back).unwrap_or(now);
    }
    let end = now.saturating_add(lifetime).unwrap_or(now);
    let named = |(name, uid): &(String, String)| json!({ "name": name, "uid": uid });
    let mut bound = Map::from_iter([
        ("namespace".to_owned(), json!(draft.namespace)),
        ("serviceaccount".to_owned(), json!({ "name": draft.account, "uid": draft.account_uid })),
    ]);
    bound.extend(draft.pod.as_ref().map(|pod| ("pod".to_owned(), named(pod))));
    bound.extend(draft.node.as_ref().map(|node| ("node".to_owned(), named(node))));
    bound.extend(
        draft.warn_after.map(|after| ("warnafter".to_owned(), Value::from(now.as_second().saturating_add(after)))),
    );
    let claims = Map::from_iter([
        ("iss".to_owned(), json!(cluster.seed.issuer)),
        ("sub".to_owned(), json!(format!("system:serviceaccount:{}:{}", draft.namespace, draft.account))),
        ("aud".to_owned(), json!(draft.audiences)),
        ("iat".to_owned(), json!(now.as_second())),
        ("nbf".to_owned(), json!(now.as_second())),
        ("exp".to_owned(), json!(end.as_second())),
        ("jti".to_owned(), json!(uuid(&cluster.world))),
        ("kubernetes.io".to_owned(), Value::Object(bound)),
    ]);
    Ok((encode_jwt(&*cluster.key.get()?, &Map::new(), &claims)?, end))
}

/// What the kubelet writes into a pod. Without an audience, the pod's own token.
///
/// # Errors
/// When there is no such pod, or the key cannot be made.
pub(crate) fn projected(
    cluster: &Cluster,
    namespace: &str,
    pod: &str,
    audience: Option<&str>,
) -> Result<Secret, Error> {
    let missing = || Error::configuration("project a token: there is no such pod");
    let draft = {
        let objects = cluster.objects();
        let object = objects.get(Kind::Pod, namespace, pod).ok_or_else(missing)?;
        let account = object.pointer("/spec/serviceAccountName").and_then(Value::as_str).unwrap_or("default");
        let node = object.pointer("/spec/nodeName").and_then(Value::as_str);
        Draft {
            namespace,
            account: account.to_owned(),
            account_uid: objects.uid(Kind::ServiceAccount, namespace, account).ok_or_else(missing)?,
            audiences: vec![audience.unwrap_or(cluster.seed.issuer).to_owned()],
            lifetime: if audience.is_some() { PROJECTED } else { EXTENDED },
            warn_after: audience.is_none().then_some(WARN_AFTER),
            pod: objects.uid(Kind::Pod, namespace, pod).map(|uid| (pod.to_owned(), uid)),
            node: node.and_then(|node| Some((node.to_owned(), objects.uid(Kind::Node, "", node)?))),
        }
    };
    Ok(mint(cluster, &draft)?.0)
}
