//! What stands before the API server and makes it slow, busy or absent.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::Body,
    extract::Request,
    middleware::{Next, from_fn},
    response::Response,
};

/// What becomes of a request.
pub(crate) enum Act {
    Pass,
    /// This answer, in place of the server's.
    Answer(u16, &'static [(&'static str, &'static str)]),
    /// The server does it, and nobody hears of it.
    DoneAndLost,
    /// Nobody does anything, ever.
    Hang,
}

type Judge = Box<dyn FnMut(&str, &str) -> Act + Send>;

/// Decides of each request by its method and its path with query.
#[derive(Default)]
pub(crate) struct Gate {
    judge: Mutex<Option<Judge>>,
    seen: Mutex<Vec<(String, String)>>,
}

impl Gate {
    pub(crate) fn judge(&self, judge: impl FnMut(&str, &str) -> Act + Send + 'static) {
        *self.judge.lock().unwrap() = Some(Box::new(judge));
    }

    pub(crate) fn open(&self) {
        *self.judge.lock().unwrap() = None;
    }

    /// How many requests there were that this is true of.
    pub(crate) fn count(&self, is: impl Fn(&str, &str) -> bool) -> usize {
        self.seen.lock().unwrap().iter().filter(|(method, path)| is(method, path)).count()
    }

    pub(crate) fn guard(self: Arc<Self>, router: Router) -> Router {
        router.layer(from_fn(move |request: Request, next: Next| {
            let gate = Arc::clone(&self);
            async move { gate.pass(request, next).await }
        }))
    }

    async fn pass(&self, request: Request, next: Next) -> Response {
        let method = request.method().to_string();
        let path = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
        self.seen.lock().unwrap().push((method.clone(), path.clone()));
        let act = self.judge.lock().unwrap().as_mut().map_or(Act::Pass, |judge| judge(&method, &path));
        match act {
            Act::Pass => next.run(request).await,
            Act::Answer(status, headers) => {
                let mut answer = Response::builder().status(status);
                for (name, value) in headers {
                    answer = answer.header(*name, *value);
                }
                answer.body(Body::from("{}")).unwrap()
            }
            Act::DoneAndLost => {
                next.run(request).await;
                std::future::pending().await
            }
            Act::Hang => std::future::pending().await,
        }
    }
}
