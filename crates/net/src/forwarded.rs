//! Whose request it is behind proxies that are trusted.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
    sync::Arc,
};

use axum::{
    Router,
    extract::{ConnectInfo, Request},
    middleware::{Next, from_fn},
};
use http::HeaderMap;
use ipnet::{IpNet, Ipv4Net};

/// The list of those that a request has passed: each proxy adds whom it was asked by at its end. There is no standard but
/// the custom of proxies; `Forwarded` (RFC 7239) is not read.
const HEADER: &str = "x-forwarded-for";

/// Who may speak for a client: proxies that end the client's connection and make one of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    /// Networks of proxies. IPv4 is IPv4 here: networks in `::ffff:0:0/96` match nobody ([`Self::parse`] turns them round).
    pub networks: Vec<IpNet>,
    /// Whether whoever connects to a Unix socket is a proxy.
    pub unix: bool,
}

/// Whose request it is, as the trusted proxy says through which it came: an extension of requests behind
/// [`TrustedProxies::name_clients`]. A request without it came straight from its peer.
///
/// A certificate of such a connection is the proxy's, and proves nothing of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardedPeer {
    /// This client. IPv4 in IPv6 is IPv4 (RFC 4291, 2.5.5.2).
    Address(IpAddr),
    /// Nobody knows: this proxy named nobody, or what is no address.
    Unnamed(IpAddr),
}

impl TrustedProxies {
    /// Reads addresses, networks (`10.0.0.0/8`) and the word `unix`. IPv4 in IPv6 is IPv4 (RFC 4291, 2.5.5.2).
    ///
    /// # Errors
    /// The first text that is none of them, that names everybody (`0.0.0.0/0`), or that means less or more than it says: an
    /// address with the length of a network around it (`10.1.2.3/8`).
    pub fn parse(texts: &[String]) -> Result<Self, String> {
        let mut proxies = Self::default();
        for text in texts {
            if text == "unix" {
                proxies.unix = true;
                continue;
            }
            proxies.networks.push(network(text)?);
        }
        Ok(proxies)
    }

    /// Whether a client with this address is a proxy; `None` is one on a Unix socket.
    pub fn contain(&self, address: Option<IpAddr>) -> bool {
        match address {
            None => self.unix,
            Some(address) => {
                let address = address.to_canonical();
                self.networks.iter().any(|network| network.contains(&address))
            }
        }
    }

    /// Whose request this is that `peer` has sent. `None`: that of the peer itself, which is no proxy, whatever its headers say.
    ///
    /// The list is read from its end, where the nearest proxy writes: as long as who is named is a proxy that is trusted, who
    /// stands before it was named by that one. What stands before the first stranger was written by anybody.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> Option<ForwardedPeer> {
        let peer = peer.to_canonical();
        if !self.contain(Some(peer)) {
            return None;
        }
        // Several lines are one list (RFC 9110, 5.3).
        let lines = headers.get_all(HEADER).iter().rev();
        let mut named = None;
        for element in lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b',')) {
            let Some(address) = std::str::from_utf8(element).ok().and_then(address) else {
                return Some(ForwardedPeer::Unnamed(named.unwrap_or(peer)));
            };
            named = Some(address);
            if !self.contain(Some(address)) {
                break;
            }
        }
        Some(named.map_or(ForwardedPeer::Unnamed(peer), ForwardedPeer::Address))
    }

    /// Puts a [`ForwardedPeer`] among the extensions of each request that comes over TCP through one of these proxies. One that
    /// comes over a Unix socket has no address of a proxy, and gets none, whatever [`Self::unix`] says.
    pub fn name_clients(self, router: Router) -> Router {
        let proxies = Arc::new(self);
        router.layer(from_fn(move |mut request: Request, next: Next| {
            let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
            let client = peer.and_then(|peer| proxies.client(peer, request.headers()));
            if let Some(client) = client {
                request.extensions_mut().insert(client);
            }
            next.run(request)
        }))
    }
}

