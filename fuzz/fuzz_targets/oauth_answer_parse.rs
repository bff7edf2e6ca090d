//! No answer of a token endpoint and no metadata may make the readers panic; what is shown of a refusal is safe.
#![no_main]

use carnet_oauth::{parse_chain, parse_error, parse_metadata, parse_token_answer};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, Vec<u8>)| {
    let (issuer, body) = input;
    let said = parse_error(&body);
    for text in said.code.iter().chain(&said.description) {
        assert!(!text.chars().any(char::is_control));
    }
    if let Ok(answer) = parse_token_answer(&body) {
        assert!(!answer.access_token.is_empty());
    }
    drop(parse_metadata(&body, issuer));
    if let Ok(chain) = parse_chain(&body) {
        assert!(!chain.is_empty() && chain.len() <= 16);
    }
});
