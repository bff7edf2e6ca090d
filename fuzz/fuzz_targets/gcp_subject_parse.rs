//! No signed request, chain of certificates or answer of AWS may make the trust model or the emulator panic, and nobody but
//! AWS STS is ever asked who somebody is.
#![no_main]

use carnet_gcp::trust::{SignedRequest, parse_chain};
use carnet_gcp_sandbox::parse_caller_identity;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(caller) = parse_caller_identity(bytes) {
        assert!(!caller.account.is_empty());
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(request) = SignedRequest::parse(text) {
        let host = request.url().host_str().unwrap_or_default();
        assert!(host == "sts.amazonaws.com" || (host.starts_with("sts.") && host.split('.').count() == 4));
        assert!(host.ends_with(".amazonaws.com") && request.url().scheme() == "https" && request.url().path() == "/");
    }
    drop(parse_chain(text));
});
