//! One request, read whole, and its way to the path that answers it.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use axum::{
    Router,
    extract::Request,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use carnet_core::Secret;
use http::{HeaderMap, Method, StatusCode, Uri, header};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use crate::{
    reply::{self, ApiError},
    route,
    state::State,
};

/// Largest body (`bodyLimit` of the server is ten times this, for files).
const MAX_BODY: usize = 1 << 20;
/// Where all callers of a sandbox are. What a caller says of itself in `X-Forwarded-For` is not looked at.
pub(crate) const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A request as the paths see it.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// Decoded, without the first slash.
    pub(crate) path: Vec<String>,
    pub(crate) query: BTreeMap<String, String>,
    headers: HeaderMap,
    pub(crate) body: Map<String, Value>,
}

/// A router that hands every request to the emulated server.
pub(crate) fn router(state: Arc<State>) -> Router {
    Router::new().fallback(move |request: Request| {
        let state = Arc::clone(&state);
        async move {
            let (parts, body) = request.into_parts();
            let Ok(body) = axum::body::to_bytes(body, MAX_BODY).await else {
                return reply::json_reply(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    &serde_json::json!({ "statusCode": 413, "error": "Payload Too Large", "message": "Request body is too large" }),
                );
            };
            answer(&state, parts.method, &parts.uri, parts.headers, &body).await
        }
    })
}

async fn answer(state: &State, method: Method, uri: &Uri, headers: HeaderMap, body: &Bytes) -> Response {
    let answer = match Call::read(method, uri, headers, body) {
        Ok(call) => route::answer(state, &call).await,
        Err(error) => Err(error),
    };
    match answer {
        Ok(body) => reply::json_reply(StatusCode::OK, &body),
        Err(error) => {
            if let Some(refusal) = &error.refusal {
                state.world.decisions.refused(crate::SERVICE, refusal);
            }
            error.into_response()
        }
    }
}

impl Call {
    fn read(method: Method, uri: &Uri, headers: HeaderMap, body: &Bytes) -> Result<Self, ApiError> {
        let decode = |part: &str| percent_decode_str(part).decode_utf8().map(Cow::into_owned);
        let path = uri.path().trim_start_matches('/').split('/').map(decode).collect::<Result<_, _>>();
        let path = path.map_err(|_invalid| ApiError::bad("the path is not UTF-8"))?;
        let query = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
        let body = if body.is_empty() {
            Map::new()
        } else {
            serde_json::from_slice(body).map_err(|_quoting| ApiError::bad("Body is not valid JSON"))?
        };
        Ok(Self { method, path, query, headers, body })
    }

    /// The token of `Authorization: Bearer`.
    pub(crate) fn bearer(&self) -> Option<Secret> {
        let text = self.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        text.strip_prefix("Bearer ").map(Secret::new)
    }

    /// A field of the body that is a text, without blanks around it; of other types it is refused.
    ///
    /// # Errors
    /// 422.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, ApiError> {
        match self.body.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.trim())),
            Some(_) => Err(ApiError::issue(&[name], "Expected string")),
        }
    }

    /// A text that must be there.
    ///
    /// # Errors
    /// 422.
    pub(crate) fn need(&self, name: &str) -> Result<&str, ApiError> {
        self.text(name)?.ok_or_else(|| ApiError::issue(&[name], "Required"))
    }

    /// A parameter of the query that is a truth value: only the two words are taken.
    ///
    /// # Errors
    /// 422.
    pub(crate) fn flag(&self, name: &str, default: bool) -> Result<bool, ApiError> {
        match self.query.get(name).map(String::as_str) {
            None => Ok(default),
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(_) => Err(ApiError::issue(&[name], "Invalid enum value. Expected 'true' | 'false'")),
        }
    }
}
