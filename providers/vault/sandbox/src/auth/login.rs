//! `auth/MOUNT/login`: who a JWT is, and the token for it.

use carnet_core::Secret as Text;
use carnet_trust::Refusal;
use carnet_vault::trust::{CheckedConfig, CheckedRole, Question, role_name};

use super::issue::{Made, PEER, issue, of_role, refused};
use crate::{
    access::Place,
    call::Call,
    reply::Answer,
    state::{AuthMount, State},
};

/// `POST auth/MOUNT/login`.
pub(super) async fn login(state: &State, call: &Call, place: &Place, mount: &str) -> Answer {
    let now = state.now();
    let (config, name, role) = asked(state, call, place, mount).map_err(refused)?;
    let token = Text::new(call.text("jwt"));
    let question = Question {
        config: config.as_ref(),
        role_name: &name,
        role: role.as_ref(),
        token: &token,
        peer: Some(PEER),
        now,
    };
    let admitted = question.admit().map_err(refused)?;
    let keys = state.issuers.keys(admitted.config(), admitted.unverified_kid()).await;
    let login = match &keys {
        Ok(keys) => admitted.decide(keys.as_deref()),
        Err(error) => admitted.decide(None).map_err(|refusal| unreachable(refusal, error)),
    };
    let login = login.map_err(refused)?;
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

/// Says in a refusal for want of keys why they could not be fetched.
pub(super) fn unreachable(mut refusal: Box<Refusal>, error: &carnet_core::Error) -> Box<Refusal> {
    refusal.seen = format!("{}: {}", refusal.seen, carnet_core::chain(error).join(": "));
    refusal
}

type Asked = (Option<CheckedConfig>, String, Option<CheckedRole>);

fn asked(state: &State, call: &Call, place: &Place, mount: &str) -> Result<Asked, Box<Refusal>> {
    let inner = state.lock();
    let method = inner.namespaces.get(&place.namespace).and_then(|namespace| namespace.auths.get(mount));
    let method = method.and_then(AuthMount::jwt);
    let config = method.and_then(|method| method.config.clone());
    let name = role_name(config.as_ref(), call.text("role"))?;
    let role = method.and_then(|method| method.roles.get(&name)).cloned();
    Ok((config, name, role))
}
