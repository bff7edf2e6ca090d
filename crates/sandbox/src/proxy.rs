//! The proxy for real host names. It answers itself or refuses; it never forwards.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{ConnectInfo, Request, State},
    http::{HeaderValue, Method, StatusCode, Uri, header, uri::Scheme},
    response::{IntoResponse, Response},
};
use carnet_net::{Limits, TlsServerConfig, serve_stream, take_over};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt as _;

use crate::routes::Routes;

/// The first byte of a TLS connection: a record of type handshake (RFC 8446, 5.1).
const TLS_HANDSHAKE: u8 = 0x16;

/// How long a tunnel may be silent before its first byte.
const FIRST_BYTE: Duration = Duration::from_secs(30);

/// What the proxy needs to answer.
#[derive(Clone, Debug)]
pub(crate) struct Proxy {
    pub(crate) routes: Arc<Routes>,
    pub(crate) tls: Arc<TlsServerConfig>,
    pub(crate) limits: Limits,
    pub(crate) tracker: TaskTracker,
    pub(crate) shutdown: CancellationToken,
}

impl Proxy {
    /// Its routes: everything comes to one place, because a proxy's requests have no path of their own.
    pub(crate) fn router(self) -> Router {
        Router::new().fallback(answer).with_state(self)
    }
}

async fn answer(
    State(proxy): State<Proxy>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
) -> Response {
    if request.method() == Method::CONNECT {
        return tunnel(proxy, peer, request);
    }
    // RFC 9112, 3.2.2: to a proxy the target is a whole URL.
    let (Some(authority), true) = (request.uri().authority(), request.uri().scheme() == Some(&Scheme::HTTP)) else {
        return plain(
            StatusCode::BAD_REQUEST,
            "this is the proxy of the carnet sandbox: send a whole http:// URL, or CONNECT",
        );
    };
    let (host, port) = (authority.host().to_owned(), authority.port_u16().unwrap_or(80));
    // The same clause: the `Host` that came along counts for nothing, the target's takes its place, without userinfo
    // (RFC 9110, 7.2): a password in a URL is nothing that a service should see.
    let named = authority.as_str().rsplit_once('@').map_or(authority.as_str(), |(_userinfo, named)| named);
    let Ok(named) = HeaderValue::from_str(named) else {
        return plain(StatusCode::BAD_REQUEST, "this target cannot be read");
    };
    request.headers_mut().insert(header::HOST, named);
    dispatch(&proxy.routes, &host, port, request).await
}

/// Accepts a tunnel to a host that some service answers for, and serves that service in it: TLS with the sandbox's
/// certificate if the first byte says so, else plain HTTP.
fn tunnel(proxy: Proxy, peer: SocketAddr, request: Request) -> Response {
    let Some((host, port)) = request.uri().authority().and_then(|a| Some((a.host().to_owned(), a.port_u16()?))) else {
        return plain(StatusCode::BAD_REQUEST, "CONNECT needs host:port");
    };
    if !proxy.routes.answers(&host, port) {
        return refuse(&proxy.routes, &host, port);
    }
    let tracker = proxy.tracker.clone();
    tracker.spawn(async move {
        let Proxy { routes, tls, limits, shutdown, .. } = proxy;
        let opened = async {
            let mut stream = BufReader::new(take_over(request).await.ok()?);
            let first = timeout(FIRST_BYTE, stream.fill_buf()).await.ok()?.ok()?.first().copied()?;
            Some((stream, first))
        };
        let opened = tokio::select! {
            () = shutdown.cancelled() => None,
            opened = opened => opened,
        };
        // A tunnel that closes without a word is a client that changed its mind.
        let Some((stream, first)) = opened else { return };
        let router = Router::new().fallback(move |inner: Request| {
            let (routes, host) = (Arc::clone(&routes), host.clone());
            async move { dispatch(&routes, &host, port, inner).await }
        });
        let tls = (first == TLS_HANDSHAKE).then_some(tls);
        serve_stream(stream, peer, router, tls, limits, shutdown).await;
    });
    StatusCode::OK.into_response()
}

/// Hands a request to the service that answers for this host, with the target in the form that a server sees.
async fn dispatch(routes: &Routes, host: &str, port: u16, mut request: Request) -> Response {
    let Some(route) = routes.find(host, port, request.uri().path()) else { return refuse(routes, host, port) };
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let Ok(uri) = target.parse::<Uri>() else { return plain(StatusCode::BAD_REQUEST, "this target cannot be read") };
    *request.uri_mut() = uri;
    match route.router.clone().oneshot(request).await {
        Ok(answer) => answer,
        Err(never) => match never {},
    }
}

fn refuse(routes: &Routes, host: &str, port: u16) -> Response {
    routes.refuse(host, port);
    let names: Vec<&str> = routes.services().iter().map(|service| service.name).collect();
    let text = format!(
        "the carnet sandbox has no service that answers for {}:{port}, and it never forwards; it has {}\n",
        host.escape_default(),
        names.join(", ")
    );
    (StatusCode::BAD_GATEWAY, [(header::CONTENT_TYPE, "text/plain"), (header::CONNECTION, "close")], text)
        .into_response()
}

fn plain(status: StatusCode, text: &'static str) -> Response {
    (status, [(header::CONTENT_TYPE, "text/plain")], format!("{text}\n")).into_response()
}
