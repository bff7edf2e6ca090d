//! From a login to its token.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr},
};

use carnet_sandbox_kit::FaultKind;
use carnet_trust::Refusal;
use carnet_vault::trust::{TokenFields, status};
use http::StatusCode;
use ipnet::IpNet;
use jiff::{SignedDuration, Timestamp};

use super::lifetime::Spans;
use crate::{
    access::Place,
    call::Call,
    reply::{Answer, ApiError, Reply, Secret},
    state::{About, State},
    tokens::{Origin, Token},
};

/// Where all callers of a sandbox are.
pub(crate) const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// What a login has made, whatever the method.
pub(super) struct Made {
    /// The end of the token's name.
    pub(super) display_name: String,
    /// Name and metadata of who it is; without one the token is of no entity.
    pub(super) alias: Option<(String, BTreeMap<String, String>)>,
    /// Names of external groups.
    pub(super) groups: Vec<String>,
    /// The role, and whether it is a program.
    pub(super) role: (String, bool),
    /// Whose certificate it was, for logins that have one.
    pub(super) certificate: Option<[u8; 32]>,
    /// With the life that is asked for, without an end, a name and an entity.
    pub(super) token: Token,
}

/// The token that the fields of a role make, with the life that the role asks for.
pub(super) fn of_role(fields: &TokenFields, policies: BTreeSet<String>, networks: &[IpNet], now: Timestamp) -> Token {
    let batch = fields.token_type == "batch";
    let spans = Spans::of_role(fields);
    Token {
        policies,
        num_uses: fields.token_num_uses,
        ttl: spans.ttl,
        max_ttl: spans.max,
        explicit_max_ttl: spans.explicit,
        period: spans.period,
        renewable: !batch,
        batch,
        bound: if fields.token_strictly_bind_ip { vec![IpNet::from(PEER)] } else { networks.to_vec() },
        ..Token::root(now)
    }
}

/// Gives the token out.
///
/// # Errors
/// 403 when the entity is disabled.
pub(super) fn issue(state: &State, call: &Call, place: &Place, mount: &str, made: Made, now: Timestamp) -> Answer {
    let mut inner = state.lock();
    let namespace = inner.namespaces.get_mut(&place.namespace).ok_or_else(crate::route::no_namespace)?;
    let about = namespace.auths.get(mount).map(|method| method.about.clone());
    let About { accessor, tuning, .. } = about.ok_or_else(|| ApiError::no_route(&place.path))?;
    let entity_id = match &made.alias {
        Some((name, metadata)) => namespace.identities.log_in(state, &accessor, (name, metadata), &made.groups)?,
        None => String::new(),
    };
    let identity = namespace.identities.policies(&entity_id);
    let namespace_id = namespace.id.clone();
    let expired = state.world.faults.hits(FaultKind::Expired, state.service, &call.path);
    let life = Spans::of_token(&made.token).life(&tuning, now, now);
    let ttl = if expired { SignedDuration::ZERO } else { life.ttl };
    let (role, program) = made.role;
    let token = Token {
        path: format!("auth/{mount}login"),
        display_name: format!("{}-{}", mount.trim_end_matches('/').replace('/', "-"), made.display_name),
        ttl,
        expires: Some(now.saturating_add(ttl).unwrap_or(now)),
        entity_id,
        namespace: place.namespace.clone(),
        namespace_id,
        origin: Some(Origin { mount: mount.to_owned(), role, program, certificate: made.certificate }),
        ..made.token
    };
    let (text, token) = inner.tokens.issue(&state.world, token);
    let auth = Some(token.auth(text.expose(), &identity, now));
    let secret = Secret { auth, warnings: life.warning.into_iter().collect(), ..Secret::default() };
    Ok(Reply::Secret(Box::new(secret)))
}

/// A refusal of the trust model on the wire: its code is the text.
pub(super) fn refused(refusal: Box<Refusal>) -> ApiError {
    let status = StatusCode::from_u16(status(&refusal)).unwrap_or(StatusCode::BAD_REQUEST);
    let text = refusal.code.clone();
    ApiError { refusal: Some(refusal), ..ApiError::new(status, [text]) }
}
