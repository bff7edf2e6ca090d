//! Who may use the admin API.

mod refusals;
mod token;

use std::sync::Arc;

use axum::{
    extract::{ConnectInfo, FromRequestParts, MatchedPath, Request, State},
    http::{HeaderValue, StatusCode, header, request::Parts},
    middleware::Next,
    response::Response,
};
use carnet_core::{Secret, safe_text};
use carnet_entries::{By, Filter, MAX_PAGE};
use carnet_net::{Peer, PeerCertificates};
use carnet_spiffe::{BundleMap, SpiffeId, verify_x509_svid};
use carnet_store::{AuditRecord, Outcome};
use jiff::Timestamp;
use serde_json::json;

pub(crate) use refusals::Refusals;

use super::{
    Admin,
    answer::{ErrorCode, Failure},
};

/// The scope of access tokens that may use the admin API.
pub const ADMIN_SCOPE: &str = "carnet:admin";

/// Whom the kernel names when it cannot name the real user here (user_namespaces(7), `/proc/sys/kernel/overflowuid`). It is
/// many users, so it is let in only where it is listed.
const NOBODY_KNOWN: u32 = 65_534;

/// Who asks, and may.
#[derive(Clone, Debug)]
pub(crate) struct Operator {
    /// `uid:NUMBER`, a SPIFFE ID, or the subject of a token.
    pub(crate) actor: String,
    /// The rule of the token.
    pub(crate) rule: Option<String>,
    pub(crate) peer: String,
    pub(crate) request_id: String,
    /// Whether it is a user of this machine, who may name files of it.
    pub(crate) local: bool,
}

/// Who asks and may not, and why. For the audit only.
#[derive(Debug)]
pub(crate) struct Denied {
    status: StatusCode,
    clause: &'static str,
    actor: String,
    rule: Option<String>,
    why: String,
}

impl Operator {
    /// As others name it: with the rule, where there is no place of its own for that.
    pub(crate) fn name(&self) -> String {
        match &self.rule {
            Some(rule) => format!("{} (rule {rule})", self.actor),
            None => self.actor.clone(),
        }
    }

    pub(crate) fn by(&self) -> By {
        By { actor: self.name(), peer: Some(self.peer.clone()), request_id: self.request_id.clone() }
    }

