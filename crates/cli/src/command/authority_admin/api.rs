//! The admin API, as its clients see it.

use std::{path::PathBuf, sync::Arc, time::Duration};

use carnet_core::{
    Environment as _, Error, ErrorKind, Files as _, HttpSend, Request, Response, Secret, SystemEnvironment, SystemFiles,
};
use carnet_net::{Client, ClientTls, Settings, TlsCertificate};
use carnet_spiffe::{Bundle, BundleMap, SpiffeId, TrustDomain, verify_x509_svid};
use http::{HeaderName, HeaderValue, Method, header};
use serde_json::Value;
use url::Url;

use super::args::At;
use crate::world;

/// Where an authority listens unless it is told otherwise.
const USUAL_SOCKET: &str = "/run/carnet/authority.sock";
/// The variable that names another place.
const SOCKET_VARIABLE: &str = carnet_route::EnvVars::AUTHORITY_SOCKET;
/// Going through a long audit log takes its time.
const TIMEOUT: Duration = Duration::from_mins(30);
/// Largest answer, in bytes: a page of the longest rows.
const MAX_ANSWER: usize = 64 << 20;
/// Items on a page.
const PAGE: &str = "1000";
/// Largest key, token or bundle, in bytes.
const MAX_FILE: usize = 1 << 20;

/// An authority that is to be asked.
pub(in crate::command) struct Api {
    client: Box<dyn HttpSend>,
    base: Url,
    token: Option<Secret>,
    /// For errors.
    place: String,
    is_socket: bool,
}

impl Api {
    /// Where the arguments say. Nothing is sent yet.
    pub(in crate::command) fn open(at: &At) -> Result<Self, Error> {
        let token = at.token_file.as_ref().map(|path| read(path)).transpose()?;
        let token = token.map(|text| Secret::new(text.expose().trim()));
        let Some(url) = &at.url else {
            let named = at.socket.clone().or_else(|| SystemEnvironment.get(SOCKET_VARIABLE).map(PathBuf::from));
            let path = named.unwrap_or_else(|| PathBuf::from(USUAL_SOCKET));
            return Ok(Self { token, ..Self::at_socket(path)? });
        };
        let base = parse(url)?;
        if base.scheme() != "https" && !carnet_core::is_loopback(&base) {
            return Err(Error::configuration("ask an authority without TLS").hint("write --url https://…"));
        }
        let client = Client::new(Settings::from_environment(&SystemEnvironment)).with_tls(tls(at)?);
        Ok(Self { client: Box::new(client), place: format!("at {base}"), base, token, is_socket: false })
    }

    /// At this Unix socket.
    pub(in crate::command) fn at_socket(path: PathBuf) -> Result<Self, Error> {
        let place = format!("at the socket {}", path.display());
        let base = parse("http://localhost")?;
        Ok(Self { client: Box::new(Client::unix(path)), base, token: None, place, is_socket: true })
    }

