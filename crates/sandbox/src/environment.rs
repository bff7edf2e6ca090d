//! The variables that bring clients to the sandbox.

use std::path::Path;

use carnet_sandbox_kit::Urls;

use crate::{emulators::Emulators, routes::Routes};

/// The name of the authority's certificate in the folder.
pub(crate) const CA_FILE: &str = "ca.pem";

/// The name of the control token's file in the folder.
pub(crate) const TOKEN_FILE: &str = "control-token";

/// How clients find the services.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flavour {
    /// By the endpoint variables of their SDKs, on loopback. For clients that take endpoints, and for those that
    /// know no proxy.
    Direct,
    /// Under the clouds' real host names, through the proxy. Only the metadata services, which clients never look
    /// for behind a proxy, and services without a host name of their own are named by variables.
    #[default]
    Proxy,
}

/// Variables whose value is the file of trusted certificates. Each is read by some family of clients: OpenSSL and
/// carnet, Python's requests, curl, the AWS SDKs, Node, gcloud.
const CA_VARIABLES: [&str; 6] = [
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "AWS_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE",
];

/// Variables whose value is the proxy. Both cases are in use.
const PROXY_VARIABLES: [&str; 4] = ["HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"];

/// What is reached without the proxy.
const NO_PROXY: &str = "127.0.0.1,localhost,::1";

/// What the variables speak of.
pub(crate) struct Places<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) proxy: &'a str,
    pub(crate) control: &'a str,
    pub(crate) urls: &'a Urls,
    pub(crate) routes: &'a Routes,
}

/// All variables of a flavour.
pub(crate) fn variables(flavour: Flavour, emulators: &Emulators, places: &Places<'_>) -> Vec<(String, String)> {
    let of_emulators = emulators.iter().flat_map(|(_, emulator)| emulator.environment(places.urls, places.folder));
    let mut all: Vec<(String, String)> = of_emulators
        .filter(|(_, value)| flavour == Flavour::Direct || !names_an_endpoint(value, places.routes))
        .collect();
    let mut add = |name: &str, value: &str| all.push((name.to_owned(), value.to_owned()));
    let ca = places.folder.join(CA_FILE).to_string_lossy().into_owned();
    for name in CA_VARIABLES {
        add(name, &ca);
    }
    if flavour == Flavour::Proxy {
        for name in PROXY_VARIABLES {
            add(name, places.proxy);
        }
    }
    add("NO_PROXY", NO_PROXY);
    add("no_proxy", NO_PROXY);
    add("CARNET_SANDBOX_CONTROL", places.control);
    add("CARNET_SANDBOX_TOKEN_FILE", &places.folder.join(TOKEN_FILE).to_string_lossy());
    all
}

/// Whether a value leads to the port of a service that the proxy answers for under its real name.
fn names_an_endpoint(value: &str, routes: &Routes) -> bool {
    // A service without a name of its own, such as Vault, is reached at its port or not at all.
    let ports = routes.services().iter().filter(|service| !service.is_metadata() && !service.hosts.is_empty());
    ports.flat_map(|service| [service.plain_port, service.tls_port]).any(|port| {
        ["127.0.0.1", "localhost", "[::1]"].iter().any(|host| {
            let authority = format!("{host}:{port}");
            value.match_indices(&authority).any(|(start, found)| {
                let after = value.get(start.saturating_add(found.len())..).unwrap_or_default();
                !after.starts_with(|next: char| next.is_ascii_digit())
            })
        })
    })
}
