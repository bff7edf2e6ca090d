//! From a request to what a party gives.

use std::sync::Arc;

use axum::response::Response;
use carnet_core::{Secret, safe_text};
use carnet_jose::Claims;
use carnet_oauth::trust::{Question, Trust, evaluate};
use carnet_sandbox_kit::FaultKind;
use carnet_trust::{Decision, Grant, Refusal};
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};

use crate::{
    call::Call,
    face::{Face, Given, Lookup, Reason, Replay},
    reply::{Failure, reply},
    request::{self, Members},
    state::State,
    tokens::Session,
    trusts::of_request,
    verify,
};

/// A token that a trust has accepted.
struct Accepted {
    claims: Claims,
    trust: Arc<Trust>,
    grant: Grant,
}

/// Answers a request at the entrance.
///
/// # Errors
/// The first check that fails, in the order of the party.
pub(crate) async fn exchange(
    state: &State,
    face: &'static Face,
    call: &Call,
    from_path: Members,
) -> Result<Response, Failure> {
    let (asked, token) = request::read(&face.entrance, call, from_path)?;
    let now = state.world.now(face.service);
    let accepted = match face.lookup {
        Lookup::Trust | Lookup::TrustAndKeys => by_trust(state, face, &asked, &token, now).await?,
        Lookup::Token | Lookup::AnyIssuer => by_token(state, face, &asked, &token, now).await?,
    };
    if face.replay == Replay::OnceById && accepted.claims.str("jti").is_none() {
        return Err(Failure::new(Reason::Claims, "no `jti`", "a `jti`"));
    }
    if matches!(face.replay, Replay::Once | Replay::OnceById) {
        use_once(state, face, &accepted.claims)?;
    }
    state.world.decisions.allowed(face.service, &accepted.grant);
    let expired = state.world.faults.hits(FaultKind::Expired, face.service, &call.raw_path);
    let life = if expired { 0 } else { life(face, &accepted, now) };
    Ok(give(state, face, &accepted, asked, (now, life)))
}

async fn by_trust(
    state: &State,
    face: &'static Face,
    asked: &Members,
    token: &Secret,
    now: Timestamp,
) -> Result<Accepted, Failure> {
    let candidates = candidates(state, face, asked, None)?;
    if let (Lookup::TrustAndKeys, Some(trust)) = (face.lookup, candidates.first()) {
        verify::keys(state, &trust.issuer, None).await?;
    }
    let jwt = verify::parse(token)?;
    verify::check_key_id(face, &jwt)?;
    let issuer = jwt.unverified_issuer().unwrap_or_default();
    let fitting: Vec<Arc<Trust>> = candidates.iter().filter(|trust| trust.issuer == issuer).cloned().collect();
    if fitting.is_empty() {
        let known: Vec<&str> = candidates.iter().map(|trust| trust.issuer.as_str()).take(5).collect();
        return Err(Failure::new(Reason::Issuer, safe_text(issuer), known.join(", ")));
    }
    let claims = verify::claims(state, face, &jwt, issuer, now).await?;
    decide(face, &fitting, claims, asked, now)
}

async fn by_token(
    state: &State,
    face: &'static Face,
    asked: &Members,
    token: &Secret,
    now: Timestamp,
) -> Result<Accepted, Failure> {
    let jwt = verify::parse(token)?;
    let issuer = jwt.unverified_issuer().ok_or_else(|| Failure::new(Reason::Form, "no `iss`", "`iss`"))?;
    let own = face.lookup == Lookup::Token;
    if own && !state.lock().trusts.names_issuer(face, issuer) {
        return Err(Failure::new(Reason::Issuer, safe_text(issuer), "an issuer that this party knows"));
    }
    verify::check_key_id(face, &jwt)?;
    let claims = verify::claims(state, face, &jwt, issuer, now).await?;
    if face.replay == Replay::OnceEvenIfRefused {
        use_once(state, face, &claims)?;
    }
    let mut candidates = candidates(state, face, asked, Some(&claims))?;
    if own {
        candidates.retain(|trust| trust.issuer == issuer);
    }
    if candidates.is_empty() {
        return Err(no_trust(face, asked, Some(&claims)));
    }
    decide(face, &candidates, claims, asked, now)
}

