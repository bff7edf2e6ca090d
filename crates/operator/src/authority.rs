//! The authority's admin API, as far as the operator asks it: entries and rules.

mod access;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use carnet_attest::Registration;
use carnet_core::{Context, Error, HttpSend, Request, Response, Secret, chain, safe_text};
use carnet_issuer::Rule;
use http::{HeaderValue, Method, header};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use url::Url;

use crate::metrics::Metrics;

pub use access::AuthorityAccess;

/// Longest for one call.
const TIMEOUT: Duration = Duration::from_secs(20);
/// Largest answer, in bytes: a page of the longest entries.
const MAX_ANSWER: usize = 64 << 20;
/// Largest token, in bytes.
const MAX_TOKEN: usize = 64 << 10;
/// Items on a page.
const PAGE: &str = "1000";

/// Why something was not done.
#[derive(Debug)]
pub(crate) enum AdminError {
    /// The authority did not answer, or not now.
    Away(String),
    /// It answered and said no, by its own code.
    Refused { code: String, field: String, message: String },
}

/// The authority.
#[derive(Debug)]
pub(crate) struct Authority {
    context: Context,
    http: Arc<dyn HttpSend>,
    base: Url,
    token: Option<PathBuf>,
    metrics: Metrics,
}

#[derive(Deserialize)]
struct Page<T> {
    items: Vec<T>,
    #[serde(default)]
    next: Option<String>,
}

#[derive(Deserialize)]
struct EntryView {
    entry: Registration,
}

#[derive(Deserialize)]
struct RuleView {
    /// Absent when it stands in a file.
    revision: Option<u64>,
    rule: Rule,
}

impl Authority {
    /// The entries whose key begins so.
    pub(crate) async fn entries(&self, start: &str) -> Result<Vec<Registration>, AdminError> {
        let of = |view: EntryView| view.entry;
        self.list("entries", start, of, |entry| entry.id.starts_with(start)).await
    }

    /// The rules whose name begins so, and that stand in no file.
    pub(crate) async fn rules(&self, start: &str) -> Result<Vec<Rule>, AdminError> {
        let views: Vec<RuleView> =
            self.list("rules", start, |view: RuleView| view, |view| view.rule.name.starts_with(start)).await?;
        Ok(views.into_iter().filter(|view| view.revision.is_some()).map(|view| view.rule).collect())
    }

    /// What comes after `start` by name, as long as it is wanted.
    async fn list<V: DeserializeOwned, T>(
        &self,
        what: &'static str,
        start: &str,
        of: impl Fn(V) -> T,
        wanted: impl Fn(&T) -> bool,
    ) -> Result<Vec<T>, AdminError> {
        let mut all = Vec::new();
        let mut after = start.to_owned();
        loop {
            let query = [("after", after.as_str()), ("limit", PAGE)];
            let answer = self.call("list", Request::get(self.url(&[what], &query)?)).await?;
            let page: Page<V> = read(&answer)?;
            let before = all.len();
            let count = page.items.len();
            all.extend(page.items.into_iter().map(&of).take_while(&wanted));
            match page.next {
                Some(next) if all.len() - before == count => after = next,
                _ => return Ok(all),
            }
        }
    }

