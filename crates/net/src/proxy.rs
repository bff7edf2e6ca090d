//! Proxies as the environment names them, and `CONNECT`.

use std::{fmt, net::IpAddr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::HeaderValue;
use ipnet::IpNet;
use percent_encoding::percent_decode_str;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use url::{Host, Url};

/// Longest head of a proxy's answer to `CONNECT`, in bytes. Proxies answer with some hundred; more is an attack on
/// memory.
const MAX_CONNECT_ANSWER: usize = 8 << 10;

/// A proxy variable that cannot be used. Its text never holds the value, which may have a password in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// It is not a URL with a host.
    #[error("the proxy variable is not a URL such as http://proxy.example.com:3128")]
    NotAUrl,
    /// The proxy is reached by something other than plain HTTP.
    #[error("the proxy is reached by {0}, and only http:// proxies are spoken to")]
    Scheme(&'static str),
}

/// An HTTP proxy.
#[derive(Clone)]
pub struct Proxy {
    pub(crate) host: Host<String>,
    pub(crate) port: u16,
    pub(crate) authorization: Option<HeaderValue>,
}

impl Proxy {
    /// Reads the value of a proxy variable: `http://user:password@host:port`, where scheme, credentials and port may
    /// be missing (`http`, none, 80).
    ///
    /// # Errors
    /// When it is not a URL, or the proxy would be reached by TLS or SOCKS.
    pub fn parse(text: &str) -> Result<Self, ProxyError> {
        let text = text.trim();
        let url = if text.contains("://") { Url::parse(text) } else { Url::parse(&format!("http://{text}")) };
        let url = url.map_err(|_quotes_the_value| ProxyError::NotAUrl)?;
        match url.scheme() {
            "http" => {}
            "https" => return Err(ProxyError::Scheme("https")),
            "socks" | "socks4" | "socks4a" | "socks5" | "socks5h" => return Err(ProxyError::Scheme("socks")),
            _ => return Err(ProxyError::NotAUrl),
        }
        let host = url.host().ok_or(ProxyError::NotAUrl)?.to_owned();
        Ok(Self { host, port: url.port().unwrap_or(80), authorization: authorization(&url) })
    }

    /// Asks for a tunnel to `target` (`host:port`) on a fresh connection to the proxy (RFC 9110, 9.3.6).
    ///
    /// # Errors
    /// The status when the proxy says no, or what broke.
    pub(crate) async fn connect<S>(&self, stream: &mut S, target: &str) -> Result<(), ConnectError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut head = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n").into_bytes();
        if let Some(authorization) = &self.authorization {
            head.extend_from_slice(b"Proxy-Authorization: ");
            head.extend_from_slice(authorization.as_bytes());
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        let head = zeroize::Zeroizing::new(head);
        stream.write_all(&head).await.map_err(ConnectError::Io)?;
        stream.flush().await.map_err(ConnectError::Io)?;
        let mut answer = Vec::with_capacity(1024);
        loop {
            // One byte past the head would belong to the tunnel. Nobody speaks there before this side does, so what
            // has been read must end exactly with the head.
            if answer.len() >= MAX_CONNECT_ANSWER {
                return Err(ConnectError::NotHttp);
            }
            if stream.read_buf(&mut answer).await.map_err(ConnectError::Io)? == 0 {
                return Err(ConnectError::NotHttp);
            }
            if answer.windows(4).any(|window| window == b"\r\n\r\n") {
                break;
            }
        }
        match parse_connect_answer(&answer) {
            Some(200..=299) if answer.ends_with(b"\r\n\r\n") => Ok(()),
            Some(status @ 300..) => Err(ConnectError::Refused(status)),
            _ => Err(ConnectError::NotHttp),
        }
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}:{}", self.host, self.port)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

/// Why there is no tunnel.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// The connection to the proxy broke.
    #[error("the connection to the proxy broke")]
    Io(#[source] std::io::Error),
    /// The answer is not HTTP, or has no end.
    #[error("the proxy did not answer CONNECT in HTTP/1")]
    NotHttp,
    /// The proxy said no.
    #[error("the proxy refused CONNECT with HTTP {0}{hint}", hint = refusal_hint(*.0))]
    Refused(u16),
}

fn refusal_hint(status: u16) -> &'static str {
    if status == 407 { ": it wants credentials, as in http://user:password@host:port" } else { "" }
}

fn authorization(url: &Url) -> Option<HeaderValue> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let decoded = |text: &str| percent_decode_str(text).collect::<Vec<u8>>();
    let mut pair = zeroize::Zeroizing::new(decoded(url.username()));
    pair.push(b':');
    pair.extend(decoded(url.password().unwrap_or_default()));
    let mut value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(&*pair))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The status in the head of a proxy's answer, `HTTP/1.x NNN …`. `None` when that is not what it is.
pub fn parse_connect_answer(head: &[u8]) -> Option<u16> {
    let line = head.split(|byte| *byte == b'\r' || *byte == b'\n').next()?;
    let rest = line.strip_prefix(b"HTTP/1.1 ").or_else(|| line.strip_prefix(b"HTTP/1.0 "))?;
    let (code, after) = rest.split_at_checked(3)?;
    if !matches!(after.first(), None | Some(b' ')) || !code.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(code).ok()?.parse().ok().filter(|status| *status >= 100)
}

/// The hosts that are reached without a proxy.
#[derive(Clone, Debug, Default)]
pub struct NoProxy {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
struct Rule {
    host: RuleHost,
    port: Option<u16>,
}

#[derive(Clone, Debug)]
enum RuleHost {
    Any,
    /// This name and every name below it, lower-case and without dots at its ends.
    Domain(String),
    Net(IpNet),
}

impl NoProxy {
    /// Reads the value of `NO_PROXY`: entries between commas or white space, each `*`, a name (which means the names
    /// below it too, with or without a leading dot or `*.`), an address or a CIDR range, each but `*` optionally
    /// with `:port`. What is none of these matches nothing.
    pub fn parse(text: &str) -> Self {
        let entries = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|entry| !entry.is_empty());
        Self { rules: entries.filter_map(Rule::parse).collect() }
    }

