//! The method `kubernetes`: tokens of service accounts ("Kubernetes auth method (API)").
//!
//! Where the mount has keys (`pem_keys`) they decide alone; the product asks the cluster as well, which the sandbox does not have.
//! Without keys the cluster at `kubernetes_host` is asked (`TokenReview`), as the product does.

mod review;

use std::collections::BTreeMap;

use carnet_core::Secret;
use carnet_jose::{Claims, SubjectToken};
use carnet_trust::{Glob, Grant, Refusal};
use carnet_vault::trust::{self, CheckedConfig, CheckedRole, MethodConfig, Question, TokenFields};
use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    issue::{Made, PEER, issue, of_role},
    jwt::{fields, from_fields, invalid},
    roles::{self, Role},
};
use crate::{
    access::Place,
    call::Call,
    fields::names,
    policy::Operation,
    reply::{Answer, ApiError, Data, Reply},
    route::no_namespace,
    state::{Method, State},
};

/// What a method of a cluster knows.
#[derive(Clone, Debug, Default)]
pub(crate) struct KubernetesMethod {
    config: Option<Config>,
    roles: BTreeMap<String, KubernetesRole>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Config {
    kubernetes_host: String,
    kubernetes_ca_cert: String,
    pem_keys: Vec<String>,
    issuer: String,
    disable_iss_validation: Option<bool>,
    disable_local_ca_jwt: bool,
    /// With which the cluster is asked; without it with the token that logs in.
    #[serde(skip_serializing)]
    token_reviewer_jwt: Option<Secret>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct KubernetesRole {
    bound_service_account_names: Vec<String>,
    bound_service_account_namespaces: Vec<String>,
    /// Needs the cluster, so only an empty one is taken.
    bound_service_account_namespace_selector: String,
    audience: String,
    alias_name_source: String,
    #[serde(flatten)]
    token: TokenFields,
}

impl Role for KubernetesRole {
    const LISTS: &'static [&'static str] = &["bound_service_account_names", "bound_service_account_namespaces"];

    fn check(&self) -> Result<(), ApiError> {
        if !self.bound_service_account_namespace_selector.is_empty() {
            return Err(ApiError::bad("the sandbox does not look at labels of namespaces"));
        }
        for (field, list) in [
            ("bound_service_account_names", &self.bound_service_account_names),
            ("bound_service_account_namespaces", &self.bound_service_account_namespaces),
        ] {
            if list.is_empty() {
                return Err(ApiError::bad(format!("{field:?} can not be empty")));
            }
            if list.len() > 1 && list.iter().any(|name| name == "*") {
                return Err(ApiError::bad("can not mix \"*\" with values"));
            }
        }
        if !matches!(self.alias_name_source.as_str(), "" | "serviceaccount_uid" | "serviceaccount_name") {
            let sources = "serviceaccount_uid, serviceaccount_name";
            let text = format!("invalid alias_name_source {:?}, must be one of: {sources}", self.alias_name_source);
            return Err(ApiError::bad(text));
        }
        self.token.check().map(drop).map_err(|mistake| invalid(&mistake))
    }

    fn token(&self) -> &TokenFields {
        &self.token
    }
}

/// Who a token says that it is of.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Account {
    namespace: String,
    name: String,
    uid: String,
}

impl Account {
    /// From the claims of a token for a time, or of one that a secret holds.
    fn of(claims: &Claims) -> Option<Self> {
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(ToOwned::to_owned);
        let old = |name: &str| text(claims.get(&format!("kubernetes.io/serviceaccount/{name}")));
        let Some(about) = claims.get("kubernetes.io") else {
            let (name, uid) = (old("service-account.name")?, old("service-account.uid")?);
            return Some(Self { namespace: old("namespace")?, name, uid });
        };
        let account = about.get("serviceaccount")?;
        let (name, uid) = (text(account.get("name"))?, text(account.get("uid"))?);
        Some(Self { namespace: text(about.get("namespace"))?, name, uid })
    }

    /// Its name in the cluster, which is the `sub` of its tokens.
    fn user(&self) -> String {
        format!("system:serviceaccount:{}:{}", self.namespace, self.name)
    }
}

