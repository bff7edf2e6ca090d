//! `auth/MOUNT/login`: who a JWT is, and the token for it.

use std::collections::BTreeMap;

use carnet_core::Secret as Text;
use carnet_jose::KeySet;
use carnet_trust::Refusal;
use carnet_vault::trust::{CheckedConfig, Question, role_name};

use super::issue::{Made, PEER, issue, of_role, refused};
use crate::{
    access::Place,
    call::Call,
    reply::{Answer, ApiError},
    state::{AuthMount, JwtMethod, State},
};

/// `POST auth/MOUNT/login`.
pub(super) async fn login(state: &State, call: &Call, place: &Place, mount: &str) -> Answer {
    let now = state.now();
    let asked = asked(state, call, place, mount, |method| &method.roles).map_err(refused)?;
    let token = Text::new(call.text("jwt"));
    let question = Question {
        config: asked.config.as_ref(),
        role_name: &asked.name,
        role: asked.role.as_ref(),
        token: &token,
        peer: Some(PEER),
        now,
    };
    let admitted = question.admit().map_err(refused)?;
    let issuer = (admitted.config(), admitted.unverified_kid());
    let login = with_keys(state, issuer, |keys| admitted.decide(keys)).await?;
    state.world.decisions.allowed(state.service, &login.grant);
    let role = admitted.role();
    let mut token = of_role(&role.role().token, login.policies, role.networks(), now);
    token.meta.clone_from(&login.identity.metadata);
    let made = Made {
        display_name: login.identity.alias.clone(),
        alias: Some((login.identity.alias, login.identity.metadata)),
        groups: login.identity.groups,
        role: (role.name().to_owned(), false),
        certificate: None,
        token,
    };
    issue(state, call, place, mount, made, now)
}

/// What a login at a mount is decided by: its configuration, the name of the role that is meant, and the role.
pub(super) struct Asked<R> {
    pub(super) config: Option<CheckedConfig>,
    pub(super) name: String,
    pub(super) role: Option<R>,
}

/// Looks up what a login means, among these roles of the method.
///
/// # Errors
/// As [`role_name`].
pub(super) fn asked<R: Clone>(
    state: &State,
    call: &Call,
    place: &Place,
    mount: &str,
    roles: fn(&JwtMethod) -> &BTreeMap<String, R>,
) -> Result<Asked<R>, Box<Refusal>> {
    let inner = state.lock();
    let method = inner.namespaces.get(&place.namespace).and_then(|namespace| namespace.auths.get(mount));
    let method = method.and_then(AuthMount::jwt);
    let config = method.and_then(|method| method.config.clone());
    let name = role_name(config.as_ref(), call.text("role"))?;
    let role = method.and_then(|method| roles(method).get(&name)).cloned();
    Ok(Asked { config, name, role })
}

/// Decides with the keys of the issuer; a refusal for want of them says why they could not be fetched.
///
/// # Errors
/// The refusal.
pub(super) async fn with_keys<L>(
    state: &State,
    (config, kid): (&CheckedConfig, Option<&str>),
    decide: impl FnOnce(Option<&KeySet>) -> Result<L, Box<Refusal>>,
) -> Result<L, ApiError> {
    let login = match state.issuers.keys(config, kid).await {
        Ok(keys) => decide(keys.as_deref()),
        Err(error) => decide(None).map_err(|mut refusal| {
            refusal.seen = format!("{}: {}", refusal.seen, carnet_core::chain(&error).join(": "));
            refusal
        }),
    };
    login.map_err(refused)
}