    pub(in crate::command) async fn get(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Value, Error> {
        self.send(Request::get(self.url(path, query)?)).await
    }

    pub(in crate::command) async fn post(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        body: &Value,
    ) -> Result<Value, Error> {
        self.send(Request::post_json(self.url(path, query)?, body)).await
    }

    pub(in crate::command) async fn put(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        body: &Value,
        revision: Option<u64>,
    ) -> Result<Value, Error> {
        let mut request = Request::post_json(self.url(path, query)?, body);
        request.method = Method::PUT;
        if let Some(revision) = revision {
            let tag = HeaderValue::from_str(&format!("\"{revision}\""));
            let tag = tag.map_err(|error| Error::internal("write a revision").because(error))?;
            request = request.header(HeaderName::from_static("if-match"), tag);
        }
        self.send(request).await
    }

    pub(in crate::command) async fn delete(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Value, Error> {
        self.send(Request::new(Method::DELETE, self.url(path, query)?)).await
    }

    /// All items of a list, page by page; at most `limit`.
    pub(in crate::command) async fn list(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        limit: usize,
    ) -> Result<Vec<Value>, Error> {
        let mut items: Vec<Value> = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let mut query = query.to_vec();
            query.push(("limit", PAGE));
            if let Some(after) = &after {
                query.retain(|(name, _)| *name != "after");
                query.push(("after", after));
            }
            let mut page = self.get(path, &query).await?;
            if let Some(Value::Array(found)) = page.get_mut("items").map(Value::take) {
                items.extend(found);
            }
            after = page.get("next").and_then(Value::as_str).map(ToOwned::to_owned);
            if after.is_none() || items.len() >= limit {
                items.truncate(limit);
                return Ok(items);
            }
        }
    }

    /// An answer that is one document a line, and from where to go on when it ends before what was asked for does.
    pub(in crate::command) async fn lines(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<(String, Option<u64>), Error> {
        let response = self.ask(Request::get(self.url(path, query)?)).await?;
        let next = response.header("carnet-next-after").and_then(|next| next.parse().ok());
        let text = response.text().map(ToOwned::to_owned);
        let text = text.ok_or_else(|| {
            Error::unreachable(format!("read the answer of the authority {}: it is not UTF-8", self.place))
        })?;
        Ok((text, next))
    }

    async fn send(&self, request: Request) -> Result<Value, Error> {
        self.ask(request).await?.json("what the authority answered")
    }

    async fn ask(&self, request: Request) -> Result<Response, Error> {
        let mut request = request.timeout(TIMEOUT).max_response(MAX_ANSWER);
        request.headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(token) = &self.token {
            request = request.bearer(token)?;
        }
        let response = self.client.send(request).await.map_err(|error| self.unreachable(error))?;
        if response.status.is_success() { Ok(response) } else { Err(self.refused(&response)) }
    }

    fn unreachable(&self, error: carnet_core::HttpError) -> Error {
        let reached = Error::unreachable(format!("reach the authority {}", self.place)).because(error);
        if self.is_socket {
            return reached.hint(format!(
                "is `carnet authority` running here? Name its socket with --socket or {SOCKET_VARIABLE}; only root, its own \
                 user and admin_uids may use it"
            ));
        }
        reached.hint("look at the address; with a certificate of the trust domain, give --authority-bundle too")
    }

    fn refused(&self, response: &Response) -> Error {
        let status = response.status.as_u16();
        let body: Value = serde_json::from_slice(response.body.expose()).unwrap_or_default();
        let member = |name: &str| body.pointer(&format!("/error/{name}")).and_then(Value::as_str);
        let Some(code) = member("code") else {
            return Error::unreachable(format!("ask the authority {}: it answered HTTP {status}", self.place))
                .hint("this is not what an authority answers: check the address");
        };
        let kind = match code {
            "invalid" | "not-found" | "unsupported-media-type" | "too-large" | "method-not-allowed" => {
                ErrorKind::Configuration
            }
            "unavailable" => ErrorKind::Unreachable,
            _ => ErrorKind::Refused,
        };
        let mut error = Error::new(kind, format!("the authority refuses: {}", member("message").unwrap_or(code)));
        let mistakes = body.pointer("/error/mistakes").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let told: Vec<String> = mistakes.iter().map(mistake).collect();
        if !told.is_empty() {
            error = error.because(Error::new(kind, told.join("; ")));
        }
        if let Some(field) = member("field") {
            error = error.clause(field);
        }
        if let Some(hint) = member("hint") {
            error = error.hint(hint);
        }
        if let Some(id) = member("request_id") {
            error = error.hint(format!("the authority knows it as request {id}"));
        }
        error.code(code)
    }

    fn url(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Url, Error> {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| Error::configuration(format!("{} cannot be asked", self.base)))?
            .pop_if_empty()
            .push("v1")
            .extend(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }
}

fn mistake(mistake: &Value) -> String {
    let member = |name: &str| mistake.get(name).and_then(Value::as_str);
    let hint = member("hint").map_or_else(String::new, |hint| format!(" ({hint})"));
    format!("{}: {}{hint}", member("field").unwrap_or_default(), member("message").unwrap_or_default())
}

/// Who asks by TLS, and whom it believes.
fn tls(at: &At) -> Result<ClientTls, Error> {
    let mut tls = ClientTls::new();
    if let (Some(chain), Some(key)) = (&at.svid, &at.svid_key) {
        let shown = TlsCertificate::from_pem(read(chain)?.expose().as_bytes(), read(key)?.expose().as_bytes())?;
        tls = tls.identity(Arc::new(move || Some(shown.clone())));
    }
    if let (Some(path), Some(name)) = (&at.authority_bundle, &at.authority_domain) {
        let place = path.display();
        let domain: TrustDomain =
            name.parse().map_err(|error| Error::configuration("read --authority-domain").because(error))?;
        let wanted = SpiffeId::new(&domain, "/carnet/authority")
            .map_err(|error| Error::configuration("read --authority-domain").because(error))?;
        let bundle = Bundle::parse(&domain, read(path)?.expose().as_bytes())
            .map_err(|error| Error::configuration(format!("read the bundle in {place}")).because(error))?;
        let bundles = BundleMap::from_iter([Arc::new(bundle)]);
        let context = world::context();
        tls = tls.verifier(Arc::new(move |chain| match verify_x509_svid(chain, &bundles, context.now()) {
            Ok(id) if id == wanted => Ok(()),
            Ok(id) => Err(format!("the server is {id}, not {wanted}")),
            Err(error) => Err(error.to_string()),
        }));
    }
    Ok(tls)
}

fn read(path: &std::path::Path) -> Result<Secret, Error> {
    let place = path.display();
    let bytes = SystemFiles.read(path, MAX_FILE)?;
    let bytes = bytes.ok_or_else(|| Error::configuration(format!("read {place}: there is no such file")))?;
    let text = std::str::from_utf8(bytes.expose());
    Ok(Secret::new(text.map_err(|_quoting| Error::configuration(format!("read {place}: it is not text")))?))
}

fn parse(url: &str) -> Result<Url, Error> {
    url.parse()
        .map_err(|error: url::ParseError| Error::configuration("read the address of the authority").because(error))
}
