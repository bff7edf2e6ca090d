//! Where the server is, and what every request to it carries.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use carnet_core::{Context, Error, Mistake, Request, Response, Secret, is_loopback};
use http::{HeaderValue, Method, header};
use serde_json::Value;
use url::Url;

/// Variables of the address: the CLI reads the first, older ones the second.
const ADDRESS: [&str; 2] = ["INFISICAL_DOMAIN", "INFISICAL_API_URL"];
/// The address when nobody says one: the cloud in the United States, as the CLI and the SDKs have it.
const CLOUD: &str = "https://app.infisical.com";
/// Largest file of roots that is read, in bytes.
const MAX_CA: usize = 1 << 20;

/// A server as it is configured.
#[derive(Clone, Debug, Default)]
pub(crate) struct Server {
    pub(crate) address: Option<Url>,
    pub(crate) ca_file: Option<PathBuf>,
}

/// A server that is known.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    base: Url,
    ca_pem: Option<Bytes>,
}

impl Server {
    /// Checks the two fields, noting mistakes.
    pub(crate) fn check(address: Option<&str>, ca_file: Option<PathBuf>, mistakes: &mut Vec<Mistake>) -> Self {
        let address =
            address.and_then(|text| check_url("address", text).map_err(|mistake| mistakes.push(mistake)).ok());
        Self { address, ca_file }
    }

    /// Fills in what the variables say, and reads the roots.
    ///
    /// # Errors
    /// [`carnet_core::ErrorKind::Configuration`] when a variable or the file is no good.
    pub(crate) fn connect(&self, context: &Context) -> Result<Connection, Error> {
        let base = match &self.address {
            Some(address) => address.clone(),
            None => from_environment(context)?,
        };
        let ca_pem = self.ca_file.as_deref().map(|path| read_roots(context, path)).transpose()?;
        Ok(Connection { base, ca_pem })
    }
}

impl Connection {
    /// The connection that the login used: its address, with roots as `server` has them.
    pub(crate) fn of_fact(address: &str, server: &Server, context: &Context) -> Result<Self, Error> {
        let address = check_url("address", address)
            .map_err(|mistake| Error::internal(format!("use the address of the login: it {}", mistake.message)))?;
        Server { address: Some(address), ..server.clone() }.connect(context)
    }

    /// The address without a slash at the end, for people.
    pub(crate) fn address(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// A request for an API path below `/api/`, with a token and a body if there are any. The path is ours, and names in it
    /// are escaped.
    pub(crate) fn request(
        &self,
        method: Method,
        path: &str,
        token: Option<&Secret>,
        body: Option<&Value>,
    ) -> Result<Request, Error> {
        let url = Url::parse(&format!("{}/api/{path}", self.address())).map_err(|error| {
            Error::configuration(format!("make a URL of {} and {path}", self.address())).because(error)
        })?;
        let mut request =
            Request::new(method, url).header(header::ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(body) = body {
            request = request
                .header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))
                .body(body.to_string());
        }
        if let Some(token) = token {
            request = request.bearer(token)?;
        }
        request.ca_pem.clone_from(&self.ca_pem);
        Ok(request)
    }
}

/// Sends it; a request without an answer is told as what it was for.
pub(crate) async fn send(context: &Context, request: Request, what: &str) -> Result<Response, Error> {
    let host = request.url.host_str().unwrap_or_default().to_owned();
    context.http.send(request).await.map_err(|error| {
        let error = Error::from(error);
        Error::new(error.kind(), format!("{what} ({host})"))
            .because(error)
            .hint("a server with an authority of its own: name its certificate in `ca_file`")
    })
}

fn from_environment(context: &Context) -> Result<Url, Error> {
    let found = ADDRESS.iter().find_map(|name| context.env(name).map(|text| (*name, text)));
    let (variable, text) = found.unwrap_or_else(|| ("the default address", CLOUD.to_owned()));
    // The older variable held the API's own path.
    let text = text.trim_end_matches('/');
    let text = text.strip_suffix("/api").unwrap_or(text);
    check_url(variable, text).map_err(|mistake| {
        Error::configuration(format!("read {variable}: it {}", mistake.message)).hint(mistake.hint.unwrap_or_default())
    })
}

fn read_roots(context: &Context, path: &Path) -> Result<Bytes, Error> {
    let bytes = context.files.read(path, MAX_CA)?.ok_or_else(|| {
        Error::configuration(format!("read the certificates in {}: there is no such file", path.display()))
            .hint("correct `ca_file`")
    })?;
    Ok(Bytes::copy_from_slice(bytes.expose()))
}

/// A URL to which tokens may be sent: https, or http on this machine.
fn check_url(field: &str, text: &str) -> Result<Url, Mistake> {
    let url = Url::parse(text).ok().filter(Url::has_host).ok_or_else(|| {
        Mistake::new(field, "is not an absolute URL")
            .hint("write it with its scheme, for instance https://eu.infisical.com")
    })?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Mistake::new(field, "carries a user name or password").hint("leave what stands before `@` out"));
    }
    if url.scheme() != "https" && !(url.scheme() == "http" && is_loopback(&url)) {
        return Err(Mistake::new(field, "is not https, and tokens are sent there")
            .hint("use https; plain http is only for 127.0.0.1, ::1 and localhost"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(Mistake::new(field, "has a query or a fragment").hint("end it before `?` and `#`"));
    }
    if url.path().trim_end_matches('/').ends_with("/api") {
        return Err(Mistake::new(field, "ends in /api").hint("leave `/api` out: it is added"));
    }
    Ok(url)
}
