//! The endpoints over HTTP.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{ConnectInfo, State},
    response::{IntoResponse, Response},
    routing::post,
};
use carnet_net::{ForwardedPeer, Peer, PeerCertificates};
use http::{
    HeaderMap, HeaderName, HeaderValue, Request, StatusCode,
    header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, PRAGMA, WWW_AUTHENTICATE},
};

use crate::{
    Caller, Issuer, LookupRequest, MAX_FORM, OAuthCode, OAuthError, TokenRequest,
    introspect::bearer,
    metadata::{INTROSPECTION_PATH, REVOCATION_PATH, TOKEN_PATH},
};

/// The media type of all requests.
const FORM: &str = "application/x-www-form-urlencoded";
/// Names the request in the answer, in the audit and in the log.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest time for a body to come whole. A caller that never ends it would hold its connection for good.
const BODY_TIME: Duration = Duration::from_secs(10);

impl Issuer {
    /// The endpoints. Who calls is taken from the extensions that `carnet_net` sets, unless a layer has put a [`Caller`] there. The
    /// metadata document ([`Issuer::metadata`]) is served by whoever serves the other documents.
    pub fn router(self: Arc<Self>) -> Router {
        Router::new()
            .route(TOKEN_PATH, post(token))
            .route(INTROSPECTION_PATH, post(introspect))
            .route(REVOCATION_PATH, post(revoke))
            .merge(crate::login::routes())
            .with_state(self)
    }

    pub(crate) fn caller(&self, request: &Request<Body>) -> Caller {
        let extensions = request.extensions();
        if let Some(caller) = extensions.get::<Caller>() {
            return caller.clone();
        }
        let forwarded = extensions.get::<ForwardedPeer>();
        let address = extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| address.to_string());
        let local = extensions.get::<Peer>().map(|peer| format!("unix:{}", peer.uid));
        // A certificate at a connection of a proxy is the proxy's: whoever it speaks for has not shown it.
        let certificates =
            extensions.get::<PeerCertificates>().filter(|shown| !shown.0.is_empty() && forwarded.is_none());
        Caller {
            peer: forwarded.map(ToString::to_string).or(address).or(local).unwrap_or_default(),
            certificates: certificates.map(|shown| shown.0.to_vec()),
            request_id: self.context().random_hex::<8>(),
        }
    }
}

async fn token(State(issuer): State<Arc<Issuer>>, request: Request<Body>) -> Response {
    let caller = issuer.caller(&request);
    let id = caller.request_id.clone();
    let answer = match token_request(request).await {
        Ok(request) => issuer.exchange(request, caller).await,
        Err(error) => Err(issuer.refuse_form("token.request", error, &caller).await),
    };
    respond(answer.map(|response| response.to_json()), &id)
}

async fn token_request(request: Request<Body>) -> Result<TokenRequest, OAuthError> {
    let (headers, body) = read(request).await?;
    if let Some(scheme) = scheme(&headers) {
        // RFC 6749, 5.2: who tries a header is told which one failed.
        let error = OAuthError::new(OAuthCode::InvalidClient, "clients prove who they are by assertion or certificate");
        return Err(OAuthError { challenge: Some(scheme), ..error });
    }
    TokenRequest::from_form(&body)
}

async fn introspect(State(issuer): State<Arc<Issuer>>, request: Request<Body>) -> Response {
    let caller = issuer.caller(&request);
    let id = caller.request_id.clone();
    let challenge = scheme(request.headers());
    let answer = match lookup_request(request).await {
        Ok(lookup) => issuer.introspect(lookup, caller).await,
        Err(error) => Err(issuer.refuse_form("token.introspect", error, &caller).await),
    };
    respond(answer.map(|found| found.to_json()).map_err(|error| OAuthError { challenge, ..error }), &id)
}

/// With the token of the `Authorization` header, if there is one, as the proof of who asks (RFC 7662, 2.1).
async fn lookup_request(request: Request<Body>) -> Result<LookupRequest, OAuthError> {
    let (headers, body) = read(request).await?;
    let mut lookup = LookupRequest::from_form(&body)?;
    let Some(value) = headers.get(AUTHORIZATION) else { return Ok(lookup) };
    let shown = value.to_str().ok().and_then(|value| value.split_once(' '));
    let token = shown.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
    let token = token.ok_or_else(|| OAuthError::new(OAuthCode::InvalidClient, "the client is not authenticated"))?;
    if lookup.client.is_some() {
        return Err(OAuthError::request("the client is authenticated twice"));
    }
    lookup.client = Some(bearer(token));
    Ok(lookup)
}

async fn revoke(State(issuer): State<Arc<Issuer>>, request: Request<Body>) -> Response {
    let caller = issuer.caller(&request);
    let id = caller.request_id.clone();
    let form = read(request).await.and_then(|(_, body)| LookupRequest::from_form(&body));
    let answer = match form {
        Ok(lookup) => issuer.revoke(lookup, caller).await,
        Err(error) => Err(issuer.refuse_form("token.revoke", error, &caller).await),
    };
    respond(answer.map(|()| String::new()), &id)
}

/// The body of a form.
async fn read(request: Request<Body>) -> Result<(HeaderMap, Bytes), OAuthError> {
    let (parts, body) = request.into_parts();
    let kind = parts.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case(FORM) {
        return Err(OAuthError::request("the request is not of the type application/x-www-form-urlencoded"));
    }
    let body = in_time(to_bytes(body, MAX_FORM)).await?;
    let body = body.map_err(|_too_large| OAuthError::request("the request is too large, or ended early"))?;
    Ok((parts.headers, body))
}

pub(crate) async fn in_time<T>(body: impl Future<Output = T>) -> Result<T, OAuthError> {
    let elapsed = |_| OAuthError::request("the request did not come to its end in time");
    tokio::time::timeout(BODY_TIME, body).await.map_err(elapsed)
}

/// The challenge that belongs to the scheme of the `Authorization` header, if there is one.
fn scheme(headers: &HeaderMap) -> Option<&'static str> {
    let value = headers.get(AUTHORIZATION)?.to_str().unwrap_or_default();
    let name = value.split(' ').next().unwrap_or_default();
    Some(if name.eq_ignore_ascii_case("basic") { "Basic realm=\"carnet\"" } else { "Bearer realm=\"carnet\"" })
}

/// RFC 6749, 5.1 and 5.2: JSON, and nothing of it is kept anywhere.
pub(crate) fn respond(answer: Result<String, OAuthError>, request_id: &str) -> Response {
    let (status, body, challenge) = match answer {
        Ok(body) => (StatusCode::OK, body, None),
        Err(error) => {
            let status = StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, error.to_json(request_id), error.challenge.filter(|_| status == StatusCode::UNAUTHORIZED))
        }
    };
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    if let Some(scheme) = challenge {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(scheme));
    }
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(REQUEST_ID, id);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn rejects_a_body_that_does_not_end() {
        let error = in_time(std::future::pending::<()>()).await.unwrap_err();
        assert_eq!(error.description, "the request did not come to its end in time");
    }
}
