//! No answer of Google's services may make the readers panic.
#![no_main]

use carnet_gcp::{parse_access_token_answer, parse_error, parse_id_token_answer, parse_identity, parse_token_answer};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    drop(parse_error(body));
    drop(parse_token_answer(body));
    drop(parse_access_token_answer(body));
    drop(parse_id_token_answer(body));
    drop(parse_identity(body));
});
