//! `sts.googleapis.com`: the token service.

mod caller;
mod request;

use std::sync::Arc;

use carnet_gcp::trust::{Allowed, Caller, Fetched, Need, ProviderName, Question, Subject, TOKEN_LIFETIME, sts_error};
use carnet_trust::Refusal;
use http::{Method, StatusCode};
use jiff::Timestamp;
use serde_json::json;

use crate::{
    call::Call,
    reply::{Answer, ApiError, ok},
    seed,
    state::State,
    tokens::{self, Session},
};

pub use caller::parse_caller_identity;
pub use request::{ExchangeRequest, RequestMistake, SubjectType, parse_exchange};

/// The name of the service.
pub(crate) const SERVICE: &str = "gcp-sts";

/// Answers a request.
pub(crate) async fn answer(state: &Arc<State>, call: &Call) -> Answer {
    match (&call.method, call.parts().as_slice()) {
        (&Method::POST, ["v1", "token"]) => exchange(state, call).await,
        (&Method::POST, ["v1", "introspect"]) => introspect(state, call),
        _ => Err(oauth("invalid_request", "Not found.", StatusCode::NOT_FOUND)),
    }
}

async fn exchange(state: &Arc<State>, call: &Call) -> Answer {
    let request = parse_exchange(call.header("content-type").unwrap_or_default(), &call.body)
        .map_err(|mistake| oauth(mistake.code, &mistake.description, StatusCode::BAD_REQUEST))?;
    let now = state.world.now(SERVICE);
    let allowed = decide(state, &request, call.shown_certificate(), now).await.map_err(refused)?;
    state.world.decisions.allowed(SERVICE, &allowed.grant);
    let lifetime = tokens::lifetime(&state.world, SERVICE, &call.raw_path, TOKEN_LIFETIME);
    let session = Session {
        caller: Caller::Federated(allowed.who),
        scopes: request.scope.split(' ').filter(|scope| !scope.is_empty()).map(ToOwned::to_owned).collect(),
        issued: now,
        expires: now.saturating_add(lifetime).unwrap_or(now),
    };
    let token = state.lock().tokens.issue(&state.world, session);
    Ok(ok(&json!({
        "access_token": token.expose(),
        "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "token_type": "Bearer",
        "expires_in": lifetime.as_secs(),
    })))
}

async fn decide(
    state: &State,
    request: &ExchangeRequest,
    shown: Option<&[u8]>,
    now: Timestamp,
) -> Result<Allowed, Box<Refusal>> {
    let (pool, provider) = match ProviderName::from_audience(&request.audience) {
        Ok(name) if name.pool.project == seed::PROJECT_NUMBER => {
            let mut inner = state.lock();
            inner.purge(now);
            let entry = inner.pool(&name.pool.pool);
            (
                entry.map(|entry| entry.pool.clone()),
                entry.and_then(|entry| entry.providers.get(&name.provider).cloned()),
            )
        }
        // The question below says what is wrong with it.
        _ => (None, None),
    };
    let question = Question {
        audience: &request.audience,
        subject: match request.subject_type {
            SubjectType::Aws => Subject::Aws(&request.subject_token),
            SubjectType::Certificate => Subject::Certificate { chain: &request.subject_token, shown },
            SubjectType::Jwt => Subject::Jwt(&request.subject_token),
        },
        pool: pool.as_ref(),
        provider: provider.as_ref(),
        now,
    };
    let admitted = question.admit()?;
    match admitted.need() {
        Need::Nothing => admitted.decide(Fetched::Nothing),
        Need::Keys { provider, kid } => match state.issuers.keys(provider, kid).await {
            Ok(keys) => admitted.decide(Fetched::Keys(&keys)),
            Err(error) => admitted.decide(Fetched::Failed(&carnet_core::chain(&error).join(": "))),
        },
        Need::CallerIdentity(signed) => match caller::ask(&*state.world.http, *signed).await {
            Ok(caller) => admitted.decide(Fetched::CallerIdentity(&caller)),
            Err(reason) => admitted.decide(Fetched::Failed(&reason)),
        },
    }
}

/// RFC 7662. Google's answer for a federated token: the principal as `username`. UNCONFIRMED beyond what gcloud reads.
fn introspect(state: &State, call: &Call) -> Answer {
    // RFC 7662, 2.1 asks for some authorization, so that nobody tries out tokens; gcloud sends its client id.
    let authenticated = call.header("authorization").is_some_and(|header| header.starts_with("Basic "));
    if !authenticated {
        return Err(oauth("invalid_client", "The client is not authenticated.", StatusCode::UNAUTHORIZED));
    }
    let form: Vec<(String, String)> = url::form_urlencoded::parse(&call.body).into_owned().collect();
    let Some((_, token)) = form.iter().find(|(name, _)| name == "token") else {
        return Err(oauth("invalid_request", "The parameter \"token\" is missing.", StatusCode::BAD_REQUEST));
    };
    let now = state.world.now(SERVICE);
    let inner = state.lock();
    let session =
        inner.tokens.find(token).filter(|session| session.expires > now).filter(|session| match &session.caller {
            Caller::Federated(who) => inner.pool_works(&who.pool.pool),
            Caller::ServiceAccount(email) => inner.accounts.contains_key(email),
        });
    Ok(ok(&match session {
        None => json!({ "active": false }),
        Some(session) => json!({
            "active": true,
            "iss": "https://sts.googleapis.com/",
            "username": session.caller.principal(),
            "scope": session.scopes.join(" "),
            "iat": session.issued.as_second(),
            "exp": session.expires.as_second(),
        }),
    }))
}

fn refused(refusal: Box<Refusal>) -> ApiError {
    ApiError { status: StatusCode::BAD_REQUEST, body: sts_error(&refusal), refusal: Some(refusal) }
}

fn oauth(code: &str, description: &str, status: StatusCode) -> ApiError {
    ApiError { status, body: json!({ "error": code, "error_description": description }), refusal: None }
}
