//! Under which name a client came.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::ConnectInfo,
    http::{HeaderMap, Uri, header, request::Parts},
};
use carnet_net::Peer;
use url::Host;

use crate::{
    Settings,
    documents::{KEYS_PATH, Place},
    settings::normal_domain,
};

/// Why a document is not given out.
pub(crate) const UNKNOWN_HOST: &str = "the host is not one that this document is for\n";

/// What the document says of where it is, or why there is none for this request.
pub(crate) fn place(request: &Parts, settings: &Settings) -> Result<Place, &'static str> {
    let forwarded = is_forwarded(request, settings);
    let host = effective_host(&request.headers, &request.uri, forwarded)?;
    if !settings.domains.is_empty() && !settings.domains.contains(&host.name) {
        return Err(UNKNOWN_HOST);
    }
    if let Some(issuer) = &settings.issuer {
        let keys = format!("{}{KEYS_PATH}", issuer.trim_end_matches('/'));
        return Ok(Place { issuer: issuer.clone(), keys });
    }
    let scheme = scheme(&request.headers, settings, forwarded);
    let issuer = format!("{scheme}://{}{}", host.authority, settings.prefix());
    let keys = format!("{issuer}{KEYS_PATH}");
    Ok(Place { issuer, keys })
}

/// Whether the other end of the connection may say what the client asked for.
fn is_forwarded(request: &Parts, settings: &Settings) -> bool {
    let tcp = request.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
    let unix = request.extensions.get::<Peer>().is_some();
    let address: Option<Option<IpAddr>> = tcp.map(Some).or(unix.then_some(None));
    address.is_some_and(|address| settings.trusted_proxies.contain(address))
}

struct Named {
    /// Without port, lower-case.
    name: String,
    /// With the port, if there was one.
    authority: String,
}

fn effective_host(headers: &HeaderMap, uri: &Uri, forwarded: bool) -> Result<Named, &'static str> {
    let by_proxy = forwarded.then(|| only(headers, "x-forwarded-host")).transpose()?.flatten();
    // In HTTP/2 the name is the request's authority (RFC 9113, 8.3.1), in HTTP/1.1 it is `Host`, of which there is one.
    let direct = match uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => only(headers, header::HOST.as_str())?,
    };
    let text = by_proxy.or(direct).ok_or("the request names no host\n")?;
    split(text).ok_or("the host of the request is malformed\n")
}

/// The one value of a header. Several would be read by one server as the first and by another as the last.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, &'static str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err("the request names several hosts\n");
    }
    Ok(first.and_then(|value| value.to_str().ok()).map(str::trim).filter(|value| !value.is_empty()))
}

/// Name and port. User parts, paths and lists are no hosts.
fn split(text: &str) -> Option<Named> {
    if text.contains(['/', '@', '?', '#', ',', ' ', '\\']) {
        return None;
    }
    let (name, port) = match text.rsplit_once(':') {
        // An IPv6 address has colons of its own, in brackets.
        Some((name, port)) if !port.contains(']') => (name, Some(port.parse::<u16>().ok()?)),
        _ => (text, None),
    };
    let name = normal_domain(name)?;
    // What is put into the document is what was parsed and not what was sent.
    Host::parse(&name).ok()?;
    let authority = match port {
        Some(port) if port != 443 => format!("{name}:{port}"),
        _ => name.clone(),
    };
    Some(Named { name, authority })
}

/// `https`, unless plain HTTP is allowed and was spoken.
fn scheme(headers: &HeaderMap, settings: &Settings, forwarded: bool) -> &'static str {
    let by_proxy = forwarded.then(|| headers.get("x-forwarded-proto")).flatten();
    let plain = match by_proxy.and_then(|value| value.to_str().ok()) {
        Some(scheme) => scheme.eq_ignore_ascii_case("http"),
        None => settings.plain,
    };
    if settings.allow_insecure_scheme && plain { "http" } else { "https" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_ports() {
        for (text, name, authority) in [
            ("OIDC.example.org", "oidc.example.org", "oidc.example.org"),
            ("oidc.example.org:443", "oidc.example.org", "oidc.example.org"),
            ("oidc.example.org:8443", "oidc.example.org", "oidc.example.org:8443"),
            ("[::1]:8443", "[::1]", "[::1]:8443"),
            ("[::1]", "[::1]", "[::1]"),
            ("127.0.0.1:80", "127.0.0.1", "127.0.0.1:80"),
            ("bücher.example", "xn--bcher-kva.example", "xn--bcher-kva.example"),
        ] {
            let named = split(text).unwrap();
            assert_eq!((named.name.as_str(), named.authority.as_str()), (name, authority), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_sent_what_goes_into_the_document_is_a_host(text in "\\PC{0,40}") {
            if let Some(named) = split(&text) {
                let url = url::Url::parse(&format!("https://{}", named.authority)).unwrap();
                proptest::prop_assert_eq!(url.host_str(), Some(named.name.as_str()));
                proptest::prop_assert!(url.path() == "/" && url.username().is_empty() && url.query().is_none());
            }
        }
    }

    #[test]
    fn rejects_what_is_no_host() {
        for text in ["", "a/b", "a@b", "a,b", "a:b", "a:99999", "a b", "a?x", "a\\b", ":80", "[::1", "a:1:2"] {
            assert!(split(text).is_none(), "{text}");
        }
    }
}
