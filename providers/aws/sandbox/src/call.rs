//! One request, read whole, and the service that answers it.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use axum::{
    Router,
    extract::{ConnectInfo, Request},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use carnet_aws::trust::RequestFacts;
use http::{Extensions, HeaderMap, HeaderName, Method, StatusCode, header};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::{
    container, iam, imds, issuer, pods,
    reply::{self, ApiError, Dialect, IAM_NAMESPACE, STS_NAMESPACE},
    roles_anywhere, s3,
    state::State,
    sts,
};

/// Largest body. Objects of more are not for a sandbox.
const MAX_BODY: usize = 32 << 20;

/// A request as the services see it.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// The path as it came.
    pub(crate) path: String,
    /// The query as it came, without the question mark.
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// The id of the request, which every answer carries.
    pub(crate) id: String,
    /// Whom it came from: the address at the other end of the connection.
    pub(crate) source: IpAddr,
}

/// A router that hands every request of one service to its module.
pub(crate) fn router(state: Arc<State>, service: &'static str) -> Router {
    Router::new().fallback(move |request: Request| {
        let state = Arc::clone(&state);
        async move {
            let (parts, body) = request.into_parts();
            let Ok(body) = axum::body::to_bytes(body, MAX_BODY).await else {
                return StatusCode::PAYLOAD_TOO_LARGE.into_response();
            };
            let id = state.uuid();
            let call = Call {
                method: parts.method,
                path: parts.uri.path().to_owned(),
                query: parts.uri.query().unwrap_or_default().to_owned(),
                headers: with_host(parts.headers, &parts.uri),
                body,
                id,
                source: source(&parts.extensions),
            };
            answer(&state, service, &call).await
        }
    })
}

/// The address at the other end; this machine where there is no connection.
fn source(extensions: &Extensions) -> IpAddr {
    let peer = extensions.get::<ConnectInfo<SocketAddr>>();
    peer.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |ConnectInfo(address)| address.ip())
}

/// A request in absolute form names its host in the URL (RFC 9112, 3.2.2).
fn with_host(mut headers: HeaderMap, uri: &http::Uri) -> HeaderMap {
    if let Some(authority) = uri.authority()
        && !headers.contains_key(header::HOST)
        && let Ok(value) = http::HeaderValue::from_str(authority.as_str())
    {
        headers.insert(header::HOST, value);
    }
    headers
}

async fn answer(state: &Arc<State>, service: &'static str, call: &Call) -> Response {
    let (dialect, answer) = match service {
        sts::SERVICE => (Dialect::Query(STS_NAMESPACE), sts::answer(state, call).await),
        iam::SERVICE => (Dialect::Query(IAM_NAMESPACE), iam::answer(state, call)),
        roles_anywhere::SERVICE => (Dialect::Json, roles_anywhere::answer(state, call)),
        s3::SERVICE => (Dialect::Storage, s3::answer(state, call)),
        imds::SERVICE => (Dialect::Text, imds::answer(state, call)),
        container::SERVICE => (Dialect::Container, container::answer(state, call)),
        pods::SERVICE => (Dialect::Text, pods::answer(state, call).await),
        pods::AUTH_SERVICE => (Dialect::Json, pods::assume(state, call).await),
        issuer::SERVICE => (Dialect::Text, issuer::answer(state, call)),
        _ => (Dialect::Text, Err(ApiError::new(404, "NotFound", "no such service"))),
    };
    let response = answer.unwrap_or_else(|error| {
        if let Some(refusal) = &error.refusal {
            state.world.decisions.refused(service, refusal);
        }
        error.render(dialect, &call.id)
    });
    let name = if service == s3::SERVICE { "x-amz-request-id" } else { "x-amzn-requestid" };
    reply::with_header(response, HeaderName::from_static(name), &call.id)
}

impl Call {
    /// A header as text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// What conditions see of it, as a call of this region. The port on loopback stands for AWS's own, which is asked by TLS.
    pub(crate) fn facts<'a>(&'a self, region: &'a str) -> RequestFacts<'a> {
        RequestFacts {
            source: self.source,
            secure: true,
            region,
            user_agent: self.header("user-agent"),
            referer: self.header("referer"),
        }
    }

    /// The host that was asked for, in lower case, without its port; an IPv6 address without brackets.
    pub(crate) fn host(&self) -> String {
        let host = self.header("host").unwrap_or_default().trim().to_ascii_lowercase();
        if let Some((address, _port)) = host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            return address.to_owned();
        }
        host.split(':').next().unwrap_or_default().to_owned()
    }

    /// The parts of the path between slashes, each decoded after it was cut out.
    pub(crate) fn parts(&self) -> Vec<String> {
        self.path.split('/').skip(1).map(decode).collect()
    }

    /// The parameters of the query, in order.
    pub(crate) fn parameters(&self) -> Vec<(String, String)> {
        url::form_urlencoded::parse(self.query.as_bytes()).into_owned().collect()
    }

    /// A parameter of the query; the first counts.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        self.parameters().into_iter().find_map(|(own, value)| (own == name).then_some(value))
    }

    /// The body as a JSON object; an empty one is an empty object.
    pub(crate) fn json(&self) -> Result<Value, ApiError> {
        if self.body.is_empty() {
            return Ok(Value::Object(serde_json::Map::new()));
        }
        let bad = || ApiError::new(400, "SerializationException", "The request body is no JSON object.");
        let value: Value = serde_json::from_slice(&self.body).map_err(|_position| bad())?;
        if value.is_object() { Ok(value) } else { Err(bad()) }
    }
}

/// Percent-decoding; bytes that are no UTF-8 become replacement characters.
pub(crate) fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Whether a host is this machine itself, where no region is named.
pub(crate) fn is_local(host: &str) -> bool {
    host.is_empty() || host == "localhost" || host == "::1" || host.starts_with("127.")
}
