//! Where the API server is, and how carnet shows it who asks.

use std::{net::Ipv6Addr, path::PathBuf};

use bytes::Bytes;
use carnet_core::{Context, Error, Mistake, Request, Response, Secret, may_carry_tokens};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::{
    error::{refused, unanswered},
    file::Place,
};

/// What the kubelet sets in every pod ("Accessing the Kubernetes API from a Pod").
pub(crate) const HOST: &str = "KUBERNETES_SERVICE_HOST";
const PORT: &str = "KUBERNETES_SERVICE_PORT";
/// Where the kubelet projects the token of the pod's service account.
pub(crate) const TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
/// Beside it, the authorities of the API server.
const CA: &str = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";

/// How the API server is reached. Without any field, that of the cluster that carnet runs in, as its pod's account.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiConfig {
    /// The API server, `https://HOST:PORT`. By default what `KUBERNETES_SERVICE_HOST` and `KUBERNETES_SERVICE_PORT` say.
    #[serde(default)]
    pub url: Option<String>,
    /// PEM file with the API server's authorities. By default the one beside the pod's token; with `url`, the system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// File with the token that is shown to the API server, read anew each time. By default that of the pod's account; needed
    /// with `url`.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
}

/// An [`ApiConfig`] that has been checked.
#[derive(Clone, Debug, Default)]
pub struct ApiAccess {
    url: Option<Url>,
    ca_file: Option<PathBuf>,
    token_file: Option<PathBuf>,
}

/// An API server, and the files that it is believed by and asked with.
#[derive(Clone, Debug)]
pub struct ApiServer {
    base: Url,
    ca: Option<Place>,
    token: Place,
}

/// One request, for its errors.
pub(crate) struct Attempt<'a> {
    /// What is attempted.
    pub(crate) what: &'a str,
    /// What the account must be allowed to do, as a hint.
    pub(crate) may: &'a str,
    /// What was sent besides its own token, and must not be quoted.
    pub(crate) secrets: &'a [&'a Secret],
}

impl ApiConfig {
    /// Whether it says anything.
    pub(crate) fn is_given(&self) -> bool {
        self.url.is_some() || self.ca_file.is_some() || self.token_file.is_some()
    }

    /// Checks the section `field`.
    pub fn check(self, field: &str, mistakes: &mut Vec<Mistake>) -> ApiAccess {
        let name = |part: &str| format!("{field}.{part}");
        let url = self.url.as_deref().and_then(|text| match base(text) {
            Ok(url) => Some(url),
            Err(wrong) => {
                mistakes.push(Mistake::new(name("url"), wrong).hint("write https://HOST:PORT"));
                None
            }
        });
        if self.url.is_some() && self.token_file.is_none() {
            let mistake = Mistake::new(name("token_file"), "is missing beside url");
            mistakes
                .push(mistake.hint("the pod's own token belongs to its own API server: name the file of the other's"));
        }
        ApiAccess { url, ca_file: self.ca_file, token_file: self.token_file }
    }
}

impl ApiAccess {
    /// The API server. `None` outside of a cluster, when none is configured.
    ///
    /// # Errors
    /// [`carnet_core::ErrorKind::Configuration`] when the variables do not make an address.
    pub fn locate(&self, context: &Context) -> Result<Option<ApiServer>, Error> {
        let named = |file: Option<&PathBuf>| file.cloned().map(Place::Named);
        let Some(base) = self.url.clone().map_or_else(|| in_cluster(context), |url| Ok(Some(url)))? else {
            return Ok(None);
        };
        let ca = named(self.ca_file.as_ref()).or_else(|| self.url.is_none().then_some(Place::Usual(CA)));
        let token = named(self.token_file.as_ref()).unwrap_or(Place::Usual(TOKEN));
        Ok(Some(ApiServer { base, ca, token }))
    }

    /// As [`Self::locate`], where there must be one.
    ///
    /// # Errors
    /// [`carnet_core::ErrorKind::Configuration`] as well when there is none.
    pub fn need(&self, context: &Context) -> Result<ApiServer, Error> {
        self.locate(context)?.ok_or_else(|| {
            Error::configuration(format!("find the API server: {HOST} is not set"))
                .hint("this is no pod: name the API server's url, ca_file and token_file")
        })
    }
}

impl ApiServer {
    /// The API server at this address, which is checked with the authorities of `ca_file` and asked with the token of
    /// `token_file`, both read anew each time.
    pub fn at(base: Url, ca_file: Option<PathBuf>, token_file: PathBuf) -> Self {
        Self { base, ca: ca_file.map(Place::Named), token: Place::Named(token_file) }
    }

