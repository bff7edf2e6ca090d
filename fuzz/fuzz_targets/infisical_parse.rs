//! No answer of Infisical and no pattern of its rules may make the readers panic.
#![no_main]

use carnet_infisical::{parse_issued, parse_list, parse_message, parse_one, trust::Pattern};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &str, Vec<u8>)| {
    let (pattern, text, body) = input;
    drop(parse_issued(&body));
    drop(parse_list(&body));
    drop(parse_one(&body));
    drop(parse_message(&body));
    let pattern = Pattern::new(pattern);
    assert!(!pattern.is_match(text) || pattern.accepts(text));
});