/// Addresses of some proxies, as they are compared: IPv4 as IPv4.
fn network(text: &str) -> Result<IpNet, String> {
    let wrong = |what: &str| format!("`{}` {what}", carnet_core::safe_text(text));
    let address = || IpAddr::from_str(text).map(IpNet::from).ok();
    let network = IpNet::from_str(text).ok().or_else(address);
    let network = canonical(network.ok_or_else(|| wrong("is neither an address nor a network nor `unix`"))?);
    if network.prefix_len() == 0 {
        return Err(wrong("is everybody, who could then claim any address"));
    }
    if network.addr() != network.network() {
        return Err(wrong(&format!("is an address and a network: write {} or {}", network.addr(), network.trunc())));
    }
    Ok(network)
}

/// A network of IPv4 in IPv6 (`::ffff:0:0/96`) as that of IPv4, since addresses are looked up so.
fn canonical(network: IpNet) -> IpNet {
    let IpAddr::V4(address) = network.addr().to_canonical() else { return network };
    let length = match network {
        IpNet::V4(_) => return network,
        IpNet::V6(network) => network.prefix_len().checked_sub(96),
    };
    length.and_then(|length| Ipv4Net::new(address, length).ok()).map_or(network, IpNet::V4)
}

/// An address as proxies write it: `192.0.2.1`, `2001:db8::1`, in brackets, with a port or without.
fn address(element: &str) -> Option<IpAddr> {
    let element = element.trim_matches([' ', '\t']);
    let bare = element.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let address = match bare {
        Some(inside) => inside.parse::<std::net::Ipv6Addr>().ok().map(IpAddr::V6),
        None => element.parse().ok().or_else(|| element.parse::<SocketAddr>().ok().map(|peer| peer.ip())),
    };
    address.map(|address| address.to_canonical())
}

