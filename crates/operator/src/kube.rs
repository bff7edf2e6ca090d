//! The API server, as far as the operator asks it: JSON over the one HTTP client, and nothing that is generated.

mod access;
mod error;
mod kubeconfig;
mod object;
mod watch;
mod yaml;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use carnet_core::{Context, Error, HttpSend as _, Request, Response};
use carnet_net::Client;
use http::{HeaderValue, Method, header};
use serde_json::Value;
use url::Url;

use crate::api::Resource;

pub(crate) use access::Access;
pub(crate) use error::ApiError;
pub(crate) use object::{Key, Object};
pub(crate) use watch::{Event, Watch};

/// Who writes, for the API server ("Server-Side Apply", managers).
pub(crate) const MANAGER: &str = "carnet-operator";
/// Largest answer, in bytes: a page of the largest objects.
const MAX_ANSWER: usize = 64 << 20;
/// How often a request is sent again that the API server was too busy for.
const BUSY_TRIES: u32 = 5;
/// Longest that an API server may ask to wait; more is an error, and tried again later.
const MAX_WAIT: Duration = Duration::from_secs(30);

const JSON: &str = "application/json";
const MERGE: &str = "application/merge-patch+json";
/// What is sent is JSON, which is YAML too.
const APPLY: &str = "application/apply-patch+yaml";

/// A page of a list.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) items: Vec<Object>,
    /// The version of the list.
    pub(crate) version: String,
    /// Where the next page begins; empty on the last.
    pub(crate) next: String,
}

/// The API server. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Kube {
    context: Context,
    http: Arc<Client>,
    access: Arc<Access>,
    /// Longest for one request; a watch lasts longer.
    timeout: Duration,
}

impl Kube {
    pub(crate) fn new(context: Context, http: Arc<Client>, access: Access, timeout: Duration) -> Self {
        Self { context, http, access: Arc::new(access), timeout }
    }

    pub(crate) async fn get(&self, of: &Resource, key: &Key) -> Result<Object, ApiError> {
        self.object(self.request(Method::GET, of, key, "", &[]).await?).await
    }