    /// The record of something that is done to `subject`.
    pub(crate) fn record(&self, now: Timestamp, action: &str, subject: &str) -> AuditRecord {
        AuditRecord {
            actor: self.actor.clone(),
            subject: subject.to_owned(),
            rule: self.rule.clone(),
            peer: Some(self.peer.clone()),
            request_id: self.request_id.clone(),
            ..AuditRecord::new(now, action, Outcome::Allowed)
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Operator {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Failure> {
        // Without the guard nobody gets in.
        parts.extensions.get::<Self>().cloned().ok_or_else(|| Failure::internal("a request has not passed the guard"))
    }
}

impl Denied {
    fn unauthenticated(clause: &'static str, actor: impl Into<String>, why: impl Into<String>) -> Self {
        Self { status: StatusCode::UNAUTHORIZED, clause, actor: actor.into(), rule: None, why: why.into() }
    }

    fn forbidden(clause: &'static str, actor: impl Into<String>, why: impl Into<String>) -> Self {
        Self { status: StatusCode::FORBIDDEN, ..Self::unauthenticated(clause, actor, why) }
    }

    /// What whoever asked is told: nothing that could help to get in.
    fn told(&self) -> Failure {
        let hint = "the audit log of the authority says why";
        if self.status == StatusCode::UNAUTHORIZED {
            let message = "who asks is not known here";
            return Failure::new(self.status, ErrorCode::Unauthenticated, message).hint(hint);
        }
        Failure::new(self.status, ErrorCode::Forbidden, "who asks may not use the admin API").hint(hint)
    }
}

/// Lets in who may, gives the request its number, and writes errors out.
pub(crate) async fn guard(State(admin): State<Arc<Admin>>, request: Request, next: Next) -> Response {
    let request_id = admin.parts.context.random_hex::<8>();
    let (mut parts, body) = request.into_parts();
    match admin.admit(&parts, &request_id).await {
        Ok(operator) => parts.extensions.insert(operator),
        Err(denied) => {
            admin.note_refusal(&denied, &parts, &request_id).await;
            return denied.told().answer(&request_id);
        }
    };
    let mut response = next.run(Request::from_parts(parts, body)).await;
    let status = response.status();
    match response.extensions().get::<Failure>() {
        Some(failure) => failure.clone().answer(&request_id),
        None if status.is_client_error() || status.is_server_error() => {
            Failure::internal(format!("the request failed with {status}")).answer(&request_id)
        }
        None => {
            let number = HeaderValue::from_str(&request_id).ok();
            number.map(|number| response.headers_mut().insert("x-request-id", number));
            response
        }
    }
}

impl Admin {
    /// Who asks, if it may. A token decides where there is one: nobody gets in by the connection with a token that is refused.
    async fn admit(&self, parts: &Parts, request_id: &str) -> Result<Operator, Denied> {
        let peer = peer_of(parts);
        let operator = |actor: String, rule, local| Operator {
            actor,
            rule,
            peer: peer.clone(),
            request_id: request_id.to_owned(),
            local,
        };
        let mut headers = parts.headers.get_all(header::AUTHORIZATION).iter();
        if let Some(value) = headers.next() {
            let text = value.to_str().ok().filter(|_| headers.next().is_none()).unwrap_or_default();
            let token = text.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
            let Some((_, token)) = token else {
                return Err(Denied::unauthenticated("header", "", "it is not one `Authorization: Bearer TOKEN`"));
            };
            let address =
                parts.extensions.get::<ConnectInfo<std::net::SocketAddr>>().map(|info| info.0.ip().to_canonical());
            let (actor, rule) = self.admit_token(&Secret::new(token.trim()), address, &peer, request_id).await?;
            return Ok(operator(actor, Some(rule), false));
        }
        if let Some(user) = parts.extensions.get::<Peer>() {
            return self.admit_user(user.uid).map(|actor| operator(actor, None, true));
        }
        match parts.extensions.get::<PeerCertificates>() {
            Some(certificates) => {
                let id = self.admit_certificate(&certificates.0)?;
                Ok(operator(id.to_string(), None, false))
            }
            None => Err(Denied::unauthenticated("identity", "", "neither a certificate nor a token was shown")),
        }
    }

    fn admit_user(&self, uid: u32) -> Result<String, Denied> {
        let actor = format!("uid:{uid}");
        let listed = self.parts.access.uids.contains(&uid);
        if listed || (uid != NOBODY_KNOWN && (uid == 0 || uid == self.parts.own_uid)) {
            return Ok(actor);
        }
        Err(Denied::forbidden("uid", actor, "the user is neither root, nor the authority's own, nor one of admin_uids"))
    }

    fn admit_certificate(&self, chain: &[Vec<u8>]) -> Result<SpiffeId, Denied> {
        let now = self.parts.context.now();
        let own = Arc::new(self.parts.keys.ring().bundle(&self.parts.trust_domain));
        let id = verify_x509_svid(chain, &BundleMap::from_iter([own]), now)
            .map_err(|error| Denied::unauthenticated("certificate", "", error.to_string()))?;
        if self.parts.access.ids.contains(&id) || self.is_admin_entry(&id, now) {
            return Ok(id);
        }
        Err(Denied::forbidden(
            "spiffe-id",
            id.to_string(),
            "it is neither one of admin_ids, nor of an entry with admin",
        ))
    }

    /// Whether a registration entry gives this very identity the right.
    fn is_admin_entry(&self, id: &SpiffeId, now: Timestamp) -> bool {
        let filter = Filter { spiffe_id: Some(id.to_string()), ..Filter::default() };
        let mut after: Option<String> = None;
        loop {
            let page = self.parts.entries.list(&filter, after.as_deref(), MAX_PAGE);
            let gives = |entry: &carnet_attest::Registration| {
                entry.admin && entry.spiffe_id.fixed() == Some(id) && entry.expires_at.is_none_or(|end| now < end)
            };
            if page.iter().any(|owned| gives(&owned.entry)) {
                return true;
            }
            if page.len() < MAX_PAGE {
                return false;
            }
            after = page.last().map(|owned| owned.entry.id.clone());
        }
    }

    /// Writes that somebody was turned away. Strangers cannot fill the audit log: beyond some rows a second they are counted only.
    async fn note_refusal(&self, denied: &Denied, parts: &Parts, request_id: &str) {
        let now = self.parts.context.now();
        let Some(unrecorded) = self.refusals.may_write(now) else { return };
        let mut record = AuditRecord {
            actor: safe_text(&denied.actor),
            clause: Some(denied.clause.to_owned()),
            rule: denied.rule.clone(),
            peer: Some(peer_of(parts)),
            request_id: request_id.to_owned(),
            ..AuditRecord::new(now, "admin.access", Outcome::Refused)
        };
        let request = format!("{} {}", parts.method, route_of(parts));
        record.details.insert("request".to_owned(), json!(safe_text(&request)));
        record.details.insert("message".to_owned(), json!(safe_text(&denied.why)));
        if unrecorded > 0 {
            record.details.insert("unrecorded".to_owned(), json!(unrecorded));
        }
        let commit = carnet_store::Commit { ops: Vec::new(), audit: record, refused: None };
        if let Err(error) = self.parts.store.commit(commit).await {
            tracing::error!(%error, request_id, "a refusal could not be written to the audit log");
        }
    }
}

/// What was asked for, without what stands in the path: somebody may have written a join token where its digest belongs, and one
/// that is refused is still good.
fn route_of(parts: &Parts) -> &str {
    parts.extensions.get::<MatchedPath>().map_or("a path that is not known", MatchedPath::as_str)
}

/// Where it comes from, as the connection says.
fn peer_of(parts: &Parts) -> String {
    if let Some(peer) = parts.extensions.get::<Peer>() {
        return format!("unix: {peer}");
    }
    let address = parts.extensions.get::<ConnectInfo<std::net::SocketAddr>>();
    address.map_or_else(|| "unknown".to_owned(), |info| info.0.to_string())
}
