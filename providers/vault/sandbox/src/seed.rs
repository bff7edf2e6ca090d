//! What is there when the sandbox starts.

use carnet_core::Secret;
use carnet_vault::trust::{CheckedConfig, CheckedRole, MethodConfig, Role};
use serde_json::{Value, json};

use crate::{
    kv::Kv,
    policy::parse_policy,
    state::{PolicyEntry, State},
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
/// The secret that the role may read, below `secret/`, and the neighbour's.
pub const SECRETS: [&str; 2] = ["app/db", "neighbour/db"];
/// The policy [`ROLE`].
pub const POLICY: &str = r#"path "secret/data/app/*" { capabilities = ["read"] }
path "secret/metadata/app/*" { capabilities = ["read", "list"] }
"#;

/// Fills a new server: open, KV v2 at `secret/`, JWT at `auth/jwt`.
pub(crate) fn fill(state: &State) {
    let now = state.now();
    let mut inner = state.lock();
    inner.seal = Seal::development(state.world.random_hex::<33>());
    inner.tokens.insert(&state.world, &Secret::new(ROOT_TOKEN), Token::root(now));
    let Some(root) = inner.namespaces.get_mut("") else { return };
    // A test shows that each of these is accepted; what is not would simply be missing.
    drop(sys::enable_secrets(state, root, "secret/", "2", "key/value secret storage"));
    drop(sys::enable_auth(state, root, "jwt/", "jwt", ""));
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
    let Some(method) = root.auths.get_mut("jwt/") else { return };
    let config = MethodConfig {
        oidc_discovery_url: GITHUB_ISSUER.to_owned(),
        bound_issuer: GITHUB_ISSUER.to_owned(),
        ..MethodConfig::default()
    };
    method.config = CheckedConfig::new(config).ok();
    let role = Role {
        role_type: "jwt".to_owned(),
        bound_audiences: vec![AUDIENCE.to_owned()],
        bound_claims: [("repository".to_owned(), Value::from(REPOSITORY))].into(),
        user_claim: "sub".to_owned(),
        token_policies: vec![ROLE.to_owned()],
        token_ttl: 3600,
        ..Role::default()
    };
    if let Ok(role) = CheckedRole::new(ROLE, role) {
        method.roles.insert(ROLE.to_owned(), role);
    }
}
