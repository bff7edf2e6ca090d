//! No certificate bundle, proxy setting or answer of a proxy may make the readers panic.
#![no_main]

use carnet_net::{NoProxy, Proxy, parse_connect_answer, parse_roots};
use libfuzzer_sys::fuzz_target;
use url::Host;

fuzz_target!(|bytes: &[u8]| {
    drop(parse_roots(bytes));
    if let Some(status) = parse_connect_answer(bytes) {
        assert!((100..1000).contains(&status));
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    drop(Proxy::parse(text));
    let direct = NoProxy::parse(text);
    direct.covers(&Host::Domain(text.to_owned()), 443);
    assert!(direct.covers(&Host::Domain("localhost".to_owned()), 80), "this machine is never asked through a proxy");
});
