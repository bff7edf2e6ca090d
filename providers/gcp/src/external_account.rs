//! Existing credential files of type `external_account`: read, checked, and warned about.
//!
//! Google's libraries no longer compare the hosts in such a file with Google's, and leave that to whoever loads it
//! ("Authenticate using external credentials", security note). A file from a stranger can send this machine's identity
//! token anywhere and run any program.

mod source;

use carnet_core::{Mistake, is_loopback};
use carnet_trust::Warning;
use serde_json::{Map, Value};
use url::Url;

pub use self::source::CredentialSource;
use crate::{
    config::LIFETIME,
    resource::{DEFAULT_UNIVERSE, ProviderResource},
};

/// Largest file that is looked at, in bytes.
const MAX_LENGTH: usize = 64 * 1024;
/// The types that the token service takes ("Method: token", Security Token Service).
const TOKEN_TYPES: [&str; 5] = [
    "urn:ietf:params:oauth:token-type:jwt",
    "urn:ietf:params:oauth:token-type:id_token",
    "urn:ietf:params:oauth:token-type:saml2",
    "urn:ietf:params:oauth:token-type:mtls",
    "urn:ietf:params:aws:token-type:aws4_request",
];

/// What a credential file says. Holds no secret: of headers only the names, of a client secret nothing.
#[derive(Clone, Debug)]
pub struct ExternalAccount {
    /// The identity provider.
    pub audience: ProviderResource,
    /// The type of the subject token, a URN.
    pub subject_token_type: String,
    /// The token endpoint.
    pub token_url: Url,
    /// The service account that is impersonated.
    pub service_account: Option<String>,
    /// Life of its token, in seconds.
    pub lifetime: Option<i64>,
    /// The domain of Google's services.
    pub universe_domain: String,
    /// The project whose quota is used.
    pub quota_project: Option<String>,
    /// Where the subject token comes from.
    pub source: CredentialSource,
    /// What works and should be looked at.
    pub warnings: Vec<Warning>,
}

/// Reads a credential file.
///
/// # Errors
/// All mistakes at once, each with the member it is about.
pub fn parse_external_account(bytes: &[u8]) -> Result<ExternalAccount, Vec<Mistake>> {
    if bytes.len() > MAX_LENGTH {
        return Err(vec![Mistake::new("", format!("is larger than {MAX_LENGTH} bytes"))]);
    }
    let file: Map<String, Value> = serde_json::from_slice(bytes).map_err(|error| {
        vec![Mistake::new("", format!("is not a JSON object (line {}, column {})", error.line(), error.column()))]
    })?;
    if let Some(mistake) = other_type(&file) {
        return Err(vec![mistake]);
    }
    let mut reader = Reader { file: &file, mistakes: Vec::new(), warnings: Vec::new() };
    let account = reader.read();
    let Reader { mistakes, warnings, .. } = reader;
    match account {
        Some(account) if mistakes.is_empty() => Ok(ExternalAccount { warnings, ..account }),
        _ => Err(mistakes),
    }
}

fn other_type(file: &Map<String, Value>) -> Option<Mistake> {
    let mistake = match file.get("type").and_then(Value::as_str) {
        Some("external_account") => return None,
        Some("service_account") => Mistake::new("type", "is `service_account`: this is a key that never ends")
            .hint("set up workload identity federation in its place, then delete the key"),
        Some("authorized_user" | "external_account_authorized_user") => {
            Mistake::new("type", "is that of a person's own login")
                .hint("give the file of a workload (`external_account`)")
        }
        Some(_) => Mistake::new("type", "is not `external_account`"),
        None => Mistake::new("type", "is missing")
            .hint("a credential file for federation has `\"type\": \"external_account\"`"),
    };
    Some(mistake)
}

/// Collects what is found while reading.
struct Reader<'a> {
    file: &'a Map<String, Value>,
    mistakes: Vec<Mistake>,
    warnings: Vec<Warning>,
}

