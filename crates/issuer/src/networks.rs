//! Networks that tokens are bound to, as texts. An empty list is everywhere.

use std::net::IpAddr;

use ipnet::IpNet;

/// A network in CIDR notation, or a single address.
pub(crate) fn parse(text: &str) -> Option<IpNet> {
    text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

/// Whether somebody at this address may use what is bound to them. Who has no address is in no network.
pub(crate) fn admit(networks: &[String], address: Option<IpAddr>) -> bool {
    let holds = |text: &String| parse(text).zip(address).is_some_and(|(network, address)| network.contains(&address));
    networks.is_empty() || networks.iter().any(holds)
}

/// Where both allow it: of each two that overlap the narrower. `None` when that is nowhere.
pub(crate) fn both(one: &[String], other: &[String]) -> Option<Vec<String>> {
    if one.is_empty() || other.is_empty() {
        return Some(if one.is_empty() { other } else { one }.to_vec());
    }
    let read = |texts: &[String]| -> Vec<IpNet> { texts.iter().filter_map(|text| parse(text)).collect() };
    let (one, other) = (read(one), read(other));
    let mut shared: Vec<IpNet> = Vec::new();
    for (one, other) in one.iter().flat_map(|one| other.iter().map(move |other| (one, other))) {
        let narrower = if one.contains(other) { other } else { one };
        if (one.contains(other) || other.contains(one)) && !shared.contains(narrower) {
            shared.push(*narrower);
        }
    }
    (!shared.is_empty()).then(|| shared.iter().map(ToString::to_string).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(networks: &[&str]) -> Vec<String> {
        networks.iter().map(|&network| network.to_owned()).collect()
    }

    #[test]
    fn an_address_is_within_or_not() {
        let at = |networks: &[&str], address: Option<&str>| {
            admit(&texts(networks), address.map(|address| address.parse().unwrap()))
        };
        assert!(at(&[], None) && at(&["10.0.0.0/8"], Some("10.1.2.3")) && at(&["2001:db8::1"], Some("2001:db8::1")));
        assert!(!at(&["10.0.0.0/8"], Some("11.0.0.1")) && !at(&["10.0.0.0/8"], None));
        assert!(!at(&["x"], Some("10.0.0.1")), "what cannot be read holds nobody");
    }

    #[test]
    fn both_is_the_narrower_of_each_two() {
        for (one, other, expected) in [
            (&[][..], &[][..], Some(&[][..])),
            (&["10.0.0.0/8"], &[], Some(&["10.0.0.0/8"])),
            (&[], &["10.0.0.0/8"], Some(&["10.0.0.0/8"])),
            (&["10.0.0.0/8", "192.0.2.0/24"], &["10.1.0.0/16", "192.0.0.0/16"], Some(&["10.1.0.0/16", "192.0.2.0/24"])),
            (&["10.0.0.0/8", "10.1.0.0/16"], &["10.1.0.0/16"], Some(&["10.1.0.0/16"])),
            (&["10.0.0.1"], &["10.0.0.0/8"], Some(&["10.0.0.1/32"])),
            (&["10.0.0.0/8"], &["192.0.2.0/24"], None),
            (&["10.0.0.0/8"], &["::/0"], None),
            (&["x"], &["10.0.0.0/8"], None),
        ] {
            assert_eq!(both(&texts(one), &texts(other)), expected.map(texts), "{one:?} {other:?}");
        }
    }
}
