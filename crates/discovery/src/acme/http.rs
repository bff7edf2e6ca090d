//! The ACME library's requests through the one HTTP client.

use std::{pin::Pin, sync::Arc};

use bytes::Bytes;
use carnet_core::{Destination, HttpSend, Request};
use http_body_util::BodyExt as _;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use url::{Origin, Url};

/// Largest answer, in bytes. Chains are the largest, some ten thousand.
const MAX_ANSWER: usize = 256 << 10;

pub(super) struct Http {
    pub(super) send: Arc<dyn HttpSend>,
    /// The origin of the directory. Addresses elsewhere were learnt from it, and are dialled only if they are public.
    pub(super) origin: Origin,
    pub(super) ca_pem: Option<Bytes>,
}

impl HttpClient for Http {
    fn request(
        &self,
        request: http::Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let (send, origin, ca_pem) = (Arc::clone(&self.send), self.origin.clone(), self.ca_pem.clone());
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.map_err(|never| Error::Other(Box::new(never)))?.to_bytes();
            let url = Url::parse(&head.uri.to_string()).map_err(|error| Error::Other(Box::new(error)))?;
            let ours = url.origin() == origin;
            let destination = if ours { Destination::Configured } else { Destination::Untrusted };
            let mut request =
                Request::new(head.method, url).body(body).destination(destination).max_response(MAX_ANSWER);
            request.headers = head.headers;
            request.ca_pem = ca_pem;
            let answer = send.send(request).await.map_err(|error| Error::Other(Box::new(error)))?;
            let mut response = http::Response::new(());
            *response.status_mut() = answer.status;
            *response.headers_mut() = answer.headers;
            let (parts, ()) = response.into_parts();
            Ok(BytesResponse { parts, body: Box::new(Bytes::copy_from_slice(answer.body.expose())) })
        })
    }
}