impl KubernetesMethod {
    /// One that asks the cluster at `host` with this token, with one role: its name, whose account may log in (namespace and
    /// name), for which audience, and what it gets.
    pub(crate) fn reviewed_by(
        host: &str,
        reviewer: &str,
        (name, (namespace, account), audience, token): (&str, (&str, &str), &str, TokenFields),
    ) -> Self {
        let config = Config {
            kubernetes_host: host.to_owned(),
            token_reviewer_jwt: Some(Secret::new(reviewer)),
            ..Config::default()
        };
        let role = KubernetesRole {
            bound_service_account_names: vec![account.to_owned()],
            bound_service_account_namespaces: vec![namespace.to_owned()],
            audience: audience.to_owned(),
            token,
            ..KubernetesRole::default()
        };
        Self { config: Some(config), roles: [(name.to_owned(), role)].into() }
    }

    /// Whether there is a role of this name, in lower case.
    pub(crate) fn has_role(&self, name: &str) -> bool {
        self.roles.contains_key(name)
    }

    /// What tokens of a role become.
    pub(crate) fn token_fields(&self, role: &str) -> Option<&TokenFields> {
        Some(self.roles.get(role)?.token())
    }
}

impl Config {
    /// Whether a token is signed by a key of the mount, and valid now.
    fn verify(
        &self,
        role: &KubernetesRole,
        token: &Secret,
        account: &Account,
        now: Timestamp,
    ) -> Result<(), Box<Refusal>> {
        let no = |text: &str| {
            let fix = "correct `pem_keys` of the mount";
            Box::new(Refusal::new("keys", "keys that are none", "public keys in PEM", text, fix))
        };
        let compares = self.disable_iss_validation == Some(false);
        let config = MethodConfig {
            jwt_validation_pubkeys: self.pem_keys.clone(),
            bound_issuer: if compares { self.issuer.clone() } else { String::new() },
            ..MethodConfig::default()
        };
        let config = CheckedConfig::new(config).map_err(|mistake| no(&mistake.message))?;
        let parsed = SubjectToken::parse(token.clone()).map_err(|_malformed| no("missing token"))?;
        // Without an audience in the role none is compared.
        let shown = parsed.unverified_claims().audiences().into_iter().map(ToOwned::to_owned).collect();
        let checks = trust::Role {
            role_type: "jwt".to_owned(),
            bound_audiences: if role.audience.is_empty() { shown } else { vec![role.audience.clone()] },
            bound_subject: account.user(),
            user_claim: "sub".to_owned(),
            ..trust::Role::default()
        };
        let checks = CheckedRole::new("kubernetes", checks).map_err(|mistake| no(&mistake.message))?;
        let question = Question {
            config: Some(&config),
            role_name: "kubernetes",
            role: Some(&checks),
            token,
            peer: Some(PEER),
            now,
        };
        question.admit()?.decide(None).map(drop)
    }
}

