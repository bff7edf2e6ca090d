//! Where the server is, and what every request to it carries.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use carnet_core::{Context, Error, Mistake, Request, Response, Secret, is_loopback};
use http::{HeaderName, HeaderValue, Method, header};
use serde_json::Value;
use url::Url;

/// Variables of the address, the namespace and the roots: OpenBao reads its own first, then Vault's.
const ADDRESS: [&str; 2] = ["BAO_ADDR", "VAULT_ADDR"];
const NAMESPACE: [&str; 2] = ["BAO_NAMESPACE", "VAULT_NAMESPACE"];
const CA_FILE: [&str; 2] = ["BAO_CACERT", "VAULT_CACERT"];
/// Largest file of roots that is read, in bytes.
const MAX_CA: usize = 1 << 20;

/// Every official client sends it; an agent with `require_request_header` refuses requests without it.
const REQUEST: HeaderName = HeaderName::from_static("x-vault-request");
const TOKEN: HeaderName = HeaderName::from_static("x-vault-token");
const NAMESPACE_HEADER: HeaderName = HeaderName::from_static("x-vault-namespace");
const WRAP_TTL: HeaderName = HeaderName::from_static("x-vault-wrap-ttl");

/// A server as it is configured. What is not there comes from the variables of Vault's own clients.
#[derive(Clone, Debug, Default)]
pub(crate) struct Server {
    pub(crate) address: Option<Url>,
    pub(crate) namespace: Option<String>,
    pub(crate) ca_file: Option<PathBuf>,
}

/// A server that is known.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    base: Url,
    pub(crate) namespace: Option<String>,
    ca_pem: Option<Bytes>,
}

impl Server {
    /// Checks the three fields, noting mistakes.
    pub(crate) fn check(
        address: Option<&str>,
        namespace: Option<&str>,
        ca_file: Option<PathBuf>,
        mistakes: &mut Vec<Mistake>,
    ) -> Self {
        let address =
            address.and_then(|text| check_url("address", text).map_err(|mistake| mistakes.push(mistake)).ok());
        let namespace = namespace.map(|text| text.trim_matches('/').to_owned()).filter(|text| !text.is_empty());
        if let Some(namespace) = &namespace {
            mistakes.extend(check_path("namespace", namespace).err());
        }
        Self { address, namespace, ca_file }
    }

    /// Fills in what the variables say, and reads the roots.
    ///
    /// # Errors
    /// [`carnet_core::ErrorKind::Configuration`] when there is no address, or a variable or the file is no good.
    pub(crate) fn connect(&self, context: &Context) -> Result<Connection, Error> {
        let base = match &self.address {
            Some(address) => address.clone(),
            None => from_environment(context)?,
        };
        let namespace = match (&self.namespace, first(context, &NAMESPACE)) {
            (Some(namespace), _) => Some(namespace.clone()),
            (None, Some((variable, text))) => {
                let text = text.trim_matches('/').to_owned();
                check_path(variable, &text).map_err(|mistake| of_variable(variable, mistake))?;
                Some(text)
            }
            (None, None) => None,
        };
        let ca_file = self.ca_file.clone().or_else(|| first(context, &CA_FILE).map(|(_, path)| PathBuf::from(path)));
        let ca_pem = ca_file.map(|path| read_roots(context, &path)).transpose()?;
        Ok(Connection { base, namespace, ca_pem })
    }
}

impl Connection {
    /// The connection that an earlier step used: its address and namespace, with roots as `server` has them.
    pub(crate) fn of_facts(
        address: &str,
        namespace: Option<&String>,
        server: &Server,
        context: &Context,
    ) -> Result<Self, Error> {
        let address = check_url("address", address)
            .map_err(|mistake| Error::internal(format!("use the address of the login: it {}", mistake.message)))?;
        let server = Server { address: Some(address), namespace: namespace.cloned(), ..server.clone() };
        server.connect(context)
    }

    /// The address without a slash at the end, for people and for `VAULT_ADDR`.
    pub(crate) fn address(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// The URL of an API path, which was checked by [`check_path`].
    pub(crate) fn url(&self, path: &str) -> Result<Url, Error> {
        Url::parse(&format!("{}/v1/{path}", self.address())).map_err(|error| {
            Error::configuration(format!("make a URL of {} and {path}", self.address())).because(error)
        })
    }

    /// A request for an API path, with a token and a body if there are any.
    pub(crate) fn request(
        &self,
        method: Method,
        path: &str,
        token: Option<&Secret>,
        body: Option<&Value>,
    ) -> Result<Request, Error> {
        let mut request = Request::new(method, self.url(path)?)
            .header(REQUEST, HeaderValue::from_static("true"))
            .header(header::ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(body) = body {
            request = request
                .header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))
                .body(body.to_string());
        }
        if let Some(token) = token {
            let mut value = HeaderValue::from_str(token.expose())
                .map_err(|_unprintable| Error::configuration("send a token that is not one line of visible ASCII"))?;
            value.set_sensitive(true);
            request = request.header(TOKEN, value);
        }
        if let Some(namespace) = &self.namespace {
            request = request.header(NAMESPACE_HEADER, visible("the namespace", namespace)?);
        }
        request.ca_pem.clone_from(&self.ca_pem);
        Ok(request)
    }
}