impl fmt::Display for ForwardedPeer {
    /// The address, or `proxy:ADDRESS`, which is none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Unnamed(proxy) => write!(f, "proxy:{proxy}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn proxies() -> TrustedProxies {
        TrustedProxies::parse(&["10.0.0.0/8".to_owned(), "2001:db8:1::/48".to_owned(), "127.0.0.1".to_owned()]).unwrap()
    }

    /// Whose request it is that comes from `peer` with these lines.
    fn seen(peer: &str, lines: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(HEADER, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        let client = proxies().client(peer.parse().unwrap(), &headers);
        client.map_or_else(|| "itself".to_owned(), |client| client.to_string())
    }

    #[test]
    fn accepts_what_trusted_proxies_say_from_the_end_to_the_first_stranger() {
        for (peer, lines, client) in [
            ("10.0.0.1", &["192.0.2.7"][..], "192.0.2.7"),
            ("::ffff:10.0.0.1", &["192.0.2.7"], "192.0.2.7"),
            ("10.0.0.1", &["::ffff:192.0.2.7"], "192.0.2.7"),
            ("2001:db8:1::5", &["2001:db8:2::7"], "2001:db8:2::7"),
            ("10.0.0.1", &["[2001:db8:2::7]:4711"], "2001:db8:2::7"),
            ("10.0.0.1", &["[2001:db8:2::7]"], "2001:db8:2::7"),
            ("10.0.0.1", &["192.0.2.7:4711"], "192.0.2.7"),
            ("10.0.0.1", &["192.0.2.7,\t10.0.0.2 , 10.0.0.3"], "192.0.2.7"),
            ("10.0.0.1", &["192.0.2.7", "10.0.0.2", "10.0.0.3"], "192.0.2.7"),
            // A client inside the network of the proxies.
            ("10.0.0.1", &["10.0.0.9, 10.0.0.2"], "10.0.0.9"),
        ] {
            assert_eq!(seen(peer, lines), client, "{peer} {lines:?}");
        }
    }

    #[test]
    fn rejects_what_a_stranger_says_of_himself() {
        assert_eq!(seen("192.0.2.66", &["10.0.0.9"]), "itself");
        assert_eq!(seen("2001:db8:2::66", &["192.0.2.7, 10.0.0.2"]), "itself");
        assert_eq!(TrustedProxies::default().client("127.0.0.1".parse().unwrap(), &HeaderMap::new()), None);
    }

    #[test]
    fn rejects_what_a_stranger_wrote_before_the_proxy_added_him() {
        assert_eq!(seen("10.0.0.1", &["10.0.0.9, 192.0.2.66"]), "192.0.2.66");
        assert_eq!(seen("10.0.0.1", &["10.0.0.9", "192.0.2.66"]), "192.0.2.66");
        assert_eq!(seen("10.0.0.1", &["192.0.2.7, 192.0.2.66, 10.0.0.2"]), "192.0.2.66");
        assert_eq!(seen("10.0.0.1", &["no address, 192.0.2.66"]), "192.0.2.66", "what is not reached does not count");
    }

    #[test]
    fn rejects_a_list_without_an_address_where_one_must_be() {
        for lines in [
            &[][..],
            &[""],
            &["192.0.2.7,"],
            &["192.0.2.7, unknown"],
            &["192.0.2.7, _hidden"],
            &["192.0.2.7 10.0.0.2"],
            &["192.0.2.7;10.0.0.2"],
            &["192.0.2.7", ""],
            &["192.0.2.7/32"],
            &["[192.0.2.7]"],
            &["192.0.2.7:"],
            &["192.0.2.7:99999"],
            &["192.0.2.07"],
            &["fe80::1%eth0"],
            &["for=192.0.2.7"],
            &["192.0.2.7\u{e9}"],
        ] {
            assert_eq!(seen("10.0.0.1", lines), "proxy:10.0.0.1", "{lines:?}");
        }
        assert_eq!(seen("10.0.0.1", &["192.0.2.7, unknown, 10.0.0.2"]), "proxy:10.0.0.2", "who said so is named");
    }

    #[test]
    fn rejects_what_is_no_network() {
        for text in ["", "10.0.0.0/33", "10.0.0", "*", "proxy.example.org", "10.0.0.1:80"] {
            let error = TrustedProxies::parse(&[text.to_owned()]).unwrap_err();
            assert!(error.contains("neither an address nor a network"), "{error}");
        }
    }

    #[test]
    fn rejects_everybody_and_networks_that_are_also_addresses() {
        for (text, why) in [
            ("0.0.0.0/0", "is everybody"),
            ("::/0", "is everybody"),
            ("::ffff:0.0.0.0/96", "is everybody"),
            ("10.1.2.3/0", "is everybody"),
            ("10.1.2.3/8", "write 10.1.2.3 or 10.0.0.0/8"),
            ("2001:db8::7/48", "write 2001:db8::7 or 2001:db8::/48"),
            ("::ffff:10.1.2.3/104", "write 10.1.2.3 or 10.0.0.0/8"),
            ("::ffff:10.0.0.0/95", "is an address and a network"),
        ] {
            let error = TrustedProxies::parse(&[text.to_owned()]).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn accepts_ipv4_in_either_form() {
        for (text, network) in [
            ("127.0.0.1", "127.0.0.1/32"),
            ("::ffff:127.0.0.1", "127.0.0.1/32"),
            ("::ffff:127.0.0.1/128", "127.0.0.1/32"),
            ("::ffff:127.0.0.0/104", "127.0.0.0/8"),
        ] {
            let proxies = TrustedProxies::parse(&[text.to_owned()]).unwrap();
            assert_eq!(proxies.networks, [network.parse::<IpNet>().unwrap()], "{text}");
            for peer in ["127.0.0.1", "::ffff:127.0.0.1"] {
                assert!(proxies.contain(Some(peer.parse().unwrap())), "{text} {peer}");
            }
        }
        assert!(TrustedProxies::parse(&["::/1".to_owned()]).is_ok(), "a network of IPv6");
    }

    proptest::proptest! {
        #[test]
        fn nobody_but_a_proxy_decides_whoever_he_claims_to_be(list in "[0-9a-f:., \\[\\]]{0,60}", last in 1_u8..) {
            // The nearest proxy has added the stranger, whatever he sent.
            let stranger = format!("192.0.2.{last}");
            proptest::prop_assert_eq!(seen("10.0.0.1", &[&list, &stranger]), stranger.clone());
            proptest::prop_assert_eq!(seen("10.0.0.1", &[&format!("{list},{stranger}")]), stranger);
        }
    }
}