    /// Its address.
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// The address of a path, which begins with a slash and is encoded.
    pub fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        url
    }

    /// The token of the account that asks.
    pub(crate) fn own_token(&self, context: &Context) -> Result<Secret, Error> {
        self.token.token(context)
    }

    /// The request with the account's token, checked with the cluster's authorities.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn prepare(&self, context: &Context, mut request: Request) -> Result<Request, Error> {
        if let Some(ca) = &self.ca {
            request.ca_pem = Some(Bytes::copy_from_slice(ca.need(context)?.expose()));
        }
        request.bearer(&self.own_token(context)?)
    }

    /// Creates an object, and gives what the API server made of it.
    pub(crate) async fn create(
        &self,
        context: &Context,
        path: &str,
        body: &Value,
        attempt: &Attempt<'_>,
    ) -> Result<Response, Error> {
        let own = self.own_token(context)?;
        let request = self.prepare(context, Request::post_json(self.url(path), body))?;
        let response = context.http.send(request).await.map_err(|error| unanswered(attempt.what, error))?;
        if response.status.is_success() {
            return Ok(response);
        }
        let mut secrets = vec![&own];
        secrets.extend(attempt.secrets);
        Err(refused(attempt.what, &response, attempt.may, &secrets))
    }
}

/// The API server's address as the kubelet tells it.
fn in_cluster(context: &Context) -> Result<Option<Url>, Error> {
    let Some(host) = context.env(HOST) else { return Ok(None) };
    let host = if host.parse::<Ipv6Addr>().is_ok() { format!("[{host}]") } else { host };
    let port = context.env(PORT).unwrap_or_else(|| "443".to_owned());
    let url = port.parse::<u16>().ok().and_then(|port| base(&format!("https://{host}:{port}")).ok());
    url.map(Some).ok_or_else(|| {
        Error::configuration(format!("find the API server: {HOST} and {PORT} do not make an address"))
            .hint("the kubelet sets both; unset them where this is no pod")
    })
}

/// The address of a server, without a query; a path is kept, as proxies of several clusters have one.
fn base(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("is not a URL: {error}"))?;
    if !may_carry_tokens(&url) {
        return Err("is not https: tokens are sent there".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a query, a fragment or a user name".to_owned());
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use carnet_core::{ErrorKind, ScriptedHttp};

    use super::*;
    use crate::testing::place;

    fn located(variables: &[(&str, &str)]) -> Result<Option<String>, ErrorKind> {
        let (context, _) = place(variables, &[], ScriptedHttp::default());
        let found = ApiAccess::default().locate(&context);
        found.map(|found| found.map(|server| server.base.to_string())).map_err(|error| error.kind())
    }

    #[test]
    fn a_pod_finds_its_api_server() {
        assert_eq!(located(&[]), Ok(None));
        let (host, port) = (("KUBERNETES_SERVICE_HOST", "10.96.0.1"), ("KUBERNETES_SERVICE_PORT", "6443"));
        assert_eq!(located(&[host, port]), Ok(Some("https://10.96.0.1:6443/".to_owned())));
        assert_eq!(located(&[host]), Ok(Some("https://10.96.0.1/".to_owned())));
        let six = [("KUBERNETES_SERVICE_HOST", "fd00::1"), port];
        assert_eq!(located(&six), Ok(Some("https://[fd00::1]:6443/".to_owned())));
    }

    #[test]
    fn rejects_variables_that_make_no_address() {
        for (host, port) in [("a/b?c", "443"), ("user@host", "443"), ("10.96.0.1", "https"), ("10.96.0.1", "70000")] {
            let variables = [("KUBERNETES_SERVICE_HOST", host), ("KUBERNETES_SERVICE_PORT", port)];
            assert_eq!(located(&variables), Err(ErrorKind::Configuration), "{host} {port}");
        }
    }

    fn mistakes(config: Value) -> Vec<String> {
        let mut mistakes = Vec::new();
        serde_json::from_value::<ApiConfig>(config).unwrap().check("api", &mut mistakes);
        mistakes.into_iter().map(|mistake| mistake.field).collect()
    }

    #[test]
    fn rejects_an_address_without_tls_and_one_without_a_token() {
        use serde_json::json;
        let good = json!({"url": "https://10.0.0.1:6443", "token_file": "/t"});
        assert!(mistakes(good).is_empty());
        assert_eq!(mistakes(json!({"url": "http://10.0.0.1", "token_file": "/t"})), ["api.url"]);
        assert_eq!(mistakes(json!({"url": "https://10.0.0.1/?x", "token_file": "/t"})), ["api.url"]);
        assert_eq!(mistakes(json!({"url": "https://10.0.0.1"})), ["api.token_file"]);
    }

    #[test]
    fn rejects_a_request_without_the_files_that_it_needs() {
        let variables = [("KUBERNETES_SERVICE_HOST", "10.96.0.1")];
        let request = |files: &[(&str, &str)]| {
            let (context, _) = place(&variables, files, ScriptedHttp::default());
            let server = ApiAccess::default().need(&context).unwrap();
            server.prepare(&context, Request::get(server.url("/version"))).map_err(|error| error.to_string())
        };
        assert!(request(&[]).unwrap_err().contains("ca.crt"));
        assert!(request(&[(CA, "PEM")]).unwrap_err().contains("token"));
        assert!(request(&[(CA, "PEM"), (TOKEN, "two words")]).unwrap_err().contains("token"));
        let whole = request(&[(CA, "PEM"), (TOKEN, "one\n")]).unwrap();
        assert_eq!(
            (whole.headers["authorization"].to_str().unwrap(), whole.ca_pem.as_deref()),
            ("Bearer one", Some(&b"PEM"[..]))
        );
    }
}