    pub(crate) async fn entry(&self, id: &str) -> Result<Option<Registration>, AdminError> {
        match self.call("read", Request::get(self.url(&["entries", id], &[])?)).await {
            Ok(answer) => read::<EntryView>(&answer).map(|view| Some(view.entry)),
            Err(error) if error.is("not-found") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes an entry. Gives it as it is there.
    pub(crate) async fn create(&self, entry: &Registration) -> Result<Registration, AdminError> {
        let request = Request::post_json(self.url(&["entries"], &[])?, &asked(entry));
        read::<EntryView>(&self.call("create", request).await?).map(|view| view.entry)
    }

    /// Replaces an entry that is at this revision.
    pub(crate) async fn update(&self, entry: &Registration, revision: u64) -> Result<Registration, AdminError> {
        let mut request = Request::post_json(self.url(&["entries", &entry.id], &[])?, &asked(entry));
        request.method = Method::PUT;
        let tag = HeaderValue::from_str(&format!("\"{revision}\""));
        request.headers.insert(header::IF_MATCH, tag.map_err(|error| AdminError::Away(error.to_string()))?);
        read::<EntryView>(&self.call("update", request).await?).map(|view| view.entry)
    }

    /// Takes an entry away. One that is not there is no error.
    pub(crate) async fn delete(&self, id: &str) -> Result<(), AdminError> {
        self.remove(&["entries", id]).await
    }

    /// Puts a rule in its place.
    pub(crate) async fn put_rule(&self, rule: &Rule) -> Result<(), AdminError> {
        let body = serde_json::to_value(rule).unwrap_or_default();
        let mut request = Request::post_json(self.url(&["rules", &rule.name], &[])?, &body);
        request.method = Method::PUT;
        self.call("put-rule", request).await.map(drop)
    }

    /// Takes a rule away. One that is not there is no error.
    pub(crate) async fn delete_rule(&self, name: &str) -> Result<(), AdminError> {
        self.remove(&["rules", name]).await
    }

    async fn remove(&self, path: &[&str]) -> Result<(), AdminError> {
        match self.call("delete", Request::new(Method::DELETE, self.url(path, &[])?)).await {
            Ok(_) => Ok(()),
            Err(error) if error.is("not-found") => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn call(&self, call: &'static str, request: Request) -> Result<Response, AdminError> {
        let outcome = self.send(request).await;
        let word = match &outcome {
            Ok(_) => "ok",
            Err(AdminError::Away(_)) => "away",
            Err(AdminError::Refused { .. }) => "refused",
        };
        self.metrics.called(call, word);
        outcome
    }

    async fn send(&self, request: Request) -> Result<Response, AdminError> {
        let mut request = request.timeout(TIMEOUT).max_response(MAX_ANSWER);
        request.headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(path) = &self.token {
            let token = self.token(path).map_err(|error| AdminError::Away(chain(&error).join(": ")))?;
            request = request.bearer(&token).map_err(|error| AdminError::Away(error.to_string()))?;
        }
        let away = |error: carnet_core::HttpError| AdminError::Away(chain(&Error::from(error)).join(": "));
        let answer = self.http.send(request).await.map_err(away)?;
        if answer.status.is_success() { Ok(answer) } else { Err(AdminError::of(&answer)) }
    }

    /// The token as it is now: somebody renews it.
    fn token(&self, path: &Path) -> Result<Secret, Error> {
        let place = path.display();
        let bytes = self.context.files.read(path, MAX_TOKEN)?;
        let bytes = bytes.ok_or_else(|| Error::configuration(format!("read the token in {place}: it is not there")))?;
        let text = std::str::from_utf8(bytes.expose());
        let text =
            text.map_err(|_quoting| Error::configuration(format!("read the token in {place}: it is not text")))?;
        Ok(Secret::new(text.trim()))
    }

    fn url(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Url, AdminError> {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| AdminError::Away("its address cannot be asked".to_owned()))?
            .pop_if_empty()
            .push("v1")
            .extend(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }
}

/// An entry as it is asked for: when it was made and changed is the authority's.
fn asked(entry: &Registration) -> Value {
    let mut body = serde_json::to_value(entry).unwrap_or_else(|_never| json!({}));
    if let Some(members) = body.as_object_mut() {
        members.remove("created_at");
        members.remove("revision");
    }
    body
}

fn read<T: DeserializeOwned>(answer: &Response) -> Result<T, AdminError> {
    answer.json("what the authority answered").map_err(|error| AdminError::Away(chain(&error).join(": ")))
}

impl AdminError {
    fn of(answer: &Response) -> Self {
        let status = answer.status.as_u16();
        let body: Value = serde_json::from_slice(answer.body.expose()).unwrap_or_default();
        let member = |name: &str| {
            let text = body.pointer(&format!("/error/{name}")).and_then(Value::as_str).unwrap_or_default();
            safe_text(text)
        };
        let code = member("code");
        if code.is_empty() || matches!(code.as_str(), "unavailable" | "internal" | "unauthenticated" | "forbidden") {
            return Self::Away(format!("it answered HTTP {status} {code}: {}", member("message")));
        }
        let mut message = member("message");
        let mistakes = body.pointer("/error/mistakes").and_then(Value::as_array).into_iter().flatten();
        let told: Vec<String> = mistakes
            .map(|mistake| {
                let part = |name: &str| mistake.get(name).and_then(Value::as_str).unwrap_or_default();
                safe_text(&format!("{}: {}", part("field"), part("message")))
            })
            .collect();
        if !told.is_empty() {
            message = told.join("; ");
        }
        Self::Refused { code, field: member("field"), message }
    }

    /// Whether it said this.
    pub(crate) fn is(&self, wanted: &str) -> bool {
        matches!(self, Self::Refused { code, .. } if code == wanted)
    }
}

impl fmt::Display for AdminError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Away(why) => write!(f, "the authority cannot be asked: {why}"),
            Self::Refused { field, message, .. } if field.is_empty() => f.write_str(message),
            Self::Refused { field, message, .. } if message.starts_with(field.as_str()) => f.write_str(message),
            Self::Refused { field, message, .. } => write!(f, "{field}: {message}"),
        }
    }
}

impl std::error::Error for AdminError {}
