//! No file, variable or answer may make the readers of tokens panic, and what they give is one word.
#![no_main]

use carnet_generic::{Format, parse_token};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], &str)| {
    let (bytes, field) = input;
    for format in [Format::Text, Format::Json] {
        if let Ok(token) = parse_token(bytes, format, field) {
            assert!(!token.is_empty() && token.expose().chars().all(|c| c.is_ascii_graphic()));
        }
    }
    if let Some(token) = carnet_ci::parse_token_answer(bytes) {
        assert!(!token.is_empty());
    }
});