    /// Whether a host is reached without a proxy. Loopback always is: a proxy elsewhere cannot reach it.
    pub fn covers(&self, host: &Host<String>, port: u16) -> bool {
        let address = match host {
            Host::Domain(_) => None,
            Host::Ipv4(address) => Some(IpAddr::V4(*address)),
            Host::Ipv6(address) => Some(IpAddr::V6(*address).to_canonical()),
        };
        let name = match host {
            Host::Domain(name) => name.trim_end_matches('.').to_ascii_lowercase(),
            _ => String::new(),
        };
        if address.is_some_and(|address| address.is_loopback()) || name == "localhost" || name.ends_with(".localhost") {
            return true;
        }
        self.rules.iter().any(|rule| {
            rule.port.is_none_or(|wanted| wanted == port)
                && match &rule.host {
                    RuleHost::Any => true,
                    RuleHost::Domain(domain) => {
                        name.strip_suffix(domain.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
                    }
                    RuleHost::Net(net) => address.is_some_and(|address| net.contains(&address)),
                }
        })
    }
}

impl Rule {
    fn parse(entry: &str) -> Option<Self> {
        if entry == "*" {
            return Some(Self { host: RuleHost::Any, port: None });
        }
        // A bare IPv6 address has colons of its own; with a port it stands in brackets.
        if let Some(net) = parse_net(entry) {
            return Some(Self { host: RuleHost::Net(net), port: None });
        }
        let (host, port) = match entry.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().ok()?)),
            None => (entry, None),
        };
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if let Some(net) = parse_net(bare) {
            return Some(Self { host: RuleHost::Net(net), port });
        }
        let domain = host.strip_prefix('*').unwrap_or(host).trim_matches('.').to_ascii_lowercase();
        (!domain.is_empty()).then_some(Self { host: RuleHost::Domain(domain), port })
    }
}

fn parse_net(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> Host<String> {
        Host::parse(text).unwrap()
    }

    #[test]
    fn reads_what_people_write() {
        assert_eq!(Proxy::parse("proxy:3128").unwrap().to_string(), "http://proxy:3128");
        assert_eq!(Proxy::parse("http://proxy").unwrap().to_string(), "http://proxy:80");
        assert_eq!(Proxy::parse("http://[::1]:8080/").unwrap().to_string(), "http://[::1]:8080");
    }

    #[test]
    fn refuses_tls_and_socks_proxies_by_name() {
        assert_eq!(Proxy::parse("https://proxy:443").unwrap_err(), ProxyError::Scheme("https"));
        assert_eq!(Proxy::parse("socks5://proxy:1080").unwrap_err(), ProxyError::Scheme("socks"));
    }

    #[test]
    fn credentials_are_sent_and_never_printed() {
        let proxy = Proxy::parse("http://us%65r:p%40ss@proxy:3128").unwrap();
        assert_eq!(proxy.authorization.as_ref().unwrap().as_bytes(), b"Basic dXNlcjpwQHNz");
        assert_eq!(format!("{proxy:?}"), "Proxy(http://proxy:3128)");
        assert!(!format!("{:?}", proxy.authorization).contains("dXNl"));
    }

    #[test]
    fn no_proxy_matches_names_and_what_is_below_them() {
        for rule in ["example.com", ".example.com", "*.example.com", "EXAMPLE.com."] {
            let rules = NoProxy::parse(rule);
            assert!(rules.covers(&host("example.com"), 443), "{rule}");
            assert!(rules.covers(&host("a.Example.com"), 443), "{rule}");
            assert!(!rules.covers(&host("notexample.com"), 443), "{rule}");
        }
    }

    #[test]
    fn no_proxy_matches_ranges_ports_and_all() {
        let rules = NoProxy::parse("10.0.0.0/8, 192.0.2.7 fd00::/8,[2001:db8::1]:8443,only.example:81");
        assert!(rules.covers(&host("10.9.8.7"), 80));
        assert!(rules.covers(&host("192.0.2.7"), 80));
        assert!(!rules.covers(&host("192.0.2.8"), 80));
        assert!(rules.covers(&host("[fd00::1]"), 80));
        assert!(rules.covers(&host("[2001:db8::1]"), 8443));
        assert!(!rules.covers(&host("[2001:db8::1]"), 443));
        assert!(rules.covers(&host("only.example"), 81));
        assert!(!rules.covers(&host("only.example"), 82));
        assert!(NoProxy::parse("*").covers(&host("anything.example"), 1));
    }

    #[test]
    fn loopback_needs_no_rule() {
        let rules = NoProxy::default();
        for name in ["localhost", "a.localhost", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]"] {
            assert!(rules.covers(&host(name), 80), "{name}");
        }
        assert!(!rules.covers(&host("example.com"), 80));
    }

    proptest::proptest! {
        #[test]
        fn parsers_never_panic(text: String, bytes: Vec<u8>) {
            drop(Proxy::parse(&text));
            let rules = NoProxy::parse(&text);
            let _ = rules.covers(&Host::Domain(text), 443);
            let _ = parse_connect_answer(&bytes);
        }

        #[test]
        fn a_status_line_is_read_back(status in 100_u16..1000, reason in "[ -~]{0,40}") {
            let head = format!("HTTP/1.1 {status} {reason}\r\nVia: x\r\n\r\n");
            proptest::prop_assert_eq!(parse_connect_answer(head.as_bytes()), Some(status));
        }
    }
}
