//! What the documents say and whom they are for.

use std::time::Duration;

use carnet_core::Mistake;
use carnet_net::TrustedProxies;
use serde_json::{Map, Value};
use url::{Host, Url};

/// How long readers may keep the documents unless configured. A key is published for far longer than that before it signs
/// (five refresh hints of five minutes).
const DEFAULT_MAX_AGE: Duration = Duration::from_mins(5);

/// Most keys that are published unless configured: what AWS and Entra read of a key set.
const DEFAULT_MAX_KEYS: usize = 100;

/// How the discovery document and the key set are served.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The issuer, byte for byte as it stands in tokens. `None`: `https://` and the host that the client named, which must
    /// then be one of `domains`; a relying party that comes by another name finds another issuer, so a constant is better.
    pub issuer: Option<String>,
    /// `jwks_uri` of the document. `None`: the issuer (or the host and prefix) and `/keys`.
    pub jwks_uri: Option<String>,
    /// What stands in front of both paths, `/` or `/some/path` without a slash at its end.
    pub path_prefix: String,
    /// Host names that the document is given out for, lower-case and in ASCII, without port. Empty: any, for which the
    /// issuer must be a constant.
    pub domains: Vec<String>,
    /// Whose `X-Forwarded-Host` and `X-Forwarded-Proto` are believed.
    pub trusted_proxies: TrustedProxies,
    /// Whether clients of this listener come without TLS, as far as it can see.
    pub plain: bool,
    /// Lets URLs be `http://` where the client came without TLS. For tests only: no relying party takes them.
    pub allow_insecure_scheme: bool,
    /// Whether every key says `use: sig`. Nobody refuses it, and Kafka and others want it.
    pub key_use: bool,
    /// How long readers may keep the documents.
    pub max_age: Duration,
    /// Most keys. A bundle with more is not published; the one before stays.
    pub max_keys: usize,
    /// More members of the discovery document, such as `token_endpoint`; they replace those of the same name, but for `issuer`
    /// and `jwks_uri`.
    pub metadata: Map<String, Value>,
}

impl Settings {
    /// Documents of this issuer, under any host name.
    pub fn of_issuer(issuer: impl Into<String>) -> Self {
        Self { issuer: Some(issuer.into()), ..Self::default() }
    }

    /// Looks at everything.
    ///
    /// # Errors
    /// All mistakes at once.
    pub fn check(&self) -> Result<(), Vec<Mistake>> {
        let mut mistakes = Vec::new();
        if let Some(issuer) = &self.issuer {
            mistakes.extend(check_url("issuer", issuer, self.allow_insecure_scheme).err());
        } else if self.domains.is_empty() {
            mistakes.push(
                Mistake::new("issuer", "without an issuer it is made from the host name, and no `domains` are allowed")
                    .hint("set `issuer` to the value of `iss` in the tokens, byte for byte"),
            );
        }
        if let Some(uri) = &self.jwks_uri {
            mistakes.extend(check_url("jwks_uri", uri, self.allow_insecure_scheme).err());
        }
        mistakes.extend(check_path("path_prefix", &self.path_prefix).err());
        for domain in &self.domains {
            match plain_domain("domains", domain) {
                Ok(plain) if plain == *domain => {}
                Ok(_) => mistakes.push(not_plain("domains", domain)),
                Err(mistake) => mistakes.push(mistake),
            }
        }
        if self.max_keys == 0 {
            mistakes.push(Mistake::new("max_keys", "at least one key is needed"));
        }
        if mistakes.is_empty() { Ok(()) } else { Err(mistakes) }
    }

    /// The prefix as it stands before `/keys`: empty for `/`.
    pub(crate) fn prefix(&self) -> &str {
        if self.path_prefix == "/" { "" } else { &self.path_prefix }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            issuer: None,
            jwks_uri: None,
            path_prefix: "/".to_owned(),
            domains: Vec::new(),
            trusted_proxies: TrustedProxies::default(),
            plain: false,
            allow_insecure_scheme: false,
            key_use: true,
            max_age: DEFAULT_MAX_AGE,
            max_keys: DEFAULT_MAX_KEYS,
            metadata: Map::new(),
        }
    }
}

/// A host name or address as it is compared: lower-case, internationalised names in their ASCII form.
pub(crate) fn normal_domain(text: &str) -> Option<String> {
    Host::parse(text).ok().map(|host| host.to_string()).filter(|host| !host.is_empty())
}

/// [`normal_domain`] of what must be one.
pub(crate) fn plain_domain(field: &str, text: &str) -> Result<String, Mistake> {
    normal_domain(text).ok_or_else(|| not_plain(field, text))
}

fn not_plain(field: &str, text: &str) -> Mistake {
    let wrong = format!("`{}` is not a host name in its plain form", carnet_core::safe_text(text));
    Mistake::new(field, wrong).hint("write it in lower case, without scheme and port")
}

/// An absolute URL of this server: `https`, a host, no user, query or fragment.
pub(crate) fn check_url(field: &str, text: &str, allow_http: bool) -> Result<Url, Mistake> {
    let wrong = |what: &str| Mistake::new(field, format!("`{}` {what}", carnet_core::safe_text(text)));
    let url = Url::parse(text).map_err(|error| wrong(&format!("is not a URL: {error}")))?;
    if url.scheme() != "https" && !(allow_http && url.scheme() == "http") {
        return Err(wrong("is not https").hint("relying parties fetch it over TLS only"));
    }
    if url.host().is_none() || !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("must have a host and no user"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("must have neither a query nor a fragment (OpenID Connect Discovery 1.0, 3)"));
    }
    Ok(url)
}

/// A path that stands for itself: no parameters of the router, nothing to decode.
pub(crate) fn check_path(field: &str, path: &str) -> Result<(), Mistake> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    let wrong = |what: &str| Err(Mistake::new(field, format!("`{}` {what}", carnet_core::safe_text(path))));
    if !path.starts_with('/') {
        return wrong("does not begin with a slash");
    }
    if path != "/" && (path.ends_with('/') || path.contains("//")) {
        return wrong("ends with a slash or has an empty part");
    }
    if path.split('/').any(|part| matches!(part, "." | "..")) || !path.bytes().all(plain) {
        return wrong("may hold letters, digits and `-._~` only");
    }
    Ok(())
}
