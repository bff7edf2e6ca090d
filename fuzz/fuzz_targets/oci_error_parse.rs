//! No error body may make the reader panic or put control characters into a message.
#![no_main]

use carnet_oci::error::ErrorBody;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let error = ErrorBody::parse(body);
    assert!(error.code.is_none_or(|text| !text.chars().any(char::is_control)));
    assert!(error.message.is_none_or(|text| !text.chars().any(char::is_control)));
});
