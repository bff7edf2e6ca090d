//! No form, SCIM filter or SCIM path may make the emulator panic.
#![no_main]

use carnet_oci_sandbox::parsers::{AttributePath, Filter, Form};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    drop(Form::parse(bytes));
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    drop(Filter::parse(text));
    drop(AttributePath::parse(text));
});
