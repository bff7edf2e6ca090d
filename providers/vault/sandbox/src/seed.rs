//! What is there when the sandbox starts.

use carnet_core::Secret;
use carnet_vault::trust::{CheckedConfig, CheckedRole, MethodConfig, Role, TokenFields};
use serde_json::{Value, json};

use crate::{
    auth::KubernetesMethod,
    kv::Kv,
    policy::parse_policy,
    state::{AuthMount, Method, PolicyEntry, State},
    sys::{self, Seal},
    tokens::Token,
};

/// The root token of the development server.
pub const ROOT_TOKEN: &str = "hvs.carnet-sandbox-root";
/// The issuer whose tokens the method `auth/jwt` takes.
pub const GITHUB_ISSUER: &str = "https://token.actions.githubusercontent.com";
/// The role of the method, and the name of its policy.
pub const ROLE: &str = "app";
/// What a token's `aud` must be.
pub const AUDIENCE: &str = "vault";
/// The repository whose jobs log in.
pub const REPOSITORY: &str = "carnet-sandbox/app";
/// The mount, below `auth/`, whose method takes JWT-SVIDs. It has a role [`ROLE`], too.
pub const SVID_MOUNT: &str = "spiffe";
/// Their issuer: an authority of the sandbox's owner, as `carnet demo` has one. Nobody answers there otherwise.
pub const SVID_ISSUER: &str = "https://authority.demo.test";
/// The workload that logs in by its JWT-SVID.
pub const WORKLOAD: &str = "spiffe://demo.test/app";
/// The mount, below `auth/`, whose method takes tokens of the service accounts of [`KUBERNETES_HOST`]. It has a role [`ROLE`], too.
pub const POD_MOUNT: &str = "pods";
/// The API server that reviews them: that of the emulated cluster `prod`.
pub const KUBERNETES_HOST: &str = "https://prod.kubernetes.carnet-sandbox.example";
/// Bearer token that may create reviews there.
pub const KUBERNETES_REVIEWER: &str = "carnet-sandbox-prod-reviewer";
/// Namespace and name of the service account that logs in.
pub const SERVICE_ACCOUNT: (&str, &str) = ("example", "admin");
/// The mount, below `auth/`, whose method takes tokens of an AWS account. It has a role [`ROLE`], too.
pub const AWS_MOUNT: &str = "aws-web-identity";
/// Their issuer.
pub const AWS_ISSUER: &str = "https://5f2dca12-e700-4000-8000-000000000001.tokens.sts.global.api.aws";
/// The role of the account that logs in.
pub const AWS_ROLE: &str = "arn:aws:iam::123456789012:role/carnet/machine";
/// The secret that the role may read, below `secret/`, and the neighbour's.
pub const SECRETS: [&str; 2] = ["app/db", "neighbour/db"];
/// The policy [`ROLE`].
pub const POLICY: &str = r#"path "secret/data/app/*" { capabilities = ["read"] }
path "secret/metadata/app/*" { capabilities = ["read", "list"] }
"#;

/// Fills a new server: open, KV v2 at `secret/`, JWT at `auth/jwt`, and for SVIDs and AWS at mounts of their own, Kubernetes at
/// `auth/pods`.
pub(crate) fn fill(state: &State) {
    let now = state.now();
    let mut inner = state.lock();
    inner.seal = Seal::development(state.world.random_hex::<33>());
    inner.tokens.insert(&state.world, &Secret::new(ROOT_TOKEN), Token::root(now));
    let Some(root) = inner.namespaces.get_mut("") else { return };
    // A test shows that each of these is accepted; what is not would simply be missing.
    drop(sys::enable_secrets(state, root, "secret/", "2", "key/value secret storage"));
    drop(sys::enable_auth(state, root, "jwt/", "jwt", ""));
    for mount in [SVID_MOUNT, AWS_MOUNT] {
        drop(sys::enable_auth(state, root, &format!("{mount}/"), "jwt", ""));
    }
    let pods = format!("{POD_MOUNT}/");
    drop(sys::enable_auth(state, root, &pods, "kubernetes", ""));
    if let Some(mount) = root.auths.get_mut(&pods) {
        mount.method = Method::Kubernetes(Box::new(KubernetesMethod::reviewed_by(
            KUBERNETES_HOST,
            KUBERNETES_REVIEWER,
            (ROLE, SERVICE_ACCOUNT, AUDIENCE, role().token),
        )));
    }
    if let Ok(policy) = parse_policy(POLICY) {
        root.policies.insert(ROLE.to_owned(), PolicyEntry { text: POLICY.to_owned(), policy });
    }
    if let Some(mount) = root.mounts.get_mut("secret/")
        && let Kv::Two(engine) = &mut mount.kv
    {
        for path in SECRETS {
            let data = json!({ "username": path, "password": "sandbox" });
            let _ = engine.write(path, data.as_object().cloned().unwrap_or_default(), None, now);
        }
    }
    let jobs = Role { bound_claims: [("repository".to_owned(), Value::from(REPOSITORY))].into(), ..role() };
    let workload = Role { bound_subject: WORKLOAD.to_owned(), ..role() };
    let machine = Role { bound_subject: AWS_ROLE.to_owned(), ..role() };
    let trusts = [("jwt", GITHUB_ISSUER, jobs), (SVID_MOUNT, SVID_ISSUER, workload), (AWS_MOUNT, AWS_ISSUER, machine)];
    for (mount, issuer, role) in trusts {
        let Some(method) = root.auths.get_mut(&format!("{mount}/")).and_then(AuthMount::jwt_mut) else { continue };
        let config = MethodConfig {
            oidc_discovery_url: issuer.to_owned(),
            bound_issuer: issuer.to_owned(),
            ..MethodConfig::default()
        };
        method.config = CheckedConfig::new(config).ok();
        if let Ok(role) = CheckedRole::new(ROLE, role) {
            method.roles.insert(ROLE.to_owned(), role);
        }
    }
}

/// What the role is to everybody who logs in.
fn role() -> Role {
    Role {
        role_type: "jwt".to_owned(),
        bound_audiences: vec![AUDIENCE.to_owned()],
        user_claim: "sub".to_owned(),
        token: TokenFields { token_policies: vec![ROLE.to_owned()], token_ttl: 3600, ..TokenFields::default() },
        ..Role::default()
    }
}
