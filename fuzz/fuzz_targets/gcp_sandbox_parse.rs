//! No exchange, upload, path or lifetime may make the emulator panic.
#![no_main]

use carnet_gcp_sandbox::{parse_exchange, parse_lifetime, parse_multipart, parse_resource};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, Vec<u8>)| {
    let (text, body) = input;
    for kind in [text, "application/x-www-form-urlencoded", "application/json"] {
        drop(parse_exchange(kind, &body));
    }
    let body = body.into();
    for kind in [text, "multipart/related; boundary=x"] {
        drop(parse_multipart(kind, &body));
    }
    drop(parse_resource(&text.split('/').collect::<Vec<_>>()));
    assert!(parse_lifetime(text).is_none_or(|lifetime| lifetime.is_positive()));
});
