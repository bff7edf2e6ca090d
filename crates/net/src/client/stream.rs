//! Answers that are read piece by piece, for as long as the server has something to say.

use std::{fmt, pin::Pin};

use bytes::{Buf as _, Bytes};
use carnet_core::{HttpError, HttpErrorKind, Request, Response, SecretBytes};
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt as _;
use hyper::{body::Incoming, client::conn::http1};

use super::{Client, Failure, Message, body, connect, drive_on, pool::Driver, target::Target};

/// An answer whose body has not been read. The connection is its own, and is driven while somebody waits for a piece; dropping it closes the connection.
pub struct Streamed {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    body: Incoming,
    driver: Pin<Box<Driver>>,
    /// Whether the connection has ended. What had come before is still to be read.
    ended: bool,
    /// The connection closes when nobody can send on it any more.
    _sender: http1::SendRequest<http_body_util::Full<Bytes>>,
    target: Target,
    limit: usize,
}

impl Streamed {
    /// The next piece, however large the server made it, up to 64 KB. `None` at the end. May be dropped and called again.
    ///
    /// # Errors
    /// When the connection breaks in the middle.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, HttpError> {
        loop {
            let next = drive_on(&mut self.driver, &mut self.ended, self.body.frame()).await;
            match next {
                None => return Ok(None),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if data.has_remaining() => return Ok(Some(data)),
                    _ => {}
                },
                Some(Err(error)) => return Err(Failure::Broken(error).into_error(&self.target)),
            }
        }
    }

    /// The rest of it, whole: up to `max_response` of the request.
    ///
    /// # Errors
    /// When it is larger, or the connection breaks.
    pub async fn whole(self) -> Result<Response, HttpError> {
        let Self { status, headers, body, mut driver, mut ended, target, limit, .. } = self;
        let read: Result<SecretBytes, Failure> = drive_on(&mut driver, &mut ended, body::read(body, limit)).await;
        read.map(|body| Response { status, headers, body }).map_err(|failure| failure.into_error(&target))
    }
}

impl Client {
    /// Sends a request whose answer is read as it comes, over a connection of its own. `timeout` of the request is for the head of the answer; how long to wait
    /// for a piece is up to who reads.
    ///
    /// # Errors
    /// As of [`carnet_core::HttpSend::send`], as far as the head.
    pub async fn stream(&self, request: Request) -> Result<Streamed, HttpError> {
        let target = self.target(&request)?;
        let opened = tokio::time::timeout(request.timeout, self.begin(&target, &request)).await;
        let Ok(opened) = opened else {
            let limit = request.timeout.as_millis();
            return Err(target.error(HttpErrorKind::Timeout, format_args!("no answer within {limit} ms")));
        };
        let (response, sender, driver, ended) = opened?;
        let (head, body) = response.into_parts();
        tracing::debug!(http.request = %target, http.status = head.status.as_u16(), "request is being answered");
        let limit = request.max_response;
        Ok(Streamed { status: head.status, headers: head.headers, body, driver, ended, _sender: sender, target, limit })
    }

    async fn begin(&self, target: &Target, request: &Request) -> Result<Begun, HttpError> {
        let message: Message = target.message(request)?;
        let opened = connect::open(self, target, request.ca_pem.as_deref()).await?;
        let (mut sender, driver) = super::handshake(opened.stream, target).await?;
        let mut driver = Box::pin(driver);
        let mut ended = false;
        let sent = sender.send_request(message);
        let response = drive_on(&mut driver, &mut ended, sent).await;
        let response = response.map_err(|error| Failure::from_hyper(error).into_error(target))?;
        Ok((response, sender, driver, ended))
    }
}

type Begun = (http::Response<Incoming>, http1::SendRequest<http_body_util::Full<Bytes>>, Pin<Box<Driver>>, bool);

impl fmt::Debug for Streamed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTTP {} from {}", self.status.as_u16(), self.target)
    }
}
