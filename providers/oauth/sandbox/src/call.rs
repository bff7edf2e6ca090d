//! One request, read whole.

use std::sync::Arc;

use axum::{Router, extract::Request, response::Response};
use http::{HeaderMap, Method, StatusCode, header};
use percent_encoding::percent_decode_str;

use crate::{
    exchange::exchange,
    face::{Content, Face, Reason},
    reply::{Failure, public, refusal},
    request::Members,
    resource::visit,
    state::State,
};

/// A request as a face sees it.
pub(crate) struct Call {
    pub(crate) method: Method,
    /// The parts of the path between slashes, each decoded after it was cut out: npm's packages have a slash inside.
    pub(crate) path: Vec<String>,
    pub(crate) raw_path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// A router that hands every request to one face.
pub(crate) fn router(state: Arc<State>, face: &'static Face) -> Router {
    Router::new().fallback(move |request: Request| {
        let state = Arc::clone(&state);
        async move {
            match read(face, request).await {
                Ok(call) => answer(&state, face, &call).await,
                Err(failure) => refusal(&state, face, failure),
            }
        }
    })
}

async fn read(face: &Face, request: Request) -> Result<Call, Failure> {
    let (parts, body) = request.into_parts();
    let (most, _) = face.entrance.most;
    let body = axum::body::to_bytes(body, most).await;
    let body = body.map_err(|_cut| Failure::new(Reason::TooLarge, "a larger body", format!("at most {most} bytes")))?;
    let decode = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
    Ok(Call {
        method: parts.method,
        path: parts.uri.path().split('/').skip(1).map(decode).collect(),
        raw_path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body: body.to_vec(),
    })
}

async fn answer(state: &State, face: &'static Face, call: &Call) -> Response {
    let entrance = &face.entrance;
    let answer = if let Some(members) = call.captures(entrance.path) {
        if call.method.as_str() == entrance.method {
            exchange(state, face, call, members).await
        } else {
            Err(Failure::status(StatusCode::METHOD_NOT_ALLOWED, "another method", entrance.method))
        }
    } else {
        other(state, face, call)
    };
    answer.unwrap_or_else(|failure| refusal(state, face, failure))
}

fn other(state: &State, face: &'static Face, call: &Call) -> Result<Response, Failure> {
    let mut nothing = Failure::status(StatusCode::NOT_FOUND, "another path", entrance_of(face));
    for resource in face.resources {
        let Some(members) = call.captures(resource.path) else { continue };
        if call.method.as_str() == resource.method {
            return visit(state, face, resource, call, &members);
        }
        nothing = Failure::status(StatusCode::METHOD_NOT_ALLOWED, "another method", resource.method);
    }
    let document = face.documents.iter().find(|document| call.captures(document.path).is_some());
    match document.filter(|_| call.method == Method::GET).map(|document| document.content) {
        Some(Content::Text(text)) => Ok(public("application/json", text.to_owned())),
        Some(Content::Index) => {
            let name = call.path.last().map(String::as_str).unwrap_or_default();
            state.lock().index.lines(name).map(|lines| public("text/plain", lines)).ok_or(nothing)
        }
        None => Err(nothing),
    }
}

fn entrance_of(face: &Face) -> String {
    format!("{} {}", face.entrance.method, face.entrance.path)
}

impl Call {
    /// A header as text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// A member of the query, the first of this name.
    pub(crate) fn query(&self, name: &str) -> Option<String> {
        let mut pairs = url::form_urlencoded::parse(self.query.as_bytes());
        pairs.find(|(own, _)| own == name).map(|(_, value)| value.into_owned())
    }

    /// What stands behind the scheme `Bearer` in the header `authorization`, if there is one such header.
    pub(crate) fn bearer(&self) -> Option<&str> {
        let mut values = self.headers.get_all(header::AUTHORIZATION).iter();
        let value = values.next()?.to_str().ok()?;
        let (scheme, token) = value.split_once(' ')?;
        (values.next().is_none() && scheme.eq_ignore_ascii_case("bearer")).then(|| token.trim())
    }

    /// What the parts of a path stand for, if it is this path. An empty part stands for nothing.
    pub(crate) fn captures(&self, pattern: &str) -> Option<Members> {
        let parts: Vec<&str> = pattern.split('/').skip(1).collect();
        let more = self.path.len().checked_sub(parts.len())?;
        let mut left = self.path.iter().map(String::as_str);
        let mut members = Members::new();
        for part in parts {
            let name = part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
            let Some(name) = name else {
                if left.next()? != part {
                    return None;
                }
                continue;
            };
            let (name, count) = name.strip_suffix('*').map_or((name, 1), |name| (name, more.saturating_add(1)));
            let taken: Vec<&str> = left.by_ref().take(count).collect();
            if taken.iter().any(|part| part.is_empty()) {
                return None;
            }
            members.insert(name.to_owned(), taken.join("/"));
        }
        left.next().is_none().then_some(members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captures(path: &str, pattern: &str) -> Option<Vec<(String, String)>> {
        let decode = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
        let call = Call {
            method: Method::GET,
            path: path.split('/').skip(1).map(decode).collect(),
            raw_path: path.to_owned(),
            query: String::new(),
            headers: HeaderMap::new(),
            body: Vec::new(),
        };
        call.captures(pattern).map(|members| members.into_iter().collect())
    }

    #[test]
    fn parts_of_a_path_are_members() {
        let one = |name: &str, value: &str| Some(vec![(name.to_owned(), value.to_owned())]);
        assert_eq!(captures("/a/b", "/a/b"), Some(Vec::new()));
        assert_eq!(captures("/a/x/c", "/a/{b}/c"), one("b", "x"));
        assert_eq!(captures("/a/@x%2fy", "/a/{b}"), one("b", "@x/y"));
        assert_eq!(captures("/a/x/y/z/c", "/a/{b*}/c"), one("b", "x/y/z"));
        for (path, pattern) in
            [("/a", "/a/b"), ("/a/b/c", "/a/b"), ("/a/x/y", "/a/{b}"), ("/a/", "/a/{b}"), ("/a/x//y", "/a/{b*}")]
        {
            assert_eq!(captures(path, pattern), None, "{path} {pattern}");
        }
    }
}
