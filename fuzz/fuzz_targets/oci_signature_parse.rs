//! No `authorization` or `date` header may make the verifier's readers panic.
#![no_main]

use carnet_oci::trust::signature::{KeyId, parse_authorization, parse_http_date};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|header: &str| {
    if let Ok(authorization) = parse_authorization(header) {
        assert!(!authorization.headers.is_empty());
        authorization.signs("date");
    }
    let _ = KeyId::parse(header);
    let _ = parse_http_date(header);
});
