//! No token request, key, filter, resource id, blob or range may make the emulator panic.
#![no_main]

use carnet_azure_sandbox::{
    Place, Presented, Version, parse_filter, parse_key, parse_range, parse_target, parse_token_request,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &str, Vec<u8>)| {
    let (text, other, body) = input;
    for version in [Version::First, Version::Second] {
        for kind in [text, "application/x-www-form-urlencoded"] {
            match parse_token_request(kind, &body, version) {
                Ok(request) => {
                    assert!(!request.client_id.is_empty() && !request.target.is_empty());
                    if let Presented::Assertion(token) = request.presented {
                        assert!(!token.is_empty());
                    }
                }
                Err(mistake) => assert!(!mistake.text.chars().any(char::is_control)),
            }
        }
    }
    let parts: Vec<&str> = text.split('/').collect();
    drop(parse_key(&parts));
    if let Some(target) = parse_target(&parts) {
        drop(target.subscription().map(ToOwned::to_owned));
    }
    drop(parse_filter(text));
    for host in [other, "127.0.0.1", "carnetsandbox.blob.core.windows.net"] {
        if let Some(place) = Place::parse(host, text) {
            assert!(!place.account().is_empty());
        }
    }
    if let Ok((first, last)) = parse_range(text, body.len()) {
        assert!(first <= last && last < body.len());
    }
});