impl Reader<'_> {
    fn read(&mut self) -> Option<ExternalAccount> {
        let universe = self.text("universe_domain").unwrap_or_else(|| DEFAULT_UNIVERSE.to_owned());
        if universe != DEFAULT_UNIVERSE {
            self.warn(
                "universe_domain",
                format!("tokens are sent to the services of {universe}"),
                "keep it only if this is your sovereign cloud",
            );
        }
        let audience = self.required("audience").and_then(|text| match ProviderResource::parse(&text, &universe) {
            Ok(name) => Some(name),
            Err(mistake) => {
                self.mistakes.push(mistake);
                None
            }
        });
        let subject_token_type = self.required("subject_token_type");
        if let Some(kind) = &subject_token_type
            && !TOKEN_TYPES.contains(&kind.as_str())
        {
            let types = format!("use one of {}", TOKEN_TYPES.join(", "));
            self.mistakes.push(Mistake::new("subject_token_type", "is not known to the token service").hint(types));
        }
        let token_url =
            self.required("token_url").and_then(|text| self.google_url("token_url", &text, "sts", &universe));
        let service_account = self.impersonated(&universe);
        let lifetime = self.lifetime(service_account.is_some());
        if self.file.contains_key("client_secret") {
            self.warn(
                "client_secret",
                "the file holds a client secret",
                "federation for workloads needs none; remove it",
            );
        }
        let workload = audience.as_ref().is_some_and(|audience| !audience.is_workforce());
        if workload && self.file.get("workforce_pool_user_project").is_some_and(|value| !value.is_null()) {
            self.mistakes.push(
                Mistake::new("workforce_pool_user_project", "is only for workforce pools")
                    .hint("remove it, or use `quota_project_id`"),
            );
        }
        let quota_project = self.text("quota_project_id");
        let source = source::read(self, subject_token_type.as_deref());
        Some(ExternalAccount {
            audience: audience?,
            subject_token_type: subject_token_type?,
            token_url: token_url?,
            service_account,
            lifetime,
            universe_domain: universe,
            quota_project,
            source: source?,
            warnings: Vec::new(),
        })
    }

    /// A member that is a text, if it is there.
    fn text(&mut self, name: &str) -> Option<String> {
        match self.file.get(name) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text.clone()),
            Some(_) => {
                self.mistakes.push(Mistake::new(name, "is not a text"));
                None
            }
        }
    }

    fn required(&mut self, name: &str) -> Option<String> {
        let before = self.mistakes.len();
        let text = self.text(name);
        if text.is_none() && self.mistakes.len() == before {
            self.mistakes.push(Mistake::new(name, "is missing"));
        }
        text
    }

    fn warn(&mut self, clause: &'static str, message: impl Into<String>, fix: impl Into<String>) {
        self.warnings.push(Warning { clause, message: message.into(), fix: fix.into() });
    }

    /// A URL that should be one of Google's: warned about when it is not.
    fn google_url(&mut self, name: &'static str, text: &str, service: &str, universe: &str) -> Option<Url> {
        let Some(url) = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        else {
            self.mistakes.push(Mistake::new(name, "is not an http or https URL"));
            return None;
        };
        let host = url.host_str().unwrap_or_default();
        if is_loopback(&url) {
            self.warn(name, format!("{host} is this machine: for tests only"), "remove the file when the test is over");
        } else if url.scheme() != "https" {
            self.warn(name, format!("tokens go to {host} in plain text"), "use https");
        } else if !is_google_host(host, service, universe) {
            self.warn(
                name,
                format!(
                    "{} is not a host of Google's: whoever runs it gets this machine's tokens",
                    carnet_core::safe_text(host)
                ),
                format!("expect {service}.{universe}; do not use the file if you do not know why it is another"),
            );
        }
        Some(url)
    }

    fn impersonated(&mut self, universe: &str) -> Option<String> {
        const NAME: &str = "service_account_impersonation_url";
        let text = self.text(NAME)?;
        let url = self.google_url(NAME, &text, "iamcredentials", universe)?;
        let account = url.path().rsplit('/').next().and_then(|last| last.strip_suffix(":generateAccessToken"));
        match account {
            Some(account) if crate::config::check_account(NAME, account).is_ok() => Some(account.to_owned()),
            _ => {
                let hint = "it ends with /serviceAccounts/EMAIL:generateAccessToken";
                self.mistakes.push(Mistake::new(NAME, "does not name a service account").hint(hint));
                None
            }
        }
    }

    fn lifetime(&mut self, impersonates: bool) -> Option<i64> {
        const NAME: &str = "service_account_impersonation.token_lifetime_seconds";
        let value = self.file.get("service_account_impersonation")?.get("token_lifetime_seconds")?;
        let seconds = value.as_i64().filter(|seconds| LIFETIME.contains(seconds));
        if seconds.is_none() {
            let range = format!("is not a number from {} to {}", LIFETIME.start(), LIFETIME.end());
            self.mistakes.push(Mistake::new(NAME, range));
        }
        if !impersonates {
            self.warn(
                "service_account_impersonation",
                "has no effect without service_account_impersonation_url",
                "remove it",
            );
        }
        seconds
    }
}

/// `SERVICE.UNIVERSE`, its mutual-TLS twin, or a regional endpoint.
fn is_google_host(host: &str, service: &str, universe: &str) -> bool {
    let Some(front) = host.strip_suffix(universe).and_then(|front| front.strip_suffix('.')) else { return false };
    let is_region = |region: &str| {
        !region.is_empty() && region.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    match front.strip_prefix(service) {
        Some("" | ".mtls") => true,
        Some(rest) => rest.strip_prefix('.').and_then(|rest| rest.strip_suffix(".rep")).is_some_and(is_region),
        None => false,
    }
}

#[cfg(test)]
mod tests;
