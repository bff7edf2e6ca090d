//! Who asks, as far as the connection tells.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Who asks, as far as the connection tells. What is claimed in the request is not here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// Where it comes from: an address with or without port, or another text for what has none (`unix:1000`). Networks of rules are held against it,
    /// and it stands in the audit row.
    pub peer: String,
    /// Certificates shown by mutual TLS, DER, leaf first. That the caller holds the key is the transport's business; whether the chain
    /// is to be believed is looked at here.
    pub certificates: Option<Vec<Vec<u8>>>,
    /// Ties answer, audit row and log.
    pub request_id: String,
}

impl Caller {
    /// Somebody at this address.
    pub fn at(peer: impl Into<String>) -> Self {
        Self { peer: peer.into(), ..Self::default() }
    }

    /// Its address, if it has one. IPv4 in IPv6 is IPv4 (RFC 4291, 2.5.5.2).
    pub fn address(&self) -> Option<IpAddr> {
        let whole = self.peer.parse::<IpAddr>().ok();
        let address = whole.or_else(|| self.peer.parse::<SocketAddr>().ok().map(|peer| peer.ip()))?;
        Some(address.to_canonical())
    }

    /// Whose refusals are counted together: an address by [`counted_address`]; another text as it is.
    pub(crate) fn counted_as(&self) -> String {
        match self.address() {
            Some(address) => counted_address(address).to_string(),
            None => self.peer.chars().take(100).collect(),
        }
    }
}

/// What stands for a caller where callers are counted by their address: of IPv6 the first 64 bits, because one host has all addresses below them
/// (RFC 4291, 2.5.4). IPv4 in IPv6 is IPv4.
pub fn counted_address(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_port_or_none() {
        for (peer, expected) in [
            ("192.0.2.1", Some("192.0.2.1")),
            ("192.0.2.1:443", Some("192.0.2.1")),
            ("[2001:db8::1]:443", Some("2001:db8::1")),
            ("::ffff:192.0.2.1", Some("192.0.2.1")),
            ("unix:1000", None),
        ] {
            assert_eq!(Caller::at(peer).address(), expected.map(|address| address.parse().unwrap()), "{peer}");
        }
    }

    #[test]
    fn addresses_of_one_network_of_ipv6_are_one_peer() {
        let counted = |peer: &str| Caller::at(peer).counted_as();
        assert_eq!(counted("2001:db8::1"), counted("[2001:db8::ffff:2]:1"));
        assert_ne!(counted("2001:db8:0:1::1"), counted("2001:db8::1"));
        assert_ne!(counted("192.0.2.1"), counted("192.0.2.2"));
    }
}
