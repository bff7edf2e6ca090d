//! What the environment says about the network, read once.

use std::path::PathBuf;

use carnet_core::Environment;

use crate::proxy::{NoProxy, Proxy, ProxyError};

/// How requests leave this machine: proxies and trusted certificates.
///
/// The default has no proxy and the system's certificates.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// For `https` URLs, by `CONNECT`. A value that cannot be used fails the requests that would need it.
    pub https_proxy: Option<Result<Proxy, ProxyError>>,
    /// For `http` URLs, by the absolute form.
    pub http_proxy: Option<Result<Proxy, ProxyError>>,
    /// Hosts that are reached without a proxy. Loopback always is.
    pub no_proxy: NoProxy,
    /// The bundle of trusted certificates, PEM. Without it, the first of the system's well-known files.
    pub ca_file: Option<PathBuf>,
    /// A bundle that is trusted as well, PEM.
    pub extra_ca_file: Option<PathBuf>,
}

impl Settings {
    /// Reads `https_proxy`, `HTTPS_PROXY`, `http_proxy`, `HTTP_PROXY`, `no_proxy`, `NO_PROXY`, `SSL_CERT_FILE` and
    /// `CARNET_CA_FILE`. The lower-case name of a proxy variable wins, as in curl.
    ///
    /// The upper-case `HTTP_PROXY` is ignored when `REQUEST_METHOD` is set: in a CGI program it is the client's
    /// `Proxy:` header (CVE-2016-5385, "httpoxy").
    pub fn from_environment(environment: &dyn Environment) -> Self {
        let either = |lower: &str, upper: &str| environment.get(lower).or_else(|| environment.get(upper));
        let http_proxy = match environment.get("REQUEST_METHOD") {
            Some(_) => environment.get("http_proxy"),
            None => either("http_proxy", "HTTP_PROXY"),
        };
        Self {
            https_proxy: either("https_proxy", "HTTPS_PROXY").map(|text| Proxy::parse(&text)),
            http_proxy: http_proxy.map(|text| Proxy::parse(&text)),
            no_proxy: either("no_proxy", "NO_PROXY").map(|text| NoProxy::parse(&text)).unwrap_or_default(),
            ca_file: environment.get("SSL_CERT_FILE").map(PathBuf::from),
            extra_ca_file: environment.get("CARNET_CA_FILE").map(PathBuf::from),
        }
    }
}

#[cfg(test)]
mod tests {
    use carnet_core::MapEnvironment;

    use super::*;

    #[test]
    fn lower_case_wins() {
        let environment =
            MapEnvironment::of(&[("https_proxy", "http://a:1"), ("HTTPS_PROXY", "http://b:2"), ("HTTP_PROXY", "c:3")]);
        let settings = Settings::from_environment(&environment);
        assert_eq!(settings.https_proxy.unwrap().unwrap().to_string(), "http://a:1");
        assert_eq!(settings.http_proxy.unwrap().unwrap().to_string(), "http://c:3");
    }

    #[test]
    fn ignores_upper_case_http_proxy_in_a_cgi_program() {
        let environment = MapEnvironment::of(&[("REQUEST_METHOD", "GET"), ("HTTP_PROXY", "http://attacker:1")]);
        assert!(Settings::from_environment(&environment).http_proxy.is_none());
    }
}
