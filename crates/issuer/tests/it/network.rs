//! A network in which issuers are.

use std::sync::{
    Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use carnet_core::{BoxFuture, HttpError, HttpErrorKind, HttpSend, Request, Response, SecretBytes};

/// Answers with what it was told to, and counts.
#[derive(Debug, Default)]
pub(crate) struct Network {
    answers: Mutex<Vec<(String, String)>>,
    requests: AtomicUsize,
    hangs: AtomicBool,
}

impl Network {
    pub(crate) fn answer(&self, url: &str, body: impl Into<String>) {
        let mut answers = self.answers.lock().unwrap();
        answers.retain(|(known, _)| known != url);
        answers.push((url.to_owned(), body.into()));
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// From now on nobody answers, ever.
    pub(crate) fn hang(&self) {
        self.hangs.store(true, Ordering::SeqCst);
    }
}

impl HttpSend for Network {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, HttpError>> {
        Box::pin(async move {
            self.requests.fetch_add(1, Ordering::SeqCst);
            if self.hangs.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
            let answers = self.answers.lock().unwrap();
            let Some((_, body)) = answers.iter().find(|(url, _)| url == request.url.as_str()) else {
                let message = format!("{request:?}: nobody is there");
                return Err(HttpError { kind: HttpErrorKind::Connect, message, cause: None });
            };
            let body = SecretBytes::new(body.clone());
            Ok(Response { status: http::StatusCode::OK, headers: http::HeaderMap::new(), body })
        })
    }
}
