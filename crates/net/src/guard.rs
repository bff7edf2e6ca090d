//! Which addresses may be dialled, by who chose them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use carnet_core::{Destination, is_metadata_address as is_metadata};
use url::Host;

/// IPv4 ranges that are not the public internet: the IANA special-purpose registry (RFC 6890 and its updates), plus
/// `168.63.129.16/32`, the public-looking address at which Azure's platform answers inside every virtual machine.
/// A range that is missing here lets a hostile issuer document make carnet talk to a neighbour.
const NOT_PUBLIC_V4: [(Ipv4Addr, u32); 16] = [
    (Ipv4Addr::UNSPECIFIED, 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(168, 63, 129, 16), 32),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// IPv6 ranges inside global unicast (`2000::/3`) that are not the public internet: protocol assignments with Teredo
/// and ORCHID (RFC 2928, RFC 4380), documentation (RFC 3849, RFC 9637), and 6to4, which hides an IPv4 address
/// (RFC 3056). Everything outside `2000::/3` is refused without being listed.
const NOT_PUBLIC_V6: [(Ipv6Addr, u32); 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// Whether an address may be dialled for this destination.
pub(crate) fn allows(destination: Destination, address: IpAddr) -> bool {
    match destination {
        Destination::Configured => true,
        Destination::Metadata => is_metadata(address),
        Destination::Untrusted => is_public(address),
    }
}

/// Whether a proxy may be asked for this host on behalf of an untrusted URL. The proxy resolves names, so an address
/// can only be checked when it is written out; names that can only mean something local are refused as well.
pub(crate) fn allows_through_proxy(host: &Host<String>) -> bool {
    match host {
        Host::Ipv4(address) => is_public(IpAddr::V4(*address)),
        Host::Ipv6(address) => is_public(IpAddr::V6(*address)),
        Host::Domain(name) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            let local = ["localhost", "local", "internal", "home.arpa"];
            name.contains('.')
                && !local.iter().any(|end| name.strip_suffix(end).is_some_and(|rest| rest.ends_with('.')))
        }
    }
}

/// Whether an address belongs to the public internet, so that a URL learnt from a stranger may lead there.
///
/// IPv4 addresses inside IPv6 (`::ffff:0:0/96`, and `64:ff9b::/96` of RFC 6052) are judged as the IPv4 address that
/// would be reached.
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => !NOT_PUBLIC_V4.iter().any(|(net, bits)| covers_v4(*net, *bits, v4)),
        IpAddr::V6(v6) => match nat64(v6) {
            Some(v4) => is_public(IpAddr::V4(v4)),
            None => {
                covers_v6(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3, v6)
                    && !NOT_PUBLIC_V6.iter().any(|(net, bits)| covers_v6(*net, *bits, v6))
            }
        },
    }
}

/// The IPv4 address behind the well-known NAT64 prefix (RFC 6052, 2.1).
fn nat64(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [prefix @ .., a, b, c, d] = address.octets();
    (prefix == [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0]).then(|| Ipv4Addr::new(a, b, c, d))
}

fn covers_v4(net: Ipv4Addr, bits: u32, address: Ipv4Addr) -> bool {
    let shift = 32_u32.saturating_sub(bits);
    net.to_bits().checked_shr(shift) == address.to_bits().checked_shr(shift)
}

fn covers_v6(net: Ipv6Addr, bits: u32, address: Ipv6Addr) -> bool {
    let shift = 128_u32.saturating_sub(bits);
    net.to_bits().checked_shr(shift) == address.to_bits().checked_shr(shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_of_the_internet_are_public() {
        for text in ["1.1.1.1", "8.8.8.8", "100.63.255.255", "172.32.0.1", "2606:4700::1111", "2a00:1450::1"] {
            assert!(is_public(address(text)), "{text}");
        }
        assert!(is_public(address("64:ff9b::8.8.8.8")), "NAT64 to a public address");
        assert!(is_public(address("::ffff:8.8.8.8")), "a mapped public address");
    }

    #[test]
    fn addresses_of_the_neighbourhood_are_not_public() {
        for text in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.255.254",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "3fff::1",
            "fc00::1",
            "fd00:c1::a9fe:a9fe",
            "fe80::1",
            "ff02::1",
        ] {
            assert!(!is_public(address(text)), "{text}");
        }
    }

    #[test]
    fn metadata_services_are_near() {
        for text in ["127.0.0.1", "::1", "169.254.169.254", "::ffff:169.254.169.254", "fe80::1", "fd00:c1::a9fe:a9fe"] {
            assert!(is_metadata(address(text)), "{text}");
        }
        for text in ["8.8.8.8", "10.0.0.1", "192.168.0.1", "169.255.0.1", "2606:4700::1111", "fc00::1"] {
            assert!(!is_metadata(address(text)), "{text}");
        }
    }

    #[test]
    fn a_proxy_is_not_asked_for_local_names() {
        for text in ["localhost", "a.localhost", "metadata.google.internal", "printer", "10.0.0.1", "[::1]", "a.local."]
        {
            assert!(!allows_through_proxy(&Host::parse(text).unwrap()), "{text}");
        }
        for text in ["gitlab.com", "notlocalhost.com", "8.8.8.8"] {
            assert!(allows_through_proxy(&Host::parse(text).unwrap()), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_address_is_both_public_and_near(bits: u128) {
            let address = IpAddr::V6(Ipv6Addr::from_bits(bits));
            proptest::prop_assert!(!(is_public(address) && is_metadata(address)));
        }

        #[test]
        fn an_address_and_its_mapped_form_are_judged_alike(bits: u32) {
            let v4 = Ipv4Addr::from_bits(bits);
            proptest::prop_assert_eq!(is_public(IpAddr::V4(v4)), is_public(IpAddr::V6(v4.to_ipv6_mapped())));
            proptest::prop_assert_eq!(is_metadata(IpAddr::V4(v4)), is_metadata(IpAddr::V6(v4.to_ipv6_mapped())));
        }
    }
}
