//! One request, one whole answer.

mod body;
mod connect;
mod pool;
mod stream;
mod target;
mod tls;

use std::{
    error::Error as StdError,
    fmt,
    future::poll_fn,
    io,
    path::Path,
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
};

use bytes::Bytes;
use carnet_core::{BoxFuture, HttpError, HttpErrorKind, HttpSend, Request, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;

use crate::{Settings, TlsCertificate};

use connect::{BoxedStream, Opened};
use pool::{Kept, Pool};
use target::Target;

pub use stream::Streamed;
pub use tls::ClientTls;

/// Most header lines of an answer. Real ones have some twenty; hyper's own limit is the same, it is here so that it
/// stays.
const MAX_HEADERS: usize = 100;

/// Largest head of an answer, and of one read, in bytes. Identity providers with large cookies reach 8 KB.
const MAX_HEAD: usize = 64 << 10;

type Message = http::Request<Full<Bytes>>;

/// The HTTP client. Cheap to make: it does nothing before the first request, and reads the trusted certificates at
/// the first TLS connection.
///
/// * Answers with a redirect are returned as they are.
/// * Limits: the request's time and size; 64 KB and 100 lines of headers; 5 seconds to connect, 1 second to a
///   metadata service.
/// * TLS 1.2 and 1.3, HTTP/1.1. `Request::ca_pem` replaces the roots for that request, `Request::server_name` the name
///   that is asked for, `Request::identity` the client's certificate. [`Client::with_tls`] gives it an identity and a
///   verifier of its own.
/// * Kept connections: 8 for each origin, 64 in all, for 20 seconds. A connection belongs to the origin, the kind of
///   destination, the roots, the name and the client's identity that it was made for. One that was made with a
///   request's own identity is not kept.
/// * A request is sent a second time only when the first one provably did not reach the server, or, for `GET` and
///   `HEAD`, when a kept connection ended before the first byte of an answer.
/// * Proxies: for [`carnet_core::Destination::Untrusted`] a proxy resolves the name, so only a host written as an
///   address, or a name that can only be local, is refused; whoever runs the proxy must guard the rest.
pub struct Client {
    settings: Settings,
    own: ClientTls,
    socket: Option<Arc<Path>>,
    tls: Mutex<Option<Arc<ClientConfig>>>,
    pool: Pool,
}

impl Client {
    /// A client with these settings.
    pub fn new(settings: Settings) -> Self {
        Self { settings, own: ClientTls::new(), socket: None, tls: Mutex::new(None), pool: Pool::default() }
    }

    /// A client whose every request goes to the server on this Unix socket, over plain HTTP and past all proxies. URLs
    /// are `http`, and their host only names the server (`http://localhost/path`).
    pub fn unix(path: impl AsRef<Path>) -> Self {
        Self { socket: Some(path.as_ref().into()), ..Self::new(Settings::default()) }
    }

    /// This client with an identity or a verifier of its own for TLS.
    #[must_use]
    pub fn with_tls(self, tls: ClientTls) -> Self {
        Self { own: tls, tls: Mutex::new(None), pool: Pool::default(), ..self }
    }

    async fn exchange(&self, target: &Target, request: &Request) -> Result<Response, HttpError> {
        let message = target.message(request)?;
        if let Some(kept) = self.pool.take(target, |chain| self.own.still_believes(chain)).await {
            match self.attempt(kept, target, message.clone(), request.max_response).await {
                Err(Failure::NotProcessed(_)) => {}
                Err(Failure::NoAnswer(_)) if matches!(request.method, Method::GET | Method::HEAD) => {}
                done => return done.map_err(|failure| failure.into_error(target)),
            }
        }
        let Opened { stream, chain } = connect::open(self, target, request.ca_pem.as_deref()).await?;
        let (sender, driver) = handshake(stream, target).await?;
        let fresh = Kept { sender, driver: Box::pin(driver), chain };
        self.attempt(fresh, target, message, request.max_response).await.map_err(|failure| failure.into_error(target))
    }

    /// Sends the message and reads the answer. The connection is driven by this same future, so a request that is
    /// dropped takes its connection with it and nothing runs on in the background.
    async fn attempt(
        &self,
        mut kept: Kept,
        target: &Target,
        message: Message,
        max_response: usize,
    ) -> Result<Response, Failure> {
        let Kept { sender, driver, .. } = &mut kept;
        let answer = async {
            let response = sender.try_send_request(message).await.map_err(|mut error| match error.take_message() {
                Some(_) => Failure::NotProcessed(error.into_error()),
                None => Failure::from_hyper(error.into_error()),
            })?;
            let (head, body) = response.into_parts();
            let body = body::read(body, max_response).await?;
            Ok(Response { status: head.status, headers: head.headers, body })
        };
        let response = drive(driver, answer).await?;
        if !target.once && may_be_kept(response.status, &response.headers) {
            self.pool.put(target, kept).await;
        }
        Ok(response)
    }

    /// Where the request goes, as whom.
    fn target(&self, request: &Request) -> Result<Target, HttpError> {
        let mut target = Target::new(request, &self.settings)?;
        if let Some(socket) = &self.socket {
            target = target.on_socket(Arc::clone(socket))?;
        }
        if target.key.tls {
            if self.own.has_verifier() && target.key.ca_pem.is_some() {
                return Err(target.error(
                    HttpErrorKind::Tls,
                    format_args!("the request brings trusted certificates, and the client has a verifier of its own"),
                ));
            }
            let (identity, without) = match &request.identity {
                Some(own) => (
                    TlsCertificate::from_der(&own.chain, &own.private_key).map(Some),
                    "the certificate of the request cannot be shown",
                ),
                None => (self.own.current(), "the client has no identity yet"),
            };
            let identity = identity.map_err(|error| HttpError {
                cause: Some(Box::new(error)),
                ..target.error(HttpErrorKind::Tls, format_args!("{without}"))
            })?;
            target = target.with_identity(identity);
            target.once = request.identity.is_some();
        }
        Ok(target)
    }

    /// The TLS settings for the verifier or for the system's roots, made at their first use.
    fn tls(&self) -> Result<Arc<ClientConfig>, carnet_core::Error> {
        let mut tls = self.tls.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = &*tls {
            return Ok(Arc::clone(config));
        }
        let config = match self.own.config()? {
            Some(config) => config,
            None => connect::tls_config(crate::roots::load(&self.settings)?)?,
        };
        *tls = Some(Arc::clone(&config));
        Ok(config)
    }
}

impl HttpSend for Client {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, HttpError>> {
        Box::pin(async move {
            let target = self.target(&request)?;
            let outcome = match tokio::time::timeout(request.timeout, self.exchange(&target, &request)).await {
                Ok(outcome) => outcome,
                Err(_) => Err(target.error(
                    HttpErrorKind::Timeout,
                    format_args!("no whole answer within {} ms", request.timeout.as_millis()),
                )),
            };
            match &outcome {
                Ok(response) => {
                    tracing::debug!(http.request = %target, http.status = response.status.as_u16(), "request answered");
                }
                Err(error) => tracing::debug!(http.request = %target, error.kind = ?error.kind, "request failed"),
            }
            outcome
        })
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("settings", &self.settings)
            .field("tls", &self.own)
            .field("socket", &self.socket)
            .finish_non_exhaustive()
    }
}

/// Begins HTTP/1.1 on a stream.
async fn handshake(
    stream: BoxedStream,
    target: &Target,
) -> Result<(http1::SendRequest<Full<Bytes>>, pool::Driver), HttpError> {
    http1::Builder::new()
        .max_headers(MAX_HEADERS)
        .max_header_size(MAX_HEAD)
        .max_buf_size(MAX_HEAD)
        .handshake::<_, Full<Bytes>>(TokioIo::new(stream))
        .await
        .map_err(|error| Failure::from_hyper(error).into_error(target))
}

/// Polls a connection and what is waiting for it in one task.
async fn drive<F: Future>(driver: &mut Pin<Box<pool::Driver>>, work: F) -> F::Output {
    drive_on(driver, &mut false, work).await
}

/// [`drive`] of a connection that may have ended while something else was waited for.
async fn drive_on<F: Future>(driver: &mut Pin<Box<pool::Driver>>, ended: &mut bool, work: F) -> F::Output {
    let mut work = pin!(work);
    poll_fn(|context| {
        // The work may have queued a message: whoever queues wakes this task, and the connection is polled again.
        if let Poll::Ready(output) = work.as_mut().poll(context) {
            return Poll::Ready(output);
        }
        if !*ended && driver.as_mut().poll(context).is_ready() {
            // How it ended is told to the work through its own channel.
            *ended = true;
        }
        work.as_mut().poll(context)
    })
    .await
}

fn may_be_kept(status: StatusCode, headers: &HeaderMap) -> bool {
    let close = |value: &HeaderValue| value.to_str().is_ok_and(|text| text.to_ascii_lowercase().contains("close"));
    !status.is_informational() && !headers.get_all(header::CONNECTION).iter().any(close)
}

/// Why an attempt on a connection failed.
#[derive(Debug)]
enum Failure {
    /// The connection was gone before the message was written.
    NotProcessed(hyper::Error),
    /// The connection ended without the first byte of an answer. The server may have acted on the request.
    NoAnswer(hyper::Error),
    /// The answer began and did not come whole, or is not HTTP.
    Broken(hyper::Error),
    /// The answer is larger than allowed.
    TooLarge(usize),
}

impl Failure {
    fn from_hyper(error: hyper::Error) -> Self {
        if error.is_canceled() {
            Self::NotProcessed(error)
        } else if error.is_incomplete_message() || (!error.is_parse() && find::<io::Error>(&error).is_some()) {
            Self::NoAnswer(error)
        } else {
            Self::Broken(error)
        }
    }

    fn into_error(self, target: &Target) -> HttpError {
        let (kind, text, error) = match self {
            Self::TooLarge(limit) => {
                return target.error(HttpErrorKind::TooLarge, format_args!("the answer is larger than {limit} bytes"));
            }
            Self::NotProcessed(error) => (HttpErrorKind::Connect, "the connection was closed", error),
            Self::NoAnswer(error) | Self::Broken(error) if find::<rustls::Error>(&error).is_some() => {
                (HttpErrorKind::Tls, "TLS broke", error)
            }
            Self::NoAnswer(error) => (HttpErrorKind::Connect, "the connection was cut before an answer", error),
            Self::Broken(error) if error.is_parse_too_large() => {
                (HttpErrorKind::TooLarge, "the head of the answer is too large", error)
            }
            Self::Broken(error) if error.is_parse() => {
                (HttpErrorKind::NotHttp, "what answers there does not speak HTTP/1.1", error)
            }
            Self::Broken(error) if is_garbled(&error) => {
                (HttpErrorKind::NotHttp, "the chunks of the answer are not those of HTTP/1.1", error)
            }
            Self::Broken(error) => (HttpErrorKind::Protocol, "the answer was cut", error),
        };
        HttpError { cause: Some(Box::new(error)), ..target.error(kind, format_args!("{text}")) }
    }
}

/// Whether the body came and cannot be read. hyper tells chunks that are not RFC 9112, 7.1 by these kinds only; a body that
/// ends early is `UnexpectedEof`.
fn is_garbled(error: &hyper::Error) -> bool {
    let kind = find::<io::Error>(error).map(io::Error::kind);
    matches!(kind, Some(io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData))
}

/// The first error of a type in a chain. Inside an [`io::Error`] it looks at what is wrapped there.
fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    None
}
