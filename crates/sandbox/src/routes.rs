//! Which service answers for a host name, a port and a path.

use std::{
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

use axum::Router;
use carnet_sandbox_kit::Host;

/// The address that most clouds' metadata services share. What tells them apart is the path.
pub(crate) const METADATA_ADDRESS: &str = "169.254.169.254";

/// Which metadata service a path belongs to. The first that fits and exists answers; the last fits everything,
/// because Google's libraries ask for `/` to find out where they are.
const METADATA_PATHS: [(&str, &str); 4] =
    [("/opc/", "oci-imds"), ("/latest/", "aws-imds"), ("/metadata/", "azure-imds"), ("/", "gcp-metadata")];

/// Where the agents of AWS's containers and of EKS pods are, which clients reach without a proxy as well.
const AGENT_ADDRESSES: [&str; 2] = ["169.254.170.2", "169.254.170.23"];

/// Most names of refused hosts that are remembered.
const MAX_REFUSED: usize = 100;

/// One service and its ports.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) name: &'static str,
    pub(crate) hosts: Vec<Host>,
    /// The service's router with the faults around it.
    pub(crate) router: Router,
    pub(crate) plain_port: u16,
    pub(crate) tls_port: u16,
}

/// All services.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    services: Vec<Route>,
    refused: Mutex<Vec<String>>,
}

impl Routes {
    pub(crate) fn new(services: Vec<Route>) -> Self {
        Self { services, refused: Mutex::default() }
    }

    pub(crate) fn services(&self) -> &[Route] {
        &self.services
    }

    /// Whether some service answers for this host: a real name at any port, or loopback at a port of the sandbox's.
    pub(crate) fn answers(&self, host: &str, port: u16) -> bool {
        self.find(host, port, "/").is_some()
    }

    /// The service that answers, if there is one.
    pub(crate) fn find(&self, host: &str, port: u16, path: &str) -> Option<&Route> {
        if is_loopback(host) {
            return self.services.iter().find(|service| service.plain_port == port || service.tls_port == port);
        }
        let mut claimants = self.services.iter().filter(|service| claims(service, host));
        let first = claimants.next()?;
        let by_path = METADATA_PATHS
            .iter()
            .filter(|(start, _)| path.starts_with(start))
            .find_map(|(_, name)| self.services.iter().find(|service| service.name == *name && claims(service, host)));
        Some(by_path.unwrap_or(first))
    }

    /// Remembers a host that nobody answers for, for whoever wonders why their program fails.
    pub(crate) fn refuse(&self, host: &str, port: u16) {
        // The name comes from a client, so what is kept of it is short and printable.
        let name: String = host.chars().filter(char::is_ascii_graphic).take(253).collect();
        let name = format!("{name}:{port}");
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.len() < MAX_REFUSED && !refused.contains(&name) {
            tracing::info!(sandbox.host = %name, "a host that no service claims was refused");
            refused.push(name);
        }
    }

