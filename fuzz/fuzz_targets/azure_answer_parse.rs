//! No answer of Entra or of a managed identity endpoint may make the readers panic; what is shown of a refusal is safe.
#![no_main]

use carnet_azure::{parse_error, parse_managed_answer, parse_token_answer};
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;

/// 2026-11-21 12:00:00 UTC.
const NOW: i64 = 1_795_262_400;

fuzz_target!(|body: &[u8]| {
    let said = parse_error(body);
    for text in said.error.iter().chain(&said.description).chain(&said.trace_id) {
        assert!(!text.is_empty() && !text.chars().any(char::is_control));
    }
    let now = Timestamp::from_second(NOW).expect("a time");
    if let Ok(answer) = parse_token_answer(body, now) {
        assert!(!answer.access_token.is_empty() && answer.expires_at >= now);
    }
    if let Ok(answer) = parse_managed_answer(body, now) {
        assert!(!answer.access_token.is_empty());
        assert!(answer.client_id.is_none_or(|id| !id.is_empty() && !id.chars().any(char::is_control)));
    }
});