/// Asks for the answer to be wrapped, for this many seconds.
pub(crate) fn wrapped(request: Request, seconds: i64) -> Request {
    request.header(WRAP_TTL, HeaderValue::from(seconds))
}

/// Sends it; a request without an answer is told as what it was for.
pub(crate) async fn send(context: &Context, request: Request, what: &str) -> Result<Response, Error> {
    let host = request.url.host_str().unwrap_or_default().to_owned();
    context.http.send(request).await.map_err(|error| {
        let error = Error::from(error);
        Error::new(error.kind(), format!("{what} ({host})"))
            .because(error)
            .hint("a server with an authority of its own: name its certificate in `ca_file` or VAULT_CACERT")
    })
}

fn first<'n>(context: &Context, names: &[&'n str]) -> Option<(&'n str, String)> {
    names.iter().find_map(|name| context.env(name).map(|text| (*name, text)))
}

fn from_environment(context: &Context) -> Result<Url, Error> {
    let (variable, text) = first(context, &ADDRESS).ok_or_else(|| {
        Error::configuration("find the Vault server: no address is known")
            .hint("set `address` in the exchange, or the variable VAULT_ADDR")
    })?;
    check_url(variable, &text).map_err(|mistake| of_variable(variable, mistake))
}

fn of_variable(variable: &str, mistake: Mistake) -> Error {
    Error::configuration(format!("read {variable}: it {}", mistake.message)).hint(mistake.hint.unwrap_or_default())
}

fn read_roots(context: &Context, path: &Path) -> Result<Bytes, Error> {
    let bytes = context.files.read(path, MAX_CA)?.ok_or_else(|| {
        Error::configuration(format!("read the certificates in {}: there is no such file", path.display()))
            .hint("correct `ca_file`, or VAULT_CACERT")
    })?;
    Ok(Bytes::copy_from_slice(bytes.expose()))
}

fn visible(what: &str, text: &str) -> Result<HeaderValue, Error> {
    HeaderValue::from_str(text).map_err(|error| Error::configuration(format!("send {what}")).because(error))
}

/// A URL to which tokens may be sent: https, or http on this machine.
pub(crate) fn check_url(field: &str, text: &str) -> Result<Url, Mistake> {
    let url = Url::parse(text).ok().filter(Url::has_host).ok_or_else(|| {
        Mistake::new(field, "is not an absolute URL")
            .hint("write it with its scheme, for instance https://vault.example:8200")
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
    if url.path().trim_end_matches('/').ends_with("/v1") {
        return Err(Mistake::new(field, "ends in /v1").hint("leave `/v1` out: it is added"));
    }
    Ok(url)
}

/// A path of mounts, namespaces, secrets. It becomes part of a URL, so nothing passes that would lead elsewhere.
pub(crate) fn check_path(field: &str, path: &str) -> Result<(), Mistake> {
    let odd = |c: char| {
        !c.is_ascii_graphic() || matches!(c, '?' | '#' | '%' | '\\' | '"' | '<' | '>' | '^' | '`' | '{' | '|' | '}')
    };
    let wrong = path.contains(odd) || path.split('/').any(|part| matches!(part, "" | "." | ".."));
    if wrong {
        return Err(Mistake::new(field, "is not a path of plain segments")
            .hint("letters, digits and marks such as `-`, `_`, `.` between single slashes, none at the ends"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_path_that_passes_leads_where_it_says(path in "[a-zA-Z0-9./_?#%:@;&=+~ \\\\\"<>{}|^`é-]{0,30}") {
            let base = check_url("address", "https://vault.example:8200").unwrap();
            let connection = Connection { base, namespace: None, ca_pem: None };
            if check_path("path", &path).is_ok() {
                let url = connection.url(&path).unwrap();
                prop_assert_eq!(url.as_str(), format!("https://vault.example:8200/v1/{path}"));
                prop_assert!(url.query().is_none() && url.fragment().is_none());
            }
        }

        #[test]
        fn tokens_leave_by_tls_only_but_for_this_machine(text in "(https?://)?(127\\.0\\.0\\.1|[a-z.:@]{0,16})[/?#v1]{0,6}") {
            if let Ok(url) = check_url("address", &text) {
                prop_assert!(url.scheme() == "https" || is_loopback(&url));
                prop_assert!(url.username().is_empty() && url.query().is_none() && url.fragment().is_none());
            }
        }
    }
}
