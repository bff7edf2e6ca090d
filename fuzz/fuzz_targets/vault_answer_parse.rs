//! No answer of Vault may make the readers panic; what is shown of a refusal is safe, and a token that is accepted is there.
#![no_main]

use carnet_vault::{Issued, parse_errors, parse_issued, parse_secret};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    for text in parse_errors(body) {
        assert!(!text.is_empty() && !text.chars().any(char::is_control));
    }
    match parse_issued(body) {
        Ok(Issued::Auth(auth)) => assert!(!auth.client_token.is_empty() && auth.lease_duration >= 0),
        Ok(Issued::Wrapped(wrapped)) => assert!(!wrapped.token.is_empty() && wrapped.ttl > 0),
        Err(_) => {}
    }
    for nested in [false, true] {
        drop(parse_secret(body, nested));
    }
});
