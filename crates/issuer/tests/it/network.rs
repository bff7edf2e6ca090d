//! A network in which issuers are.

use std::sync::{
    Arc, Mutex, OnceLock,
    atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering},
};

use carnet_core::{BoxFuture, HttpError, HttpErrorKind, HttpSend, Request, Response, SecretBytes};

/// Answers with what it was told to, and counts.
#[derive(Debug, Default)]
pub(crate) struct Network {
    answers: Mutex<Vec<(String, String)>>,
    requests: AtomicUsize,
    hangs: AtomicBool,
    gone: AtomicBool,
    /// What everybody answers; 0 for what each of them does.
    status: AtomicU16,
    beyond: OnceLock<Arc<dyn HttpSend>>,
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

    /// Whoever is not here is there: the emulated clouds.
    pub(crate) fn open(&self, beyond: Arc<dyn HttpSend>) {
        self.beyond.get_or_init(|| beyond);
    }

    /// From now on everybody answers with this status and nothing else; with 0 as before.
    pub(crate) fn answer_all(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    /// From now on nobody can be reached.
    pub(crate) fn cut(&self) {
        self.gone.store(true, Ordering::SeqCst);
    }

    /// From now on nobody answers, ever.
    pub(crate) fn hang(&self) {
        self.hangs.store(true, Ordering::SeqCst);
    }

    /// What is asked from now on is answered; what hangs goes on to.
    pub(crate) fn recover(&self) {
        self.hangs.store(false, Ordering::SeqCst);
    }
}

impl HttpSend for Network {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, HttpError>> {
        Box::pin(async move {
            self.requests.fetch_add(1, Ordering::SeqCst);
            if self.hangs.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
            let status = self.status.load(Ordering::SeqCst);
            if status != 0 {
                return Ok(response(status, String::new()));
            }
            let gone = || {
                let message = format!("{request:?}: nobody is there");
                HttpError { kind: HttpErrorKind::Connect, message, cause: None }
            };
            if self.gone.load(Ordering::SeqCst) {
                return Err(gone());
            }
            let known = self.answers.lock().unwrap().iter().find(|(url, _)| url == request.url.as_str()).cloned();
            match (known, self.beyond.get()) {
                (Some((_, body)), _) => Ok(response(200, body)),
                (None, Some(beyond)) => beyond.send(request).await,
                (None, None) => Err(gone()),
            }
        })
    }
}

fn response(status: u16, body: String) -> Response {
    let status = http::StatusCode::from_u16(status).unwrap();
    Response { status, headers: http::HeaderMap::new(), body: SecretBytes::new(body) }
}
