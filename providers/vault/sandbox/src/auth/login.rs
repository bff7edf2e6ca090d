//! The login with a JWT: what decides is `carnet_vault::trust`, what comes of it is made here.

use std::net::{IpAddr, Ipv4Addr};

use carnet_core::Secret as Text;
use carnet_sandbox_kit::FaultKind;
use carnet_trust::Refusal;
use carnet_vault::trust::{CheckedConfig, CheckedRole, Login, Question, SYSTEM_TTL, role_name, status};
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};

use crate::{
    access::Place,
    call::Call,
    policy::{Alias, Entity},
    reply::{Answer, ApiError, Reply, Secret},
    state::{MAX_ENTRIES, Namespace, State},
    tokens::Token,
};

/// Where all callers of a sandbox are.
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// `POST auth/MOUNT/login`.
pub(crate) async fn login(state: &State, call: &Call, place: &Place, mount: &str) -> Answer {
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
    let role = admitted.role().clone();
    let decided = match &keys {
        Ok(keys) => admitted.decide(keys.as_deref()),
        Err(error) => admitted.decide(None).map_err(|mut refusal| {
            refusal.seen = format!("{}: {}", refusal.seen, carnet_core::chain(error).join(": "));
            refusal
        }),
    };
    let decided = decided.map_err(refused)?;
    state.world.decisions.allowed(state.service, &decided.grant);
    issue(state, call, place, mount, &role, decided, now)
}

type Asked = (Option<CheckedConfig>, String, Option<CheckedRole>);

fn asked(state: &State, call: &Call, place: &Place, mount: &str) -> Result<Asked, Box<Refusal>> {
    let inner = state.lock();
    let method = inner.namespaces.get(&place.namespace).and_then(|namespace| namespace.auths.get(mount));
    let config = method.and_then(|method| method.config.clone());
    let name = role_name(config.as_ref(), call.text("role"))?;
    let role = method.and_then(|method| method.roles.get(&name)).cloned();
    Ok((config, name, role))
}

fn issue(
    state: &State,
    call: &Call,
    place: &Place,
    mount: &str,
    role: &CheckedRole,
    login: Login,
    now: Timestamp,
) -> Answer {
    let mut inner = state.lock();
    let namespace = inner.namespaces.get_mut(&place.namespace).ok_or_else(crate::route::no_namespace)?;
    let accessor = namespace.auths.get(mount).map(|method| method.about.accessor.clone()).unwrap_or_default();
    let entity_id = entity(state, namespace, &accessor, &login)?;
    let expired = state.world.faults.hits(FaultKind::Expired, state.service, &call.path);
    let ttl = if expired { SignedDuration::ZERO } else { role.lifetime() };
    let fields = role.role();
    let batch = fields.token_type == "batch";
    let (text, token) = inner.tokens.issue(
        &state.world,
        Token {
            policies: role.policies(),
            path: format!("auth/{mount}login"),
            display_name: format!("{}-{}", mount.trim_end_matches('/').replace('/', "-"), login.identity.alias),
            meta: login.identity.metadata,
            num_uses: fields.token_num_uses,
            ttl,
            expires: Some(now.saturating_add(ttl).unwrap_or(now)),
            most: most(role, now),
            explicit_max_ttl: SignedDuration::from_secs(fields.token_explicit_max_ttl),
            period: SignedDuration::from_secs(fields.token_period),
            renewable: !batch,
            batch,
            entity_id,
            namespace: place.namespace.clone(),
            role: Some((mount.to_owned(), role.name().to_owned())),
            ..Token::root(now)
        },
    );
    let secret = Secret { auth: Some(token.auth(text.expose(), now)), ..Secret::default() };
    Ok(Reply::Secret(Box::new(secret)))
}

/// The end that renewals cannot pass, counted from the login. A period has none but the explicit one.
pub(super) fn most(role: &CheckedRole, created: Timestamp) -> Option<Timestamp> {
    let fields = role.role();
    let given = |seconds: i64| (seconds > 0).then(|| SignedDuration::from_secs(seconds));
    let usual = if fields.token_period > 0 { None } else { Some(given(fields.token_max_ttl).unwrap_or(SYSTEM_TTL)) };
    let most = [usual.map(|most| most.min(SYSTEM_TTL)), given(fields.token_explicit_max_ttl)];
    created.saturating_add(most.into_iter().flatten().min()?).ok()
}

/// The entity of this alias, made at its first login. The role is no part of it.
fn entity(state: &State, namespace: &mut Namespace, accessor: &str, login: &Login) -> Result<String, ApiError> {
    let identity = &login.identity;
    let known = namespace.entities.values_mut().find_map(|entity| {
        let alias = entity.aliases.get_mut(accessor).filter(|alias| alias.name == identity.alias)?;
        alias.metadata.clone_from(&identity.metadata);
        Some(entity.id.clone())
    });
    if let Some(id) = known {
        return Ok(id);
    }
    if namespace.entities.len() >= MAX_ENTRIES {
        return Err(ApiError::bad(format!("the sandbox holds at most {MAX_ENTRIES} entities in a namespace")));
    }
    let id = state.uuid();
    let alias = Alias { id: state.uuid(), name: identity.alias.clone(), metadata: identity.metadata.clone() };
    let name = format!("entity_{}", state.world.random_hex::<4>());
    let entity = Entity { id: id.clone(), name, aliases: [(accessor.to_owned(), alias)].into(), ..Entity::default() };
    namespace.entities.insert(id.clone(), entity);
    Ok(id)
}

/// A refusal of the trust model on the wire: its code is the text.
fn refused(refusal: Box<Refusal>) -> ApiError {
    let status = StatusCode::from_u16(status(&refusal)).unwrap_or(StatusCode::BAD_REQUEST);
    let text = refusal.code.clone();
    ApiError { refusal: Some(refusal), ..ApiError::new(status, [text]) }
}