    /// The hosts that were refused, `host:port`, in the order they came.
    pub(crate) fn refused(&self) -> Vec<String> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Route {
    /// Whether this is a metadata service, which clients reach without a proxy.
    pub(crate) fn is_metadata(&self) -> bool {
        claims(self, METADATA_ADDRESS)
            || AGENT_ADDRESSES.iter().any(|address| claims(self, address))
            || METADATA_PATHS.iter().any(|(_, name)| *name == self.name)
    }
}

/// Whether a host is this machine itself. Brackets around an IPv6 address do not matter.
pub(crate) fn is_loopback(host: &str) -> bool {
    let host = host.trim_end_matches('.');
    host.eq_ignore_ascii_case("localhost")
        || strip_brackets(host).parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

/// `[fd00::1]` as `fd00::1`, anything else as it is.
pub(crate) fn strip_brackets(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

fn claims(service: &Route, host: &str) -> bool {
    let host = strip_brackets(host.trim_end_matches('.'));
    service.hosts.iter().any(|known| known.matches(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(name: &'static str, hosts: Vec<Host>, plain_port: u16) -> Route {
        Route { name, hosts, router: Router::new(), plain_port, tls_port: plain_port + 1 }
    }

    fn routes() -> Routes {
        let imds = vec![Host::Exact(METADATA_ADDRESS), Host::Exact("fd00:c1::a9fe:a9fe")];
        let gce = vec![Host::Exact(METADATA_ADDRESS), Host::Exact("metadata.google.internal")];
        Routes::new(vec![
            route("aws-imds", vec![Host::Exact(METADATA_ADDRESS), Host::Exact("fd00:ec2::254")], 40),
            route("azure-imds", vec![Host::Exact(METADATA_ADDRESS)], 50),
            route("aws-container", vec![Host::Exact("169.254.170.2")], 60),
            route("oci-imds", imds, 10),
            route("gcp-metadata", gce, 20),
            route("gcp-sts", vec![Host::Exact("sts.googleapis.com")], 30),
        ])
    }

    fn name(host: &str, port: u16, path: &str) -> Option<&'static str> {
        routes().find(host, port, path).map(|route| route.name)
    }

    #[test]
    fn metadata_is_split_by_path() {
        assert_eq!(name("169.254.169.254", 80, "/opc/v2/instance/"), Some("oci-imds"));
        assert_eq!(name("169.254.169.254", 80, "/computeMetadata/v1/"), Some("gcp-metadata"));
        assert_eq!(name("169.254.169.254", 80, "/latest/api/token"), Some("aws-imds"));
        assert_eq!(name("169.254.169.254", 80, "/metadata/identity/oauth2/token"), Some("azure-imds"));
        assert_eq!(name("169.254.169.254", 80, "/"), Some("gcp-metadata"));
        assert_eq!(name("[fd00:c1::a9fe:a9fe]", 80, "/opc/v2/"), Some("oci-imds"));
        assert_eq!(name("metadata.google.internal", 80, "/opc/"), Some("gcp-metadata"));
    }

    #[test]
    fn metadata_services_and_agents_are_reached_without_a_proxy() {
        let routes = routes();
        let without: Vec<&str> = routes.services().iter().filter(|one| one.is_metadata()).map(|one| one.name).collect();
        assert_eq!(without, ["aws-imds", "azure-imds", "aws-container", "oci-imds", "gcp-metadata"]);
    }

    #[test]
    fn loopback_is_only_the_sandboxs_own_ports() {
        assert_eq!(name("127.0.0.1", 30, "/"), Some("gcp-sts"));
        assert_eq!(name("localhost", 31, "/"), Some("gcp-sts"));
        assert_eq!(name("[::1]", 30, "/"), Some("gcp-sts"));
        assert_eq!(name("127.0.0.1", 22, "/"), None);
    }

    #[test]
    fn other_hosts_are_nobodys() {
        assert_eq!(name("example.com", 443, "/"), None);
        assert_eq!(name("sts.googleapis.com.evil.example", 443, "/"), None);
        assert_eq!(name("STS.googleapis.com.", 443, "/"), Some("gcp-sts"));
    }

    proptest::proptest! {
        #[test]
        fn any_host_can_be_asked_for(host: String, port: u16, path: String) {
            let routes = routes();
            let _ = routes.find(&host, port, &path);
            routes.refuse(&host, port);
            let kept = routes.refused().concat();
            proptest::prop_assert!(kept.len() <= 253 + ":65535".len() && kept.chars().all(|c| c.is_ascii_graphic()));
        }
    }

    #[test]
    fn refused_hosts_are_kept_once_and_printable() {
        let routes = routes();
        routes.refuse("a\u{1b}[31m.example", 443);
        routes.refuse("a\u{1b}[31m.example", 443);
        assert_eq!(routes.refused(), ["a[31m.example:443"]);
    }
}
