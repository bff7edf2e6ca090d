//! Trusted IPs: from where a token or a client secret may be used.

use std::net::IpAddr;

use carnet_core::Mistake;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// The two entries of a list that nobody has narrowed.
pub const EVERYWHERE: [&str; 2] = ["0.0.0.0/0", "::/0"];

/// One entry of a list, as the API takes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrustedIp {
    /// An address of either family, or a network: `10.0.0.0/8`.
    pub ip_address: String,
}

impl TrustedIp {
    /// The list of a method that sets none.
    pub fn everywhere() -> Vec<Self> {
        EVERYWHERE.map(|ip| Self { ip_address: ip.to_owned() }).into()
    }

    /// The network that it stands for; `None` when it is none. Bits behind the prefix are not looked at.
    pub fn network(&self) -> Option<IpNet> {
        let text = self.ip_address.trim();
        text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
    }
}

/// Refuses a list with an entry that is no address and no network, in the product's words.
pub(super) fn check(list: &[TrustedIp]) -> Result<(), Mistake> {
    if list.iter().all(|entry| entry.network().is_some()) {
        return Ok(());
    }
    Err(Mistake::new("", "The IP is not a valid IPv4, IPv6, or CIDR block"))
}

/// Whether an address is in the list. An IPv4 address that is written as IPv6 (RFC 4291, 2.5.5.2) counts as itself.
pub fn allows(list: &[TrustedIp], peer: IpAddr) -> bool {
    let peer = peer.to_canonical();
    list.iter().filter_map(TrustedIp::network).any(|network| network.contains(&peer))
}

/// Whether the list lets every address of a family in.
pub(super) fn is_open(list: &[TrustedIp]) -> bool {
    list.iter().filter_map(TrustedIp::network).any(|network| network.prefix_len() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: &[&str]) -> Vec<TrustedIp> {
        entries.iter().map(|ip| TrustedIp { ip_address: (*ip).to_owned() }).collect()
    }

    #[test]
    fn an_address_is_in_its_networks_only() {
        let networks = list(&["10.0.0.0/8", "2001:db8::/32", "192.0.2.7"]);
        for (peer, expected) in [
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("11.0.0.1", false),
            ("2001:db8::1", true),
            ("2001:db9::1", false),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
        ] {
            assert_eq!(allows(&networks, peer.parse().unwrap()), expected, "{peer}");
        }
        assert!(!allows(&[], "127.0.0.1".parse().unwrap()), "an empty list lets nobody in");
    }

    #[test]
    fn rejects_entries_that_are_no_network() {
        for wrong in ["", "10.0.0.0/33", "::/129", "10.0.0", "host"] {
            check(&list(&[wrong])).expect_err(wrong);
        }
        check(&TrustedIp::everywhere()).unwrap();
    }
}