/// `POST auth/MOUNT/login`.
pub(super) async fn login(state: &State, call: &Call, place: &Place, mount: &str) -> Answer {
    let now = state.now();
    let KubernetesMethod { config, roles } = method(state, place, mount)?;
    let name = call.text("role").to_ascii_lowercase();
    if name.is_empty() {
        return Err(ApiError::bad("missing role"));
    }
    let token = Secret::new(call.text("jwt"));
    if token.is_empty() {
        return Err(ApiError::bad("missing jwt"));
    }
    let role = roles.get(&name).ok_or_else(|| ApiError::bad(format!("invalid role name {name:?}")))?;
    let config = config.ok_or_else(|| ApiError::bad("could not load backend configuration"))?;
    let networks = role.token.check().map_err(|mistake| invalid(&mistake))?;
    if !networks.is_empty() && !networks.iter().any(|network| network.contains(&PEER)) {
        let fix = "log in from one of `token_bound_cidrs` of the role";
        let refusal = Refusal::new("address", PEER.to_string(), "another network", "permission denied", fix);
        return Err(denied(Box::new(refusal)));
    }
    let account = SubjectToken::parse(token.clone()).ok().and_then(|token| Account::of(token.unverified_claims()));
    let account = account.ok_or_else(|| {
        let fix = "send the token of a service account";
        denied(Box::new(Refusal::new("form", "another token", "a service account's", "permission denied", fix)))
    })?;
    bound(role, &account).map_err(denied)?;
    if config.pem_keys.is_empty() {
        review::ask(&*state.world.http, &config, &role.audience, &token, &account).await.map_err(denied)?;
    } else {
        config.verify(role, &token, &account, now).map_err(denied)?;
    }
    let metadata: BTreeMap<String, String> = [
        ("role", name.clone()),
        ("service_account_name", account.name.clone()),
        ("service_account_namespace", account.namespace.clone()),
        ("service_account_secret_name", String::new()),
        ("service_account_uid", account.uid.clone()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    let grant = Grant {
        principal: account.user(),
        lifetime: Some(role.token.lifetime()),
        attributes: metadata.clone(),
        held: vec!["role", "address", "form", "subject", "token-review"],
        warnings: Vec::new(),
    };
    state.world.decisions.allowed(state.service, &grant);
    let mut made = of_role(&role.token, role.token.policies(), &networks, now);
    made.meta.clone_from(&metadata);
    let by_name = role.alias_name_source == "serviceaccount_name";
    let alias = if by_name { format!("{}/{}", account.namespace, account.name) } else { account.uid };
    let made = Made {
        display_name: format!("{}-{}", account.namespace, account.name),
        alias: Some((alias, metadata)),
        groups: Vec::new(),
        role: (name, false),
        certificate: None,
        token: made,
    };
    issue(state, call, place, mount, made, now)
}

/// Whether a role takes this account. A name may be a pattern.
fn bound(role: &KubernetesRole, account: &Account) -> Result<(), Box<Refusal>> {
    let any = |patterns: &[String], name: &str| patterns.iter().any(|pattern| Glob::new(pattern).matches(name));
    let (names, namespaces) = (&role.bound_service_account_names, &role.bound_service_account_namespaces);
    if !any(namespaces, &account.namespace) {
        let fix = "add it to `bound_service_account_namespaces` of the role";
        let text = "namespace not authorized";
        return Err(Box::new(Refusal::new("subject", account.namespace.as_str(), namespaces.join(", "), text, fix)));
    }
    if !any(names, &account.name) {
        let fix = "add it to `bound_service_account_names` of the role";
        let text = "service account name not authorized";
        return Err(Box::new(Refusal::new("subject", account.name.as_str(), names.join(", "), text, fix)));
    }
    Ok(())
}

/// 403 with the text of the refusal.
fn denied(refusal: Box<Refusal>) -> ApiError {
    let error = ApiError::new(StatusCode::FORBIDDEN, [refusal.code.clone()]);
    ApiError { refusal: Some(refusal), ..error }
}

fn method(state: &State, place: &Place, mount: &str) -> Result<KubernetesMethod, ApiError> {
    let inner = state.lock();
    let namespace = inner.namespaces.get(&place.namespace).ok_or_else(no_namespace)?;
    match namespace.auths.get(mount).map(|mount| &mount.method) {
        Some(Method::Kubernetes(method)) => Ok((**method).clone()),
        _ => Err(ApiError::no_route(&place.path)),
    }
}

/// Answers the rest of a method's paths.
pub(super) fn answer(state: &State, call: &Call, place: &Place, mount: &str, rest: &str) -> Answer {
    let mut inner = state.lock();
    let namespace = inner.namespaces.get_mut(&place.namespace).ok_or_else(no_namespace)?;
    let Some(Method::Kubernetes(method)) = namespace.auths.get_mut(mount).map(|mount| &mut mount.method) else {
        return Err(ApiError::no_route(&place.path));
    };
    match (rest, place.operation) {
        ("config", Operation::Read) => {
            let config = method.config.as_ref().ok_or_else(ApiError::nothing)?;
            let Data(mut shown) = fields(config);
            shown.insert("token_reviewer_jwt_set".to_owned(), config.token_reviewer_jwt.is_some().into());
            Data(shown).answer()
        }
        ("config", Operation::Create | Operation::Update) => {
            method.config = Some(configured(&call.body)?);
            Ok(Reply::Nothing)
        }
        _ => match rest.strip_prefix("role/") {
            Some(name) => roles::answer(&mut method.roles, call, place.operation, name),
            None => Err(ApiError::no_path()),
        },
    }
}

/// A write replaces the whole configuration.
fn configured(body: &Map<String, Value>) -> Result<Config, ApiError> {
    let mut body = body.clone();
    let keys = names(&body, "pem_keys")?;
    body.insert("pem_keys".to_owned(), keys.into());
    let config: Config = from_fields(body)?;
    if config.kubernetes_host.is_empty() {
        return Err(ApiError::bad("no host provided"));
    }
    if !config.pem_keys.is_empty() {
        let keys = MethodConfig { jwt_validation_pubkeys: config.pem_keys.clone(), ..MethodConfig::default() };
        CheckedConfig::new(keys).map_err(|mistake| invalid(&mistake))?;
    }
    Ok(config)
}
