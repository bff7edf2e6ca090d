//! Services and where they can be reached.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use axum::Router;
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::json;
use url::Url;

/// A host name that a service answers for when it is reached under its real name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// Exactly this name or address, lower-case; an IPv6 address without brackets.
    Exact(&'static str),
    /// Any name that starts and ends like this, with at least one character between and no dot in it: `auth.` …
    /// `.oraclecloud.com`.
    Between(&'static str, &'static str),
}

impl Host {
    /// Whether the name (without port) is one of them. Names compare without case.
    pub fn matches(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        match self {
            Self::Exact(exact) => name == *exact,
            Self::Between(start, end) => name
                .strip_prefix(start)
                .and_then(|rest| rest.strip_suffix(end))
                .is_some_and(|between| !between.is_empty() && !between.contains('.')),
        }
    }
}

/// How a service words an error that is not about the request: content type and body for a status.
pub type ErrorBody = fn(StatusCode) -> (&'static str, String);

/// What stands before that body: the status, where the service has another for the same thing, and a header.
pub type ErrorHead = fn(StatusCode) -> (StatusCode, Option<(HeaderName, HeaderValue)>);

/// One emulated service.
#[derive(Clone)]
pub struct Service {
    /// A stable kebab-case name, for instance `oci-domain`.
    pub name: &'static str,
    /// Real host names it answers for.
    pub hosts: Vec<Host>,
    /// Its routes, at the root of its own listener.
    pub router: Router,
    /// How it words the errors of faults (429 and 503).
    pub error_body: ErrorBody,
    /// The status of such an error, and a header.
    pub error_head: ErrorHead,
}

impl Service {
    /// A service that words its errors in plain JSON.
    pub fn new(name: &'static str, hosts: impl Into<Vec<Host>>, router: Router) -> Self {
        Self { name, hosts: hosts.into(), router, error_body: plain_error_body, error_head: plain_error_head }
    }

    /// Sets how it words the errors of faults.
    #[must_use]
    pub fn error_body(mut self, error_body: ErrorBody) -> Self {
        self.error_body = error_body;
        self
    }

    /// Sets the status of the errors of faults, where it is not the fault's own, and a header.
    #[must_use]
    pub fn error_head(mut self, error_head: ErrorHead) -> Self {
        self.error_head = error_head;
        self
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("name", &self.name).field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

/// `{"error":{"code":503,"message":"Service Unavailable"}}`
fn plain_error_body(status: StatusCode) -> (&'static str, String) {
    let message = status.canonical_reason().unwrap_or("error");
    ("application/json", json!({ "error": { "code": status.as_u16(), "message": message } }).to_string())
}

fn plain_error_head(status: StatusCode) -> (StatusCode, Option<(HeaderName, HeaderValue)>) {
    (status, None)
}

/// In the extensions of a request that came to a service's plain address.
#[derive(Clone, Copy, Debug)]
pub struct PlainHttp;

/// Where one service listens. Neither URL has a path; [`Url`] writes it with the slash at the end that some SDKs
/// refuse, so use [`ServiceUrls::plain_origin`] for those.
#[derive(Clone, Debug)]
pub struct ServiceUrls {
    /// `http://127.0.0.1:PORT/`
    pub plain: Url,
    /// `https://127.0.0.1:PORT/`, certificate of the sandbox's own authority.
    pub tls: Url,
}

impl ServiceUrls {
    /// `http://127.0.0.1:PORT`
    pub fn plain_origin(&self) -> String {
        self.plain.origin().ascii_serialization()
    }

    /// `https://127.0.0.1:PORT`
    pub fn tls_origin(&self) -> String {
        self.tls.origin().ascii_serialization()
    }
}

/// Where every service listens, by name.
pub type Urls = BTreeMap<&'static str, ServiceUrls>;

/// Makes one key, unless it is there. Whoever needs it next makes it again and reports a failure.
pub type KeyMaker = Box<dyn FnOnce() + Send>;

/// The emulated services of one provider.
pub trait Emulator: Send + Sync {
    /// Its services. Called once.
    fn services(&self) -> Vec<Service>;

    /// Files that clients need (a profile, a token, a key), with paths relative to the sandbox's private folder. Made on
    /// demand and on a thread that may block, because keys take time. `folder` is that folder, for files that name
    /// another by its absolute path.
    fn files(&self, urls: &Urls, folder: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>, carnet_core::Error> {
        let _ = (urls, folder);
        Ok(Vec::new())
    }

    /// Variables that point the vendor's SDKs at the services and at the files under `folder`, for `carnet sandbox env`.
    ///
    /// A variable whose value names the port of a service is left out where real host names are used, unless that
    /// service is a metadata service or has no host name.
    fn environment(&self, urls: &Urls, folder: &Path) -> Vec<(String, String)>;

    /// What a job of this CI system sees in its environment, for instance of `github`. `None` when this emulator plays no
    /// such system. `audience` is for systems whose job definition fixes it.
    fn job_environment(
        &self,
        job: &str,
        audience: Option<&str>,
        urls: &Urls,
    ) -> Option<Result<Vec<(String, String)>, carnet_core::Error>> {
        let _ = (job, audience, urls);
        None
    }

    /// What makes the RSA keys that [`Emulator::files`] needs beside [`crate::World::issuers`], one by one, so that the
    /// sandbox can make them beside one another: nobody can go on before they are there.
    fn file_keys(&self) -> Vec<KeyMaker> {
        Vec::new()
    }

    /// Makes the other keys that will be needed soon. Runs on a thread of its own after the sandbox is ready.
    fn warm(&self) {}

    /// Replaces the signing key of a service (fault `key-rotated`).
    fn rotate_keys(&self, service: &str) {
        let _ = service;
    }

    /// What the sandbox's control API offers for this emulator, under `/emulator/NAME`. Only who holds the control
    /// token gets there.
    fn control(&self) -> Option<Router> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_stands_for_one_label() {
        let host = Host::Between("auth.", ".oraclecloud.com");
        assert!(host.matches("auth.us-ashburn-1.oraclecloud.com"));
        assert!(host.matches("AUTH.eu-frankfurt-1.OracleCloud.com"));
        for name in [
            "auth..oraclecloud.com",
            "auth.oraclecloud.com",
            "auth.a.b.oraclecloud.com",
            "xauth.a.oraclecloud.com",
            "auth.a.oraclecloud.com.evil.example",
        ] {
            assert!(!host.matches(name), "{name}");
        }
    }

    #[test]
    fn names_compare_without_case_and_whole() {
        let host = Host::Exact("sts.googleapis.com");
        assert!(host.matches("STS.googleapis.com"));
        assert!(!host.matches("a.sts.googleapis.com"));
    }

    proptest::proptest! {
        #[test]
        fn any_name_can_be_asked_for(name: String) {
            let host = Host::Between("auth.", ".example.com");
            let claimed = format!("auth.{name}.example.com");
            proptest::prop_assert_eq!(host.matches(&claimed), !name.is_empty() && !name.contains('.'));
            proptest::prop_assert!(!host.matches(&name));
        }
    }

    #[test]
    fn origins_have_no_slash_at_the_end() {
        let urls = ServiceUrls {
            plain: "http://127.0.0.1:7101/".parse().unwrap(),
            tls: "https://127.0.0.1:7102/".parse().unwrap(),
        };
        assert_eq!(urls.plain_origin(), "http://127.0.0.1:7101");
        assert_eq!(urls.tls_origin(), "https://127.0.0.1:7102");
    }
}
