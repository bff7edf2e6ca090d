//! No credential file may make the reader panic, and one that is refused says why.
#![no_main]

use carnet_gcp::parse_external_account;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|file: &[u8]| {
    if let Err(mistakes) = parse_external_account(file) {
        assert!(!mistakes.is_empty());
    }
});