/// The trusts that may be meant; at least one.
fn candidates(
    state: &State,
    face: &Face,
    asked: &Members,
    claims: Option<&Claims>,
) -> Result<Vec<Arc<Trust>>, Failure> {
    let (candidates, known) = state.lock().trusts.find(face, of_request(face.key, asked, claims));
    match (candidates.is_empty(), known) {
        (false, _) => Ok(candidates),
        (true, true) => Err(no_trust(face, asked, claims)),
        (true, false) => Err(no_such(Reason::Target, face, asked, claims)),
    }
}

fn no_trust(face: &Face, asked: &Members, claims: Option<&Claims>) -> Failure {
    no_such(Reason::NoTrust, face, asked, claims)
}

fn no_such(reason: Reason, face: &Face, asked: &Members, claims: Option<&Claims>) -> Failure {
    let key = of_request(face.key, asked, claims);
    let mut parts = key.split('\n');
    let part = if reason == Reason::Target { parts.next() } else { parts.next_back() };
    Failure::new(reason, safe_text(part.unwrap_or_default()), "one that this party knows")
}

fn decide(
    face: &Face,
    candidates: &[Arc<Trust>],
    claims: Claims,
    asked: &Members,
    now: Timestamp,
) -> Result<Accepted, Failure> {
    let mut best: Option<Refusal> = None;
    for trust in candidates {
        let question = Question { claims: &claims, members: asked, trust, manner: &face.manner, now };
        match evaluate(&question) {
            Decision::Allow(grant) => return Ok(Accepted { trust: Arc::clone(trust), claims, grant }),
            // Of several, the one that came closest is told.
            Decision::Refuse(refusal) => {
                if best.as_ref().is_none_or(|best| best.held.len() < refusal.held.len()) {
                    best = Some(refusal);
                }
            }
        }
    }
    match best {
        Some(refusal) => Err(Failure::decided(reason(refusal.clause), refusal)),
        None => Err(no_trust(face, asked, Some(&claims))),
    }
}

/// The reason behind a clause of the trust model.
fn reason(clause: &str) -> Reason {
    match clause {
        "disabled" => Reason::Disabled,
        "members" => Reason::Members,
        "issuer" => Reason::Issuer,
        "expired" => Reason::Expired,
        "not-yet" => Reason::NotYet,
        "audience" => Reason::Audience,
        "subject" => Reason::Subject,
        "pending" => Reason::Pending,
        _ => Reason::Claims,
    }
}

/// Remembers that the token was shown. One without `jti` cannot be told from others; where that matters it is needed.
fn use_once(state: &State, face: &Face, claims: &Claims) -> Result<(), Failure> {
    let (issuer, id) = (claims.str("iss").unwrap_or_default(), claims.str("jti"));
    let fresh = id.is_none_or(|id| state.lock().used.first_time(face.name, issuer, id));
    if fresh { Ok(()) } else { Err(Failure::new(Reason::Replayed, "a `jti` that was there before", "a new token")) }
}

/// Seconds that what is given lives.
fn life(face: &Face, accepted: &Accepted, now: Timestamp) -> i64 {
    let asked = accepted.trust.life.unwrap_or(face.life.usual).min(face.life.longest);
    let end = accepted.claims.time("exp").filter(|_| face.life.ends_with_token);
    let left = end.map_or(i64::MAX, |end| end.as_second().saturating_sub(now.as_second()));
    asked.min(left).max(0)
}

fn give(
    state: &State,
    face: &'static Face,
    accepted: &Accepted,
    said: Members,
    (now, life): (Timestamp, i64),
) -> Response {
    let expires = now.saturating_add(SignedDuration::from_secs(life)).unwrap_or(now);
    let session = Session { party: face.name, principal: accepted.grant.principal.clone(), said, expires };
    // Where the entrance is the resource there is nothing to give.
    let token = (!face.resources.is_empty()).then(|| state.lock().tokens.issue(&state.world, face.prefix, session));
    let token = token.as_ref().map_or("", Secret::expose);
    let given = Given { token, trust: &accepted.trust, now, expires, life };
    let status = StatusCode::from_u16(face.success).unwrap_or(StatusCode::OK);
    reply(status, &(face.answer)(&given))
}
