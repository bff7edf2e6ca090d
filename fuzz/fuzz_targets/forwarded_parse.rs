//! No list of forwarded addresses may make somebody a client whom no trusted proxy has named, and what the proxies in front
//! of it were told by others changes nothing.
#![no_main]

use std::{net::IpAddr, sync::LazyLock};

use carnet_net::{ForwardedPeer, TrustedProxies};
use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;

/// The proxy that all of it comes through.
const PROXY: &str = "10.0.0.7";
/// Somebody who is no proxy.
const STRANGER: &str = "192.0.2.1";

static PROXIES: LazyLock<TrustedProxies> = LazyLock::new(|| {
    let networks = ["10.0.0.0/8".to_owned(), "2001:db8:1::/48".to_owned()];
    TrustedProxies::parse(&networks).expect("they are networks")
});

/// Each line of the input is a line of the header; those that no header can hold are left out.
fn lines(bytes: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append("x-forwarded-for", value);
        }
    }
    headers
}

fuzz_target!(|bytes: &[u8]| {
    let (proxy, stranger): (IpAddr, IpAddr) = (PROXY.parse().expect("one"), STRANGER.parse().expect("another"));
    let mut headers = lines(bytes);
    assert_eq!(PROXIES.client(stranger, &headers), None, "a stranger speaks for nobody");
    match PROXIES.client(proxy, &headers).expect("a proxy speaks for somebody") {
        ForwardedPeer::Address(client) => assert_eq!(client, client.to_canonical()),
        ForwardedPeer::Unnamed(by) => assert!(PROXIES.contain(Some(by)), "who names nobody is a proxy"),
    }
    // The proxy writes at the end whom it was asked by.
    headers.append("x-forwarded-for", HeaderValue::from_static(STRANGER));
    assert_eq!(PROXIES.client(proxy, &headers), Some(ForwardedPeer::Address(stranger)));
    if let Ok(text) = std::str::from_utf8(bytes) {
        drop(TrustedProxies::parse(&text.lines().map(str::to_owned).collect::<Vec<_>>()));
    }
});