    /// The object, if it is there.
    pub(crate) async fn find(&self, of: &Resource, key: &Key) -> Result<Option<Object>, ApiError> {
        match self.get(of, key).await {
            Ok(object) => Ok(Some(object)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// One page of a list, of one namespace or of all.
    pub(crate) async fn list(
        &self,
        of: &Resource,
        namespace: &str,
        selector: &str,
        next: &str,
    ) -> Result<Page, ApiError> {
        let mut query = vec![("limit", "500")];
        query.extend(
            [("labelSelector", selector), ("continue", next)].into_iter().filter(|(_, value)| !value.is_empty()),
        );
        let request = self.request(Method::GET, of, &Key::new(namespace, ""), "", &query).await?;
        let answer = self.send(request).await?;
        let mut page: Value = parse(&answer)?;
        let text = |page: &Value, name: &str| {
            let found = page.pointer(&format!("/metadata/{name}")).and_then(Value::as_str);
            found.unwrap_or_default().to_owned()
        };
        let (version, next) = (text(&page, "resourceVersion"), text(&page, "continue"));
        let items = match page.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) => items.into_iter().map(|item| Object::listed(item, of)).collect(),
            _ => Vec::new(),
        };
        Ok(Page { items, version, next })
    }

    /// What changes after this version.
    pub(crate) async fn watch(
        &self,
        of: &Resource,
        namespace: &str,
        selector: &str,
        version: &str,
        lasting: Duration,
    ) -> Result<Watch, ApiError> {
        let seconds = lasting.as_secs().max(1).to_string();
        let mut query = vec![
            ("watch", "true"),
            ("allowWatchBookmarks", "true"),
            ("resourceVersion", version),
            ("timeoutSeconds", seconds.as_str()),
        ];
        query.extend(Some(("labelSelector", selector)).filter(|(_, value)| !value.is_empty()));
        let request = self.request(Method::GET, of, &Key::new(namespace, ""), "", &query).await?;
        let answer = self.http.stream(request).await.map_err(ApiError::unanswered)?;
        if !answer.status.is_success() {
            return Err(ApiError::of(&answer.whole().await.map_err(ApiError::unanswered)?));
        }
        Ok(Watch::new(answer))
    }

    pub(crate) async fn create(&self, of: &Resource, object: &Value) -> Result<Object, ApiError> {
        let namespace = Key::of(object).namespace;
        let query = [("fieldManager", MANAGER)];
        let request = self.request(Method::POST, of, &Key::new(&namespace, ""), "", &query).await?;
        self.object(with(request, JSON, object)).await
    }

    /// Replaces the object, if it is at the version that stands in it.
    pub(crate) async fn replace(&self, of: &Resource, object: &Value) -> Result<Object, ApiError> {
        let request = self.request(Method::PUT, of, &Key::of(object), "", &[("fieldManager", MANAGER)]).await?;
        self.object(with(request, JSON, object)).await
    }

    /// Makes the object so, by server-side apply. What others have set otherwise is taken over: it is the operator's.
    pub(crate) async fn apply(&self, of: &Resource, object: &Value) -> Result<Object, ApiError> {
        let query = [("fieldManager", MANAGER), ("force", "true")];
        let request = self.request(Method::PATCH, of, &Key::of(object), "", &query).await?;
        self.object(with(request, APPLY, object)).await
    }

    /// Merges a patch into the object or, with `part`, into its `status`. With a version in the patch it must be at that one.
    pub(crate) async fn merge(&self, of: &Resource, key: &Key, part: &str, patch: &Value) -> Result<Object, ApiError> {
        let request = self.request(Method::PATCH, of, key, part, &[("fieldManager", MANAGER)]).await?;
        self.object(with(request, MERGE, patch)).await
    }

    /// Deletes the object, if it is still the one with this UID. One that is not there is no error.
    pub(crate) async fn delete(&self, of: &Resource, key: &Key, uid: &str) -> Result<(), ApiError> {
        let options = serde_json::json!({
            "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background", "preconditions": { "uid": uid },
        });
        let request = self.request(Method::DELETE, of, key, "", &[]).await?;
        match self.send(with(request, JSON, &options)).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn request(
        &self,
        method: Method,
        of: &Resource,
        key: &Key,
        part: &str,
        query: &[(&str, &str)],
    ) -> Result<Request, ApiError> {
        let mut path = match of.group {
            "" => format!("/api/{}", of.version),
            group => format!("/apis/{group}/{}", of.version),
        };
        for piece in [("/namespaces/", key.namespace.as_str()), ("/", of.plural), ("/", &key.name), ("/", part)] {
            if !piece.1.is_empty() {
                path.push_str(piece.0);
                path.push_str(piece.1);
            }
        }
        let mut url: Url = self.access.url(&path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = Request::new(method, url).timeout(self.timeout).max_response(MAX_ANSWER);
        request.headers.insert(header::ACCEPT, HeaderValue::from_static(JSON));
        self.access.prepare(&self.context, request).await.map_err(ApiError::Local)
    }

    async fn object(&self, request: Request) -> Result<Object, ApiError> {
        let answer = self.send(request).await?;
        Ok(Object(parse(&answer)?))
    }

    /// Sends a request; again, after a while, when the API server was too busy to look at it ("API Priority and Fairness").
    async fn send(&self, request: Request) -> Result<Response, ApiError> {
        let mut tries = 0;
        loop {
            let answer = self.http.send(request.clone()).await.map_err(ApiError::unanswered)?;
            if answer.status.is_success() {
                return Ok(answer);
            }
            let error = ApiError::of(&answer);
            tries += 1;
            match error.busy() {
                Some(wait) if wait <= MAX_WAIT && tries < BUSY_TRIES => {
                    tracing::debug!(seconds = wait.as_secs(), "the API server is busy");
                    tokio::time::sleep(wait).await;
                }
                _ => return Err(error),
            }
        }
    }
}

fn with(mut request: Request, kind: &'static str, body: &Value) -> Request {
    request.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    request.body = Bytes::from(body.to_string());
    request
}

fn parse(answer: &Response) -> Result<Value, ApiError> {
    answer.json("what the API server answered").map_err(ApiError::Local)
}

impl From<ApiError> for Error {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::Local(error) => error,
            other => {
                let what = "ask the Kubernetes API server";
                let error = if other.is_forbidden() { Self::policy(what) } else { Self::unreachable(what) };
                error.because(other)
            }
        }
    }
}
