//! Is this request the one that only says who signed it, and is it meant for this server?

use std::collections::BTreeSet;

use carnet_core::Secret;
use carnet_trust::Refusal;
use serde::{Deserialize, Serialize};
use url::Url;

use super::{super::wire_types::list, refuse};

/// The header that says which server a request is for.
pub const SERVER_ID: &str = "X-Vault-AWS-IAM-Server-ID";
/// Headers of AWS's own that a request may have (`defaultAllowedSTSRequestHeaders`), in lower case.
const HEADERS: [&str; 8] = [
    "x-amz-algorithm",
    "x-amz-content-sha256",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-security-token",
    "x-amz-signature",
    "x-amz-signedheaders",
    "x-amz-user-agent",
];
/// Where requests are sent unless the configuration says otherwise.
const ENDPOINT: &str = "https://sts.amazonaws.com";

/// `POST auth/MOUNT/config/client`, as far as it bears on logins by signed request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AwsClientConfig {
    /// The server's own key to AWS. Nothing here uses it.
    pub access_key: String,
    /// Its secret. Never read back.
    #[serde(skip_serializing)]
    pub secret_key: Option<Secret>,
    /// Where EC2 is.
    pub endpoint: String,
    /// Where IAM is.
    pub iam_endpoint: String,
    /// Where STS is. Empty: the global one.
    pub sts_endpoint: String,
    /// The region that goes with `sts_endpoint`.
    pub sts_region: String,
    /// Whether the region that a request is signed for says where STS is.
    pub use_sts_region_from_client: bool,
    /// What the header [`SERVER_ID`] must be. Empty: not looked at, and then a request that was made for another server logs
    /// in here too.
    pub iam_server_id_header_value: String,
    /// Further headers of AWS's own that requests may have.
    #[serde(deserialize_with = "list")]
    pub allowed_sts_header_values: Vec<String>,
    /// How often the server tries again. -1: as its library does.
    pub max_retries: i64,
}

impl Default for AwsClientConfig {
    fn default() -> Self {
        Self {
            access_key: String::new(),
            secret_key: None,
            endpoint: String::new(),
            iam_endpoint: String::new(),
            sts_endpoint: String::new(),
            sts_region: String::new(),
            use_sts_region_from_client: false,
            iam_server_id_header_value: String::new(),
            allowed_sts_header_values: Vec::new(),
            max_retries: -1,
        }
    }
}

/// A signed request, decoded.
#[derive(Clone, Debug)]
pub struct AwsProof {
    /// `POST` only.
    pub method: String,
    /// What the client has signed for.
    pub url: Url,
    /// The form.
    pub body: String,
    /// Name and value, a header with several values several times.
    pub headers: Vec<(String, String)>,
}

impl AwsProof {
    /// Whether the request may be sent on.
    ///
    /// # Errors
    /// The clauses `request` (it is not, or more than, `GetCallerIdentity`) and `server-id` (it is not meant for this server).
    pub fn check(&self, config: &AwsClientConfig) -> Result<(), Box<Refusal>> {
        let fix =
            "sign `POST` with the body `Action=GetCallerIdentity&Version=2011-06-15` and no query, and nothing else";
        let request = |seen: &str, text: &str| refuse("request", seen, "GetCallerIdentity", text, fix);
        if self.method != "POST" {
            let text = "invalid iam_http_request_method; currently only 'POST' is supported";
            return Err(request("another method", text));
        }
        // Behind an endpoint's name such a path would become a part of the name.
        if self.url.cannot_be_a_base() {
            return Err(request("an address without a host", "error parsing iam_request_url"));
        }
        if self.url.query().is_some() {
            return Err(request("a query", "iam_request_url must not have a query"));
        }
        let mut parameters = url::form_urlencoded::parse(self.body.as_bytes());
        let mut names = BTreeSet::new();
        let allowed = parameters.all(|(name, value)| {
            let known = name == "Version" || (name == "Action" && value == "GetCallerIdentity");
            known && names.insert(name)
        });
        if !allowed || !names.contains("Action") {
            return Err(request("another body", "iam request body is invalid"));
        }
        if let Some((name, _)) = self.headers.iter().find(|(name, _)| !is_allowed(name, config)) {
            let name = carnet_core::safe_text(name);
            return Err(request(&name, &format!("invalid request header: {name}")));
        }
        self.check_server(&config.iam_server_id_header_value)
    }

    fn check_server(&self, wanted: &str) -> Result<(), Box<Refusal>> {
        if wanted.is_empty() {
            return Ok(());
        }
        let fix = "set `server_id` of the exchange to `iam_server_id_header_value` of the mount";
        let wrong = |seen: String, text: String| {
            refuse("server-id", seen, wanted, format!("error validating {SERVER_ID} header: {text}"), fix)
        };
        let seen = self.header(SERVER_ID);
        if seen.is_empty() {
            return Err(wrong("no header".to_owned(), format!("missing header {SERVER_ID:?}")));
        }
        if seen != wanted {
            let seen = carnet_core::safe_text(&seen);
            return Err(wrong(seen.clone(), format!("expected {wanted:?} but got {seen:?}")));
        }
        let authorization = self.header("authorization");
        if authorization.is_empty() {
            return Err(wrong("no signature".to_owned(), "missing Authorization header".to_owned()));
        }
        let signed = authorization.split_once("SignedHeaders=").map(|(_, rest)| rest);
        let signed = signed.and_then(|rest| rest.split(',').next()).unwrap_or_default();
        if signed.split(';').any(|name| name.trim().eq_ignore_ascii_case(SERVER_ID)) {
            return Ok(());
        }
        Err(wrong("a header that is not signed".to_owned(), "header wasn't signed".to_owned()))
    }

    /// Where the request is sent: the endpoint of the configuration with the path that was signed.
    ///
    /// # Errors
    /// The clause `method`, when the configuration names no address.
    pub fn target(&self, config: &AwsClientConfig) -> Result<Url, Box<Refusal>> {
        let regional = self.region().filter(|_| config.use_sts_region_from_client);
        let endpoint = match (config.sts_endpoint.as_str(), regional) {
            (_, Some(region)) => format!("https://sts.{region}.amazonaws.com"),
            ("", None) => ENDPOINT.to_owned(),
            (endpoint, None) => endpoint.to_owned(),
        };
        let address = format!("{}{}", endpoint.trim_end_matches('/'), self.url.path());
        Url::parse(&address).map_err(|error| {
            let fix = "set `sts_endpoint` of the mount to an https address";
            refuse("method", "an address that is none", "an address of STS", error.to_string(), fix)
        })
    }

    /// The region in the scope of the signature. It becomes part of a host name, so nothing odd passes.
    fn region(&self) -> Option<String> {
        let authorization = self.header("authorization");
        let (_, scope) = authorization.split_once("Credential=")?;
        let region = scope.split(',').next()?.split('/').nth(2)?;
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        (!region.is_empty() && region.len() <= 32 && region.chars().all(plain)).then(|| region.to_owned())
    }

    /// The values of a header, with commas between them.
    fn header(&self, wanted: &str) -> String {
        let values = self.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
        values.map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(",")
    }
}

/// Whatever is not AWS's own passes: STS does not look at it.
fn is_allowed(name: &str, config: &AwsClientConfig) -> bool {
    let name = name.to_ascii_lowercase();
    let more = &config.allowed_sts_header_values;
    !name.starts_with("x-amz-")
        || HEADERS.contains(&name.as_str())
        || more.iter().any(|allowed| allowed.eq_ignore_ascii_case(&name))
}
