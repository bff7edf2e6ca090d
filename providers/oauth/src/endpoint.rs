//! Where the token endpoint is.

use carnet_core::{Context, Error, Mistake, is_loopback};
use url::Url;

use crate::metadata::{self, MetadataForm};

/// The token endpoint, or what leads to it.
#[derive(Clone, Debug)]
pub(crate) enum Endpoint {
    /// The user named it.
    Named(Url),
    /// The issuer's metadata names it.
    Discovered(Issuer),
}

/// An issuer, and how its token endpoint is found.
#[derive(Clone, Debug)]
pub(crate) struct Issuer {
    /// The identifier as it was configured: it is compared byte for byte, so it is never written anew from the URL.
    pub(crate) identifier: String,
    pub(crate) url: Url,
    /// Which document; both are tried if it is not said.
    pub(crate) form: Option<MetadataForm>,
    /// The origin where the token endpoint may be besides that of the issuer.
    pub(crate) token_origin: Option<Url>,
}

impl Endpoint {
    /// The token endpoint.
    pub(crate) async fn resolve(&self, context: &Context) -> Result<Url, Error> {
        match self {
            Self::Named(url) => Ok(url.clone()),
            Self::Discovered(issuer) => metadata::discover(context, issuer).await,
        }
    }

    /// The issuer's identifier, if it is known.
    pub(crate) fn issuer(&self) -> Option<&str> {
        match self {
            Self::Named(_) => None,
            Self::Discovered(issuer) => Some(&issuer.identifier),
        }
    }

    /// What an assertion shown here names as its audience: the issuer, or else the token endpoint (RFC 7523, 3).
    pub(crate) fn assertion_audience(&self) -> String {
        match self {
            Self::Named(url) => url.as_str().to_owned(),
            Self::Discovered(issuer) => issuer.identifier.clone(),
        }
    }
}

/// A URL to which tokens may be sent: https, or http on this machine; a query may be part of it, a fragment may not
/// (RFC 6749, 3.2).
pub(crate) fn check_url(field: &str, text: &str) -> Result<Url, Mistake> {
    let url = Url::parse(text).ok().ok_or_else(|| {
        Mistake::new(field, "is not an absolute URL")
            .hint("write it with its scheme, for instance https://login.example")
    })?;
    match fault(&url) {
        Some((fault, hint)) => Err(Mistake::new(field, fault).hint(hint)),
        None => Ok(url),
    }
}

/// An issuer identifier: a URL as above without query (RFC 8414, 2).
pub(crate) fn check_issuer(field: &str, text: &str) -> Result<Url, Mistake> {
    let url = check_url(field, text)?;
    if url.query().is_some() {
        return Err(Mistake::new(field, "has a query").hint("an issuer ends before `?`"));
    }
    Ok(url)
}

/// An origin: scheme, host, port, and nothing behind them.
pub(crate) fn check_origin(field: &str, text: &str) -> Result<Url, Mistake> {
    let url = check_url(field, text)?;
    if url.path() != "/" || url.query().is_some() {
        return Err(Mistake::new(field, "is more than an origin").hint("end it after host and port"));
    }
    Ok(url)
}

/// Why tokens may not be sent there, and what to do about it.
pub(crate) fn fault(url: &Url) -> Option<(&'static str, &'static str)> {
    if !url.username().is_empty() || url.password().is_some() {
        return Some(("carries a user name or password", "leave what stands before `@` out"));
    }
    let plain_here = url.scheme() == "http" && is_loopback(url);
    if url.scheme() != "https" && !plain_here {
        return Some((
            "is not https, and tokens are sent there",
            "use https; plain http is only for 127.0.0.1, ::1 and localhost",
        ));
    }
    url.fragment().map(|_| ("has a fragment", "end it before `#`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_urls_to_which_tokens_may_go() {
        for text in
            ["https://a.example/token", "https://a.example/token?tenant=1", "http://127.0.0.1:7/t", "http://[::1]/t"]
        {
            assert_eq!(check_url("x", text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn rejects_urls_to_which_tokens_must_not_go() {
        for (text, says) in [
            ("a.example/token", "is not an absolute URL"),
            ("http://a.example/token", "is not https, and tokens are sent there"),
            ("http://localhost.example/token", "is not https, and tokens are sent there"),
            ("ftp://a.example/token", "is not https, and tokens are sent there"),
            ("https://u:p@a.example/token", "carries a user name or password"),
            ("https://a.example/token#x", "has a fragment"),
        ] {
            assert_eq!(check_url("x", text).unwrap_err().message, says, "{text}");
        }
        assert_eq!(check_issuer("x", "https://a.example/?x").unwrap_err().message, "has a query");
        assert_eq!(check_origin("x", "https://a.example/x").unwrap_err().message, "is more than an origin");
    }
}
