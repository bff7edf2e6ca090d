//! From a login to its token.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr},
};

use carnet_sandbox_kit::FaultKind;
use carnet_trust::Refusal;
use carnet_vault::trust::{SYSTEM_TTL, TokenFields, status};
use http::StatusCode;
use ipnet::IpNet;
use jiff::{SignedDuration, Timestamp};

use crate::{
    access::Place,
    call::Call,
    reply::{Answer, ApiError, Reply, Secret},
    state::State,
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
    /// Without an end, a name and an entity.
    pub(super) token: Token,
}

/// The token that the fields of a role make.
pub(super) fn of_role(fields: &TokenFields, policies: BTreeSet<String>, networks: &[IpNet], now: Timestamp) -> Token {
    let batch = fields.token_type == "batch";
    let span = SignedDuration::from_secs;
    Token {
        policies,
        num_uses: fields.token_num_uses,
        ttl: fields.lifetime(),
        most: most(fields, now),
        explicit_max_ttl: span(fields.token_explicit_max_ttl),
        period: span(fields.token_period),
        renewable: !batch,
        batch,
        bound: if fields.token_strictly_bind_ip { vec![IpNet::from(PEER)] } else { networks.to_vec() },
        ..Token::root(now)
    }
}

/// The end that renewals cannot pass, counted from the login. A period has none but the explicit one.
pub(super) fn most(fields: &TokenFields, created: Timestamp) -> Option<Timestamp> {
    let span = SignedDuration::from_secs;
    longest(span(fields.token_period), span(fields.token_max_ttl), span(fields.token_explicit_max_ttl), created)
}

/// [`most`] of the spans themselves; zero is none.
pub(super) fn longest(
    period: SignedDuration,
    max: SignedDuration,
    explicit: SignedDuration,
    created: Timestamp,
) -> Option<Timestamp> {
    let usual = [max, SYSTEM_TTL].into_iter().filter(|span| span.is_positive() && !period.is_positive());
    let most = usual.chain([explicit].into_iter().filter(SignedDuration::is_positive)).min()?;
    created.saturating_add(most).ok()
}

/// Gives the token out.
///
/// # Errors
/// 403 when the entity is disabled.
pub(super) fn issue(state: &State, call: &Call, place: &Place, mount: &str, made: Made, now: Timestamp) -> Answer {
    let mut inner = state.lock();
    let namespace = inner.namespaces.get_mut(&place.namespace).ok_or_else(crate::route::no_namespace)?;
    let accessor = namespace.auths.get(mount).map(|method| method.about.accessor.clone()).unwrap_or_default();
    let entity_id = match &made.alias {
        Some((name, metadata)) => namespace.identities.log_in(state, &accessor, (name, metadata), &made.groups)?,
        None => String::new(),
    };
    let identity = namespace.identities.policies(&entity_id);
    let namespace_id = namespace.id.clone();
    let expired = state.world.faults.hits(FaultKind::Expired, state.service, &call.path);
    let ttl = if expired { SignedDuration::ZERO } else { made.token.ttl };
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
    let secret = Secret { auth: Some(token.auth(text.expose(), &identity, now)), ..Secret::default() };
    Ok(Reply::Secret(Box::new(secret)))
}

/// A refusal of the trust model on the wire: its code is the text.
pub(super) fn refused(refusal: Box<Refusal>) -> ApiError {
    let status = StatusCode::from_u16(status(&refusal)).unwrap_or(StatusCode::BAD_REQUEST);
    let text = refusal.code.clone();
    ApiError { refusal: Some(refusal), ..ApiError::new(status, [text]) }
}
