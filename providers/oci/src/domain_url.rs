//! The URL of an identity domain, as people write it.

use std::fmt;

use carnet_core::{Mistake, is_loopback};
use url::Url;

/// The base URL of an identity domain, without a slash at the end. Not its issuer: an issuer is compared byte for
/// byte and never goes through here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainUrl(Url);

impl DomainUrl {
    /// Reads what the console shows (`https://idcs-….identity.oraclecloud.com:443`), a host name, the id
    /// `idcs-` with 32 hexadecimal digits, or the digits alone. `https` is added, port 443 and slashes at the end are
    /// dropped. Plain `http` is accepted on loopback only: the client secret and the tokens go there.
    ///
    /// # Errors
    /// What is wrong with it, for the field `url`.
    pub fn parse(text: &str) -> Result<Self, Mistake> {
        let wrong = |message: &str| {
            Mistake::new("url", message)
                .hint("copy the Domain URL from the identity domain's page in the console, for instance https://idcs-….identity.oraclecloud.com")
        };
        let text = text.trim();
        let url = if text.contains("://") {
            text.to_owned()
        } else {
            let host = text.trim_end_matches('/');
            let id = host.strip_prefix("idcs-").unwrap_or(host);
            if id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                format!("https://idcs-{id}.identity.oraclecloud.com")
            } else if host.contains('.') || host.contains(':') {
                format!("https://{host}")
            } else {
                return Err(wrong("is neither a URL nor the id of an identity domain"));
            }
        };
        let mut url = Url::parse(&url).map_err(|error| wrong(&format!("is not a URL: {error}")))?;
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(&url) => {}
            "http" => return Err(wrong("must be https: the client secret and tokens are sent there")),
            _ => return Err(wrong("must be an https URL")),
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(wrong("names no host"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("must not hold a user name or password"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("must not hold a query or fragment"));
        }
        if !url.path().trim_matches('/').is_empty() {
            return Err(wrong("must not hold a path"));
        }
        url.set_path("");
        Ok(Self(url))
    }

    /// A URL under it. `path` begins with a slash.
    pub fn join(&self, path: &str) -> Url {
        let mut url = self.0.clone();
        url.set_path(path);
        url
    }

    /// The token endpoint (Oracle, "Token Exchange Grant Type").
    pub fn token_endpoint(&self) -> Url {
        self.join("/oauth2/v1/token")
    }
}

impl fmt::Display for DomainUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "c0ffee00c0ffee00c0ffee00c0ffee00";

    #[test]
    fn every_way_to_write_a_domain_leads_to_one_url() {
        let wanted = format!("https://idcs-{ID}.identity.oraclecloud.com");
        for text in [
            wanted.clone(),
            format!("{wanted}/"),
            format!("{wanted}:443"),
            format!("{wanted}:443//"),
            format!(" {wanted}\n"),
            format!("idcs-{ID}.identity.oraclecloud.com"),
            format!("idcs-{ID}.identity.oraclecloud.com:443/"),
            format!("idcs-{ID}"),
            ID.to_owned(),
        ] {
            assert_eq!(DomainUrl::parse(&text).unwrap().to_string(), wanted, "{text}");
        }
        assert_eq!(DomainUrl::parse(ID).unwrap().token_endpoint().as_str(), format!("{wanted}/oauth2/v1/token"));
    }

    #[test]
    fn another_port_is_kept_and_plain_http_is_for_loopback() {
        assert_eq!(DomainUrl::parse("https://a.example:8443").unwrap().to_string(), "https://a.example:8443");
        assert_eq!(DomainUrl::parse("http://127.0.0.1:9000").unwrap().to_string(), "http://127.0.0.1:9000");
        assert_eq!(DomainUrl::parse("http://[::1]:9000/").unwrap().to_string(), "http://[::1]:9000");
    }

    #[test]
    fn refuses_what_is_not_a_domain_url() {
        for (text, words) in [
            ("", "neither"),
            ("mydomain", "neither"),
            ("http://a.example", "must be https"),
            ("ftp://a.example", "https URL"),
            ("https://user:pw@a.example", "user name"),
            ("https://a.example?x=1", "query"),
            ("https://a.example/oauth2/v1/token", "path"),
            ("https://", "not a URL"),
            ("http://127.0.0.1.example.com", "must be https"),
        ] {
            let mistake = DomainUrl::parse(text).unwrap_err();
            assert_eq!(mistake.field, "url");
            assert!(mistake.message.contains(words), "{text}: {}", mistake.message);
        }
    }

    proptest! {
        #[test]
        fn what_is_accepted_reads_back_as_itself(text in "(https?://)?[a-zA-Z0-9.:/@#?\\[\\]_-]{0,60}") {
            if let Ok(url) = DomainUrl::parse(&text) {
                let shown = url.to_string();
                prop_assert!(!shown.ends_with('/'));
                prop_assert_eq!(DomainUrl::parse(&shown), Ok(url));
            }
        }
    }
}
